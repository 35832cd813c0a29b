//! How fast a connection answers, and how fast many rows reach two kernels. `make figures` prints the figures of a release
//! build; the bounds are those of a machine that is busy with other tests, and of a debug build.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    inside::inside,
    monitor::Monitor,
    ovs::Wiring,
    topology::{Segment, bm},
    traffic::{first_ping, reaches},
    world::{SOON, VLAN, World},
};
use crate::support::{dump::Dump, rpc::Rpc};

const ONE: Segment = Segment { wiring: Wiring::Bundle, vlan: VLAN, switches: &[1], hosts: &[1] };
const PORTS: usize = 500;
const MACS: usize = 2000;

fn mac(kind: u8, n: usize) -> String {
    let [.., a, b] = n.to_be_bytes();
    format!("02:{kind:02x}:00:00:{a:02x}:{b:02x}")
}

/// From a moment on, and before it: what follows from a call may be done before its answer is read.
struct Since(Instant, Instant);

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(at, from) = self;
        match at.checked_duration_since(*from) {
            Some(after) => write!(f, "{after:.1?} after"),
            None => write!(f, "{:.1?} before", from.duration_since(*at)),
        }
    }
}

/// When both kernels hold so many MACs that begin so.
fn in_both_kernels(monitors: &[Monitor; 2], prefix: &str, count: usize) -> Instant {
    let [one, other] = monitors.each_ref().map(|monitor| monitor.last(prefix, count, SOON));
    one.max(other)
}

/// When the switch's database has what a connection needs: read after each change that its monitor reports.
fn rows(mut rpc: Rpc, good: impl Fn(&Dump) -> bool) -> Instant {
    let deadline = Instant::now() + SOON;
    loop {
        assert!(rpc.changed(deadline), "the rows come");
        let seen = Instant::now();
        if good(&Dump::read(&mut rpc)) {
            return seen;
        }
    }
}

#[test]
fn a_connection_and_many_ports_and_macs_reach_both_kernels() {
    inside(|| {
        let world = World::start(1, 2, &[ONE], "");
        let ((vm, _), (other, _)) = (world.vm(1, 1), world.vm(2, 2));
        reaches(&vm.ns, &other.ip, SOON);
        world.gateway("gw", &["tor-switch-1"]);
        let monitors = [Monitor::start(&world.lab.nodes[0]), Monitor::start(&world.lab.nodes[1])];
        let (mut rpc, rest) = (world.lab.switches[0].rpc(), world.rest());
        rpc.monitor(&["Logical_Switch", "Physical_Port", "Mcast_Macs_Remote", "Ucast_Macs_Remote"]);
        let complete = |dump: &Dump| dump.bindings().len() == 1 && dump.floods().len() == 1 && dump.macs().len() == 2;
        let rows = thread::spawn(move || rows(rpc, complete));
        let called = Instant::now();
        let connection = rest.connect("gw", &world.network, VLAN);
        let answered = Instant::now();
        first_ping(&vm.ns, "192.168.50.11");
        let pinged = Instant::now();
        let rows = rows.join().expect("the rows came");
        let kernels = in_both_kernels(&monitors, "00:00:00:00:00:00", 1);
        println!(
            "connection: answered {:.1?} after the call; rows at the switch {} the answer, flood entries in both kernels {} it, \
             first ping {} it",
            answered.duration_since(called),
            Since(rows, answered),
            Since(kernels, answered),
            Since(pinged, answered)
        );
        reaches(&bm(1), &vm.ip, SOON);
        rest.wait_status(&connection, "active");

        rest.endpoint("node-3", "10.99.0.103");
        let port = |n| json!({"network_id": world.network, "mac_address": mac(0xcc, n), "binding:host_id": "node-3"});
        let ports: Vec<Value> = (0..PORTS).map(port).collect();
        let called = Instant::now();
        rest.post("/v2.0/ports", &json!({"ports": ports})).expect(201);
        let answered = Instant::now();
        let kernels = in_both_kernels(&monitors, "02:cc:", PORTS);
        println!(
            "{PORTS} ports: answered {:.1?} after the call; in both kernels {} the answer",
            answered.duration_since(called),
            Since(kernels, answered)
        );
        let of_ports = kernels.duration_since(called);

        let operations = learned(&world);
        let mut rpc = world.lab.switches[0].rpc();
        let begun = Instant::now();
        rpc.transact(&operations);
        let committed = Instant::now();
        let kernels = in_both_kernels(&monitors, "02:dd:", MACS);
        println!(
            "{MACS} learned MACs in one transaction: committed after {:.1?}; in both kernels {} that",
            committed.duration_since(begun),
            Since(kernels, committed)
        );
        let of_macs = kernels.duration_since(begun);
        assert!(of_ports < Duration::from_secs(2), "{PORTS} ports: {of_ports:?}");
        assert!(of_macs < Duration::from_secs(4), "{MACS} MACs: {of_macs:?}");
    });
}

/// As a switch reports what it has learned: all in one transaction.
fn learned(world: &World) -> Vec<Value> {
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
    operations
}
