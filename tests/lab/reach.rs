//! Virtual machines and bare metal reach each other through one switch.

use super::{
    inside::inside,
    ovs::Wiring,
    topology::{Lab, Node, Segment, Vm, bm},
    traffic::reaches,
};
use crate::support::{PATIENCE, daemon::Home};

/// The compute node's half, done by hand.
fn plug_by_hand(node: &Node, vm: &Vm, vni: u32, flood: &[&str]) {
    let (vtep, tap) = (&node.vtep_ip, &vm.tap);
    node.ns.ip(&format!(
        "link add vx type vxlan id {vni} dstport 4789 local {vtep} nolearning\nlink add br0 type bridge\n\
         link set vx mtu 1450 master br0 up\nlink set {tap} master br0\nlink set br0 up"
    ));
    for ip in flood {
        node.ns.run(&["bridge", "fdb", "append", "00:00:00:00:00:00", "dev", "vx", "dst", ip]);
    }
}

#[test]
fn vm_and_bare_metal_reach_each_other() {
    inside(|| {
        let segment = Segment { wiring: Wiring::Bundle, vlan: 50, switches: &[1], hosts: &[1] };
        let lab = Lab::start(1, 1, &[segment]);
        let daemon = Home::new().switch("tor-switch-1", "management_ip = 10.98.0.11\n").start();
        let rest = daemon.rest();
        let node = &lab.nodes[0];
        let vm = node.vm(1);
        rest.endpoint("node-1", &node.vtep_ip);
        let network = rest.network_with_vni("network1", 5000);
        rest.port(&network, &vm.mac, &vm.ip, "node-1");
        rest.gateway("gw", &[("tor-switch-1", &["Ethernet40"])]);
        let connection = rest.connect("gw", &network, 50);
        plug_by_hand(node, &vm, 5000, &[&lab.switches[0].vtep_ip]);
        rest.wait_status(&connection, "active");
        reaches(&vm.ns, "192.168.50.11", PATIENCE);
        reaches(&bm(1), &vm.ip, PATIENCE);
    });
}
