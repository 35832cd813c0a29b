//! Virtual machines and bare metal reach each other through one switch.

use serde_json::Value;

use super::{
    inside::inside,
    ovs::Wiring,
    topology::{Segment, bm},
    traffic::{Capture, answers, reaches},
    world::{SOON, VLAN, VNI, World},
};
use crate::support::eventually;

const ONE: Segment = Segment { wiring: Wiring::Bundle, vlan: VLAN, switches: &[1], hosts: &[1] };
const BM_1: &str = "192.168.50.11";

#[test]
fn vm_and_bare_metal_reach_each_other() {
    inside(|| {
        let world = World::start(1, 1, &[ONE], "");
        let (vm, _) = world.vm(1, 1);
        assert!(!answers(&vm.ns, BM_1), "nothing is connected yet");
        world.gateway("gw", &["tor-switch-1"]);
        let connection = world.rest().connect("gw", &world.network, VLAN);
        reaches(&vm.ns, BM_1, SOON);
        reaches(&bm(1), &vm.ip, SOON);
        // A packet as large as the tenants' network takes, whole.
        vm.ns.run(&["ping", "-c1", "-W2", "-M", "do", "-s", "1422", BM_1]);
        world.rest().wait_status(&connection, "active");
        world.rest().disconnect(&connection);
        world.wait_node("the switch is in no flood list", 1, SOON, |world| world.flood(1).is_empty());
        assert!(!answers(&vm.ns, BM_1), "nothing is connected any more");
    });
}

#[test]
fn a_host_is_used_without_neutron() {
    inside(|| {
        let world = World::start_with(1, 1, &[ONE], "", "report_ports = yes\nnetworks = 5000\n");
        world.gateway("gw", &["tor-switch-1"]);
        world.rest().connect("gw", &world.network, VLAN);
        let ports = |world: &World| -> Vec<Value> {
            world.rest().get("/v2.0/ports").expect(200)["ports"].as_array().expect("ports").clone()
        };
        let node = &world.lab.nodes[0];
        let vm = node.vm(1);
        vm.plug(node, VNI);
        // Its first frame makes it known, to the switch, too.
        reaches(&vm.ns, BM_1, SOON);
        reaches(&bm(1), &vm.ip, SOON);
        let there = eventually("the port is reported", SOON, || {
            let there = ports(&world);
            if there.len() == 1 { Ok(there) } else { Err(format!("{there:#?}")) }
        });
        assert_eq!(there[0]["mac_address"], vm.mac.as_str());
        assert_eq!(there[0]["binding:host_id"], "node-1");
        assert_eq!(there[0]["name"], "vtep-hostd tap-1");
        world.lab.switches[0].wait("the machine's MAC", SOON, |dump| {
            dump.macs().iter().any(|row| row.address == vm.mac && row.vtep == node.vtep_ip)
        });
        // Neither bare metal nor the bridge's own addresses are reported; a machine that leaves is taken back.
        vm.ns.delete();
        eventually("no port is left", SOON, || {
            let there = ports(&world);
            if there.is_empty() { Ok(()) } else { Err(format!("{there:#?}")) }
        });
        world.lab.switches[0].wait("no MAC", SOON, |dump| dump.macs().is_empty());
    });
}

