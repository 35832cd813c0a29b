//! The lab with everything that runs on it: the daemon, and vtep-hostd on each compute node.

use std::{fs, os::unix::fs::OpenOptionsExt, time::Duration};

use super::{
    inside::HOST_TOKENS,
    ovs::Switch,
    topology::{Lab, Segment, Vm},
};
use crate::support::{
    daemon::{Daemon, Home},
    eventually,
    process::Process,
    rest::Rest,
};

pub(crate) const VNI: u32 = 5000;
pub(crate) const VLAN: u16 = 50;
const DEVICE: &str = "vtep-5000";
/// The emulated switch looks at its database and its MACs every second or two, and forgets a MAC after 15 s.
pub(crate) const SOON: Duration = Duration::from_secs(40);

/// Everything; one network, `network1`.
pub(crate) struct World {
    pub(crate) daemon: Daemon,
    pub(crate) network: String,
    pub(crate) lab: Lab,
    hostds: Vec<Process>,
}

impl World {
    /// `settings` are further sections of plumgrid.ini.
    pub(crate) fn start(switches: usize, nodes: usize, segments: &[Segment], settings: &str) -> Self {
        Self::start_with(switches, nodes, segments, settings, "")
    }

    /// `lines` are further lines of `[host]` in vtep-hostd.ini.
    pub(crate) fn start_with(switches: usize, nodes: usize, segments: &[Segment], settings: &str, lines: &str) -> Self {
        let lab = Lab::start(switches, nodes, segments);
        let tokens: Vec<String> =
            lab.nodes.iter().map(|node| format!("{}:{}", node.ns.name(), token(node.ns.name()))).collect();
        secret(HOST_TOKENS, &tokens.join("\n"));
        let mut home = Home::new().more(settings);
        for switch in &lab.switches {
            home = home.switch(&switch.name, &format!("management_ip = {}\n", switch.management_ip));
        }
        let daemon = home.start();
        let rest = daemon.rest();
        let network = rest.network_with_vni("network1", VNI);
        let hostds = lab.nodes.iter().map(|node| {
            let name = node.ns.name();
            rest.endpoint(name, &node.vtep_ip);
            secret(&format!("/run/{name}.token"), &token(name));
            node.hostd(lab.scratch.path(), lines)
        });
        let hostds = hostds.collect();
        Self { daemon, network, lab, hostds }
    }

    /// Kills a node's vtep-hostd.
    pub(crate) fn kill_hostd(&mut self, node: usize) {
        self.hostds[node - 1].kill();
    }

    /// Kills a node's vtep-hostd and starts another, with nothing but the defaults.
    pub(crate) fn restart_hostd(&mut self, node: usize) {
        self.kill_hostd(node);
        self.hostds[node - 1] = self.lab.nodes[node - 1].hostd(self.lab.scratch.path(), "");
    }

    pub(crate) fn rest(&self) -> Rest {
        self.daemon.rest()
    }

    /// A virtual machine with its port, plugged in when its node is ready. Nodes and machines are counted from 1.
    pub(crate) fn vm(&self, node: usize, n: usize) -> (Vm, String) {
        let node = &self.lab.nodes[node - 1];
        let vm = node.vm(n);
        let port = self.rest().port(&self.network, &vm.mac, &vm.ip, node.ns.name());
        vm.plug(node, VNI);
        (vm, port)
    }

    /// A gateway with port Ethernet40 of each of these switches.
    pub(crate) fn gateway(&self, name: &str, switches: &[&str]) {
        let devices: Vec<(&str, &[&str])> =
            switches.iter().map(|switch| (*switch, &["Ethernet40"] as &[&str])).collect();
        self.rest().gateway(name, &devices);
    }

    /// Where a node sends broadcasts.
    pub(crate) fn flood(&self, node: usize) -> Vec<String> {
        self.destinations(node, "00:00:00:00:00:00")
    }

    /// Where a node sends a MAC.
    pub(crate) fn destinations(&self, node: usize, mac: &str) -> Vec<String> {
        let lines = self.lab.nodes[node - 1].fdb(DEVICE);
        let of_mac = lines.iter().filter(|line| line.starts_with(mac));
        of_mac.filter_map(|line| Some(line.split_once(" dst ")?.1.split(' ').next()?.to_owned())).collect()
    }

    /// Waits until a node's flood list, or what it knows of a MAC, is as `good` wants it.
    pub(crate) fn wait_node(&self, what: &str, node: usize, within: Duration, good: impl Fn(&Self) -> bool) {
        eventually(what, within, || {
            let there = self.lab.nodes[node - 1].fdb(DEVICE);
            if good(self) { Ok(()) } else { Err(format!("{there:#?}\n{}", self.words(&format!("node-{node}")))) }
        });
    }

    /// The end of a log.
    fn words(&self, name: &str) -> String {
        let text = fs::read_to_string(self.lab.log(name)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// The switch with this VTEP.
    pub(crate) fn switch_at(&self, vtep: &str) -> &Switch {
        self.lab.switches.iter().find(|switch| switch.vtep_ip == vtep).expect("a switch has this VTEP")
    }
}

fn token(host: &str) -> String {
    format!("{host}-0123456789abcdef")
}

fn secret(path: &str, text: &str) {
    let mut options = fs::OpenOptions::new();
    let file = options.create(true).write(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes())).expect("the secret is written");
}
