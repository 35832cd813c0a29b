//! What a session has still to tell the relay: keys that are looked up in the replica when there is room in the channel.
//! So it has a bound, and what is told is never older than the replica.

use std::{net::IpAddr, sync::Arc};

use super::worker::Worker;
use crate::{
    model::SwitchVteps,
    relay::{Report, Told},
    vtep::{Replica, Touched},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Reporter {
    database: Arc<str>,
    /// The VTEPs of the switches.
    switches: bool,
}

// ===== impl Reporter =====

impl Reporter {
    pub(super) fn new(worker: &Worker) -> Self {
        Self { database: worker.settings.database.to_string().into(), switches: false }
    }

    /// The replica is complete: all of it is news.
    pub(super) fn begin(&mut self) {
        self.switches = true;
    }

    /// Rows changed on the switch.
    pub(super) fn touch(&mut self, touched: &Touched) {
        self.switches |= touched.switches;
    }

    pub(super) fn has_news(&self) -> bool {
        self.switches
    }

    /// The next report.
    pub(super) fn next(&mut self, worker: &Worker, replica: &Replica) -> Option<Report> {
        let told = if std::mem::take(&mut self.switches) { Told::Vteps(vteps(worker, replica)) } else { return None };
        Some(Report { database: self.database.clone(), told })
    }
}

/// Where the configured switches are reached. One that says nothing of it (yet) is passed over: what was known holds.
fn vteps(worker: &Worker, replica: &Replica) -> Vec<SwitchVteps> {
    let mut found = Vec::new();
    for name in worker.desired.sections.keys() {
        let ips = replica.switch(name).map(|switch| switch.tunnel_ips.as_slice()).unwrap_or_default();
        let mut vteps: Vec<_> =
            ips.iter().filter_map(|ip| if let IpAddr::V4(ip) = ip { Some(*ip) } else { None }).collect();
        vteps.sort_unstable();
        if !vteps.is_empty() {
            found.push(SwitchVteps { switch: name.clone(), network: None, vteps });
        }
    }
    found
}
