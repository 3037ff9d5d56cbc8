//! A node that keeps nothing: what a message names is loaded, stepped and stored.

use std::{collections::BTreeMap, net::IpAddr};

use core_kit::{Body, Durable, Env, Tick};
use dpe_core::{
    config::Config,
    identity::{Key, Source},
    ids::{ClientId, SpId},
    server::{
        Misuse, Profile, RestoreError,
        carry::{self, Effect, Rows},
        device::Device,
        directory::{Assign, Assignation, Change},
        gate::{self, Gate},
    },
};

use crate::{
    Fallible,
    query::{Server, roll},
    router::{Crowd, sources, sp, to_client, to_sp},
};

/// A table of devices and a table of gates, as text.
pub(crate) struct Table {
    profile: Profile,
    gate_profile: gate::Profile,
    devices: BTreeMap<ClientId, String>,
    gates: BTreeMap<SpId, String>,
    clients: Vec<ClientId>,
    random: u64,
    device: Source,
    sp: Source,
}

impl Table {
    /// The machines of a router, stored.
    pub(crate) fn of(crowd: Crowd) -> Fallible<Self> {
        let profile = Profile::new(Config::default())?;
        let gate_profile = gate::Profile { config: profile.clone(), sp: sp()? };
        let (snapshots, gate) = crowd.into_snapshots()?;
        let mut devices = BTreeMap::new();
        for (client, snapshot) in snapshots {
            devices.insert(client, serde_json::to_string(&snapshot)?);
        }
        let gates = [(gate_profile.sp.id.clone(), serde_json::to_string(&gate)?)].into();
        let clients = devices.keys().cloned().collect();
        let (device, sp) = sources()?;
        Ok(Self { profile, gate_profile, devices, gates, clients, random: 0x2545_F491_4F6C_DD1D, device, sp })
    }

    /// Octets of a device's row.
    pub(crate) fn bytes_each(&self) -> Option<u64> {
        let bytes: usize = self.devices.values().map(String::len).sum();
        (bytes as u64).checked_div(self.devices.len() as u64)
    }

    /// Carries one message over the rows that it names: they are loaded as they are named, and stored in the end.
    fn transact(
        &mut self,
        carry: impl FnOnce(&mut Transaction<'_>) -> Result<Vec<Effect>, Failed>,
    ) -> Fallible<Vec<Effect>> {
        let mut transaction = Transaction { table: self, devices: BTreeMap::new(), gates: BTreeMap::new() };
        let effects = carry(&mut transaction)?;
        let Transaction { devices, gates, .. } = transaction;
        for (client, device) in devices {
            self.devices.insert(client, serde_json::to_string(&device.snapshot())?);
        }
        for (sp, gate) in gates {
            self.gates.insert(sp, serde_json::to_string(&gate.snapshot())?);
        }
        Ok(effects)
    }
}

impl Server for Table {
    fn pick(&mut self) -> Fallible<ClientId> {
        let at = roll(&mut self.random, self.clients.len());
        Ok(self.clients.get(at).ok_or("there are devices")?.clone())
    }

    fn asked(&mut self, env: &Env, body: &Body) -> Fallible<Body> {
        let source = self.sp.clone();
        let effects = self.transact(|rows| carry::from_sp(rows, env, &source, body))?;
        to_client(effects)
    }

    fn answered(&mut self, env: &Env, body: &Body) -> Fallible<Body> {
        let source = self.device.clone();
        let effects = self.transact(|rows| carry::from_client(rows, env, None, &source, body))?;
        to_sp(effects)
    }
}

/// What one message reads and changes.
struct Transaction<'a> {
    table: &'a Table,
    devices: BTreeMap<ClientId, Device>,
    gates: BTreeMap<SpId, Gate>,
}

/// A row that is not to be had, or a machine that took no input.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Misuse(#[from] Misuse),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error("a query wants this of nobody")]
    Unexpected,
}

impl Rows for Transaction<'_> {
    type Error = Failed;

    fn profile(&self) -> Profile {
        self.table.profile.clone()
    }

    fn device(&mut self, client: &ClientId) -> Result<Option<&mut Device>, Failed> {
        if let (false, Some(row)) = (self.devices.contains_key(client), self.table.devices.get(client)) {
            let device = Device::restore(serde_json::from_str(row)?, &self.table.profile)?;
            self.devices.insert(client.clone(), device);
        }
        Ok(self.devices.get_mut(client))
    }

    fn gate(&mut self, sp: &SpId) -> Result<Option<&mut Gate>, Failed> {
        if let (false, Some(row)) = (self.gates.contains_key(sp), self.table.gates.get(sp)) {
            let gate = Gate::restore(serde_json::from_str(row)?, &self.table.gate_profile)?;
            self.gates.insert(sp.clone(), gate);
        }
        Ok(self.gates.get_mut(sp))
    }

    /// A node would store it for whoever wakes machines.
    fn stepped(&mut self, _: &ClientId, _: Option<Tick>) {}

    fn forget(&mut self, _: &ClientId) {}

    fn providers(&self) -> Vec<SpId> {
        self.table.gates.keys().cloned().collect()
    }

    fn is_provider(&self, _: IpAddr) -> bool {
        true
    }

    fn add(&mut self, _: Device) -> Result<(), Failed> {
        Err(Failed::Unexpected)
    }

    fn assign(&mut self, _: &Assign) -> Result<Assignation, Failed> {
        Err(Failed::Unexpected)
    }

    fn find(&mut self, _: &Key) -> Result<Vec<ClientId>, Failed> {
        Err(Failed::Unexpected)
    }

    fn change(&mut self, _: Change) -> Result<(), Failed> {
        Err(Failed::Unexpected)
    }
}
