//! The rows that a switch holds, as its monitor tells them.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use uuid::Uuid;

use super::{
    extras::Extras,
    ownership::{Owner, Ownership},
    rows::{
        Locator, LocatorIndex, LogicalSwitch, LogicalSwitchIndex, Multicast, PhysicalPort, PhysicalSwitch, Unicast,
    },
};
use crate::model::{
    MacAddr, NetworkId,
    indexed::{FastMap, Indexed, Record as _},
};

/// A port and a VLAN of it.
pub type BoundPort = (Uuid, u16);

/// The replica. Rows of any table may come in any order, so a row may refer to one that isn't there yet.
#[derive(Debug, Default)]
pub struct Replica {
    ownership: Ownership,
    pub(super) switches: FastMap<Uuid, PhysicalSwitch>,
    pub(super) ports: FastMap<Uuid, PhysicalPort>,
    logical_switches: Interned<LogicalSwitch>,
    /// What refers to each Logical_Switch, by its index.
    refs: Vec<Refs>,
    /// Logical_Switches that are ours, or may be, by their network: those with our own prefix first.
    owned: FastMap<NetworkId, Vec<LogicalSwitchIndex>>,
    by_key: FastMap<i64, BTreeSet<LogicalSwitchIndex>>,
    locators: Interned<Locator>,
    /// Locators without a tunnel key.
    by_ip: FastMap<Ipv4Addr, LocatorIndex>,
    sets: FastMap<Uuid, Vec<LocatorIndex>>,
    macs: Indexed<Unicast>,
    /// Rows of Ucast_Macs_Remote whose MAC is none.
    odd_macs: FastMap<Uuid, LogicalSwitchIndex>,
    multicasts: FastMap<Uuid, Multicast>,
    /// Rows of Ucast_Macs_Local with a proper MAC.
    local_macs: Indexed<Unicast>,
    /// Rows of Mcast_Macs_Local.
    local_multicasts: FastMap<Uuid, Multicast>,
    /// Those, and rows of Ucast_Macs_Local whose MAC is none.
    other_locals: FastMap<Uuid, LogicalSwitchIndex>,
    pub(super) extras: Extras,
}

/// What refers to a Logical_Switch.
#[derive(Debug, Default)]
struct Refs {
    owner: Owner,
    /// How far the prefix of its name stands behind our own.
    rank: usize,
    macs: usize,
    odd_macs: BTreeSet<Uuid>,
    multicasts: BTreeSet<Uuid>,
    bindings: BTreeSet<BoundPort>,
    locals: usize,
}

/// What an update changed, for the plan to look at again.
#[derive(Debug, Default)]
pub struct Touched {
    /// Rows of Ucast_Macs_Remote, by what they say something about.
    pub macs: Vec<(LogicalSwitchIndex, MacAddr)>,
    /// Logical_Switches whose own row came, went or changed.
    pub rows: BTreeSet<LogicalSwitchIndex>,
    /// Logical_Switches whose own row, flood row or odd rows changed.
    pub logical_switches: BTreeSet<LogicalSwitchIndex>,
    /// Networks of which a Logical_Switch went, or got the name of another one.
    pub left: BTreeSet<NetworkId>,
    /// Logical_Switches whose bindings or local MACs changed: while there are any, the row can't be removed.
    pub released: BTreeSet<LogicalSwitchIndex>,
    /// Rows of Ucast_Macs_Local, by what they say something about.
    pub local_macs: Vec<(LogicalSwitchIndex, MacAddr)>,
    /// Logical_Switches whose rows of Mcast_Macs_Local changed.
    pub local_floods: BTreeSet<LogicalSwitchIndex>,
    /// Ports whose row or bindings changed.
    pub ports: BTreeSet<Uuid>,
    /// Those of them that came, or got another name.
    pub identities: BTreeSet<Uuid>,
    /// VLANs of ports whose binding came, went or changed.
    pub bindings: BTreeSet<BoundPort>,
    /// Physical_Switch rows came, went or changed their ports or VTEPs.
    pub switches: bool,
    /// Rows of Tunnel.
    pub tunnels: BTreeSet<Uuid>,
    /// Rows of Manager or Global came, went or changed.
    pub managers: bool,
}

/// Rows that are referred to by number.
#[derive(Debug)]
struct Interned<T> {
    index: FastMap<Uuid, u32>,
    rows: Vec<(Uuid, Option<T>)>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { index: FastMap::default(), rows: Vec::new() }
    }
}

