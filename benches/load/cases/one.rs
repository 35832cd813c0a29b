//! One port more, from the API call to the row committed. It is held against the same with a hundred ports present, since
//! the cost of a change must not follow the state.

use std::{
    cell::RefCell,
    fs::File,
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::json;

use super::Case;
use crate::{
    bare::{
        self,
        change::{Bare, Commit},
    },
    site::{PATIENCE, Site},
    support::{rest::Kept, tor::Tor},
    table::{Sample, Target, wall_ratio},
};

/// Single changes whose median is taken.
const CHANGES: u32 = 501;
/// Present in the reference.
const FEW: u32 = 100;

pub(crate) struct OnePort {
    pub(crate) rows: u32,
}

thread_local! {
    /// The time of one fsync where the store lies, measured in the same run.
    static FSYNC: RefCell<Duration> = const { RefCell::new(Duration::ZERO) };
}

impl Case for OnePort {
    fn name(&self) -> String {
        format!("one port more, {} present", self.rows)
    }

    fn reference(&self) -> &'static str {
        "vtepd, 100 present"
    }

    fn targets(&self) -> Vec<Target> {
        vec![
            Target { what: "wall, times the same with 100 present", limit: 1.1, figure: wall_ratio },
            Target {
                what: "wall without one fsync, ms (median)",
                limit: 3.0,
                figure: |_, daemon| {
                    let fsync = FSYNC.with_borrow(|fsync| *fsync);
                    daemon.wall.saturating_sub(fsync).as_secs_f64() * 1e3
                },
            },
            Target {
                what: "the daemon's CPU through to the status, µs a change",
                limit: 200.0,
                figure: |_, daemon| daemon.client_cpu.as_secs_f64() * 1e6 / f64::from(CHANGES),
            },
        ]
    }

    fn run(&self) -> (Sample, Sample) {
        (one_by_one(FEW), one_by_one(self.rows))
    }

    fn notes(&self) -> Vec<String> {
        let bare = bare::single(&Tor::start("t", "192.0.2.1"), self.rows, CHANGES).wall;
        let fsync = FSYNC.with_borrow(|fsync| *fsync);
        let least = |commit| Bare::start(&Tor::start("t", "192.0.2.1"), commit).cpu(CHANGES);
        let (in_place, apart) = (least(Commit::InPlace), least(Commit::Apart));
        vec![
            format!("a bare client's row takes {bare:?} (median), one fsync {fsync:?}"),
            format!(
                "a bare program that reads the call, commits, answers and writes the row: {in_place:?} of CPU a change"
            ),
            format!("the same with the commit on a thread of its own: {apart:?}"),
        ]
    }
}

/// Ports added one after the other; the median time to the switch's notification of the row, and the sum of the CPU.
fn one_by_one(present: u32) -> Sample {
    let mut site = Site::loaded(present);
    let mut observer = site.observer();
    let mut kept = Kept::open(site.rest.clone()).expect("the API listens");
    let meter = site.meter();
    let mut times: Vec<Duration> = (present..present + CHANGES)
        .map(|i| {
            let body = json!({"port": site.port(i)});
            let begun = Instant::now();
            let answer = kept.call("POST", "/v2.0/ports", &body).expect("an answer");
            assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
            assert!(observer.changed(begun + PATIENCE), "the row never came");
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    site.wait_active();
    let sample = Sample { wall: times[times.len() / 2], ..site.sample(&meter) };
    let measured = fsync(site.daemon.home.store().parent().expect("a directory"));
    FSYNC.with_borrow_mut(|fsync| *fsync = measured);
    sample
}

/// The median time of a small write made durable: what the store can't avoid.
fn fsync(directory: &Path) -> Duration {
    let path = directory.join("fsync");
    let mut file = File::create(&path).expect("a file beside the store");
    let mut times: Vec<Duration> = (0..CHANGES)
        .map(|_| {
            let begun = Instant::now();
            file.write_all(&[0; 4096]).and_then(|()| file.sync_data()).expect("the write is durable");
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}
