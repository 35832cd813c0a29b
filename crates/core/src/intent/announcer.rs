//! From what the store holds of learned MACs and VTEPs to what is announced: one state of the store, one answer.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::Ipv4Addr,
    sync::Arc,
};

use super::behind::{Announced, Announcement, GatewayVteps};
use crate::{
    model::{Change, GatewayId, Ips, LearnedChange, LearnedMac, MacAddr, NetworkId, is_vtep},
    topology::{Affected, Segment, Topology, pick},
};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    networks: HashMap<NetworkId, HashMap<MacAddr, Vec<Sighting>>>,
    /// Names of switches, each held once.
    names: HashSet<Arc<str>>,
    /// Number of MACs that each switch has learned at each of its VTEPs.
    used: HashMap<Arc<str>, BTreeMap<Ipv4Addr, usize>>,
    dirty: BTreeMap<NetworkId, Dirty>,
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
    /// Gateways, twins or VTEPs changed: everything is compared.
    all: bool,
    macs: BTreeSet<MacAddr>,
}

// ===== impl Announcer: following the store =====

impl Announcer {
    /// Takes the changes of one commit, after the topology did, and answers what they make different.
    pub(super) fn apply(&mut self, topology: &Topology, changes: &[Change], affected: &Affected) -> Vec<Announcement> {
        affected.announced.iter().for_each(|network| self.touch(*network));
        for change in changes {
            match change.learned() {
                Some(LearnedChange::Set(learned)) => self.learn(learned, topology),
                Some(LearnedChange::Removed { switch, network, mac }) => self.forget(switch, network, mac, topology),
                None => {}
            }
            if let Change::NetworkRemoved(network) = change {
                self.forget_network(*network);
            }
        }
        let dirty = std::mem::take(&mut self.dirty);
        dirty.into_iter().map(|(network, dirty)| self.announce(topology, network, &dirty)).collect()
    }

    fn touch(&mut self, network: NetworkId) {
        self.dirty.entry(network).or_default().all = true;
    }

    fn learn(&mut self, learned: &LearnedMac, topology: &Topology) {
        // A store of an earlier version may hold what no longer counts.
        if !learned.mac.is_unicast() || !is_vtep(learned.vtep) {
            return;
        }
        let known = self.names.get(learned.switch.as_str()).cloned();
        let switch = known.unwrap_or_else(|| {
            let name: Arc<str> = learned.switch.as_str().into();
            self.names.insert(name.clone());
            name
        });
        let sightings = self.networks.entry(learned.network).or_default().entry(learned.mac).or_default();
        let before = sightings.iter().position(|sighting| sighting.switch == switch).map(|i| sightings.remove(i).vtep);
        let (vtep, ips, learned_ms) = (learned.vtep, learned.ips.clone(), learned.learned_ms);
        sightings.push(Sighting { switch: switch.clone(), vtep, ips, learned_ms });
        // The same answer whatever the order in which they came.
        sightings.sort_by(|a, b| a.switch.cmp(&b.switch));
        self.dirty.entry(learned.network).or_default().macs.insert(learned.mac);
        if before != Some(vtep) {
            self.count(&switch, before, Some(vtep), topology);
        }
    }

    fn forget(&mut self, switch: &str, network: NetworkId, mac: MacAddr, topology: &Topology) {
        let Some(learned) = self.networks.get_mut(&network) else { return };
        let Some(sightings) = learned.get_mut(&mac) else { return };
        let Some(at) = sightings.iter().position(|sighting| &*sighting.switch == switch) else { return };
        let gone = sightings.remove(at);
        if sightings.is_empty() {
            learned.remove(&mac);
            if learned.is_empty() {
                self.networks.remove(&network);
            }
        }
        self.dirty.entry(network).or_default().macs.insert(mac);
        self.count(&gone.switch, Some(gone.vtep), None, topology);
    }

    fn forget_network(&mut self, network: NetworkId) {
        for sighting in self.networks.remove(&network).into_iter().flat_map(HashMap::into_values).flatten() {
            self.count(&sighting.switch, Some(sighting.vtep), None, &Topology::default());
        }
    }

    /// A switch has a MAC less at one of its VTEPs, and one more at another.
    fn count(&mut self, switch: &Arc<str>, less: Option<Ipv4Addr>, more: Option<Ipv4Addr>, topology: &Topology) {
        let used = self.used.entry(switch.clone()).or_default();
        let before = used.len();
        if let Some(vtep) = more {
            *used.entry(vtep).or_default() += 1;
        }
        let grew = used.len() > before;
        if let Some(vtep) = less
            && let Some(count) = used.get_mut(&vtep)
        {
            *count -= 1;
            if *count == 0 {
                used.remove(&vtep);
            }
        }
        let changed = grew || used.len() < before;
        if used.is_empty() {
            self.used.remove(switch);
        }
        // Which of several VTEPs gets the broadcasts may be another one now.
        if changed {
            for network in topology.networks_of_switch(switch).collect::<BTreeSet<_>>() {
                if candidates(topology, switch, network).len() > 1 {
                    self.touch(network);
                }
            }
        }
    }
}

// ===== impl Announcer: announcing =====

