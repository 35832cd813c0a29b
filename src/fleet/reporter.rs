//! What a session has still to report to the relay: keys that are looked up in the replica when there is room in the channel.
//! So it has a bound, and what is reported is never older than the replica.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use uuid::Uuid;

use super::Database;
use crate::{
    model::{
        Ips, MacAddr, NetworkId, NotUnicastIp, NotVtep, SwitchVteps, check_host_ip, check_vtep,
        indexed::FastSet,
        is_vtep,
        reason::{Ignored, Reason},
    },
    plan::{Desired, Section},
    relay::{LearnedPlaces, Place, PortState, Report, ReportContent},
    vtep::{
        LogicalSwitchIndex, Replica, Touched,
        rows::{PhysicalSwitch, RowIp, Unicast},
    },
};

/// MACs or ports of one report.
const BATCH: usize = 1024;
/// Rows of Ucast_Macs_Local that are looked through for one report.
const PLACES: usize = 8 * BATCH;
/// MACs that are remembered for what is ignored of them.
const IGNORED: usize = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct Reporter {
    database: Arc<str>,
    /// The session hasn't said yet that it begins.
    beginning: bool,
    /// It hasn't said yet that it has reported all.
    completing: bool,
    /// The VTEPs of the switches.
    switches: bool,
    floods: BTreeSet<NetworkId>,
    /// MACs that changed, the first one first, each once.
    macs: VecDeque<(NetworkId, MacAddr)>,
    queued: FastSet<(NetworkId, MacAddr)>,
    ports: BTreeSet<Uuid>,
    sweep: Option<Sweep>,
    /// All has to be told anew: a Logical_Switch with learned MACs is another network's now, or there were more learned MACs
    /// than the relay remembers.
    outdated: bool,
    /// Learned MACs of a switch that are relayed at most (`max_learned_macs`).
    most: usize,
    /// There were more than the relay remembers.
    overflowed: bool,
    /// Names of ports as they were told, for those that go.
    told: HashMap<Uuid, (Arc<str>, String)>,
    /// Whose Logical_Switches are, and were: their rows may go together with them.
    owners: HashMap<LogicalSwitchIndex, NetworkId>,
    /// MACs of which something is ignored, the first [`IGNORED`] of them.
    ignored: BTreeMap<(NetworkId, MacAddr), Ignored>,
    ignored_vtep: Option<Ignored>,
}

/// Everything is told, a part at a time. What changes meanwhile is told besides.
#[derive(Debug)]
struct Sweep {
    ports: Vec<Uuid>,
    /// The next row of Ucast_Macs_Local.
    place: usize,
}

// ===== impl Reporter =====

impl Reporter {
    pub(super) fn new(database: &Database, most: usize) -> Self {
        Self {
            database: database.to_string().into(),
            beginning: false,
            completing: false,
            switches: false,
            floods: BTreeSet::new(),
            macs: VecDeque::new(),
            queued: FastSet::default(),
            ports: BTreeSet::new(),
            sweep: None,
            outdated: false,
            most,
            overflowed: false,
            told: HashMap::new(),
            owners: HashMap::new(),
            ignored: BTreeMap::new(),
            ignored_vtep: None,
        }
    }

    /// The replica is complete: all of it is news.
    pub(super) fn begin(&mut self, replica: &Replica) {
        (self.beginning, self.completing) = (true, true);
        (self.outdated, self.overflowed) = (false, self.overflows(replica));
        self.touch_all(replica);
    }

    /// Whether it has to begin anew, which is the session's to time: a switch can have it so again and again.
    pub(super) fn is_outdated(&self) -> bool {
        self.outdated
    }

    /// The relay remembers as many MACs that it left out as it takes.
    fn overflows(&self, replica: &Replica) -> bool {
        replica.local_total() > self.most.saturating_mul(2)
    }

