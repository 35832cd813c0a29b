//! Desired x actual -> operations. Pure: no I/O, no clock.
//!
//! Ours are the interfaces called `vtep-VNI` and `vtbr-VNI` that bear our alias, the entries on them that the kernel marks
//! as a control plane's, and the flood entries that we noted. Whatever else there is stays.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::Ipv4Addr,
};

use super::{
    fdb::{Entry, Network},
    kernel::{Forwarding, Index, Kernel, Link, LinkKind, Operation, Origin, bridge_name, vxlan_name},
};
use crate::model::{MacAddr, NetworkId, Vni};

/// What the configuration says of every network.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub(super) local_ip: Ipv4Addr,
    pub(super) port: u16,
    pub(super) arp_proxy: bool,
}

/// What is to be done to interfaces.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Links {
    pub(super) operations: Vec<Operation>,
    /// What stands in the way of a network, and the mend.
    pub(super) conflicts: BTreeMap<Vni, String>,
}

// ===== interfaces =====

/// Interfaces of the networks that are needed here, and none of the others.
pub(super) fn links(wanted: &BTreeMap<Vni, NetworkId>, kernel: &Kernel, policy: Policy) -> Links {
    let mut plan = Links::default();
    for &vni in wanted.keys() {
        if let Err(conflict) = network_links(vni, kernel, policy, &mut plan.operations) {
            plan.conflicts.insert(vni, conflict);
        }
    }
    for (&index, link) in &kernel.links {
        let unwanted = |vni: Option<Vni>| vni.is_some_and(|vni| !wanted.contains_key(&vni));
        let goes = match link.kind {
            LinkKind::Vxlan { .. } => unwanted(link.vxlan_of()),
            LinkKind::Bridge => unwanted(link.bridge_of()) && !has_members(index, kernel),
            LinkKind::Other => false,
        };
        if goes && link.is_ours() {
            plan.operations.push(Operation::Delete { index, name: link.name.clone() });
        }
    }
    plan
}

/// Whether something is in a bridge besides our own VXLAN device.
fn has_members(bridge: Index, kernel: &Kernel) -> bool {
    let ours = |link: &Link| link.is_ours() && link.vxlan_of().is_some();
    kernel.links.values().any(|link| link.master == Some(bridge) && !ours(link))
}

fn network_links(vni: Vni, kernel: &Kernel, policy: Policy, operations: &mut Vec<Operation>) -> Result<(), String> {
    let (device_name, bridge_name) = (vxlan_name(vni), bridge_name(vni));
    let bridge = kernel.find(&bridge_name);
    match bridge {
        None => operations.push(Operation::AddBridge(vni)),
        Some((_, link)) if link.kind != LinkKind::Bridge => {
            return Err(format!("the interface {bridge_name} is no bridge: rename or remove it"));
        }
        Some((bridge, link)) if !(link.is_ours() && link.up) => {
            may_adopt(link)?;
            operations.push(Operation::SetBridge { bridge });
        }
        Some(_) => {}
    }
    let Some((device, link)) = kernel.find(&device_name) else {
        if let Some(other) = same_vni(vni, kernel, policy.port) {
            return Err(format!("the VXLAN device {other} has VNI {vni} already: remove it"));
        }
        operations.push(Operation::AddVxlan(vni));
        return Ok(());
    };
    may_adopt(link)?;
    let right = LinkKind::Vxlan { vni: vni.get(), local: Some(policy.local_ip), port: policy.port, learning: false };
    if link.kind != right {
        if !link.is_ours() {
            return Err(format!(
                "the interface {device_name} is not ours and is no VXLAN device for VNI {vni}: remove it"
            ));
        }
        // Neither address nor port can be changed on a device that is there.
        operations.push(Operation::Delete { index: device, name: device_name });
        operations.push(Operation::AddVxlan(vni));
        return Ok(());
    }
    if let Some((bridge, _)) = bridge
        && !(link.is_ours() && link.up && link.master == Some(bridge) && link.suppresses == policy.arp_proxy)
    {
        let suppress = (link.suppresses != policy.arp_proxy).then_some(policy.arp_proxy);
        operations.push(Operation::SetVxlan { device, bridge, suppress });
    }
    Ok(())
}

/// An interface by our name is ours, or one that we had made when we were killed; never one that bears another's mark.
fn may_adopt(link: &Link) -> Result<(), String> {
    if link.is_ours() || link.alias.is_empty() {
        return Ok(());
    }
    Err(format!("the interface {} belongs to '{}' (its alias): rename or remove it", link.name, link.alias))
}

fn same_vni(vni: Vni, kernel: &Kernel, port: u16) -> Option<&str> {
    let same = |link: &&Link| matches!(link.kind, LinkKind::Vxlan { vni: other, port: at, .. } if other == vni.get() && at == port);
    kernel.links.values().find(same).map(|link| link.name.as_str())
}

// ===== entries =====

/// Which MACs of a network are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope<'a> {
    All,
    Some(&'a HashSet<MacAddr>),
}

impl Scope<'_> {
    fn holds(self, mac: MacAddr) -> bool {
        match self {
            Self::All => true,
            Self::Some(macs) => macs.contains(&mac),
        }
    }
}

