//! What is wrong, from facts: one list for REST, `l2gw status`, `/metrics` and `/readyz`. Pure: no I/O and no clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{ConnectionStatus, notices::Endpoints};
use crate::{
    model::{
        VlanId,
        problem::{Problem, ProblemKind},
        reason::{Reason, Unreached},
        status::{BindingStatus, Status, SwitchReason, SwitchStatus},
        text,
    },
    source,
};

/// Gateways that the impact of a switch names.
const GATEWAYS: usize = 3;

/// What is known of the whole at one moment.
pub(super) struct Facts<'a> {
    /// Why the store takes no writes, and since when.
    pub(super) store: Option<(&'a str, String)>,
    /// Problems that parts of the daemon report themselves.
    pub(super) parts: Vec<Problem>,
    /// Where networks and ports come from, if not through our API.
    pub(super) source: Option<&'a source::SourceStatus>,
    /// Switches whose deletions an operator holds, and since when.
    pub(super) holds: &'a [(String, String)],
    /// All switches of plumgrid.ini.
    pub(super) switches: &'a [SwitchStatus],
    /// All connections.
    pub(super) connections: &'a [ConnectionFact],
    /// Compute nodes without a tunnel endpoint, of each connected network: name and ports.
    pub(super) unreached: &'a [Vec<(Arc<str>, u32)>],
    pub(super) endpoints: &'a Endpoints,
}

/// A connection, with the name of its gateway.
pub(super) struct ConnectionFact {
    pub(super) gateway: String,
    pub(super) status: ConnectionStatus,
}

/// All that is wrong, the worst first.
pub(super) fn problems(facts: &Facts<'_>) -> Vec<Problem> {
    let mut found: Vec<Problem> = facts.store.iter().map(store).chain(facts.parts.iter().cloned()).collect();
    found.extend(facts.source.and_then(of_source));
    for switch in facts.switches {
        found.extend(switch.own.iter().filter_map(|own| of_switch(switch, own, facts)));
    }
    let without_deletions = facts.holds.iter().filter(|(name, _)| !is_shown_held(facts.switches, name));
    found.extend(without_deletions.map(|(name, since)| operator_hold(name, since)));
    found.extend(of_bindings(facts));
    found.extend(of_hosts(facts));
    found.sort_by(|one, other| {
        (other.status, one.kind, &one.name, &one.reason).cmp(&(one.status, other.kind, &other.name, &other.reason))
    });
    found
}

fn store((reason, since): &(&str, String)) -> Problem {
    Problem {
        kind: ProblemKind::Store,
        status: Status::Error,
        name: "store".to_owned(),
        reason: (*reason).to_owned(),
        since: since.clone(),
        impact: "no change is accepted; what the switches hold stays".to_owned(),
        fix: "it is tried again every second".to_owned(),
    }
}

/// What is wrong with Neutron's database, where networks and ports come from it.
pub(super) fn of_source(source: &source::SourceStatus) -> Option<Problem> {
    let (status, fix) = match source.state {
        source::SourceState::Following if source.reason.is_empty() => return None,
        source::SourceState::Following => (Status::Held, "look at 'l2gw source show', then 'l2gw source release'"),
        source::SourceState::Connecting => (Status::Pending, "it is being read for the first time"),
        source::SourceState::Away => (Status::Error, "try it with 'vtepd --check'; it is dialled again by itself"),
    };
    Some(Problem {
        kind: ProblemKind::Source,
        status,
        name: source.connection.clone(),
        reason: source.reason.clone(),
        since: source.since.clone(),
        impact: String::new(),
        fix: fix.to_owned(),
    })
}

/// What is wrong with a switch as a whole.
fn of_switch(switch: &SwitchStatus, own: &SwitchReason, facts: &Facts<'_>) -> Option<Problem> {
    let SwitchReason { reason, since } = own;
    let hold = facts.holds.iter().find(|(name, _)| *reason == Reason::HeldByOperator && *name == switch.name);
    let kind = reason.kind()?;
    let is_gone = matches!(kind, ProblemKind::Session | ProblemKind::Refused);
    Some(Problem {
        kind,
        status: reason.status(),
        name: switch.name.clone(),
        reason: reason.to_string(),
        since: hold.map_or(since, |(_, since)| since).clone(),
        impact: if is_gone { impact(switch, facts.connections) } else { String::new() },
        fix: match reason {
            Reason::NoSession(_) => {
                format!("check that it is reachable at {}; it is dialled again by itself", switch.session.address)
            }
            reason => reason.fix(&switch.name),
        },
    })
}

/// The gateways and connections of a switch that is gone, and whether another switch of theirs carries them.
fn impact(switch: &SwitchStatus, connections: &[ConnectionFact]) -> String {
    let mut gateways: BTreeMap<&str, (usize, BTreeSet<&str>)> = BTreeMap::new();
    let is_here = |row: &&BindingStatus| row.switch == switch.name;
    for connection in connections.iter().filter(|connection| connection.status.switches.iter().any(|row| is_here(&row)))
    {
        let (count, twins) = gateways.entry(&connection.gateway).or_default();
        *count += 1;
        let works = |row: &&BindingStatus| matches!(row.status, Status::Active | Status::Degraded);
        let others = connection.status.switches.iter().filter(|row| !is_here(row));
        twins.extend(others.filter(works).map(|row| row.switch.as_str()));
    }
    let words = |(gateway, (count, twins)): (&&str, &(usize, BTreeSet<&str>))| {
        let plural = if *count == 1 { "" } else { "s" };
        let carrier = if twins.is_empty() {
            "no other switch carries them".to_owned()
        } else {
            format!("{} is there", text::Names::new(twins.iter().copied()))
        };
        format!("gateway {} ({count} connection{plural}; {carrier})", text::name(gateway))
    };
    let mut all: Vec<String> = gateways.iter().take(GATEWAYS).map(words).collect();
    if gateways.len() > GATEWAYS {
        all.push(format!("{} more gateways", gateways.len() - GATEWAYS));
    }
    all.join(", ")
}