    /// Switches or their VTEPs changed, and with them perhaps what is whose.
    pub(super) fn touch_all(&mut self, replica: &Replica) {
        self.switches = true;
        for row in replica.local_multicasts() {
            let network = self.owner(replica, row.logical_switch);
            self.floods.extend(network);
        }
        let ports = replica.switches().flat_map(|switch| &switch.ports).copied().collect();
        self.sweep = Some(Sweep { ports, place: 0 });
    }

    /// Rows changed on the switch.
    pub(super) fn touch(&mut self, touched: &Touched, replica: &Replica) {
        for (index, mac) in &touched.local_macs {
            if let Some(network) = self.owner(replica, *index)
                && self.queued.insert((network, *mac))
            {
                self.macs.push_back((network, *mac));
            }
        }
        if self.overflows(replica) {
            self.overflowed = true;
        } else if self.overflowed && replica.local_total() <= self.most {
            self.outdated = true;
        }
        for index in &touched.local_floods {
            let network = self.owner(replica, *index);
            self.floods.extend(network);
        }
        self.ports.extend(&touched.ports);
        // A Logical_Switch that came or was renamed changes what its rows, and the bindings to it, are about.
        for index in &touched.rows {
            let before = self.owners.get(index).copied();
            if self.owner(replica, *index) != before {
                // A new one has none yet.
                self.outdated |= replica.local_count(*index) > 0;
                self.ports.extend(replica.bindings_to(*index).map(|(port, _)| port));
            }
        }
    }

    /// The network of a Logical_Switch that is ours, or was.
    fn owner(&mut self, replica: &Replica, index: LogicalSwitchIndex) -> Option<NetworkId> {
        match replica.owner(index).network() {
            Some(network) => {
                self.owners.insert(index, network);
                Some(network)
            }
            None => self.owners.get(&index).copied(),
        }
    }

    /// What is ignored of what the switches say, for people; `None`: nothing.
    pub(super) fn ignored(&self) -> Option<Reason> {
        let mut all = self.ignored_vtep.iter().chain(self.ignored.values());
        let first = all.next()?.clone();
        Some(Reason::Ignored { first, more: all.count() })
    }

    fn ignore(&mut self, key: (NetworkId, MacAddr), what: Option<Ignored>) {
        match what {
            None => drop(self.ignored.remove(&key)),
            Some(what) if self.ignored.len() < IGNORED => drop(self.ignored.insert(key, what)),
            Some(_) => {}
        }
    }

    pub(super) fn has_news(&self) -> bool {
        self.beginning
            || self.completing
            || self.switches
            || self.sweep.is_some()
            || !(self.floods.is_empty() && self.macs.is_empty() && self.ports.is_empty())
    }

    /// The next report.
    pub(super) fn next(&mut self, desired: &Desired, replica: &Replica) -> Option<Report> {
        let names = || desired.sections.keys();
        let content = if std::mem::take(&mut self.beginning) {
            ReportContent::Begun(names().map(|name| name.as_str().into()).collect())
        } else if std::mem::take(&mut self.switches) {
            let switches = desired.sections.iter();
            self.ignored_vtep = switches.clone().find_map(|(_, section)| ignored_vtep(section, replica));
            let vteps = |(name, section): (&String, &Section)| vteps(name, replica.switch(&section.physical_switch)?);
            ReportContent::Vteps(switches.filter_map(vteps).collect())
        } else if !self.floods.is_empty() {
            ReportContent::Vteps(floods(&std::mem::take(&mut self.floods), desired, replica))
        } else if !self.ports.is_empty() {
            let ports: Vec<_> = std::iter::from_fn(|| self.ports.pop_first()).take(BATCH).collect();
            ReportContent::Ports(ports.into_iter().filter_map(|port| self.port(port, desired, replica)).collect())
        } else if !self.macs.is_empty() {
            let keys: Vec<_> = self.macs.drain(..self.macs.len().min(BATCH)).collect();
            for key in &keys {
                self.queued.remove(key);
            }
            if self.macs.is_empty() {
                // What a burst took.
                (self.macs, self.queued) = (VecDeque::new(), FastSet::default());
            }
            ReportContent::Macs(self.macs_of(keys, desired, replica))
        } else if let Some(told) = self.sweep_on(desired, replica) {
            told
        } else if std::mem::take(&mut self.completing) {
            ReportContent::Complete
        } else {
            return None;
        };
        Some(Report { database: self.database.clone(), content })
    }

