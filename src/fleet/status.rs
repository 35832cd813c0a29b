//! What a worker reports of its switches, made on request.

use std::{
    cell::OnceCell,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Instant, SystemTime},
};

use uuid::Uuid;

use super::{session::SessionView, target::Target, work::Quarantine};
use crate::{
    config::SwitchConfig,
    intent::{BoundNetwork, HostNames, NetworkIntent},
    model::{
        NetworkId, VlanId, check_vtep,
        event::Action,
        indexed::FastMap,
        reason::{Reason, RowName},
        status::{
            BindingStatus, CertificateStatus, PlanSummary, SessionState, SessionStatus, Status, SwitchStatus,
            TunnelStatus,
        },
        text::{self, Names},
    },
    plan::{Planner, RowKey, Section, VniHolder},
    vtep::rows::{PhysicalPort, PhysicalSwitch},
};

/// Faults of a switch and its ports that are listed.
const FAULTS: usize = 100;
/// Ports of a switch that are listed.
const PORTS: usize = 1024;

/// What a worker published last, for those who ask while it is busy.
#[derive(Debug, Clone)]
pub(super) struct Published {
    statuses: Vec<SwitchStatus>,
    at: SystemTime,
}

impl Published {
    pub(super) fn new(statuses: Vec<SwitchStatus>, at: SystemTime) -> Self {
        Self { statuses, at }
    }

    /// The same, marked: the worker doesn't answer.
    pub(super) fn when_busy(&self) -> Vec<SwitchStatus> {
        let mut statuses = self.statuses.clone();
        let busy = Reason::Busy { at: rfc3339(self.at) };
        for status in &mut statuses {
            status.add_since(busy.clone(), rfc3339(self.at));
            status.bindings.iter_mut().for_each(|row| row.worsen(busy.clone()));
        }
        statuses
    }
}

/// The switches of a worker without a session.
pub(super) fn without_session(target: &Target, certificates: &[CertificateStatus]) -> Vec<SwitchStatus> {
    let why: Arc<str> = match target.session.reason.as_str() {
        "" => format!("connecting to {}", target.settings.database).into(),
        reason => reason.into(),
    };
    let reason = match target.session.state {
        SessionState::Refused => Reason::Refused(why),
        _ => Reason::NoSession(why),
    };
    target.settings.sections.iter().map(|config| bare(target, config, certificates, &reason)).collect()
}

/// A switch of which all is so for this reason.
fn bare(target: &Target, config: &SwitchConfig, certificates: &[CertificateStatus], reason: &Reason) -> SwitchStatus {
    let section = target.desired.sections.get(&config.name).cloned().unwrap_or_default();
    let since = since_of_session(target, reason);
    let binding = |(port, vlan): &(String, VlanId), bound: &BoundNetwork| BindingStatus {
        switch: config.name.clone(),
        port: port.clone(),
        vlan: *vlan,
        status: reason.status(),
        reason: reason.clone(),
        rows_desired: target.desired.networks.get(&bound.network).map_or(0, |network| network.macs.len() as u64),
        rows_actual: 0,
        since: since.clone(),
        network_id: bound.network,
        connections: bound.connections.clone(),
    };
    let rivals = section.intent.rivals.iter().flat_map(|(key, rivals)| rivals.iter().map(move |rival| (key, rival)));
    let bindings = section.intent.bindings.iter().chain(rivals).map(|(key, bound)| binding(key, bound)).collect();
    let rows = |network| target.desired.networks.get(network).map_or(0, |network| network.macs.len() as u64);
    let mut status = SwitchStatus {
        name: config.name.clone(),
        physical_switch: config.physical_switch.clone(),
        known: target.revision,
        confirmed: None,
        session: session(target, config, certificates, "", "off"),
        status: Status::Active,
        reason: Reason::None,
        own: Vec::new(),
        vteps: Vec::new(),
        faults: Vec::new(),
        degraded: Vec::new(),
        ports: Vec::new(),
        more_ports: 0,
        tunnels: Vec::new(),
        bindings,
        rows_desired: section.intent.networks.iter().map(rows).sum(),
        rows_actual: 0,
        last_plan: None,
        draining: Vec::new(),
        counters: target.counters,
    };
    if *reason != Reason::None {
        status.add_since(reason.clone(), since.clone());
    }
    status
}

/// Since when there is no session, where that is the reason.
fn since_of_session(target: &Target, reason: &Reason) -> String {
    match reason {
        Reason::NoSession(_) | Reason::Refused(_) => target.session.lost.map(rfc3339).unwrap_or_default(),
        _ => String::new(),
    }
}

