//! Part 6: the story over a simulated network that loses and doubles what clients and server say to each other.

use core::{convert::Infallible, net::IpAddr};
use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use core_kit::{Body, Machine, Millis, Tick};
use dpe_core::{
    client::{self, Client, Sender},
    config::SpProfile,
    identity::{Network, Source},
    limits::WireLimits,
    property::Reading,
    server::{
        Misuse, Profile,
        router::{Effect, Router},
    },
    sp::{self, Sp},
    wire::{self, Decoded, Kind},
};
use transport_sim::{Bounds, Context, Decider, Fate, Halt, Host, Link, Message, Node, NodeId, Permille, Span, World};

use super::{
    super::{Demo, chart},
    Pace, Properties,
    draw::{Said, Who},
    phone, provider, provider_id,
    story::{Stage, Story, View},
};

/// The name of the server, as clients know it.
const SERVER: &str = "dpe.example";
const SERVER_NODE: NodeId = NodeId(1);
/// The nodes of clients are these and the next.
const PHONES: u32 = 11;
/// The nodes of SPs are these and the next.
const PROVIDERS: u32 = 21;
/// The nodes from here on are the hand of the story: each gives one input to a node at the right time.
const HANDS: u32 = 1000;

/// In simulated time nobody has to wait: everything as in earnest.
const PACE: Pace = Pace {
    window_seconds: 60,
    policy_seconds: 600,
    silence: Millis::from_secs(30),
    step: Millis(500),
    patience: Millis::from_secs(1200),
};

/// Between clients and server one message in ten is lost, and one in ten of the clients' is doubled.
const LOSS: Permille = Permille::new(100);

pub(in super::super) fn run(demo: &mut Demo) -> Result<()> {
    chart::title(6, "DPE: a client, a server and two SPs over a simulated network");
    let (seed, mut played) = (1..=2000)
        .find_map(|seed| Some((seed, play(seed).ok().filter(|played| played.is_rough)?)))
        .context("no seed loses and doubles a message, and ends well")?;
    println!("\n  seed {seed}: on the air one message in ten is lost, and one in ten of the devices' is doubled");
    print!("{}", played.text);
    let again = play(seed)?;
    ensure!(again.trace == played.trace, "the same seed gave another trace");
    println!("\n  the same seed again: the trace is identical, {} lines", played.trace.lines().count());
    demo.scenes += played.scenes;
    demo.messages += played.messages;
    let journals = played.journals.take().context("the machines have journals")?;
    journals.keep(demo, "dpe-simulated")
}

/// What a run left behind.
struct Played {
    text: String,
    trace: String,
    messages: usize,
    scenes: usize,
    /// Whether a message was lost before the device fell silent, and one was doubled.
    is_rough: bool,
    journals: Option<super::Journals>,
}

fn play(seed: u64) -> Result<Played> {
    let mut stage = Simulated::new(seed)?;
    let mut story = Story::new(&mut stage, PACE);
    let played = story.play();
    let (text, messages, scenes) = (core::mem::take(&mut story.text), story.messages, story.scenes);
    let trace = stage.world.trace().as_str().to_owned();
    played?;
    let is_rough = stage.lost > 0 && stage.doubled > 0;
    let journals = Some(stage.into_journals());
    Ok(Played { text, trace, messages, scenes, is_rough, journals })
}

/// The world of the story.
struct Simulated {
    world: World<Party>,
    now: Tick,
    hands: u32,
    lost: usize,
    doubled: usize,
}

/// What the nodes have in common.
#[derive(Default)]
struct Shared {
    /// What the story wants to give to a node.
    orders: BTreeMap<NodeId, VecDeque<Order>>,
    /// What SPs told, by their nodes.
    told: BTreeMap<NodeId, Vec<sp::Output>>,
    /// What must not happen, and did.
    faults: Vec<String>,
}

enum Order {
    Phone(client::Input),
    Provider(sp::Input),
    Worth(Reading),
}

/// A node.
enum Party {
    Server(Box<Router>),
    Phone(Box<Phone>),
    Provider(Box<Host<Sp>>),
    /// Gives an order to a node at a time.
    Hand(Tick, NodeId),
}

struct Phone {
    host: Host<Client>,
    properties: Properties,
    view: Option<View>,
}

