//! The line of `systemctl status`, heard on a socket of our own: right at once, and with each change.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    process::Command,
    time::{Duration, Instant},
};

use crate::support::{PATIENCE, daemon::Home, process::Scratch, tor::Tor};

/// The status line's socket.
struct Line {
    socket: UnixDatagram,
    _scratch: Scratch,
}

impl Line {
    fn new() -> (Self, String) {
        let scratch = Scratch::new();
        let path = scratch.join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a bound on waiting");
        (Self { socket, _scratch: scratch }, path.display().to_string())
    }

    /// Waits for a line that is as `good` wants it; how long that took.
    #[track_caller]
    fn wait(&self, what: &str, good: impl Fn(&str) -> bool) -> Duration {
        let (begun, mut heard) = (Instant::now(), Vec::new());
        let mut buffer = [0; 4096];
        while begun.elapsed() < PATIENCE {
            let Ok(length) = self.socket.recv(&mut buffer) else { break };
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if let Some(line) = text.lines().find_map(|line| line.strip_prefix("STATUS=")) {
                if good(line) {
                    return begun.elapsed();
                }
                heard.push(line.to_owned());
            }
        }
        panic!("{what}: {heard:#?}");
    }
}

#[test]
fn the_status_line_is_right_at_once_and_with_each_change() {
    let (line, path) = Line::new();
    let mut tor = Tor::start("t", "192.0.2.1");
    let mut daemon = Home::new().tor(&tor).env(vec![("NOTIFY_SOCKET", path)]).start();
    // Nobody asked for a watchdog: no timer brings these about.
    line.wait("it comes up", |line| line == "1 of 1 switches up");
    tor.kill();
    let took = line.wait("it is lost", |line| line == "0 of 1 switches up");
    assert!(took < Duration::from_secs(3), "{took:?}");

    // A reload that fails is an error in the log, in the status line, and to whoever asked for it.
    daemon.home.write_ini();
    let right = fs::read_to_string(daemon.home.ini()).expect("plumgrid.ini");
    fs::write(daemon.home.ini(), format!("{right}\n[switch:t]\nmanagement_ip = nonsense!\n")).expect("it is written");
    daemon.process().signal("HUP");
    line.wait("the failed reload", |line| {
        line.starts_with("0 of 1 switches up; the last reload failed, the old configuration is in force: ")
    });
    let log = daemon.home.log();
    assert!(log.lines().any(|line| line.contains("ERROR") && line.contains("the old configuration stays in force")));
    let reload = || {
        let socket = daemon.home.admin_socket().display().to_string();
        Command::new(env!("CARGO_BIN_EXE_l2gw")).args(["--socket", &socket, "reload"]).output().expect("l2gw runs")
    };
    let refused = reload();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("plumgrid.ini:"), "{said}");
    fs::write(daemon.home.ini(), right).expect("it is written");
    assert!(reload().status.success());
    line.wait("a reload that went well", |line| line == "0 of 1 switches up");

    let aside = daemon.home.store().with_extension("aside");
    fs::rename(daemon.home.store(), &aside).expect("the store is moved");
    let took = line.wait("the store", |line| line.contains("was deleted or moved: nothing is kept any more"));
    assert!(took < Duration::from_secs(3), "{took:?}");
    fs::rename(&aside, daemon.home.store()).expect("the store is moved back");
    line.wait("the store is back", |line| line == "0 of 1 switches up");
}
