//! The cases: what is measured, and how good is good enough.

mod fan;
mod first;
mod idle;
mod load;
mod one;
mod ovn;
mod start;

use crate::table::{Outcome, Sample, Target};

/// Something to measure, by the daemon and by something that it is held against.
pub(crate) trait Case {
    fn name(&self) -> String;
    /// What it is held against.
    fn reference(&self) -> &'static str {
        "bare client"
    }
    fn targets(&self) -> Vec<Target>;
    /// One run of both, one after the other: a slow minute of the machine hits both.
    fn run(&self) -> (Sample, Sample);
    /// Others at the same work, once.
    fn peers(&self) -> Vec<(&'static str, Sample)> {
        Vec::new()
    }
    /// What else the runs showed.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What `make bench` measures, with this many rows on a switch.
pub(crate) fn all(rows: u32) -> Vec<Box<dyn Case>> {
    let mut cases: Vec<Box<dyn Case>> = vec![
        Box::new(load::Load { rows }),
        Box::new(load::Slow { rows: rows / 20, times: 20 }),
        Box::new(load::Slow { rows: rows / 20, times: 50 }),
        Box::new(first::Session::new(rows / 10)),
        Box::new(first::Session::new(rows)),
        Box::new(first::Restart::new(rows, 0)),
        Box::new(first::Restart::new(rows, rows / 100)),
        Box::new(one::OnePort { rows }),
        Box::new(fan::Fan { switches: 20 }),
    ];
    if ovn::is_installed() {
        cases.push(Box::new(ovn::Cold { ports: rows / 10 }));
        cases.push(Box::new(ovn::Cold { ports: rows / 2 }));
        cases.push(Box::new(ovn::OnePort { ports: rows / 2 }));
    } else {
        eprintln!("ovn-controller-vtep isn't installed, and its cases are left out: packaging/deps.sh bench");
    }
    cases
}

/// What `make bench-large` measures.
pub(crate) fn large() -> Vec<Box<dyn Case>> {
    vec![
        Box::new(first::Session::new(1_000_000)),
        Box::new(first::Restart::new(1_000_000, 0)),
        Box::new(start::Start { ports: 1_000_000 }),
        Box::new(fan::Fan { switches: 100 }),
        Box::new(fan::Fan { switches: 200 }),
        Box::new(fan::Held { switches: 200, rows: 20_000 }),
        Box::new(idle::Idle { sessions: 1_000 }),
    ]
}

/// What is drawn at each size.
pub(crate) fn plotted(rows: u32) -> Vec<Box<dyn Case>> {
    vec![Box::new(load::Load { rows }), Box::new(first::Session::new(rows))]
}

pub(crate) fn measure(case: &dyn Case, runs: usize) -> Outcome {
    let mut outcome = Outcome::new(case.name(), case.reference(), case.targets());
    for run in 1..=runs {
        eprintln!("{}: run {run} of {runs}", case.name());
        let (reference, daemon) = case.run();
        eprintln!("  {}: {:?}; vtepd: {:?}", case.reference(), reference.wall, daemon.wall);
        outcome.add(reference, daemon);
    }
    outcome.add_peers(case.peers());
    outcome.add_notes(case.notes());
    outcome
}
