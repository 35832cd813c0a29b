//! Two switches in one gateway: one fails, and the other takes over; a loop behind both never closes.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use super::{
    inside::inside,
    net::Ns,
    ovs::{Switch, Wiring},
    topology::{Segment, Vm, bm, bm_mac},
    traffic::{Capture, Flow, reaches},
    world::{SOON, VLAN, World},
};

const BM_1: &str = "192.168.50.11";
const BUNDLE: Segment = Segment { wiring: Wiring::Bundle, vlan: VLAN, switches: &[1, 2], hosts: &[1] };
const BRIDGE: Segment = Segment { wiring: Wiring::Bridge, ..BUNDLE };
/// Longer than the emulator needs to do what its database says: it looks once a second, and calls a dozen programs then.
const HOLD: Duration = Duration::from_secs(10);

/// A network with a virtual machine, and a gateway of two switches with bare metal behind both.
struct Twins {
    world: World,
    vm: Vm,
    connection: String,
}

impl Twins {
    fn start(segment: Segment, settings: &str) -> Self {
        let world = World::start(2, 1, &[segment], settings);
        let (vm, _) = world.vm(1, 1);
        world.gateway("gw", &["tor-switch-1", "tor-switch-2"]);
        let connection = world.rest().connect("gw", &world.network, VLAN);
        reaches(&vm.ns, BM_1, SOON);
        world.rest().wait_status(&connection, "active");
        Self { world, vm, connection }
    }

    fn switch(&self, n: usize) -> &Switch {
        &self.world.lab.switches[n - 1]
    }

    /// Those that are bound by their databases, counted from 1.
    fn bound(&self) -> Vec<usize> {
        (1..=2).filter(|n| !self.switch(*n).dump().bindings().is_empty()).collect()
    }
}

#[test]
fn traffic_resumes_through_the_twin_when_the_designated_forwarder_fails() {
    inside(|| {
        let Twins { world, vm, connection } = Twins::start(BUNDLE, "[l2gateway]\ninactivity_probe = 1s\n");
        world.wait_node("bm-1 is learned", 1, SOON, |world| world.destinations(1, &bm_mac(1)).len() == 1);
        let failed = world.switch_at(&world.flood(1)[0]);
        let (n, twin) = if failed.name == "tor-switch-1" { (1, 2) } else { (2, 1) };

        // The switch dies: session, tunnels, and the cable to the host, whose bundle uses the other one.
        failed.refuse();
        Ns::ROOT.ip(&format!("link set u-t{n} down"));
        world.lab.use_cables(&BUNDLE, &[twin]);
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
        world.lab.use_cables(&BUNDLE, &[1, 2]);
        let name = failed.name.clone();
        world.rest().wait_switch(&name, "its session is up", |switch| switch["session"]["state"] == "up");
        reaches(&vm.ns, BM_1, SOON);
        reaches(&bm(1), &vm.ip, SOON);
        world.rest().wait_status(&connection, "active");
        assert_eq!(world.flood(1), [twin_ip.as_str()]);
    });
}

#[test]
fn the_twin_takes_over_without_a_frame_twice_when_only_the_session_is_lost() {
    without_its_session("", Switch::refuse, Switch::accept);
}

/// Nobody is told: what is sent in either direction of the management network disappears, and all links stay up.
#[test]
fn the_twin_takes_over_without_a_frame_twice_when_management_is_cut_silently() {
    let cable = |switch: &Switch| format!("m-t{}", switch.name.trim_start_matches("tor-switch-"));
    let state = |switch: &Switch, state: &str| {
        Ns::ROOT.run(&["bridge", "link", "set", "dev", &cable(switch), "state", state]);
    };
    let settings = "[l2gateway]\ninactivity_probe = 1s\n";
    without_its_session(settings, |switch| state(switch, "0"), |switch| state(switch, "3"));
}

/// Only the session with the designated forwarder is lost: its uplink and its cable stay up, and it forwards whatever
/// still reaches it. Broadcasts and unicast go through the twin within 3 s, and no frame comes twice.
fn without_its_session(settings: &str, cut_off: impl Fn(&Switch), fix: impl Fn(&Switch)) {
    inside(|| {
        let Twins { world, vm, connection } = Twins::start(BUNDLE, settings);
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
        cut_off(forwarder);
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
        fix(forwarder);
        let name = forwarder.name.clone();
        world.rest().wait_switch(&name, "its session is up", |switch| switch["session"]["state"] == "up");
        world.rest().wait_status(&connection, "active");
        reaches(&bm(1), &vm.ip, SOON);
        assert_eq!(world.flood(1), there, "there is no fail-back");
    });
}

