//! Networks: what ports, compute nodes and gateways say of them, kept by index, and what has to be looked at again. The
//! rows that follow are made in [`rows`].

mod rows;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use super::{
    behind::{AllIps, Announced, Announcement, Behind, GatewayVteps},
    chunks::{Chunked, Keyed},
    claims::{self, Claim, Claims, HostIndex, NetworkIndex},
};
use crate::model::{Ips, MacAddr, Network, NetworkId, Port, PortId, Vni, indexed::FastMap};
use rows::{Edited, Rows};

/// What switches that carry a network should hold of it. Immutable and shared by all of them.
#[derive(Debug, Clone)]
pub struct NetworkIntent {
    /// Identity.
    pub id: NetworkId,
    /// Name, for the switch's own operators (`Logical_Switch.description`).
    pub name: Arc<str>,
    /// VNI; `None`: no VXLAN segment, nothing is programmed.
    pub vni: Option<Vni>,
    /// `Ucast_Macs_Remote`.
    pub macs: Chunked<DesiredMac>,
    /// VTEPs of the compute nodes that host a port of the network, sorted (`Mcast_Macs_Remote`, `unknown-dst`).
    pub flood: Arc<[Ipv4Addr]>,
    /// MACs that several hosts claim: they get no row and are flooded.
    pub contested: Chunked<MacAddr>,
    /// MACs whose going is explained.
    pub buried: Chunked<MacAddr>,
    /// MACs of [`NetworkIntent::macs`] with more than one address.
    pub more_ips: Chunked<AllIps>,
    /// What is behind the network's gateways.
    pub behind: Behind,
    /// Compute nodes with ports of the network and no tunnel endpoint: no switch reaches these ports.
    pub unreached: Arc<UnreachedHosts>,
}

/// Compute nodes without a tunnel endpoint.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct UnreachedHosts {
    /// Name and number of ports of the first [`UNREACHED`] of them, by name.
    pub listed: Vec<(Arc<str>, u32)>,
    /// All of them.
    pub count: usize,
}

/// Compute nodes without a tunnel endpoint that are listed of a network.
const UNREACHED: usize = 32;

/// A row of `Ucast_Macs_Remote`. 27 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DesiredMac {
    /// `MAC`.
    pub mac: MacAddr,
    /// `locator`: the VTEP of the compute node.
    pub vtep: Ipv4Addr,
    /// `ipaddr`.
    pub ip: Option<IpAddr>,
}

impl NetworkIntent {
    /// Whether nothing but MACs is different: its Logical_Switch and its flood row stay as they are.
    #[must_use]
    pub fn differs_in_macs_alone(&self, other: &Self) -> bool {
        self.name == other.name
            && self.vni == other.vni
            && self.flood == other.flood
            && self.behind.gateways == other.behind.gateways
    }
}

impl Keyed for DesiredMac {
    type Key = MacAddr;

    fn key(&self) -> MacAddr {
        self.mac
    }
}

impl Keyed for MacAddr {
    type Key = MacAddr;

    fn key(&self) -> MacAddr {
        *self
    }
}

/// Names of the compute nodes behind a VTEP, with commas.
pub type HostNames = BTreeMap<Ipv4Addr, String>;

/// A network's intent, and the MACs whose rows changed (`None`: compare all).
pub(super) type Published = (Arc<NetworkIntent>, Option<Arc<[MacAddr]>>);

/// All networks. Rows are kept only of those that a connection uses, unless all are asked for.
#[derive(Debug, Default)]
pub(super) struct Networks {
    index: FastMap<NetworkId, NetworkIndex>,
    states: Vec<State>,
    hosts: FastMap<Arc<str>, HostIndex>,
    vteps: Vec<Host>,
    claims: Claims,
    /// Ports that are on hosts without claiming a MAC there: few.
    guests: FastMap<PortId, (NetworkIndex, Vec<HostIndex>)>,
    /// All addresses of the ports that have more than one.
    more_ips: FastMap<PortId, Ips>,
    /// Rows are kept of networks without a connection, too.
    all: bool,
    /// What [`Networks::publish`] has to look at.
    dirty: BTreeMap<NetworkIndex, Dirty>,
}

