//! Gateways, the networks that they are connected with, who is elected, and where switches are reached: the one fold of
//! the store's feed that knows how these hang together. Pure.
//!
//! [`Topology::apply`] takes a change and answers what it affects ([`Affected`]): bindings of switches, what is announced
//! of networks, what has to be decided about a gateway on a network. The desired state and the relay begin from there.
//! What an election means for a switch stands in [`Roles`].

mod roles;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::Ipv4Addr,
    sync::Arc,
};

pub use roles::{Roles, forwarder_by_hash, pick};

use crate::model::{
    ActiveActive, Change, Connection, ConnectionId, Election, Gateway, GatewayConfig, GatewayId, Idle, NetworkId,
    RelayConfig, SwitchVteps, is_vtep,
};

/// A gateway on a network.
pub type Pair = (GatewayId, NetworkId);

/// What changes affect.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Affected {
    /// Switches whose bindings or networks may be different.
    pub switches: BTreeSet<String>,
    /// Networks that a connection came to, or left.
    pub connected: BTreeSet<NetworkId>,
    /// Networks whose flood lists and announced MACs may be different.
    pub announced: BTreeSet<NetworkId>,
    /// Gateways on networks of which it may have to be decided anew who is elected, or whether they are idle.
    pub pairs: BTreeSet<Pair>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Topology {
    policy: Arc<RelayConfig>,
    /// Sorted, so that nothing that is made of them depends on the order in which they were read.
    gateways: BTreeMap<GatewayId, Member>,
    connections: HashMap<ConnectionId, Connection>,
    /// The connections of each gateway on each network.
    pairs: BTreeMap<Pair, BTreeSet<ConnectionId>>,
    of_network: HashMap<NetworkId, BTreeSet<GatewayId>>,
    of_switch: HashMap<String, BTreeSet<GatewayId>>,
    elections: HashMap<Pair, Election>,
    idle: HashMap<Pair, Idle>,
    /// `Physical_Switch.tunnel_ips`.
    tunnel_ips: HashMap<String, Vec<Ipv4Addr>>,
    /// Where a switch wants the broadcasts of a network.
    broadcasts: HashMap<(String, NetworkId), Vec<Ipv4Addr>>,
    /// Numbers of segments: they last as long as the daemon runs.
    numbers: HashMap<(GatewayId, Option<String>), u32>,
}

/// A gateway, and what follows from it.
#[derive(Debug)]
struct Member {
    gateway: Gateway,
    config: GatewayConfig,
    /// Names of its devices, sorted.
    switches: Arc<[String]>,
    segments: Vec<Segment>,
}

/// Switches with one L2 segment behind them: those of a gateway, or in `independent` each by itself. What is behind a
/// segment is not announced to its own switches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// A number for it, the same for as long as the daemon runs.
    pub number: u32,
    /// Names of its devices, sorted.
    pub switches: Arc<[String]>,
}

// ===== impl Topology: the fold =====

impl Topology {
    /// Knows nothing yet. How the switches of a gateway share a network is the operator's to say.
    #[must_use]
    pub fn new(policy: Arc<RelayConfig>) -> Self {
        Self { policy, ..Self::default() }
    }

    /// Takes a change, and adds what it affects.
    pub fn apply(&mut self, change: &Change, affected: &mut Affected) {
        match change {
            Change::GatewaySet(gateway) => {
                self.affect_gateway(gateway.id, affected);
                self.set_gateway(gateway);
                self.affect_gateway(gateway.id, affected);
            }
            Change::GatewayRemoved(id) => {
                self.affect_gateway(*id, affected);
                self.remove_gateway(*id);
            }
            Change::ConnectionSet(connection) => {
                self.disconnect(connection.id, affected);
                self.connect(connection);
                self.affect_connection((connection.gateway_id, connection.network_id), affected);
            }
            Change::ConnectionRemoved(id) => self.disconnect(*id, affected),
            Change::ElectionSet(election) => {
                let pair = (election.gateway, election.network);
                self.elections.insert(pair, election.clone());
                self.affect_election(pair, affected);
            }
            Change::ElectionRemoved(gateway, network) => {
                self.elections.remove(&(*gateway, *network));
                self.affect_election((*gateway, *network), affected);
            }
            Change::IdleSet(idle) => {
                let pair = (idle.gateway, idle.network);
                let had_left = self.idle.insert(pair, *idle).is_some_and(|before| before.left);
                affected.announced.extend((had_left != idle.left).then_some(pair.1));
                affected.pairs.insert(pair);
            }
            Change::IdleRemoved(gateway, network) => {
                let pair = (*gateway, *network);
                let had_left = self.idle.remove(&pair).is_some_and(|before| before.left);
                affected.announced.extend(had_left.then_some(pair.1));
                affected.pairs.insert(pair);
            }
            Change::VtepsSet(row) => self.set_vteps(row, affected),
            // These say nothing of gateways.
            Change::NetworkSet(_)
            | Change::NetworkRemoved(_)
            | Change::PortSet(_)
            | Change::PortRemoved(_)
            | Change::EndpointSet(_)
            | Change::EndpointRemoved(_)
            | Change::LearnedSet(_)
            | Change::LearnedRemoved { .. } => {}
        }
    }

