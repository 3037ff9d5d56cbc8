//! The life of nonces: none is issued twice, and a pair that has lost sight of each other's finds back.
//!
//! A script of mishaps is played to one device and one server: replies are lost, either side crashes, stores are restored
//! from a backup. Then the network is left alone, and the pair must complete a session within three attempts.

use std::collections::BTreeSet;

use core_kit::Durable;
use dm_core::{
    Packet,
    auth::{Account, Nonce, Scheme, Scope},
    client::{self, Trigger},
    server::{self, Order, Profile, Request},
    session::Outcome,
    wire::{Command, Status},
};
use proptest::{prelude::*, sample::Index};

use crate::harness::{Device, SERVER, Server, message};

/// What happens to one message of an attempt and to its reply.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    /// The reply is lost, and the device sends again.
    ReplyLost,
    /// The message is lost, and the device sends again.
    RequestLost,
    /// The device crashes before it takes the reply; its session is gone, its accounts are as they were stored.
    DeviceDies,
    /// The server loses the session with the message.
    SessionLost,
    /// The server's store is restored from the backup, sessions and all.
    ServerRestored,
    /// A backup is made of the server's store.
    Backup,
    /// Nothing.
    None,
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        3 => Just(Mishap::None),
        2 => Just(Mishap::ReplyLost),
        1 => Just(Mishap::RequestLost),
        1 => Just(Mishap::DeviceDies),
        1 => Just(Mishap::SessionLost),
        1 => Just(Mishap::ServerRestored),
        1 => Just(Mishap::Backup),
    ]
}

fn scheme() -> impl Strategy<Value = Scheme> {
    prop_oneof![Just(Scheme::Md5), Just(Scheme::Mac)]
}

/// What a server stores.
#[derive(Clone)]
struct Store {
    session: Option<server::Snapshot>,
    device: Account,
    own: Account,
}

struct World {
    store: Store,
    backup: Store,
    own: Account,
    server: Account,
    profile: client::Profile,
    scope: Scope,
    now: u64,
    attempts: u16,
    /// Every nonce issued, and the messages that issued them: a message that is sent again issues nothing new.
    issued: BTreeSet<Vec<u8>>,
    seen: BTreeSet<Vec<u8>>,
}

impl World {
    fn new(client: Scheme, server: Scheme, scope: Scope) -> Self {
        let mut profile = Device::usual();
        (profile.first, profile.weakest, profile.server_scheme) = (Some(client), client, Some(server));
        let (device, own) =
            (Account::new("device-001", "s3cr3t-pass", client), Account::new("dm-server", "s3rv3r-pass", server));
        let store = Store { session: None, device: device.clone(), own: own.clone() };
        Self {
            backup: store.clone(),
            store,
            own: device,
            server: own,
            profile,
            scope,
            now: 0,
            attempts: 0,
            issued: BTreeSet::new(),
            seen: BTreeSet::new(),
        }
    }

    /// One session, each exchange with its mishap; how it ended for the device, where that is known.
    fn attempt(&mut self, mishaps: &[Mishap]) -> Option<Outcome> {
        self.attempts += 1;
        self.store.session = None;
        let mut device = Device::new(self.profile.clone());
        (device.own, device.server, device.now) = (self.own.clone(), self.server.clone(), self.now);
        let trigger = Trigger::Client(dm_core::ids::SessionId::from_number(self.attempts));
        let mut request = device.send(client::Input::Start(trigger));
        let mut mishaps = mishaps.iter().copied();
        while let Some(packet) = request.take() {
            self.note(&packet);
            let mishap = mishaps.next().unwrap_or(Mishap::None);
            if matches!(mishap, Mishap::Backup) {
                self.backup = self.store.clone();
            }
            let mut reply = None;
            if !matches!(mishap, Mishap::RequestLost) {
                reply = self.serve(packet.clone());
            }
            match mishap {
                Mishap::ReplyLost | Mishap::RequestLost => reply = self.serve(packet),
                Mishap::DeviceDies => {
                    self.keep(&device);
                    return None;
                }
                Mishap::SessionLost => self.store.session = None,
                Mishap::ServerRestored => self.store = self.backup.clone(),
                Mishap::Backup | Mishap::None => {}
            }
            device.now = device.now.max(self.now);
            // Without a reply the device goes on trying until it gives up.
            request = device.send(match reply {
                Some(reply) => client::Input::Received(reply),
                None => client::Input::SendFailed(client::Failure::Permanent),
            });
            self.keep(&device);
        }
        device.finished
    }

    /// The device's reports are stored in the step that makes them.
    fn keep(&mut self, device: &Device) {
        (self.own, self.server, self.now) = (device.own.clone(), device.server.clone(), self.now.max(device.now));
    }

    /// The reply that a stateless node gives; nothing where it refuses the message as such.
    fn serve(&mut self, packet: Packet) -> Option<Packet> {
        let profile = Profile::new(SERVER);
        let read = vec![Order::new("read", Request::Get(vec!["./DevInfo/Man".into()]))];
        let session = match self.store.session.clone() {
            Some(snapshot) => server::Session::restore(snapshot, &profile).unwrap(),
            None => server::Session::new(&profile),
        };
        let fresh = self.store.session.is_none();
        let mut node = Server {
            session,
            device: Some(self.store.device.clone()),
            own: Some(self.store.own.clone()),
            scope: self.scope,
            orders: if fresh { vec![read] } else { Vec::new() },
            now: self.now,
            ..Server::new(profile)
        };
        let outputs = node.take(server::Input::Received(packet)).unwrap();
        self.now = node.now;
        // The commit comes first, then the reply.
        self.store = Store {
            session: Some(node.session.snapshot()),
            device: node.device.clone().unwrap(),
            own: node.own.clone().unwrap(),
        };
        let reply = outputs.into_iter().find_map(|output| match output {
            server::Output::Reply(reply) => Some(reply),
            _ => None,
        })?;
        self.note(&reply);
        Some(reply)
    }

    /// Looks at the nonces in a message.
    fn note(&mut self, packet: &Packet) {
        if !self.seen.insert(packet.body.to_vec()) {
            return;
        }
        for command in message(packet).commands {
            let Command::Status(Status { chal: Some(chal), .. }) = command else { continue };
            let Some(text) = chal.meta.next_nonce else { continue };
            let nonce = Nonce::from_base64(text.reveal()).unwrap();
            assert!(self.issued.insert(nonce.as_bytes().to_vec()), "a nonce is issued twice");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nonces_never_repeat_and_a_pair_converges_within_three_attempts(
        (client, server) in (scheme(), scheme()),
        per_message in any::<bool>(),
        attempts in proptest::collection::vec(proptest::collection::vec(mishap(), 0..5), 0..6),
        restored in any::<Index>(),
    ) {
        let scope = if per_message { Scope::Message } else { Scope::Session };
        let mut world = World::new(client, server, scope);
        for (at, mishaps) in attempts.iter().enumerate() {
            if at > 0 && restored.index(attempts.len()) == at {
                world.store = world.backup.clone();
            }
            world.attempt(mishaps);
        }
        let mut completed = false;
        for _ in 0..3 {
            completed |= world.attempt(&[]) == Some(Outcome::Completed);
        }
        prop_assert!(completed, "three attempts without a mishap, and none came to its end");
        // From then on both know the same nonces, and need no challenge.
        prop_assert_eq!(&world.own.nonce, &world.store.device.nonce);
        prop_assert_eq!(&world.server.nonce, &world.store.own.nonce);
    }
}
