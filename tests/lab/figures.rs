//! How fast many rows reach two kernels. The bounds are a machine's that is busy with other tests and a debug build; the
//! figures are printed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    inside::inside,
    ovs::Wiring,
    topology::{Segment, bm},
    traffic::reaches,
    world::{SOON, VLAN, World},
};
use crate::support::{eventually, rpc::Rpc};

const ONE: Segment = Segment { wiring: Wiring::Bundle, vlan: VLAN, switches: &[1], hosts: &[1] };
const PORTS: usize = 500;
const MACS: usize = 2000;

fn mac(kind: u8, n: usize) -> String {
    let [.., a, b] = n.to_be_bytes();
    format!("02:{kind:02x}:00:00:{a:02x}:{b:02x}")
}

/// How long until both kernels hold so many MACs that begin so.
fn in_both_kernels(world: &World, prefix: &str, count: usize, begun: Instant) -> Duration {
    eventually("the entries in both kernels", SOON, || {
        let there: Vec<usize> = world
            .lab
            .nodes
            .iter()
            .map(|node| {
                node.fdb("vtep-5000").iter().filter(|line| line.starts_with(prefix) && line.contains(" dst ")).count()
            })
            .collect();
        if there.iter().all(|there| *there == count) { Ok(begun.elapsed()) } else { Err(format!("{there:?}")) }
    })
}

#[test]
fn many_ports_and_macs_reach_both_kernels() {
    inside(|| {
        let world = World::start(1, 2, &[ONE], "");
        let ((vm, _), _) = (world.vm(1, 1), world.vm(2, 2));
        world.gateway("gw", &["tor-switch-1"]);
        let begun = Instant::now();
        let connection = world.rest().connect("gw", &world.network, VLAN);
        reaches(&vm.ns, "192.168.50.11", SOON);
        let answered = begun.elapsed();
        reaches(&bm(1), &vm.ip, SOON);
        world.rest().wait_status(&connection, "active");

        world.rest().endpoint("node-3", "10.99.0.103");
        let port = |n| json!({"network_id": world.network, "mac_address": mac(0xcc, n), "binding:host_id": "node-3"});
        let ports: Vec<Value> = (0..PORTS).map(port).collect();
        let begun = Instant::now();
        world.rest().post("/v2.0/ports", &json!({"ports": ports})).expect(201);
        let of_ports = in_both_kernels(&world, "02:cc:", PORTS, begun);

        // As a switch reports what it has learned: all in one transaction.
        let switch = &world.lab.switches[0];
        let name = format!("vtepd-{}", world.network);
        let mut rpc = switch.rpc();
        let find = |rpc: &mut Rpc, table: &str, column: &str, value: &str| -> Option<Value> {
            rpc.select(table).iter().find(|row| row[column] == value).map(|row| row["_uuid"].clone())
        };
        let logical_switch = find(&mut rpc, "Logical_Switch", "name", &name).expect("the network is on the switch");
        let known = find(&mut rpc, "Physical_Locator", "dst_ip", &switch.vtep_ip);
        let mut operations = Vec::new();
        let locator = known.unwrap_or_else(|| {
            let row = json!({"dst_ip": switch.vtep_ip, "encapsulation_type": "vxlan_over_ipv4"});
            operations.push(json!({"op": "insert", "table": "Physical_Locator", "row": row, "uuid-name": "here"}));
            json!(["named-uuid", "here"])
        });
        operations.extend((0..MACS).map(|n| {
            let row = json!({"MAC": mac(0xdd, n), "logical_switch": logical_switch, "locator": locator, "ipaddr": ""});
            json!({"op": "insert", "table": "Ucast_Macs_Local", "row": row})
        }));
        let begun = Instant::now();
        rpc.transact(&operations);
        let of_macs = in_both_kernels(&world, "02:dd:", MACS, begun);
        println!("connection to first ping {answered:?}; {PORTS} ports {of_ports:?}; {MACS} learned MACs {of_macs:?}");
        assert!(of_ports < Duration::from_secs(2), "{PORTS} ports: {of_ports:?}");
        assert!(of_macs < Duration::from_secs(4), "{MACS} MACs: {of_macs:?}");
    });
}
