//! The daemon's start with many ports in its store, to the first plan: held against sqlite3, which reads the same table.

use std::{cell::RefCell, process::Command, time::Instant};

use serde_json::json;

use super::Case;
use crate::{
    site::{PATIENCE, Site},
    table::{Sample, Target, wall_ratio},
    usage,
};

pub(crate) struct Start {
    pub(crate) ports: u32,
}

thread_local! {
    static SITE: RefCell<Option<Site>> = const { RefCell::new(None) };
}

impl Case for Start {
    fn name(&self) -> String {
        format!("start with {} ports in the store, to the first plan", self.ports)
    }

    fn reference(&self) -> &'static str {
        "sqlite3, the table of ports"
    }

    fn targets(&self) -> Vec<Target> {
        vec![
            Target { what: "wall, seconds", limit: 6.0, figure: |_, daemon| daemon.wall.as_secs_f64() },
            Target { what: "wall, times sqlite3's (no target)", limit: f64::INFINITY, figure: wall_ratio },
        ]
    }

    fn run(&self) -> (Sample, Sample) {
        SITE.with_borrow_mut(|site| {
            let site = site.get_or_insert_with(|| {
                let mut site = Site::new(1);
                site.create_ports(0, 1);
                site.connect();
                site.wait_loaded(1);
                // The million is on a network that no switch carries: the plan is short, the start isn't.
                site.network = site.rest.network("many");
                site.create_ports(1, self.ports);
                site
            });
            site.daemon.kill();
            let begun = Instant::now();
            let store = site.daemon.home.store();
            let output = Command::new("sqlite3").arg(store).arg("SELECT * FROM ports").output().expect("sqlite3 runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let reference = Sample { wall: begun.elapsed(), ..Sample::default() };
            drop(output);
            let mut observer = site.observer();
            let delete = json!({"op": "delete", "table": "Ucast_Macs_Remote", "where": []});
            site.tor().rpc().transact(&[delete]);
            assert!(observer.changed(Instant::now() + PATIENCE), "the row went");
            let begun = Instant::now();
            site.daemon.start();
            // The first plan puts it back.
            assert!(observer.changed(begun + PATIENCE), "no plan");
            let wall = begun.elapsed();
            site.rest = site.daemon.rest();
            let pid = site.pid();
            let sample =
                Sample { wall, client_cpu: usage::cpu(pid), peak_kib: usage::peak_kib(pid), ..Sample::default() };
            (reference, sample)
        })
    }
}