fn is_shown_held(switches: &[SwitchStatus], name: &str) -> bool {
    let of_name = switches.iter().filter(|switch| switch.name == name);
    of_name.flat_map(|switch| &switch.own).any(|own| own.reason == Reason::HeldByOperator)
}

/// An operator holds deletions, though none waits.
fn operator_hold(name: &str, since: &str) -> Problem {
    Problem {
        kind: ProblemKind::Held,
        status: Status::Held,
        name: name.to_owned(),
        reason: "an operator holds its deletions".to_owned(),
        since: since.to_owned(),
        impact: String::new(),
        fix: format!("l2gw switch release {name}"),
    }
}

/// Bindings with one cause.
struct Cause<'a> {
    status: Status,
    fix: String,
    /// The first beginning that is known.
    since: &'a str,
    /// Section, port and VLAN.
    bindings: BTreeSet<(&'a str, &'a str, VlanId)>,
}

/// What is wrong with bindings: one problem for one cause, however many bindings it concerns.
fn of_bindings(facts: &Facts<'_>) -> Vec<Problem> {
    let switches: BTreeMap<&str, &SwitchStatus> =
        facts.switches.iter().map(|switch| (switch.name.as_str(), switch)).collect();
    let mut causes: BTreeMap<(ProblemKind, &str, String), Cause<'_>> = BTreeMap::new();
    for row in facts.connections.iter().flat_map(|connection| &connection.status.switches) {
        let switch = switches.get(row.switch.as_str());
        let Some(kind) = row.reason.kind() else { continue };
        if kind == ProblemKind::Host || switch.is_some_and(|switch| is_of_switch(kind, switch)) {
            continue;
        }
        let section = switch.map_or(row.switch.as_str(), |switch| switch.name.as_str());
        // Where the network is the cause, each of its switches has the same.
        let place = if is_of_network(kind) { "" } else { section };
        let cause = causes.entry((kind, place, row.reason.to_string())).or_insert_with(|| Cause {
            status: row.status,
            fix: row.reason.fix(section),
            since: &row.since,
            bindings: BTreeSet::new(),
        });
        if cause.since.is_empty() || (!row.since.is_empty() && row.since.as_str() < cause.since) {
            cause.since = &row.since;
        }
        cause.bindings.insert((section, &row.port, row.vlan));
    }
    causes
        .into_iter()
        .map(|((kind, _, reason), Cause { status, fix, since, bindings })| {
            let first = bindings
                .first()
                .map(|(section, port, vlan)| format!("{} {} VLAN {vlan}", text::name(section), text::name(port)));
            let first = first.unwrap_or_default();
            let name = if bindings.len() > 1 { format!("{first} and {} more", bindings.len() - 1) } else { first };
            Problem { kind, status, name, reason, since: since.to_owned(), impact: String::new(), fix }
        })
        .collect()
}

/// Whether the switch as a whole reports this kind already, for all of its bindings.
fn is_of_switch(kind: ProblemKind, switch: &SwitchStatus) -> bool {
    kind != ProblemKind::Row && switch.own.iter().any(|own| own.reason.kind() == Some(kind))
}

fn is_of_network(kind: ProblemKind) -> bool {
    matches!(kind, ProblemKind::Network | ProblemKind::Device | ProblemKind::Loop | ProblemKind::Flapping)
}

/// Compute nodes without a tunnel endpoint: one problem for one compute node, over all connected networks.
fn of_hosts(facts: &Facts<'_>) -> Vec<Problem> {
    let mut hosts: BTreeMap<&str, (u64, usize)> = BTreeMap::new();
    for (host, ports) in facts.unreached.iter().flatten() {
        let (sum, networks) = hosts.entry(host).or_default();
        *sum += u64::from(*ports);
        *networks += 1;
    }
    hosts
        .into_iter()
        .map(|(host, (ports, networks))| {
            let near = facts.endpoints.near(host);
            let shown = text::name(host);
            let reason = match near {
                Some(near) => format!("it has no tunnel endpoint; there is one for {}", text::name(near)),
                None => "it has no tunnel endpoint".to_owned(),
            };
            let unreached = Unreached { hosts: vec![(host.to_owned(), 0, near.map(str::to_owned))], more: 0 };
            Problem {
                kind: ProblemKind::Host,
                status: Status::Degraded,
                name: shown,
                reason,
                since: String::new(),
                impact: format!(
                    "switches don't reach {} of {}",
                    count(ports, "port"),
                    count(networks as u64, "network")
                ),
                fix: Reason::HostsUnreached(unreached).fix(""),
            }
        })
        .collect()
}

fn count(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
