//! All ports of a network are in the store when it is connected: from the call to the last row committed.

use std::time::SystemTime;

use super::Case;
use crate::{
    bare, peers,
    site::Site,
    support::tor::Tor,
    table::{Sample, Target, cpu_share, wall_ratio},
};

pub(crate) struct Load {
    pub(crate) rows: u32,
}

impl Case for Load {
    fn name(&self) -> String {
        format!("load {} MACs, their ports in the store", self.rows)
    }

    fn targets(&self) -> Vec<Target> {
        vec![
            Target { what: "wall, times the bare client's", limit: 1.15, figure: wall_ratio },
            Target { what: "the daemon's CPU, times the server's", limit: 0.25, figure: cpu_share },
        ]
    }

    fn run(&self) -> (Sample, Sample) {
        (bare::load(&Tor::start("t", "192.0.2.1"), self.rows), load(self.rows))
    }

    fn peers(&self) -> Vec<(&'static str, Sample)> {
        peers::python_idl(&Tor::start("t", "192.0.2.1"), "load", self.rows)
            .map(|sample| ("Python IDL", sample))
            .into_iter()
            .collect()
    }
}

/// By the daemon.
pub(crate) fn load(rows: u32) -> Sample {
    let mut site = Site::new(1);
    site.create_ports(0, rows);
    let meter = site.meter();
    let begun = SystemTime::now();
    site.connect();
    site.wait_loaded(rows);
    let wall = site.committed().duration_since(begun).unwrap_or_default();
    Sample { wall, ..site.sample(&meter) }
}
