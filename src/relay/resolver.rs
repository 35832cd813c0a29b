//! From what the store holds to what is announced. Pure: one state of the store, one answer.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::Ipv4Addr,
    sync::Arc,
};

use crate::{
    intent::{Announced, Announcement, GatewayVteps},
    model::{
        ActiveActive, Change, ChangeSet, ConnectionId, Election, Gateway, GatewayId, Ips, LearnedMac, MacAddr,
        NetworkId, RelayConfig, SwitchVteps,
    },
};

/// See the module.
#[derive(Debug)]
pub struct Resolver {
    policy: Arc<RelayConfig>,
    gateways: HashMap<GatewayId, Known>,
    /// Gateways that were numbered.
    numbered: HashMap<GatewayId, u32>,
    connections: HashMap<ConnectionId, (GatewayId, NetworkId)>,
    networks: HashMap<NetworkId, Network>,
    /// Names of switches, each held once.
    names: HashSet<Arc<str>>,
    tunnel_ips: HashMap<String, Vec<Ipv4Addr>>,
    /// Where a switch wants the broadcasts of a network.
    broadcasts: HashMap<(String, NetworkId), Vec<Ipv4Addr>>,
    dirty: BTreeMap<NetworkId, Dirty>,
}

/// A gateway that exists.
#[derive(Debug, Clone)]
struct Known {
    number: u32,
    mode: ActiveActive,
    /// Sorted.
    switches: Arc<[String]>,
}

#[derive(Debug, Default)]
struct Network {
    /// Connections of each gateway.
    gateways: BTreeMap<GatewayId, usize>,
    elections: HashMap<GatewayId, Election>,
    /// Gateways that nobody floods to.
    idle: HashSet<GatewayId>,
    learned: HashMap<MacAddr, Vec<Sighting>>,
}

/// A switch has learned a MAC.
#[derive(Debug, Clone)]
struct Sighting {
    switch: Arc<str>,
    vtep: Ipv4Addr,
    ips: Ips,
    learned_ms: u64,
}

#[derive(Debug, Default)]
struct Dirty {
    /// Gateways, twins or VTEPs changed: everything is looked at.
    all: bool,
    macs: BTreeSet<MacAddr>,
}

// ===== impl Resolver: following the store =====

impl Resolver {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(policy: Arc<RelayConfig>) -> Self {
        Self {
            policy,
            gateways: HashMap::new(),
            numbered: HashMap::new(),
            connections: HashMap::new(),
            networks: HashMap::new(),
            names: HashSet::new(),
            tunnel_ips: HashMap::new(),
            broadcasts: HashMap::new(),
            dirty: BTreeMap::new(),
        }
    }

    /// Takes one commit, and tells what it makes different.
    pub fn apply(&mut self, set: &ChangeSet) -> Vec<Announcement> {
        for change in &set.changes {
            self.apply_one(change);
        }
        let dirty = std::mem::take(&mut self.dirty);
        dirty.into_iter().map(|(network, dirty)| self.announce(network, &dirty)).collect()
    }

    fn apply_one(&mut self, change: &Change) {
        match change {
            Change::GatewaySet(gateway) => self.set_gateway(gateway),
            Change::GatewayRemoved(id) => {
                self.gateways.remove(id);
            }
            Change::ConnectionSet(connection) => {
                self.disconnect(connection.id);
                self.connections.insert(connection.id, (connection.gateway_id, connection.network_id));
                let network = self.networks.entry(connection.network_id).or_default();
                *network.gateways.entry(connection.gateway_id).or_default() += 1;
                self.touch(connection.network_id);
            }
            Change::ConnectionRemoved(id) => self.disconnect(*id),
            Change::VtepsSet(vteps) => self.set_vteps(vteps),
            Change::LearnedSet(learned) => self.learn(learned),
            Change::LearnedRemoved { switch, network, mac } => self.forget(switch, *network, *mac),
            Change::ElectionSet(election) => {
                let network = self.networks.entry(election.network).or_default();
                network.elections.insert(election.gateway, election.clone());
                self.touch(election.network);
            }
            Change::ElectionRemoved(gateway, network) => {
                self.networks.entry(*network).or_default().elections.remove(gateway);
                self.touch(*network);
            }
            Change::IdleSet(idle) => {
                let known = self.networks.entry(idle.network).or_default();
                let changed =
                    if idle.left { known.idle.insert(idle.gateway) } else { known.idle.remove(&idle.gateway) };
                if changed {
                    self.touch(idle.network);
                }
            }
            Change::IdleRemoved(gateway, network) => {
                if self.networks.entry(*network).or_default().idle.remove(gateway) {
                    self.touch(*network);
                }
            }
            Change::NetworkRemoved(id) => {
                self.networks.remove(id);
            }
            Change::NetworkSet(_)
            | Change::PortSet(_)
            | Change::PortRemoved(_)
            | Change::EndpointSet(_)
            | Change::EndpointRemoved(_) => {}
        }
    }

