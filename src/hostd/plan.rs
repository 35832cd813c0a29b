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
use crate::{
    config::HostConfig,
    model::{MacAddr, NetworkId, Vni},
};

/// What VXLAN adds to a packet over IPv4, in bytes: the outer IPv4, UDP and VXLAN headers, and the inner Ethernet header
/// (RFC 7348 section 5).
const OVERHEAD: u32 = 50;
/// The least MTU that IPv4 asks for (RFC 791).
const LEAST_MTU: u32 = 576;
/// What an underlay interface is taken for that isn't known.
const USUAL_MTU: u32 = 1500;

/// What the configuration says of every network.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) local_ip: Ipv4Addr,
    pub(super) port: u16,
    pub(super) arp_proxy: bool,
    /// Name of the underlay interface that tunnels are tied to.
    pub(super) device: Option<String>,
    pub(super) mtu: Option<u32>,
}

impl Policy {
    pub(super) fn of(host: &HostConfig) -> Self {
        let HostConfig { local_ip, port, arp_proxy, mtu, .. } = *host;
        Self { local_ip, port, arp_proxy, device: host.device.clone(), mtu }
    }
}

/// What is to be done to interfaces.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Links {
    pub(super) operations: Vec<Operation>,
    /// What stands in the way of a network, and how to fix it.
    pub(super) conflicts: BTreeMap<Vni, String>,
    /// What stands in the way of all networks.
    pub(super) obstacle: Option<String>,
}

// ===== the underlay =====

/// How the underlay shapes our interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Underlay {
    /// `[host] device`.
    device: Option<Index>,
    /// The MTU that our interfaces get.
    pub(super) mtu: u32,
    /// The largest MTU with which no packet is too large for the underlay.
    pub(super) fits: u32,
}

/// Reads the underlay from the kernel's interfaces.
///
/// # Errors
/// `[host] device` isn't there, in words for the operator.
pub(super) fn underlay(kernel: &Kernel, policy: &Policy) -> Result<Underlay, String> {
    let device = match &policy.device {
        None => None,
        Some(name) => Some(kernel.find(name).ok_or_else(|| {
            format!("the interface {name} ([host] device) is not there: create it, or correct the configuration")
        })?),
    };
    let lower = device.map(|(_, link)| link).or_else(|| kernel.links.get(&kernel.underlay?));
    let fits = lower.map_or(USUAL_MTU, |link| link.mtu).saturating_sub(OVERHEAD).max(LEAST_MTU);
    let mtu = match policy.mtu {
        // The kernel gives a device that is tied to another one no larger MTU than fits.
        Some(mtu) if device.is_some() => mtu.min(fits),
        Some(mtu) => mtu,
        None => fits,
    };
    Ok(Underlay { device: device.map(|(index, _)| index), mtu, fits })
}

// ===== interfaces =====

/// All interfaces by their name.
type Names<'a> = HashMap<&'a str, (Index, &'a Link)>;

/// Interfaces of the networks that are needed here, and none of the others.
pub(super) fn links(wanted: &BTreeMap<Vni, NetworkId>, kernel: &Kernel, policy: &Policy) -> Links {
    let mut plan = Links::default();
    let names: Names<'_> = kernel.links.iter().map(|(index, link)| (link.name.as_str(), (*index, link))).collect();
    match underlay(kernel, policy) {
        Ok(underlay) => {
            for &vni in wanted.keys() {
                let network = Planned { vni, names: &names, kernel, policy, underlay };
                if let Err(conflict) = network.links(&mut plan.operations) {
                    plan.conflicts.insert(vni, conflict);
                }
            }
        }
        Err(obstacle) => plan.obstacle = Some(obstacle),
    }
    let with_members = with_members(kernel);
    for (&index, link) in &kernel.links {
        let unwanted = |vni: Option<Vni>| vni.is_some_and(|vni| !wanted.contains_key(&vni));
        let goes = match link.kind {
            LinkKind::Vxlan { .. } => unwanted(link.vxlan_of()),
            LinkKind::Bridge => unwanted(link.bridge_of()) && !with_members.contains(&index),
            LinkKind::Other => false,
        };
        if goes && link.is_ours() {
            plan.operations.push(Operation::Delete { index, name: link.name.clone() });
        }
    }
    plan
}

/// The bridges that something is in besides our own VXLAN device.
fn with_members(kernel: &Kernel) -> HashSet<Index> {
    let ours = |link: &Link| link.is_ours() && link.vxlan_of().is_some();
    kernel.links.values().filter(|link| !ours(link)).filter_map(|link| link.master).collect()
}

/// One network that is needed here.
struct Planned<'a> {
    vni: Vni,
    names: &'a Names<'a>,
    kernel: &'a Kernel,
    policy: &'a Policy,
    underlay: Underlay,
}

impl Planned<'_> {
    fn links(&self, operations: &mut Vec<Operation>) -> Result<(), String> {
        let bridge = self.bridge(operations)?;
        self.device(bridge, operations)
    }

    /// The bridge, if it is there already.
    fn bridge(&self, operations: &mut Vec<Operation>) -> Result<Option<Index>, String> {
        let Self { vni, underlay: Underlay { mtu, .. }, .. } = *self;
        let name = bridge_name(vni);
        let Some(&(bridge, link)) = self.names.get(name.as_str()) else {
            operations.push(Operation::AddBridge { vni, mtu });
            return Ok(None);
        };
        if link.kind != LinkKind::Bridge {
            return Err(format!("the interface {name} is no bridge: rename or remove it"));
        }
        may_adopt(link)?;
        if !(link.is_ours() && link.up && link.mtu == mtu) {
            operations.push(Operation::SetBridge { bridge, mtu });
        }
        Ok(Some(bridge))
    }

    fn device(&self, bridge: Option<Index>, operations: &mut Vec<Operation>) -> Result<(), String> {
        let Self { vni, policy, underlay: Underlay { mtu, device: underlay, .. }, .. } = *self;
        let name = vxlan_name(vni);
        let add = Operation::AddVxlan { vni, mtu, underlay };
        let Some(&(device, link)) = self.names.get(name.as_str()) else {
            if let Some(other) = same_vni(vni, self.kernel, policy.port) {
                return Err(format!("the VXLAN device {other} has VNI {vni} already: remove it"));
            }
            operations.push(add);
            return Ok(());
        };
        may_adopt(link)?;
        let (local, port) = (Some(policy.local_ip), policy.port);
        let right = LinkKind::Vxlan { vni: vni.get(), local, port, learning: false, device: underlay };
        if link.kind != right {
            if !link.is_ours() {
                return Err(format!(
                    "the interface {name} is not ours and is no VXLAN device for VNI {vni}: remove it"
                ));
            }
            // The kernel changes neither the port nor what the device's socket is bound to.
            operations.push(Operation::Delete { index: device, name });
            operations.push(add);
            return Ok(());
        }
        let suppress = (link.suppresses != policy.arp_proxy).then_some(policy.arp_proxy);
        let right = |bridge| link.is_ours() && link.up && link.mtu == mtu && link.master == Some(bridge);
        if let Some(bridge) = bridge
            && !(right(bridge) && suppress.is_none())
        {
            operations.push(Operation::SetVxlan { device, bridge, mtu, suppress });
        }
        Ok(())
    }
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

/// Which MACs of a network are checked.
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
    policy: &Policy,
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

/// An entry for a machine on another host.
fn remote_entry<'a>(network: &'a Network, mac: MacAddr, policy: &Policy) -> Option<&'a Entry> {
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
    policy: &Policy,
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
