//! What one hostile switch, or hostile clients, cost the others:
//! `cargo bench --bench hostile [-- --scale 1000 --seconds 5 --only NAME]`.
//!
//! For each attack a fresh daemon has a good switch, a real ovsdb-server, and either one that does what
//! `tests/support/hostile.rs` says, or the clients of `clients.rs`. Ports are added one after the other; each is timed from
//! the API call to its row on the good switch. The first case has no attack: what counts is the ratio to it, in one run.

mod clients;
#[path = "../../tests/support/support.rs"]
mod support;

use std::{
    fs,
    os::unix::net::UnixDatagram,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use clients::{CLIENTS, Clients};
use serde_json::{Value, json};
use support::{
    daemon::{Daemon, Home},
    hostile::{Attack, Hostile, attacks},
    process::Scratch,
    rest::{Kept, Rest},
    tor::Tor,
};

/// p99 of a change beside an attack, in times the same without one: a target, because a machine with few cores misses it when
/// others take them. It is shown; what follows is held.
const RATIO: f64 = 5.0;
/// p99 at most.
const SLOWEST: Duration = Duration::from_millis(100);
/// `/healthz` at most.
const HEALTH: Duration = Duration::from_millis(100);
/// What systemd would wait for a ping of the watchdog; the daemon sends one in half of it.
const WATCHDOG: Duration = Duration::from_secs(4);
/// Memory of the daemon without what a switch may have: its dump of 384 MiB, or some 500 MB of rows.
const MEMORY_KIB: u64 = (200 + 512) << 10;
const PATIENCE: Duration = Duration::from_mins(1);
/// The name of the hostile switch, and the network that is on it.
const HOSTILE: &str = "hostile";

/// Who does harm.
#[derive(Clone, Copy)]
enum Harm {
    None,
    /// The switch, by its place in [`attacks`].
    Switch(usize),
    /// The clients, by their place in [`CLIENTS`].
    Clients(usize),
}

/// What was measured.
struct Figures {
    name: String,
    changes: usize,
    p50: Duration,
    p99: Duration,
    worst: Duration,
    /// Of that the API's answer.
    call: Duration,
    health: Duration,
    /// Without a ping of the watchdog.
    silence: Duration,
    peak_kib: u64,
    /// Sessions of the good switch: one, unless it was lost.
    sessions: u64,
    /// What the status says of the hostile switch.
    reason: String,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` starts benches without `--bench`: this one is no test.
    if !args.iter().any(|arg| arg == "--bench") {
        println!("not measured: run it with cargo bench --bench hostile");
        return ExitCode::SUCCESS;
    }
    let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)).cloned();
    let number = |name, default| value(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (scale, seconds) = (number("--scale", 1000), Duration::from_secs(number("--seconds", 5)));
    let only = value("--only").unwrap_or_default();
    println!(
        "{:<48} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8}",
        "", "changes", "p50 ms", "p99 ms", "worst ms", "call p99", "healthz", "watchdog", "MB", "sessions"
    );
    let undisturbed = measure(Harm::None, scale, seconds);
    undisturbed.print();
    let mut failed = Vec::new();
    let switches =
        attacks(HOSTILE, "", scale).into_iter().enumerate().map(|(i, attack)| (attack.name, Harm::Switch(i)));
    let clients = CLIENTS.iter().enumerate().map(|(i, (name, ..))| (*name, Harm::Clients(i)));
    for (_, harm) in switches.chain(clients).filter(|(name, _)| name.contains(only.as_str())) {
        let figures = measure(harm, scale, seconds);
        figures.print();
        failed.extend(figures.failed(&undisturbed));
    }
    for text in &failed {
        println!("FAILED {text}");
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One case.
fn measure(harm: Harm, scale: u64, seconds: Duration) -> Figures {
    let good = Tor::start("good", "192.0.2.1");
    let watchdog = Watchdog::new();
    let mut daemon = Home::new().tor(&good).env(watchdog.env()).start();
    let rest = daemon.rest();
    rest.endpoint("compute-0", "198.51.100.11");
    let network = rest.network("n");
    rest.gateway("g", &[("good", &["Ethernet40"])]);
    let connection = rest.connect("g", &network, 50);
    rest.wait_status(&connection, "active");
    // The attack knows the network: what it sends is of a Logical_Switch of ours.
    let attack: Option<Attack> = match harm {
        Harm::Switch(i) => Some(attacks(HOSTILE, &network, scale).swap_remove(i)),
        Harm::None | Harm::Clients(_) => None,
    };
    let hostile = attack.as_ref().map(Hostile::start);
    if let Some(hostile) = &hostile {
        daemon.home.insert(HOSTILE, &hostile.lines());
        daemon.reload();
        rest.gateway("h", &[(HOSTILE, &["p0"])]);
        rest.connect("h", &network, 51);
    }
    let clients = match harm {
        Harm::Clients(i) => Some((CLIENTS[i].0, Clients::start(CLIENTS[i], &rest))),
        Harm::None | Harm::Switch(_) => None,
    };
    let stop = Arc::new(AtomicBool::new(false));
    let prober = probe(rest.clone(), Arc::clone(&stop));
    let pings = watchdog.listen(Arc::clone(&stop));
    let (mut times, mut calls) = changes(&rest, &good, &network, seconds);
    stop.store(true, Ordering::Relaxed);
    let health = prober.join().expect("the prober");
    let silence = pings.join().expect("the listener");
    let name = attack.map(|attack| attack.name).or(clients.as_ref().map(|(name, _)| *name));
    drop(clients);
    times.sort_unstable();
    calls.sort_unstable();
    let at = |times: &[Duration], share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    Figures {
        name: name.unwrap_or("undisturbed").to_owned(),
        changes: times.len(),
        p50: at(&times, 50),
        p99: at(&times, 99),
        worst: at(&times, 100),
        call: at(&calls, 99),
        health,
        silence,
        peak_kib: peak(&mut daemon),
        sessions: sessions(&rest),
        reason: hostile
            .map_or_else(String::new, |_| rest.switch(HOSTILE)["reason"].as_str().unwrap_or_default().to_owned()),
    }
}

/// Stands for systemd, which restarts a daemon that doesn't ping.
struct Watchdog {
    socket: UnixDatagram,
    scratch: Scratch,
}

impl Watchdog {
    fn new() -> Self {
        let scratch = Scratch::new();
        let socket = UnixDatagram::bind(scratch.join("notify")).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a bound on waiting");
        Self { socket, scratch }
    }

    fn env(&self) -> Vec<(&'static str, String)> {
        let path = self.scratch.join("notify").display().to_string();
        vec![("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())]
    }

    /// The longest time without a ping.
    fn listen(self, stop: Arc<AtomicBool>) -> thread::JoinHandle<Duration> {
        thread::spawn(move || {
            // Its directory goes with it.
            let Self { socket, scratch: _scratch } = self;
            let (mut last, mut longest, mut buffer) = (Instant::now(), Duration::ZERO, [0; 4096]);
            while !stop.load(Ordering::Relaxed) {
                let heard = socket.recv(&mut buffer).map_or(&[] as &[u8], |length| &buffer[..length]);
                longest = longest.max(last.elapsed());
                if heard.starts_with(b"WATCHDOG=1") {
                    last = Instant::now();
                }
            }
            longest
        })
    }
}

/// Sessions of the good switch since the start.
fn sessions(rest: &Rest) -> u64 {
    const METRIC: &str = "vtepd_switch_sessions_total{switch=\"good\"} ";
    let metrics = String::from_utf8(rest.get("/metrics").body).expect("text");
    let count = metrics.lines().find_map(|line| line.strip_prefix(METRIC)).expect("the good switch is measured");
    count.parse().expect("a number")
}

/// `VmHWM` of the daemon, in KiB.
fn peak(daemon: &mut Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.process().pid())).expect("the daemon runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    peak.trim().trim_end_matches(" kB").parse().expect("KiB")
}

/// Adds ports, one each 20 ms, for so long; the time of each until the good switch has told its row, and until the call was
/// answered.
fn changes(rest: &Rest, good: &Tor, network: &str, seconds: Duration) -> (Vec<Duration>, Vec<Duration>) {
    let mut observer = good.rpc();
    observer.monitor(&["Ucast_Macs_Remote"]);
    let mut kept = Kept::open(rest.clone()).expect("the API listens");
    let until = Instant::now() + seconds;
    let (mut times, mut calls) = (Vec::new(), Vec::new());
    while Instant::now() < until {
        let [.., a, b] = times.len().to_be_bytes();
        let mac = format!("fa:16:3e:00:{a:02x}:{b:02x}");
        let port = json!({"network_id": network, "mac_address": mac, "binding:host_id": "compute-0"});
        let begun = Instant::now();
        let answer = kept.call("POST", "/v2.0/ports", &json!({ "port": port })).expect("an answer");
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
        calls.push(begun.elapsed());
        let is_row = |row: &Value| row["new"]["MAC"] == json!(mac);
        assert!(observer.told_row("Ucast_Macs_Remote", is_row, begun + PATIENCE), "the row never came");
        times.push(begun.elapsed());
        thread::sleep(Duration::from_millis(20));
    }
    (times, calls)
}

/// Asks `/healthz` all the time; the longest answer.
fn probe(rest: Rest, stop: Arc<AtomicBool>) -> thread::JoinHandle<Duration> {
    thread::spawn(move || {
        let mut worst = Duration::ZERO;
        while !stop.load(Ordering::Relaxed) {
            let begun = Instant::now();
            // A connection that shows no token may have to make room: whoever probes comes again.
            while rest.raw("GET", "/healthz", &[], b"").is_ok_and(|answer| answer.status != 200) {}
            worst = worst.max(begun.elapsed());
            thread::sleep(Duration::from_millis(10));
        }
        worst
    })
}

impl Figures {
    fn print(&self) {
        let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
        println!(
            "{:<48} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8}  {}",
            self.name,
            self.changes,
            ms(self.p50),
            ms(self.p99),
            ms(self.worst),
            ms(self.call),
            ms(self.health),
            ms(self.silence),
            self.peak_kib >> 10,
            self.sessions,
            self.reason.chars().take(100).collect::<String>(),
        );
    }

    /// Which bounds were not held.
    fn failed(&self, undisturbed: &Self) -> Vec<String> {
        let ratio = self.p99.as_secs_f64() / undisturbed.p99.as_secs_f64();
        if ratio > RATIO {
            println!("MISSED {}: p99 is {ratio:.1} times the undisturbed one, not {RATIO}", self.name);
        }
        let checks = [
            (self.p99 > SLOWEST, format!("p99 is {:?}, not {SLOWEST:?}", self.p99)),
            (self.health > HEALTH, format!("/healthz took {:?}, not {HEALTH:?}", self.health)),
            (self.silence > WATCHDOG, format!("no ping of the watchdog for {:?}, not {WATCHDOG:?}", self.silence)),
            (self.peak_kib > MEMORY_KIB, format!("{} MB, not {} MB", self.peak_kib >> 10, MEMORY_KIB >> 10)),
            (self.sessions != 1, format!("the good switch had {} sessions", self.sessions)),
        ];
        checks.into_iter().filter(|(failed, _)| *failed).map(|(_, text)| format!("{}: {text}", self.name)).collect()
    }
}
