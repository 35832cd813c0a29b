//! Two switches in one gateway: one fails, and the other takes over; a loop behind both never closes.

use std::{thread, time::Duration};

use super::{
    inside::inside,
    net::Ns,
    ovs::Wiring,
    topology::{Segment, bm, bm_mac},
    traffic::{Capture, Flow, reaches},
    world::{SOON, VLAN, World},
};

const BM_1: &str = "192.168.50.11";

#[test]
fn traffic_resumes_through_the_twin_when_the_designated_forwarder_fails() {
    inside(|| {
        let both = Segment { wiring: Wiring::Bundle, vlan: VLAN, switches: &[1, 2], hosts: &[1] };
        let world = World::start(2, 1, &[both], "[l2gateway]\ninactivity_probe = 1s\n");
        let (vm, _) = world.vm(1, 1);
        world.gateway("gw", &["tor-switch-1", "tor-switch-2"]);
        let connection = world.rest().connect("gw", &world.network, VLAN);
        reaches(&vm.ns, BM_1, SOON);
        world.rest().wait_status(&connection, "active");
        world.wait_node("bm-1 is learned", 1, SOON, |world| world.destinations(1, &bm_mac(1)).len() == 1);
        let failed = world.switch_at(&world.flood(1)[0]);
        let (n, twin) = if failed.name == "tor-switch-1" { (1, 2) } else { (2, 1) };

        // The switch dies: session, tunnels, and the cable to the host, whose bundle uses the other one.
        failed.refuse();
        Ns::ROOT.ip(&format!("link set u-t{n} down"));
        world.lab.use_cables(&both, &[twin]);
        let twin_ip = world.lab.switches[twin - 1].vtep_ip.clone();
        world.wait_node("the twin takes over", 1, Duration::from_secs(3), |world| {
            world.flood(1) == [twin_ip.as_str()] && world.destinations(1, &bm_mac(1)) == [twin_ip.as_str()]
        });
        reaches(&vm.ns, BM_1, Duration::from_secs(2));
        // A broadcast, too.
        vm.ns.sh("ip neigh flush all");
        reaches(&vm.ns, BM_1, Duration::from_secs(2));
        reaches(&bm(1), &vm.ip, Duration::from_secs(2));

        // It comes back: whoever it is, one of the two has the broadcasts.
        failed.accept();
        Ns::ROOT.ip(&format!("link set u-t{n} up"));
        world.lab.use_cables(&both, &[1, 2]);
        let name = failed.name.clone();
        world.rest().wait_switch(&name, "its session is up", |switch| switch["session"]["state"] == "up");
        reaches(&vm.ns, BM_1, SOON);
        reaches(&bm(1), &vm.ip, SOON);
        world.wait_node("one designated forwarder", 1, SOON, |world| world.flood(1).len() == 1);
    });
}

#[test]
fn a_bridge_behind_both_switches_never_sees_a_frame_twice() {
    inside(|| {
        let bridge = Segment { wiring: Wiring::Bridge, vlan: VLAN, switches: &[1, 2], hosts: &[1] };
        let world = World::start(2, 1, &[bridge], "[relay]\nactive_active = single-active\n");
        let (vm, _) = world.vm(1, 1);
        world.gateway("gw", &["tor-switch-1", "tor-switch-2"]);
        world.rest().connect("gw", &world.network, VLAN);
        reaches(&vm.ns, BM_1, SOON);
        let bound = |world: &World| -> Vec<usize> {
            let bound = |n: &usize| !world.lab.switches[n - 1].dump().bindings().is_empty();
            (1..=2).filter(bound).collect()
        };
        let elected = bound(&world);
        assert_eq!(elected.len(), 1, "one switch alone is bound");

        // A broadcast each 100 ms, while the election moves there and back.
        let filter = format!("ether src {} and ether broadcast", vm.mac);
        let host = bm(1);
        let capture = Capture::start(&host, "eth0", &filter, world.lab.log("broadcasts"));
        let broadcasts = Flow::broadcasts(&vm.ns, world.lab.log("sender"));
        for n in [elected[0], 3 - elected[0]] {
            let switch = &world.lab.switches[n - 1];
            switch.vtep_ctl("set Physical_Port Ethernet40 port_fault_status=unspecified_fault");
            let other = 3 - n;
            crate::support::eventually("the election moves", SOON, || {
                let now = bound(&world);
                if now == [other] { Ok(()) } else { Err(format!("{now:?}")) }
            });
            reaches(&vm.ns, BM_1, SOON);
            switch.vtep_ctl("clear Physical_Port Ethernet40 port_fault_status");
            thread::sleep(Duration::from_secs(1));
        }
        let (sent, _) = broadcasts.end();
        let frames = capture.end();
        let numbers = frames.iter().filter_map(|frame| frame.split("seq ").nth(1)?.split(',').next());
        let mut numbers: Vec<&str> = numbers.collect();
        let came = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), came, "a frame came twice: {frames:#?}");
        assert!(came > 10, "{came} of {sent} came");
    });
}
