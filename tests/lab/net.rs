//! Network namespaces and the cables between them.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::process::{Process, run};

/// A network namespace, by its name; [`Ns::ROOT`] is the one that the test itself is in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ns(String);

impl Ns {
    pub(crate) const ROOT: Self = Self(String::new());

    /// One that was made already.
    pub(crate) fn named(name: &str) -> Self {
        Self(name.to_owned())
    }

    pub(crate) fn new(name: &str) -> Self {
        run("ip", &["netns", "add", name]);
        let ns = Self(name.to_owned());
        // For `broadcasting`.
        let group = nix::unistd::Gid::effective();
        ns.sh(&format!("sysctl -qw net.ipv4.ping_group_range='{group} {group}'"));
        // Neighbour discovery of IPv6 would speak in captures without being asked.
        ns.sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
        ns.ip("link set lo up");
        ns
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    fn enter(&self) -> Vec<String> {
        if *self == Self::ROOT {
            return Vec::new();
        }
        vec!["nsenter".to_owned(), format!("--net=/run/netns/{}", self.0), "--".to_owned()]
    }

    pub(crate) fn line(&self, args: &[&str]) -> Vec<String> {
        self.enter().into_iter().chain(args.iter().map(|arg| (*arg).to_owned())).collect()
    }

    /// Runs a command in the namespace; stdout.
    ///
    /// # Panics
    /// Where it fails.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let line = self.line(args);
        run(&line[0], &line[1..])
    }

    /// As [`Ns::run`]; whether it went well, and its output.
    pub(crate) fn try_run(&self, args: &[&str]) -> (bool, String) {
        let line = self.line(args);
        let output = Command::new(&line[0]).args(&line[1..]).stdin(Stdio::null()).output().expect("it can be started");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    pub(crate) fn sh(&self, script: &str) -> String {
        self.run(&["sh", "-c", script])
    }

    /// A program that goes on, with its output in `log`.
    pub(crate) fn start(&self, args: &[&str], env: &[(&str, &str)], log: &Path) -> Process {
        let line = self.line(args);
        Process::start(&line[0], &line[1..], env, log)
    }

    /// Commands of `ip`, one a line, all in one go.
    pub(crate) fn ip(&self, commands: &str) {
        let line = self.line(&["ip", "-batch", "-"]);
        let mut child = Command::new(&line[0])
            .args(&line[1..])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ip can be started");
        child.stdin.take().expect("piped").write_all(commands.as_bytes()).expect("ip reads");
        let output = child.wait_with_output().expect("ip ends");
        assert!(output.status.success(), "{}: ip {commands}: {}", self.0, String::from_utf8_lossy(&output.stderr));
    }

    /// Takes the namespace away, and all interfaces in it.
    pub(crate) fn delete(&self) {
        run("ip", &["netns", "del", &self.0]);
    }
}

/// One end of a cable: in which namespace, called what.
pub(crate) type End<'a> = (&'a Ns, &'a str);

/// A cable: two interfaces, both up.
pub(crate) fn cable((a, if_a): End<'_>, (b, if_b): End<'_>, mtu: u32) {
    let peer = if *b == Ns::ROOT { format!("netns {}", std::process::id()) } else { format!("netns {}", b.name()) };
    a.ip(&format!("link add {if_a} mtu {mtu} type veth peer name {if_b} mtu {mtu} {peer}\nlink set {if_a} up\n"));
    b.ip(&format!("link set {if_b} up"));
    // A veth hands packets over before their checksum is filled in, and OVS in userspace would send them on like that.
    for (ns, interface) in [(a, if_a), (b, if_b)] {
        ns.run(&["ethtool", "-K", interface, "tx", "off"]);
    }
}
