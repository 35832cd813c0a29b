//! What a process used, from /proc.

use std::{fs, time::Duration};

/// `USER_HZ`: the unit of `/proc/<pid>/stat`, the same on every Linux that we know.
const TICKS_PER_SECOND: u32 = 100;

/// CPU time of a process so far, user and system.
pub(crate) fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    // The name, in parentheses, may hold anything: count from its end.
    let (_, tail) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks: u32 = tail.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    Duration::from_secs(1) * ticks / TICKS_PER_SECOND
}

/// Peak memory (`VmHWM`) of a process in KiB.
pub(crate) fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}
