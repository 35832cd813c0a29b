//! Open vSwitch in userspace: as a top-of-rack switch with the VTEP emulator, and as the access switches and network
//! cards behind it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::net::Ns;
use crate::support::{PATIENCE, dump::Dump, eventually, process::Process, process::run, rpc::Rpc};

const SCHEMAS: &str = "/usr/share/openvswitch";

/// ovsdb-server and ovs-vswitchd in a namespace.
#[derive(Debug)]
pub(crate) struct Ovs {
    ns: Ns,
    dir: PathBuf,
    processes: Vec<Process>,
}

impl Ovs {
    /// Starts both; with `vtep`, the server has the database `hardware_vtep`, too, and listens on TCP port 6640.
    fn start(ns: &Ns, scratch: &Path, vtep: bool) -> Self {
        let dir = scratch.join(ns.name());
        std::fs::create_dir(&dir).expect("a directory for the switch");
        let mut ovs = Self { ns: ns.clone(), dir, processes: Vec::new() };
        let mut args = vec!["ovsdb-server".to_owned(), format!("--remote=punix:{}", ovs.socket().display())];
        args.extend(ovs.common("ovsdb-server"));
        for (schema, database, wanted) in [("vswitch", "conf.db", true), ("vtep", "vtep.db", vtep)] {
            let path = ovs.dir.join(database).display().to_string();
            if wanted {
                run("ovsdb-tool", &["create", &path, &format!("{SCHEMAS}/{schema}.ovsschema")]);
                args.push(path);
            }
        }
        if vtep {
            args.push("--remote=ptcp:6640".to_owned());
        }
        ovs.spawn(&args);
        eventually("ovsdb-server's start", PATIENCE, || Rpc::connect(&ovs.socket()).map_err(|e| e.to_string()));
        ovs.vsctl("--no-wait init");
        let mut args = vec!["ovs-vswitchd".to_owned(), format!("unix:{}", ovs.socket().display())];
        args.extend(ovs.common("ovs-vswitchd"));
        args.push("--disable-system".to_owned());
        ovs.spawn(&args);
        ovs
    }

    fn common(&self, program: &str) -> Vec<String> {
        // The programs' tools find them by this file's name.
        let pidfile = self.dir.join(format!("{program}.pid"));
        vec![
            format!("--pidfile={}", pidfile.display()),
            "--no-chdir".to_owned(),
            "-vconsole:info".to_owned(),
            "-vsyslog:off".to_owned(),
            "-vfile:off".to_owned(),
        ]
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join("db.sock")
    }

    fn env(&self) -> Vec<(&'static str, String)> {
        let dir = self.dir.display().to_string();
        ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"].map(|name| (name, dir.clone())).to_vec()
    }

    fn spawn(&mut self, args: &[String]) {
        let env = self.env();
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let log = self.dir.join("ovs.log");
        self.processes.push(self.ns.start(&args, &env, &log));
    }

    /// One of OVS's tools; stdout.
    pub(crate) fn tool(&self, line: &str) -> String {
        let env: Vec<String> = self.env().iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.ns.sh(&format!("{} {line}", env.join(" "))).trim().to_owned()
    }

    pub(crate) fn vsctl(&self, line: &str) -> String {
        self.tool(&format!("ovs-vsctl --timeout=20 {line}"))
    }
}

/// An emulated top-of-rack switch.
#[derive(Debug)]
pub(crate) struct Switch {
    pub(crate) name: String,
    pub(crate) vtep_ip: String,
    pub(crate) management_ip: String,
    ovs: Ovs,
}

impl Switch {
    /// Its underlay interface is called `uplink`, the others are its ports.
    pub(crate) fn start(
        ns: &Ns,
        scratch: &Path,
        name: &str,
        vtep_ip: &str,
        management_ip: &str,
        ports: &[&str],
    ) -> Self {
        let mut ovs = Ovs::start(ns, scratch, true);
        let ports: Vec<String> = ports.iter().map(|port| format!("-- add-port {name} {port}")).collect();
        ovs.vsctl(&format!(
            "add-br br0 -- set bridge br0 datapath_type=netdev -- add-port br0 uplink -- set int br0 mtu_request=1600 \
             -- add-br {name} -- set bridge {name} datapath_type=netdev fail_mode=secure {}",
            ports.join(" ")
        ));
        ns.ip(&format!("addr add {vtep_ip}/24 dev br0\nlink set br0 up"));
        ovs.tool(&format!(
            "vtep-ctl --timeout=20 add-ps {name} -- set physical_switch {name} tunnel_ips={vtep_ip} \
             management_ips={management_ip}"
        ));
        let emulator = format!("{SCHEMAS}/scripts/ovs-vtep");
        let mut args = vec![emulator];
        args.extend(ovs.common("ovs-vtep"));
        args.push(name.to_owned());
        ovs.spawn(&args);
        let (vtep_ip, management_ip) = (vtep_ip.to_owned(), management_ip.to_owned());
        Self { name: name.to_owned(), vtep_ip, management_ip, ovs }
    }

