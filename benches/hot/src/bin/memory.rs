//! How much memory a row takes: of a switch's replica, and of the desired state.
//!
//! `memory [ROWS]`, a million of them unless told otherwise. What is counted is what the process holds of the system
//! afterwards and didn't before, so that the allocator's own losses are in it.

use std::{error::Error, fs};

use vtepd_hot::cases::{Kept, desired_state, replica};

/// Bytes of a row that are allowed.
const REPLICA: u64 = 96;
const DESIRED: u64 = 160;

fn main() -> Result<(), Box<dyn Error>> {
    let rows: u32 = std::env::args().nth(1).map_or(Ok(1_000_000), |rows| rows.parse())?;
    let mut over = false;
    for (name, limit, make) in [
        ("the replica, bytes a row", REPLICA, replica as fn(u32) -> Kept),
        ("the desired state, bytes a port", DESIRED, desired_state),
    ] {
        let before = held()?;
        let kept = make(rows);
        let bytes = held()?.saturating_sub(before) / u64::from(rows);
        drop(kept);
        println!("{name:<34} {bytes:>6}  <= {limit:<6} {}", if bytes <= limit { "ok" } else { "MISSED" });
        over |= bytes > limit;
    }
    if over { Err("a row takes more than it may".into()) } else { Ok(()) }
}

/// Memory that the process holds now, in bytes.
fn held() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
