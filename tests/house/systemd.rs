//! What the daemon tells systemd over its life (sd_notify(3)), heard on a socket of our own.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::net::UnixDatagram,
    path::PathBuf,
    process::{Child, Command, ExitStatus},
    time::Duration,
};

/// Longer than any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A daemon without switches in a directory of its own, both of which go with it.
struct Service {
    daemon: Child,
    directory: PathBuf,
    socket: UnixDatagram,
}

impl Service {
    fn start(watchdog: Duration) -> Self {
        let directory =
            std::env::temp_dir().join(format!("vtepd-house-systemd-{}-{}", std::process::id(), watchdog.as_millis()));
        fs::create_dir_all(&directory).expect("a scratch directory");
        let at = |name: &str| directory.join(name).display().to_string();
        let ini = format!(
            "[database]\nconnection = sqlite://{}\n[api]\nlisten = 127.0.0.1:0\ntoken_file = {}\n[admin]\nsocket = {}\n",
            at("vtepd.db"),
            at("token"),
            at("admin.sock"),
        );
        fs::write(at("plumgrid.ini"), ini).expect("plumgrid.ini is written");
        let socket = UnixDatagram::bind(at("notify")).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a bound on waiting");
        let mut daemon = Command::new("setpriv");
        daemon
            .args(["--pdeathsig", "KILL", "--", env!("CARGO_BIN_EXE_vtepd"), "--config", &at("plumgrid.ini")])
            .env("NOTIFY_SOCKET", at("notify"))
            .env("WATCHDOG_USEC", watchdog.as_micros().to_string())
            .env_remove("WATCHDOG_PID")
            .stderr(fs::File::create(at("log")).expect("a log"));
        let daemon = daemon.spawn().expect("setpriv (util-linux) is installed");
        Self { daemon, directory, socket }
    }

    /// The next message that says this, and all of its variables.
    fn hear(&self, variable: &str) -> BTreeMap<String, String> {
        let mut buffer = [0; 4096];
        loop {
            let log = || fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            let length = self.socket.recv(&mut buffer).unwrap_or_else(|e| panic!("no {variable}: {e}\n{}", log()));
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let said: BTreeMap<String, String> = text
                .lines()
                .filter_map(|line| line.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            if said.contains_key(variable) {
                return said;
            }
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.daemon.id().to_string();
        let sent = Command::new("/bin/sh").args(["-c", "kill -s \"$1\" \"$2\"", "kill", signal, &pid]).status();
        assert!(sent.expect("sh runs").success());
    }

    fn end(&mut self) -> ExitStatus {
        self.daemon.wait().expect("the daemon ends")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Both fail where it has ended already.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn systemd_hears_of_readiness_life_reload_and_end() {
    let mut service = Service::start(Duration::from_millis(200));
    service.hear("READY");
    service.hear("WATCHDOG");
    service.hear("WATCHDOG");
    service.signal("HUP");
    let reloading = service.hear("RELOADING");
    let since_boot: u64 = reloading["MONOTONIC_USEC"].parse().expect("microseconds");
    assert!(since_boot > 0);
    service.hear("READY");
    service.signal("TERM");
    service.hear("STOPPING");
    assert_eq!(service.end().code(), Some(0));
}

#[test]
fn the_status_line_counts_switches() {
    let status = {
        let service = Service::start(Duration::ZERO);
        service.hear("STATUS")
    };
    assert_eq!(status["STATUS"], "0 of 0 switches up");
}
