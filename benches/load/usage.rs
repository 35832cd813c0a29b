//! What a process used, from /proc.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::table::Sample;

/// `USER_HZ`: the unit of `/proc/<pid>/stat`, the same on every Linux that we know.
const TICKS_PER_SECOND: u32 = 100;
/// How often a program that runs to its end is checked.
const LOOK: Duration = Duration::from_millis(5);

/// CPU time of a process so far, user and system.
pub(crate) fn cpu(pid: u32) -> Duration {
    look(pid).expect("the process lives").0
}

/// Peak memory (`VmHWM`) of a process in KiB.
pub(crate) fn peak_kib(pid: u32) -> u64 {
    look(pid).expect("the process lives").1
}

/// Begins anew with the peak: what came before is not what is measured.
pub(crate) fn forget_peak(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the process is ours");
}

fn look(pid: u32) -> Option<(Duration, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything: count from its end.
    let (_, tail) = stat.rsplit_once(')')?;
    let ticks: u32 = tail.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    let peak = peak.trim().trim_end_matches(" kB").parse().unwrap_or(0);
    Some((Duration::from_secs(1) * ticks / TICKS_PER_SECOND, peak))
}

/// Runs a program to its end, looking at it until then.
///
/// # Panics
/// Where it can't be run, or fails.
pub(crate) fn run(command: &mut Command) -> Sample {
    let begun = Instant::now();
    let mut child: Child = command.stdout(Stdio::null()).spawn().expect("the program runs");
    let mut sample = Sample::default();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if let Some((cpu, peak)) = look(child.id()) {
            // A zombie has no memory any more.
            (sample.client_cpu, sample.peak_kib) = (cpu, peak.max(sample.peak_kib));
        }
        thread::sleep(LOOK);
    };
    assert!(status.success(), "{command:?}: {status}");
    Sample { wall: begun.elapsed(), ..sample }
}
