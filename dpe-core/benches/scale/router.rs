//! Many devices in one process.

use core_kit::{Body, Durable, Env};
use dpe_core::{
    codes::Code,
    config::{Config, SpProfile},
    identity::{Network, Source},
    ids::{ClientId, SpId},
    server::{
        Profile, device,
        gate::{self, Gate},
        router::{Effect, Router},
    },
    wire::{Identity, Ie, Kind, Message},
};

use crate::{
    Fallible,
    figures::resident,
    query::{Clock, Server, body, read, roll},
};

/// A router and its devices.
pub(crate) struct Crowd {
    router: Router,
    clients: Vec<ClientId>,
    bytes: Option<u64>,
    random: u64,
    device: Source,
    sp: Source,
}

/// The SP that asks.
pub(crate) fn sp() -> Fallible<SpProfile> {
    Ok(SpProfile::new(SpId::try_from("sp")?, vec![Network::try_from("192.0.2.10")?]))
}

pub(crate) fn sources() -> Fallible<(Source, Source)> {
    Ok((Source::at("10.1.0.1".parse()?), Source::at("192.0.2.10".parse()?)))
}

impl Crowd {
    /// So many devices, each registered with the messages that it takes, each of a user of its own.
    pub(crate) fn registered(count: u32, clock: &mut Clock) -> Fallible<Self> {
        let before = resident();
        let (device, sp_source) = sources()?;
        let mut router = Router::new(&Profile::new(Config::default())?);
        router.add_sp(sp()?);
        for number in 0..count {
            register(&mut router, &clock.next(), &device, number)?;
        }
        let bytes = before.zip(resident()).map(|(before, after)| after.saturating_sub(before));
        let clients = router.clients().cloned().collect();
        Ok(Self { router, clients, bytes, random: 0x9E37_79B9_7F4A_7C15, device, sp: sp_source })
    }

    /// Octets of memory for each device: its machine, what the directory knows of it, and the room that is left in both.
    pub(crate) fn bytes_each(&self) -> Option<u64> {
        self.bytes.map(|bytes| bytes / (self.clients.len().max(1) as u64))
    }

    /// The stored form of all machines.
    pub(crate) fn into_snapshots(
        self,
    ) -> Fallible<(impl Iterator<Item = (ClientId, device::Snapshot)>, gate::Snapshot)> {
        let gate = self.router.gate(&sp()?.id).map(Gate::snapshot).ok_or("the SP has a gate")?;
        let Self { router, clients, .. } = self;
        let snapshot = move |client: ClientId| router.device(&client).map(|device| (client, device.snapshot()));
        Ok((clients.into_iter().filter_map(snapshot), gate))
    }
}

fn register(router: &mut Router, env: &Env, source: &Source, number: u32) -> Fallible<()> {
    let mut request = Message::new(Kind::RegisterRequest);
    request.device_identity = Identity::new("mac", &format!("{number:012x}")).into();
    request.user_identity = Identity::new("msisdn", &format!("+34{number:09}")).into();
    request.dpe_version = Ie::Is("1.0".into());
    let response = router.register(env, source, &body(&request)?)?;
    let [Effect::Reply(response)] = response.as_slice() else { return Err("no response to a request".into()) };
    let mut success = Message::new(Kind::RegisterSuccess);
    success.client_id = read(response)?.client_id;
    success.status = Ie::Is(Code::OK);
    let mut todo = vec![router.register(env, source, &body(&success)?)?];
    // The server may have something to settle with the client at once.
    while let Some(effects) = todo.pop() {
        for effect in effects {
            if let Effect::ToClient(_, link) = effect {
                let asked = read(&link.body)?;
                let mut answer = Message::new(asked.kind.answer().ok_or("a request has an answer")?);
                answer.message_id = asked.message_id;
                answer.group_id = asked.group_id;
                answer.policy_id = asked.policy_id;
                answer.client_id.clone_from(&success.client_id);
                answer.status = Ie::Is(Code::OK);
                todo.push(router.from_client(env, None, source, &body(&answer)?)?);
            }
        }
    }
    Ok(())
}

impl Server for Crowd {
    fn pick(&mut self) -> Fallible<ClientId> {
        let at = roll(&mut self.random, self.clients.len());
        Ok(self.clients.get(at).ok_or("there are devices")?.clone())
    }

    fn asked(&mut self, env: &Env, body: &Body) -> Fallible<Body> {
        to_client(self.router.from_sp(env, &self.sp, body)?)
    }

    fn answered(&mut self, env: &Env, body: &Body) -> Fallible<Body> {
        to_sp(self.router.from_client(env, None, &self.device, body)?)
    }
}

/// The message that goes to a client.
pub(crate) fn to_client(effects: Vec<Effect>) -> Fallible<Body> {
    let sent = effects.into_iter().find_map(|effect| match effect {
        Effect::ToClient(_, link) => Some(link.body),
        _ => None,
    });
    sent.ok_or_else(|| "the client is asked nothing".into())
}

/// The message that goes to the SP.
pub(crate) fn to_sp(effects: Vec<Effect>) -> Fallible<Body> {
    let sent = effects.into_iter().find_map(|effect| match effect {
        Effect::ToSp(_, message) => Some(message.body),
        _ => None,
    });
    sent.ok_or_else(|| "the SP is told nothing".into())
}
