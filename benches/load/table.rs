//! Samples, medians, and the table.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One run of one client.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// From the first request to the last row committed.
    pub(crate) wall: Duration,
    /// CPU of the client (the daemon, or the bare client).
    pub(crate) client_cpu: Duration,
    /// CPU of ovsdb-server meanwhile.
    pub(crate) server_cpu: Duration,
    /// Peak memory of the client.
    pub(crate) peak_kib: u64,
}

/// All runs of a case.
#[derive(Debug)]
pub(crate) struct Outcome {
    name: String,
    limit: f64,
    runs: Vec<(Sample, Sample)>,
}

impl Outcome {
    /// `limit`: the largest ratio of daemon to bare client that is good enough.
    pub(crate) fn new(name: String, limit: f64) -> Self {
        Self { name, limit, runs: Vec::new() }
    }

    pub(crate) fn add(&mut self, bare: Sample, daemon: Sample) {
        self.runs.push((bare, daemon));
    }

    /// Median of the ratios of single runs: both halves of a run met the same machine.
    fn ratio(&self) -> f64 {
        median(self.runs.iter().map(|(bare, daemon)| daemon.wall.as_secs_f64() / bare.wall.as_secs_f64()).collect())
    }

    pub(crate) fn met(&self) -> bool {
        self.ratio() <= self.limit
    }

    fn of(&self, pick: impl Fn(&(Sample, Sample)) -> f64) -> f64 {
        median(self.runs.iter().map(pick).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Wall and CPU in milliseconds, memory in MiB.
pub(crate) fn print(outcomes: &[Outcome]) {
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    #[allow(clippy::cast_precision_loss)] // Mebibytes for a table.
    let mib = |kib: u64| kib as f64 / 1024.0;
    println!(
        "{:<36} {:>10} {:>10} {:>7} {:>7}  {:>10} {:>10} {:>10} {:>10} {:>8} {:>8}",
        "case", "bare", "daemon", "ratio", "limit", "bare CPU", "server", "daemon CPU", "server", "bare MiB", "d. MiB"
    );
    for outcome in outcomes {
        println!(
            "{:<36} {:>10.2} {:>10.2} {:>7.2} {:>7.2}  {:>10.0} {:>10.0} {:>10.0} {:>10.0} {:>8.0} {:>8.0}  {}",
            outcome.name,
            outcome.of(|(bare, _)| ms(bare.wall)),
            outcome.of(|(_, daemon)| ms(daemon.wall)),
            outcome.ratio(),
            outcome.limit,
            outcome.of(|(bare, _)| ms(bare.client_cpu)),
            outcome.of(|(bare, _)| ms(bare.server_cpu)),
            outcome.of(|(_, daemon)| ms(daemon.client_cpu)),
            outcome.of(|(_, daemon)| ms(daemon.server_cpu)),
            outcome.of(|(bare, _)| mib(bare.peak_kib)),
            outcome.of(|(_, daemon)| mib(daemon.peak_kib)),
            if outcome.met() { "ok" } else { "OVER" },
        );
    }
    println!("times in ms, medians of the runs; ratio: median of the runs' own ratios");
}
