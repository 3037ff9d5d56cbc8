//! Parts 6 and 7: Device Profile Evolution, one story over two networks.

use std::collections::BTreeMap;

use anyhow::Result;
use core_kit::{Millis, journal::JournalOf};
use dpe_core::{
    client::{self, Client},
    config::{ClientConfig, Config},
    ids::SpId,
    property::Reading,
    server::{device::Device, gate::Gate, router},
    sp::{self, Sp},
    wire::{Identity, PropertyName, Value},
};

use super::Demo;

mod draw;
mod over_http;
mod simulated;
mod story;

pub(super) use over_http::run as over_http;
pub(super) use simulated::run as simulated;

/// The user, who has first one device and then the other.
const USER: &str = "+34600111222";
/// The devices of the story.
const DEVICES: [&str; 2] = ["490154203237518", "356938035643809"];
/// The SPs of the story.
const PROVIDERS: [&str; 2] = ["weather", "maps"];
/// What the devices run.
const OS: &str = "Example OS 7";
/// Requests that an SP may send within a window.
const THRESHOLD: u32 = 5;

/// How fast the story goes: in simulated time as in earnest, over real sockets as fast as can be waited for.
#[derive(Clone, Copy)]
struct Pace {
    /// The window in which the requests of an SP are counted, in seconds.
    window_seconds: u32,
    /// How long the policy lives that expires, in seconds.
    policy_seconds: u32,
    /// How long the server waits for a client.
    silence: Millis,
    /// How long the story waits before it looks again.
    step: Millis,
    /// How long it waits for anything.
    patience: Millis,
}

impl Pace {
    fn config(self) -> Config {
        let mut config = Config::default();
        config.sp.window_threshold = THRESHOLD;
        config.sp.window_seconds = self.window_seconds;
        config.dpe2.noreply_timeout = self.silence;
        config.dpe2.ack_timeout = self.silence;
        config
    }
}

/// A device with the user's card in it, which knows the server by this name.
fn phone(number: usize, server: &str, contact: Option<String>) -> client::Profile {
    let imei = DEVICES.get(number).copied().unwrap_or_default();
    client::Profile {
        config: ClientConfig { server_addresses: vec![server.into()], ..ClientConfig::default() },
        version: "1.0".into(),
        device: Some(Identity::new("imei", imei)),
        user: Some(Identity::new("msisdn", USER)),
        contact,
        token: None,
    }
}

/// An SP. The second one does not try again when it is refused, so that its refusal can be seen.
fn provider(number: usize, pace: Pace) -> Result<sp::Profile> {
    let mut profile = sp::Profile::new(provider_id(number)?);
    profile.window = Millis::from_secs(u64::from(pace.window_seconds));
    profile.retries = if number == 0 { profile.retries } else { 0 };
    Ok(profile)
}

fn provider_id(number: usize) -> Result<SpId> {
    Ok(SpId::try_from(PROVIDERS.get(number).copied().unwrap_or_default())?)
}

fn name(text: &str) -> Result<PropertyName> {
    Ok(PropertyName::try_from(text)?)
}

/// What a device is like.
struct Properties(BTreeMap<PropertyName, Reading>);

impl Properties {
    fn new() -> Result<Self> {
        let mut properties = Self(BTreeMap::new());
        properties.set(Reading::of(name("OSName")?, Value::text(OS)));
        properties.set(Reading::of(name("batteryLevel")?, Value::integer(100)));
        properties.set(Reading::of(name("currentOrientation")?, Value::text("portrait")));
        properties.set(Reading::of(name("displayLightIntensity")?, Value::integer(40)));
        Ok(properties)
    }

    fn set(&mut self, reading: Reading) {
        self.0.insert(reading.name.clone(), reading);
    }

    /// Those that there are: the client tells which are missing.
    fn read(&self, names: &[PropertyName]) -> Vec<Reading> {
        names.iter().filter_map(|name| self.0.get(name)).cloned().collect()
    }
}

/// What all machines did.
#[derive(Default)]
struct Journals {
    phones: Vec<JournalOf<Client>>,
    providers: Vec<JournalOf<Sp>>,
    server: router::Journals,
}

impl Journals {
    /// Writes them all.
    fn keep(self, demo: &mut Demo, prefix: &str) -> Result<()> {
        for (number, journal) in self.phones.iter().enumerate() {
            demo.keep::<Client>(&format!("{prefix}.phone-{}", number + 1), journal)?;
        }
        // Client-IDs are random; the order in which they were given is that of the clients.
        let mut devices: Vec<_> = self.server.devices.into_values().collect();
        devices.sort_by_key(|journal| journal.records.first().map(|record| record.env.now));
        for (number, journal) in devices.iter().enumerate() {
            demo.keep::<Device>(&format!("{prefix}.device-{}", number + 1), journal)?;
        }
        for (sp, journal) in &self.server.gates {
            demo.keep::<Gate>(&format!("{prefix}.gate-{}", sp.as_str()), journal)?;
        }
        for journal in &self.providers {
            demo.keep::<Sp>(&format!("{prefix}.{}", journal.header.profile.id.as_str()), journal)?;
        }
        Ok(())
    }
}
