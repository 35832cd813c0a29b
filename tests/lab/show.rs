//! `make lab`: the use case up to step 8, to be played with.

use std::{env, fs, path::PathBuf, thread, time::Duration};

use super::{
    inside::inside,
    ovs::Wiring,
    topology::{Segment, bm},
    traffic::reaches,
    world::{SOON, VLAN, World},
};

/// Set by `make lab`; without it there is nobody to show anything to.
const SHOW: &str = "VTEPD_LAB_SHOW";

const TRY: &str = "
The lab is up; Ctrl-C takes it away. In another terminal:

  IN={in}; A=http://10.98.0.1:9797; T='X-Auth-Token: {token}'

  # $IN NAMESPACE COMMAND: vm-1 and vm-2 (on node-1 and node-2), bm-1 and bm-2 (behind both switches), node-1, node-2,
  # tor-1, tor-2; '-' is where the daemon is

  # packets: a virtual machine to bare metal, the other way, and the tunnels that carry them
  $IN vm-1 ping -c 3 192.168.50.11
  $IN bm-2 ping -c 3 192.168.50.102
  $IN tor-1 tcpdump -c 5 -ni uplink udp port 4789

  # what vtep-hostd made of it
  $IN node-1 bridge fdb show dev vtep-5000
  $IN node-1 ip -d link show vtep-5000

  # what the daemon says
  $IN - curl -s -H \"$T\" $A/v2/fdb?scope=all
  $IN - curl -s -H \"$T\" $A/v2/l2-gateway-connections/{connection}/status
  $IN - curl -sN -H \"$T\" $A/v2/fdb/watch

  # a switch's own eyes; one of the two fails
  $IN - vtep-ctl --db=tcp:10.98.0.11:6640 list-local-macs vtepd-{network}
  $IN - ip link set u-t1 down

  # step 10: nothing passes any more
  $IN - curl -s -X DELETE -H \"$T\" $A/v2/l2-gateway-connections/{connection}
";

#[test]
#[ignore = "make lab"]
fn show() {
    if env::var_os(SHOW).is_none() {
        return;
    }
    inside(|| {
        let both = Segment { wiring: Wiring::Bundle, vlan: VLAN, switches: &[1, 2], hosts: &[1, 2] };
        let world = World::start(2, 2, &[both], "");
        let machines = [world.vm(1, 1), world.vm(2, 2)];
        world.gateway("vtep-gateway-1", &["tor-switch-1", "tor-switch-2"]);
        let connection = world.rest().connect("vtep-gateway-1", &world.network, VLAN);
        for (vm, _) in &machines {
            reaches(&vm.ns, "192.168.50.11", SOON);
            reaches(&bm(2), &vm.ip, SOON);
        }
        let token = fs::read_to_string(world.daemon.home.token_file()).expect("the token");
        let text = TRY
            .replace("{in}", &door().display().to_string())
            .replace("{token}", token.trim())
            .replace("{connection}", &connection)
            .replace("{network}", &world.network);
        println!("{text}");
        loop {
            thread::sleep(Duration::from_hours(1));
        }
    });
}

/// The script that leads into the lab's namespaces.
pub(crate) fn door() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    target.join("in")
}