    fn set_gateway(&mut self, gateway: &Gateway) {
        self.remove_gateway(gateway.id);
        let mut switches: Vec<String> = gateway.devices.iter().map(|device| device.name.clone()).collect();
        switches.sort_unstable();
        for switch in &switches {
            self.of_switch.entry(switch.clone()).or_default().insert(gateway.id);
        }
        let config = self.policy.gateway(&gateway.name);
        let segments = if config.active_active == ActiveActive::Independent {
            switches.iter().map(|name| self.segment(gateway.id, Some(name), [name.clone()].into())).collect()
        } else {
            vec![self.segment(gateway.id, None, switches.as_slice().into())]
        };
        let member = Member { gateway: gateway.clone(), config, switches: switches.into(), segments };
        self.gateways.insert(gateway.id, member);
    }

    fn segment(&mut self, gateway: GatewayId, of: Option<&String>, switches: Arc<[String]>) -> Segment {
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        Segment { number: *self.numbers.entry((gateway, of.cloned())).or_insert(next), switches }
    }

    fn remove_gateway(&mut self, id: GatewayId) {
        let Some(old) = self.gateways.remove(&id) else { return };
        for switch in &*old.switches {
            if let Some(gateways) = self.of_switch.get_mut(switch) {
                gateways.remove(&id);
                if gateways.is_empty() {
                    self.of_switch.remove(switch);
                }
            }
        }
    }

    fn connect(&mut self, connection: &Connection) {
        let pair = (connection.gateway_id, connection.network_id);
        self.pairs.entry(pair).or_default().insert(connection.id);
        self.of_network.entry(pair.1).or_default().insert(pair.0);
        self.connections.insert(connection.id, connection.clone());
    }

    fn disconnect(&mut self, id: ConnectionId, affected: &mut Affected) {
        let Some(old) = self.connections.remove(&id) else { return };
        let pair = (old.gateway_id, old.network_id);
        if let Some(connections) = self.pairs.get_mut(&pair) {
            connections.remove(&id);
            if connections.is_empty() {
                self.pairs.remove(&pair);
                if let Some(gateways) = self.of_network.get_mut(&pair.1) {
                    gateways.remove(&pair.0);
                    if gateways.is_empty() {
                        self.of_network.remove(&pair.1);
                    }
                }
            }
        }
        self.affect_connection(pair, affected);
    }

    fn set_vteps(&mut self, row: &SwitchVteps, affected: &mut Affected) {
        // A store of an earlier version may hold what no longer counts.
        let vteps: Vec<Ipv4Addr> = row.vteps.iter().copied().filter(|vtep| is_vtep(*vtep)).collect();
        if let Some(network) = row.network {
            let key = (row.switch.clone(), network);
            if vteps.is_empty() {
                self.broadcasts.remove(&key)
            } else {
                self.broadcasts.insert(key, vteps)
            };
            affected.announced.insert(network);
        } else {
            let key = row.switch.clone();
            if vteps.is_empty() {
                self.tunnel_ips.remove(&key)
            } else {
                self.tunnel_ips.insert(key, vteps)
            };
            affected.announced.extend(self.networks_of_switch(&row.switch));
        }
    }
}

// ===== impl Topology: what is affected =====

impl Topology {
    fn affect_gateway(&self, id: GatewayId, affected: &mut Affected) {
        self.affect_switches(id, affected);
        for pair in self.pairs_of(id) {
            affected.announced.insert(pair.1);
            affected.pairs.insert(pair);
        }
    }

    fn affect_switches(&self, id: GatewayId, affected: &mut Affected) {
        affected.switches.extend(self.gateways.get(&id).iter().flat_map(|member| member.switches.iter().cloned()));
    }

    fn affect_connection(&self, pair: Pair, affected: &mut Affected) {
        self.affect_switches(pair.0, affected);
        affected.connected.insert(pair.1);
        affected.announced.insert(pair.1);
        affected.pairs.insert(pair);
    }

