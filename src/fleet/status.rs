//! What a worker tells of its switches, made only when somebody asks.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    time::SystemTime,
};

use super::{
    live::{Live, Lock},
    worker::Worker,
};
use crate::{
    config::SwitchConfig,
    intent::{BoundNetwork, HostNames, NetworkIntent},
    model::{
        NetworkId, VlanId,
        status::{BindingStatus, PlanSummary, SessionState, SessionStatus, Status, SwitchStatus, TunnelStatus},
    },
    plan::{Key, Section},
    vtep::rows::PhysicalSwitch,
};

/// The switches of a worker without a session.
pub(super) fn without_session(worker: &Worker) -> Vec<SwitchStatus> {
    let address = &worker.settings.database;
    let reason = match worker.session.state {
        _ if worker.session.reason.is_empty() => format!("connecting to {address}"),
        _ => worker.session.reason.clone(),
    };
    let status = if worker.session.state == SessionState::Refused { Status::Error } else { Status::Down };
    worker.settings.sections.iter().map(|config| bare(worker, config, status, &reason)).collect()
}

fn bare(worker: &Worker, config: &SwitchConfig, status: Status, reason: &str) -> SwitchStatus {
    let section = worker.desired.sections.get(&config.physical_switch).cloned().unwrap_or_default();
    let since = rfc3339(worker.session.since);
    let binding = |(port, vlan): &(String, VlanId), bound: &BoundNetwork| BindingStatus {
        switch: config.physical_switch.clone(),
        port: port.clone(),
        vlan: *vlan,
        status,
        reason: reason.to_owned(),
        rows_desired: worker.desired.networks.get(&bound.network).map_or(0, |network| network.macs.len() as u64),
        rows_actual: 0,
        since: since.clone(),
        network_id: bound.network,
        connections: bound.connections.clone(),
    };
    let rivals = section.intent.rivals.iter().flat_map(|(key, rivals)| rivals.iter().map(move |rival| (key, rival)));
    let bindings = section.intent.bindings.iter().chain(rivals).map(|(key, bound)| binding(key, bound)).collect();
    let rows = |network| worker.desired.networks.get(network).map_or(0, |network| network.macs.len() as u64);
    SwitchStatus {
        name: config.name.clone(),
        physical_switch: config.physical_switch.clone(),
        known: worker.revision,
        confirmed: None,
        session: session(worker, config, "", "off"),
        status,
        reason: reason.to_owned(),
        faults: Vec::new(),
        degraded: Vec::new(),
        ports: Vec::new(),
        tunnels: Vec::new(),
        bindings,
        rows_desired: section.intent.networks.iter().map(rows).sum(),
        rows_actual: 0,
        last_plan: None,
        draining: Vec::new(),
        counters: worker.counters,
    }
}

fn session(worker: &Worker, config: &SwitchConfig, schema_version: &str, lock: &str) -> SessionStatus {
    SessionStatus {
        state: worker.session.state,
        since: rfc3339(worker.session.since),
        address: worker.settings.database.to_string(),
        transport: config.transport.word().to_owned(),
        schema_version: schema_version.to_owned(),
        lock: lock.to_owned(),
        peer: worker.session.peer.clone(),
        certificates: worker.session.certificates.status(),
    }
}

/// The switches of a live session.
pub(super) fn with_session(live: &Live<'_>, hosts: &HostNames) -> Vec<SwitchStatus> {
    if live.worker.session.state != SessionState::Up {
        return without_session(live.worker);
    }
    let outstanding = live.outstanding();
    live.worker.settings.sections.iter().map(|config| switch(live, config, &outstanding, hosts)).collect()
}

