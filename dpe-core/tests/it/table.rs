//! The transition table of a device's registration: every row can be walked, and no other.

use std::collections::BTreeSet;

use core_kit::{Env, Machine, Tick, UnixMillis};
use dpe_core::{
    codes::Code,
    config::Config,
    ids::ClientId,
    server::{
        Profile,
        device::{
            Device, Input, Register,
            table::{PhaseKind, Row, TABLE},
        },
        directory::{Assigned, Case},
        link::{Leave, ToDevice},
    },
    wire::Identity,
};

use crate::bench::{IMEI, body, device_source, success};

fn register() -> Input {
    Input::Register(Register {
        message_id: None,
        device: (&Identity::new("imei", IMEI)).try_into().unwrap(),
        address: "10.0.0.1".parse().unwrap(),
        version: Some("1.0".into()),
        contact: None,
        token: None,
        assigned: Assigned {
            client: client(),
            fresh: true,
            case: Case::Same,
            user: None,
            tag: None,
            user_left: false,
            left_with: None,
            siblings: vec![],
            leave: vec![],
        },
    })
}

fn client() -> ClientId {
    "c7".try_into().unwrap()
}

fn says(code: Code) -> Input {
    Input::Received(device_source(), body(&success(&client(), code)))
}

fn leave() -> Input {
    let successor = "c8".try_into().unwrap();
    Input::Told(ToDevice::Leave(Leave { successor, same_user: true, same_device: false, stays: false, other: None }))
}

/// Walks these inputs, a minute apart where it is time that passes; gives the rows.
fn walk(device: &Device, now: u64, input: &Input) -> (Device, Option<Row>) {
    let mut device = device.clone();
    let before = device.phase();
    let env = Env { now: Tick(now), wall: UnixMillis(0), entropy: [9; 32] };
    device.handle(&env, input.clone(), &mut Vec::new()).unwrap();
    let walked = device.walked().filter(|row| row.2 == device.phase());
    let row = (before != device.phase() || walked.is_some()).then_some(walked).flatten();
    (device, row)
}

#[test]
fn every_row_is_walked_and_no_other() {
    let inputs = [
        register(),
        says(Code::OK),
        says(Code::SESSION_DECLINED),
        says(Code::STATUS_ERROR),
        Input::Command("event".into()),
        Input::Wake,
        leave(),
    ];
    let mut seen: BTreeSet<Row> = BTreeSet::new();
    // Without retries, registrations fail at once; with some, they do not.
    let configs = [0, 3].map(|retries| {
        let mut config = Config::default();
        config.reg.command_retry_max = retries;
        Profile::new(config).unwrap()
    });
    let mut reached: Vec<_> = configs.iter().map(|profile| (Device::new(profile, client()), 0_u64, profile)).collect();
    for _ in 0..9 {
        let mut next: Vec<(Device, u64, &Profile)> = Vec::new();
        for (device, now, profile) in &reached {
            for input in &inputs {
                if device.phase() == PhaseKind::Retired || (device.phase() == PhaseKind::Unknown && *input == leave()) {
                    continue;
                }
                let later = now + if *input == Input::Wake { 60_000 } else { 1 };
                let (after, row) = walk(device, later, input);
                seen.extend(row);
                // One device for each phase, how it came there and how often it has tried is enough.
                let is_new =
                    |(known, _, of): &(Device, u64, &Profile)| known.walked() != after.walked() || of != profile;
                if next.iter().all(is_new) {
                    next.push((after, later, profile));
                }
            }
        }
        reached = next;
    }
    let table: BTreeSet<Row> = TABLE.iter().copied().collect();
    assert_eq!(table.len(), TABLE.len(), "no row is there twice");
    let missing: Vec<_> = table.difference(&seen).collect();
    assert!(missing.is_empty(), "not walked: {missing:?}");
    assert!(seen.is_subset(&table));
}