/// Entries of one network; nothing where its device isn't there. `noted` are the flood entries that are ours.
pub(super) fn entries(
    network: &Network,
    scope: Scope<'_>,
    kernel: &Kernel,
    policy: Policy,
    noted: &BTreeSet<Ipv4Addr>,
) -> Vec<Operation> {
    let nothing = Forwarding::default();
    let Some((device, _)) = kernel.find(&vxlan_name(network.vni)) else { return Vec::new() };
    let forwarding = kernel.forwarding.get(&device).unwrap_or(&nothing);
    let mut operations = Vec::new();
    flood(network, device, forwarding, noted, &mut operations);
    for mac in looked_at(scope, network, forwarding.unicast.keys().copied()) {
        unicast(device, mac, remote_entry(network, mac, policy), forwarding, &mut operations);
    }
    if let Some((bridge, _)) = kernel.find(&bridge_name(network.vni)) {
        proxy(network, scope, (bridge, device), kernel, policy, &mut operations);
    }
    operations
}

/// The MACs in scope that are desired or there, each once.
fn looked_at(scope: Scope<'_>, network: &Network, there: impl Iterator<Item = MacAddr>) -> HashSet<MacAddr> {
    match scope {
        Scope::All => network.entries.keys().copied().chain(there).collect(),
        Scope::Some(macs) => macs.clone(),
    }
}

/// An entry for somebody who isn't on this host.
fn remote_entry(network: &Network, mac: MacAddr, policy: Policy) -> Option<&Entry> {
    network.entries.get(&mac).filter(|entry| entry.vtep != policy.local_ip)
}

fn unicast(device: Index, mac: MacAddr, desired: Option<&Entry>, actual: &Forwarding, operations: &mut Vec<Operation>) {
    match (desired, actual.unicast.get(&mac)) {
        (Some(entry), None) => operations.push(Operation::Forward { device, mac, vtep: entry.vtep, moved: false }),
        (Some(entry), Some(remote)) if remote.ours && remote.vtep != entry.vtep => {
            operations.push(Operation::Forward { device, mac, vtep: entry.vtep, moved: true });
        }
        (None, Some(remote)) if remote.ours => {
            operations.push(Operation::Forget { device, mac, vtep: remote.vtep });
        }
        _ => {}
    }
}

fn flood(
    network: &Network,
    device: Index,
    actual: &Forwarding,
    noted: &BTreeSet<Ipv4Addr>,
    operations: &mut Vec<Operation>,
) {
    // In this order: where one twin takes the other's place, a broadcast may get lost, but must not come twice.
    for &vtep in actual.flood.difference(&network.flood).filter(|vtep| noted.contains(vtep)) {
        operations.push(Operation::Unflood { device, vtep });
    }
    for &vtep in network.flood.difference(&actual.flood) {
        operations.push(Operation::Flood { device, vtep });
    }
}

/// What lets a bridge answer ARP and neighbour solicitations: the MAC behind the VXLAN device, and its addresses.
fn proxy(
    network: &Network,
    scope: Scope<'_>,
    (bridge, port): (Index, Index),
    kernel: &Kernel,
    policy: Policy,
    operations: &mut Vec<Operation>,
) {
    let desired = |mac| remote_entry(network, mac, policy).filter(|entry| policy.arp_proxy && !entry.ips.is_empty());
    let (no_stations, no_neighbours) = (HashMap::new(), HashMap::new());
    let stations = kernel.stations.get(&bridge).unwrap_or(&no_stations);
    let neighbours = kernel.neighbours.get(&bridge).unwrap_or(&no_neighbours);
    for (ip, neighbour) in neighbours.iter().filter(|(_, neighbour)| neighbour.ours && scope.holds(neighbour.mac)) {
        if !desired(neighbour.mac).is_some_and(|entry| entry.ips.contains(ip)) {
            operations.push(Operation::Unneighbour { bridge, ip: *ip });
        }
    }
    for mac in looked_at(scope, network, stations.keys().copied()) {
        let station = stations.get(&mac);
        let Some(entry) = desired(mac) else {
            if station.is_some_and(|station| station.origin == Origin::Ours && station.port == port) {
                operations.push(Operation::Unstation { bridge, port, mac });
            }
            continue;
        };
        // A MAC that was seen on one of the host's own ports has just come here: vtepd will know soon.
        match station {
            None => operations.push(Operation::Station { bridge, port, mac }),
            Some(station) if station.port == port && station.origin == Origin::Learned => {
                operations.push(Operation::Station { bridge, port, mac });
            }
            Some(_) => {}
        }
        for ip in &entry.ips {
            let stale = |other: MacAddr| !desired(other).is_some_and(|entry| entry.ips.contains(ip));
            match neighbours.get(ip) {
                None => operations.push(Operation::Neighbour { bridge, ip: *ip, mac }),
                Some(neighbour) if neighbour.ours && neighbour.mac != mac && stale(neighbour.mac) => {
                    operations.push(Operation::Neighbour { bridge, ip: *ip, mac });
                }
                Some(_) => {}
            }
        }
    }
}