    fn touch(&mut self, network: NetworkId) {
        self.dirty.entry(network).or_default().all = true;
    }

    fn set_gateway(&mut self, gateway: &Gateway) {
        let next = u32::try_from(self.numbered.len()).unwrap_or(u32::MAX);
        let number = *self.numbered.entry(gateway.id).or_insert(next);
        let mut switches: Vec<String> = gateway.devices.iter().map(|device| device.name.clone()).collect();
        switches.sort_unstable();
        let known = Known { number, mode: self.policy.gateway(&gateway.name).active_active, switches: switches.into() };
        self.gateways.insert(gateway.id, known);
        let connected = self.connections.values().filter(|(id, _)| *id == gateway.id);
        for network in connected.map(|(_, network)| *network).collect::<Vec<_>>() {
            self.touch(network);
        }
    }

    fn disconnect(&mut self, id: ConnectionId) {
        let Some((gateway, network)) = self.connections.remove(&id) else { return };
        if let Some(known) = self.networks.get_mut(&network)
            && let Some(count) = known.gateways.get_mut(&gateway)
        {
            *count -= 1;
            if *count == 0 {
                known.gateways.remove(&gateway);
            }
        }
        self.touch(network);
    }

    fn set_vteps(&mut self, row: &SwitchVteps) {
        let vteps = row.vteps.clone();
        if let Some(network) = row.network {
            self.broadcasts.insert((row.switch.clone(), network), vteps);
            return self.touch(network);
        }
        self.tunnel_ips.insert(row.switch.clone(), vteps);
        let is_on = |network: &Network| {
            let mut known = network.gateways.keys().filter_map(|id| self.gateways.get(id));
            known.any(|gateway| gateway.switches.contains(&row.switch))
        };
        let networks = self.networks.iter().filter(|(_, network)| is_on(network));
        for network in networks.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.touch(network);
        }
    }

    fn learn(&mut self, learned: &LearnedMac) {
        let known = self.names.get(learned.switch.as_str()).cloned();
        let switch = known.unwrap_or_else(|| {
            let name: Arc<str> = learned.switch.as_str().into();
            self.names.insert(name.clone());
            name
        });
        let sightings = self.networks.entry(learned.network).or_default().learned.entry(learned.mac).or_default();
        sightings.retain(|sighting| sighting.switch != switch);
        let (vtep, ips, learned_ms) = (learned.vtep, learned.ips.clone(), learned.learned_ms);
        sightings.push(Sighting { switch, vtep, ips, learned_ms });
        // The same answer whatever the order in which they came.
        sightings.sort_by(|a, b| a.switch.cmp(&b.switch));
        self.dirty.entry(learned.network).or_default().macs.insert(learned.mac);
    }

    fn forget(&mut self, switch: &str, network: NetworkId, mac: MacAddr) {
        let Some(known) = self.networks.get_mut(&network) else { return };
        let Some(sightings) = known.learned.get_mut(&mac) else { return };
        sightings.retain(|sighting| &*sighting.switch != switch);
        if sightings.is_empty() {
            known.learned.remove(&mac);
        }
        self.dirty.entry(network).or_default().macs.insert(mac);
    }
}

// ===== impl Resolver: announcing =====

impl Resolver {
    fn announce(&self, id: NetworkId, dirty: &Dirty) -> Announcement {
        let none = Network::default();
        let network = self.networks.get(&id).unwrap_or(&none);
        let connected = || network.gateways.keys().filter_map(|gateway| Some((*gateway, self.gateways.get(gateway)?)));
        let gateways = dirty.all.then(|| {
            let vteps = |(gateway, known): (GatewayId, &Known)| GatewayVteps {
                id: gateway,
                number: known.number,
                switches: known.switches.clone(),
                flood: self.flood(id, network, gateway, known),
            };
            connected().map(vteps).collect()
        });
        let known = |mac: &MacAddr| (*mac, network.learned.get(mac).map_or(&[] as &[_], Vec::as_slice));
        let mut macs: Vec<_> = dirty.macs.iter().map(known).collect();
        if dirty.all {
            let all = network.learned.iter().filter(|(mac, _)| !dirty.macs.contains(mac));
            macs.extend(all.map(|(mac, sightings)| (*mac, sightings.as_slice())));
            // A twin that takes over has all of them: who takes them gets them in the order of his tables.
            macs.sort_unstable_by_key(|(mac, _)| *mac);
        }
        let resolve = |(mac, sightings)| (mac, self.resolve(id, network, mac, sightings));
        Announcement { network: id, gateways, macs: macs.into_iter().map(resolve).collect() }
    }

