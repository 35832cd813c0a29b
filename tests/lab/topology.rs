//! A small data centre.
//!
//! ```text
//!   vm-1 ── tap ─ node-1 ─ eth0 ─┐                    ┌─ uplink ─ tor-1 ─ Ethernet40 ─┐
//!   vm-2 ── tap ─ node-2 ─ eth0 ─┴─ underlay (ul) ────┴─ uplink ─ tor-2 ─ Ethernet40 ─┴─ access ── bm-1, bm-2
//!                   │ mgmt              test, vtepd            │ mgmt
//!                   └────────────── management (mg) ───────────┘
//! ```
//!
//! Underlay 10.99.0.0/24: tor-N has .1N, node-N has .10N. Management 10.98.0.0/24, the same numbers; the test and the
//! daemon are .1. The tenants' network is 192.168.50.0/24.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    net::{Ns, cable},
    ovs::{Access, Switch, Wiring},
};
use crate::support::process::{Process, Scratch};
use crate::support::{PATIENCE, eventually};

pub(crate) const HOSTD: &str = env!("CARGO_BIN_EXE_vtep-hostd");

/// Room for the VXLAN header around 1,450 bytes.
const UNDERLAY_MTU: u32 = 1600;
const TENANT_MTU: u32 = 1450;

/// Bare metal behind one VLAN: which switches' Ethernet40 lead to it, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) wiring: Wiring,
    pub(crate) vlan: u16,
    /// Switches, counted from 1.
    pub(crate) switches: &'static [usize],
    /// Hosts, counted from 1 over all segments: `bm-1` has 192.168.50.11.
    pub(crate) hosts: &'static [usize],
}

/// The cables' ends at the access switches.
fn cables_to(switches: &[usize]) -> Vec<String> {
    switches.iter().map(|n| format!("tor-{n}")).collect()
}

impl Segment {
    fn ports(&self) -> Vec<String> {
        self.hosts.iter().map(|n| format!("bm-{n}")).collect()
    }
}

#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) switches: Vec<Switch>,
    pub(crate) nodes: Vec<Node>,
    access: Ns,
    fabric: Access,
    pub(crate) scratch: Scratch,
}

impl Lab {
    pub(crate) fn start(switches: usize, nodes: usize, segments: &[Segment]) -> Self {
        let scratch = Scratch::new();
        for bridge in ["ul", "mg"] {
            Ns::ROOT.ip(&format!("link add {bridge} mtu {UNDERLAY_MTU} type bridge\nlink set {bridge} up"));
        }
        Ns::ROOT.ip("addr add 10.98.0.1/24 dev mg");
        let access = Ns::new("access");
        for segment in segments {
            for host in segment.hosts {
                bare_metal(*host, &access);
            }
        }
        let tors: Vec<Ns> = (1..=switches).map(|n| tor(n, &access)).collect();
        let nodes = (1..=nodes).map(Node::new).collect();
        let switches = (1..)
            .zip(&tors)
            .map(|(n, ns)| {
                let (vtep, management) = (format!("10.99.0.{}", 10 + n), format!("10.98.0.{}", 10 + n));
                Switch::start(ns, scratch.path(), &format!("tor-switch-{n}"), &vtep, &management, &["Ethernet40"])
            })
            .collect();
        let fabric = Access::start(&access, scratch.path());
        for segment in segments {
            let (cables, hosts) = (cables_to(segment.switches), segment.ports());
            cables.iter().chain(&hosts).for_each(|interface| fabric.add(interface));
            fabric.wire(segment.wiring, segment.vlan, &cables, &hosts);
        }
        Self { switches, nodes, access, fabric, scratch }
    }

    /// Wires a segment anew, over the cables of these switches alone.
    pub(crate) fn use_cables(&self, segment: &Segment, switches: &[usize]) {
        self.fabric.wire(segment.wiring, segment.vlan, &cables_to(switches), &segment.ports());
    }

    /// A file for one part's log.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.scratch.join(format!("{name}.log"))
    }

    /// The namespace in which the cables to the switches end, `tor-1` and so on.
    pub(crate) fn access(&self) -> &Ns {
        &self.access
    }
}

fn tor(n: usize, access: &Ns) -> Ns {
    let ns = Ns::new(&format!("tor-{n}"));
    attach(&ns, "uplink", "ul", &format!("u-t{n}"));
    attach(&ns, "mgmt", "mg", &format!("m-t{n}"));
    ns.ip(&format!("addr add 10.98.0.{}/24 dev mgmt", 10 + n));
    cable((&ns, "Ethernet40"), (access, &format!("tor-{n}")), 1500);
    ns
}

