//! A query, as an SP and a client see it, and how long the server's part takes.

use std::time::{Duration, Instant};

use core_kit::{Body, Env, Tick, UnixMillis};
use dpe_core::{
    codes::Code,
    ids::{ClientId, Token},
    limits::WireLimits,
    property::Reading,
    wire::{self, Decoded, Ie, Kind, Message, PropertyName, ResultIe, Value},
};

use crate::{Fallible, figures::Figures};

/// Rounds of each size; an odd number has a median.
const ROUNDS: usize = 21;
/// Queries of a round.
const QUERIES: u32 = 500;

/// A server that can be asked.
pub(crate) trait Server {
    /// One of its devices, another one each time.
    fn pick(&mut self) -> Fallible<ClientId>;
    /// A request of the SP; gives what goes to the client.
    fn asked(&mut self, env: &Env, body: &Body) -> Fallible<Body>;
    /// The client's answer; gives what goes to the SP.
    fn answered(&mut self, env: &Env, body: &Body) -> Fallible<Body>;
}

/// Rounds of queries to each server in turn.
pub(crate) fn measure<S: Server>(servers: &mut [S], clock: &mut Clock) -> Fallible<Vec<Figures>> {
    let mut rounds: Vec<Vec<u64>> = servers.iter().map(|_| Vec::new()).collect();
    // The first round fills caches and is not counted.
    for round in 0..=ROUNDS {
        for (server, rounds) in servers.iter_mut().zip(&mut rounds) {
            let mut spent = Duration::ZERO;
            for _ in 0..QUERIES {
                spent += query(server, clock)?;
            }
            if round > 0 {
                rounds.push(u64::try_from(spent.as_nanos())? / u64::from(QUERIES));
            }
        }
    }
    Ok(rounds.into_iter().map(Figures::of).collect())
}

/// Time and entropy of all servers. A second for each query, so that the window of the SP is never full.
#[derive(Default)]
pub(crate) struct Clock(u64);

impl Clock {
    pub(crate) fn next(&mut self) -> Env {
        self.0 += 1;
        let (at, mut entropy) = (self.0 * 1_000, [0; 32]);
        entropy.iter_mut().zip(self.0.to_le_bytes()).for_each(|(to, from)| *to = from);
        Env { now: Tick(at), wall: UnixMillis(at), entropy }
    }
}

/// One query; how long the server took.
fn query<S: Server>(server: &mut S, clock: &mut Clock) -> Fallible<Duration> {
    let client = server.pick()?;
    let env = clock.next();
    let request = request(&client, clock.0)?;
    let began = Instant::now();
    let forwarded = server.asked(&env, &request)?;
    let mut spent = began.elapsed();
    let answer = answer(&client, &read(&forwarded)?)?;
    let began = Instant::now();
    let told = server.answered(&env, &answer)?;
    spent += began.elapsed();
    let told = read(&told)?;
    if told.kind == Kind::PropertyResult && told.status == Ie::Is(Code::OK) && told.results.len() == 1 {
        Ok(spent)
    } else {
        Err(format!("the SP was told {told:?}").into())
    }
}

fn request(client: &ClientId, number: u64) -> Fallible<Body> {
    let mut message = Message::new(Kind::PropertyQuery);
    message.message_id = Ie::Is(Token::try_from(number.to_string())?);
    message.sp_id = Ie::Is(Token::try_from("sp")?);
    message.client_id = Ie::Is(client.into());
    message.property_names = vec![Ie::Is(PropertyName::try_from("batteryLevel")?)];
    body(&message)
}

fn answer(client: &ClientId, request: &Message) -> Fallible<Body> {
    let mut message = Message::new(Kind::PropertyResult);
    message.message_id = request.message_id.clone();
    message.client_id = Ie::Is(client.into());
    let names = request.property_names.iter().filter_map(Ie::get);
    message.results = names.map(|name| ResultIe::from(&Reading::of(name.clone(), Value::integer(83)))).collect();
    message.status = Ie::Is(Code::OK);
    body(&message)
}

pub(crate) fn body(message: &Message) -> Fallible<Body> {
    Ok(wire::encode(message)?.into())
}

pub(crate) fn read(body: &Body) -> Fallible<Message> {
    match wire::decode(body, &WireLimits::DEFAULT)? {
        Decoded::Message(message) => Ok(*message),
        Decoded::Untyped(untyped) => Err(format!("{untyped:?}").into()),
    }
}

/// The next of a sequence of numbers that look random, below `below`.
pub(crate) fn roll(random: &mut u64, below: usize) -> usize {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    usize::try_from(*random % (below.max(1) as u64)).unwrap_or_default()
}