fn session(
    target: &Target,
    config: &SwitchConfig,
    certificates: &[CertificateStatus],
    schema_version: &str,
    lock: &str,
) -> SessionStatus {
    SessionStatus {
        state: target.session.state,
        since: rfc3339(target.session.since),
        down_since: target.session.lost.map(rfc3339).unwrap_or_default(),
        address: target.settings.database.to_string(),
        transport: config.transport.word().to_owned(),
        schema_version: text::name(schema_version),
        lock: lock.to_owned(),
        peer: target.session.peer.clone(),
        certificates: certificates.to_vec(),
    }
}

/// The switches of a live session.
pub(super) fn with_session(
    view: &SessionView<'_>,
    certificates: &[CertificateStatus],
    hosts: &HostNames,
    throttled: Option<&Reason>,
) -> Vec<SwitchStatus> {
    let look = Look::new(view, certificates, hosts);
    let mut statuses: Vec<_> = view.target.settings.sections.iter().map(|config| look.switch(config)).collect();
    for status in &mut statuses {
        if let Some(reason) = throttled {
            status.add(reason.clone());
        }
    }
    statuses
}

/// One look at a session for the status: what is counted once for all of its bindings.
struct Look<'a> {
    view: &'a SessionView<'a>,
    planner: Planner<'a>,
    certificates: &'a [CertificateStatus],
    hosts: &'a HostNames,
    /// Bindings that are desired, and those of them that are there, by network.
    bindings: FastMap<NetworkId, (u64, u64)>,
    faults_of_networks: FastMap<NetworkId, Fault<'a>>,
    faults_of_bindings: FastMap<(Uuid, u16), Fault<'a>>,
}

/// A row at fault, and how many there are with it.
struct Fault<'a> {
    key: RowKey,
    quarantine: &'a Quarantine,
    count: usize,
}

/// A switch of a session, for the status of its bindings.
struct SwitchLook<'a> {
    switch: &'a PhysicalSwitch,
    section: &'a Section,
    tunnels: &'a [TunnelStatus],
    ports: OnceCell<Names>,
}

impl<'a> Look<'a> {
    fn new(view: &'a SessionView<'a>, certificates: &'a [CertificateStatus], hosts: &'a HostNames) -> Self {
        let planner = view.planner;
        let mut bindings = FastMap::<NetworkId, (u64, u64)>::default();
        for section in view.target.desired.sections.values() {
            let switch = view.replica.switch(&section.physical_switch);
            for of @ (port, vlan) in section.intent.bindings.keys() {
                let row = switch.and_then(|switch| view.replica.port_of(switch, port)).map(|(_, row)| row);
                let Some(bound) = planner.desired.choose(view.replica, section, row, of) else { continue };
                let holder = row.and_then(|row| row.bindings.get(&vlan.get()));
                let holder = holder.and_then(|uuid| view.replica.logical_switch_index(*uuid));
                let is_right = holder.is_some() && holder == planner.logical_switches(bound.network).0;
                let (desired, actual) = bindings.entry(bound.network).or_default();
                *desired += 1;
                *actual += u64::from(is_right);
            }
        }
        let (mut faults_of_networks, mut faults_of_bindings) = (FastMap::default(), FastMap::default());
        for (key, quarantine) in view.faults.iter() {
            match *key {
                RowKey::Network(network) | RowKey::Mac(network, _) => {
                    add(&mut faults_of_networks, network, *key, quarantine);
                }
                RowKey::Binding(port, vlan) => add(&mut faults_of_bindings, (port, vlan), *key, quarantine),
                // They are the switch's, not a binding's.
                RowKey::Tunnel(_) | RowKey::Table(_) => {}
            }
        }
        Self { view, planner, certificates, hosts, bindings, faults_of_networks, faults_of_bindings }
    }

