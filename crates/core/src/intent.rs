//! The desired state in memory: what each switch should hold, built from the store's change feed.
//!
//! Pure: no I/O, no clock. It is indexed by network and by switch, so that a change costs work for what it touches:
//! the MACs of a network are held once, in chunks that all workers share ([`chunks`]).

mod announcer;
mod behind;
pub mod chunks;
mod claims;
mod network;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque, btree_map::Entry},
    sync::Arc,
};

pub use behind::{AllIps, Announced, Behind, GatewayVteps};
pub use network::{DesiredMac, HostNames, NetworkIntent, UnreachedHosts};

use crate::{
    model::{
        Binding, Change, ChangeSet, Connection, ConnectionId, MacAddr, NetworkId, RelayConfig, Revision, TOMBSTONES,
        Tombstone, VlanId, bindings,
    },
    topology::{Affected, Topology},
};
use announcer::Announcer;
use network::Networks;

/// What one switch (a device of gateways) should hold. Immutable: a change makes a new one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SwitchIntent {
    /// `Physical_Port.vlan_bindings`, by port and VLAN.
    pub bindings: BTreeMap<(String, VlanId), BoundNetwork>,
    /// Networks that want a VLAN of a port which another one has: they wait until it is free.
    pub rivals: BTreeMap<(String, VlanId), Vec<BoundNetwork>>,
    /// Networks that a connection brings to the switch, with or without a binding.
    pub networks: BTreeSet<NetworkId>,
    /// Networks whose going is explained.
    pub buried_networks: BTreeSet<NetworkId>,
    /// Bindings whose going is explained.
    pub buried_bindings: BTreeSet<(NetworkId, String, VlanId)>,
}

/// The network of a binding, and the connections that ask for it: a binding goes when the last of them goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundNetwork {
    /// The network.
    pub network: NetworkId,
    /// The connections; never empty.
    pub connections: Vec<ConnectionId>,
}

/// What became different for switches: the supervisor hands it to the workers.
#[derive(Debug, Clone)]
pub enum Update {
    /// The bindings of a switch; with the content of all networks that it carries.
    Switch {
        /// Name of the device.
        switch: String,
        /// What it should hold now.
        intent: Arc<SwitchIntent>,
        /// Its networks that are known.
        networks: Vec<Arc<NetworkIntent>>,
    },
    /// The content of a network, for the switches that carry it.
    Network {
        /// Names of the devices.
        switches: Arc<BTreeSet<String>>,
        /// What the network is now.
        network: Arc<NetworkIntent>,
        /// MACs whose rows changed; `None`: compare all.
        macs: Option<Arc<[MacAddr]>>,
    },
    /// Nothing is kept of a network any more.
    Gone(NetworkId),
}

/// The desired state of all switches.
#[derive(Debug, Default)]
pub struct Intent {
    topology: Topology,
    announcer: Announcer,
    revision: Revision,
    loaded: bool,
    /// Switches that the first load named.
    touched: BTreeSet<String>,
    networks: Networks,
    switches: HashMap<String, Arc<SwitchIntent>>,
    /// The switches that carry a network.
    carriers: HashMap<NetworkId, Arc<BTreeSet<String>>>,
    tombstones: VecDeque<(Revision, Tombstone)>,
    buried: HashMap<String, Buried>,
}

#[derive(Debug, Default)]
struct Buried {
    networks: BTreeSet<NetworkId>,
    bindings: BTreeSet<(NetworkId, String, VlanId)>,
}

// ===== impl Intent =====

impl Intent {
    /// Knows nothing yet. How the switches of a gateway share a network is the operator's to say.
    #[must_use]
    pub fn new(policy: Arc<RelayConfig>) -> Self {
        Self { topology: Topology::new(policy), ..Self::default() }
    }

    /// Gateways and what they are connected with.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Revision of the last change set.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The compute nodes behind each VTEP, by name: for people. Made from nothing each time.
    #[must_use]
    pub fn hosts_by_vtep(&self) -> HostNames {
        self.networks.hosts_by_vtep()
    }

    /// Whether the whole store was read: only then may anything be judged superfluous.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// The first load is complete. Returns everything, for every switch.
    pub fn loaded(&mut self, revision: Revision) -> Vec<Update> {
        self.revision = revision;
        self.loaded = true;
        let touched = std::mem::take(&mut self.touched);
        self.rebuild(&touched);
        self.updates(touched)
    }

    /// Keeps all networks from now on, those without a connection too. Returns what is new by that.
    pub fn keep_all(&mut self) -> Vec<Update> {
        self.networks.keep_all();
        if self.loaded { self.updates(BTreeSet::new()) } else { Vec::new() }
    }

