//! What real peers do otherwise than the specification says, line by line of [digest 12]: one test for each line that no
//! other test shows. `conformance/dm.toml` names the test of every line, these and the others.

use dm_core::{
    Packet,
    alert::{AlertKind, DeviceAlert},
    server::{Order, Report, Request},
    session::Outcome,
    wire::{Deviations, Encoding, encode},
};

use crate::harness::{PACKAGE_ONE, Server, from_device, lines, message};

mod general;
mod libdmclient;
mod samsung;
mod windows;

/// The status of a header that a device believes.
const BELIEVED: &str =
    "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status>";

fn get(uri: &str) -> Order {
    Order::new("get", Request::Get(vec![uri.into()]))
}

/// A server that waits for the answer to one order, which is command 4 of message 1.
fn waiting(order: Order) -> Server {
    let mut server = Server::trusting(vec![vec![order]]);
    server.reply(from_device(1, "", PACKAGE_ONE));
    server
}

/// The status of that order.
fn status(cmd: &str, code: u16) -> String {
    format!("<Status><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Cmd>{cmd}</Cmd><Data>{code}</Data></Status>")
}

/// A message with other words in it.
fn edited(packet: &Packet, from: &str, to: &str) -> Packet {
    let text = std::str::from_utf8(&packet.body).unwrap();
    assert!(text.contains(from), "{from}");
    Packet::xml(text.replace(from, to))
}

/// What the device told of its own accord.
fn alerted(server: &Server) -> Vec<&DeviceAlert> {
    let alerts = server.reports.iter().filter_map(|report| match report {
        Report::Alerted(alert) => Some(alert),
        _ => None,
    });
    alerts.collect()
}

/// The nodes that the device told of itself.
fn told(server: &Server) -> Vec<&str> {
    let found = server.reports.iter().filter_map(|report| match report {
        Report::DevInfo(found) => Some(found),
        _ => None,
    });
    found.flatten().map(|found| found.uri.as_str()).collect()
}

/// Every kind of deviation that was counted.
fn deviations(server: &Server) -> Vec<Deviations> {
    let counted = server.reports.iter().filter_map(|report| match report {
        Report::Deviated(deviations) => Some(*deviations),
        _ => None,
    });
    counted.collect()
}
