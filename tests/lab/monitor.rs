//! When entries come to a node's kernel: `bridge monitor`, which reports each at once, with the time at which it was read.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use super::topology::Node;
use crate::support::{PATIENCE, eventually};

type Lines = Arc<Mutex<Vec<(Instant, String)>>>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Monitor {
    child: Child,
    lines: Lines,
}

impl Monitor {
    /// Listens to the entries of all of a node's interfaces.
    pub(crate) fn start(node: &Node) -> Self {
        let line = node.ns.line(&["setpriv", "--pdeathsig", "KILL", "--", "stdbuf", "-oL", "bridge", "monitor", "fdb"]);
        let mut child = Command::new(&line[0])
            .args(&line[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bridge (iproute2) is installed");
        let lines = Lines::default();
        let (read, out) = (lines.clone(), child.stdout.take().expect("piped"));
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                read.lock().expect("nobody panicked").push((Instant::now(), line));
            }
        });
        let monitor = Self { child, lines };
        // It says nothing when it begins to listen: it does once it has heard of an entry.
        let mut n = 0;
        eventually("bridge monitor listens", PATIENCE, || {
            n += 1;
            node.ns.run(&["bridge", "fdb", "add", &format!("02:ee:00:00:00:{n:02x}"), "dev", "eth0", "self"]);
            if monitor.times(|line| line.starts_with("02:ee:")).is_empty() {
                Err("nothing yet".to_owned())
            } else {
                Ok(())
            }
        });
        monitor
    }

    /// When entries came of which `is_it` is true, sorted.
    fn times(&self, is_it: impl Fn(&str) -> bool) -> Vec<Instant> {
        let lines = self.lines.lock().expect("nobody panicked");
        lines.iter().filter(|(_, line)| !line.starts_with("Deleted") && is_it(line)).map(|(at, _)| *at).collect()
    }

    /// Waits for so many entries to other VTEPs whose MACs begin so: when the last of them came.
    pub(crate) fn last(&self, prefix: &str, count: usize, within: Duration) -> Instant {
        eventually(&format!("{count} entries {prefix}"), within, || {
            let times = self.times(|line| line.starts_with(prefix) && line.contains(" dst "));
            match times.get(count.saturating_sub(1)) {
                Some(at) => Ok(*at),
                None => Err(times.len().to_string()),
            }
        })
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
