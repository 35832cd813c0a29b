//! Neutron's rows as our model has them. What can't be one of ours is left out, and counted.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use serde::Deserialize;
use uuid::Uuid;

use crate::model::{AddressPair, Elsewhere, FixedIp, MacAddr, Network, NetworkId, Port, PortId, Vni};

/// Neutron's word for the binding that counts.
const ACTIVE: &str = "ACTIVE";

/// A port as it is put together from the rows of several tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) port: Port,
    /// Rows of its bindings.
    pub(super) bindings: u32,
    migrating: Vec<String>,
    distributed: Vec<String>,
}

impl Draft {
    /// From a row of `ports`; `None`: it is none that a switch could hold.
    pub(super) fn new(id: &str, name: String, project: String, network: &str, mac: &str) -> Option<Self> {
        let mac = MacAddr::from_ascii(mac.to_ascii_lowercase().as_bytes())?;
        if mac.is_multicast() || mac.octets() == [0; 6] {
            return None;
        }
        let port = Port {
            id: PortId(id.parse().ok()?),
            name,
            tenant_id: project,
            network_id: NetworkId(network.parse().ok()?),
            mac,
            fixed_ips: Vec::new(),
            host: None,
            elsewhere: Elsewhere::Nowhere,
            allowed_address_pairs: Vec::new(),
        };
        Some(Self { port, bindings: 0, migrating: Vec::new(), distributed: Vec::new() })
    }

    /// From a row of `ipallocations`.
    pub(super) fn fixed_ip(&mut self, ip: &str, subnet: &str) {
        let subnet_id = subnet.parse::<Uuid>().ok().map(|subnet| subnet.to_string());
        self.port.fixed_ips.extend(ip.parse().ok().map(|ip| FixedIp { ip, subnet_id }));
    }

    /// From a row of `allowedaddresspairs`.
    pub(super) fn address_pair(&mut self, mac: &str, ip: &str) {
        let pair = MacAddr::from_ascii(mac.to_ascii_lowercase().as_bytes()).zip(ip.parse().ok());
        self.port.allowed_address_pairs.extend(pair.map(|(mac, ip)| AddressPair { mac, ip }));
    }

    /// From a row of `ml2_port_bindings`: the active one is where the port is, others are prepared for a migration.
    pub(super) fn binding(&mut self, host: String, status: &str) {
        self.bindings += 1;
        match (host.is_empty(), status == ACTIVE) {
            (true, _) => {}
            (false, true) => self.port.host = Some(host),
            (false, false) => self.migrating.push(host),
        }
    }

    /// From a row of `ml2_distributed_port_bindings`: the port is there as it is on all others.
    pub(super) fn distributed_binding(&mut self, host: String) {
        self.bindings += 1;
        if !host.is_empty() {
            self.distributed.push(host);
        }
    }

    /// All rows were taken. The order of lists is ours, so that it doesn't depend on the database's.
    pub(super) fn finish(mut self) -> Self {
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

/// From a row of `networks` and one of its VXLAN segments.
pub(super) fn network(id: &str, name: String, tenant_id: String, vni: Option<i64>) -> Option<Network> {
    let vni = vni.and_then(|vni| Vni::try_from(vni).ok());
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
        if let Ok(IpAddr::V4(ip)) = ip.parse()
            && !host.is_empty()
            && !(ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast())
        {
            endpoints.entry(host).or_insert(ip);
        }
    }
    endpoints
}

#[cfg(test)]
mod tests;