fn switch(
    live: &Live<'_>,
    config: &SwitchConfig,
    outstanding: &BTreeMap<NetworkId, u64>,
    hosts: &HostNames,
) -> SwitchStatus {
    let lock = live.lock.word();
    let mut status = match live.replica.switch(&config.physical_switch) {
        Some(_) => bare(live.worker, config, Status::Active, ""),
        None => bare(live.worker, config, Status::Error, &absent(live, config)),
    };
    status.session = session(live.worker, config, &live.schema_version, lock);
    status.confirmed = live.confirmed;
    status.degraded.clone_from(&live.policy.columns.degraded);
    status.last_plan = live.last_plan.map(|(at, tally)| PlanSummary {
        at: rfc3339(at),
        inserts: tally.inserts,
        updates: tally.updates,
        deletes: tally.deletes,
    });
    status.draining = live.draining.iter().copied().collect();
    let Some(physical) = live.replica.switch(&config.physical_switch) else {
        status.session.state = SessionState::Refused;
        return status;
    };
    let ports = physical.ports.iter().filter_map(|uuid| live.replica.port(*uuid));
    status.ports = ports.clone().map(|port| port.name.clone()).collect();
    status.ports.sort_unstable();
    status.tunnels = tunnels(live, physical, hosts);
    status.faults.clone_from(&physical.faults);
    status.faults.extend(ports.flat_map(|port| port.faults.iter().map(|fault| format!("{}: {fault}", port.name))));
    if let Some(section) = live.worker.desired.sections.get(&config.physical_switch) {
        for row in &mut status.bindings {
            judge(live, section, row, outstanding, &status.tunnels);
        }
        let counts = section.intent.networks.iter().map(|network| rows(live, *network, outstanding));
        (status.rows_desired, status.rows_actual) = counts.fold((0, 0), |sum, (d, a)| (sum.0 + d, sum.1 + a));
    }
    let of_bindings = status.bindings.iter().map(|row| (row.status, row.reason.clone()));
    let own = [
        (!live.work.held.is_empty()).then(|| (Status::Held, held(live))),
        (lock == "waiting").then(|| (Status::Pending, "another controller holds the switch's lock".to_owned())),
        (!status.faults.is_empty()).then(|| (Status::Degraded, status.faults.join(", "))),
        extras_fault(live).map(|reason| (Status::Degraded, reason)),
        (!status.draining.is_empty()).then(|| (Status::Draining, "rows of disconnected networks are going".to_owned())),
    ];
    if let Some((worst, reason)) = of_bindings.chain(own.into_iter().flatten()).max_by_key(|(status, _)| *status) {
        (status.status, status.reason) = (worst, reason);
    }
    status
}

fn absent(live: &Live<'_>, config: &SwitchConfig) -> String {
    let mut names: Vec<_> = live.replica.switches().map(|switch| switch.name.as_str()).collect();
    names.sort_unstable();
    let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    format!(
        "the database at {} has no Physical_Switch '{}' (there: {there}): set physical_switch in [switch:{}]",
        live.worker.settings.database, config.physical_switch, config.name
    )
}

fn held(live: &Live<'_>) -> String {
    if live.policy.hold {
        return "an operator holds all deletions: l2gw switch release lets them go".to_owned();
    }
    "deletions that nothing explains are held: look whether the desired state is complete, then release them".to_owned()
}

/// Rows that a network should have on the database, and those that are right.
fn rows(live: &Live<'_>, network: NetworkId, outstanding: &BTreeMap<NetworkId, u64>) -> (u64, u64) {
    let Some(intent) = live.worker.desired.networks.get(&network) else { return (0, 0) };
    let bindings = live.worker.desired.sections.values().flat_map(|section| section.intent.bindings.values());
    let bindings = bindings.filter(|bound| bound.network == network).count();
    let planner = live.planner();
    let flood = usize::from(!planner.flood_list(intent).is_empty());
    let desired = (1 + flood + bindings + planner.mac_rows(intent)) as u64;
    let wrong = match planner.logical_switches(network).0 {
        None => desired,
        Some(_) => outstanding.get(&network).copied().unwrap_or(0),
    };
    (desired, desired.saturating_sub(wrong))
}

