//! Part 3: the server asks the person at the device, and what depends on the answer is done or is not.

use anyhow::{Result, ensure};
use dm_core::{
    client::{self, Trigger},
    codes::AlertCode,
    ids::SessionId,
    prompt::{Prompt, Reply, Response, Wanted},
    server::{self, Entry, Order, Request},
    tree::Memory,
};

use super::{
    Demo, chart, completed,
    ends::{Client, DEVICE, Keys, SERVER, Server, URL, converse, tree},
};

/// What becomes of an order by the user's answer, by its tag: the status after a yes, and after a no.
const EXPECTED: [(&str, u16, u16); 7] = [
    ("atomic", 200, 507),
    ("replace", 200, 216),
    ("add", 200, 216),
    ("keep?", 200, 304),
    ("sequence", 200, 200),
    ("now?", 200, 304),
    ("exec", 200, 215),
];

pub(super) fn run(demo: &mut Demo) -> Result<()> {
    chart::title(3, "The server asks the user");
    println!(
        "\n  in an Atomic, so that a no undoes what was done; in a Sequence, so that it stops what would come next"
    );
    let story = [(1, Response::Yes, "yes", "second"), (2, Response::No, "no", "0")];
    for (number, response, word, value) in story {
        println!("\n  session {number}: the user says {word} to everything\n");
        let (client, server) = session(demo, number, Reply::Given(response.clone()))?;
        chart::done(&server.done);
        let is_yes = response == Response::Yes;
        let expected: Vec<_> = EXPECTED.iter().map(|(tag, yes, no)| (*tag, if is_yes { *yes } else { *no })).collect();
        let became: Vec<_> = server.done.iter().flat_map(statuses).collect();
        ensure!(became == expected, "the orders came to {became:?} instead of {expected:?}");
        let told = server.done.iter().flat_map(|done| &done.items).filter_map(|item| item.reply.clone());
        ensure!(
            told.eq([Reply::Given(response.clone()), Reply::Given(response)]),
            "the server was told another answer"
        );
        let tree = &client.tree;
        ensure!(tree.text("./Sim/Value") == Some(value), "the device has {:?}", tree.text("./Sim/Value"));
        ensure!(tree.node("./Sim/Added").is_some() == is_yes, "the device has not what the user wanted");
        println!("\n  the device has now: {}, {}", leaf(tree, "./Sim/Value"), leaf(tree, "./Sim/Added"));
    }
    Ok(())
}

fn session(demo: &mut Demo, number: u16, user: Reply) -> Result<(Client, Server)> {
    let profile = client::Profile { prompts: vec![AlertCode::CONFIRM], ..client::Profile::new(DEVICE, URL, SERVER) };
    let mut client = Client::new(profile, Keys::usual(), tree("Talkative", "1.2")?);
    client.user = user;
    let mut server = Server::new(server::Profile::new(URL), Keys::usual(), orders());
    let trigger = Trigger::Client(SessionId::from_number(number));
    converse(demo, &format!("user-{number}"), &mut client, &mut server, trigger)?;
    completed("client", client.outcome.as_ref())?;
    completed("server", server.outcome.as_ref())?;
    Ok((client, server))
}

fn orders() -> Vec<Order> {
    let ask = |text: &str| Request::Ask(Prompt::new(text, Wanted::Consent { default: None }));
    let run = Request::Exec { entry: Entry::bare("./Sim/Run"), correlator: None };
    let atomic = vec![
        Order::new("replace", Request::Replace(vec![Entry::text("./Sim/Value", "second")])),
        Order::new("add", Request::Add(vec![Entry::text("./Sim/Added", "first")])),
        Order::new("keep?", ask("Keep the new settings?")),
    ];
    let sequence = vec![Order::new("now?", ask("Run the update now?")), Order::new("exec", run)];
    vec![Order::new("atomic", Request::Atomic(atomic)), Order::new("sequence", Request::Sequence(sequence))]
}

fn statuses(done: &server::Done) -> impl Iterator<Item = (&str, u16)> {
    done.items.iter().map(|item| (done.tag.as_str(), item.status.map_or(0, |status| status.0)))
}

fn leaf(tree: &Memory, uri: &str) -> String {
    tree.text(uri).map_or_else(|| format!("no {uri}"), |text| format!("{uri} = {text:?}"))
}
