//! What vtepd says: the FDB of every network, from a snapshot and the changes that follow it.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    net::{IpAddr, Ipv4Addr},
};

use serde::Deserialize;

use crate::model::{MacAddr, NetworkId, Vni};

/// An event of `GET /v2/fdb/watch`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// Replaces all that was known.
    Snapshot(Snapshot),
    /// One network's news.
    Change(Change),
}

/// The event `snapshot`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Snapshot {
    pub(super) networks: Vec<Listed>,
}

/// A network of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Listed {
    pub(super) network_id: NetworkId,
    pub(super) vni: Vni,
    pub(super) flood: Vec<IpAddr>,
    pub(super) entries: Vec<Listing>,
}

/// The event `change`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Change {
    pub(super) network_id: NetworkId,
    pub(super) vni: Option<Vni>,
    /// The whole list, as it is now; absent where it didn't change.
    #[serde(default)]
    pub(super) flood: Option<Vec<IpAddr>>,
    #[serde(default)]
    pub(super) set: Vec<Listing>,
    #[serde(default)]
    pub(super) del: Vec<MacAddr>,
    #[serde(default)]
    pub(super) removed: bool,
}

/// An entry as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Listing {
    pub(super) mac: MacAddr,
    #[serde(default)]
    pub(super) ips: Vec<IpAddr>,
    pub(super) vtep: IpAddr,
    pub(super) kind: Kind,
}

/// Where an entry comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Behind a gateway.
    Learned,
    /// On a compute node.
    Port,
    /// What a later daemon may say.
    #[serde(other)]
    Other,
}

/// Where a MAC is, and its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) vtep: Ipv4Addr,
    pub(super) ips: Box<[IpAddr]>,
    pub(super) kind: Kind,
}

/// A network as this host needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) vni: Vni,
    /// The VTEPs that broadcasts go to, without our own.
    pub(super) flood: BTreeSet<Ipv4Addr>,
    /// All MACs, those on this host included.
    pub(super) entries: HashMap<MacAddr, Entry>,
    /// How many of them are ports of this host.
    local: usize,
}

impl Network {
    fn new(vni: Vni) -> Self {
        Self { vni, flood: BTreeSet::new(), entries: HashMap::new(), local: 0 }
    }

    /// Whether a port of this network is on this host.
    pub(super) fn has_local_port(&self) -> bool {
        self.local > 0
    }
}

/// What became different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dirty {
    /// Anything may have.
    Everything,
    /// A network: these MACs, its flood list, or whether it is needed here.
    Network(NetworkId, HashSet<MacAddr>),
}

/// The FDB of all networks.
#[derive(Debug)]
pub(super) struct Fdb {
    local_ip: Ipv4Addr,
    networks: HashMap<NetworkId, Network>,
}

impl Fdb {
    pub(super) fn new(local_ip: Ipv4Addr) -> Self {
        Self { local_ip, networks: HashMap::new() }
    }

    pub(super) fn networks(&self) -> impl Iterator<Item = (NetworkId, &Network)> {
        self.networks.iter().map(|(id, network)| (*id, network))
    }

    pub(super) fn network(&self, id: NetworkId) -> Option<&Network> {
        self.networks.get(&id)
    }

    pub(super) fn apply(&mut self, event: Event) -> Dirty {
        match event {
            Event::Snapshot(snapshot) => {
                self.networks.clear();
                for listed in snapshot.networks {
                    let mut network = Network::new(listed.vni);
                    network.flood = self.remote(listed.flood);
                    for listing in listed.entries {
                        network.set(listing, self.local_ip);
                    }
                    self.networks.insert(listed.network_id, network);
                }
                Dirty::Everything
            }
            Event::Change(change) => self.change(change),
        }
    }

    fn change(&mut self, change: Change) -> Dirty {
        let id = change.network_id;
        if change.removed {
            self.networks.remove(&id);
            return Dirty::Network(id, HashSet::new());
        }
        let flood = change.flood.map(|flood| self.remote(flood));
        let known = self.networks.get(&id).map(|network| network.vni);
        let Some(vni) = change.vni.or(known) else { return Dirty::Network(id, HashSet::new()) };
        let network = self.networks.entry(id).or_insert_with(|| Network::new(vni));
        let renumbered = network.vni != vni;
        network.vni = vni;
        if let Some(flood) = flood {
            network.flood = flood;
        }
        let mut macs: HashSet<MacAddr> = change.del.iter().copied().collect();
        change.del.into_iter().for_each(|mac| network.remove(mac, self.local_ip));
        for listing in change.set {
            macs.insert(listing.mac);
            network.set(listing, self.local_ip);
        }
        if renumbered { Dirty::Everything } else { Dirty::Network(id, macs) }
    }

    /// The tunnels' other ends: IPv4, and never ourselves.
    fn remote(&self, ips: Vec<IpAddr>) -> BTreeSet<Ipv4Addr> {
        ips.into_iter().filter_map(as_ipv4).filter(|ip| *ip != self.local_ip).collect()
    }
}

impl Network {
    fn set(&mut self, listing: Listing, local_ip: Ipv4Addr) {
        self.remove(listing.mac, local_ip);
        // A tunnel over IPv6 can't be ours, and a group is nobody's own address.
        let (Some(vtep), false) = (as_ipv4(listing.vtep), listing.mac.is_multicast()) else { return };
        let entry = Entry { vtep, ips: listing.ips.into(), kind: listing.kind };
        self.local += usize::from(is_local(&entry, local_ip));
        self.entries.insert(listing.mac, entry);
    }

    fn remove(&mut self, mac: MacAddr, local_ip: Ipv4Addr) {
        if self.entries.remove(&mac).is_some_and(|entry| is_local(&entry, local_ip)) {
            self.local -= 1;
        }
    }
}

fn is_local(entry: &Entry, local_ip: Ipv4Addr) -> bool {
    entry.kind == Kind::Port && entry.vtep == local_ip
}

fn as_ipv4(ip: IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(ip) => ip.to_ipv4_mapped(),
    }
}
