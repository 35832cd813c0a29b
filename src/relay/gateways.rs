//! Gateways, the networks that they are connected with, and how their switches stand: who is elected, and who has been
//! without a learned MAC for how long. Pure: the caller brings the time.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use super::{
    election::{Question, Standing},
    handover::Handovers,
};
use crate::{
    config::{ActiveActive, RelayConfig},
    model::{
        Binding, Change, Connection, ConnectionId, Election, Gateway, GatewayId, Idle, NetworkId, Tombstone, bindings,
    },
};

/// A session that is lost for less than this, isn't.
const GRACE_MS: u64 = 1000;
/// After a start, elections stay as they are until both twins have reported, or for so long.
const SETTLE_MS: u64 = 30_000;

/// A gateway on a network.
pub(super) type Pair = (GatewayId, NetworkId);

/// A port of a switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortState {
    /// `Physical_Switch.name`.
    pub switch: Arc<str>,
    /// `Physical_Port.name`.
    pub port: String,
    /// It is there and reports no fault.
    pub fit: bool,
    /// Networks that it is bound to.
    pub networks: Vec<NetworkId>,
}

/// What has to be written of a gateway on a network.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// Somebody was elected; bindings go and come by that.
    Elected(Election, Vec<Tombstone>, Vec<Tombstone>),
    /// Nobody needs to be elected any more.
    NoElection(Pair),
    /// It has lost its last MAC, or has been without for long enough.
    Idle(Idle),
    /// It isn't idle any more.
    Busy(Pair),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Gateways {
    policy: Arc<RelayConfig>,
    started_ms: u64,
    known: HashMap<GatewayId, Gateway>,
    connections: HashMap<ConnectionId, Connection>,
    /// Connections of each gateway on each network.
    pairs: BTreeMap<Pair, BTreeSet<ConnectionId>>,
    elections: HashMap<Pair, Election>,
    idle: HashMap<Pair, Idle>,
    /// Since when each of these is, by the monotonic clock. A restart begins again: the calendar may be wrong by then.
    idle_since: HashMap<Pair, u64>,
    sessions: HashMap<Arc<str>, Session>,
    ports: HashMap<Arc<str>, HashMap<String, PortState>>,
    /// Ports that were told of in a session that hasn't told all yet.
    fresh: HashMap<Arc<str>, HashSet<String>>,
    handovers: Handovers,
    /// What may have to be decided anew.
    dirty: BTreeSet<Pair>,
    /// What may have to be at a time.
    waiting: BTreeSet<(u64, Pair)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Session {
    up: bool,
    /// When it was lost.
    lost_ms: Option<u64>,
    /// Its MACs were withdrawn for that.
    expired: bool,
    /// It has reported since the start.
    reported: bool,
}

// ===== impl Gateways: what is known =====

impl Gateways {
    pub(super) fn new(policy: Arc<RelayConfig>, now_ms: u64) -> Self {
        Self {
            policy,
            started_ms: now_ms,
            known: HashMap::new(),
            connections: HashMap::new(),
            pairs: BTreeMap::new(),
            elections: HashMap::new(),
            idle: HashMap::new(),
            idle_since: HashMap::new(),
            sessions: HashMap::new(),
            ports: HashMap::new(),
            fresh: HashMap::new(),
            handovers: Handovers::default(),
            dirty: BTreeSet::new(),
            waiting: BTreeSet::new(),
        }
    }

    /// Takes a change of the store.
    pub(super) fn follow(&mut self, change: Change) {
        match change {
            Change::GatewaySet(gateway) => {
                self.touch_gateway(gateway.id);
                self.known.insert(gateway.id, gateway);
            }
            Change::GatewayRemoved(id) => {
                self.known.remove(&id);
            }
            Change::ConnectionSet(connection) => {
                self.disconnect(connection.id);
                let pair = (connection.gateway_id, connection.network_id);
                self.pairs.entry(pair).or_default().insert(connection.id);
                self.connections.insert(connection.id, connection);
                self.dirty.insert(pair);
            }
            Change::ConnectionRemoved(id) => self.disconnect(id),
            Change::ElectionSet(election) => {
                let pair = (election.gateway, election.network);
                self.elections.insert(pair, election);
                self.dirty.insert(pair);
            }
            Change::ElectionRemoved(gateway, network) => {
                self.elections.remove(&(gateway, network));
            }
            Change::IdleSet(idle) => {
                let pair = (idle.gateway, idle.network);
                self.idle.insert(pair, idle);
                self.idle_since.entry(pair).or_insert(self.started_ms);
                self.dirty.insert(pair);
            }
            Change::IdleRemoved(gateway, network) => {
                self.idle.remove(&(gateway, network));
                self.idle_since.remove(&(gateway, network));
            }
            _ => {}
        }
    }

    fn disconnect(&mut self, id: ConnectionId) {
        let Some(old) = self.connections.remove(&id) else { return };
        let pair = (old.gateway_id, old.network_id);
        if let Some(connections) = self.pairs.get_mut(&pair) {
            connections.remove(&id);
            if connections.is_empty() {
                self.pairs.remove(&pair);
            }
        }
        self.dirty.insert(pair);
    }

    fn touch_gateway(&mut self, id: GatewayId) {
        let none = NetworkId(uuid::Uuid::nil());
        let pairs = self.pairs.range((id, none)..).map(|(pair, _)| *pair).take_while(|(gateway, _)| *gateway == id);
        self.dirty.extend(pairs);
    }

    fn touch_switch(&mut self, switch: &str) {
        let has = |gateway: &&Gateway| gateway.devices.iter().any(|device| device.name == switch);
        for id in self.known.values().filter(has).map(|gateway| gateway.id).collect::<Vec<_>>() {
            self.touch_gateway(id);
        }
    }

    /// The gateways that bring the network to this switch.
    pub(super) fn touch_learned(&mut self, switch: &str, network: NetworkId) {
        let has = |gateway: &&Gateway| gateway.devices.iter().any(|device| device.name == switch);
        let pairs = self.known.values().filter(has).map(|gateway| (gateway.id, network));
        self.dirty.extend(pairs.filter(|pair| self.pairs.contains_key(pair)));
    }

    /// A session with these switches begins: it will tell of all ports.
    pub(super) fn begin(&mut self, switches: &[Arc<str>]) {
        for switch in switches {
            self.fresh.insert(switch.clone(), HashSet::new());
        }
    }

    /// It has told all.
    pub(super) fn complete(&mut self, switches: &[Arc<str>], now_ms: u64) {
        for switch in switches {
            let fresh = self.fresh.remove(switch).unwrap_or_default();
            let ports = self.ports.entry(switch.clone()).or_default();
            for (_, gone) in ports.extract_if(|port, _| !fresh.contains(port)) {
                gone.networks.iter().for_each(|network| self.handovers.see(switch, *network, now_ms));
            }
            self.sessions.insert(switch.clone(), Session { up: true, reported: true, ..Session::default() });
            self.touch_switch(switch);
        }
    }

    /// It is lost, and nothing was heard since then.
    pub(super) fn lost(&mut self, switches: &[Arc<str>], since_ms: u64) {
        for switch in switches {
            let session = self.sessions.entry(switch.clone()).or_default();
            session.up = false;
            session.lost_ms.get_or_insert(since_ms);
            self.touch_switch(switch);
        }
    }

    /// A port, as it is now.
    pub(super) fn port(&mut self, state: PortState, now_ms: u64) {
        let switch = state.switch.clone();
        if let Some(fresh) = self.fresh.get_mut(&switch) {
            fresh.insert(state.port.clone());
        }
        let ports = self.ports.entry(switch.clone()).or_default();
        let (fit, networks) = (state.fit, state.networks.iter().copied().collect::<BTreeSet<_>>());
        let old = ports.insert(state.port.clone(), state);
        let before: BTreeSet<_> = old.iter().flat_map(|old| old.networks.iter().copied()).collect();
        before.difference(&networks).for_each(|network| self.handovers.see(&switch, *network, now_ms));
        match old {
            Some(old) if old.fit == fit => {
                for network in before.symmetric_difference(&networks) {
                    self.touch_learned(&switch, *network);
                }
            }
            _ => self.touch_switch(&switch),
        }
    }

    /// Switches that have been away for longer than `learned_hold`, each once.
    pub(super) fn expired(&mut self, now_ms: u64) -> Vec<Arc<str>> {
        let hold = milliseconds(self.policy.learned_hold);
        if hold == 0 {
            return Vec::new();
        }
        let is_due = |session: &Session| !session.expired && session.lost_ms.is_some_and(|lost| now_ms >= lost + hold);
        let due = self.sessions.iter_mut().filter(|(_, session)| is_due(session));
        due.map(|(name, session)| {
            session.expired = true;
            name.clone()
        })
        .collect()
    }

    /// These switches have learned MACs in the store; those that never come back are away since the start.
    pub(super) fn remember(&mut self, switch: &str) {
        if !self.sessions.contains_key(switch) {
            let away = Session { lost_ms: Some(self.started_ms), ..Session::default() };
            self.sessions.insert(switch.into(), away);
        }
    }
}

// ===== impl Gateways: what follows =====

impl Gateways {
    /// Decides anew what may have become different. `has_learned`: whether a switch has a MAC on a network.
    pub(super) fn decide(&mut self, now_ms: u64, has_learned: impl Fn(&str, NetworkId) -> bool) -> Vec<Verdict> {
        while let Some((at, pair)) = self.waiting.first().copied()
            && at <= now_ms
        {
            self.waiting.pop_first();
            self.dirty.insert(pair);
        }
        let waiting = || {
            let unserved = self.elections.iter().filter(|(_, election)| election.forwarder.is_none());
            unserved.map(|((_, network), _)| *network).collect()
        };
        self.handovers.forget(milliseconds(self.policy.longest_handover()), now_ms, waiting);
        let mut verdicts = Vec::new();
        for pair in std::mem::take(&mut self.dirty) {
            self.elect(pair, now_ms, &mut verdicts);
            self.judge_idle(pair, now_ms, &has_learned, &mut verdicts);
            let waits: Vec<_> = self.waits(pair, now_ms).map(|at| (at, pair)).collect();
            self.waiting.extend(waits);
        }
        verdicts
    }

    /// When time alone may change something of a pair.
    fn waits(&self, pair: Pair, now_ms: u64) -> impl Iterator<Item = u64> {
        let hold = milliseconds(self.policy.idle_flood_hold);
        let idle = self.idle.get(&pair).filter(|idle| !idle.left && hold > 0);
        let idle = idle.and_then(|_| self.idle_since.get(&pair)).map(|since| since.saturating_add(hold));
        let gateway = self.known.get(&pair.0).filter(|_| self.pairs.contains_key(&pair));
        let devices = gateway.map(|gateway| gateway.devices.as_slice()).filter(|devices| devices.len() > 1);
        let sessions = devices.unwrap_or_default().iter().filter_map(|device| self.sessions.get(device.name.as_str()));
        let grace = sessions.filter_map(|session| session.lost_ms).map(|lost| lost + GRACE_MS).max();
        let started = devices.map(|_| self.started_ms);
        let settled = started.map(|at| at + SETTLE_MS);
        let hold = gateway.map_or(0, |gateway| milliseconds(self.policy.gateway(&gateway.name).handover_hold));
        let let_go = devices.unwrap_or_default().iter();
        let let_go = let_go.filter_map(move |device| self.handovers.until(&device.name, pair.1, hold));
        let times = [idle, grace, settled, started.map(|at| at + hold)].into_iter().flatten();
        times.chain(let_go).filter(move |at| *at > now_ms)
    }

    /// When time alone may change something.
    pub(super) fn next_ms(&self) -> Option<u64> {
        let hold = milliseconds(self.policy.learned_hold);
        let away = self.sessions.values().filter(|session| hold > 0 && !session.expired);
        let expiry = away.filter_map(|session| session.lost_ms).map(|lost| lost.saturating_add(hold)).min();
        let waiting = self.waiting.first().map(|(at, _)| *at);
        let now = self.dirty.first().map(|_| 0);
        [expiry, waiting, now].into_iter().flatten().min()
    }

    fn elect(&mut self, pair: Pair, now_ms: u64, verdicts: &mut Vec<Verdict>) {
        let gateway = self.known.get(&pair.0).filter(|_| self.pairs.contains_key(&pair));
        let answer = gateway.and_then(|gateway| {
            let mut switches: Vec<String> = gateway.devices.iter().map(|device| device.name.clone()).collect();
            switches.sort_unstable();
            let session = |name: &String| self.sessions.get(name.as_str()).copied().unwrap_or_default();
            let config = self.policy.gateway(&gateway.name);
            let settled = now_ms >= self.started_ms + SETTLE_MS || switches.iter().all(|name| session(name).reported);
            let question = Question {
                gateway: pair.0,
                network: pair.1,
                config,
                switches: &switches,
                settled,
                young: now_ms < self.started_ms + milliseconds(config.handover_hold),
                current: self.elections.get(&pair),
            };
            question.answer(|name| self.standing(gateway, pair.1, name, now_ms))
        });
        match answer {
            Some(election) if self.elections.get(&pair) != Some(&election) => {
                let (gone, back) = self.rebound(&election);
                let old = self.elections.get(&pair).and_then(|old| old.forwarder.as_deref());
                let new = election.forwarder.as_deref();
                if old != new {
                    if let Some(old) = old {
                        self.handovers.ask(old, pair.1, now_ms);
                    }
                    if let Some(new) = new {
                        self.handovers.end(new, pair.1);
                    }
                }
                self.elections.insert(pair, election.clone());
                verdicts.push(Verdict::Elected(election, gone, back));
            }
            None if self.elections.remove(&pair).is_some() => verdicts.push(Verdict::NoElection(pair)),
            _ => {}
        }
    }

    fn standing(&self, gateway: &Gateway, network: NetworkId, name: &str, now_ms: u64) -> Standing {
        let session = self.sessions.get(name).copied().unwrap_or_default();
        let reachable = session.up || session.lost_ms.is_some_and(|lost| session.reported && now_ms < lost + GRACE_MS);
        let device = gateway.devices.iter().find(|device| device.name == name);
        let known = self.ports.get(name);
        let interfaces = device.into_iter().flat_map(|device| &device.interfaces);
        let ports = || interfaces.clone().filter_map(|interface| known?.get(&interface.name));
        let bound = ports().any(|port| port.networks.contains(&network));
        let hold = milliseconds(self.policy.gateway(&gateway.name).handover_hold);
        let may_forward = self.handovers.until(name, network, hold).is_some_and(|until| now_ms < until);
        let released = !bound && self.handovers.is_seen(name, network);
        Standing { reachable, fit: ports().any(|port| port.fit), bound, forwards: bound || may_forward, released }
    }

    /// Bindings that go and come because another switch is elected; only in `single-active` any do.
    fn rebound(&self, new: &Election) -> (Vec<Tombstone>, Vec<Tombstone>) {
        let pair = (new.gateway, new.network);
        let old = self.elections.get(&pair).and_then(|old| old.forwarder.as_deref());
        let Some(gateway) = self.known.get(&pair.0) else { return Default::default() };
        let alone = self.policy.gateway(&gateway.name).active_active == ActiveActive::SingleActive;
        if !alone || old == new.forwarder.as_deref() {
            return Default::default();
        }
        let connections = self.pairs.get(&pair).into_iter().flatten().filter_map(|id| self.connections.get(id));
        let all: BTreeSet<Binding> = connections.flat_map(|connection| bindings(gateway, connection)).collect();
        let tombstone = |binding: Binding| Tombstone::Binding { network: pair.1, binding };
        let of = |name: &str, is: bool| {
            let chosen = all.iter().filter(|binding| (binding.switch == name) == is).cloned();
            chosen.map(tombstone).collect::<Vec<_>>()
        };
        let winner = new.forwarder.as_deref().unwrap_or_default();
        (of(winner, false), of(winner, true))
    }

    fn judge_idle(
        &mut self,
        pair: Pair,
        now_ms: u64,
        has_learned: &impl Fn(&str, NetworkId) -> bool,
        verdicts: &mut Vec<Verdict>,
    ) {
        let gateway = self.known.get(&pair.0).filter(|_| self.pairs.contains_key(&pair));
        let Some(gateway) = gateway else {
            self.idle_since.remove(&pair);
            if self.idle.remove(&pair).is_some() {
                verdicts.push(Verdict::Busy(pair));
            }
            return;
        };
        let has_any = gateway.devices.iter().any(|device| has_learned(&device.name, pair.1));
        let Some(idle) = self.idle.get_mut(&pair) else { return };
        if has_any {
            self.idle.remove(&pair);
            self.idle_since.remove(&pair);
            return verdicts.push(Verdict::Busy(pair));
        }
        let hold = milliseconds(self.policy.idle_flood_hold);
        let since = self.idle_since.get(&pair).copied().unwrap_or(now_ms);
        if !idle.left && hold > 0 && now_ms >= since.saturating_add(hold) {
            idle.left = true;
            verdicts.push(Verdict::Idle(*idle));
        }
    }

    /// The switch withdrew its last MAC on the network: where the gateways that bring the network to it have none left,
    /// that begins to count. `calendar_ms` is for people.
    pub(super) fn withdrew(
        &mut self,
        switch: &str,
        network: NetworkId,
        now_ms: u64,
        calendar_ms: u64,
        has_learned: impl Fn(&str, NetworkId) -> bool,
    ) -> Vec<Verdict> {
        // What is given up for `learned_hold` says nothing of the segment.
        if !self.sessions.get(switch).is_some_and(|session| session.up || session.reported && !session.expired) {
            return Vec::new();
        }
        let has = |gateway: &&Gateway| gateway.devices.iter().any(|device| device.name == switch);
        let emptied = |gateway: &&Gateway| gateway.devices.iter().all(|device| !has_learned(&device.name, network));
        let found: Vec<GatewayId> = self.known.values().filter(has).filter(emptied).map(|gateway| gateway.id).collect();
        let mut verdicts = Vec::new();
        for gateway in found {
            let pair = (gateway, network);
            if self.pairs.contains_key(&pair) && !self.idle.contains_key(&pair) {
                let idle = Idle { gateway, network, since_ms: calendar_ms, left: false };
                self.idle.insert(pair, idle);
                self.idle_since.insert(pair, now_ms);
                self.dirty.insert(pair);
                verdicts.push(Verdict::Idle(idle));
            }
        }
        verdicts
    }
}

// ===== impl Gateways: reading =====

impl Gateways {
    /// Of gateways with one bound switch: who that is on which network.
    pub(super) fn bound_alone(&self) -> impl Iterator<Item = (Pair, Option<&str>)> {
        let alone = self.elections.iter().filter(|((gateway, _), _)| {
            let name = self.known.get(gateway).map_or("", |gateway| &gateway.name);
            self.policy.gateway(name).active_active == ActiveActive::SingleActive
        });
        alone.map(|(pair, election)| (*pair, election.forwarder.as_deref()))
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