/// The status of one binding.
fn judge(
    live: &Live<'_>,
    section: &Section,
    row: &mut BindingStatus,
    outstanding: &BTreeMap<NetworkId, u64>,
    tunnels: &[TunnelStatus],
) {
    let planner = live.planner();
    (row.rows_desired, row.rows_actual) = rows(live, row.network_id, outstanding);
    let mut set = |status, reason: String| (row.status, row.reason) = (status, reason);
    let Some(switch) = live.replica.switch(&section.physical_switch) else { return };
    let Some((port, port_row)) = live.replica.port_of(switch, &row.port) else {
        let mut ports: Vec<_> =
            switch.ports.iter().filter_map(|p| live.replica.port(*p)).map(|p| p.name.as_str()).collect();
        ports.sort_unstable();
        let reason = format!("port {} is not on {}; its ports are: {}", row.port, row.switch, ports.join(", "));
        return set(Status::Error, reason);
    };
    if let Some(bound) = section.intent.bindings.get(&(row.port.clone(), row.vlan))
        && let (network, [connection, ..]) = (bound.network, bound.connections.as_slice())
        && network != row.network_id
    {
        let reason = format!(
            "VLAN {} of port {} belongs to network {network} by connection {connection}: delete that connection, or this one",
            row.vlan, row.port
        );
        return set(Status::Conflict, reason);
    }
    let Some(network) = live.worker.desired.networks.get(&row.network_id) else {
        return set(Status::Pending, "the network isn't known yet".to_owned());
    };
    if network.vni.is_none() {
        return set(Status::Error, "the network has no VXLAN segment".to_owned());
    }
    if let Some(name) = planner.vni_conflict(network) {
        let vni = network.vni.map_or(0, crate::model::Vni::get);
        let reason = format!("Logical_Switch '{name}', which is not ours, has the network's VNI {vni} on this switch");
        return set(Status::Conflict, reason);
    }
    let vlan = row.vlan.get();
    let bound = port_row.bindings.get(&vlan);
    let holder = bound.and_then(|uuid| live.replica.logical_switch_index(*uuid));
    if let Some(index) = holder
        && planner.owner(index).is_none()
    {
        let name = live.replica.logical_switch(index).map_or("unknown", |row| row.name.as_str());
        let reason = format!("VLAN {vlan} of port {} is bound to Logical_Switch '{name}', which is not ours", row.port);
        return set(Status::Conflict, reason);
    }
    let of_network = |key: &Key| match key {
        Key::Network(id) | Key::Mac(id, _) => *id == row.network_id,
        Key::Binding(p, v) => *p == port && *v == vlan,
        // They are the switch's, not a binding's.
        Key::Tunnel(_) | Key::Managers => false,
    };
    if let Some((key, fault)) = live.work.faults.iter().find(|(key, _)| of_network(key)) {
        let what = match key {
            Key::Network(_) => "the Logical_Switch or its flood row".to_owned(),
            Key::Binding(..) => format!("VLAN {vlan} of port {}", row.port),
            Key::Mac(_, mac) => format!("MAC {mac}"),
            Key::Tunnel(_) | Key::Managers => String::new(),
        };
        let count = live.work.faults.iter().filter(|(key, _)| of_network(key)).count();
        let more = if count > 1 { format!(" (and {} more rows)", count - 1) } else { String::new() };
        let status = if fault.fight { Status::Conflict } else { Status::Error };
        return set(status, format!("{what}: {}{more}", fault.error));
    }
    if live.work.held.contains(&row.network_id) {
        return set(Status::Held, held(live));
    }
    let chosen = planner.logical_switches(row.network_id).0;
    if chosen.is_none() || holder != chosen || outstanding.contains_key(&row.network_id) {
        let reason = match live.lock {
            _ if live.worker.observes() && !live.worker.repairing => {
                "mode = observe: see 'l2gw switch diff', apply with 'l2gw switch repair'"
            }
            Lock::Waiting => "another controller holds the switch's lock",
            _ => "being written",
        };
        return set(Status::Pending, reason.to_owned());
    }
    let faults = switch.faults.iter().chain(&port_row.faults).cloned().collect::<Vec<_>>();
    if !faults.is_empty() {
        return set(Status::Degraded, format!("the switch reports: {}", faults.join(", ")));
    }
    let down = |tunnel: &&TunnelStatus| !tunnel.up && leads_to(tunnel, network);
    if let Some(TunnelStatus { remote, host, state, .. }) = tunnels.iter().find(down) {
        let to = if host.is_empty() { remote.clone() } else { format!("{host} ({remote})") };
        return set(Status::Degraded, format!("the tunnel to {to} is {state} (BFD)"));
    }
    let degraded = live.policy.columns.degraded.iter().find(|text| text.starts_with("Logical_Switch.replication_mode"));
    match degraded {
        Some(text) if !network.flood.is_empty() => set(Status::Degraded, text.clone()),
        _ => set(Status::Active, String::new()),
    }
}

pub(super) fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// What the switch refuses of what is kept beside the networks.
fn extras_fault(live: &Live<'_>) -> Option<String> {
    live.work.faults.iter().find_map(|(key, fault)| match key {
        Key::Tunnel(_) => Some(format!("BFD of a tunnel: {}", fault.error)),
        Key::Managers => Some(format!("manager_targets: {}", fault.error)),
        Key::Network(_) | Key::Binding(..) | Key::Mac(..) => None,
    })
}

/// The tunnels of a switch that say something of BFD, those that are down first.
fn tunnels(live: &Live<'_>, switch: &PhysicalSwitch, hosts: &HostNames) -> Vec<TunnelStatus> {
    let replica = &live.replica;
    let of_switch = |local: &Ipv4Addr| switch.tunnel_ips.contains(&IpAddr::V4(*local));
    let mut tunnels: Vec<_> = replica
        .tunnels()
        .filter_map(|(_, tunnel)| {
            let local = replica.vtep(tunnel.local).filter(of_switch)?;
            let state = tunnel.bfd_status.get("state").cloned().unwrap_or_default();
            // Where the switch runs no BFD there is nothing to judge.
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
