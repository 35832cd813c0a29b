//! Packets: sent, counted, captured.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{net::Ns, world::SOON};
use crate::support::{eventually, process::Process};

/// Whether `target` answers one echo request.
pub(crate) fn answers(from: &Ns, target: &str) -> bool {
    from.try_run(&["ping", "-c1", "-W1", target]).0
}

/// Waits until `target` answers.
pub(crate) fn reaches(from: &Ns, target: &str, patience: Duration) {
    eventually(&format!("{} reaches {target}", from.name()), patience, || {
        let (good, output) = from.try_run(&["ping", "-c1", "-W1", target]);
        if good { Ok(()) } else { Err(output) }
    });
}

/// How long until a machine is answered that knows no neighbour's MAC.
pub(crate) fn first_ping(from: &Ns, target: &str) -> Duration {
    let begun = Instant::now();
    eventually(&format!("{} reaches {target}", from.name()), SOON, || {
        let (good, output) = from.try_run(&["ping", "-c1", "-W0.2", target]);
        if good { Ok(()) } else { Err(output) }
    });
    begun.elapsed()
}

/// A command that sends echo requests to everybody. ping lets only a root do that more often than once a second: who isn't
/// one becomes one in a user namespace, where a socket is open to his group (see `Ns::new`).
pub(crate) fn broadcasting<'a>(options: &[&'a str]) -> Vec<&'a str> {
    let root: &[&str] = if nix::unistd::Uid::effective().is_root() { &[] } else { &["unshare", "-U", "-r", "--"] };
    [root, &["ping", "-b"], options, &["192.168.50.255"]].concat()
}

/// Echo requests that go on, ten a second.
#[derive(Debug)]
pub(crate) struct Flow {
    process: Process,
    log: PathBuf,
}

impl Flow {
    pub(crate) fn start(from: &Ns, target: &str, log: PathBuf) -> Self {
        let process = from.start(&["ping", "-n", "-i", "0.1", target], &[], &log);
        Self { process, log }
    }

    /// Broadcasts, each with a number of its own, ten a second.
    pub(crate) fn broadcasts(from: &Ns, log: PathBuf) -> Self {
        let process = from.start(&broadcasting(&["-n", "-i", "0.1"]), &[], &log);
        Self { process, log }
    }

    /// Waits for so many further answers.
    pub(crate) fn goes_on(&self, answers: usize) {
        let came = || fs::read_to_string(&self.log).expect("ping's log").matches("bytes from").count();
        let before = came();
        eventually("answers go on", Duration::from_mins(1), || {
            let now = came();
            if now >= before + answers { Ok(()) } else { Err(format!("{now} of {before} + {answers}")) }
        });
    }

    /// Answers that came a second time.
    pub(crate) fn doubled(&self) -> usize {
        fs::read_to_string(&self.log).expect("ping's log").matches("DUP!").count()
    }

    /// Ends it; the requests sent, and the answers that came.
    pub(crate) fn end(mut self) -> (u32, u32) {
        self.process.signal("INT");
        self.process.wait(Duration::from_secs(10));
        let text = fs::read_to_string(&self.log).expect("ping's log");
        let summary = text.lines().find(|line| line.contains("packets transmitted")).expect("ping's summary");
        let mut numbers = summary.split_whitespace().filter_map(|word| word.parse().ok());
        (numbers.next().expect("sent"), numbers.next().expect("received"))
    }
}

/// A capture of frames on one interface.
#[derive(Debug)]
pub(crate) struct Capture {
    process: Process,
    log: PathBuf,
}

impl Capture {
    /// Captures incoming frames that match a filter of tcpdump's.
    pub(crate) fn start(ns: &Ns, interface: &str, filter: &str, log: PathBuf) -> Self {
        let args = ["tcpdump", "-i", interface, "-Q", "in", "-n", "-l", "-e", "--immediate-mode", filter];
        let process = ns.start(&args, &[], &log);
        eventually("tcpdump listens", Duration::from_secs(10), || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            if text.contains("listening on") { Ok(()) } else { Err(text) }
        });
        Self { process, log }
    }

    /// What was captured so far, a line a frame.
    pub(crate) fn frames(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.log).expect("tcpdump's log");
        text.lines().filter(|line| line.contains(" > ")).map(str::to_owned).collect()
    }

    /// Ends it, and returns all frames.
    pub(crate) fn end(mut self) -> Vec<String> {
        self.process.signal("INT");
        self.process.wait(Duration::from_secs(10));
        self.frames()
    }
}
