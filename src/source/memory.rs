//! What is in force, as small as it can be compared: networks and VTEPs as they are, of a port a hash.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::BuildHasher,
    net::Ipv4Addr,
};

use hashbrown::HashMap as Map;

use super::{
    guard::{Losses, Totals},
    neutron::Counts,
    rows::Draft,
};
use crate::{
    model::{Network, NetworkId, Port, PortId},
    store::{Selection, Store, StoreError},
};

/// Ports that are read from the store at a time.
const PAGE: i64 = 2000;

/// What is known of a port. 24 bytes, of a million ports.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// Of what the store holds; `None`: it holds none.
    hash: Option<u64>,
    /// The look in which Neutron had it last.
    look: u32,
    /// Rows of its bindings in Neutron's database.
    bindings: u16,
    /// Whether the store has it on a host.
    bound: bool,
}

/// What is different, by what has to be written.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The look was at everything.
    pub(super) whole: bool,
    pub(super) networks: Vec<Network>,
    pub(super) gone_networks: Vec<NetworkId>,
    pub(super) ports: Vec<PortId>,
    pub(super) gone_ports: Vec<PortId>,
    pub(super) endpoints: Vec<(String, Ipv4Addr)>,
    pub(super) gone_endpoints: Vec<String>,
    /// Ports that are left out, or a part of them, and why.
    pub(super) left_out: Vec<(PortId, String)>,
    /// Ports of an increment that are taken as they are.
    pub(super) settled: Vec<PortId>,
    /// Networks of `networks` and ports of `ports` that lose what switches need, and all that is gone.
    pub(super) losses: Losses,
}

/// What is in force.
#[derive(Debug, Default)]
pub(super) struct Memory {
    networks: HashMap<NetworkId, Network>,
    ports: Map<PortId, Known, foldhash::fast::RandomState>,
    endpoints: BTreeMap<String, Ipv4Addr>,
    hasher: foldhash::quality::RandomState,
    look: u32,
    bound: u64,
    in_force: u64,
    /// The counts that Neutron's database should have, if nothing happened that wasn't seen.
    pub(super) expected: Counts,
}

impl Memory {
    /// What the store holds.
    pub(super) async fn load(store: &Store) -> Result<Self, StoreError> {
        let mut memory = Self::default();
        let mut view = store.snapshot().await?;
        memory.networks =
            view.networks(&Selection::default()).await?.into_iter().map(|network| (network.id, network.row)).collect();
        let sourced = view.sourced_hosts().await?;
        let endpoints = view.endpoints().await?.into_iter().filter(|endpoint| sourced.contains(&endpoint.host));
        memory.endpoints = endpoints.map(|endpoint| (endpoint.host, endpoint.ip)).collect();
        let mut place = 0;
        loop {
            let (last, ports) = view.ports_page(place, PAGE).await?;
            if ports.is_empty() {
                return Ok(memory);
            }
            place = last;
            for port in &ports {
                memory.port_is_in_force(port);
            }
        }
    }

    pub(super) fn totals(&self) -> Totals {
        Totals {
            networks: self.networks.len() as u64,
            ports: self.in_force,
            bound: self.bound,
            endpoints: self.endpoints.len() as u64,
        }
    }

    // ===== looking =====

    /// A look begins; `whole`: at everything.
    pub(super) fn begin(&mut self, whole: bool) -> Findings {
        if whole {
            self.look += 1;
        }
        Findings { whole, ..Findings::default() }
    }

    /// Neutron has this network.
    pub(super) fn see_network(&mut self, network: Network, findings: &mut Findings) {
        let known = self.networks.get(&network.id);
        if known.is_none() {
            self.expected.networks += 1;
        }
        if known == Some(&network) {
            return;
        }
        if network.vni.is_none() && known.is_some_and(|known| known.vni.is_some()) {
            findings.losses.networks.insert(network.id);
        }
        findings.networks.push(network);
    }

    /// Neutron has this port.
    pub(super) fn see_port(&mut self, draft: &Draft, findings: &mut Findings) {
        let port = &draft.port;
        if !draft.left_out.is_empty() {
            findings.left_out.push((port.id, draft.left_out.join("; ")));
        } else if !findings.whole {
            findings.settled.push(port.id);
        }
        let hash = self.hash(port);
        let known = self.ports.entry(port.id).or_insert_with(|| {
            self.expected.ports += 1;
            Known { look: self.look, ..Known::default() }
        });
        let bindings = u16::try_from(draft.bindings).unwrap_or(u16::MAX);
        self.expected.bindings += i64::from(bindings) - i64::from(known.bindings);
        (known.look, known.bindings) = (self.look, bindings);
        if known.hash == Some(hash) {
            return;
        }
        findings.ports.push(port.id);
        if known.bound && port.claiming_hosts().next().is_none() {
            findings.losses.ports.insert(port.id, true);
        }
    }

    /// Neutron has these VTEPs, and no others.
    pub(super) fn see_endpoints(&self, endpoints: &BTreeMap<String, Ipv4Addr>, findings: &mut Findings) {
        let new = endpoints.iter().filter(|(host, ip)| self.endpoints.get(*host) != Some(*ip));
        findings.endpoints.extend(new.map(|(host, ip)| (host.clone(), *ip)));
        findings.gone_endpoints.extend(self.endpoints.keys().filter(|host| !endpoints.contains_key(*host)).cloned());
        findings.losses.endpoints.extend(findings.gone_endpoints.iter().cloned());
    }

    /// Everything was seen: what wasn't is gone.
    pub(super) fn end(&mut self, networks: &HashSet<NetworkId>, counts: Counts, findings: &mut Findings) {
        self.expected = counts;
        let gone = self.networks.keys().filter(|id| !networks.contains(*id));
        findings.gone_networks.extend(gone);
        findings.losses.networks.extend(&findings.gone_networks);
        let look = self.look;
        self.ports.retain(|id, known| {
            if known.look == look {
                return true;
            }
            known.bindings = 0;
            if known.hash.is_some() {
                findings.gone_ports.push(*id);
                findings.losses.ports.insert(*id, known.bound);
            }
            // What never came into force needs no farewell.
            known.hash.is_some()
        });
    }

    // ===== what was written =====

    pub(super) fn network_is_in_force(&mut self, network: Network) {
        self.networks.insert(network.id, network);
    }

    pub(super) fn network_is_gone(&mut self, id: NetworkId) {
        self.networks.remove(&id);
    }

    pub(super) fn port_is_in_force(&mut self, port: &Port) {
        let hash = self.hash(port);
        let known = self.ports.entry(port.id).or_default();
        let bound = port.claiming_hosts().next().is_some();
        self.in_force += u64::from(known.hash.is_none());
        self.bound = self.bound + u64::from(bound) - u64::from(known.bound);
        (known.hash, known.bound) = (Some(hash), bound);
    }

    pub(super) fn port_is_gone(&mut self, id: PortId) {
        if let Some(known) = self.ports.remove(&id) {
            self.in_force -= u64::from(known.hash.is_some());
            self.bound -= u64::from(known.bound);
        }
    }

    pub(super) fn endpoint_is_in_force(&mut self, host: String, ip: Ipv4Addr) {
        self.endpoints.insert(host, ip);
    }

    pub(super) fn endpoint_is_gone(&mut self, host: &str) {
        self.endpoints.remove(host);
    }

    fn hash(&self, port: &Port) -> u64 {
        self.hasher.hash_one(port)
    }
}
