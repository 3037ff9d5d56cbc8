//! Part 4: our client and our server over a simulated network that loses and doubles messages.

use anyhow::{Context, Result, ensure};
use dm_core::Packet;
use transport_sim::{
    Fate, Permille,
    dm::{Direction, OrderState, Run, Scenario},
};

use super::{Demo, chart, completed};

/// One message in five is lost, one in five doubled: enough that a short session shows it.
const OFTEN: Permille = Permille::new(200);

pub(super) fn run(demo: &mut Demo) -> Result<()> {
    chart::title(4, "Our client and our server over a simulated network, digests both ways");
    let run = (1..=1000).map(of_seed).find(shows_both).context("no seed loses and doubles a message")?;
    println!("\n  seed {}: every fifth message is lost, every fifth is doubled", run.seed);
    let before = scenario(run.seed).tree().clone();
    println!("\n  the device's tree before:");
    chart::tree(&before, None);
    println!();
    let mut known = Vec::new();
    for transfer in &run.traffic {
        let from = match transfer.direction {
            Direction::ToServer => chart::From::Client,
            Direction::ToDevice => chart::From::Server,
        };
        let note = match (transfer.copy, transfer.fate) {
            (false, Fate::Delivered(_)) => "",
            (false, _) => "  LOST",
            (true, Fate::Delivered(_)) => "  DOUBLED by the network",
            (true, _) => "  DOUBLED by the network, and the copy lost",
        };
        let packet = Packet::xml(transfer.body.to_vec());
        if known.contains(&transfer.body) {
            let repeated = if transfer.copy { "" } else { ", the same bytes again" };
            chart::again(transfer.at.0, from, &packet, &format!("{repeated}{note}"));
        } else {
            chart::message(Some(transfer.at.0), from, &packet, note);
            known.push(transfer.body.clone());
        }
    }
    let mut done = Vec::new();
    for (tag, state) in &run.orders {
        match state {
            OrderState::Done(order) => done.push(order),
            other => anyhow::bail!("order {:?} ended as {other:?}", tag.as_str()),
        }
    }
    chart::done(done);
    let tree = run.tree.as_ref().context("the device has a tree")?;
    println!("\n  the device's tree afterwards; * marks what the server changed:");
    chart::tree(tree, Some(&before));
    ensure!(run.failures().is_empty(), "{}", run.failures().join("; "));
    let again = Scenario::run(&scenario(run.seed));
    ensure!(again.trace == run.trace, "the same seed gave another trace");
    println!("\n  the same seed again: the trace is identical, {} lines", run.trace.lines().count());
    let session = run.sessions.last().context("there is a session")?;
    completed("client", session.client.as_ref())?;
    completed("server", session.server.as_ref())?;
    demo.sessions += run.sessions.len();
    demo.messages += run.traffic.len();
    demo.keep::<dm_core::client::Session>("simulated.client", &session.client_journal)?;
    let journal = session.server_journal.as_ref().context("the server has a journal")?;
    demo.keep::<dm_core::server::Session>("simulated.server", journal)
}

fn scenario(seed: u64) -> Scenario {
    let mut scenario = Scenario::standard(seed);
    scenario.faults.link.loss = OFTEN;
    scenario.faults.link.duplication = OFTEN;
    scenario
}

fn of_seed(seed: u64) -> Run {
    scenario(seed).run()
}

/// Whether something was lost, something doubled, and the session completed all the same.
fn shows_both(run: &Run) -> bool {
    let lost = run.traffic.iter().any(|transfer| transfer.fate == Fate::Lost);
    let doubled = run.traffic.iter().any(|transfer| transfer.copy);
    lost && doubled && completed("client", run.client()).is_ok() && completed("server", run.server()).is_ok()
}
