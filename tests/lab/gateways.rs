//! Two gateways on one network; and the daemon away while traffic runs.

use std::{thread, time::Duration};

use super::{
    inside::inside,
    ovs::Wiring,
    topology::{Segment, bm, bm_mac},
    traffic::{Flow, reaches},
    world::{SOON, VLAN, World},
};
use crate::support::dump::Dump;

/// How long the daemon is away.
const AWAY: Duration = Duration::from_secs(30);

#[test]
fn bare_metal_behind_two_gateways_and_no_packet_lost_while_the_daemon_is_away() {
    inside(|| {
        let a = Segment { wiring: Wiring::Bundle, vlan: VLAN, switches: &[1], hosts: &[1] };
        let b = Segment { wiring: Wiring::Bundle, vlan: VLAN, switches: &[2], hosts: &[2] };
        let mut world = World::start(2, 1, &[a, b], "");
        let (vm, _) = world.vm(1, 1);
        world.gateway("gateway-a", &["tor-switch-1"]);
        world.gateway("gateway-b", &["tor-switch-2"]);
        let connections = ["gateway-a", "gateway-b"].map(|gateway| world.rest().connect(gateway, &world.network, VLAN));
        reaches(&bm(1), "192.168.50.12", SOON);
        reaches(&bm(2), "192.168.50.11", SOON);
        reaches(&vm.ns, "192.168.50.11", SOON);
        reaches(&vm.ns, "192.168.50.12", SOON);
        for connection in &connections {
            world.rest().wait_status(connection, "active");
        }
        // What one switch learned, the other was told.
        for (switch, host) in [(0, 2), (1, 1)] {
            world.lab.switches[switch].wait("the other gateway's MAC", SOON, |dump| {
                dump.macs().iter().any(|row| row.address == bm_mac(host))
            });
        }
        world.wait_node("both are learned", 1, SOON, |world| {
            (1..=2).all(|host| world.destinations(1, &bm_mac(host)) == [format!("10.99.0.{}", 10 + host)])
        });

        let flows =
            [(&vm.ns, "192.168.50.11"), (&vm.ns, "192.168.50.12"), (&bm(1), "192.168.50.12"), (&bm(2), vm.ip.as_str())];
        let flows = flows.map(|(from, to)| Flow::start(from, to, world.lab.log(&format!("{}-{to}", from.name()))));
        world.daemon.kill();
        // Nor does it matter that the node's own half dies meanwhile.
        world.restart_hostd(1);
        thread::sleep(AWAY);
        world.daemon.start();
        for connection in &connections {
            world.rest().wait_status(connection, "active");
        }
        // Everything that the daemon does on its return is to be survived, too: it has compared every switch, and programs them
        // again; and every flow was answered since for as long as an emulated switch takes to act.
        for switch in &world.lab.switches {
            world.rest().wait_switch(&switch.name, "all is right", |now| {
                now["status"] == "active" && now["rows_actual"] == now["rows_desired"] && now["rows_desired"] != 0
            });
        }
        let (later, _) = world.vm(1, 2);
        for switch in &world.lab.switches {
            let has = |dump: &Dump| dump.macs().iter().any(|row| row.address == later.mac);
            switch.wait("the MAC of a later machine", SOON, has);
        }
        for flow in &flows {
            flow.goes_on(30);
        }
        let ended = flows.map(Flow::end);
        let [sent, received] =
            [0, 1].map(|which| ended.iter().map(|of| if which == 0 { of.0 } else { of.1 }).sum::<u32>());
        println!("the daemon killed for {AWAY:?}: {received} of {sent} answers on four flows");
        for (sent, received) in ended {
            assert!(sent > 300, "{sent}");
            assert_eq!(sent, received);
        }
    });
}
