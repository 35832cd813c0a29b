//! Connected and disconnected again and again: what we tear down ourselves is nobody else's change, and a MAC that was
//! withdrawn is announced nowhere.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{
    inside::inside,
    ovs::Wiring,
    topology::{Segment, Vm, bm, bm_mac},
    traffic::{Flow, first_ping, reaches},
    world::{SOON, VLAN, World},
};
use crate::support::eventually;

const BM_1: &str = "192.168.50.11";
const ONE: Segment = Segment { wiring: Wiring::Bundle, vlan: VLAN, switches: &[1], hosts: &[1] };
/// bm-1, now behind one switch, now behind the other: each is a gateway of its own.
const EITHER: Segment = Segment { switches: &[1, 2], ..ONE };
const CYCLES: usize = 20;
/// More than a single connection needs: the emulated switch looks at its database once a second, and calls a dozen
/// programs then.
const SLACK: Duration = Duration::from_secs(3);

/// Neither side knows the other's MAC any more.
fn forget(vm: &Vm) {
    for ns in [&vm.ns, &bm(1)] {
        ns.sh("ip neigh flush all");
    }
}

/// Connects, waits for the first ping of one side and the answer of the other, disconnects.
fn cycle(world: &World, vm: &Vm, gateway: &str, from_bare_metal: bool) -> Duration {
    forget(vm);
    let connection = world.rest().connect(gateway, &world.network, VLAN);
    let took = if from_bare_metal { first_ping(&bm(1), &vm.ip) } else { first_ping(&vm.ns, BM_1) };
    world.rest().disconnect(&connection);
    took
}

/// Waits until the emulated switch has torn down what its database had: the next connection begins from nothing.
fn torn_down(world: &World) {
    let switch = &world.lab.switches[0];
    switch.wait("its database has let go", SOON, |dump| dump.logical_switches().is_empty());
    eventually("the emulator has torn down", SOON, || {
        let (forwards, tunnels) = (switch.forwards(VLAN), switch.tunnels());
        if !forwards && tunnels.is_empty() {
            Ok(())
        } else {
            Err(format!("forwards: {forwards}, tunnels: {tunnels:?}"))
        }
    });
}

/// What was counted as somebody else's change.
fn drift(world: &World) -> serde_json::Value {
    world.daemon.admin("audit", &json!({"kinds": ["drift"]}))["entries"].clone()
}

/// Each round is a whole one: connected, answered, disconnected, torn down by the switch.
#[test]
fn twenty_connections_in_a_minute_each_answer_like_the_first() {
    inside(|| {
        let world = World::start(1, 1, &[ONE], "");
        let (vm, _) = world.vm(1, 1);
        world.gateway("gw", &["tor-switch-1"]);
        // The first ping, and the whole round.
        let round = |from_bare_metal: bool| {
            let begun = Instant::now();
            let took = cycle(&world, &vm, "gw", from_bare_metal);
            torn_down(&world);
            (took, begun.elapsed())
        };
        let single = [false, true].map(|from_bare_metal| {
            let single = round(from_bare_metal);
            // Alone: the nodes have let go, too.
            clean(&world);
            single
        });
        let begun = Instant::now();
        let each: Vec<Duration> = (0..CYCLES).map(|n| round(n % 2 == 1).0).collect();
        let all = begun.elapsed();
        // Faster than the emulator: it hasn't torn down when the next one comes.
        let hasty: Vec<Duration> = (0..5).map(|n| cycle(&world, &vm, "gw", n % 2 == 1)).collect();
        println!("single: {single:?}; {CYCLES} in {all:?}: {each:?}; without a pause: {hasty:?}");
        let most = single[0].0.max(single[1].0) + SLACK;
        assert!(each.iter().chain(&hasty).all(|took| *took < most), "{each:?}, {hasty:?}, not within {most:?}");
        // How many fit into a minute is the emulator's to say: a round is not longer than a single one.
        let longest = (single[0].1.max(single[1].1) + SLACK) * u32::try_from(CYCLES).expect("few");
        assert!(all < longest, "{CYCLES} rounds took {all:?}, not within {longest:?}");
        clean(&world);
        assert_eq!(drift(&world), json!([]), "what we do, and what the switch answers, is nobody else's");
        let log = world.daemon.home.log();
        for word in ["conflict", "somebody", "is changed"] {
            assert!(!log.lines().any(|line| line.contains(" WARN ") && line.contains(word)), "{word}: {log}");
        }
        // And it still works, for longer than a moment.
        let connection = world.rest().connect("gw", &world.network, VLAN);
        reaches(&vm.ns, BM_1, SOON);
        world.rest().wait_status(&connection, "active");
        let flow = Flow::start(&vm.ns, BM_1, world.lab.log("afterwards"));
        flow.goes_on(30);
        let (sent, received) = flow.end();
        assert_eq!(sent, received);
    });
}

/// Nothing of ours is on the switch, and no tunnel leads to it.
fn clean(world: &World) {
    let switch = &world.lab.switches[0];
    switch.wait("nothing of ours", SOON, |dump| {
        let tables = ["Logical_Switch", "Ucast_Macs_Remote", "Mcast_Macs_Remote", "Physical_Locator_Set"];
        tables.iter().all(|table| dump.rows(table).is_empty()) && dump.bindings().is_empty()
    });
    world.wait_node("no way to the switch", 1, SOON, |world| {
        world.flood(1).is_empty() && world.destinations(1, &bm_mac(1)).is_empty()
    });
}

#[test]
fn a_withdrawn_mac_is_reachable_behind_another_switch_at_once() {
    inside(|| {
        let world = World::start(2, 1, &[EITHER], "");
        let (vm, _) = world.vm(1, 1);
        world.lab.use_cables(&EITHER, &[1]);
        world.gateway("gateway-a", &["tor-switch-1"]);
        world.gateway("gateway-b", &["tor-switch-2"]);
        let elsewhere = world.rest().connect("gateway-b", &world.network, VLAN);
        world.rest().wait_status(&elsewhere, "active");
        let each: Vec<Duration> = (0..7).map(|n| cycle(&world, &vm, "gateway-a", n % 2 == 1)).collect();
        // Plugged in behind the other one, and heard there.
        world.lab.use_cables(&EITHER, &[2]);
        forget(&vm);
        let plugged = Instant::now();
        let first = first_ping(&bm(1), &vm.ip);
        let flow = Flow::start(&vm.ns, BM_1, world.lab.log("moved"));
        // Sixty, without waiting for time: each that is lost makes them fewer than were sent.
        flow.goes_on(60);
        let (sent, received) = flow.end();
        println!("cycles {each:?}; first {first:?}; {received} of {sent} within {:?}", plugged.elapsed());
        assert!(first < SLACK, "{first:?}");
        assert_eq!(received, sent, "every ping after the first is answered");
        let there = [world.lab.switches[1].vtep_ip.as_str()];
        world.wait_node("bm-1 is behind the other switch", 1, SOON, |world| world.destinations(1, &bm_mac(1)) == there);
        world.rest().wait_status(&elsewhere, "active");
    });
}
