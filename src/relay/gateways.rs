//! How the switches of gateways stand, and what follows on each network: who is elected, and which gateway has been
//! without a learned MAC for how long. Pure: the caller brings the topology and the time, which is monotonic.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use super::{
    election::{Question, Standing},
    handover::Handovers,
};
use crate::{
    model::{Binding, Election, Idle, NetworkId, RelayConfig, Tombstone, bindings},
    topology::{Affected, Pair, Topology},
};

/// A session that is lost for less than this, isn't.
const GRACE_MS: u64 = 1000;
/// After a start, elections stay as they are until both twins have reported, or for so long.
const SETTLE_MS: u64 = 30_000;

/// A port of a switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortState {
    /// Name of the switch's section.
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
pub(super) enum GatewayWrite {
    /// A switch was elected; bindings go and come by that.
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
    /// Since when pairs are idle, by the monotonic clock. A restart begins again: the calendar may be wrong by then.
    idle_since: HashMap<Pair, u64>,
    sessions: HashMap<Arc<str>, Session>,
    ports: HashMap<Arc<str>, HashMap<String, PortState>>,
    /// Ports that were reported in a session that hasn't reported all yet.
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
            idle_since: HashMap::new(),
            sessions: HashMap::new(),
            ports: HashMap::new(),
            fresh: HashMap::new(),
            handovers: Handovers::default(),
            dirty: BTreeSet::new(),
            waiting: BTreeSet::new(),
        }
    }

    /// The store changed.
    pub(super) fn follow(&mut self, affected: Affected) {
        self.dirty.extend(affected.pairs);
    }

    fn touch_switch(&mut self, topology: &Topology, switch: &str) {
        self.dirty.extend(topology.gateways_of_switch(switch).flat_map(|id| topology.pairs_of(id)));
    }

    /// The gateways that bring the network to this switch.
    pub(super) fn touch_learned(&mut self, topology: &Topology, switch: &str, network: NetworkId) {
        let pairs = topology.gateways_of_switch(switch).map(|id| (id, network));
        self.dirty.extend(pairs.filter(|pair| topology.is_connected(*pair)));
    }

    /// A session with these switches begins: it will report all ports.
    pub(super) fn begin(&mut self, switches: &[Arc<str>]) {
        for switch in switches {
            self.fresh.insert(switch.clone(), HashSet::new());
        }
    }

    /// It has reported all.
    pub(super) fn complete(&mut self, topology: &Topology, switches: &[Arc<str>], now_ms: u64) {
        for switch in switches {
            let fresh = self.fresh.remove(switch).unwrap_or_default();
            let ports = self.ports.entry(switch.clone()).or_default();
            for (_, gone) in ports.extract_if(|port, _| !fresh.contains(port)) {
                gone.networks.iter().for_each(|network| self.handovers.see(switch, *network, now_ms));
            }
            self.sessions.insert(switch.clone(), Session { up: true, reported: true, ..Session::default() });
            self.touch_switch(topology, switch);
        }
    }

    /// It is lost, and nothing was heard since then.
    pub(super) fn lost(&mut self, topology: &Topology, switches: &[Arc<str>], since_ms: u64) {
        for switch in switches {
            let session = self.sessions.entry(switch.clone()).or_default();
            session.up = false;
            session.lost_ms.get_or_insert(since_ms);
            self.touch_switch(topology, switch);
        }
    }

    /// A port, as it is now.
    pub(super) fn port(&mut self, topology: &Topology, state: PortState, now_ms: u64) {
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
                    self.touch_learned(topology, &switch, *network);
                }
            }
            _ => self.touch_switch(topology, &switch),
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
    pub(super) fn decide(
        &mut self,
        topology: &Topology,
        now_ms: u64,
        has_learned: impl Fn(&str, NetworkId) -> bool,
    ) -> Vec<GatewayWrite> {
        while let Some((at, pair)) = self.waiting.first().copied()
            && at <= now_ms
        {
            self.waiting.pop_first();
            self.dirty.insert(pair);
        }
        let waiting = || {
            let unserved = topology.elections().filter(|election| election.forwarder.is_none());
            unserved.map(|election| election.network).collect()
        };
        self.handovers.forget(milliseconds(self.policy.longest_handover()), now_ms, waiting);
        let mut writes = Vec::new();
        for pair in std::mem::take(&mut self.dirty) {
            writes.extend(self.elect(topology, pair, now_ms));
            writes.extend(self.judge_idle(topology, pair, now_ms, &has_learned));
            let waits = self.waits(topology, pair, now_ms);
            self.waiting.extend(waits.into_iter().map(|at| (at, pair)));
        }
        writes
    }

    /// When time alone may change something of a pair.
    fn waits(&self, topology: &Topology, pair: Pair, now_ms: u64) -> Vec<u64> {
        let hold = milliseconds(self.policy.idle_flood_hold);
        let idle = topology.idle(pair).filter(|idle| !idle.left && hold > 0);
        let idle = idle.and_then(|_| self.idle_since.get(&pair)).map(|since| since.saturating_add(hold));
        let mut times: Vec<u64> = idle.into_iter().collect();
        let switches = if topology.is_connected(pair) { topology.switches(pair.0) } else { &[] };
        if switches.len() > 1 {
            let sessions = switches.iter().filter_map(|name| self.sessions.get(name.as_str()));
            times.extend(sessions.filter_map(|session| session.lost_ms).map(|lost| lost + GRACE_MS).max());
            let hold = milliseconds(topology.config(pair.0).handover_hold);
            times.extend([self.started_ms + SETTLE_MS, self.started_ms + hold]);
            times.extend(switches.iter().filter_map(|name| self.handovers.until(name, pair.1, hold)));
        }
        times.retain(|at| *at > now_ms);
        times
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

    /// Who stands for the gateway on the network from now on, where that changed.
    fn elect(&mut self, topology: &Topology, pair: Pair, now_ms: u64) -> Option<GatewayWrite> {
        let current = topology.election(pair);
        let answer = topology.is_connected(pair).then(|| {
            let switches = topology.switches(pair.0);
            let has_reported = |name: &String| self.sessions.get(name.as_str()).is_some_and(|session| session.reported);
            let config = topology.config(pair.0);
            let question = Question {
                gateway: pair.0,
                network: pair.1,
                config,
                switches,
                settled: now_ms >= self.started_ms + SETTLE_MS || switches.iter().all(has_reported),
                young: now_ms < self.started_ms + milliseconds(config.handover_hold),
                current,
            };
            question.answer(|name| self.standing(topology, pair, name, now_ms))
        });
        match answer.flatten() {
            Some(election) if current != Some(&election) => {
                let (gone, back) = rebound(topology, &election);
                let old = current.and_then(|old| old.forwarder.as_deref());
                let new = election.forwarder.as_deref();
                if old != new {
                    if let Some(old) = old {
                        self.handovers.ask(old, pair.1, now_ms);
                    }
                    if let Some(new) = new {
                        self.handovers.end(new, pair.1);
                    }
                }
                Some(GatewayWrite::Elected(election, gone, back))
            }
            None if current.is_some() => Some(GatewayWrite::NoElection(pair)),
            _ => None,
        }
    }

    fn standing(&self, topology: &Topology, (id, network): Pair, name: &str, now_ms: u64) -> Standing {
        let session = self.sessions.get(name).copied().unwrap_or_default();
        let reachable = session.up || session.lost_ms.is_some_and(|lost| session.reported && now_ms < lost + GRACE_MS);
        let devices = topology.gateway(id).into_iter().flat_map(|gateway| &gateway.devices);
        let interfaces = devices.filter(|device| device.name == name).flat_map(|device| &device.interfaces);
        let known = self.ports.get(name);
        let ports = || interfaces.clone().filter_map(|interface| known?.get(&interface.name));
        let bound = ports().any(|port| port.networks.contains(&network));
        let hold = milliseconds(topology.config(id).handover_hold);
        let may_forward = self.handovers.until(name, network, hold).is_some_and(|until| now_ms < until);
        let released = !bound && self.handovers.is_seen(name, network);
        Standing { reachable, fit: ports().any(|port| port.fit), bound, forwards: bound || may_forward, released }
    }

    /// Whether a gateway begins to be idle on a network is for [`Self::withdrew`]; whether it has been for long enough, or
    /// isn't any more, for this.
    fn judge_idle(
        &mut self,
        topology: &Topology,
        pair: Pair,
        now_ms: u64,
        has_learned: &impl Fn(&str, NetworkId) -> bool,
    ) -> Option<GatewayWrite> {
        let Some(idle) = topology.idle(pair) else {
            self.idle_since.remove(&pair);
            return None;
        };
        let has_any = topology.switches(pair.0).iter().any(|switch| has_learned(switch, pair.1));
        if has_any || !topology.is_connected(pair) {
            return Some(GatewayWrite::Busy(pair));
        }
        let hold = milliseconds(self.policy.idle_flood_hold);
        let since = *self.idle_since.entry(pair).or_insert(now_ms);
        let leaves = !idle.left && hold > 0 && now_ms >= since.saturating_add(hold);
        leaves.then_some(GatewayWrite::Idle(Idle { left: true, ..*idle }))
    }

    /// The switch withdrew its last MAC on the network: where the gateways that bring the network to it have none left,
    /// that begins to count. `calendar_ms` is for people.
    pub(super) fn withdrew(
        &mut self,
        topology: &Topology,
        switch: &str,
        network: NetworkId,
        (now_ms, calendar_ms): (u64, u64),
        has_learned: impl Fn(&str, NetworkId) -> bool,
    ) -> Vec<GatewayWrite> {
        // What is given up for `learned_hold` says nothing of the segment.
        if !self.sessions.get(switch).is_some_and(|session| session.up || session.reported && !session.expired) {
            return Vec::new();
        }
        let mut writes = Vec::new();
        for id in topology.gateways_of_switch(switch) {
            let pair = (id, network);
            let emptied = topology.switches(id).iter().all(|switch| !has_learned(switch, network));
            if emptied && topology.is_connected(pair) && topology.idle(pair).is_none() {
                self.idle_since.insert(pair, now_ms);
                writes.push(GatewayWrite::Idle(Idle { gateway: id, network, since_ms: calendar_ms, left: false }));
            }
        }
        writes
    }
}

