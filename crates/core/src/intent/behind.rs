//! What is behind gateways, as the relay announces it: for the switches of other gateways, and for compute nodes.

use std::{net::Ipv4Addr, sync::Arc};

use super::chunks::{Chunked, Keyed};
use crate::model::{GatewayId, Ips, MacAddr, NetworkId};

/// A MAC that is reached through a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// The MAC.
    pub mac: MacAddr,
    /// The VTEP to send to.
    pub vtep: Ipv4Addr,
    /// [`GatewayVteps::number`]: its own switches don't get it.
    pub gateway: u32,
    /// Its addresses, as far as the switch knows them.
    pub ips: Ips,
}

impl Keyed for Announced {
    type Key = MacAddr;

    fn key(&self) -> MacAddr {
        self.mac
    }
}

/// A gateway that is connected with a network; in `independent` one of its switches, which has a segment of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayVteps {
    /// Identity.
    pub id: GatewayId,
    /// A number for it, the same for as long as the daemon runs.
    pub number: u32,
    /// Names of its devices.
    pub switches: Arc<[String]>,
    /// VTEPs that broadcasts for it are sent to, sorted.
    pub flood: Vec<Ipv4Addr>,
}

/// What became different behind gateways on a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Announcement {
    /// The network.
    pub(super) network: NetworkId,
    /// All connected gateways; `None`: as before.
    pub(super) gateways: Option<Arc<[GatewayVteps]>>,
    /// MACs, and how they are reached now (`None`: not).
    pub(super) macs: Vec<(MacAddr, Option<Announced>)>,
}

/// What is behind the gateways of a network.
#[derive(Debug, Clone, Default)]
pub struct Behind {
    /// The connected gateways.
    pub gateways: Arc<[GatewayVteps]>,
    /// MACs that are relayed: those that no port on a compute node has.
    pub macs: Chunked<Announced>,
    /// MACs that were learned, and that are ports on compute nodes too: a loop is suspected, and they are not relayed.
    pub loops: Chunked<Announced>,
}

// ===== impl Behind =====

impl Behind {
    /// The gateways among whose switches is one of these: what is behind them must not be announced to those switches.
    #[must_use]
    pub fn own_gateways(&self, is_own: impl Fn(&str) -> bool) -> Vec<u32> {
        let own = self.gateways.iter().filter(|gateway| gateway.switches.iter().any(|switch| is_own(switch)));
        own.map(|gateway| gateway.number).collect()
    }

    /// VTEPs to flood to, sorted, each once; without those of these gateways.
    pub fn flood(&self, without: &[u32]) -> impl Iterator<Item = Ipv4Addr> {
        let others = self.gateways.iter().filter(|gateway| !without.contains(&gateway.number));
        let vteps: std::collections::BTreeSet<_> = others.flat_map(|gateway| gateway.flood.iter().copied()).collect();
        vteps.into_iter()
    }
}

/// Further addresses of a MAC that has more than one, for those who can use all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllIps {
    /// The MAC.
    pub mac: MacAddr,
    /// All its addresses.
    pub ips: Ips,
}

impl Keyed for AllIps {
    type Key = MacAddr;

    fn key(&self) -> MacAddr {
        self.mac
    }
}
