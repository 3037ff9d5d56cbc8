//! Whole sessions between a device and a node.

use dm_core::{
    auth::Scheme,
    client,
    ids::SessionId,
    server::{Order, Report, Request},
    session::Outcome,
};
use transport_http::{device::run_session, env, memory::Progress};

use crate::kit::{self, DEVICE, Node};

#[tokio::test]
async fn device_and_server_prove_themselves_and_orders_are_done() {
    let memory = kit::memory();
    memory.enqueue(&DEVICE.into(), Order::new("model", Request::Get(vec!["./DevInfo/Mod".into()]))).unwrap();
    let node = Node::over(&memory).await;
    let (profile, mut agent) = (kit::client_profile(&node.url()), kit::agent());
    let mut session = client::Session::new(&profile);
    let trigger = client::Trigger::Client(SessionId::from_number(1));
    let outcome = run_session(&mut session, trigger, &kit::http(&profile), &mut agent, &env::now).await.unwrap();
    dbg!(&agent.reports, memory.reports(&DEVICE.into()));
    assert_eq!(outcome, Outcome::Completed);
}
