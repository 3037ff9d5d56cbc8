//! A node that keeps nothing: what a message names is loaded, stepped and stored.

use std::collections::BTreeMap;

use core_kit::{Body, Durable, Env, Machine};
use dpe_core::{
    config::Config,
    identity::Source,
    ids::{ClientId, SpId},
    server::{
        Profile,
        device::{self, Device},
        gate::{self, Gate, Route},
    },
    wire,
};

use crate::{
    Fallible,
    query::{Server, roll},
    router::{Crowd, sources, sp},
};

/// A table of devices and a table of gates, as text.
pub(crate) struct Rows {
    profile: Profile,
    gate_profile: gate::Profile,
    devices: BTreeMap<ClientId, String>,
    gates: BTreeMap<SpId, String>,
    clients: Vec<ClientId>,
    random: u64,
    device: Source,
    sp: Source,
}

impl Rows {
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

    fn step_device(&mut self, env: &Env, client: &ClientId, input: device::Input) -> Fallible<Vec<device::Output>> {
        let row = self.devices.get_mut(client).ok_or("no such device")?;
        let mut machine = Device::restore(serde_json::from_str(row)?, &self.profile)?;
        let mut out = Vec::new();
        machine.handle(env, input, &mut out)?;
        *row = serde_json::to_string(&machine.snapshot())?;
        Ok(out)
    }

    fn step_gate(&mut self, env: &Env, sp: &SpId, input: gate::Input) -> Fallible<Vec<gate::Output>> {
        let row = self.gates.get_mut(sp).ok_or("no such SP")?;
        let mut machine = Gate::restore(serde_json::from_str(row)?, &self.gate_profile)?;
        let mut out = Vec::new();
        machine.handle(env, input, &mut out)?;
        *row = serde_json::to_string(&machine.snapshot())?;
        Ok(out)
    }
}

impl Server for Rows {
    fn pick(&mut self) -> Fallible<ClientId> {
        let at = roll(&mut self.random, self.clients.len());
        Ok(self.clients.get(at).ok_or("there are devices")?.clone())
    }

    fn asked(&mut self, env: &Env, body: &Body) -> Fallible<Body> {
        let Route::To(sp) = gate::route(self.profile.config(), body, false) else { return Err("no gate".into()) };
        let told = self.step_gate(env, &sp, gate::Input::Received(self.sp.clone(), body.clone()))?;
        for output in told {
            if let gate::Output::Device(client, told) = output {
                for output in self.step_device(env, &client, device::Input::Told(told))? {
                    if let device::Output::Send(link) = output {
                        return Ok(link.body);
                    }
                }
            }
        }
        Err("the client is asked nothing".into())
    }

    fn answered(&mut self, env: &Env, body: &Body) -> Fallible<Body> {
        let read = wire::decode(body, &self.profile.config().wire)?;
        let client = ClientId::try_from(read.client_id().ok_or("an answer names its client")?.clone())?;
        let input = device::Input::Received(self.device.clone(), body.clone());
        for output in self.step_device(env, &client, input)? {
            if let device::Output::Gate(sp, told) = output {
                for output in self.step_gate(env, &sp, gate::Input::Told(told))? {
                    if let gate::Output::Send(message) = output {
                        return Ok(message.body);
                    }
                }
            }
        }
        Err("the SP is told nothing".into())
    }
}