    /// What this switch should hold, for a worker that starts now.
    #[must_use]
    pub fn switch(&self, name: &str) -> Update {
        self.switch_update(name.to_owned())
    }

    /// Takes one commit. Before the first load is complete nothing is returned.
    pub fn apply(&mut self, set: ChangeSet) -> Vec<Update> {
        self.revision = self.revision.max(set.revision);
        let mut affected = Affected::default();
        for change in &set.changes {
            self.topology.apply(change, &mut affected);
        }
        let announced = self.announcer.apply(&self.topology, &set.changes, &affected);
        let mut touched = std::mem::take(&mut self.touched);
        touched.append(&mut affected.switches);
        for tombstone in set.tombstones {
            self.bury(set.revision, tombstone, &mut touched);
        }
        for network in affected.connected {
            self.networks.connect(network, self.topology.has_connection(network));
        }
        for change in set.changes {
            self.apply_one(change);
        }
        for announcement in announced {
            self.networks.announce(announcement);
        }
        if !self.loaded {
            self.touched = touched;
            return Vec::new();
        }
        self.rebuild(&touched);
        self.updates(touched)
    }

    /// What became different in networks, and for these switches.
    fn updates(&mut self, touched: BTreeSet<String>) -> Vec<Update> {
        // Networks first: a switch's update carries them as they are now.
        let (mut updates, mut gone) = (Vec::new(), Vec::new());
        for (network, macs) in self.networks.publish(&mut gone) {
            let switches = self.carriers.get(&network.id).cloned().unwrap_or_default();
            updates.push(Update::Network { switches, network, macs });
        }
        updates.extend(gone.into_iter().map(Update::Gone));
        updates.extend(touched.into_iter().map(|name| self.switch_update(name)));
        updates
    }

    /// Revision of the last deletion whose explanation is still kept.
    #[must_use]
    pub fn last_tombstone(&self) -> Option<Revision> {
        self.tombstones.back().map(|(revision, _)| *revision)
    }

    /// Every database has confirmed this revision: explanations up to it have served.
    pub fn confirmed(&mut self, revision: Revision) {
        let served = self.tombstones.iter().take_while(|(of, _)| *of <= revision).count();
        if served == 0 {
            return;
        }
        let mut served: HashSet<Tombstone> = self.tombstones.drain(..served).map(|(_, tombstone)| tombstone).collect();
        // What came back and was deleted again has a later explanation, which has not.
        for (_, later) in &self.tombstones {
            served.remove(later);
        }
        for tombstone in served {
            self.forget(tombstone);
        }
        self.buried.retain(|_, buried| !buried.networks.is_empty() || !buried.bindings.is_empty());
    }

    fn forget(&mut self, tombstone: Tombstone) {
        match tombstone {
            Tombstone::Mac { network, mac } => self.networks.unbury(network, mac),
            Tombstone::Network { network, switch } => {
                self.buried.entry(switch).or_default().networks.remove(&network);
            }
            Tombstone::Binding { network, binding } => {
                let buried = self.buried.entry(binding.switch).or_default();
                buried.bindings.remove(&(network, binding.port, binding.vlan));
            }
        }
    }

    fn bury(&mut self, revision: Revision, tombstone: Tombstone, touched: &mut BTreeSet<String>) {
        match &tombstone {
            Tombstone::Mac { network, mac } => self.networks.bury(*network, *mac),
            Tombstone::Network { network, switch } => {
                self.buried.entry(switch.clone()).or_default().networks.insert(*network);
                touched.insert(switch.clone());
            }
            Tombstone::Binding { network, binding } => {
                let buried = self.buried.entry(binding.switch.clone()).or_default();
                buried.bindings.insert((*network, binding.port.clone(), binding.vlan));
                touched.insert(binding.switch.clone());
            }
        }
        // Some database has confirmed nothing for a million deletions: what isn't explained any more, the guard looks at.
        if self.tombstones.len() >= TOMBSTONES
            && let Some((_, oldest)) = self.tombstones.pop_front()
        {
            self.forget(oldest);
        }
        self.tombstones.push_back((revision, tombstone));
    }

    fn apply_one(&mut self, change: Change) {
        match change {
            Change::NetworkSet(network) => self.networks.set(network),
            Change::NetworkRemoved(id) => self.networks.remove(id),
            Change::PortSet(port) => self.networks.set_port(&port),
            Change::PortRemoved(id) => self.networks.remove_port(id),
            Change::EndpointSet(endpoint) => self.networks.set_endpoint(&endpoint.host, Some(endpoint.ip)),
            Change::EndpointRemoved(host) => self.networks.set_endpoint(&host, None),
            // The topology and the announcer take these.
            Change::GatewaySet(_)
            | Change::GatewayRemoved(_)
            | Change::ConnectionSet(_)
            | Change::ConnectionRemoved(_)
            | Change::ElectionSet(_)
            | Change::ElectionRemoved(..)
            | Change::VtepsSet(_)
            | Change::LearnedSet(_)
            | Change::LearnedRemoved { .. }
            | Change::IdleSet(_)
            | Change::IdleRemoved(..) => {}
        }
    }