impl<T> Interned<T> {
    /// The number of a row, which may still be to come.
    fn intern(&mut self, uuid: Uuid) -> u32 {
        *self.index.entry(uuid).or_insert_with(|| {
            self.rows.push((uuid, None));
            u32::try_from(self.rows.len() - 1).expect("2^32 rows don't fit into memory")
        })
    }

    fn set(&mut self, index: u32, row: Option<T>) -> Option<T> {
        std::mem::replace(&mut self.rows[index as usize].1, row)
    }

    fn get(&self, index: u32) -> Option<&T> {
        self.rows[index as usize].1.as_ref()
    }

    fn uuid(&self, index: u32) -> Uuid {
        self.rows[index as usize].0
    }
}

// ===== impl Replica: reading =====

impl Replica {
    /// An empty replica, of which rows will be ours as their names say.
    #[must_use]
    pub fn new(ownership: Ownership) -> Self {
        Self { ownership, ..Self::default() }
    }

    /// Which Logical_Switches are ours.
    #[must_use]
    pub fn ownership(&self) -> &Ownership {
        &self.ownership
    }

    /// What the name of a Logical_Switch says about whose it is; one that isn't there is nobody's.
    #[must_use]
    pub fn owner(&self, index: LogicalSwitchIndex) -> Owner {
        self.refs(index).map_or(Owner::Foreign, |refs| refs.owner)
    }

    /// The Logical_Switches of a network that are ours or may be adopted, those with our own prefix first.
    #[must_use]
    pub fn owned(&self, network: NetworkId) -> &[LogicalSwitchIndex] {
        self.owned.get(&network).map_or(&[], Vec::as_slice)
    }

    /// The networks that have such Logical_Switches.
    pub fn owned_networks(&self) -> impl Iterator<Item = NetworkId> {
        self.owned.keys().copied()
    }

    /// Physical_Switch rows.
    pub fn switches(&self) -> impl Iterator<Item = &PhysicalSwitch> {
        self.switches.values()
    }

    /// The Physical_Switch of this name.
    #[must_use]
    pub fn switch(&self, name: &str) -> Option<&PhysicalSwitch> {
        self.switches.values().find(|switch| switch.name == name)
    }

    /// The port of this name on this switch.
    #[must_use]
    pub fn port_of(&self, switch: &PhysicalSwitch, name: &str) -> Option<(Uuid, &PhysicalPort)> {
        let ports = switch.ports.iter().filter_map(|uuid| Some((*uuid, self.ports.get(uuid)?)));
        ports.into_iter().find(|(_, port)| port.name == name)
    }

    /// A port.
    #[must_use]
    pub fn port(&self, uuid: Uuid) -> Option<&PhysicalPort> {
        self.ports.get(&uuid)
    }

    /// The VTEPs of these switches themselves.
    pub fn own_vteps(&self) -> impl Iterator<Item = Ipv4Addr> {
        let ips = self.switches.values().flat_map(|switch| &switch.tunnel_ips);
        ips.filter_map(|ip| if let IpAddr::V4(ip) = ip { Some(*ip) } else { None })
    }

    /// Whether the address is a VTEP of one of these switches themselves.
    #[must_use]
    pub fn is_own_vtep(&self, ip: Ipv4Addr) -> bool {
        self.own_vteps().any(|own| own == ip)
    }

    /// Logical_Switch rows.
    pub fn logical_switches(&self) -> impl Iterator<Item = (LogicalSwitchIndex, &LogicalSwitch)> {
        let rows = self.logical_switches.rows.iter().enumerate();
        rows.filter_map(|(index, (_, row))| Some((LogicalSwitchIndex::try_from(index).ok()?, row.as_ref()?)))
    }

    /// A Logical_Switch row.
    #[must_use]
    pub fn logical_switch(&self, index: LogicalSwitchIndex) -> Option<&LogicalSwitch> {
        self.logical_switches.get(index)
    }

    /// `_uuid` of a Logical_Switch.
    #[must_use]
    pub fn logical_switch_uuid(&self, index: LogicalSwitchIndex) -> Uuid {
        self.logical_switches.uuid(index)
    }

    /// The Logical_Switch of this `_uuid`.
    #[must_use]
    pub fn logical_switch_index(&self, uuid: Uuid) -> Option<LogicalSwitchIndex> {
        self.logical_switches.index.get(&uuid).copied()
    }