    /// vtep-ctl; stdout, trimmed.
    pub(crate) fn vtep_ctl(&self, line: &str) -> String {
        self.ovs.tool(&format!("vtep-ctl --timeout=20 {line}"))
    }

    /// A connection of the test's own with its database.
    pub(crate) fn rpc(&self) -> Rpc {
        Rpc::connect(&self.ovs.socket()).expect("the switch's server listens")
    }

    pub(crate) fn dump(&self) -> Dump {
        Dump::read(&mut self.rpc())
    }

    /// Waits until its database is as `good` wants it.
    pub(crate) fn wait(&self, what: &str, within: Duration, good: impl Fn(&Dump) -> bool) {
        eventually(&format!("{}: {what}", self.name), within, || {
            let dump = self.dump();
            if good(&dump) { Ok(()) } else { Err(format!("{:#?}", dump.0)) }
        });
    }

    /// Whether its flows let frames of a VLAN in: the emulator follows its database a second or more later.
    pub(crate) fn forwards(&self, vlan: u16) -> bool {
        let flows = self.ovs.tool(&format!("ovs-ofctl dump-flows {}", self.name));
        flows.contains(&format!("dl_vlan={vlan} "))
    }

    /// The addresses that it has tunnels to.
    pub(crate) fn tunnels(&self) -> Vec<String> {
        let found = self.ovs.vsctl("--bare --columns=options find Interface type=vxlan");
        let mut ips: Vec<String> = found
            .split_whitespace()
            .filter_map(|option| option.strip_prefix("remote_ip="))
            .map(str::to_owned)
            .collect();
        ips.sort();
        ips.dedup();
        ips
    }

    /// Cuts the sessions of all controllers, and refuses new ones until [`Switch::accept`].
    pub(crate) fn refuse(&self) {
        self.ovs.tool("ovs-appctl -t ovsdb-server ovsdb-server/remove-remote ptcp:6640");
    }

    pub(crate) fn accept(&self) {
        self.ovs.tool("ovs-appctl -t ovsdb-server ovsdb-server/add-remote ptcp:6640");
    }
}

/// How the bare-metal side of a VLAN is wired to its switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wiring {
    /// One logical link: a frame leaves on one of the cables (by the hash of its flow), and is taken from any.
    Bundle,
    /// A bridge: what comes in on one cable leaves on all others.
    Bridge,
}

/// The access switches and network cards of all bare metal, in one Open vSwitch: each segment is a few flows.
#[derive(Debug)]
pub(crate) struct Access {
    ovs: Ovs,
}

impl Access {
    pub(crate) fn start(ns: &Ns, scratch: &Path) -> Self {
        let ovs = Ovs::start(ns, scratch, false);
        ovs.vsctl("add-br access -- set bridge access datapath_type=netdev fail_mode=secure");
        Self { ovs }
    }

    /// Takes an interface of the namespace as a port.
    pub(crate) fn add(&self, interface: &str) {
        self.ovs.vsctl(&format!("add-port access {interface}"));
    }

    /// Wires hosts, which know nothing of VLANs, to cables on which their frames are tagged.
    pub(crate) fn wire(&self, wiring: Wiring, vlan: u16, cables: &[String], hosts: &[String]) {
        let number = |port: &String| {
            self.ovs
                .vsctl(&format!("--timeout=20 wait-until Interface {port} 'ofport>0' -- get Interface {port} ofport"))
        };
        let cables: Vec<String> = cables.iter().map(number).collect();
        let hosts: Vec<String> = hosts.iter().map(number).collect();
        let outputs = |ports: &[String], except: &String| -> Vec<String> {
            ports.iter().filter(|port| *port != except).map(|port| format!("output:{port}")).collect()
        };
        for port in cables.iter().chain(&hosts) {
            self.ovs.tool(&format!("ovs-ofctl -OOpenFlow13 del-flows access in_port={port}"));
        }
        let tag = format!("push_vlan:0x8100,set_field:{}->vlan_vid", 0x1000 | vlan);
        let mut flows = Vec::new();
        for cable in &cables {
            let mut actions = if wiring == Wiring::Bridge { outputs(&cables, cable) } else { Vec::new() };
            actions.push("strip_vlan".to_owned());
            actions.extend(outputs(&hosts, cable));
            flows.push(format!("in_port={cable},dl_vlan={vlan},actions={}", actions.join(",")));
        }
        for host in &hosts {
            let mut actions = outputs(&hosts, host);
            actions.push(tag.clone());
            match wiring {
                Wiring::Bridge => actions.extend(outputs(&cables, host)),
                Wiring::Bundle => actions.push(format!("bundle(eth_src,0,hrw,ofport,members:{})", cables.join(","))),
            }
            flows.push(format!("in_port={host},actions={}", actions.join(",")));
        }
        for flow in flows {
            self.ovs.tool(&format!("ovs-ofctl -OOpenFlow13 add-flow access '{flow}'"));
        }
    }
}
