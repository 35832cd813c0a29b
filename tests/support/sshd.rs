//! OpenSSH's sshd with users of the test's own: a mount namespace in which /etc/passwd and /etc/shadow are others, so
//! that nothing on the machine changes.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{
    PATIENCE, eventually,
    process::{Process, Scratch, run},
};

/// The user; it is one with root's number, so that it may open sockets of the test's servers.
pub(crate) const USER: &str = "labsw";
/// A password that no log may hold.
pub(crate) const PASSWORD: &str = "sw1tch-Pw#geheim";

#[derive(Debug)]
pub(crate) struct Sshd {
    server: Option<Process>,
    port: u16,
    scratch: Scratch,
}

/// How users log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogIn {
    Password,
    KeyboardInteractive,
    /// The key of [`Sshd::client_key`].
    Key,
}

impl Sshd {
    /// A server; `None` where this machine gives us no mount namespace, or no root.
    ///
    /// # Panics
    /// In CI, which is to have both.
    pub(crate) fn start(log_in: LogIn) -> Option<Self> {
        let possible = Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "none", "/run"]).output();
        if !possible.is_ok_and(|output| output.status.success()) {
            let why = "sshd with users of its own needs root and mount namespaces";
            assert!(std::env::var_os("CI").is_none(), "{why}");
            eprintln!("SKIPPED: {why}");
            return None;
        }
        let scratch = Scratch::new();
        let hash = run("openssl", &["passwd", "-6", PASSWORD]);
        let write = |name: &str, text: &str| fs::write(scratch.join(name), text).expect("a file of sshd's");
        write(
            "passwd",
            &format!("root:x:0:0::/:/bin/sh\nsshd:x:65533:65533::/run/sshd:/bin/false\n{USER}:x:0:0::/:/bin/sh\n"),
        );
        write("shadow", &format!("root:*:1::::::\nsshd:!:1::::::\n{USER}:{}:19000:0:99999:7:::\n", hash.trim()));
        write("pam", "auth required pam_unix.so\naccount required pam_permit.so\nsession required pam_permit.so\n");
        let key = |name: &str| {
            let path = scratch.join(name).display().to_string();
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", path.as_str()]);
        };
        key("hostkey");
        key("client");
        fs::copy(scratch.join("client.pub"), scratch.join("authorized")).expect("the client's key is authorized");
        let mut sshd = Self { server: None, port: 0, scratch };
        sshd.boot(log_in);
        Some(sshd)
    }

    fn boot(&mut self, log_in: LogIn) {
        let yes = |one: LogIn| if one == log_in { "yes" } else { "no" };
        for _ in 0..5 {
            if self.port == 0 {
                let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
                self.port = free.local_addr().expect("its address").port();
            }
            let at = |name: &str| self.scratch.join(name).display().to_string();
            let config = format!(
                "ListenAddress 127.0.0.1:{}\nHostKey {}\nPidFile none\nPermitRootLogin yes\nStrictModes no\n\
                 PasswordAuthentication {}\nKbdInteractiveAuthentication {}\nPubkeyAuthentication {}\n\
                 AuthorizedKeysFile {}\nUsePAM {}\nAllowTcpForwarding yes\nAllowStreamLocalForwarding yes\n\
                 LogLevel VERBOSE\n",
                self.port,
                at("hostkey"),
                yes(LogIn::Password),
                yes(LogIn::KeyboardInteractive),
                yes(LogIn::Key),
                at("authorized"),
                yes(LogIn::KeyboardInteractive),
            );
            fs::write(self.scratch.join("config"), config).expect("sshd's configuration");
            let script = "
                set -e
                mount --bind $1/passwd /etc/passwd
                mount --bind $1/shadow /etc/shadow
                mount --bind $1/pam /etc/pam.d/sshd
                mount -t tmpfs none /run
                mkdir /run/sshd /run/openvswitch
                ln -s $1/usual.sock /run/openvswitch/db.sock
                exec /usr/sbin/sshd -D -e -f $1/config
            ";
            let dir = self.scratch.path().display().to_string();
            let args = ["--mount", "--propagation", "private", "sh", "-c", script, "sh", dir.as_str()];
            let mut server = Process::start("unshare", &args, &[], &self.scratch.join("log"));
            let up = eventually("sshd's start", PATIENCE, || {
                if server.ended().is_some() {
                    return Ok(false);
                }
                TcpStream::connect(("127.0.0.1", self.port)).map(|_| true).map_err(|_| self.log())
            });
            if up {
                self.server = Some(server);
                return;
            }
            // Somebody took the port.
            self.port = 0;
        }
        panic!("sshd doesn't start: {}", self.log());
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.scratch.join("log")).unwrap_or_default()
    }

    /// Where the server's /var/run/openvswitch/db.sock leads to.
    pub(crate) fn usual_socket(&self) -> PathBuf {
        self.scratch.join("usual.sock")
    }

    pub(crate) fn client_key(&self) -> PathBuf {
        self.scratch.join("client")
    }

    pub(crate) fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// `SHA256:…` of the host key.
    pub(crate) fn fingerprint(&self) -> String {
        let file = self.scratch.join("hostkey.pub").display().to_string();
        let text = run("ssh-keygen", &["-lf", file.as_str()]);
        text.split_whitespace().nth(1).expect("ssh-keygen -l has the fingerprint second").to_owned()
    }

    /// A known_hosts line for the server.
    pub(crate) fn known_hosts(&self) -> String {
        let key = fs::read_to_string(self.scratch.join("hostkey.pub")).expect("the host key");
        format!("[127.0.0.1]:{} {key}", self.port)
    }

    /// The keys of plumgrid.ini, but for how to log in and where the database is.
    pub(crate) fn lines(&self) -> String {
        format!(
            "transport = ssh\nmanagement_ip = 127.0.0.1\nport = {}\nusername = {USER}\nhost_key_fingerprint = {}\n",
            self.port,
            self.fingerprint()
        )
    }

    /// Connections that are served now, by the processes of the server's.
    pub(crate) fn connections(&self) -> usize {
        let Some(server) = &self.server else { return 0 };
        let pid = server.pid().to_string();
        let children = Command::new("pgrep").args(["--parent", &pid]).output().expect("procps is installed");
        String::from_utf8_lossy(&children.stdout).lines().count()
    }

    /// Freezes the processes that serve connections now; they end with the returned value.
    pub(crate) fn freeze_sessions(&self) -> Frozen {
        let server = self.server.as_ref().expect("the server runs").pid();
        let mut all = descendants(server);
        assert!(!all.is_empty(), "somebody is connected");
        for pid in &all {
            signal("STOP", *pid);
        }
        all.reverse();
        Frozen(all)
    }

    /// Waits until nobody is connected.
    pub(crate) fn wait_idle(&self) {
        eventually("sshd has no connection", Duration::from_secs(20), || match self.connections() {
            0 => Ok(()),
            n => Err(format!("{n} connections")),
        });
    }
}

/// Processes that were stopped.
#[derive(Debug)]
pub(crate) struct Frozen(Vec<u32>);

impl Drop for Frozen {
    fn drop(&mut self) {
        self.0.iter().for_each(|pid| signal("KILL", *pid));
    }
}

fn signal(signal: &str, pid: u32) {
    // It may have ended.
    let _ = Command::new("/bin/sh").args(["-c", "kill -s \"$1\" \"$2\"", "kill", signal, &pid.to_string()]).status();
}

fn descendants(pid: u32) -> Vec<u32> {
    let children = Command::new("pgrep").args(["--parent", &pid.to_string()]).output().expect("procps is installed");
    let text = String::from_utf8_lossy(&children.stdout).into_owned();
    let children = text.lines().filter_map(|line| line.trim().parse().ok());
    children.flat_map(|child| std::iter::once(child).chain(descendants(child))).collect()
}
