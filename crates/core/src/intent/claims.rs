//! Who claims which MAC: each port its own, and those of its allowed address pairs.

use std::net::IpAddr;

use crate::model::{
    MacAddr, Port, PortId,
    indexed::{Indexed, Record},
};

/// Number of a network in [`super::network::Networks`].
pub(super) type NetworkIndex = u32;
/// Number of a host in [`super::network::Networks`].
pub(super) type HostIndex = u32;

/// A port on a host says that a MAC is behind it. 48 bytes: there are as many as ports.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) port: PortId,
    pub(super) network: NetworkIndex,
    pub(super) host: HostIndex,
    pub(super) mac: MacAddr,
    pub(super) ip: Option<IpAddr>,
}

impl Record for Claim {
    type Id = PortId;
    type Key = (NetworkIndex, MacAddr);

    fn id(&self) -> PortId {
        self.port
    }

    fn key(&self) -> (NetworkIndex, MacAddr) {
        (self.network, self.mac)
    }
}

/// All claims: by port, and by network and MAC.
pub(super) type Claims = Indexed<Claim>;

/// The MACs that a port claims, each once, with the address that switches shall answer ARP with: the first IPv4, else
/// the first IPv6 address. A prefix is not one station's address.
pub(super) fn macs_of(port: &Port) -> Vec<(MacAddr, Option<IpAddr>)> {
    let own = port.fixed_ips.iter().map(|fixed| fixed.ip);
    let mut macs = vec![(port.mac, first(own))];
    for pair in &port.allowed_address_pairs {
        if macs.iter().all(|(mac, _)| *mac != pair.mac) {
            let pairs = port.allowed_address_pairs.iter().filter(|other| other.mac == pair.mac);
            let whole = |ip: &ipnetwork::IpNetwork| ip.prefix() == if ip.is_ipv4() { 32 } else { 128 };
            macs.push((pair.mac, first(pairs.map(|other| other.ip).filter(whole).map(|ip| ip.ip()))));
        }
    }
    macs
}

fn first(mut ips: impl Iterator<Item = IpAddr> + Clone) -> Option<IpAddr> {
    ips.clone().find(IpAddr::is_ipv4).or_else(|| ips.next())
}
