//! Samples, medians, and the table.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One run of one client.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// From the first request to the last row committed.
    pub(crate) wall: Duration,
    /// CPU of the client (the daemon, the bare client, or a peer).
    pub(crate) client_cpu: Duration,
    /// CPU of ovsdb-server meanwhile.
    pub(crate) server_cpu: Duration,
    /// Peak memory of the client.
    pub(crate) peak_kib: u64,
}

/// What is to be reached: a figure of each run, whose median must not be larger.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) what: &'static str,
    pub(crate) limit: f64,
    /// Of the reference (mostly the bare client) and the daemon.
    pub(crate) figure: fn(&Sample, &Sample) -> f64,
}

/// All runs of a case.
pub(crate) struct Outcome {
    name: String,
    reference: &'static str,
    targets: Vec<Target>,
    runs: Vec<(Sample, Sample)>,
    peers: Vec<(&'static str, Sample)>,
    notes: Vec<String>,
}

// ===== figures that many targets use =====

/// Wall time as a multiple of the reference's.
pub(crate) fn wall_ratio(reference: &Sample, daemon: &Sample) -> f64 {
    daemon.wall.as_secs_f64() / reference.wall.as_secs_f64()
}

/// The daemon's CPU as a share of the server's.
pub(crate) fn cpu_share(_: &Sample, daemon: &Sample) -> f64 {
    daemon.client_cpu.as_secs_f64() / daemon.server_cpu.as_secs_f64()
}

/// The daemon's peak memory in MB.
pub(crate) fn peak_mb(_: &Sample, daemon: &Sample) -> f64 {
    mb(daemon.peak_kib)
}

#[allow(clippy::cast_precision_loss)] // For a table.
fn mb(kib: u64) -> f64 {
    kib as f64 * 1024.0 / 1e6
}

// ===== impl Outcome =====

impl Outcome {
    pub(crate) fn new(name: String, reference: &'static str, targets: Vec<Target>) -> Self {
        Self { name, reference, targets, runs: Vec::new(), peers: Vec::new(), notes: Vec::new() }
    }

    pub(crate) fn add(&mut self, reference: Sample, daemon: Sample) {
        self.runs.push((reference, daemon));
    }

    pub(crate) fn add_peers(&mut self, peers: Vec<(&'static str, Sample)>) {
        self.peers.extend(peers);
    }

    pub(crate) fn add_notes(&mut self, notes: Vec<String>) {
        self.notes.extend(notes);
    }

    /// The median of a figure over the runs: both halves of a run met the same machine.
    fn median(&self, figure: impl Fn(&Sample, &Sample) -> f64) -> f64 {
        let mut values: Vec<f64> = self.runs.iter().map(|(reference, daemon)| figure(reference, daemon)).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn met(&self, target: &Target) -> bool {
        self.median(target.figure) <= target.limit
    }

    pub(crate) fn missed(&self) -> bool {
        self.targets.iter().any(|target| !self.met(target))
    }

    /// Medians of the wall times, in seconds: reference, daemon.
    pub(crate) fn walls(&self) -> (f64, f64) {
        (self.median(|reference, _| reference.wall.as_secs_f64()), self.median(|_, daemon| daemon.wall.as_secs_f64()))
    }

    fn print(&self) {
        println!("\n{}", self.name);
        let side = |pick: fn(&Sample, &Sample) -> Sample| {
            let of = |figure: fn(&Sample) -> f64| self.median(|reference, daemon| figure(&pick(reference, daemon)));
            [of(|s| ms(s.wall)), of(|s| ms(s.client_cpu)), of(|s| ms(s.server_cpu)), of(|s| mb(s.peak_kib))]
        };
        row(self.reference, side(|reference, _| *reference));
        row("vtepd", side(|_, daemon| *daemon));
        for (name, sample) in &self.peers {
            row(name, [ms(sample.wall), ms(sample.client_cpu), ms(sample.server_cpu), mb(sample.peak_kib)]);
        }
        for target in &self.targets {
            let (figure, word) = (self.median(target.figure), if self.met(target) { "ok" } else { "MISSED" });
            println!("  {:<64} {figure:>10.3}  <= {:<9} {word}", target.what, target.limit);
        }
        self.notes.iter().for_each(|note| println!("  {note}"));
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn row(name: &str, [wall, client, server, peak]: [f64; 4]) {
    println!("  {name:<34} {wall:>11.2} ms wall {client:>9.0} ms CPU {server:>9.0} ms server {peak:>7.0} MB");
}

pub(crate) fn print(outcomes: &[Outcome]) {
    outcomes.iter().for_each(Outcome::print);
    println!("\nMedians of the runs. CPU of the client and of ovsdb-server apart; MB: peak memory of the client.");
}
