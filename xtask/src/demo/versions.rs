//! Part 2: a device that would rather speak DM 1.3 and a server that has DM 1.2 only.

use anyhow::{Context, Result, ensure};
use dm_core::{
    client::{self, Trigger},
    codes::StatusCode,
    ids::SessionId,
    server::{self, Order, Request},
    session::Outcome,
    version::{Choice, Memory, Version, Versions, fall_back},
};

use super::{
    Demo, chart, completed,
    ends::{Client, DEVICE, Keys, SERVER, Server, URL, converse, tree},
};

pub(super) fn run(demo: &mut Demo) -> Result<()> {
    chart::title(2, "A device of DM 1.3 and 1.2 meets a server of DM 1.2");
    let of_device = Versions::of(&[Version::V1_2, Version::V1_3]);
    // What the device knows of the server; stored with its account.
    let mut memory = Memory::default();

    let first = choose(of_device, &memory)?;
    println!("\n  the device knows nothing of the server: session 1 with DM {first}, its highest\n");
    let (refused, _) = session(demo, 1, first)?;
    let Some(Outcome::VersionRefused { code, recommended: Some(recommended), .. }) = refused.outcome.clone() else {
        anyhow::bail!("the server was to refuse DM {first}: {:?}", refused.outcome);
    };
    ensure!(code == StatusCode::PROTOCOL_NOT_SUPPORTED, "the refusal came with {code:?}");
    let next = fall_back(of_device, first, Some(recommended)).context("the device is left without a version")?;
    println!("\n  refused with {code}; the server recommends DM {recommended}: session 2 with DM {next}\n");

    let (client, server) = session(demo, 2, next)?;
    completed("client", client.outcome.as_ref())?;
    completed("server", server.outcome.as_ref())?;
    chart::done(&server.done);
    ensure!(server.done.iter().all(server::Done::is_success), "an order was not carried out");
    for (version, ended) in [(first, refused), (next, client)] {
        memory.hear(version, &ended.outcome.context("the session is over")?);
    }
    let later = choose(of_device, &memory)?;
    ensure!((first, later) == (Version::V1_3, Version::V1_2), "DM {first} first, and DM {later} later");
    println!("\n  the device has learnt it: later sessions with this server open with DM {later} at once");
    Ok(())
}

fn choose(supported: Versions, memory: &Memory) -> Result<Version> {
    let choice = Choice { memory: memory.clone(), ..Choice::of(supported) };
    choice.version().context("the device speaks no version")
}

/// A session of this number and version, whatever comes of it.
fn session(demo: &mut Demo, number: u16, version: Version) -> Result<(Client, Server)> {
    let profile = client::Profile { version, ..client::Profile::new(DEVICE, URL, SERVER) };
    let mut client = Client::new(profile, Keys::usual(), tree("Versatile", "1.3")?);
    let profile = server::Profile { versions: Versions::of(&[Version::V1_2]), ..server::Profile::new(URL) };
    let orders = vec![Order::new("get-model", Request::Get(vec!["./DevInfo/Mod".into()]))];
    let mut server = Server::new(profile, Keys::usual(), orders);
    let trigger = Trigger::Client(SessionId::from_number(number));
    converse(demo, &format!("versions-{number}"), &mut client, &mut server, trigger)?;
    Ok((client, server))
}
