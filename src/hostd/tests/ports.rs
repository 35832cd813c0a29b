//! Local machines as ports.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::mac;
use crate::{
    hostd::ports::{Calls, Locals, Reported, calls},
    model::{NetworkId, PortId},
};

fn reported(network: NetworkId, n: u8, name: &str) -> (PortId, Reported) {
    let id = PortId::random();
    let port = json!({"id": id, "name": name, "network_id": network, "mac_address": mac(n), "status": "ACTIVE"});
    (id, serde_json::from_value(port).unwrap())
}

#[test]
fn ports_come_with_the_first_frame_and_go_with_the_interface() {
    let network = NetworkId::random();
    let (silent, silent_port) = reported(network, 1, "vtep-hostd tap1");
    let (gone, gone_port) = reported(network, 2, "vtep-hostd tap2");
    let (moved, moved_port) = reported(network, 3, "vtep-hostd tap1");
    let (_, foreign) = reported(network, 4, "a machine of Neutron's");
    let (_, speaking) = reported(network, 5, "vtep-hostd tap2");
    let heard = [(5, "tap3"), (6, "tap1"), (4, "tap1")];
    let locals = Locals {
        heard: heard.map(|(n, interface)| ((network, mac(n)), interface.to_owned())).into(),
        away: HashSet::from([(network, mac(3)), (network, mac(4))]),
        interfaces: HashSet::from([(network, "tap1".to_owned()), (network, "tap3".to_owned())]),
    };
    let calls = calls(&locals, &[silent_port, gone_port, moved_port, foreign, speaking]);
    assert_eq!(calls.create, [((network, mac(6)), "tap1".to_owned())]);
    assert_eq!(calls.delete, [gone, moved], "{silent} is silent, and still there");
}

#[test]
fn a_host_that_floods_is_bounded() {
    let network = NetworkId::random();
    let mac = |n: u16| crate::model::MacAddr::new([2, 0, 0, 0, n.to_be_bytes()[0], n.to_be_bytes()[1]]);
    let heard: HashMap<_, _> = (0..5000).map(|n| ((network, mac(n)), "tap".to_owned())).collect();
    let calls = calls(&Locals { heard, ..Locals::default() }, &[]);
    assert_eq!((calls.create.len(), calls.left_out), (4096, 904));
    assert_eq!(super::super::ports::calls(&Locals::default(), &[]), Calls::default());
}