/// `arp_proxy`: the node answers for machines elsewhere, and they are not asked.
#[test]
fn arp_does_not_leave_the_node_where_vtepd_knows_the_answer() {
    inside(|| {
        let world = World::start_with(0, 2, &[], "", "arp_proxy = yes\n");
        let ((vm_1, _), (vm_2, _)) = (world.vm(1, 1), world.vm(2, 2));
        reaches(&vm_1.ns, &vm_2.ip, SOON);
        let filter = format!("arp and ether src {}", vm_1.mac);
        let capture = Capture::start(&vm_2.ns, "eth0", &filter, world.lab.log("asked"));
        let asks = |ip: &str| vm_1.ns.try_run(&["arping", "-c", "3", "-w", "1", "-i", "eth0", ip]);
        let (answered, said) = asks(&vm_2.ip);
        assert!(answered && said.contains(&vm_2.mac), "{said}");
        // Who isn't known is asked over the tunnel, as ever: the machine there hears the question.
        assert!(!asks("192.168.50.99").0);
        eventually("the question for somebody unknown", SOON, || {
            let frames = capture.frames();
            if frames.iter().any(|frame| frame.contains("192.168.50.99")) { Ok(()) } else { Err(format!("{frames:?}")) }
        });
        let frames = capture.end();
        assert!(!frames.iter().any(|frame| frame.contains(&format!("who-has {}", vm_2.ip))), "{frames:#?}");
    });
}

/// `mtu` of vtep-hostd.ini, changed while the interfaces exist: large packets pass, or don't, by what it says now.
#[test]
fn a_changed_mtu_holds_for_interfaces_that_exist() {
    inside(|| {
        let mut world = World::start_with(0, 2, &[], "", "mtu = 1400\n");
        let ((vm_1, _), (vm_2, _)) = (world.vm(1, 1), world.vm(2, 2));
        reaches(&vm_1.ns, &vm_2.ip, SOON);
        let whole = || vm_1.ns.try_run(&["ping", "-c1", "-W1", "-M", "do", "-s", "1422", &vm_2.ip]);
        assert!(!whole().0, "1,450 bytes don't fit into 1,400");
        // The default is what the underlay carries.
        world.restart_hostd(1);
        world.restart_hostd(2);
        eventually("a packet of 1,450 bytes passes", SOON, || {
            let (passes, said) = whole();
            if passes { Ok(()) } else { Err(said) }
        });
    });
}

/// All interfaces of 42 networks are made at one start, and packets pass; nothing is refused by the kernel.
#[test]
fn a_start_with_many_networks_carries_packets_without_an_error() {
    const NETWORKS: u32 = 42;
    inside(|| {
        let mut world = World::start(0, 2, &[], "");
        let rest = world.rest();
        for n in 1..NETWORKS {
            let network = rest.network_with_vni(&format!("more-{n}"), VNI + n);
            for (node, kind) in [("node-1", 0xa1), ("node-2", 0xa2)] {
                rest.port(&network, &format!("02:{kind:x}:00:00:00:{n:02x}"), &format!("192.168.60.{n}"), node);
            }
        }
        let ((vm_1, _), (vm_2, _)) = (world.vm(1, 1), world.vm(2, 2));
        reaches(&vm_1.ns, &vm_2.ip, SOON);
        let count = |world: &World| world.lab.nodes[0].ns.sh("ip -o link show type vxlan | wc -l").trim().to_owned();
        let all = |world: &World| {
            eventually("all networks", SOON, || match count(world) {
                there if there == NETWORKS.to_string() => Ok(()),
                there => Err(there),
            });
        };
        all(&world);
        world.kill_hostd(1);
        let node = &world.lab.nodes[0].ns;
        node.sh("for i in $(ip -o link show type vxlan | cut -d: -f2); do ip link del $i; done");
        node.sh("for i in $(ip -o link show type bridge | cut -d: -f2); do ip link del $i; done");
        assert!(!answers(&vm_1.ns, &vm_2.ip), "there is no way");
        let log = world.lab.log("node-1");
        let before = std::fs::read_to_string(&log).expect("its log").len();
        world.restart_hostd(1);
        vm_1.plug(&world.lab.nodes[0], VNI);
        reaches(&vm_1.ns, &vm_2.ip, SOON);
        reaches(&vm_2.ns, &vm_1.ip, SOON);
        all(&world);
        let log = std::fs::read_to_string(&log).expect("its log");
        let news = &log[before..];
        for word in ["ERROR", "not as it should be", "tried again", "EBUSY", "os error 16"] {
            assert!(!news.contains(word), "{word} in {news}");
        }
    });
}
