//! Where most tests begin: the specification's example, up and active.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{
    daemon::{Daemon, Home},
    dump::{Dump, Mac},
    rest::Rest,
    tor::Tor,
};

/// Two compute nodes.
pub(crate) const COMPUTE_1: (&str, &str) = ("compute-1", "198.51.100.11");
pub(crate) const COMPUTE_2: (&str, &str) = ("compute-2", "198.51.100.12");

/// Three virtual machines: MAC, IP, compute node.
pub(crate) const MACHINES: [(&str, &str, (&str, &str)); 3] = [
    ("fa:16:3e:00:00:01", "10.0.0.11", COMPUTE_1),
    ("fa:16:3e:00:00:02", "10.0.0.12", COMPUTE_1),
    ("fa:16:3e:00:00:03", "10.0.0.13", COMPUTE_2),
];

/// Rows of the example on a switch: the Logical_Switch, its flood row, a binding, and a MAC for each machine.
pub(crate) const ROWS: usize = 1 + 1 + 1 + MACHINES.len();

/// The daemon with network1, three machines on two compute nodes, vtep-gateway-1 with Ethernet40 of each switch, and
/// their connection with default segmentation id 50.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) daemon: Daemon,
    pub(crate) rest: Rest,
    pub(crate) network: String,
    pub(crate) ports: Vec<String>,
    pub(crate) gateway: String,
    pub(crate) connection: String,
}

impl Scene {
    /// The example on these Physical_Switches, its connection just created.
    pub(crate) fn begin(home: Home, switches: &[&str]) -> Self {
        let daemon = home.start();
        let rest = daemon.rest();
        for (host, ip) in [COMPUTE_1, COMPUTE_2] {
            rest.endpoint(host, ip);
        }
        let network = rest.network("network1");
        let ports = MACHINES.iter().map(|(mac, ip, (host, _))| rest.port(&network, mac, ip, host)).collect();
        let devices: Vec<(&str, &[&str])> = switches.iter().map(|name| (*name, ["Ethernet40"].as_slice())).collect();
        let gateway = rest.gateway("vtep-gateway-1", &devices);
        let connection = rest.connect(&gateway, &network, 50);
        Self { daemon, rest, network, ports, gateway, connection }
    }

    /// The example on one switch, active.
    pub(crate) fn on(tor: &Tor) -> Self {
        Self::with(Home::new().tor(tor), tor.name())
    }

    /// The example on one switch of `home`, active.
    pub(crate) fn with(home: Home, switch: &str) -> Self {
        let scene = Self::begin(home, &[switch]);
        scene.rest.wait_status(&scene.connection, "active");
        scene
    }

    /// The Logical_Switch of the example's network.
    pub(crate) fn logical_switch(&self) -> String {
        logical_switch(&self.network)
    }

    /// The VNI of the example's network.
    pub(crate) fn vni(&self) -> u64 {
        let network = self.rest.get(&format!("/v2.0/networks/{}", self.network)).expect(200);
        network["network"]["provider:segmentation_id"].as_u64().expect("a VNI")
    }

    /// Whether a switch holds all of the example and nothing else of ours.
    pub(crate) fn is_on(&self, dump: &Dump) -> bool {
        let name = self.logical_switch();
        let machines: Vec<_> = MACHINES.iter().map(|(mac, ip, (_, vtep))| (*mac, *ip, *vtep)).collect();
        dump.bindings() == [(("Ethernet40".to_owned(), 50), name.clone())].into()
            && dump.macs() == macs(&name, &machines)
            && dump.floods() == [(name, set(&[COMPUTE_1.1, COMPUTE_2.1]))]
    }
}

/// What the daemon calls a network on a switch.
pub(crate) fn logical_switch(network: &str) -> String {
    format!("vtepd-{network}")
}

/// Rows of Ucast_Macs_Remote of one Logical_Switch: (MAC, IP, VTEP).
pub(crate) fn macs(logical_switch: &str, rows: &[(&str, &str, &str)]) -> Vec<Mac> {
    let mut macs: Vec<Mac> = rows
        .iter()
        .map(|(address, ip, vtep)| Mac {
            logical_switch: logical_switch.to_owned(),
            address: (*address).to_owned(),
            ip: (*ip).to_owned(),
            vtep: (*vtep).to_owned(),
        })
        .collect();
    macs.sort();
    macs
}

pub(crate) fn set(members: &[&str]) -> BTreeSet<String> {
    members.iter().map(|member| (*member).to_owned()).collect()
}

/// `count` ports for a bulk call, with MACs and IPv4 addresses of their own, turn by turn on `hosts`.
pub(crate) fn many_ports(network: &str, count: u32, hosts: &[&str]) -> Value {
    let ports: Vec<Value> = (0..count)
        .zip(hosts.iter().cycle())
        .map(|(i, host)| {
            json!({"network_id": network, "mac_address": mac(i), "binding:host_id": host,
                   "fixed_ips": [{"ip_address": std::net::Ipv4Addr::from(0x0a80_0000 + i).to_string()}]})
        })
        .collect();
    json!({"ports": ports})
}

/// The MAC of the `i`th of many.
pub(crate) fn mac(i: u32) -> String {
    let [_, a, b, c] = i.to_be_bytes();
    format!("fa:16:3f:{a:02x}:{b:02x}:{c:02x}")
}

/// A foreign Logical_Switch with a binding of (port, VLAN), a MAC and a flood row, as another controller writes them.
pub(crate) fn foreign_switch(tor: &Tor, name: &str, vni: u32, port: &str, vlan: u16) {
    let (key, vlan) = (format!("tunnel_key={vni}"), vlan.to_string());
    tor.vtep_ctl(&["add-ls", name, "--", "set", "Logical_Switch", name, &key]);
    tor.vtep_ctl(&["bind-ls", tor.name(), port, &vlan, name]);
    tor.vtep_ctl(&["add-ucast-remote", name, "02:00:00:00:00:99", "203.0.113.99"]);
    tor.vtep_ctl(&["add-mcast-remote", name, "unknown-dst", "203.0.113.99"]);
}
