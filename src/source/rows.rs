//! Neutron's rows as our model has them. What can't be one of ours is left out, and counted.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use serde::Deserialize;
use uuid::Uuid;

use ipnetwork::IpNetwork;

use crate::model::{
    AddressPair, Elsewhere, FixedIp, MacAddr, Network, NetworkId, Port, PortId, Vni, check_host_ip, check_pair_ip,
    check_vtep,
};

/// Neutron's word for the binding that counts.
const ACTIVE: &str = "ACTIVE";
/// Its words for a binding that no virtual interface came of: the port is on no host, whatever the row says.
const NOT_BOUND: [&str; 2] = ["unbound", "binding_failed"];
/// Longest name, project and host: what Neutron's columns hold.
const LONGEST: usize = 255;
/// What is remembered of one port's rows that are left out, and how much of it is said.
const REMEMBERED: usize = 64;
const NAMED: usize = 3;

/// A name as Neutron has it, within our bound.
fn bounded(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
    }
    text
}

/// A part of a text from outside that is shown in the log.
fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}

/// A port as it is put together from the rows of several tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) port: Port,
    /// Rows of its bindings.
    pub(super) bindings: u32,
    /// What of its rows was left out, and why.
    pub(super) left_out: Vec<String>,
    migrating: Vec<String>,
    distributed: Vec<String>,
}

impl Draft {
    /// From a row of `ports`. `None`: it is none of Neutron's; `Err`: no switch could hold it, and why.
    pub(super) fn new(
        id: &str,
        name: String,
        project: String,
        network: &str,
        mac: &str,
    ) -> Option<Result<Self, LeftOut>> {
        let id = PortId(id.parse().ok()?);
        let network_id = NetworkId(network.parse().ok()?);
        let mac = match unicast(mac) {
            Ok(mac) => mac,
            Err(why) => return Some(Err(LeftOut { port: id, why })),
        };
        let port = Port {
            id,
            name: bounded(name),
            tenant_id: bounded(project),
            network_id,
            mac,
            fixed_ips: Vec::new(),
            host: None,
            elsewhere: Elsewhere::Nowhere,
            allowed_address_pairs: Vec::new(),
        };
        let (migrating, distributed, left_out) = Default::default();
        Some(Ok(Self { port, bindings: 0, left_out, migrating, distributed }))
    }

    /// From a row of `ipallocations`.
    pub(super) fn fixed_ip(&mut self, ip: &str, subnet: &str) {
        let subnet_id = subnet.parse::<Uuid>().ok().map(|subnet| subnet.to_string());
        match host_ip(ip) {
            Ok(ip) => self.port.fixed_ips.push(FixedIp { ip, subnet_id }),
            Err(why) => self.leave_out(format!("fixed IP {why}")),
        }
    }

    /// From a row of `allowedaddresspairs`. A pair that names no single station is a filter's rule and nothing more: VRRP's
    /// groups, for example.
    pub(super) fn address_pair(&mut self, mac: &str, ip: &str) {
        match unicast(mac).and_then(|mac| Ok(AddressPair { mac, ip: pair_ip(ip)? })) {
            Ok(pair) => self.port.allowed_address_pairs.push(pair),
            Err(why) => self.leave_out(format!("allowed address pair: {why}")),
        }
    }

    fn leave_out(&mut self, what: String) {
        if self.left_out.len() < REMEMBERED {
            self.left_out.push(what);
        }
    }

    /// From a row of `ml2_port_bindings`: the active one is where the port is, others are prepared for a migration.
    pub(super) fn binding(&mut self, host: String, status: &str, vif_type: &str) {
        self.bindings += 1;
        if host.is_empty() || NOT_BOUND.contains(&vif_type) {
            return;
        }
        let host = bounded(host);
        match status {
            ACTIVE => self.port.host = Some(host),
            _ => self.migrating.push(host),
        }
    }

    /// From a row of `ml2_distributed_port_bindings`: the port is there as it is on all others.
    pub(super) fn distributed_binding(&mut self, host: String, vif_type: &str) {
        self.bindings += 1;
        if !host.is_empty() && !NOT_BOUND.contains(&vif_type) {
            self.distributed.push(bounded(host));
        }
    }

