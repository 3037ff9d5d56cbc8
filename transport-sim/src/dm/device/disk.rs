//! What a device has stored, and what it is again when its disk has not kept that.
//!
//! All that is to outlive a crash is one record, written after each step of the session and after each answer of the
//! tree. A write that fails has not happened: the device takes up what it had before. Where the disk loses more than
//! that, so does the device, and it says what: nobody else can know.

use std::sync::Arc;

use core_kit::Durable as _;
use dm_core::{
    client::{Profile, Session, Snapshot},
    ids::{QuestionId, SessionId},
    session::{Outcome, Reason},
    tree::{Memory, OpResult},
};

use super::{CLONED, Contract, Current, Device};
use crate::{
    Commit, Context, DiskFault, FaultId, Host, Site, Span, Store,
    dm::{Fact, Party},
};

const BACK: Site = Site("device.back");
const DOWN: Site = Site("device.down");
const VERSION: Site = Site("device.version");

/// Writes that the disk can go back.
const PAST: usize = 8;
/// How long a device is down that starts again.
const DOWN_MS: Span = Span::new(200, 60_000);
/// The numbers of its sessions begin here for a device that has forgotten how far it was, and again so much later each
/// time: a real one draws them, and hits none of its old ones.
const ANEW: (u16, u16) = (0x4000, 0x80);
/// What a snapshot says of its version, and what that of another one says.
const VERSIONS: (&str, &str) = ("dm.client/1", "dm.client/2");

/// All that outlives a crash.
#[derive(Clone)]
pub(super) struct Record {
    contracts: Vec<Arc<Contract>>,
    promised: Vec<Arc<Contract>>,
    tree: Arc<Memory>,
    session: Option<Saved>,
    answered: Option<(QuestionId, Arc<Vec<OpResult>>)>,
    /// Up to where it remembers operations and notifications.
    done: u32,
    followed: u32,
}

/// A session under way.
#[derive(Clone)]
struct Saved {
    id: SessionId,
    profile: Arc<Profile>,
    snapshot: Snapshot,
    contract: usize,
    replies: u32,
    aborts_after: Option<u32>,
    resync: (bool, bool),
}

/// What a device has its record on.
pub(super) struct Disk {
    store: Store<(), Record>,
    /// What is there when nothing else is.
    factory: Record,
    /// Whether it is no more what it was when the device was switched off.
    is_changed: bool,
}

impl Disk {
    pub(super) fn new(contracts: &[Arc<Contract>], promised: &[Arc<Contract>], tree: &Memory) -> Self {
        let factory = Record {
            contracts: contracts.to_vec(),
            promised: promised.to_vec(),
            tree: Arc::new(tree.clone()),
            session: None,
            answered: None,
            done: 0,
            followed: 0,
        };
        Self { store: Store::with_past(PAST), factory, is_changed: false }
    }
}

impl Device {
    /// Writes the record; false where that failed, and the device is to go on from the record that there is.
    pub(super) fn save(&mut self, ctx: &mut Context<'_, Party>) -> bool {
        let record = self.record();
        let (Some(disk), Some(record)) = (&mut self.disk, record) else { return true };
        let (fault, revision) = (ctx.disk_fault(None), disk.store.revision(&()));
        let commit = disk.store.write((), revision, revision + 1, record, fault);
        // Nobody reads a record but a device that is switched on.
        disk.is_changed = matches!(fault, Some(DiskFault::Back(_) | DiskFault::Rot));
        commit == Ok(Commit::Done) && !disk.is_changed
    }

    fn record(&mut self) -> Option<Record> {
        self.disk.as_ref()?;
        let session = self.current.as_ref().map(|current| Saved {
            id: current.id.clone(),
            profile: Arc::clone(&current.profile),
            snapshot: current.host.stored().clone(),
            contract: current.contract,
            replies: current.replies,
            aborts_after: current.aborts_after,
            resync: current.resync,
        });
        let tree = match self.told.take() {
            Some(told) if *told == self.known.tree => told,
            _ => Arc::new(self.known.tree.clone()),
        };
        self.told = Some(Arc::clone(&tree));
        Some(Record {
            contracts: self.known.contracts.clone(),
            promised: self.known.promised.clone(),
            tree,
            session,
            answered: self.answered.clone(),
            done: self.done.mark(),
            followed: self.followed.mark(),
        })
    }

    /// What follows when the record was not written.
    pub(super) fn go_on_without(&mut self, ctx: &mut Context<'_, Party>) {
        if self.disk.as_ref().is_some_and(|disk| disk.is_changed) {
            let down = ctx.draw(DOWN, None, DOWN_MS);
            return ctx.crash(down);
        }
        self.reload(ctx);
        self.resume(ctx);
    }