    /// The Logical_Switches with this `tunnel_key`.
    pub fn logical_switches_with_key(&self, key: i64) -> impl Iterator<Item = LogicalSwitchIndex> {
        self.by_key.get(&key).into_iter().flatten().copied()
    }

    /// The bindings that refer to a Logical_Switch.
    pub fn bindings_to(&self, index: LogicalSwitchIndex) -> impl Iterator<Item = BoundPort> {
        self.refs(index).into_iter().flat_map(|refs| &refs.bindings).copied()
    }

    /// Rows of Mcast_Macs_Remote of a Logical_Switch, with their `_uuid`.
    pub fn multicasts_of(&self, index: LogicalSwitchIndex) -> impl Iterator<Item = (Uuid, Multicast)> {
        let rows = self.refs(index).into_iter().flat_map(|refs| &refs.multicasts);
        rows.filter_map(|uuid| Some((*uuid, *self.multicasts.get(uuid)?)))
    }

    /// Number of rows of Ucast_Macs_Remote of a Logical_Switch, those without a proper MAC included.
    #[must_use]
    pub fn mac_count(&self, index: LogicalSwitchIndex) -> usize {
        self.refs(index).map_or(0, |refs| refs.macs + refs.odd_macs.len())
    }

    /// Rows of Ucast_Macs_Remote of a Logical_Switch whose MAC is none.
    pub fn odd_macs_of(&self, index: LogicalSwitchIndex) -> impl Iterator<Item = Uuid> {
        self.refs(index).into_iter().flat_map(|refs| &refs.odd_macs).copied()
    }

    /// Number of rows of Ucast_Macs_Local and Mcast_Macs_Local that refer to a Logical_Switch.
    #[must_use]
    pub fn local_count(&self, index: LogicalSwitchIndex) -> usize {
        self.refs(index).map_or(0, |refs| refs.locals)
    }

    /// The rows of Ucast_Macs_Local of a MAC on a Logical_Switch.
    pub fn local_macs_with(&self, index: LogicalSwitchIndex, mac: MacAddr) -> impl Iterator<Item = &Unicast> {
        self.local_macs.with_key((index, mac))
    }

    /// All rows of Ucast_Macs_Local with a proper MAC.
    pub fn local_macs(&self) -> impl Iterator<Item = &Unicast> {
        self.local_macs.iter()
    }

    /// Rows of Mcast_Macs_Local: where the switch wants what it can't send elsewhere.
    pub fn local_multicasts(&self) -> impl Iterator<Item = &Multicast> {
        self.local_multicasts.values()
    }

    /// All rows of Ucast_Macs_Remote with a proper MAC.
    pub fn macs(&self) -> impl Iterator<Item = &Unicast> {
        self.macs.iter()
    }

    /// Number of rows of Ucast_Macs_Remote.
    #[must_use]
    pub fn mac_total(&self) -> usize {
        self.macs.len() + self.odd_macs.len()
    }

    /// The rows of a MAC on a Logical_Switch: more than one are duplicates, which the schema takes.
    pub fn macs_with(&self, index: LogicalSwitchIndex, mac: MacAddr) -> impl Iterator<Item = &Unicast> {
        self.macs.with_key((index, mac))
    }

    /// The locator of a VTEP, without a tunnel key of its own.
    #[must_use]
    pub fn locator(&self, ip: Ipv4Addr) -> Option<(LocatorIndex, Uuid)> {
        self.by_ip.get(&ip).map(|index| (*index, self.locators.uuid(*index)))
    }

    /// Whether a set holds exactly these VTEPs. `ips` is sorted.
    #[must_use]
    pub fn set_equals(&self, set: Uuid, ips: &[Ipv4Addr]) -> bool {
        let Some(members) = self.sets.get(&set) else { return false };
        let proper = |index: &LocatorIndex| self.locators.get(*index).filter(|l| !l.keyed).and_then(|l| l.ip);
        members.len() == ips.len()
            && members.iter().all(|index| proper(index).is_some_and(|ip| ips.binary_search(&ip).is_ok()))
    }

    /// The VTEP of a locator; `None`: it is gone, or no IPv4 address.
    #[must_use]
    pub fn vtep(&self, index: LocatorIndex) -> Option<Ipv4Addr> {
        self.locators.get(index)?.ip
    }

