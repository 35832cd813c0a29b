//! All ports of a network are in the store when it is connected: from the call to the last row committed.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::SystemTime,
};

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

/// The same on a switch whose CPU is a given factor slower than this machine's: its transactions have to become smaller.
pub(crate) struct Slow {
    pub(crate) rows: u32,
    pub(crate) times: u32,
}

impl Case for Slow {
    fn name(&self) -> String {
        format!("load {} MACs on a switch {} times slower", self.rows, self.times)
    }

    fn targets(&self) -> Vec<Target> {
        vec![Target { what: "wall, times the bare client's", limit: 1.15, figure: wall_ratio }]
    }

    fn run(&self) -> (Sample, Sample) {
        let tor = Tor::start("t", "192.0.2.1");
        let slowed = Slowed::down(tor.pid(), self.times);
        let reference = bare::load(&tor, self.rows);
        drop((slowed, tor));
        let mut site = Site::new(1);
        let slowed = Slowed::down(site.tor().pid(), self.times);
        let sample = load_at(&mut site, self.rows);
        drop(slowed);
        (reference, sample)
    }
}

/// A process that gets the CPU for half a millisecond, and then rests for so long that it seems to be slower.
struct Slowed {
    pid: u32,
    brake: Child,
}

/// Its arguments: the process, and how many times slower it shall be.
const SLOW_DOWN: &str = "
import os, signal, sys, time
pid, rest = int(sys.argv[1]), (int(sys.argv[2]) - 1) * 0.0005
print('begun', flush=True)
while True:
    os.kill(pid, signal.SIGSTOP)
    time.sleep(rest)
    os.kill(pid, signal.SIGCONT)
    time.sleep(0.0005)
";

impl Slowed {
    fn down(pid: u32, times: u32) -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", SLOW_DOWN, &pid.to_string(), &times.to_string()]).stdout(Stdio::piped());
        let mut brake = command.spawn().expect("python3 runs");
        let mut word = String::new();
        BufReader::new(brake.stdout.take().expect("a pipe")).read_line(&mut word).expect("it says that it has begun");
        assert_eq!(word, "begun\n");
        Self { pid, brake }
    }
}

impl Drop for Slowed {
    fn drop(&mut self) {
        let _ = self.brake.kill();
        let _ = self.brake.wait();
        // It may have ended while the process rested.
        let _ = Command::new("kill").args(["-CONT", &self.pid.to_string()]).status();
    }
}

/// By the daemon.
pub(crate) fn load(rows: u32) -> Sample {
    load_at(&mut Site::new(1), rows)
}

fn load_at(site: &mut Site, rows: u32) -> Sample {
    site.create_ports(0, rows);
    let meter = site.meter();
    let begun = SystemTime::now();
    site.connect();
    site.wait_loaded(rows);
    let wall = site.committed().duration_since(begun).unwrap_or_default();
    Sample { wall, ..site.sample(&meter) }
}