/// An interface of a namespace on one of the lab's two bridges.
fn attach(ns: &Ns, interface: &str, bridge: &str, port: &str) {
    cable((ns, interface), (&Ns::ROOT, port), UNDERLAY_MTU);
    Ns::ROOT.ip(&format!("link set {port} master {bridge}"));
}

fn bare_metal(n: usize, access: &Ns) {
    let ns = Ns::new(&format!("bm-{n}"));
    cable((&ns, "eth0"), (access, &format!("bm-{n}")), TENANT_MTU);
    ns.ip(&format!("link set eth0 address {}\naddr add 192.168.50.{}/24 dev eth0", bm_mac(n), 10 + n));
}

/// The MAC of a bare-metal host.
pub(crate) fn bm_mac(n: usize) -> String {
    format!("02:bb:00:00:00:{n:02x}")
}

/// A bare-metal host.
pub(crate) fn bm(n: usize) -> Ns {
    Ns::named(&format!("bm-{n}"))
}

/// A compute node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) ns: Ns,
    pub(crate) vtep_ip: String,
}

impl Node {
    fn new(n: usize) -> Self {
        let ns = Ns::new(&format!("node-{n}"));
        attach(&ns, "eth0", "ul", &format!("u-n{n}"));
        attach(&ns, "mgmt", "mg", &format!("m-n{n}"));
        let vtep_ip = format!("10.99.0.{}", 100 + n);
        ns.ip(&format!("addr add {vtep_ip}/24 dev eth0\naddr add 10.98.0.{}/24 dev mgmt", 100 + n));
        Self { ns, vtep_ip }
    }

    /// Writes vtep-hostd's configuration for this node, with further lines of `[host]`, and starts it.
    pub(crate) fn hostd(&self, scratch: &Path, lines: &str) -> Process {
        let name = self.ns.name();
        let ini = scratch.join(format!("{name}.ini"));
        let token = format!("/run/{name}.token");
        let token = if Path::new(&token).exists() { format!("token_file = {token}\n") } else { String::new() };
        let text = format!(
            "[DEFAULT]\ndebug = true\n[vtepd]\nurl = http://10.98.0.1:9797\n{token}[host]\nname = {name}\nlocal_ip = {}\n\
             state_file = {}\n{lines}\n",
            self.vtep_ip,
            scratch.join(format!("{name}.flood")).display(),
        );
        fs::write(&ini, text).expect("the configuration is written");
        let log = scratch.join(format!("{name}.log"));
        self.ns.start(&[HOSTD, "--config", &ini.display().to_string()], &[("NO_COLOR", "1")], &log)
    }

    /// `bridge fdb` of an interface, a line an entry, sorted.
    pub(crate) fn fdb(&self, interface: &str) -> Vec<String> {
        let (_, text) = self.ns.try_run(&["bridge", "fdb", "show", "dev", interface]);
        let mut lines: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
        lines.sort();
        lines
    }

    /// A virtual machine on this node, whose interface here is called `tap-N`, in no bridge yet.
    pub(crate) fn vm(&self, n: usize) -> Vm {
        let ns = Ns::new(&format!("vm-{n}"));
        let vm = Vm {
            tap: format!("tap-{n}"),
            mac: format!("02:aa:00:00:00:{n:02x}"),
            ip: format!("192.168.50.{}", 100 + n),
            ns,
        };
        cable((&vm.ns, "eth0"), (&self.ns, &vm.tap), TENANT_MTU);
        vm.ns.ip(&format!("link set eth0 address {}\naddr add {}/24 dev eth0", vm.mac, vm.ip));
        vm
    }
}

/// A virtual machine.
#[derive(Debug)]
pub(crate) struct Vm {
    pub(crate) ns: Ns,
    pub(crate) tap: String,
    pub(crate) mac: String,
    pub(crate) ip: String,
}

impl Vm {
    /// Puts its interface into a network's bridge on the node, as a hypervisor does.
    pub(crate) fn plug(&self, node: &Node, vni: u32) {
        eventually("the network's bridge", PATIENCE, || {
            let (good, output) = node.ns.try_run(&["ip", "link", "set", &self.tap, "master", &format!("vtbr-{vni}")]);
            if good { Ok(()) } else { Err(output) }
        });
    }
}
