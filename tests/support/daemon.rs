//! The real daemon, with a home of its own.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use serde_json::Value;

use super::{
    PATIENCE, eventually,
    process::{Process, Scratch},
    recorder::Recorder,
    rest::{self, Rest},
    sshd::PASSWORD,
    tor::Tor,
};

const VTEPD: &str = env!("CARGO_BIN_EXE_vtepd");

/// plumgrid.ini and everything that it names, in a directory that outlives the daemon's restarts.
#[derive(Debug)]
pub(crate) struct Home {
    switches: Vec<(String, String)>,
    default: String,
    more: String,
    api: String,
    auth: &'static str,
    env: Vec<(&'static str, String)>,
    /// The whole file, where the test writes it.
    whole: Option<String>,
    scratch: Scratch,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            switches: Vec::new(),
            default: String::new(),
            more: String::new(),
            api: String::new(),
            auth: "token",
            env: Vec::new(),
            whole: None,
            scratch: Scratch::new(),
        }
    }

    /// Every Physical_Switch of `tor`, over TCP.
    pub(crate) fn tor(mut self, tor: &Tor) -> Self {
        self.add(tor);
        self
    }

    pub(crate) fn add(&mut self, tor: &Tor) {
        for name in tor.names() {
            let lines = format!("management_ip = {}\nport = {}\n", tor.host(), tor.port());
            self.switches.push((name.to_owned(), lines));
        }
    }

    /// Every Physical_Switch of `tor`, over its Unix socket.
    pub(crate) fn tor_on_unix(mut self, tor: &Tor) -> Self {
        for name in tor.names() {
            let lines = format!("transport = unix\novsdb_socket = {}\n", tor.socket().display());
            self.switches.push((name.to_owned(), lines));
        }
        self
    }

    /// `tor` through a recorder.
    pub(crate) fn recorded(mut self, tor: &Tor, recorder: &Recorder) -> Self {
        for name in tor.names() {
            let lines = format!("management_ip = 127.0.0.1\nport = {}\n", recorder.port());
            self.switches.push((name.to_owned(), lines));
        }
        self
    }

    /// A section with these lines.
    pub(crate) fn switch(mut self, name: &str, lines: &str) -> Self {
        self.switches.push((name.to_owned(), lines.to_owned()));
        self
    }

    /// The same, of a daemon that runs: it takes it with [`Daemon::reload`].
    pub(crate) fn insert(&mut self, name: &str, lines: &str) {
        self.switches.push((name.to_owned(), lines.to_owned()));
    }

    /// Text below `[DEFAULT]`'s lines: sections of the test's own.
    pub(crate) fn more(self, text: &str) -> Self {
        Self { more: format!("{}\n{text}\n", self.more), ..self }
    }

    /// Variables of the daemon's environment.
    pub(crate) fn env(mut self, variables: Vec<(&'static str, String)>) -> Self {
        self.env.extend(variables);
        self
    }

    /// What no log may hold: passwords, tokens, and the lines of private keys that plumgrid.ini names.
    fn secrets(&self) -> Vec<String> {
        let mut secrets = vec![PASSWORD.to_owned(), "PRIVATE KEY".to_owned()];
        let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        secrets.extend(text(&self.token_file()).lines().map(str::to_owned));
        for line in text(&self.ini()).lines() {
            match line.split_once(" = ") {
                Some(("private_key" | "tls_private_key", path)) => {
                    let key = text(Path::new(path));
                    secrets.extend(key.lines().filter(|line| !line.starts_with('-')).map(str::to_owned));
                }
                Some(("password" | "sw_password", password)) => secrets.push(password.to_owned()),
                _ => {}
            }
        }
        secrets.retain(|secret| secret.len() >= 8);
        secrets
    }

    /// Replaces all of plumgrid.ini.
    pub(crate) fn whole(&mut self, text: String) {
        self.whole = Some(text);
    }

    /// Replaces the lines of a section.
    pub(crate) fn rewrite(&mut self, name: &str, lines: &str) {
        let section = self.switches.iter_mut().find(|(title, _)| title == name).expect("the section");
        lines.clone_into(&mut section.1);
    }

    /// A line of `[DEFAULT]`.
    pub(crate) fn default(mut self, line: &str) -> Self {
        let _ = writeln!(self.default, "{line}");
        self
    }

    /// A line of `[api]`.
    pub(crate) fn api(mut self, line: &str) -> Self {
        let _ = writeln!(self.api, "{line}");
        self
    }

    pub(crate) fn without_token(mut self) -> Self {
        self.auth = "none";
        self
    }

    /// Tokens are Keystone's: the section is the test's to add.
    pub(crate) fn with_keystone(mut self) -> Self {
        self.auth = "keystone";
        self
    }

    pub(crate) fn ini(&self) -> PathBuf {
        self.scratch.join("plumgrid.ini")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.scratch.join("vtepd.db")
    }

    pub(crate) fn token_file(&self) -> PathBuf {
        self.scratch.join("token")
    }

    pub(crate) fn admin_socket(&self) -> PathBuf {
        self.scratch.join("admin.sock")
    }

    fn log_file(&self) -> PathBuf {
        self.scratch.join("vtepd.log")
    }

    /// What daemons in this home have logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Takes the last section out again.
    pub(crate) fn drop_last(&mut self) {
        self.switches.pop();
    }

    /// Removes the store: a daemon that lost its memory.
    pub(crate) fn forget(&self) {
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{suffix}", self.store().display()));
        }
    }

    pub(crate) fn write_ini(&self) {
        let mut ini = format!(
            "[DEFAULT]\n{}\n[database]\nconnection = sqlite://{}\n\n\
             [api]\nlisten = 127.0.0.1:0\nauth = {}\ntoken_file = {}\n{}\n[admin]\nsocket = {}\n",
            self.default,
            self.store().display(),
            self.auth,
            self.token_file().display(),
            self.api,
            self.admin_socket().display(),
        );
        ini.push_str(&self.more);
        for (name, lines) in &self.switches {
            let _ = write!(ini, "\n[switch:{name}]\n{lines}");
        }
        let ini = self.whole.clone().unwrap_or(ini);
        // A file with a password must be nobody else's.
        let mut options = fs::OpenOptions::new();
        let file = options.create(true).write(true).truncate(true).mode(0o600).open(self.ini());
        file.and_then(|mut file| file.write_all(ini.as_bytes())).expect("plumgrid.ini is written");
    }

    /// Starts the program with these arguments after `--config`, and doesn't wait for anything.
    pub(crate) fn spawn(&self, args: &[&str]) -> Process {
        let ini = self.ini().display().to_string();
        let mut all = vec!["--config", ini.as_str()];
        all.extend_from_slice(args);
        // Colours would only stand between the harness and the words.
        let env: Vec<_> =
            self.env.iter().map(|(name, value)| (*name, value.as_str())).chain([("NO_COLOR", "1")]).collect();
        Process::start(VTEPD, &all, &env, &self.log_file())
    }

    /// Starts the daemon and waits until it serves the API.
    pub(crate) fn start(self) -> Daemon {
        let mut daemon = Daemon { process: None, address: None, home: self };
        daemon.start();
        daemon
    }
}