#[derive(Debug)]
struct State {
    id: NetworkId,
    known: Option<(Arc<str>, Option<Vni>)>,
    /// A connection uses it.
    is_connected: bool,
    /// What each host has on the network.
    hosts: FastMap<HostIndex, Presence>,
    /// Those of them without a VTEP.
    unplaced: u32,
    buried: Chunked<MacAddr>,
    gateways: Arc<[GatewayVteps]>,
    /// What gateways announce, ports or not.
    announced: Chunked<Announced>,
    /// Made while connected, or while all networks are kept.
    intent: Option<Arc<NetworkIntent>>,
}

/// What a host has on a network.
#[derive(Debug, Default)]
struct Presence {
    /// Claims and guests: the host is in the flood list while there are any.
    uses: u32,
    /// Ports.
    ports: u32,
}

/// The hosts at which a port was counted: almost always one, which needs no allocation.
#[derive(Debug, Default)]
struct CountedHosts {
    first: Option<HostIndex>,
    others: Vec<HostIndex>,
}

impl CountedHosts {
    /// Adds a host; `false`: the port was counted there.
    fn insert(&mut self, host: HostIndex) -> bool {
        match self.first {
            None => self.first = Some(host),
            Some(first) if first == host || self.others.contains(&host) => return false,
            Some(_) => self.others.push(host),
        }
        true
    }
}

#[derive(Debug, Default)]
struct Host {
    name: Arc<str>,
    vtep: Option<Ipv4Addr>,
    /// Claims and guests of the host, over all networks.
    claims: usize,
}

#[derive(Debug, Default)]
struct Dirty {
    /// Compare all rows: the network came, or was connected.
    all: bool,
    /// A host came to the network, left it, or changed its VTEP.
    flood: bool,
    /// A host without a VTEP has more ports of the network, or fewer, or got one.
    unreached: bool,
    macs: BTreeSet<MacAddr>,
    /// Whether its going is explained.
    buried: BTreeMap<MacAddr, bool>,
}

// ===== impl Networks =====

impl Networks {
    pub(super) fn intent(&self, id: NetworkId) -> Option<Arc<NetworkIntent>> {
        self.states[*self.index.get(&id)? as usize].intent.clone()
    }

    pub(super) fn set(&mut self, network: Network) {
        let index = self.index_of(network.id);
        self.states[index as usize].known = Some((network.name.into(), network.vni));
        self.dirty.entry(index).or_default();
    }

    pub(super) fn remove(&mut self, id: NetworkId) {
        let index = self.index_of(id);
        self.states[index as usize].known = None;
        self.dirty.entry(index).or_default();
    }

    /// Whether a connection uses the network.
    pub(super) fn connect(&mut self, id: NetworkId, is_connected: bool) {
        let index = self.index_of(id);
        let was_connected = std::mem::replace(&mut self.states[index as usize].is_connected, is_connected);
        if was_connected != is_connected {
            self.dirty.entry(index).or_default().all |= is_connected;
        }
    }

    /// Keeps the rows of all networks from now on.
    pub(super) fn keep_all(&mut self) {
        self.all = true;
        for (index, state) in self.states.iter().enumerate() {
            if let (None, Ok(index)) = (&state.intent, NetworkIndex::try_from(index)) {
                self.dirty.entry(index).or_default().all = true;
            }
        }
    }

    /// Whether rows of the network are kept.
    fn keeps(&self, state: &State) -> bool {
        state.is_connected || (self.all && state.known.is_some())
    }

    /// Takes what is behind gateways.
    pub(super) fn announce(&mut self, announcement: Announcement) {
        let index = self.index_of(announcement.network);
        let (state, dirty) = (&mut self.states[index as usize], self.dirty.entry(index).or_default());
        // A port whose MAC is learned behind a gateway is bare metal: it needs no tunnel endpoint.
        dirty.unreached |= state.unplaced > 0;
        if let Some(gateways) = announcement.gateways {
            state.gateways = gateways;
        }
        for (mac, announced) in &announcement.macs {
            if announced.is_some() && (state.buried.get(*mac).is_some() || dirty.buried.contains_key(mac)) {
                dirty.buried.insert(*mac, false);
            }
        }
        // Made at once where they are sorted: a twin that takes over has many.
        let mut macs = announcement.macs.iter().map(|(mac, _)| *mac).collect();
        dirty.macs.append(&mut macs);
        state.announced.edit(announcement.macs);
    }

