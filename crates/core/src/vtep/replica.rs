//! The rows that a switch holds, as its monitor reports them.

mod follow;
mod interned;
mod named;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use uuid::Uuid;

use interned::Interned;
use named::{Named, PortsOf};

use super::{
    budget::{Budget, BudgetExcess},
    ownership::{Owner, Ownership},
    rows::{
        Locator, LocatorIndex, LogicalSwitch, LogicalSwitchIndex, Multicast, PhysicalPort, PhysicalSwitch, Tunnel,
        Unicast,
    },
    tables::{PlainRows, Table},
};
use crate::model::{
    MacAddr, NetworkId,
    indexed::{FastMap, Indexed},
};

/// A port and a VLAN of it.
pub type BoundPort = (Uuid, u16);

/// The replica. Rows of any table may come in any order, so a row may refer to one that isn't there yet.
#[derive(Debug, Default)]
pub struct Replica {
    ownership: Ownership,
    budget: Budget,
    /// What the rows that were set since the last look have exceeded.
    excess: Option<BudgetExcess>,
    pub(super) switches: FastMap<Uuid, PhysicalSwitch>,
    switches_by_name: Named,
    /// `tunnel_ips` of all switches, sorted, and how many switches have each.
    own_vteps: Vec<(Ipv4Addr, u32)>,
    pub(super) ports: FastMap<Uuid, PhysicalPort>,
    ports_by_name: Named,
    ports_of: PortsOf,
    /// VLANs that are bound, on all ports.
    bound: usize,
    logical_switches: Interned<LogicalSwitch>,
    /// What refers to each Logical_Switch, by its index.
    refs: Vec<Refs>,
    /// Logical_Switches that are ours, or may be, by their network: those with our own prefix first.
    owned: FastMap<NetworkId, Vec<LogicalSwitchIndex>>,
    by_key: FastMap<i64, BTreeSet<LogicalSwitchIndex>>,
    locators: Interned<Locator>,
    /// Locators without a tunnel key.
    by_ip: FastMap<Ipv4Addr, LocatorIndex>,
    pub(super) sets: FastMap<Uuid, Vec<LocatorIndex>>,
    /// Of all sets.
    members: usize,
    macs: Indexed<Unicast>,
    /// Rows of Ucast_Macs_Remote whose MAC is none.
    odd_macs: FastMap<Uuid, LogicalSwitchIndex>,
    pub(super) multicasts: FastMap<Uuid, Multicast>,
    /// Rows of Ucast_Macs_Local with a proper MAC.
    local_macs: Indexed<Unicast>,
    /// Rows of Mcast_Macs_Local.
    pub(super) local_multicasts: FastMap<Uuid, Multicast>,
    /// Those, and rows of Ucast_Macs_Local whose MAC is none.
    other_locals: FastMap<Uuid, LogicalSwitchIndex>,
    tunnels: BTreeMap<Uuid, Tunnel>,
    /// Tables in which nothing is searched.
    pub(super) plain: PlainRows,
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
    /// How many rows came, went or changed.
    pub count: usize,
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
    /// Tables whose rows are kept as they are, and of which rows came, went or changed.
    pub tables: BTreeSet<Table>,
}

// ===== impl Replica: reading =====

impl Replica {
    /// An empty replica, of which rows will be ours as their names say.
    #[must_use]
    pub fn new(ownership: Ownership) -> Self {
        Self { ownership, ..Self::default() }
    }