    fn switch(&self, config: &SwitchConfig) -> SwitchStatus {
        let view = self.view;
        let physical = view.replica.switch(&config.physical_switch);
        let reason = if physical.is_some() { Reason::None } else { missing(view, config) };
        let mut status = bare(view.target, config, self.certificates, &reason);
        status.session = session(view.target, config, self.certificates, view.schema_version, view.lock.word());
        status.confirmed = view.confirmed;
        status.degraded.clone_from(&view.policy.columns.degraded);
        status.last_plan = view.last_plan.map(|(at, row_counts)| PlanSummary {
            at: rfc3339(at),
            inserts: row_counts.inserts,
            updates: row_counts.updates,
            deletes: row_counts.deletes,
        });
        status.draining = view.draining.iter().copied().collect();
        let Some(physical) = physical else {
            status.session.state = SessionState::Refused;
            return status;
        };
        let ports = physical.ports.iter().filter_map(|uuid| view.replica.port(*uuid));
        let mut names: Vec<&str> = ports.clone().map(|port| port.name.as_str()).collect();
        names.sort_unstable();
        status.more_ports = names.len().saturating_sub(PORTS);
        status.ports = names.into_iter().take(PORTS).map(str::to_owned).collect();
        status.vteps = usable_vteps(physical);
        status.tunnels = tunnels(view, physical, self.hosts);
        let of_ports = ports.flat_map(|port| {
            port.faults.iter().map(|fault| format!("{}: {}", text::name(&port.name), text::name(fault)))
        });
        status.faults = physical.faults.iter().map(|fault| text::name(fault)).chain(of_ports).take(FAULTS).collect();
        if let Some(section) = view.target.desired.sections.get(&config.name) {
            let tunnels = std::mem::take(&mut status.tunnels);
            let look = SwitchLook { switch: physical, section, tunnels: &tunnels, ports: OnceCell::new() };
            for row in &mut status.bindings {
                (row.rows_desired, row.rows_actual) = self.rows(row.network_id);
                let (reason, since) = self.binding(&look, row);
                row.set(reason, since.map(|at| rfc3339(view.date(at))).unwrap_or_default());
            }
            status.tunnels = tunnels;
            let counts = section.intent.networks.iter().map(|network| self.rows(*network));
            (status.rows_desired, status.rows_actual) = counts.fold((0, 0), |sum, (d, a)| (sum.0 + d, sum.1 + a));
        }
        self.add_own(&mut status);
        status.follow_bindings();
        status
    }

    /// What is wrong with the switch as a whole.
    fn add_own(&self, status: &mut SwitchStatus) {
        let view = self.view;
        let date = |at: Option<Instant>| at.map(|at| rfc3339(view.date(at))).unwrap_or_default();
        if !view.held.is_empty() {
            status.add_since(held(view), date(view.held_since));
        }
        if let Some(reason) = locked(view) {
            status.add_since(reason, date(view.locked_since));
        }
        if let Some(trouble) = &view.target.trouble {
            status.add_since(Reason::Unwritable(trouble.why.to_string().into()), date(Some(trouble.since)));
        }
        if !status.faults.is_empty() {
            status.add(Reason::Faults(Names::new(status.faults.iter().map(String::as_str))));
        }
        if let Some(ignored) = &view.ignored {
            status.add(ignored.clone());
        }
        if status.vteps.is_empty() {
            status.add(Reason::NoTunnelIp { switch: status.physical_switch.clone() });
        }
        let mut of_switch = view.faults.iter().filter_map(|(key, fault)| match key {
            RowKey::Tunnel(_) => Some((RowName::Tunnel, fault)),
            // By the key of plumgrid.ini that asks for them.
            RowKey::Table(table) => Some((RowName::Setting(table.reason(Action::Insert)), fault)),
            RowKey::Network(_) | RowKey::Binding(..) | RowKey::Mac(..) => None,
        });
        if let Some((row, fault)) = of_switch.next() {
            let reason = Reason::RowRefused { row, error: fault.error.as_str().into(), more: of_switch.count() };
            status.add_since(reason, date(Some(fault.since)));
        }
        if !status.draining.is_empty() {
            status.add(Reason::Draining);
        }
        let is_left = |network| !view.target.desired.networks.contains_key(network);
        if self.is_observed() && view.outstanding.keys().any(is_left) {
            status.add(Reason::Observed);
        }
    }

    /// Rows that a network should have on the database, and those that are right.
    fn rows(&self, network: NetworkId) -> (u64, u64) {
        let Some(intent) = self.view.target.desired.networks.get(&network) else { return (0, 0) };
        let (bindings, bound) = self.bindings.get(&network).copied().unwrap_or_default();
        let flood = u64::from(!self.planner.flood_list(intent).is_empty());
        let desired = 1 + flood + bindings + self.planner.mac_rows(intent) as u64;
        if self.planner.logical_switches(network).0.is_none() {
            return (desired, 0);
        }
        let outstanding = self.view.outstanding.get(&network).copied().unwrap_or(0);
        (desired, (desired - bindings).saturating_sub(outstanding) + bound)
    }