impl Simulated {
    fn new(seed: u64) -> Result<Self> {
        let mut world = World::new(Decider::from_seed(seed), Link::PERFECT, Shared::default());
        let mut router = Router::new(&Profile::new(PACE.config())?);
        router.record();
        let air = Link { delay: Span::new(40, 400), loss: LOSS, late: Span::new(100, 900), ..Link::PERFECT };
        for number in 0..super::DEVICES.len() {
            let node = node(PHONES, number);
            let profile = phone(number, SERVER, Some(node.0.to_string()));
            let host = Host::new(profile.clone(), Client::new(&profile));
            let phone = Phone { host, properties: Properties::new()?, view: None };
            world.add(node, &format!("phone-{}", number + 1), Party::Phone(phone.into()));
            // A copy of an old request that comes late makes its group again: nothing in the protocol lets a client tell.
            world.link(node, SERVER_NODE, Link { duplication: LOSS, ..air });
            world.link(SERVER_NODE, node, air);
        }
        for (number, name) in super::PROVIDERS.iter().enumerate() {
            let profile = provider(number, PACE)?;
            let network = Network::try_from(address(node(PROVIDERS, number)).to_string().as_str())?;
            router.add_sp(SpProfile::new(provider_id(number)?, vec![network]));
            let host = Host::new(profile.clone(), Sp::new(&profile));
            world.add(node(PROVIDERS, number), name, Party::Provider(host.into()));
        }
        world.add(SERVER_NODE, "server", Party::Server(router.into()));
        world.keep_traffic();
        Ok(Self { world, now: Tick(0), hands: HANDS, lost: 0, doubled: 0 })
    }

    /// Gives a node an order, now.
    fn order(&mut self, to: NodeId, order: Order) -> Result<()> {
        self.world.shared_mut().orders.entry(to).or_default().push_back(order);
        let hand = NodeId(self.hands);
        self.hands += 1;
        self.world.link(hand, to, Link { delay: Span::new(0, 0), ..Link::PERFECT });
        self.world.add(hand, "hand", Party::Hand(self.now, to));
        self.pass(Millis(0))
    }

    fn into_journals(self) -> super::Journals {
        let mut journals = super::Journals::default();
        for (_, node) in self.world.into_parts().0 {
            match node {
                Party::Phone(phone) => journals.phones.push(phone.host.journal().clone()),
                Party::Provider(host) => journals.providers.push(host.journal().clone()),
                Party::Server(router) => journals.server = router.journals().cloned().unwrap_or_default(),
                Party::Hand(..) => {}
            }
        }
        journals
    }
}

impl Stage for Simulated {
    fn pass(&mut self, time: Millis) -> Result<()> {
        self.now = self.now + time;
        let halt = self.world.run(Bounds { until: self.now, events: 100_000 });
        ensure!(halt != Halt::OutOfEvents, "the world goes round in circles");
        let faults = &self.world.shared().faults;
        ensure!(faults.is_empty(), "{}", faults.join("; "));
        Ok(())
    }

    fn phone(&mut self, phone: usize, input: client::Input) -> Result<()> {
        self.order(node(PHONES, phone), Order::Phone(input))
    }

    fn worth(&mut self, phone: usize, reading: Reading) -> Result<()> {
        self.order(node(PHONES, phone), Order::Worth(reading))
    }

    fn view(&mut self, phone: usize) -> Result<View> {
        match self.world.node(node(PHONES, phone)) {
            Some(Party::Phone(phone)) => phone.view.clone().context("the device has done nothing yet"),
            _ => bail!("there is no such device"),
        }
    }

    fn cut_off(&mut self, phone: usize) -> Result<()> {
        self.world.link(SERVER_NODE, node(PHONES, phone), Link { loss: Permille::ALWAYS, ..Link::PERFECT });
        Ok(())
    }

    fn provider(&mut self, provider: usize, input: sp::Input) -> Result<()> {
        self.order(node(PROVIDERS, provider), Order::Provider(input))
    }

    fn told(&mut self, provider: usize) -> Vec<sp::Output> {
        self.world.shared_mut().told.remove(&node(PROVIDERS, provider)).unwrap_or_default()
    }

