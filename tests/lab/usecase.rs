//! The specification's use case with packets, step by step: two switches active/active, a dual-homed bare-metal host.

use std::time::Duration;

use super::{
    inside::inside,
    net::Ns,
    ovs::Wiring,
    topology::{Segment, Vm, bm, bm_mac},
    traffic::{Capture, answers, broadcasting, reaches},
    world::{SOON, VLAN, VNI, World},
};
use crate::support::{
    dump::{Dump, Mac},
    eventually,
};

const BOTH: Segment = Segment { wiring: Wiring::Bundle, vlan: VLAN, switches: &[1, 2], hosts: &[1, 2] };
const BM_1: &str = "192.168.50.11";
const BM_2: &str = "192.168.50.12";

#[test]
fn the_use_case_step_by_step() {
    inside(|| {
        // 1. A network; a virtual machine on it.
        let world = World::start(2, 2, &[BOTH], "[relay]\nidle_flood_hold = 2s\n");
        bm(2).ip("link set eth0 down");
        let rest = world.rest();
        let (vm_1, _) = world.vm(1, 1);
        assert!(!answers(&vm_1.ns, BM_1), "nothing is connected yet");

        // 2., 3. The gateway, and its connection.
        world.gateway("vtep-gateway-1", &["tor-switch-1", "tor-switch-2"]);
        let connection = rest.connect("vtep-gateway-1", &world.network, VLAN);
        reaches(&vm_1.ns, BM_1, SOON);
        reaches(&bm(1), &vm_1.ip, SOON);
        rest.wait_status(&connection, "active");
        let node_1 = world.lab.nodes[0].vtep_ip.clone();
        for switch in &world.lab.switches {
            let dump = switch.dump();
            let bound: Vec<_> = dump.bindings().into_keys().collect();
            assert_eq!(bound, [("Ethernet40".to_owned(), VLAN)]);
            assert_eq!(dump.logical_switches().into_values().collect::<Vec<_>>(), [Some(u64::from(VNI))]);
            let is_vm_1 = |row: &Mac| (&row.address, &row.ip, &row.vtep) == (&vm_1.mac, &vm_1.ip, &node_1);
            assert!(dump.macs().iter().any(is_vm_1), "{:?}", dump.macs());
            // The emulator acts after its database.
            eventually("a tunnel to node-1 alone", SOON, || {
                let tunnels = switch.tunnels();
                if tunnels == [node_1.as_str()] { Ok(()) } else { Err(format!("{tunnels:?}")) }
            });
        }

        // 4. to 6. The node knows where the bare metal is, and sends broadcasts to one of the two switches.
        world.wait_node("bm-1 is learned", 1, SOON, |world| world.destinations(1, &bm_mac(1)).len() == 1);
        world.wait_node("one designated forwarder", 1, SOON, |world| world.flood(1).len() == 1);
        broadcasts_come_once(&world, &vm_1);
        count_broadcasts(&world, (&vm_1.ns, &vm_1.mac), &[(bm(1), "eth0")]);

        // 7. A virtual machine started later; both nodes and the host reach each other.
        let (vm_2, port_2) = world.vm(2, 2);
        reaches(&vm_2.ns, BM_1, SOON);
        reaches(&vm_2.ns, &vm_1.ip, SOON);
        reaches(&bm(1), &vm_2.ip, SOON);
        broadcasts_come_once(&world, &vm_2);
        // The other way: one copy for each machine.
        count_broadcasts(&world, (&bm(1), &bm_mac(1)), &[(vm_1.ns.clone(), "eth0")]);
        count_broadcasts(&world, (&bm(1), &bm_mac(1)), &[(vm_2.ns.clone(), "eth0")]);

        // 8. A bare-metal host plugged in later.
        bm(2).ip("link set eth0 up");
        reaches(&vm_1.ns, BM_2, SOON);
        reaches(&bm(2), &vm_2.ip, SOON);
        world.wait_node("bm-2 is learned", 2, SOON, |world| world.destinations(2, &bm_mac(2)).len() == 1);

        // 9. The last virtual machine of a node leaves: no tunnel leads there any more.
        let node_2 = world.lab.nodes[1].vtep_ip.clone();
        vm_2.ns.delete();
        rest.delete(&format!("/v2.0/ports/{port_2}")).expect(204);
        for switch in &world.lab.switches {
            switch.wait("no locator of node-2", SOON, |dump| !mentions(dump, "Physical_Locator", &node_2));
            eventually("no tunnel to node-2", SOON, || {
                let tunnels = switch.tunnels();
                if tunnels.contains(&node_2) { Err(format!("{tunnels:?}")) } else { Ok(()) }
            });
        }
        world.wait_node("node-2 has no device", 2, SOON, |world| {
            !world.lab.nodes[1].ns.try_run(&["ip", "link", "show", "vtep-5000"]).0
        });

        // All bare metal is silent: the switches withdraw it, and after idle_flood_hold no broadcast goes there.
        bm(1).ip("link set eth0 down");
        bm(2).ip("link set eth0 down");
        world.wait_node("no way to the idle gateway", 1, SOON * 2, |world| {
            world.flood(1).is_empty() && world.destinations(1, &bm_mac(1)).is_empty()
        });
        // It speaks again.
        bm(1).ip("link set eth0 up");
        reaches(&bm(1), &vm_1.ip, SOON);
        reaches(&vm_1.ns, BM_1, SOON);
        world.wait_node("one designated forwarder again", 1, SOON, |world| world.flood(1).len() == 1);

        // 10. The connection is deleted: nothing passes, and nothing is left.
        rest.disconnect(&connection);
        world.wait_node("no entry leads to a switch", 1, SOON, |world| {
            let entries = world.lab.nodes[0].fdb("vtep-5000");
            !world.lab.switches.iter().any(|switch| entries.iter().any(|entry| entry.contains(&switch.vtep_ip)))
        });
        for switch in &world.lab.switches {
            switch.wait("nothing of ours", SOON, |dump| {
                let tables = ["Logical_Switch", "Ucast_Macs_Remote", "Mcast_Macs_Remote", "Physical_Locator_Set"];
                let clean = tables.iter().all(|table| dump.rows(table).is_empty()) && dump.bindings().is_empty();
                clean && !mentions(dump, "Physical_Locator", &node_1)
            });
            eventually("no tunnel is left", SOON, || {
                let tunnels = switch.tunnels();
                if tunnels.is_empty() { Ok(()) } else { Err(format!("{tunnels:?}")) }
            });
        }
        assert!(!answers(&vm_1.ns, BM_1) && !answers(&bm(1), &vm_1.ip), "nothing passes");

        // 11. The gateway.
        rest.delete("/v2/l2-gateways/vtep-gateway-1").expect(204);
        rest.get("/v2/l2-gateways/vtep-gateway-1").expect(404);
        rest.get(&format!("/v2/l2-gateway-connections/{connection}")).expect(404);
        for switch in &world.lab.switches {
            let now = rest.switch(&switch.name);
            assert_eq!(
                (&now["status"], &now["rows_desired"], &now["rows_actual"]),
                (&"active".into(), &0.into(), &0.into())
            );
        }
    });
}