    /// Whether a locator is the one of a VTEP, without a tunnel key of its own.
    #[must_use]
    pub fn locates(&self, index: LocatorIndex, vtep: Ipv4Addr) -> bool {
        self.locators.get(index).is_some_and(|locator| !locator.keyed && locator.ip == Some(vtep))
    }

    /// The VTEP of the locator with this `_uuid`.
    #[must_use]
    pub fn vtep_of(&self, uuid: Uuid) -> Option<Ipv4Addr> {
        self.vtep(*self.locators.index.get(&uuid)?)
    }

    /// The VTEPs of a locator set, sorted.
    #[must_use]
    pub fn members(&self, set: Uuid) -> Vec<Ipv4Addr> {
        let mut ips: Vec<_> = self.sets.get(&set).into_iter().flatten().filter_map(|index| self.vtep(*index)).collect();
        ips.sort_unstable();
        ips
    }

    /// A row of Mcast_Macs_Remote.
    #[must_use]
    pub fn multicast_row(&self, uuid: Uuid) -> Option<Multicast> {
        self.multicasts.get(&uuid).copied()
    }

    fn refs(&self, index: LogicalSwitchIndex) -> Option<&Refs> {
        self.refs.get(index as usize)
    }
}

// ===== impl Replica: following the monitor =====

impl Replica {
    pub(super) fn intern_logical_switch(&mut self, uuid: Uuid) -> LogicalSwitchIndex {
        let index = self.logical_switches.intern(uuid);
        if self.refs.len() <= index as usize {
            self.refs.push(Refs::default());
        }
        index
    }

    pub(super) fn intern_locator(&mut self, uuid: Uuid) -> LocatorIndex {
        self.locators.intern(uuid)
    }

    pub(super) fn set_switch(&mut self, uuid: Uuid, row: Option<PhysicalSwitch>, touched: &mut Touched) {
        touched.switches = true;
        match row {
            Some(row) => self.switches.insert(uuid, row),
            None => self.switches.remove(&uuid),
        };
    }

    pub(super) fn set_port(&mut self, uuid: Uuid, row: Option<PhysicalPort>, touched: &mut Touched) {
        touched.ports.insert(uuid);
        let new = row.as_ref().map(|row| row.bindings.clone()).unwrap_or_default();
        if row.as_ref().is_some_and(|row| self.ports.get(&uuid).is_none_or(|old| old.name != row.name)) {
            touched.identities.insert(uuid);
        }
        let old = match row {
            Some(row) => self.ports.insert(uuid, row),
            None => self.ports.remove(&uuid),
        };
        let old = old.map(|row| row.bindings).unwrap_or_default();
        for (vlan, logical_switch) in old.iter().filter(|(vlan, ls)| new.get(vlan) != Some(ls)) {
            let index = self.intern_logical_switch(*logical_switch);
            self.refs[index as usize].bindings.remove(&(uuid, *vlan));
            touched.bindings.insert((uuid, *vlan));
            touched.released.insert(index);
        }
        for (vlan, logical_switch) in new.iter().filter(|(vlan, ls)| old.get(vlan) != Some(ls)) {
            let index = self.intern_logical_switch(*logical_switch);
            self.refs[index as usize].bindings.insert((uuid, *vlan));
            touched.bindings.insert((uuid, *vlan));
            touched.released.insert(index);
        }
    }

    pub(super) fn set_logical_switch(&mut self, uuid: Uuid, row: Option<LogicalSwitch>, touched: &mut Touched) {
        let index = self.intern_logical_switch(uuid);
        touched.logical_switches.insert(index);
        touched.rows.insert(index);
        touched.left.extend(self.own(index, row.as_ref()));
        let new = row.as_ref().and_then(|row| row.tunnel_key);
        let old = self.logical_switches.set(index, row).and_then(|old| old.tunnel_key);
        if let Some(key) = new {
            self.by_key.entry(key).or_default().insert(index);
        }
        if let Some(key) = old.filter(|key| new != Some(*key))
            && let Some(indexes) = self.by_key.get_mut(&key)
        {
            indexes.remove(&index);
            if indexes.is_empty() {
                self.by_key.remove(&key);
            }
        }
    }