    /// Makes the intents of these switches again, from the gateways that name them.
    fn rebuild(&mut self, touched: &BTreeSet<String>) {
        let mut made: BTreeMap<String, SwitchIntent> =
            touched.iter().map(|name| (name.clone(), SwitchIntent::default())).collect();
        let gateways: BTreeSet<_> = touched.iter().flat_map(|name| self.topology.gateways_of_switch(name)).collect();
        for id in gateways {
            let Some(gateway) = self.topology.gateway(id) else { continue };
            for (_, network) in self.topology.pairs_of(id) {
                for device in &gateway.devices {
                    if let Some(intent) = made.get_mut(&device.name) {
                        intent.networks.insert(network);
                    }
                }
            }
            let mut connections: Vec<_> =
                self.topology.pairs_of(id).flat_map(|pair| self.topology.connections(pair)).collect();
            connections.sort_unstable_by_key(|connection| connection.id);
            for connection in connections {
                let Some(roles) = self.topology.roles((id, connection.network_id)) else { continue };
                for binding in bindings(gateway, connection) {
                    if let Some(intent) = made.get_mut(&binding.switch)
                        && roles.binds(&binding.switch)
                    {
                        intent.bind(binding, connection);
                    }
                }
            }
        }
        for (name, mut intent) in made {
            if let Some(buried) = self.buried.get(&name) {
                intent.buried_networks.clone_from(&buried.networks);
                intent.buried_bindings.clone_from(&buried.bindings);
            }
            self.replace(&name, intent);
        }
    }

    fn switch_update(&self, switch: String) -> Update {
        let intent = self.switches.get(&switch).cloned().unwrap_or_default();
        let networks = intent.networks.iter().filter_map(|id| self.networks.intent(*id)).collect();
        Update::Switch { switch, intent, networks }
    }

    /// Replaces the intent of a switch, and keeps the index of which switches carry a network.
    fn replace(&mut self, name: &str, intent: SwitchIntent) {
        let old = self.switches.get(name).cloned().unwrap_or_default();
        for gone in old.networks.difference(&intent.networks) {
            if let Some(carriers) = self.carriers.get_mut(gone) {
                Arc::make_mut(carriers).remove(name);
                if carriers.is_empty() {
                    self.carriers.remove(gone);
                }
            }
        }
        for new in intent.networks.difference(&old.networks) {
            Arc::make_mut(self.carriers.entry(*new).or_default()).insert(name.to_owned());
        }
        // A switch that no gateway names any more, and that nothing is left to explain for, is forgotten.
        if intent == SwitchIntent::default() {
            self.switches.remove(name);
        } else {
            self.switches.insert(name.to_owned(), Arc::new(intent));
        }
    }
}

// ===== impl SwitchIntent =====

impl SwitchIntent {
    /// The networks that want a VLAN of a port.
    pub fn wanting(&self, of: &(String, VlanId)) -> impl Iterator<Item = NetworkId> {
        let rivals = self.rivals.get(of).into_iter().flatten();
        self.bindings.get(of).into_iter().chain(rivals).map(|bound| bound.network)
    }

    /// Whether the same networks want a VLAN of a port in both.
    #[must_use]
    pub fn wants_same(&self, other: &Self, of: &(String, VlanId)) -> bool {
        self.wanting(of).eq(other.wanting(of))
    }

    fn bind(&mut self, binding: Binding, connection: &Connection) {
        // Two networks on one VLAN of a port are refused by the service; should they meet all the same (one had no segment
        // for a while), the lower gateway and connection have it, whichever way the rows were read.
        let network = connection.network_id;
        let bound = match self.bindings.entry((binding.port, binding.vlan)) {
            Entry::Vacant(free) => free.insert(BoundNetwork { network, connections: Vec::new() }),
            Entry::Occupied(bound) if bound.get().network == network => bound.into_mut(),
            Entry::Occupied(other) => {
                let rivals = self.rivals.entry(other.key().clone()).or_default();
                let known = rivals.iter().position(|rival| rival.network == network).unwrap_or_else(|| {
                    rivals.push(BoundNetwork { network, connections: Vec::new() });
                    rivals.len() - 1
                });
                &mut rivals[known]
            }
        };
        bound.connections.push(connection.id);
    }
}

#[cfg(test)]
mod tests;
