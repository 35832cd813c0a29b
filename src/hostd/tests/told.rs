//! The stream, and what it says.

use std::{collections::HashSet, net::Ipv4Addr};

use proptest::prelude::*;
use serde_json::json;

use super::{mac, vni};
use crate::{
    hostd::{
        fdb::{Dirty, Event, Fdb},
        sse::{Message, Parser, SseError},
    },
    model::NetworkId,
};

const TEXT: &str = ": hello\r\nevent: snapshot\r\nid: 5\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\n: alive\n\ndata\n\nid: 6\nevent:change\ndata:x\rid:7\r\r";

fn message(event: &str, data: &str) -> Message {
    Message { event: event.to_owned(), data: data.to_owned() }
}

fn expected() -> Vec<Message> {
    vec![message("snapshot", "{\"a\":\n1}"), message("", ""), message("change", "x")]
}

#[test]
fn events_are_read_with_any_end_of_line() {
    let (mut parser, mut found) = (Parser::default(), Vec::new());
    parser.push(TEXT.as_bytes(), &mut found).unwrap();
    assert_eq!(found, expected());
    assert_eq!(parser.last_id(), Some("7"));
    // What is not complete has not been told; a comment may bring an id along.
    parser.push(b"id: 8\ndata: y\n", &mut found).unwrap();
    assert_eq!(parser.last_id(), Some("7"));
    parser.push(b"\nid: 9\n: alive\n\n", &mut found).unwrap();
    assert_eq!((parser.last_id(), found.len()), (Some("9"), 4));
    assert_eq!(Parser::default().push(b"data: \xff\n", &mut found), Err(SseError::NotUtf8));
}

proptest! {
    #[test]
    fn events_are_the_same_however_they_come_apart(cuts in prop::collection::btree_set(0..TEXT.len(), 0..20)) {
        let (mut parser, mut found, mut from) = (Parser::default(), Vec::new(), 0);
        for to in cuts.into_iter().chain([TEXT.len()]) {
            parser.push(&TEXT.as_bytes()[from..to], &mut found).unwrap();
            from = to;
        }
        prop_assert_eq!(found, expected());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
        let _ = Parser::default().push(&bytes, &mut Vec::new());
    }
}

fn fdb() -> (Fdb, NetworkId) {
    (Fdb::new(Ipv4Addr::new(10, 0, 0, 1)), NetworkId::random())
}

fn change(text: &serde_json::Value) -> Event {
    Event::Change(serde_json::from_value(text.clone()).unwrap())
}

#[test]
fn a_network_is_needed_while_a_port_is_here() {
    let (mut fdb, id) = fdb();
    let entry = |mac: u8, vtep: &str, kind: &str| json!({"mac": super::mac(mac), "vtep": vtep, "ips": ["192.168.0.1"], "kind": kind});
    let snapshot = json!({"revision": 1, "more": true, "networks": [{"network_id": id, "vni": 5, "flood": ["10.0.0.1", "10.0.0.2", "fe80::1"],
        "entries": [entry(1, "10.0.0.1", "learned"), entry(2, "10.0.0.2", "port"), entry(3, "10.0.0.3", "novelty")]}]});
    assert_eq!(fdb.apply(Event::Snapshot(serde_json::from_value(snapshot).unwrap())), Dirty::Everything);
    let network = fdb.network(id).unwrap();
    assert_eq!(
        network.flood.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.0.2"],
        "neither ourselves nor IPv6"
    );
    assert_eq!(network.entries.len(), 3);
    assert!(!network.has_local_port(), "what is behind a gateway is none");

    let here =
        json!({"network_id": id, "vni": 5, "flood": [], "set": [entry(4, "10.0.0.1", "port")], "del": [super::mac(2)]});
    assert_eq!(fdb.apply(change(&here)), Dirty::Network(id, HashSet::from([mac(2), mac(4)])));
    assert!(fdb.network(id).unwrap().has_local_port());
    // It moves away; then it is told twice, and withdrawn twice.
    for (vtep, local) in [("10.0.0.2", false), ("10.0.0.1", true), ("10.0.0.1", true)] {
        fdb.apply(change(&json!({"network_id": id, "set": [entry(4, vtep, "port")]})));
        assert_eq!(fdb.network(id).unwrap().has_local_port(), local);
    }
    for _ in 0..2 {
        fdb.apply(change(&json!({"network_id": id, "del": [super::mac(4)]})));
        assert!(!fdb.network(id).unwrap().has_local_port());
    }
    assert_eq!(fdb.apply(change(&json!({"network_id": id, "vni": 6}))), Dirty::Everything);
    assert_eq!(fdb.network(id).unwrap().vni, vni(6));
    fdb.apply(change(&json!({"network_id": id, "vni": null, "removed": true})));
    assert!(fdb.network(id).is_none());
    fdb.apply(change(&json!({"network_id": id, "del": []})));
    assert!(fdb.network(id).is_none(), "a network without a VNI is none");
}
