//! Two switches of one gateway with separate segments: one broadcast domain through the tunnels between them.

use super::{
    inside::inside,
    ovs::Wiring,
    topology::{Segment, bm, bm_mac},
    traffic::{Capture, Flow, broadcasting, reaches},
    twins::numbers,
    world::{SOON, VLAN, World},
};
use crate::support::eventually;

#[test]
fn bare_metal_behind_independent_switches_reaches_each_other_and_no_frame_comes_twice() {
    inside(|| {
        let first = Segment { wiring: Wiring::Bundle, vlan: VLAN, switches: &[1], hosts: &[1] };
        let second = Segment { wiring: Wiring::Bundle, vlan: VLAN, switches: &[2], hosts: &[2] };
        let world = World::start(2, 1, &[first, second], "[relay]\nactive_active = independent\n");
        let (vm, _) = world.vm(1, 1);
        world.gateway("gw", &["tor-switch-1", "tor-switch-2"]);
        let connection = world.rest().connect("gw", &world.network, VLAN);
        reaches(&bm(1), "192.168.50.12", SOON);
        reaches(&bm(2), "192.168.50.11", SOON);
        for (from, to) in [(&vm.ns, "192.168.50.11"), (&vm.ns, "192.168.50.12"), (&bm(1), &vm.ip), (&bm(2), &vm.ip)] {
            reaches(from, to, SOON);
        }
        world.rest().wait_status(&connection, "active");
        for (switch, other) in [(0, 2), (1, 1)] {
            let vtep = format!("10.99.0.{}", 10 + other);
            world.lab.switches[switch].wait("the other switch's MAC, and its place in the flood list", SOON, |dump| {
                dump.macs().iter().any(|row| row.address == bm_mac(other) && row.vtep == vtep)
                    && dump.floods().iter().any(|(_, vteps)| vteps.contains(&vtep))
            });
        }

        let stations = [(vm.ns.clone(), vm.mac.clone()), (bm(1), bm_mac(1)), (bm(2), bm_mac(2))];
        let mut captures = Vec::new();
        for (i, (listener, _)) in stations.iter().enumerate() {
            for (j, (_, source)) in stations.iter().enumerate() {
                let filter = format!("ether src {source} and ether broadcast and icmp");
                let log = world.lab.log(&format!("from-{j}-at-{i}"));
                captures.push((i, j, Capture::start(listener, "eth0", &filter, log)));
            }
        }
        let flows: Vec<_> = stations
            .iter()
            .enumerate()
            .map(|(i, (ns, _))| Flow::broadcasts(ns, world.lab.log(&format!("broadcasts-{i}"))))
            .collect();
        let unicast = Flow::start(&bm(1), "192.168.50.12", world.lab.log("unicast"));
        unicast.goes_on(30);
        assert_eq!(unicast.doubled(), 0, "an answer came twice");
        let (asked, answered) = unicast.end();
        assert_eq!(asked, answered);
        let sent: Vec<u32> = flows.into_iter().map(|flow| flow.end().0).collect();
        // One more of each, number 1 again: when it is everywhere, so is all that was sent before it.
        for (ns, _) in &stations {
            ns.try_run(&broadcasting(&["-n", "-c", "1", "-W", "1"]));
        }
        for (listener, source, capture) in &captures {
            let wanted = if listener == source { 0 } else { sent[*source] as usize + 1 };
            eventually("the last broadcasts", SOON, || {
                let came = capture.frames();
                if came.len() >= wanted {
                    Ok(())
                } else {
                    Err(format!("{source} at {listener}: {} of {wanted}", came.len()))
                }
            });
        }
        for (listener, source, capture) in captures {
            let mut wanted: Vec<u32> =
                if listener == source { Vec::new() } else { (1..=sent[source]).chain([1]).collect() };
            wanted.sort_unstable();
            assert_eq!(numbers(capture.end().into_iter()), wanted, "broadcasts of {source} at {listener}, each once");
        }
    });
}