    /// Why a binding is as it is, and since when, as far as that was seen.
    fn binding(&self, look: &SwitchLook<'_>, row: &BindingStatus) -> (Reason, Option<Instant>) {
        let (view, planner, port) = (self.view, &self.planner, row.port.clone());
        let physical_switch = look.section.physical_switch.as_str();
        let blocked_since = |port: &str| view.target.obstacles.since(physical_switch, port, row.vlan, row.network_id);
        let Some((port_uuid, port_row)) = view.replica.port_of(look.switch, &port) else {
            let present = look.ports.get_or_init(|| Names::new(port_names(view, look.switch))).clone();
            let since = blocked_since(&port);
            return (Reason::PortMissing { port, switch: row.switch.clone(), present }, since);
        };
        if let Some(bound) =
            planner.desired.choose(view.replica, look.section, Some(port_row), &(port.clone(), row.vlan))
            && let (network, [connection, ..]) = (bound.network, bound.connections.as_slice())
            && network != row.network_id
        {
            return (Reason::VlanTaken { vlan: row.vlan, port, network, connection: *connection }, None);
        }
        let Some(network) = view.target.desired.networks.get(&row.network_id) else {
            return (Reason::NetworkUnknown, None);
        };
        let Some(vni) = network.vni else {
            let draining = view.draining.contains(&row.network_id);
            return (Reason::NoSegment { network: row.network_id, draining }, blocked_since(&port));
        };
        match planner.vni_conflict(network) {
            Some(VniHolder::Foreign(name)) => {
                return (Reason::VniForeign { logical_switch: name.to_owned(), vni }, blocked_since(&port));
            }
            Some(VniHolder::Ours(network, name)) => {
                return (Reason::VniInUse { logical_switch: name.to_owned(), network, vni }, blocked_since(&port));
            }
            None => {}
        }
        let holder = port_row.bindings.get(&row.vlan.get());
        let holder = holder.and_then(|uuid| view.replica.logical_switch_index(*uuid));
        if let Some(index) = holder
            && planner.owner(index).is_none()
        {
            let name = view.replica.logical_switch(index).map_or("unknown", |row| row.name.as_str());
            let since = blocked_since(&port);
            return (Reason::VlanForeign { vlan: row.vlan, port, logical_switch: name.to_owned() }, since);
        }
        if let Some((reason, since)) = self.fault(port_uuid, row) {
            return (reason, Some(since));
        }
        if view.held.contains(&row.network_id) {
            return (held(view), view.held_since);
        }
        let chosen = planner.logical_switches(row.network_id).0;
        if chosen.is_none() || holder != chosen || self.view.outstanding.contains_key(&row.network_id) {
            return if self.is_observed() {
                (Reason::Observed, None)
            } else if let Some(reason) = locked(view) {
                (reason, view.locked_since)
            } else if let Some(trouble) = &view.target.trouble {
                (Reason::Unwritable(trouble.why.to_string().into()), Some(trouble.since))
            } else {
                (Reason::Writing, None)
            };
        }
        (self.degraded(look, port_row, network), None)
    }

    /// Nothing is written that no operator asked for.
    fn is_observed(&self) -> bool {
        self.view.target.observes() && !self.view.target.repairing
    }

    /// The row at fault that a binding depends on.
    fn fault(&self, port: Uuid, row: &BindingStatus) -> Option<(Reason, Instant)> {
        let of_network = self.faults_of_networks.get(&row.network_id);
        let of_binding = self.faults_of_bindings.get(&(port, row.vlan.get()));
        let Fault { key, quarantine, .. } = of_network.into_iter().chain(of_binding).min_by_key(|fault| fault.key)?;
        let more = of_network.into_iter().chain(of_binding).map(|fault| fault.count).sum::<usize>() - 1;
        let name = match *key {
            RowKey::Mac(_, mac) => RowName::Mac(mac),
            RowKey::Binding(..) => RowName::Binding { port: row.port.clone(), vlan: row.vlan },
            RowKey::Network(_) | RowKey::Tunnel(_) | RowKey::Table(_) => RowName::Network,
        };
        let error = quarantine.error.as_str().into();
        let reason = if quarantine.fight {
            Reason::RowContested { row: name, error, more }
        } else {
            Reason::RowRefused { row: name, error, more }
        };
        Some((reason, quarantine.since))
    }