/// A daemon; dropped, it is killed, and the test fails where it had panicked, or a secret is anywhere in its log.
#[derive(Debug)]
pub(crate) struct Daemon {
    process: Option<Process>,
    address: Option<SocketAddr>,
    pub(crate) home: Home,
}

impl Daemon {
    /// Starts it again (after [`Self::kill`] or [`Self::stop`]).
    pub(crate) fn start(&mut self) {
        self.home.write_ini();
        let before = self.home.log().len();
        let mut process = self.home.spawn(&[]);
        let address = eventually("the daemon's start", PATIENCE, || {
            let log = self.home.log();
            let news = log.get(before..).unwrap_or_default();
            if let Some(status) = process.ended() {
                panic!("the daemon ended with {status}:\n{news}");
            }
            listening(news).ok_or_else(|| format!("it says nothing of its address:\n{news}"))
        });
        self.address = Some(address);
        self.process = Some(process);
    }

    pub(crate) fn rest(&self) -> Rest {
        let token = match self.home.auth {
            "token" => Some(fs::read_to_string(self.home.token_file()).expect("the token").trim().to_owned()),
            _ => None,
        };
        Rest { address: self.address.expect("the daemon runs"), token, described: true }
    }

    /// Where switches may dial in: `ptcp` or `pssl` of `[listen]`, with port 0 there.
    pub(crate) fn listens(&self, key: &str) -> SocketAddr {
        let log = self.home.log();
        let line = log.lines().rev().find(|line| line.contains("may dial in") && line.contains(key));
        let line = line.unwrap_or_else(|| panic!("nothing of {key} in {log}"));
        let (_, tail) = line.split_once("address=").expect("the address");
        tail.split_whitespace().next().and_then(|address| address.parse().ok()).expect("an address")
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the daemon runs")
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// SIGTERM; how it ended.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the daemon runs");
        process.signal("TERM");
        process.wait(Duration::from_secs(15))
    }

    /// A JSON-RPC 2.0 call over HTTP on the admin socket; its result.
    ///
    /// # Panics
    /// Where the answer is an error.
    pub(crate) fn admin(&self, method: &str, params: &Value) -> Value {
        let answer = self.admin_raw(method, params);
        assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
        answer["result"].clone()
    }

    /// The same, with the whole answer.
    pub(crate) fn admin_raw(&self, method: &str, params: &Value) -> Value {
        rest::json_rpc(&self.home.admin_socket(), method, params).expect("the admin socket answers")
    }

    /// Writes plumgrid.ini anew and sends SIGHUP.
    pub(crate) fn reload(&mut self) {
        self.home.write_ini();
        self.process().signal("HUP");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let ended = self.process.as_mut().and_then(Process::ended);
        self.kill();
        let log = self.home.log();
        if std::thread::panicking() {
            let tail: Vec<&str> = log.lines().rev().take(60).collect();
            eprintln!("the daemon's last words (it ended: {ended:?}):");
            tail.iter().rev().for_each(|line| eprintln!("    {line}"));
        } else if let Some(at) = log.find("panicked at") {
            panic!("the daemon panicked: {}", log.get(at..).unwrap_or_default());
        } else if let Some(status) = ended {
            panic!("the daemon ended by itself with {status}:\n{log}");
        } else if self.home.secrets().iter().any(|secret| log.contains(secret)) {
            panic!("a secret is in the log:\n{log}");
        }
    }
}

/// The API's address from the line that the daemon logs once it listens.
fn listening(log: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains("listening") && line.contains("address"))?;
    let (_, tail) = line.split_once("address")?;
    tail.trim_start_matches(['=', '"', ':']).split([' ', '"', ',']).next()?.parse().ok()
}
