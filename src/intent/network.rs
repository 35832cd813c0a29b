//! Networks: their ports' claims, and the rows that follow from them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use super::{
    chunks::{Chunked, Keyed},
    claims::{self, Claim, Claims, HostIndex, NetworkIndex},
};
use crate::model::{MacAddr, Network, NetworkId, Port, PortId, Vni};

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
}

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

/// A network's intent, and the MACs whose rows changed (`None`: compare all).
pub(super) type Published = (Arc<NetworkIntent>, Option<Arc<[MacAddr]>>);

struct Rows {
    macs: Chunked<DesiredMac>,
    contested: Chunked<MacAddr>,
}

/// All networks. Rows are kept only of those that a connection uses.
#[derive(Debug, Default)]
pub(super) struct Networks {
    index: HashMap<NetworkId, NetworkIndex>,
    states: Vec<State>,
    hosts: HashMap<Arc<str>, HostIndex>,
    vteps: Vec<Host>,
    claims: Claims,
    /// Ports that are on hosts without claiming a MAC there: few.
    guests: HashMap<PortId, (NetworkIndex, Vec<HostIndex>)>,
    /// What [`Networks::publish`] has to look at.
    dirty: BTreeMap<NetworkIndex, Dirty>,
}

#[derive(Debug)]
struct State {
    id: NetworkId,
    known: Option<(Arc<str>, Option<Vni>)>,
    /// Number of connections.
    connections: usize,
    /// Claims and guests of each host.
    hosts: HashMap<HostIndex, u32>,
    buried: Chunked<MacAddr>,
    /// Made while connected.
    intent: Option<Arc<NetworkIntent>>,
}

#[derive(Debug, Default)]
struct Host {
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

    pub(super) fn connect(&mut self, id: NetworkId) {
        let index = self.index_of(id);
        self.states[index as usize].connections += 1;
        if self.states[index as usize].connections == 1 {
            self.dirty.entry(index).or_default().all = true;
        }
    }

    pub(super) fn disconnect(&mut self, id: NetworkId) {
        let index = self.index_of(id);
        let state = &mut self.states[index as usize];
        state.connections = state.connections.saturating_sub(1);
        if state.connections == 0 {
            state.intent = None;
            self.dirty.remove(&index);
        }
    }

    pub(super) fn set_port(&mut self, port: &Port) {
        self.remove_port(port.id);
        let network = self.index_of(port.network_id);
        for host in port.claiming_hosts() {
            let host = self.host_of(host);
            for (mac, ip) in claims::macs_of(port) {
                self.claims.insert(Claim { port: port.id, network, host, mac, ip });
                self.arrive(network, host);
                let dirty = self.dirty.entry(network).or_default();
                dirty.macs.insert(mac);
                // What is there isn't explained as gone, whatever was said before.
                dirty.buried.insert(mac, false);
            }
        }
        if !port.flooded_hosts().is_empty() {
            let hosts: Vec<_> = port.flooded_hosts().iter().map(|host| self.host_of(host)).collect();
            for host in &hosts {
                self.arrive(network, *host);
            }
            self.guests.insert(port.id, (network, hosts));
        }
    }

    pub(super) fn remove_port(&mut self, id: PortId) {
        while let Some(claim) = self.claims.remove(id) {
            self.dirty.entry(claim.network).or_default().macs.insert(claim.mac);
            self.leave(claim.network, claim.host);
        }
        if let Some((network, hosts)) = self.guests.remove(&id) {
            for host in hosts {
                self.leave(network, host);
            }
        }
    }

    /// A host has one claim or guest more on a network.
    fn arrive(&mut self, network: NetworkIndex, host: HostIndex) {
        let count = self.states[network as usize].hosts.entry(host).or_default();
        *count += 1;
        let first = *count == 1;
        self.vteps[host as usize].claims += 1;
        self.dirty.entry(network).or_default().flood |= first;
    }

    /// A host has one less.
    fn leave(&mut self, network: NetworkIndex, host: HostIndex) {
        let hosts = &mut self.states[network as usize].hosts;
        if let Some(count) = hosts.get_mut(&host) {
            *count -= 1;
            if *count == 0 {
                hosts.remove(&host);
                self.dirty.entry(network).or_default().flood = true;
            }
        }
        self.vteps[host as usize].claims -= 1;
    }