    /// The same with other bounds.
    #[must_use]
    pub fn with_budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
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
        self.switches_by_name.get(name).next().and_then(|row| self.switches.get(&row))
    }

    /// The port of this name on this switch.
    #[must_use]
    pub fn port_of(&self, switch: &PhysicalSwitch, name: &str) -> Option<(Uuid, &PhysicalPort)> {
        let port = self.ports_by_name.get(name).find(|port| self.is_port_of(*port, &switch.name))?;
        Some((port, self.ports.get(&port)?))
    }

    /// Whether a port is one of the Physical_Switch of this name.
    #[must_use]
    pub fn is_port_of(&self, port: Uuid, switch: &str) -> bool {
        self.ports_of.switches_of(port).any(|row| self.switches.get(&row).is_some_and(|row| row.name == switch))
    }

    /// A port.
    #[must_use]
    pub fn port(&self, uuid: Uuid) -> Option<&PhysicalPort> {
        self.ports.get(&uuid)
    }

    /// The VTEPs of these switches themselves.
    pub fn own_vteps(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.own_vteps.iter().map(|(ip, _)| *ip)
    }

    /// Whether the address is a VTEP of one of these switches themselves.
    #[must_use]
    pub fn is_own_vtep(&self, ip: Ipv4Addr) -> bool {
        self.own_vteps.binary_search_by_key(&ip, |(own, _)| *own).is_ok()
    }

    /// Logical_Switch rows.
    pub fn logical_switches(&self) -> impl Iterator<Item = (LogicalSwitchIndex, &LogicalSwitch)> {
        self.logical_switches.iter()
    }

    /// Some of them: so many numbers from this one on, and the number behind them; `None`: it was the last.
    pub fn some_logical_switches(
        &self,
        from: usize,
        numbers: usize,
    ) -> (impl Iterator<Item = (LogicalSwitchIndex, &LogicalSwitch)>, Option<usize>) {
        self.logical_switches.slice(from, numbers)
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
        self.logical_switches.find(uuid)
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

    /// Some of them: so many places from this one on, and the place behind them; `None`: it was the last. A row keeps its place.
    pub fn some_local_macs(&self, from: usize, places: usize) -> (impl Iterator<Item = &Unicast>, Option<usize>) {
        self.local_macs.slice(from, places)
    }

    /// Rows of Mcast_Macs_Local: where the switch wants what it can't send elsewhere.
    pub fn local_multicasts(&self) -> impl Iterator<Item = &Multicast> {
        self.local_multicasts.values()
    }

    /// All rows of Ucast_Macs_Remote with a proper MAC.
    pub fn macs(&self) -> impl Iterator<Item = &Unicast> {
        self.macs.iter()
    }

    /// Some of them: so many places from this one on, and the place behind them; `None`: it was the last.
    pub fn some_macs(&self, from: usize, places: usize) -> (impl Iterator<Item = &Unicast>, Option<usize>) {
        self.macs.slice(from, places)
    }

    /// VLANs that are bound, on all ports.
    #[must_use]
    pub fn bound_total(&self) -> usize {
        self.bound
    }

    /// Number of rows of Ucast_Macs_Remote.
    #[must_use]
    pub fn mac_total(&self) -> usize {
        self.macs.len() + self.odd_macs.len()
    }

    /// Number of rows of Ucast_Macs_Local with a proper MAC.
    #[must_use]
    pub fn local_total(&self) -> usize {
        self.local_macs.len()
    }

    /// Tunnels with their `_uuid`.
    pub fn tunnels(&self) -> impl Iterator<Item = (Uuid, &Tunnel)> {
        self.tunnels.iter().map(|(uuid, tunnel)| (*uuid, tunnel))
    }

    /// A tunnel.
    #[must_use]
    pub fn tunnel(&self, uuid: Uuid) -> Option<&Tunnel> {
        self.tunnels.get(&uuid)
    }

    /// `_uuid` of the one row of Global.
    #[must_use]
    pub fn global(&self) -> Option<Uuid> {
        self.globals().next().map(|(uuid, _)| uuid)
    }

    /// Rows of Logical_Switch, and others that rows refer to.
    pub(super) fn logical_switch_count(&self) -> usize {
        self.logical_switches.len()
    }

    /// Rows of Physical_Locator, and others that rows refer to.
    pub(super) fn locator_count(&self) -> usize {
        self.locators.len()
    }

    pub(super) fn tunnel_count(&self) -> usize {
        self.tunnels.len()
    }

    /// Rows of Ucast_Macs_Local, those without a proper MAC included.
    pub(super) fn local_unicasts(&self) -> usize {
        self.local_macs.len() + self.other_locals.len().saturating_sub(self.local_multicasts.len())
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
        self.vtep(self.locators.find(uuid)?)
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
