//! What the daemon tells systemd over its life (sd_notify(3)), heard on a socket of our own.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    os::unix::net::UnixDatagram,
    path::PathBuf,
    process::{Child, Command, ExitStatus},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
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
        // Tests run as threads of one process, or each in a process of its own.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("vtepd-house-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
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
fn a_second_signal_ends_at_once() {
    let mut service = Service::start(Duration::ZERO);
    service.hear("READY");
    let log = fs::read_to_string(service.directory.join("log")).expect("the log");
    let listening = log.lines().find(|line| line.contains("API is listening")).expect("the API's address is logged");
    let address = listening.split("address=").nth(1).expect("an address").trim();
    let token = fs::read_to_string(service.directory.join("token")).expect("the token");
    // A request whose body never comes to its end keeps the API from draining.
    let mut request = std::net::TcpStream::connect(address).expect("the API listens");
    let head = format!(
        "POST /v2/l2-gateways HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {}\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n",
        token.trim()
    );
    request.write_all(head.as_bytes()).expect("it is sent");
    // "100 Continue" says that the body is waited for.
    let mut answer = [0; 12];
    request.read_exact(&mut answer).expect("it is answered");
    assert_eq!(&answer, b"HTTP/1.1 100");
    service.signal("TERM");
    service.hear("STOPPING");
    assert!(service.daemon.try_wait().expect("it can be asked").is_none(), "it waits for the request");
    let since = Instant::now();
    service.signal("INT");
    assert_eq!(service.end().code(), Some(1));
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

#[test]
fn the_status_line_counts_switches() {
    let status = {
        let service = Service::start(Duration::ZERO);
        service.hear("STATUS")
    };
    assert_eq!(status["STATUS"], "0 of 0 switches up");
}

/// Before there is a log: errors of the configuration have the journal's priority `err`.
#[test]
fn errors_of_the_configuration_are_errors_in_the_journal() {
    use std::os::linux::fs::MetadataExt as _;
    for (program, name, variable) in [
        (env!("CARGO_BIN_EXE_vtepd"), "vtepd", "VTEPD_API__LISTEN"),
        (env!("CARGO_BIN_EXE_vtep-hostd"), "vtep-hostd", "VTEP_HOSTD_HOST__MTU"),
    ] {
        let directory = std::env::temp_dir().join(format!("vtepd-house-journal-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a scratch directory");
        let (ini, log) = (directory.join("wrong.ini"), directory.join("stderr"));
        fs::write(&ini, "[nonsense]\nlisten = 7\n").expect("the configuration");
        let stderr = fs::File::create(&log).expect("a file");
        let metadata = stderr.metadata().expect("its numbers");
        // systemd tells a program in this way that its standard error is the journal.
        let stream = format!("{}:{}", metadata.st_dev(), metadata.st_ino());
        let run = |stream: &str| {
            let mut program = Command::new(program);
            program.arg("--config").arg(&ini).env("JOURNAL_STREAM", stream).env(variable, "nonsense");
            let status = program.stderr(stderr.try_clone().expect("a second handle")).status().expect("it runs");
            assert_eq!(status.code(), Some(78));
            fs::read_to_string(&log).expect("what it said")
        };
        let said = run(&stream);
        assert!(said.lines().count() >= 2 && said.lines().all(|line| line.starts_with("<3>")), "{said}");
        let plain = run("1:1").split_off(said.len());
        assert!(plain.lines().count() >= 2 && !plain.contains("<3>"), "{plain}");
        fs::remove_dir_all(&directory).expect("the scratch directory goes");
    }
}