    pub(super) fn set_port(&mut self, port: &Port) {
        self.remove_port(port.id);
        let network = self.index_of(port.network_id);
        if port.host.is_some() && port.fixed_ips.len() > 1 {
            self.more_ips.insert(port.id, port.fixed_ips.iter().map(|fixed| fixed.ip).collect());
        }
        let mut counted = CountedHosts::default();
        for host in port.claiming_hosts() {
            let host = self.host_of(host);
            for (mac, ip) in claims::macs_of(port) {
                self.claims.insert(Claim { port: port.id, network, host, mac, ip });
                self.arrive(network, host, counted.insert(host));
                self.touch(network, mac);
                // What is there isn't explained as gone, whatever was said before.
                let dirty = self.dirty.entry(network).or_default();
                if self.states[network as usize].buried.get(mac).is_some() || dirty.buried.contains_key(&mac) {
                    dirty.buried.insert(mac, false);
                }
            }
        }
        if !port.flooded_hosts().is_empty() {
            let hosts: Vec<_> = port.flooded_hosts().iter().map(|host| self.host_of(host)).collect();
            for host in &hosts {
                self.arrive(network, *host, false);
            }
            self.guests.insert(port.id, (network, hosts));
        }
    }

    pub(super) fn remove_port(&mut self, id: PortId) {
        self.more_ips.remove(&id);
        let mut counted = CountedHosts::default();
        while let Some(claim) = self.claims.remove(id) {
            self.touch(claim.network, claim.mac);
            self.leave(claim.network, claim.host, counted.insert(claim.host));
        }
        if let Some((network, hosts)) = self.guests.remove(&id) {
            for host in hosts {
                self.leave(network, host, false);
            }
        }
    }

    /// The row of a MAC has to be looked at, unless all are, or none.
    fn touch(&mut self, network: NetworkIndex, mac: MacAddr) {
        let keeps = self.keeps(&self.states[network as usize]);
        let dirty = self.dirty.entry(network).or_default();
        if keeps && !dirty.all {
            dirty.macs.insert(mac);
        }
    }

    /// A host has one claim or guest more on a network; `is_port`: and one port more.
    fn arrive(&mut self, network: NetworkIndex, host: HostIndex, is_port: bool) {
        let state = &mut self.states[network as usize];
        let presence = state.hosts.entry(host).or_default();
        presence.uses += 1;
        presence.ports += u32::from(is_port);
        let first = presence.uses == 1;
        let unplaced = self.vteps[host as usize].vtep.is_none();
        state.unplaced += u32::from(first && unplaced);
        self.vteps[host as usize].claims += 1;
        let dirty = self.dirty.entry(network).or_default();
        dirty.flood |= first;
        dirty.unreached |= is_port && unplaced;
    }

    /// A host has one less.
    fn leave(&mut self, network: NetworkIndex, host: HostIndex, is_port: bool) {
        let state = &mut self.states[network as usize];
        let unplaced = self.vteps[host as usize].vtep.is_none();
        if let Some(presence) = state.hosts.get_mut(&host) {
            presence.uses -= 1;
            presence.ports = presence.ports.saturating_sub(u32::from(is_port));
            if presence.uses == 0 {
                state.hosts.remove(&host);
                state.unplaced -= u32::from(unplaced);
                self.dirty.entry(network).or_default().flood = true;
            }
        }
        if is_port && unplaced {
            self.dirty.entry(network).or_default().unreached = true;
        }
        self.vteps[host as usize].claims -= 1;
    }

    pub(super) fn set_endpoint(&mut self, host: &str, vtep: Option<Ipv4Addr>) {
        let index = self.host_of(host);
        let host = &mut self.vteps[index as usize];
        if host.vtep == vtep {
            return;
        }
        let before = std::mem::replace(&mut host.vtep, vtep);
        // A host without ports is the usual case when it joins: no need to look for them.
        if host.claims > 0 {
            let mut networks = BTreeSet::new();
            for claim in self.claims.iter().filter(|claim| claim.host == index) {
                self.dirty.entry(claim.network).or_default().macs.insert(claim.mac);
                networks.insert(claim.network);
            }
            let guests = self.guests.values().filter(|(_, hosts)| hosts.contains(&index));
            networks.extend(guests.map(|(network, _)| *network));
            for network in networks {
                self.dirty.entry(network).or_default().flood = true;
                let unplaced = &mut self.states[network as usize].unplaced;
                *unplaced = *unplaced + u32::from(vtep.is_none()) - u32::from(before.is_none());
            }
        }
    }

