//! First synchronisation: a switch that holds its rows already. The bare client reads the same rows from the same switch.

use std::{cell::RefCell, time::Instant};

use serde_json::json;

use super::Case;
use crate::{
    bare, peers,
    site::{PATIENCE, Site},
    support::eventually,
    table::{Sample, Target, peak_mb, wall_ratio},
};

/// The same pieces of the daemon's work, at a size, as a multiple of the bare client's time.
fn wall_limit(rows: u32) -> f64 {
    if rows >= 100_000 { 1.05 } else { 1.3 }
}

/// A session that begins, in a daemon that knows its desired state: from the moment when it hears of the switch until it
/// says that all is right.
pub(crate) struct Session {
    rows: u32,
    /// A loaded switch, made for the first run.
    site: RefCell<Option<Site>>,
}

impl Session {
    pub(crate) fn new(rows: u32) -> Self {
        Self { rows, site: RefCell::new(None) }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Site) -> T) -> T {
        let mut site = self.site.borrow_mut();
        work(site.get_or_insert_with(|| {
            let mut site = Site::loaded(self.rows);
            site.restart_server();
            // A server's first dump after its start takes twice as long as any later one.
            bare::synchronise(site.tor());
            site
        }))
    }
}

impl Case for Session {
    fn name(&self) -> String {
        format!("first synchronisation, {} right rows", self.rows)
    }

    fn targets(&self) -> Vec<Target> {
        vec![Target { what: "wall, times the bare client's", limit: wall_limit(self.rows), figure: wall_ratio }]
    }

    fn run(&self) -> (Sample, Sample) {
        self.with(|site| (bare::synchronise(site.tor()), session(site, self.rows)))
    }

    fn peers(&self) -> Vec<(&'static str, Sample)> {
        self.with(|site| {
            let mut peers = vec![("vtep-ctl (C IDL)", peers::vtep_ctl(site.tor()))];
            // At a million rows it takes minutes and gigabytes.
            let python = (self.rows <= 100_000).then(|| peers::python_idl(site.tor(), "read", self.rows)).flatten();
            peers.extend(python.map(|sample| ("Python IDL", sample)));
            peers
        })
    }
}

fn session(site: &mut Site, rows: u32) -> Sample {
    site.daemon.home.drop_last();
    site.daemon.reload();
    eventually("the switch is dropped", PATIENCE, || match site.rest.get("/v2/switches/t0").status {
        404 => Ok(()),
        status => Err(status.to_string()),
    });
    site.daemon.home.add(&site.tors[0]);
    let sessions = site.sessions();
    let before = (site.committed(), site.tor().rpc().count("Ucast_Macs_Remote"));
    let meter = site.meter();
    let begun = Instant::now();
    site.daemon.reload();
    site.wait_synchronised(sessions);
    let wall = begun.elapsed();
    let sample = Sample { wall, ..site.sample(&meter) };
    assert_eq!(before, (site.committed(), rows as usize), "something was written");
    sample
}

/// The daemon's own start: it reads its store and the switch at the same time. `differing` rows were taken away
/// meanwhile.
pub(crate) struct Restart {
    rows: u32,
    differing: u32,
    site: RefCell<Option<Site>>,
}

impl Restart {
    pub(crate) fn new(rows: u32, differing: u32) -> Self {
        Self { rows, differing, site: RefCell::new(None) }
    }
}

impl Case for Restart {
    fn name(&self) -> String {
        match self.differing {
            0 => format!("restart of the daemon, {} right rows", self.rows),
            some => format!("restart of the daemon, {some} of {} rows missing", self.rows),
        }
    }

    /// Rows that differ are held against the daemon's own restart with none.
    fn reference(&self) -> &'static str {
        if self.differing == 0 { "bare client" } else { "vtepd, all right" }
    }

    fn targets(&self) -> Vec<Target> {
        let what = if self.differing == 0 { "wall, times the bare client's" } else { "wall, times the same with none" };
        let mut targets = vec![Target { what, limit: wall_limit(self.rows), figure: wall_ratio }];
        if self.rows >= 1_000_000 {
            // A fresh process: what the creation of a million ports left behind is not in it.
            targets.push(Target { what: "memory, all of the daemon's, MB (peak)", limit: 400.0, figure: peak_mb });
        }
        targets
    }

    fn run(&self) -> (Sample, Sample) {
        let mut site = self.site.borrow_mut();
        let site = site.get_or_insert_with(|| {
            let mut site = Site::loaded(self.rows);
            site.daemon.kill();
            site.restart_server();
            bare::synchronise(site.tor());
            site
        });
        let reference = if self.differing == 0 { bare::synchronise(site.tor()) } else { restart(site, self.rows) };
        if self.differing > 0 {
            site.daemon.kill();
            take_away(site, self.differing);
        }
        let sample = restart(site, self.rows);
        site.daemon.kill();
        (reference, sample)
    }
}

fn restart(site: &mut Site, rows: u32) -> Sample {
    let server = crate::usage::cpu(site.tor().pid());
    let sessions = site.sessions();
    let begun = Instant::now();
    site.daemon.start();
    site.wait_synchronised(sessions);
    let wall = begun.elapsed();
    let pid = site.pid();
    let sample = Sample {
        wall,
        client_cpu: crate::usage::cpu(pid),
        server_cpu: crate::usage::cpu(site.tor().pid()).saturating_sub(server),
        peak_kib: crate::usage::peak_kib(pid),
    };
    assert_eq!(site.tor().rpc().count("Ucast_Macs_Remote"), rows as usize);
    sample
}

fn take_away(site: &Site, rows: u32) {
    let mut rpc = site.tor().rpc();
    let rows = rpc.select("Ucast_Macs_Remote").into_iter().take(rows as usize);
    let delete = |row: serde_json::Value| json!({"op": "delete", "table": "Ucast_Macs_Remote", "where": [["_uuid", "==", row["_uuid"]]]});
    rpc.transact(&rows.map(delete).collect::<Vec<_>>());
}