fn mentions(dump: &Dump, table: &str, text: &str) -> bool {
    dump.rows(table).iter().any(|row| row.values().any(|value| value.to_string().contains(text)))
}

/// Broadcasts of a virtual machine reach the bare metal's segment once each, over whichever cable.
fn broadcasts_come_once(world: &World, from: &Vm) {
    let cables = ["tor-1", "tor-2"].map(|cable| (world.lab.access().clone(), cable));
    count_broadcasts(world, (&from.ns, &from.mac), &cables);
}

/// Broadcasts that are sent, and counted.
const BROADCASTS: usize = 5;

/// Sends [`BROADCASTS`], and counts what comes in on all of these interfaces together.
fn count_broadcasts(world: &World, (from, mac): (&Ns, &str), at: &[(Ns, &str)]) {
    let filter = format!("ether src {mac} and ether broadcast");
    let capture = |(ns, interface): &(Ns, &str)| {
        let log = world.lab.log(&format!("{}-{interface}-{}", ns.name(), from.name()));
        Capture::start(ns, interface, &filter, log)
    };
    let captures: Vec<Capture> = at.iter().map(capture).collect();
    from.try_run(&broadcasting(&["-c", &BROADCASTS.to_string(), "-i", "0.1", "-W", "1"]));
    let count = || captures.iter().map(|capture| capture.frames().len()).sum::<usize>();
    eventually("broadcasts come", Duration::from_secs(5), || {
        if count() >= BROADCASTS { Ok(()) } else { Err(format!("{} of {BROADCASTS}", count())) }
    });
    let frames: Vec<Vec<String>> = captures.into_iter().map(Capture::end).collect();
    assert_eq!(frames.iter().map(Vec::len).sum::<usize>(), BROADCASTS, "{frames:#?}");
}