impl Announcer {
    fn announce(&self, topology: &Topology, network: NetworkId, dirty: &Dirty) -> Announcement {
        let gateways = dirty.all.then(|| {
            let all = topology.gateways_on(network);
            all.flat_map(|id| topology.segments(id).iter().map(move |segment| (id, segment)))
                .map(|(id, segment)| GatewayVteps {
                    id,
                    number: segment.number,
                    switches: segment.switches.clone(),
                    flood: self.flood(topology, network, id, segment),
                })
                .collect()
        });
        let none = HashMap::new();
        let learned = self.networks.get(&network).unwrap_or(&none);
        let known = |mac: &MacAddr| (*mac, learned.get(mac).map_or(&[] as &[_], Vec::as_slice));
        let mut macs: Vec<_> = dirty.macs.iter().map(known).collect();
        if dirty.all {
            let all = learned.iter().filter(|(mac, _)| !dirty.macs.contains(mac));
            macs.extend(all.map(|(mac, sightings)| (*mac, sightings.as_slice())));
            // A twin that takes over has all of them: who takes them gets them in the order of his tables.
            macs.sort_unstable_by_key(|(mac, _)| *mac);
        }
        let resolve = |(mac, sightings)| (mac, self.resolve(topology, network, mac, sightings));
        Announcement { network, gateways, macs: macs.into_iter().map(resolve).collect() }
    }

    /// The VTEPs that broadcasts for a segment are sent to.
    fn flood(&self, topology: &Topology, network: NetworkId, gateway: GatewayId, segment: &Segment) -> Vec<Ipv4Addr> {
        let pair = (gateway, network);
        if topology.idle(pair).is_some_and(|idle| idle.left) {
            return Vec::new();
        }
        let flooded = topology.roles(pair).into_iter().flat_map(|roles| roles.flooded());
        let own = flooded.filter(|switch| segment.switches.iter().any(|name| name == switch));
        // Twins that share one VTEP are one entry.
        let vteps: BTreeSet<Ipv4Addr> = own.filter_map(|switch| self.vtep(topology, switch, network)).collect();
        vteps.into_iter().collect()
    }

    /// Where a switch is reached for broadcasts: never at several VTEPs, or it would get each broadcast as often. Of
    /// several, the lowest at which it has learned a MAC; it may have others for something else.
    fn vtep(&self, topology: &Topology, switch: &str, network: NetworkId) -> Option<Ipv4Addr> {
        let vteps = candidates(topology, switch, network);
        let used = self.used.get(switch);
        let is_used = |vtep: &&Ipv4Addr| used.is_some_and(|used| used.contains_key(vtep));
        vteps.iter().find(is_used).or(vteps.first()).copied()
    }

    /// How a MAC is reached. Of several segments that have learned it the latest has it.
    fn resolve(
        &self,
        topology: &Topology,
        network: NetworkId,
        mac: MacAddr,
        sightings: &[Sighting],
    ) -> Option<Announced> {
        let behind = |switch: &str| {
            let id = topology.gateways_of_switch(switch).find(|id| topology.is_connected((*id, network)))?;
            let has = |segment: &&Segment| segment.switches.iter().any(|name| name == switch);
            Some((id, topology.segments(id).iter().find(has)?))
        };
        let placed = sightings.iter().filter_map(|sighting| Some((sighting, behind(&sighting.switch)?)));
        let (latest, (gateway, segment)) = placed.max_by_key(|(sighting, _)| sighting.learned_ms)?;
        let is_own = |sighting: &&Sighting| segment.switches.iter().any(|name| **name == *sighting.switch);
        let own: Vec<&Sighting> = sightings.iter().filter(is_own).collect();
        let ips = own.iter().flat_map(|sighting| sighting.ips.as_slice()).copied().collect();
        let roles = topology.roles((gateway, network))?;
        let vtep = if roles.is_each_alone() {
            latest.vtep
        } else {
            let announcers = roles.announcers();
            let is_announcer = |sighting: &&&Sighting| announcers.iter().any(|name| **name == *sighting.switch);
            let at: Vec<_> = own.iter().filter(is_announcer).collect();
            if let Some(sighting) = pick(&at, hash(mac)) {
                sighting.vtep
            } else {
                // The switch that learned it is cut off: its twin replaces it.
                let twin = pick(announcers, hash(mac));
                twin.and_then(|twin| self.vtep(topology, twin, network)).unwrap_or(latest.vtep)
            }
        };
        Some(Announced { mac, vtep, gateway: segment.number, ips })
    }
}

/// The VTEPs of a switch that get a network's broadcasts, sorted: those that it names itself, else its `tunnel_ips`.
fn candidates<'a>(topology: &'a Topology, switch: &str, network: NetworkId) -> &'a [Ipv4Addr] {
    match topology.broadcasts(switch, network) {
        [] => topology.tunnel_ips(switch),
        own => own,
    }
}

/// FNV-1a.
fn hash(mac: MacAddr) -> u128 {
    let step = |hash: u64, octet: u8| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    u128::from(mac.octets().into_iter().fold(0xcbf2_9ce4_8422_2325, step))
}

#[cfg(test)]
mod tests;
