//! What switches report of themselves: their VTEPs, the MACs that they have learned, and which of two twins is in charge.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{GatewayId, MacAddr, NetworkId};

/// Where a switch wants to be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchVteps {
    /// Name of the switch's section.
    pub switch: String,
    /// `None`: `Physical_Switch.tunnel_ips`; else the network for whose broadcasts the switch names others
    /// (`Mcast_Macs_Local`, `unknown-dst`).
    pub network: Option<NetworkId>,
    /// Sorted; empty: none any more.
    pub vteps: Vec<Ipv4Addr>,
}

/// A MAC that a switch has learned on its ports (`Ucast_Macs_Local`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LearnedMac {
    /// Name of the section of the switch whose `tunnel_ips` hold the locator.
    pub switch: String,
    /// The network.
    pub network: NetworkId,
    /// `MAC`.
    pub mac: MacAddr,
    /// `locator`.
    pub vtep: Ipv4Addr,
    /// `ipaddr`, of all rows of the MAC.
    pub ips: Ips,
    /// When it was learned there: milliseconds since 1970. Of several switches the latest has it.
    pub learned_ms: u64,
}

/// Which of a gateway's switches stands for it on a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Election {
    /// The gateway.
    pub gateway: GatewayId,
    /// The network.
    pub network: NetworkId,
    /// The switch that broadcasts are sent to (`lag`), or that alone is bound (`single-active`); `None`: none for now,
    /// because the last one has not let go yet.
    pub forwarder: Option<String>,
    /// The switches that MACs may be announced at, sorted.
    pub eligible: Vec<String>,
}

/// A gateway that had learned MACs on a network, all of which its switches have withdrawn (the specification's step 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idle {
    /// The gateway.
    pub gateway: GatewayId,
    /// The network.
    pub network: NetworkId,
    /// Since when: milliseconds since 1970.
    pub since_ms: u64,
    /// It has lasted for `idle_flood_hold`: nobody floods to the gateway.
    pub left: bool,
}

/// Addresses of one station: none or one as a rule, and then without an allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<IpAddr>", into = "Vec<IpAddr>")]
pub enum Ips {
    /// None is known.
    #[default]
    None,
    /// One.
    One(IpAddr),
    /// Several, each once.
    Many(Arc<[IpAddr]>),
}

// ===== impl Ips =====

impl Ips {
    /// The addresses.
    #[must_use]
    pub fn as_slice(&self) -> &[IpAddr] {
        match self {
            Ips::None => &[],
            Ips::One(ip) => std::slice::from_ref(ip),
            Ips::Many(ips) => ips,
        }
    }

    /// The address that switches shall answer ARP with: the first IPv4, else the first IPv6 address.
    #[must_use]
    pub fn first(&self) -> Option<IpAddr> {
        let ips = self.as_slice();
        ips.iter().find(|ip| ip.is_ipv4()).or(ips.first()).copied()
    }
}

impl FromIterator<IpAddr> for Ips {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(ips: I) -> Self {
        let mut ips = ips.into_iter();
        let Some(first) = ips.next() else { return Ips::None };
        let mut all = vec![first];
        for ip in ips {
            if !all.contains(&ip) {
                all.push(ip);
            }
        }
        if all.len() == 1 { Ips::One(first) } else { Ips::Many(all.into()) }
    }
}

impl From<Vec<IpAddr>> for Ips {
    fn from(ips: Vec<IpAddr>) -> Self {
        ips.into_iter().collect()
    }
}

impl From<Ips> for Vec<IpAddr> {
    fn from(ips: Ips) -> Self {
        ips.as_slice().to_vec()
    }
}