    /// The next part of everything; `None`: all was told.
    fn sweep_on(&mut self, desired: &Desired, replica: &Replica) -> Option<ReportContent> {
        let Sweep { mut ports, place } = self.sweep.take()?;
        if !ports.is_empty() {
            let some = ports.split_off(ports.len().saturating_sub(BATCH));
            self.sweep = Some(Sweep { ports, place });
            return Some(ReportContent::Ports(
                some.into_iter().filter_map(|port| self.port(port, desired, replica)).collect(),
            ));
        }
        let (mut keys, mut next, end) = (Vec::new(), Some(place), place.saturating_add(PLACES));
        // Rows of foreign Logical_Switches are passed over.
        while let Some(from) = next.filter(|from| *from < end && keys.is_empty()) {
            let rows;
            (rows, next) = replica.some_local_macs(from, BATCH);
            for row in rows {
                // A MAC may have thousands of rows, all of which are looked at for it: it is told with the first one.
                let mut same = replica.local_macs_with(row.logical_switch, row.mac);
                if same.next().is_some_and(|first| first.uuid == row.uuid) {
                    keys.extend(self.owner(replica, row.logical_switch).map(|network| (network, row.mac)));
                }
            }
        }
        self.sweep = next.map(|place| Sweep { ports, place });
        Some(ReportContent::Macs(self.macs_of(keys, desired, replica)))
    }

    fn macs_of(&mut self, keys: Vec<(NetworkId, MacAddr)>, desired: &Desired, replica: &Replica) -> Vec<LearnedPlaces> {
        let mut told = Vec::with_capacity(keys.len());
        for key in keys {
            let (heard, ignored) = heard(key.0, key.1, desired, replica);
            told.push(heard);
            self.ignore(key, ignored);
        }
        told
    }

    fn port(&mut self, uuid: Uuid, desired: &Desired, replica: &Replica) -> Option<PortState> {
        let Some((switch, _, name)) = desired.named_section_of(replica, uuid) else {
            let (switch, port) = self.told.remove(&uuid)?;
            return Some(PortState { switch, port, fit: false, networks: Vec::new() });
        };
        let (switch, name): (Arc<str>, _) = (switch.into(), name.to_owned());
        self.told.insert(uuid, (switch.clone(), name.clone()));
        let row = replica.port(uuid)?;
        let bound = row.bindings.values().filter_map(|ls| replica.owner(replica.logical_switch_index(*ls)?).network());
        let mut networks: Vec<_> = bound.collect();
        networks.sort_unstable();
        networks.dedup();
        Some(PortState { switch, port: name, fit: row.faults.is_empty(), networks })
    }
}

/// Where a switch is reached. One that says nothing of it (yet) is passed over: what was known holds.
fn vteps(name: &str, switch: &PhysicalSwitch) -> Option<SwitchVteps> {
    let mut vteps: Vec<Ipv4Addr> = switch.tunnel_ips.iter().filter_map(|ip| check_vtep(*ip).ok()).collect();
    vteps.sort_unstable();
    (!vteps.is_empty()).then(|| SwitchVteps { switch: name.to_owned(), network: None, vteps })
}

