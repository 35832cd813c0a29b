//! Many switches that carry one network.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Case;
use crate::{
    bare,
    site::{PATIENCE, Site},
    support::{rest::Kept, rpc::Rpc, tor::Tor},
    table::{Sample, Target, wall_ratio},
    usage,
};

/// Changes whose median is taken.
const CHANGES: u32 = 201;

/// One port on a network that this many switches carry. The bare clients write the same row to all at once.
pub(crate) struct Fan {
    pub(crate) switches: u16,
}

impl Case for Fan {
    fn name(&self) -> String {
        format!("one port on a network that {} switches carry", self.switches)
    }

    fn reference(&self) -> &'static str {
        "bare clients"
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = vec![Target { what: "wall, times the bare clients'", limit: 1.1, figure: wall_ratio }];
        // The figure is a function of samples alone: the number of switches is among its names.
        let what = "the daemon's CPU, µs a switch";
        match self.switches {
            20 => targets.push(Target { what, limit: 20.0, figure: |_, daemon| micros_each(daemon, 20) }),
            100 => targets.push(Target { what, limit: 20.0, figure: |_, daemon| micros_each(daemon, 100) }),
            200 => targets.push(Target { what, limit: 20.0, figure: |_, daemon| micros_each(daemon, 200) }),
            _ => {}
        }
        targets
    }

    fn run(&self) -> (Sample, Sample) {
        let names: Vec<String> = (0..self.switches).map(|i| format!("t{i}")).collect();
        let tors: Vec<Tor> = names.iter().map(|name| Tor::start(name, "192.0.2.1")).collect();
        let mut observers = observe(&tors);
        let before: Duration = tors.iter().map(|tor| usage::cpu(tor.pid())).sum();
        let mut clients = bare::Many::new(&tors, CHANGES);
        let (wall, client_cpu) = clients.changes(CHANGES, || all_changed(&mut observers));
        let after: Duration = tors.iter().map(|tor| usage::cpu(tor.pid())).sum();
        let reference = Sample { wall, client_cpu, server_cpu: after.saturating_sub(before), peak_kib: 0 };
        drop(tors);
        (reference, daemon(self.switches))
    }
}

fn micros_each(sample: &Sample, switches: u16) -> f64 {
    sample.client_cpu.as_secs_f64() * 1e6 / f64::from(CHANGES) / f64::from(switches)
}

fn daemon(switches: u16) -> Sample {
    let mut site = Site::new(switches.into());
    site.create_ports(0, 2);
    site.connect();
    site.wait_loaded(2);
    let mut observers = observe(&site.tors);
    let mut kept = Kept::open(site.rest.clone()).expect("the API listens");
    let meter = site.meter();
    let mut times: Vec<Duration> = (2..2 + CHANGES)
        .map(|i| {
            let body = json!({"port": site.port(i)});
            let begun = Instant::now();
            let answer = kept.call("POST", "/v2.0/ports", &body).expect("an answer");
            assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
            all_changed(&mut observers);
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    Sample { wall: times[times.len() / 2], ..site.sample(&meter) }
}

/// One on each switch, for both alike.
fn observe(tors: &[Tor]) -> Vec<Rpc> {
    tors.iter()
        .map(|tor| {
            let mut observer = tor.rpc();
            observer.monitor(&["Ucast_Macs_Remote"]);
            observer
        })
        .collect()
}

fn all_changed(observers: &mut [Rpc]) {
    let deadline = Instant::now() + PATIENCE;
    for observer in observers {
        assert!(observer.changed(deadline), "a row never came");
    }
}

/// Many switches that hold the same network of this many MACs: the desired state is held once.
pub(crate) struct Held {
    pub(crate) switches: u16,
    pub(crate) rows: u32,
}

impl Case for Held {
    fn name(&self) -> String {
        format!("{} switches x {} MACs of one network", self.switches, self.rows)
    }

    fn reference(&self) -> &'static str {
        "(nothing)"
    }

    fn targets(&self) -> Vec<Target> {
        let mb = |_: &Sample, daemon: &Sample| crate::table::peak_mb(daemon, daemon);
        vec![Target { what: "memory, MB (peak)", limit: 600.0, figure: mb }]
    }

    fn run(&self) -> (Sample, Sample) {
        let mut site = Site::new(self.switches.into());
        site.create_ports(0, self.rows);
        let meter = site.meter();
        site.connect();
        site.wait_loaded(self.rows);
        (Sample::default(), site.sample(&meter))
    }
}