/// Bindings that go and come because another switch is elected; only in `single-active` any do.
fn rebound(topology: &Topology, new: &Election) -> (Vec<Tombstone>, Vec<Tombstone>) {
    let pair = (new.gateway, new.network);
    let (Some(gateway), Some(roles)) = (topology.gateway(pair.0), topology.roles(pair)) else {
        return Default::default();
    };
    let old = topology.election(pair).and_then(|old| old.forwarder.as_deref());
    if !roles.binds_one() || old == new.forwarder.as_deref() {
        return Default::default();
    }
    let all: BTreeSet<Binding> =
        topology.connections(pair).flat_map(|connection| bindings(gateway, connection)).collect();
    let tombstone = |binding: Binding| Tombstone::Binding { network: pair.1, binding };
    let of = |name: &str, is: bool| {
        let chosen = all.iter().filter(|binding| (binding.switch == name) == is).cloned();
        chosen.map(tombstone).collect::<Vec<_>>()
    };
    let winner = new.forwarder.as_deref().unwrap_or_default();
    (of(winner, false), of(winner, true))
}

/// Of gateways with one bound switch: who that is on which network.
pub(super) fn bound_alone(topology: &Topology) -> impl Iterator<Item = (Pair, Option<&str>)> {
    let alone = topology.elections().map(|election| ((election.gateway, election.network), election));
    let alone = alone.filter(|(pair, _)| topology.roles(*pair).is_some_and(|roles| roles.binds_one()));
    alone.map(|(pair, election)| (pair, election.forwarder.as_deref()))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