    pub(super) fn set_endpoint(&mut self, host: &str, vtep: Option<Ipv4Addr>) {
        let index = self.host_of(host);
        let host = &mut self.vteps[index as usize];
        if host.vtep == vtep {
            return;
        }
        host.vtep = vtep;
        // A host without ports is the usual case when it joins: no need to look for them.
        if host.claims > 0 {
            for claim in self.claims.iter().filter(|claim| claim.host == index) {
                let dirty = self.dirty.entry(claim.network).or_default();
                dirty.macs.insert(claim.mac);
                dirty.flood = true;
            }
            for (network, _) in self.guests.values().filter(|(_, hosts)| hosts.contains(&index)) {
                self.dirty.entry(*network).or_default().flood = true;
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
    pub(super) fn publish(&mut self) -> Vec<Published> {
        let mut published = Vec::new();
        for (index, dirty) in std::mem::take(&mut self.dirty) {
            let state = &mut self.states[index as usize];
            let explained = dirty.buried.into_iter().filter(|(mac, gone)| state.buried.get(*mac).is_some() != *gone);
            let explained: Vec<_> = explained.map(|(mac, gone)| (mac, gone.then_some(mac))).collect();
            let reburied = !explained.is_empty();
            state.buried.edit(explained);
            if state.connections == 0 {
                continue;
            }
            let state = &self.states[index as usize];
            let (name, vni) = state.known.clone().unwrap_or_else(|| (Arc::from(""), None));
            let old = state.intent.as_ref().filter(|_| !dirty.all);
            let flood = old.filter(|_| !dirty.flood).map_or_else(|| self.flood(state), |old| old.flood.clone());
            let (rows, changed) = match old {
                Some(old) => self.edit_rows(index, old, dirty.macs),
                None => (self.build_rows(index), None),
            };
            let buried = state.buried.clone();
            let Rows { macs, contested } = rows;
            let new = NetworkIntent { id: state.id, name, vni, macs, flood, contested, buried };
            let same = old.is_some_and(|old| {
                let rows =
                    changed.as_ref().is_some_and(|macs| macs.is_empty()) && old.contested.len() == new.contested.len();
                rows && !reburied && old.name == new.name && old.vni == new.vni && old.flood == new.flood
            });
            if !same {
                let intent = Arc::new(new);
                self.states[index as usize].intent = Some(intent.clone());
                published.push((intent, changed));
            }
        }
        published
    }

    /// The VTEPs of the hosts that have a port on the network.
    fn flood(&self, state: &State) -> Arc<[Ipv4Addr]> {
        let vteps: BTreeSet<Ipv4Addr> = state.hosts.keys().filter_map(|host| self.vteps[*host as usize].vtep).collect();
        vteps.into_iter().collect()
    }

    /// All rows of a network, from its ports' claims.
    fn build_rows(&self, index: NetworkIndex) -> Rows {
        let mut macs: Vec<MacAddr> = self.claims.iter().filter(|c| c.network == index).map(|c| c.mac).collect();
        macs.sort_unstable();
        macs.dedup();
        let (mut rows, mut contested) = (Vec::with_capacity(macs.len()), Vec::new());
        for mac in macs {
            match self.row(index, mac) {
                Row::Unicast(row) => rows.push(row),
                Row::Contested => contested.push(mac),
                Row::None => {}
            }
        }
        Rows { macs: Chunked::build(rows), contested: Chunked::build(contested) }
    }

    fn edit_rows(
        &self,
        index: NetworkIndex,
        old: &NetworkIntent,
        dirty: BTreeSet<MacAddr>,
    ) -> (Rows, Option<Arc<[MacAddr]>>) {
        let (mut rows, mut contested, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        for mac in dirty {
            let row = self.row(index, mac);
            if row.is_contested() != old.contested.get(mac).is_some() {
                contested.push((mac, row.is_contested().then_some(mac)));
            }
            if row.unicast().as_ref() != old.macs.get(mac) {
                rows.push((mac, row.unicast()));
                changed.push(mac);
            }
        }
        let mut new = Rows { macs: old.macs.clone(), contested: old.contested.clone() };
        new.macs.edit(rows);
        new.contested.edit(contested);
        (new, Some(changed.into()))
    }

    /// The row of a MAC: none while its host has no VTEP, and none where several hosts claim it.
    fn row(&self, network: NetworkIndex, mac: MacAddr) -> Row {
        let mut first: Option<&Claim> = None;
        for claim in self.claims.with_key((network, mac)) {
            match first {
                Some(other) if other.host != claim.host => return Row::Contested,
                // The same answer whatever the order in which ports came.
                Some(other) if other.port < claim.port => {}
                _ => first = Some(claim),
            }
        }
        let Some(claim) = first else { return Row::None };
        match self.vteps[claim.host as usize].vtep {
            Some(vtep) => Row::Unicast(DesiredMac { mac, vtep, ip: claim.ip }),
            None => Row::None,
        }
    }

    fn index_of(&mut self, id: NetworkId) -> NetworkIndex {
        *self.index.entry(id).or_insert_with(|| {
            self.states.push(State {
                id,
                known: None,
                connections: 0,
                hosts: HashMap::new(),
                buried: Chunked::default(),
                intent: None,
            });
            NetworkIndex::try_from(self.states.len() - 1).expect("2^32 networks don't fit into memory")
        })
    }

    fn host_of(&mut self, name: &str) -> HostIndex {
        if let Some(index) = self.hosts.get(name) {
            return *index;
        }
        self.vteps.push(Host::default());
        let index = HostIndex::try_from(self.vteps.len() - 1).expect("2^32 hosts don't fit into memory");
        self.hosts.insert(name.into(), index);
        index
    }
}

enum Row {
    None,
    Unicast(DesiredMac),
    Contested,
}

impl Row {
    fn unicast(&self) -> Option<DesiredMac> {
        match self {
            Row::Unicast(row) => Some(*row),
            Row::None | Row::Contested => None,
        }
    }

    fn is_contested(&self) -> bool {
        matches!(self, Row::Contested)
    }
}