    /// The VTEPs that broadcasts for a gateway are sent to.
    fn flood(&self, id: NetworkId, network: &Network, gateway: GatewayId, known: &Known) -> Vec<Ipv4Addr> {
        if network.idle.contains(&gateway) {
            return Vec::new();
        }
        let switches: Vec<&str> = match (known.mode, network.elections.get(&gateway)) {
            (ActiveActive::Independent, _) => known.switches.iter().map(String::as_str).collect(),
            _ if known.switches.len() < 2 => known.switches.iter().map(String::as_str).collect(),
            (_, Some(election)) => election.forwarder.as_deref().into_iter().collect(),
            (ActiveActive::Lag, None) => forwarder_by_hash(id, &known.switches).into_iter().collect(),
            (ActiveActive::SingleActive, None) => Vec::new(),
        };
        // Twins that share one VTEP are one entry.
        let vteps: BTreeSet<Ipv4Addr> = switches.into_iter().filter_map(|switch| self.vtep(switch, id)).collect();
        vteps.into_iter().collect()
    }

    /// Where a switch is reached: as it says itself for the network's broadcasts, else the first of its `tunnel_ips`;
    /// never at several, or it would get each broadcast as often.
    fn vtep(&self, switch: &str, network: NetworkId) -> Option<Ipv4Addr> {
        let own = self.broadcasts.get(&(switch.to_owned(), network)).filter(|vteps| !vteps.is_empty());
        own.or_else(|| self.tunnel_ips.get(switch))?.first().copied()
    }

    /// How a MAC is reached. Of several gateways that have learned it the latest has it.
    fn resolve(&self, id: NetworkId, network: &Network, mac: MacAddr, sightings: &[Sighting]) -> Option<Announced> {
        let behind = |switch: &str| {
            let mut connected = network.gateways.keys().filter_map(|id| Some((*id, self.gateways.get(id)?)));
            connected.find(|(_, known)| known.switches.iter().any(|name| name == switch))
        };
        let placed = sightings.iter().filter_map(|sighting| Some((sighting, behind(&sighting.switch)?)));
        let (latest, (gateway, known)) = placed.max_by_key(|(sighting, _)| sighting.learned_ms)?;
        let own: Vec<&Sighting> =
            sightings.iter().filter(|sighting| known.switches.iter().any(|name| **name == *sighting.switch)).collect();
        let ips = own.iter().flat_map(|sighting| sighting.ips.as_slice()).copied().collect();
        let vtep = if known.mode == ActiveActive::Independent || known.switches.len() < 2 {
            latest.vtep
        } else {
            let election = network.elections.get(&gateway);
            let eligible = election.map_or(&*known.switches, |election| election.eligible.as_slice());
            let at: Vec<_> =
                own.iter().filter(|sighting| eligible.iter().any(|name| **name == *sighting.switch)).collect();
            match pick(&at, hash(mac)) {
                Some(sighting) => sighting.vtep,
                // Whoever learned it is cut off: its twin stands in.
                None => pick(eligible, hash(mac)).and_then(|twin| self.vtep(twin, id)).unwrap_or(latest.vtep),
            }
        };
        Some(Announced { mac, vtep, gateway: known.number, ips })
    }
}

/// The designated forwarder where nobody was elected yet.
pub(super) fn forwarder_by_hash(network: NetworkId, switches: &[String]) -> Option<&str> {
    pick(switches, network.0.as_u128()).map(String::as_str)
}

/// The same choice in every run and on every daemon.
fn pick<T>(of: &[T], hash: u128) -> Option<&T> {
    let count = u128::try_from(of.len()).ok().filter(|count| *count > 0)?;
    of.get(usize::try_from(hash % count).ok()?)
}

/// FNV-1a.
fn hash(mac: MacAddr) -> u128 {
    let step = |hash: u64, octet: u8| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    u128::from(mac.octets().into_iter().fold(0xcbf2_9ce4_8422_2325, step))
}