    fn said(&mut self) -> Vec<Said> {
        let traffic = self.world.take_traffic();
        self.world.keep_traffic();
        let mut said = Vec::new();
        for sent in traffic {
            let (Some(from), Some(to)) = (who(sent.message.from), who(sent.message.to)) else { continue };
            let is_lost = sent.fate == Fate::Lost;
            self.lost += usize::from(is_lost);
            self.doubled += usize::from(sent.message.copy);
            let note = match (sent.message.copy, is_lost) {
                (false, false) => "",
                (false, true) => "  LOST",
                (true, false) => "  DOUBLED by the network",
                (true, true) => "  DOUBLED by the network, and the copy lost",
            };
            let body = Body::from(sent.message.bytes);
            said.push(Said { at_ms: sent.sent_at.0, from, to, body, note });
        }
        said
    }
}

fn node(first: u32, number: usize) -> NodeId {
    NodeId(first + u32::try_from(number).unwrap_or_default())
}

/// Who a node is; nothing for the hand of the story.
fn who(node: NodeId) -> Option<Who> {
    let number = |first: u32| usize::try_from(node.0.checked_sub(first)?).ok();
    match node.0 {
        HANDS.. => None,
        PROVIDERS.. => number(PROVIDERS).map(Who::Provider),
        PHONES.. => number(PHONES).map(Who::Phone),
        _ => Some(Who::Server),
    }
}

/// Where a node is.
fn address(node: NodeId) -> IpAddr {
    let last = u8::try_from(node.0).unwrap_or_default();
    IpAddr::from(if node.0 < PROVIDERS { [10, 0, 0, last] } else { [192, 0, 2, last] })
}

impl Node for Party {
    type Shared = Shared;
    type Fact = Infallible;

    fn start(&mut self, ctx: &mut Context<'_, Self>) {
        if let Self::Hand(at, _) = self {
            ctx.wake_at(Some(*at));
        }
    }

    fn deliver(&mut self, ctx: &mut Context<'_, Self>, message: &Message) {
        let node = ctx.node();
        if who(message.from).is_none() {
            let order = ctx.shared().orders.get_mut(&node).and_then(VecDeque::pop_front);
            match (self, order) {
                (Self::Phone(phone), Some(Order::Phone(input))) => phone.take(ctx, input),
                (Self::Phone(phone), Some(Order::Worth(reading))) => phone.properties.set(reading),
                (Self::Provider(host), Some(Order::Provider(input))) => provide(host, ctx, input),
                _ => ctx.shared().faults.push("an order for somebody else".into()),
            }
            return;
        }
        let body = Body::from(message.bytes.clone());
        match self {
            Self::Server(router) => {
                let (env, source) = (ctx.env(None), Source::at(address(message.from)));
                let effects = match who(message.from) {
                    Some(Who::Provider(_)) => router.from_sp(&env, &source, &body),
                    _ if is_registration(&body) => router.register(&env, &source, &body),
                    _ => router.from_client(&env, None, &source, &body),
                };
                serve(router, ctx, effects, Some(message));
            }
            Self::Phone(phone) => phone.take(ctx, client::Input::Received(Sender::Name(SERVER.into()), body)),
            Self::Provider(host) => provide(host, ctx, sp::Input::Received(body)),
            Self::Hand(..) => {}
        }
    }

    fn wake(&mut self, ctx: &mut Context<'_, Self>) {
        match self {
            Self::Server(router) => {
                let env = ctx.env(None);
                let effects = router.wake(&env);
                serve(router, ctx, effects, None);
            }
            Self::Phone(phone) => phone.take(ctx, client::Input::Wake),
            Self::Provider(host) => provide(host, ctx, sp::Input::Wake),
            Self::Hand(_, to) => {
                let channel = ctx.open_channel();
                ctx.send(*to, channel, Bytes::new());
            }
        }
    }

    /// Nobody crashes in this story.
    fn crash(&mut self) {}