    pub(super) fn bury(&mut self, network: NetworkId, mac: MacAddr) {
        let index = self.index_of(network);
        self.dirty.entry(index).or_default().buried.insert(mac, true);
    }

    pub(super) fn unbury(&mut self, network: NetworkId, mac: MacAddr) {
        let index = self.index_of(network);
        self.dirty.entry(index).or_default().buried.insert(mac, false);
    }

    /// Makes the intents of the networks that changed, each with the MACs whose rows are different (`None`: all).
    /// Those that nobody needs any more are `gone`.
    pub(super) fn publish(&mut self, gone: &mut Vec<NetworkId>) -> Vec<Published> {
        let mut published = Vec::new();
        let dirty = std::mem::take(&mut self.dirty);
        let mut of_network = self.macs_to_build(&dirty);
        for (index, dirty) in dirty {
            let state = &mut self.states[index as usize];
            let explained = dirty.buried.into_iter().filter(|(mac, gone)| state.buried.get(*mac).is_some() != *gone);
            let explained: Vec<_> = explained.map(|(mac, gone)| (mac, gone.then_some(mac))).collect();
            let reburied = !explained.is_empty();
            state.buried.edit(explained);
            if !self.keeps(&self.states[index as usize]) {
                gone.extend(self.states[index as usize].intent.take().map(|intent| intent.id));
                continue;
            }
            let state = &self.states[index as usize];
            let (name, vni) = state.known.clone().unwrap_or_else(|| (Arc::from(""), None));
            let old = state.intent.as_ref().filter(|_| !dirty.all);
            let flood = old.filter(|_| !dirty.flood).map_or_else(|| self.flood(state), |old| old.flood.clone());
            let (rows, edited) = match old {
                Some(old) => self.edit_rows(index, old, dirty.macs),
                None => (self.build_rows(index, of_network.remove(&index).unwrap_or_default()), None),
            };
            let unreached = old.filter(|_| !(dirty.flood || dirty.unreached));
            let unreached = unreached.map_or_else(|| self.unreached(index, state), |old| old.unreached.clone());
            let buried = state.buried.clone();
            let Rows { macs, contested, more_ips, relayed, loops } = rows;
            let behind = Behind { gateways: state.gateways.clone(), macs: relayed, loops };
            let id = state.id;
            let new = NetworkIntent { id, name, vni, macs, flood, contested, buried, more_ips, behind, unreached };
            let same = old.is_some_and(|old| {
                edited.as_ref().is_some_and(Edited::is_nothing)
                    && !reburied
                    && new.differs_in_macs_alone(old)
                    && new.unreached == old.unreached
            });
            if !same {
                let intent = Arc::new(new);
                self.states[index as usize].intent = Some(intent.clone());
                published.push((intent, edited.map(|edited| edited.macs)));
            }
        }
        published
    }

    pub(super) fn hosts_by_vtep(&self) -> HostNames {
        let placed = |(name, index): (&Arc<str>, &HostIndex)| Some((self.vteps[*index as usize].vtep?, name.clone()));
        let hosts: BTreeSet<(Ipv4Addr, Arc<str>)> = self.hosts.iter().filter_map(placed).collect();
        let mut names = HostNames::new();
        for (vtep, name) in hosts {
            let names = names.entry(vtep).or_default();
            if !names.is_empty() {
                names.push_str(", ");
            }
            names.push_str(&name);
        }
        names
    }

    fn index_of(&mut self, id: NetworkId) -> NetworkIndex {
        *self.index.entry(id).or_insert_with(|| {
            self.states.push(State {
                id,
                known: None,
                is_connected: false,
                hosts: FastMap::default(),
                unplaced: 0,
                buried: Chunked::default(),
                gateways: Arc::default(),
                announced: Chunked::default(),
                intent: None,
            });
            NetworkIndex::try_from(self.states.len() - 1).expect("2^32 networks don't fit into memory")
        })
    }

    fn host_of(&mut self, name: &str) -> HostIndex {
        if let Some(index) = self.hosts.get(name) {
            return *index;
        }
        let name: Arc<str> = name.into();
        self.vteps.push(Host { name: name.clone(), ..Host::default() });
        let index = HostIndex::try_from(self.vteps.len() - 1).expect("2^32 hosts don't fit into memory");
        self.hosts.insert(name, index);
        index
    }
}