    /// Notes whose a Logical_Switch is: once a row, so that nothing has to read its name again. Returns the network that
    /// it was of, and isn't any more.
    fn own(&mut self, index: LogicalSwitchIndex, row: Option<&LogicalSwitch>) -> Option<NetworkId> {
        let (owner, rank) = row.map_or_else(Default::default, |row| self.ownership.owner(&row.name));
        let refs = &mut self.refs[index as usize];
        let before = std::mem::replace(&mut refs.owner, owner);
        refs.rank = rank;
        if let Some(network) = before.network()
            && let Some(rows) = self.owned.get_mut(&network)
        {
            rows.retain(|row| *row != index);
            if rows.is_empty() {
                self.owned.remove(&network);
            }
        }
        if let Some(network) = owner.network() {
            let rows = self.owned.entry(network).or_default();
            rows.push(index);
            rows.sort_by_key(|row| self.refs[*row as usize].rank);
        }
        before.network().filter(|network| owner.network() != Some(*network))
    }

    pub(super) fn set_locator(&mut self, uuid: Uuid, row: Option<Locator>) {
        let index = self.locators.intern(uuid);
        if let Some(old) = self.locators.set(index, row)
            && let Some(ip) = old.ip
            && self.by_ip.get(&ip) == Some(&index)
        {
            self.by_ip.remove(&ip);
        }
        if let Some(Locator { ip: Some(ip), keyed: false }) = row {
            self.by_ip.insert(ip, index);
        }
    }

    pub(super) fn set_locator_set(&mut self, uuid: Uuid, row: Option<Vec<LocatorIndex>>) {
        match row {
            Some(locators) => self.sets.insert(uuid, locators),
            None => self.sets.remove(&uuid),
        };
    }

    pub(super) fn set_mac(&mut self, uuid: Uuid, row: Option<Unicast>, touched: &mut Touched) {
        if let Some(old) = self.macs.remove(uuid) {
            self.refs[old.logical_switch as usize].macs -= 1;
            touched.macs.push(old.key());
        }
        if let Some(new) = row {
            self.refs[new.logical_switch as usize].macs += 1;
            touched.macs.push(new.key());
            self.macs.insert(new);
        }
    }

    pub(super) fn set_odd_mac(&mut self, uuid: Uuid, row: Option<LogicalSwitchIndex>, touched: &mut Touched) {
        if !self.odd_macs.is_empty()
            && let Some(old) = self.odd_macs.remove(&uuid)
        {
            self.refs[old as usize].odd_macs.remove(&uuid);
            touched.logical_switches.insert(old);
        }
        if let Some(new) = row {
            self.odd_macs.insert(uuid, new);
            self.refs[new as usize].odd_macs.insert(uuid);
            touched.logical_switches.insert(new);
        }
    }

    pub(super) fn set_multicast(&mut self, uuid: Uuid, row: Option<Multicast>, touched: &mut Touched) {
        if let Some(old) = self.multicasts.remove(&uuid) {
            self.refs[old.logical_switch as usize].multicasts.remove(&uuid);
            touched.logical_switches.insert(old.logical_switch);
        }
        if let Some(new) = row {
            self.multicasts.insert(uuid, new);
            self.refs[new.logical_switch as usize].multicasts.insert(uuid);
            touched.logical_switches.insert(new.logical_switch);
        }
    }

    pub(super) fn set_local_mac(&mut self, uuid: Uuid, row: Option<Unicast>, touched: &mut Touched) {
        if let Some(old) = self.local_macs.remove(uuid) {
            self.refs[old.logical_switch as usize].locals -= 1;
            touched.released.insert(old.logical_switch);
            touched.local_macs.push(old.key());
        }
        if let Some(new) = row {
            self.refs[new.logical_switch as usize].locals += 1;
            touched.local_macs.push(new.key());
            self.local_macs.insert(new);
        }
    }

    pub(super) fn set_local_multicast(&mut self, uuid: Uuid, row: Option<Multicast>, touched: &mut Touched) {
        let old = match row {
            Some(row) => self.local_multicasts.insert(uuid, row),
            None => self.local_multicasts.remove(&uuid),
        };
        touched.local_floods.extend(old.into_iter().chain(row).map(|row| row.logical_switch));
    }

    pub(super) fn set_other_local(&mut self, uuid: Uuid, row: Option<LogicalSwitchIndex>, touched: &mut Touched) {
        if !self.other_locals.is_empty()
            && let Some(old) = self.other_locals.remove(&uuid)
        {
            self.refs[old as usize].locals -= 1;
            touched.released.insert(old);
        }
        if let Some(new) = row {
            self.other_locals.insert(uuid, new);
            self.refs[new as usize].locals += 1;
        }
    }
}
