//! Two switches in one gateway: one fails, and the other takes over; a loop behind both never closes.

use std::{
    thread,
    time::{Duration, Instant},
};

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

        // It comes back, and the twin keeps the broadcasts: there is no fail-back.
        failed.accept();
        Ns::ROOT.ip(&format!("link set u-t{n} up"));
        world.lab.use_cables(&both, &[1, 2]);
        let name = failed.name.clone();
        world.rest().wait_switch(&name, "its session is up", |switch| switch["session"]["state"] == "up");
        reaches(&vm.ns, BM_1, SOON);
        reaches(&bm(1), &vm.ip, SOON);
        world.rest().wait_status(&connection, "active");
        assert_eq!(world.flood(1), [twin_ip.as_str()]);
    });
}

/// Only the session with the designated forwarder is lost: its uplink and its cable stay up, and it forwards whatever
/// still reaches it. Broadcasts and unicast go through the twin within 3 s, and no frame comes twice.
#[test]
fn the_twin_takes_over_without_a_frame_twice_when_only_the_session_is_lost() {
    inside(|| {
        let both = Segment { wiring: Wiring::Bundle, vlan: VLAN, switches: &[1, 2], hosts: &[1] };
        let world = World::start(2, 1, &[both], "");
        let (vm, _) = world.vm(1, 1);
        world.gateway("gw", &["tor-switch-1", "tor-switch-2"]);
        let connection = world.rest().connect("gw", &world.network, VLAN);
        reaches(&vm.ns, BM_1, SOON);
        world.rest().wait_status(&connection, "active");
        world.wait_node("bm-1 is learned", 1, SOON, |world| world.destinations(1, &bm_mac(1)).len() == 1);
        let forwarder = world.switch_at(&world.flood(1)[0]);
        let twin = world.lab.switches.iter().find(|switch| switch.name != forwarder.name).expect("a twin");

        let filter = format!("ether src {} and ether broadcast", vm.mac);
        let captures = ["tor-1", "tor-2"]
            .map(|cable| Capture::start(world.lab.access(), cable, &filter, world.lab.log(&format!("on-{cable}"))));
        let broadcasts = Flow::broadcasts(&vm.ns, world.lab.log("broadcasts"));
        let unicast = Flow::start(&vm.ns, BM_1, world.lab.log("unicast"));
        thread::sleep(Duration::from_secs(1));
        let cut = Instant::now();
        forwarder.refuse();
        let there = [twin.vtep_ip.as_str()];
        world.wait_node("the twin has both", 1, Duration::from_secs(3), |world| {
            world.flood(1) == there && world.destinations(1, &bm_mac(1)) == there
        });
        let moved = cut.elapsed();
        let on_the_twin = || captures[usize::from(twin.name == "tor-switch-2")].frames().len();
        let before = on_the_twin();
        crate::support::eventually("broadcasts come through the twin", Duration::from_secs(3), || {
            if on_the_twin() > before { Ok(()) } else { Err("none yet".to_owned()) }
        });
        let resumed = cut.elapsed();
        thread::sleep(Duration::from_secs(1));
        let ((sent, _), (asked, answered)) = (broadcasts.end(), unicast.end());
        let numbers = numbers(captures.into_iter().flat_map(Capture::end));
        println!(
            "moved after {moved:?}, broadcasts after {resumed:?}; {} of {sent} broadcasts, {answered} of {asked} answers",
            numbers.len()
        );
        assert!(resumed < Duration::from_secs(3), "{resumed:?}");
        let mut once = numbers.clone();
        once.dedup();
        assert_eq!(once, numbers, "a broadcast came twice");
        // The forwarder forwarded to the last: at most what was under way at that moment is lost.
        assert!(numbers.len() + 2 >= sent as usize, "{} of {sent} broadcasts", numbers.len());
        assert!(answered + 2 >= asked, "{answered} of {asked} answers");

        // It comes back, and is no forwarder any more.
        forwarder.accept();
        let name = forwarder.name.clone();
        world.rest().wait_switch(&name, "its session is up", |switch| switch["session"]["state"] == "up");
        world.rest().wait_status(&connection, "active");
        reaches(&bm(1), &vm.ip, SOON);
        assert_eq!(world.flood(1), there, "there is no fail-back");
    });
}

/// The numbers of echo requests that were captured, sorted.
fn numbers(frames: impl Iterator<Item = String>) -> Vec<u32> {
    let number = |frame: String| frame.split("seq ").nth(1)?.split(',').next()?.parse().ok();
    let mut numbers: Vec<u32> = frames.filter_map(number).collect();
    numbers.sort_unstable();
    numbers
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
        let host = bm(1);
        let capture = |ns: &Ns, source: &str, log: &str| {
            let filter = format!("ether src {source} and ether broadcast");
            Capture::start(ns, "eth0", &filter, world.lab.log(log))
        };
        let at_the_host = capture(&host, &vm.mac, "at-the-host");
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
        let came = numbers(at_the_host.end().into_iter());
        let mut once = came.clone();
        once.dedup();
        assert_eq!(once, came, "a frame came twice");
        assert!(came.len() > 10, "{} of {sent} came", came.len());

        // The other way one switch alone takes them up. The emulated one acts a second or two after its database, though:
        // while it moves, both may for a moment.
        let mut round = 0;
        crate::support::eventually("each broadcast of the host's comes once", SOON, || {
            round += 1;
            let at_the_machine = capture(&vm.ns, &bm_mac(1), &format!("at-the-machine-{round}"));
            host.try_run(&["ping", "-b", "-c", "5", "-i", "0.1", "-W", "1", "192.168.50.255"]);
            let came = numbers(at_the_machine.end().into_iter());
            if came == [1, 2, 3, 4, 5] { Ok(()) } else { Err(format!("{came:?}")) }
        });
    });
}