/// Where the switches want the broadcasts of these networks, as far as they say it.
fn floods(networks: &BTreeSet<NetworkId>, desired: &Desired, replica: &Replica) -> Vec<SwitchVteps> {
    let mut members: HashMap<NetworkId, BTreeSet<Ipv4Addr>> = HashMap::new();
    for row in replica.local_multicasts().filter(|row| row.unknown_dst) {
        if let Some(network) = replica.owner(row.logical_switch).network()
            && networks.contains(&network)
        {
            let vteps = replica.members(row.set).into_iter().filter(|vtep| is_vtep(*vtep));
            members.entry(network).or_default().extend(vteps);
        }
    }
    let mut found = Vec::new();
    for network in networks {
        for name in desired.sections.keys() {
            let all = members.get(network).into_iter().flatten();
            let own = all.filter(|vtep| attributed(**vtep, desired, replica) == Some(name.as_str()));
            found.push(SwitchVteps { switch: name.clone(), network: Some(*network), vteps: own.copied().collect() });
        }
    }
    found
}

/// Where a MAC is in this database, and what is ignored of what is said of it: no station has it, so it is relayed nowhere.
fn heard(network: NetworkId, mac: MacAddr, desired: &Desired, replica: &Replica) -> (LearnedPlaces, Option<Ignored>) {
    let (mut places, mut ignored): (Vec<Place>, _) = (Vec::new(), None);
    let rows = replica.owned(network).iter().flat_map(|index| replica.local_macs_with(*index, mac));
    let mut rows: Vec<&Unicast> = rows.collect();
    if let (Err(why), [_, ..]) = (mac.check_unicast(), rows.as_slice()) {
        return (LearnedPlaces { network, mac, places }, Some(Ignored::Mac(mac, why)));
    }
    // The same answer whatever the order in which the rows came.
    rows.sort_by_key(|row| row.uuid);
    for row in rows {
        let Some(vtep) = replica.vtep(row.locator) else { continue };
        if let Err(why) = check_vtep(vtep.into()) {
            ignored = Some(Ignored::Vtep { mac: Some(mac), vtep: vtep.into(), why });
            continue;
        }
        let Some(switch) = attributed(vtep, desired, replica) else { continue };
        let ip = match row.ip {
            RowIp::V4(ip) => Some(IpAddr::V4(ip)),
            RowIp::V6(ip) => Some(IpAddr::V6(ip)),
            RowIp::None | RowIp::Other => None,
        };
        let ip = ip.filter(|ip| match check_host_ip(*ip) {
            Ok(()) => true,
            // Some switches write 'no address' so.
            Err(NotUnicastIp::Unspecified) => false,
            Err(why) => {
                ignored = Some(Ignored::Ip { mac, ip: *ip, why });
                false
            }
        });
        match places.iter_mut().find(|place| &*place.switch == switch) {
            Some(place) => place.ips = place.ips.as_slice().iter().copied().chain(ip).collect(),
            None => places.push(Place { switch: switch.into(), vtep, ips: ip.map_or(Ips::None, Ips::One) }),
        }
    }
    (LearnedPlaces { network, mac, places }, ignored)
}

/// An address of `tunnel_ips` that no packet can be sent to. An IPv6 address is none of ours, and no fault.
fn ignored_vtep(section: &Section, replica: &Replica) -> Option<Ignored> {
    let switch = replica.switch(&section.physical_switch)?;
    switch.tunnel_ips.iter().find_map(|ip| match check_vtep(*ip) {
        Err(why @ NotVtep::NotUnicast(_)) => Some(Ignored::Vtep { mac: None, vtep: *ip, why }),
        Err(NotVtep::Ipv6) | Ok(_) => None,
    })
}

/// The switch behind a VTEP: the one whose `tunnel_ips` have it, or the only one.
fn attributed<'a>(vtep: Ipv4Addr, desired: &'a Desired, replica: &Replica) -> Option<&'a str> {
    let mut sections = desired.sections.iter();
    let has = |(_, section): &(&String, &Section)| {
        let switch = replica.switch(&section.physical_switch);
        switch.is_some_and(|switch| switch.tunnel_ips.contains(&IpAddr::V4(vtep)))
    };
    let own = sections.clone().find(has);
    own.or_else(|| sections.next().filter(|_| sections.next().is_none() && replica.switches().count() == 1))
        .map(|(name, _)| name.as_str())
}