    /// All rows were taken. The order of lists is ours, so that it doesn't depend on the database's.
    pub(super) fn finish(mut self) -> Self {
        self.left_out.sort_unstable();
        self.left_out.truncate(NAMED);
        let Port { host, elsewhere, fixed_ips, allowed_address_pairs, .. } = &mut self.port;
        fixed_ips.sort_unstable_by(|a, b| (a.ip, &a.subnet_id).cmp(&(b.ip, &b.subnet_id)));
        allowed_address_pairs.sort_unstable_by_key(|pair| (pair.mac, pair.ip));
        let sorted = |hosts: &mut Vec<String>, but: Option<&String>| {
            let mut hosts = std::mem::take(hosts);
            hosts.retain(|host| Some(host) != but);
            hosts.sort_unstable();
            hosts.dedup();
            hosts
        };
        let distributed = sorted(&mut self.distributed, None);
        let migrating = sorted(&mut self.migrating, host.as_ref());
        if !distributed.is_empty() {
            *host = None;
            *elsewhere = Elsewhere::Distributed(distributed);
        } else if !migrating.is_empty() {
            *elsewhere = Elsewhere::Migrating(migrating);
        }
        self
    }
}

/// A port that no switch could hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) port: PortId,
    pub(super) why: String,
}

/// The MAC of one station, in either case of letters.
fn unicast(text: &str) -> Result<MacAddr, String> {
    let mac = MacAddr::from_ascii(text.to_ascii_lowercase().as_bytes())
        .ok_or_else(|| format!("'{}' is no MAC", shown(text)))?;
    mac.check_unicast().map_err(|why| format!("MAC {mac} {why}"))?;
    Ok(mac)
}

/// The address of one host.
fn host_ip(text: &str) -> Result<IpAddr, String> {
    let ip: IpAddr = text.parse().map_err(|_| format!("'{}' is no IP address", shown(text)))?;
    check_host_ip(ip).map_err(|why| format!("{ip} {why}"))?;
    Ok(ip)
}

/// An address, or a prefix of addresses. Of 'any' (0.0.0.0/0) the MAC beside it counts.
fn pair_ip(text: &str) -> Result<IpNetwork, String> {
    let network: IpNetwork = text.parse().map_err(|_| format!("'{}' is no IP address or prefix", shown(text)))?;
    check_pair_ip(network).map_err(|why| format!("{network} {why}"))?;
    Ok(network)
}

/// From a row of `networks` and one of its VXLAN segments.
pub(super) fn network(id: &str, name: String, tenant_id: String, vni: Option<i64>) -> Option<Network> {
    let vni = vni.and_then(|vni| Vni::try_from(vni).ok());
    let (name, tenant_id) = (bounded(name), bounded(tenant_id));
    Some(Network { id: NetworkId(id.parse().ok()?), name, tenant_id, vni })
}

/// The VTEPs of the compute nodes: what `ml2_vxlan_endpoints` says, and for hosts that aren't there, what their agents
/// say. IPv6 is left out: hardware VTEPs encapsulate over IPv4.
pub(super) fn endpoints(
    registered: Vec<(String, String)>,
    agents: Vec<(String, String)>,
) -> BTreeMap<String, Ipv4Addr> {
    /// `agents.configurations` of an agent that tunnels.
    #[derive(Deserialize)]
    struct Configuration {
        tunneling_ip: Option<String>,
        tunnel_types: Option<Vec<String>>,
    }

    let said = agents.into_iter().filter_map(|(host, configuration)| {
        let configuration: Configuration = serde_json::from_str(&configuration).ok()?;
        let vxlan = configuration.tunnel_types.is_none_or(|types| types.iter().any(|kind| kind == "vxlan"));
        Some((host, configuration.tunneling_ip.filter(|_| vxlan)?))
    });
    let mut endpoints = BTreeMap::new();
    for (host, ip) in registered.into_iter().chain(said) {
        if let Some(Ok(ip)) = ip.parse().ok().map(check_vtep)
            && !host.is_empty()
        {
            endpoints.entry(bounded(host)).or_insert(ip);
        }
    }
    endpoints
}

#[cfg(test)]
mod tests;