/// The numbers of echo requests that were captured, sorted.
pub(super) fn numbers(frames: impl Iterator<Item = String>) -> Vec<u32> {
    let number = |frame: String| frame.split("seq ").nth(1)?.split(',').next()?.parse().ok();
    let mut numbers: Vec<u32> = frames.filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// A broadcast each 100 ms in both directions, and a question to one, while the election moves there and back. The host's are
/// taken up by both switches' cables: whichever switch forwards, passes them on.
#[test]
fn a_bridge_behind_both_switches_never_sees_a_frame_twice() {
    inside(|| {
        let hold = format!("[relay]\nactive_active = single-active\nhandover_hold = {}s\n", HOLD.as_secs());
        let twins = Twins::start(BRIDGE, &hold);
        let (world, vm, host) = (&twins.world, &twins.vm, bm(1));
        let elected = twins.bound();
        assert_eq!(elected.len(), 1, "one switch alone is bound");

        let capture = |ns: &Ns, source: &str, log: &str| {
            let filter = format!("ether src {source} and ether broadcast");
            Capture::start(ns, "eth0", &filter, world.lab.log(log))
        };
        let at_the_host = capture(&host, &vm.mac, "at-the-host");
        let at_the_machine = capture(&vm.ns, &bm_mac(1), "at-the-machine");
        let back_at_the_host = capture(&host, &bm_mac(1), "back-at-the-host");
        let back_at_the_machine = capture(&vm.ns, &vm.mac, "back-at-the-machine");
        let from_the_machine = Flow::broadcasts(&vm.ns, world.lab.log("from-the-machine"));
        let from_the_host = Flow::broadcasts(&host, world.lab.log("from-the-host"));
        let unicast = [(&vm.ns, BM_1), (&host, vm.ip.as_str())]
            .map(|(from, to)| Flow::start(from, to, world.lab.log(&format!("unicast-{to}"))));
        for loser in [elected[0], 3 - elected[0]] {
            let winner = 3 - loser;
            let switch = twins.switch(loser);
            switch.vtep_ctl("set Physical_Port Ethernet40 port_fault_status=unspecified_fault");
            let moved = Move::watch(&twins, loser, winner);
            println!("{moved}");
            assert!(moved.bound >= moved.held + HOLD, "the winner waits: {moved}");
            reaches(&vm.ns, BM_1, SOON);
            switch.vtep_ctl("clear Physical_Port Ethernet40 port_fault_status");
            thread::sleep(Duration::from_secs(1));
        }
        let sent = [from_the_machine.end().0, from_the_host.end().0];
        let came = [at_the_host, at_the_machine].map(|capture| numbers(capture.end().into_iter()));
        for (came, sent) in came.iter().zip(sent) {
            let mut once = came.clone();
            once.dedup();
            println!("{} of {sent} broadcasts came, each once", once.len());
            assert_eq!(once, *came, "a frame came twice");
            assert!(came.len() > 10, "{} of {sent} came", came.len());
        }
        for flow in unicast {
            assert_eq!(flow.doubled(), 0, "an answer came twice");
            let (asked, answered) = flow.end();
            assert!(answered > 10, "{answered} of {asked} answers");
        }
        let back = [back_at_the_host, back_at_the_machine].map(|capture| numbers(capture.end().into_iter()));
        assert_eq!(back, [[], []] as [[u32; 0]; 2], "somebody's own broadcast came back");
    });
}

/// One move of the election, from the switches' own databases and flow tables: how long after its beginning what was seen.
struct Move {
    /// The loser's database had not let go yet.
    held: Duration,
    /// The loser's flows were gone.
    silent: Duration,
    /// The winner's database bound, and its flows were there.
    bound: Duration,
    forwards: Duration,
}

impl Move {
    fn watch(twins: &Twins, loser: usize, winner: usize) -> Self {
        let begun = Instant::now();
        let mut held = Duration::ZERO;
        let mut seen: [Option<Duration>; 3] = [None; 3];
        crate::support::eventually("the election moves", HOLD + SOON, || {
            let (loser, winner) = (twins.switch(loser), twins.switch(winner));
            let is_bound = |switch: &Switch| !switch.dump().bindings().is_empty();
            let before = begun.elapsed();
            if is_bound(loser) {
                held = before;
            }
            let now = [!loser.forwards(VLAN), is_bound(winner), winner.forwards(VLAN)];
            for (seen, now) in seen.iter_mut().zip(now) {
                assert!(now || seen.is_none(), "it moved back: {seen:?}");
                if now {
                    seen.get_or_insert(begun.elapsed());
                }
            }
            assert!(!now[2] || now[0], "both forward: {seen:?}");
            if seen.iter().all(Option::is_some) { Ok(()) } else { Err(format!("{held:?} {seen:?}")) }
        });
        let [silent, bound, forwards] = seen.map(|seen| seen.expect("all were seen"));
        Self { held, silent, bound, forwards }
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { held, silent, bound, forwards } = self;
        write!(
            f,
            "bound until {held:?}, its flows gone after {silent:?}; the twin bound after {bound:?}, flows after {forwards:?}"
        )
    }
}