    fn affect_election(&self, pair: Pair, affected: &mut Affected) {
        if self.roles(pair).is_some_and(|roles| roles.binds_one()) {
            self.affect_switches(pair.0, affected);
        }
        affected.announced.insert(pair.1);
        affected.pairs.insert(pair);
    }
}

// ===== impl Topology: reading =====

impl Topology {
    /// A gateway.
    #[must_use]
    pub fn gateway(&self, id: GatewayId) -> Option<&Gateway> {
        self.gateways.get(&id).map(|member| &member.gateway)
    }

    /// What holds for a gateway.
    #[must_use]
    pub fn config(&self, id: GatewayId) -> GatewayConfig {
        self.gateways.get(&id).map_or(self.policy.common, |member| member.config)
    }

    /// Names of a gateway's devices, sorted.
    #[must_use]
    pub fn switches(&self, id: GatewayId) -> &[String] {
        self.gateways.get(&id).map_or(&[], |member| &member.switches)
    }

    /// The segments of a gateway.
    #[must_use]
    pub fn segments(&self, id: GatewayId) -> &[Segment] {
        self.gateways.get(&id).map_or(&[], |member| &member.segments)
    }

    /// The gateways that a switch is a device of, sorted.
    pub fn gateways_of_switch(&self, switch: &str) -> impl Iterator<Item = GatewayId> {
        self.of_switch.get(switch).into_iter().flatten().copied()
    }

    /// The gateways that are connected with a network and exist, sorted.
    pub fn gateways_on(&self, network: NetworkId) -> impl Iterator<Item = GatewayId> {
        let connected = self.of_network.get(&network).into_iter().flatten().copied();
        connected.filter(|id| self.gateways.contains_key(id))
    }

    /// The networks that a gateway is connected with.
    pub fn pairs_of(&self, gateway: GatewayId) -> impl Iterator<Item = Pair> {
        let first = (gateway, NetworkId(uuid::Uuid::nil()));
        self.pairs.range(first..).map(|(pair, _)| *pair).take_while(move |(id, _)| *id == gateway)
    }

    /// The networks that some gateway brings to a switch.
    pub fn networks_of_switch(&self, switch: &str) -> impl Iterator<Item = NetworkId> {
        self.gateways_of_switch(switch).flat_map(|id| self.pairs_of(id)).map(|(_, network)| network)
    }

    /// Whether a gateway that exists is connected with the network.
    #[must_use]
    pub fn is_connected(&self, (gateway, network): Pair) -> bool {
        self.gateways.contains_key(&gateway) && self.pairs.contains_key(&(gateway, network))
    }

    /// Whether a connection asks for the network.
    #[must_use]
    pub fn has_connection(&self, network: NetworkId) -> bool {
        self.of_network.contains_key(&network)
    }

    /// The connections of a gateway with a network, sorted.
    pub fn connections(&self, pair: Pair) -> impl Iterator<Item = &Connection> {
        self.pairs.get(&pair).into_iter().flatten().filter_map(|id| self.connections.get(id))
    }

    /// Who was elected.
    #[must_use]
    pub fn election(&self, pair: Pair) -> Option<&Election> {
        self.elections.get(&pair)
    }

    /// All elections.
    pub fn elections(&self) -> impl Iterator<Item = &Election> {
        self.elections.values()
    }

    /// Since when the gateway has had no learned MAC on the network; `None`: it has some, or never had any.
    #[must_use]
    pub fn idle(&self, pair: Pair) -> Option<&Idle> {
        self.idle.get(&pair)
    }

    /// What the switches of a gateway are to a network; `None`: the gateway doesn't exist.
    #[must_use]
    pub fn roles(&self, pair: Pair) -> Option<Roles<'_>> {
        let member = self.gateways.get(&pair.0)?;
        Some(Roles {
            mode: member.config.active_active,
            network: pair.1,
            switches: &member.switches,
            election: self.elections.get(&pair),
        })
    }

    /// `tunnel_ips` of a switch, sorted.
    #[must_use]
    pub fn tunnel_ips(&self, switch: &str) -> &[Ipv4Addr] {
        self.tunnel_ips.get(switch).map_or(&[], Vec::as_slice)
    }

    /// Where a switch wants the broadcasts of a network, sorted; empty: it says nothing of it.
    #[must_use]
    pub fn broadcasts(&self, switch: &str, network: NetworkId) -> &[Ipv4Addr] {
        self.broadcasts.get(&(switch.to_owned(), network)).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests;