    /// One chance to be switched off for each fault that a device has when it is switched on; whether it is.
    pub(super) fn is_reborn(&mut self, ctx: &mut Context<'_, Party>) -> bool {
        if self.disk.is_none() {
            return false;
        }
        let faults = [FaultId::F23, FaultId::F24, FaultId::F28];
        let Some(fault) = faults.into_iter().find(|fault| ctx.strikes(*fault, None)) else { return false };
        self.rebirth = Some(fault);
        let down = ctx.draw(DOWN, None, DOWN_MS);
        ctx.crash(down);
        true
    }

    /// Whether the record is another one than when the device was switched off.
    pub(super) fn has_forgotten(&mut self, ctx: &mut Context<'_, Party>, rebirth: Option<FaultId>) -> bool {
        let Some(disk) = &mut self.disk else { return false };
        let mut forgets = core::mem::take(&mut disk.is_changed);
        forgets |= disk.store.lose_unsynced() > 0;
        match rebirth {
            Some(FaultId::F23) => {
                let writes = 1 + ctx.choose(BACK, None, u32::try_from(PAST).unwrap_or(1)) as usize;
                forgets |= disk.store.go_back(writes) > 0;
            }
            Some(FaultId::F24) => {
                disk.store = Store::with_past(PAST);
                forgets = true;
            }
            _ => {}
        }
        forgets || disk.store.read(&()).is_err()
    }

    /// Is what the record says, or as new where there is none.
    pub(super) fn reload(&mut self, ctx: &mut Context<'_, Party>) {
        let Some(disk) = &self.disk else { return };
        let record = disk.store.load(&()).map_or_else(|| disk.factory.clone(), |row| row.value.clone());
        let Record { contracts, promised, tree, session, answered, done, followed } = record;
        let (undone, notices) = (self.done.forget_since(done), self.followed.forget_since(followed));
        // Nor does it mean to open the sessions that those asked for.
        self.known.visits.retain(|visit| !visit.asked.as_ref().is_some_and(|(_, session)| notices.contains(session)));
        if let Some(Current { id, host, .. }) = self.current.take() {
            self.past.push((id, host));
        }
        (self.known.contracts, self.known.promised, self.known.tree) = (contracts, promised, Memory::clone(&tree));
        (self.answered, self.channel, self.stored, self.told) = (answered, None, None, None);
        self.lives = self.lives.saturating_add(1);
        let first = if self.known.is_clone { CLONED } else { ANEW.0 };
        self.begun = first.saturating_add(ANEW.1.saturating_mul(self.lives));
        self.current = session.and_then(Saved::resumed);
        if self.current.is_none() {
            // What a session left half-way is nobody's any more.
            self.known.tree.abandon();
        }
        let resumes = self.current.as_ref().map(|current| current.id.clone());
        let accounts = self.known.contracts.iter().map(|contract| contract.profile.server_id.clone()).collect();
        ctx.note(&Fact::Forgot { undone, notices, accounts, resumes });
    }

    /// The software is another one, F28. It reads the snapshot, or it says that it cannot: then the session is over.
    pub(super) fn update(&mut self, ctx: &mut Context<'_, Party>) {
        let is_newer = ctx.choose(VERSION, None, 2) == 1;
        let Some(current) = &mut self.current else { return };
        let Ok(mut text) = serde_json::to_string(current.host.stored()) else { return };
        if is_newer {
            text = text.replacen(VERSIONS.0, VERSIONS.1, 1);
        }
        match serde_json::from_str(&text) {
            Ok(snapshot) => current.host.store(snapshot),
            Err(_) => self.end(ctx, &Outcome::Aborted(Reason::Unavailable)),
        }
    }

    /// Forgets the live session, and takes it up again from the octets of its snapshot.
    pub(super) fn miss_cache(&mut self, ctx: &mut Context<'_, Party>) {
        let Some(current) = &mut self.current else { return };
        let octets = serde_json::to_vec(current.host.stored());
        match octets.and_then(|octets| serde_json::from_slice(&octets)) {
            Ok(snapshot) => current.host.store(snapshot),
            Err(error) => ctx.note(&Fact::Misused(error.to_string())),
        }
    }
}

impl Saved {
    /// The session, if it goes on.
    fn resumed(self) -> Option<Current> {
        let Self { id, profile, snapshot, contract, replies, aborts_after, resync } = self;
        let session = Session::restore(snapshot, &profile).ok().filter(|session| session.outcome().is_none())?;
        let host = Host::new(Profile::clone(&profile), session);
        Some(Current { id, profile, host, contract, replies, aborts_after, resync })
    }
}
