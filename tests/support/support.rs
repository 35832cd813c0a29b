//! The harness of the end-to-end suites and of the benchmark: real ovsdb-servers ([`tor`]), the real daemon
//! ([`daemon`]), a REST client ([`rest`]), and second opinions that share no code with the daemon ([`rpc`], vtep-ctl).
//!
//! Everything lives in a scratch directory of its own, listens on free ports and dies with the test, so that suites
//! run in parallel and leave nothing behind.

// Each suite links the harness and uses its own part of it.
#![allow(dead_code)]

pub(crate) mod clock;
pub(crate) mod cluster;
pub(crate) mod daemon;
pub(crate) mod dialler;
pub(crate) mod door;
pub(crate) mod dump;
pub(crate) mod hostile;
pub(crate) mod line;
pub(crate) mod meddler;
pub(crate) mod pki;
pub(crate) mod process;
pub(crate) mod recorder;
pub(crate) mod rest;
pub(crate) mod rpc;
pub(crate) mod schema;
pub(crate) mod sshd;
pub(crate) mod tor;
pub(crate) mod vintage;
pub(crate) mod watch;

use std::time::{Duration, Instant};

/// How long anything that should happen may take on a busy two-core machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Looks again every few milliseconds until `look` finds something.
///
/// # Panics
/// With what `look` complained of last, after `timeout`.
pub(crate) fn eventually<T>(what: &str, timeout: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + timeout;
    let mut pause = Duration::from_millis(2);
    loop {
        match look() {
            Ok(found) => return found,
            Err(_) if Instant::now() < deadline => std::thread::sleep(pause),
            Err(complaint) => panic!("{what}: not within {timeout:?}: {complaint}"),
        }
        pause = (pause * 2).min(Duration::from_millis(40));
    }
}