    /// What costs function of a binding whose rows are all right.
    fn degraded(&self, look: &SwitchLook<'_>, port: &PhysicalPort, network: &NetworkIntent) -> Reason {
        let faults = Names::new(look.switch.faults.iter().chain(&port.faults).map(String::as_str));
        if faults.count() > 0 {
            return Reason::Faults(faults);
        }
        if usable_vteps(look.switch).is_empty() {
            return Reason::NoTunnelIp { switch: look.switch.name.clone() };
        }
        let down = |tunnel: &&TunnelStatus| !tunnel.up && leads_to(tunnel, network);
        if let Some(TunnelStatus { remote, host, state, .. }) = look.tunnels.iter().find(down) {
            let to = if host.is_empty() { remote.clone() } else { format!("{} ({remote})", text::name(host)) };
            return Reason::TunnelDown { to, state: state.clone() };
        }
        let mut lacking = self.view.policy.columns.degraded.iter();
        match lacking.find(|lack| lack.is_of_replication()) {
            Some(lack) if !network.flood.is_empty() => Reason::Degraded(lack.clone()),
            _ => Reason::None,
        }
    }
}

fn add<'a, K: std::hash::Hash + Eq>(
    faults: &mut FastMap<K, Fault<'a>>,
    of: K,
    key: RowKey,
    quarantine: &'a Quarantine,
) {
    let fault = faults.entry(of).or_insert(Fault { key, quarantine, count: 0 });
    fault.count += 1;
    // The lowest: the same answer each time.
    if key < fault.key {
        (fault.key, fault.quarantine) = (key, quarantine);
    }
}

fn port_names<'a>(view: &'a SessionView<'_>, switch: &'a PhysicalSwitch) -> impl Iterator<Item = &'a str> {
    switch.ports.iter().filter_map(|uuid| view.replica.port(*uuid)).map(|port| port.name.as_str())
}

/// IPv4 addresses of `tunnel_ips` that packets can be sent to.
fn usable_vteps(switch: &PhysicalSwitch) -> Vec<Ipv4Addr> {
    switch.tunnel_ips.iter().filter_map(|ip| check_vtep(*ip).ok()).collect()
}

fn missing(view: &SessionView<'_>, config: &SwitchConfig) -> Reason {
    Reason::SwitchMissing {
        address: view.target.settings.database.to_string(),
        switch: config.physical_switch.clone(),
        section: config.name.clone(),
        present: Names::new(view.replica.switches().map(|switch| switch.name.as_str())),
    }
}

/// Why nothing is written at all; `None`: something is.
fn locked(view: &SessionView<'_>) -> Option<Reason> {
    let why = view.lock.obstacle(&view.target.settings.deployment)?;
    Some(Reason::Locked { why: why.into(), fix: view.lock.fix() })
}

fn held(view: &SessionView<'_>) -> Reason {
    if view.policy.hold { Reason::HeldByOperator } else { Reason::HeldByGuard }
}

pub(super) fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// The tunnels of a switch that say something of BFD, those that are down first.
fn tunnels(view: &SessionView<'_>, switch: &PhysicalSwitch, hosts: &HostNames) -> Vec<TunnelStatus> {
    let replica = &view.replica;
    let of_switch = |local: &Ipv4Addr| switch.tunnel_ips.contains(&IpAddr::V4(*local));
    let mut tunnels: Vec<_> = replica
        .tunnels()
        .filter_map(|(_, tunnel)| {
            let local = replica.vtep(tunnel.local).filter(of_switch)?;
            let state = tunnel.bfd_status.get("state").cloned().unwrap_or_default();
            // Where the switch runs no BFD there is nothing to plan_each.
            let silent = state.is_empty() || tunnel.bfd_status.get("enabled").is_some_and(|enabled| enabled == "false");
            let forwarding = tunnel.bfd_status.get("forwarding").is_none_or(|forwarding| forwarding == "true");
            let remote = replica.vtep(tunnel.remote)?;
            Some(TunnelStatus {
                local: local.to_string(),
                remote: remote.to_string(),
                host: hosts.get(&remote).cloned().unwrap_or_default(),
                up: silent || (state == "up" && forwarding),
                state,
                bfd_status: tunnel.bfd_status.clone(),
            })
        })
        .collect();
    tunnels.sort_by(|one, other| (one.up, &one.remote).cmp(&(other.up, &other.remote)));
    tunnels
}

/// Whether the network has anybody behind the tunnel.
fn leads_to(tunnel: &TunnelStatus, network: &NetworkIntent) -> bool {
    tunnel.remote.parse().is_ok_and(|remote: Ipv4Addr| network.flood.contains(&remote))
}