    fn restart(&mut self, _: &mut Context<'_, Self>) {}
}

impl Phone {
    /// Takes an input, and everything that follows from it.
    fn take(&mut self, ctx: &mut Context<'_, Party>, input: client::Input) {
        let mut todo = Some(input);
        while let Some(input) = todo.take() {
            let env = ctx.env(None);
            match self.host.step(&env, input) {
                Ok(outputs) => {
                    for output in outputs {
                        match output {
                            client::Output::Ask(question) => {
                                let readings = self.properties.read(&question.names);
                                todo = Some(question.answer(readings));
                            }
                            client::Output::Send(_, body) => {
                                let channel = ctx.open_channel();
                                ctx.send(SERVER_NODE, channel, body.to_bytes());
                            }
                            client::Output::Report(_) => {}
                        }
                    }
                }
                Err(error) => ctx.shared().faults.push(format!("a client refuses: {error:?}")),
            }
        }
        if let Ok(machine) = self.host.machine() {
            ctx.wake_at(machine.deadline().map(|deadline| deadline.at));
            self.view = Some(View::of(machine));
        }
    }
}

fn provide(host: &mut Host<Sp>, ctx: &mut Context<'_, Party>, input: sp::Input) {
    let (env, node) = (ctx.env(None), ctx.node());
    match host.step(&env, input) {
        Ok(outputs) => {
            for output in outputs {
                if let sp::Output::Send(_, body) = output {
                    let channel = ctx.open_channel();
                    ctx.send(SERVER_NODE, channel, body.to_bytes());
                } else {
                    ctx.shared().told.entry(node).or_default().push(output);
                }
            }
        }
        Err(error) => ctx.shared().faults.push(format!("an SP refuses: {error:?}")),
    }
    if let Ok(machine) = host.machine() {
        ctx.wake_at(machine.deadline().map(|deadline| deadline.at));
    }
}

/// Sends what came of a step of the server; `received` is what it was about.
fn serve(
    router: &Router,
    ctx: &mut Context<'_, Party>,
    effects: Result<Vec<Effect>, Misuse>,
    received: Option<&Message>,
) {
    let effects = effects.unwrap_or_else(|misuse| {
        ctx.shared().faults.push(misuse.to_string());
        Vec::new()
    });
    for effect in effects {
        match (effect, received) {
            (Effect::Reply(body), Some(received)) => ctx.send(received.from, received.channel, body.to_bytes()),
            (Effect::ToClient(_, link), _) => {
                match link.contact.as_deref().and_then(|contact| contact.parse().ok()).map(NodeId) {
                    Some(node) => {
                        let channel = ctx.open_channel();
                        ctx.send(node, channel, link.body.to_bytes());
                    }
                    None => ctx.shared().faults.push("a client without a contact".into()),
                }
            }
            (Effect::ToSp(sp, message), _) => {
                if let Some(number) = super::PROVIDERS.iter().position(|name| *name == sp.as_str()) {
                    let channel = ctx.open_channel();
                    ctx.send(node(PROVIDERS, number), channel, message.body.to_bytes());
                }
            }
            (Effect::Ask(..), _) => ctx.shared().faults.push("a question that nobody answers".into()),
            (Effect::Reply(_) | Effect::Ignore | Effect::Device(..) | Effect::Gate(..), _) => {}
        }
    }
    ctx.wake_at(router.deadline());
}

/// Whether a message belongs on DPE-1: in HTTP the path says so.
fn is_registration(body: &Body) -> bool {
    let kind = match wire::decode(body, &WireLimits::DEFAULT) {
        Ok(Decoded::Message(message)) => Some(message.kind),
        _ => None,
    };
    matches!(kind, Some(Kind::RegisterRequest | Kind::RegisterSuccess))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the story says of a world in which this was done first.
    fn failure(spoil: impl FnOnce(&mut Simulated) -> Result<()>) -> Result<String> {
        let mut stage = Simulated::new(1)?;
        spoil(&mut stage)?;
        let played = Story::new(&mut stage, PACE).play();
        Ok(played.err().map(|error| error.to_string()).unwrap_or_default())
    }

    #[test]
    fn a_device_that_does_not_register_fails_the_story() -> Result<()> {
        assert_eq!(failure(|stage| stage.cut_off(0))?, "a device registers");
        Ok(())
    }

    #[test]
    fn a_property_that_is_not_what_it_was_said_to_be_fails_the_story() -> Result<()> {
        let none = Reading::without(super::super::name("OSName")?, dpe_core::codes::Code::NOT_SUPPORTED);
        let failure = failure(|stage| stage.worth(0, none))?;
        assert_eq!(failure, "an SP asks for a property: of the device, then of the cache");
        Ok(())
    }
}
