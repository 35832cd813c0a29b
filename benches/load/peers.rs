//! Others that do the same work: Open vSwitch's own clients.

use std::{path::Path, process::Command};

use crate::{support::tor::Tor, table::Sample, usage};

/// Where Debian puts them.
const PYTHON_IDL: &str = "/usr/lib/python3/dist-packages/ovs/db/idl.py";

/// Reads everything with the IDL in C: `vtep-ctl` does before it answers anything.
pub(crate) fn vtep_ctl(tor: &Tor) -> Sample {
    let before = usage::cpu(tor.pid());
    let database = format!("--db=unix:{}", tor.socket().display());
    let sample = usage::run(Command::new("vtep-ctl").args([&database, "list-ps"]));
    Sample { server_cpu: usage::cpu(tor.pid()).saturating_sub(before), ..sample }
}

/// Reads (`read`) or writes (`load`) this many rows with the IDL in Python; `None` where it isn't installed.
pub(crate) fn python_idl(tor: &Tor, what: &str, rows: u32) -> Option<Sample> {
    if !Path::new(PYTHON_IDL).exists() {
        eprintln!("  the Python IDL isn't installed: packaging/deps.sh bench");
        return None;
    }
    let before = usage::cpu(tor.pid());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/load/peers/idl.py");
    let mut command = Command::new("/usr/bin/python3");
    command.arg(script).arg(tor.socket()).args([what, &rows.to_string()]);
    let sample = usage::run(&mut command);
    Some(Sample { server_cpu: usage::cpu(tor.pid()).saturating_sub(before), ..sample })
}
