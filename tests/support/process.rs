//! Child processes that can't outlive the test, and scratch directories.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use super::eventually;

/// A directory that vanishes with its owner (kept where `VTEPD_TEST_KEEP` is set).
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// The path is short: sockets lie in it, and theirs may have 107 bytes.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("vtepd-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("the scratch directory is created");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::env::var_os("VTEPD_TEST_KEEP").is_none() {
            // Best effort: nothing depends on it.
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// A child process, killed when it is dropped, and by the kernel should the test die first. The kernel's rule is about
/// the thread that started it: start it in the thread that keeps it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts `program` with stdout and stderr appended to `log`.
    pub(crate) fn start<A: AsRef<OsStr>>(
        program: impl AsRef<OsStr>,
        args: &[A],
        env: &[(&str, &str)],
        log: &Path,
    ) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("the log is opened");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program.as_ref())
            .args(args)
            // Where the tests themselves run as a service, systemd is not to be told of the daemon's state.
            .env_remove("NOTIFY_SOCKET")
            .env_remove("JOURNAL_STREAM")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("the log's handle is cloned"))
            .stderr(file)
            .spawn()
            .expect("setpriv (util-linux) is installed");
        Self { child, name: program.as_ref().to_string_lossy().into_owned() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name (`TERM`, `HUP`, `STOP`…).
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("/bin/sh").args(["-c", "kill -s \"$1\" \"$2\"", "kill", signal, &pid]).status();
        assert!(sent.expect("sh runs").success(), "SIG{signal} could not be sent to {} ({pid})", self.name);
    }

    /// SIGKILL; returns when the process is gone.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself: then there is nothing to kill, and wait() reaps it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The exit status, where the process has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the child can be waited for")
    }

    /// Waits until the process ends by itself.
    pub(crate) fn wait(&mut self, timeout: Duration) -> ExitStatus {
        let name = self.name.clone();
        eventually(&format!("the end of {name}"), timeout, || self.ended().ok_or_else(|| "it still runs".to_owned()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a command to its end and returns stdout.
///
/// # Panics
/// Where it fails, with its stderr.
pub(crate) fn run<A: AsRef<OsStr>>(program: &str, args: &[A]) -> String {
    let output = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program} can't be run: {e}"));
    assert!(
        output.status.success(),
        "{program} {:?} failed: {}",
        args.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
