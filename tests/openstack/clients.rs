//! A client's program, run.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// Where `make test-openstack` installs what comes from PyPI.
pub(crate) fn venv(program: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/openstack/venv/bin").join(program);
    assert!(path.exists(), "{} is not there: run make test-openstack", path.display());
    path
}

/// A command-line client that talks with one daemon, without a token.
pub(crate) struct Client {
    program: PathBuf,
    address: SocketAddr,
}

impl Client {
    pub(crate) fn new(program: impl Into<PathBuf>, address: SocketAddr) -> Self {
        Self { program: program.into(), address }
    }

    /// Runs the command; what it printed, or what it complained of.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let endpoint = format!("http://{}", self.address);
        let output = Command::new("timeout")
            .arg("120")
            .arg(&self.program)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", std::env::temp_dir())
            .env("LC_ALL", "C.UTF-8")
            // The openstack client's way to call without a token, and the older neutron client's.
            .env("OS_AUTH_TYPE", "none")
            .env("OS_ENDPOINT", &endpoint)
            .env("OS_AUTH_STRATEGY", "noauth")
            .env("OS_URL", &endpoint)
            .stdin(Stdio::null())
            .output()
            .expect("timeout(1) is there");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (out, err) = (text(output.stdout), text(output.stderr));
        if output.status.success() { Ok(out) } else { Err(format!("{out}{err}")) }
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).unwrap_or_else(|error| panic!("{} {arguments:?}: {error}", self.program.display()))
    }

    /// Runs a command that must succeed, and reads its JSON.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let all = [arguments, &["-f", "json"]].concat();
        let out = self.ok(&all);
        // The neutron client says things before it answers.
        let from = out.find(['{', '[']).unwrap_or(0);
        serde_json::from_str(&out[from..]).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"))
    }

    /// The rows of a list.
    #[track_caller]
    pub(crate) fn rows(&self, arguments: &[&str]) -> Vec<Value> {
        self.json(arguments).as_array().cloned().unwrap_or_else(|| panic!("{arguments:?} is no list"))
    }

    /// Runs a command that must fail, for a reason that contains this.
    #[track_caller]
    pub(crate) fn refused(&self, arguments: &[&str], reason: &str) {
        match self.run(arguments) {
            Ok(out) => panic!("{arguments:?} succeeded: {out}"),
            Err(error) => assert!(error.contains(reason), "{arguments:?}: {error}"),
        }
    }
}
