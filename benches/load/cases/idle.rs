//! Sessions in which nothing happens. Some servers with many ports each: the daemon can't tell.

use std::{fmt::Write as _, time::Duration};

use super::Case;
use crate::{
    site::PATIENCE,
    support::{daemon::Home, eventually, tor::Tor},
    table::{Sample, Target},
    usage,
};

/// How long nothing happens.
const REST: Duration = Duration::from_mins(1);
/// Switches of one server: each session follows the rows of all of them.
const OF_ONE: u32 = 10;

pub(crate) struct Idle {
    pub(crate) sessions: u32,
}

impl Case for Idle {
    fn name(&self) -> String {
        format!("{} sessions, {REST:?} of rest", self.sessions)
    }

    /// The daemon with one session: what the others add is theirs.
    fn reference(&self) -> &'static str {
        "vtepd, one session"
    }

    fn targets(&self) -> Vec<Target> {
        vec![
            Target {
                what: "CPU, percent of a core",
                limit: 1.0,
                figure: |_, daemon| daemon.client_cpu.as_secs_f64() * 100.0 / REST.as_secs_f64(),
            },
            Target {
                what: "memory, kB a session (of 1000)",
                limit: 60.0,
                figure: |reference, daemon| {
                    #[allow(clippy::cast_precision_loss)] // For a table.
                    let more = daemon.peak_kib.saturating_sub(reference.peak_kib) as f64;
                    more * 1.024 / 1000.0
                },
            },
        ]
    }

    fn run(&self) -> (Sample, Sample) {
        (rest(1), rest(self.sessions))
    }
}

fn rest(sessions: u32) -> Sample {
    let tors: Vec<Tor> = (0..sessions.div_ceil(OF_ONE))
        .map(|i| {
            let names: Vec<String> = (i * OF_ONE..(i + 1) * OF_ONE).map(|i| format!("s{i}")).collect();
            Tor::shared(&names.iter().map(|name| (name.as_str(), "192.0.2.1")).collect::<Vec<_>>())
        })
        .collect();
    let ports: Vec<u16> = tors.iter().map(Tor::everywhere).collect();
    let mut home = Home::new();
    for i in 0..sessions {
        let port = ports[(i / OF_ONE) as usize];
        let mut lines = String::new();
        // 127.0.0.0/8 is all ours: other addresses are other switches.
        let _ = writeln!(lines, "management_ip = 127.0.{}.{}", i / 200, i % 200 + 1);
        let _ = writeln!(lines, "port = {port}\nlock = off");
        home = home.switch(&format!("s{i}"), &lines);
    }
    let mut daemon = home.start();
    let rest = daemon.rest();
    eventually("all sessions", PATIENCE, || {
        let all = rest.get("/v2/switches").expect(200);
        let up =
            all["switches"].as_array().map_or(0, |all| all.iter().filter(|s| s["session"]["state"] == "up").count());
        if up == sessions as usize { Ok(()) } else { Err(format!("{up} are up")) }
    });
    let pid = daemon.process().pid();
    let before = usage::cpu(pid);
    std::thread::sleep(REST);
    let client_cpu = usage::cpu(pid).saturating_sub(before);
    Sample { wall: REST, client_cpu, server_cpu: Duration::ZERO, peak_kib: usage::peak_kib(pid) }
}
