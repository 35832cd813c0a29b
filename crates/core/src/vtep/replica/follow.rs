//! Rows that come, change and go: every index of the replica follows.

use std::net::{IpAddr, Ipv4Addr};

use uuid::Uuid;

use super::{Refs, Replica, Touched};
use crate::{
    model::{NetworkId, indexed::Record as _},
    vtep::{
        budget::{BudgetExcess, MAX_OF_NETWORK},
        rows::{
            Locator, LocatorIndex, LogicalSwitch, LogicalSwitchIndex, Multicast, PhysicalPort, PhysicalSwitch, Tunnel,
            Unicast,
        },
        tables::Table,
    },
};

impl Replica {
    pub(in crate::vtep) fn intern_logical_switch(&mut self, uuid: Uuid) -> LogicalSwitchIndex {
        let index = self.logical_switches.intern(uuid);
        if self.refs.len() <= index as usize {
            self.refs.push(Refs::default());
        }
        index
    }

    /// The end of an update: numbers that nothing refers to any more are free for others.
    pub(in crate::vtep) fn sweep(&mut self) {
        self.logical_switches.sweep();
        self.locators.sweep();
    }

    /// What the budget says of the rows that are there.
    pub(in crate::vtep) fn check_budget(&mut self) -> Result<(), BudgetExcess> {
        if let Some(excess) = self.excess.take() {
            return Err(excess);
        }
        let budget = &self.budget;
        Table::check_all(self, budget)?;
        let values = [
            // A port belongs to one switch.
            ("Physical_Switch.ports", self.ports_of.len(), budget.ports),
            ("Physical_Switch.tunnel_ips", self.own_vteps.len(), budget.tunnel_ips),
            ("Physical_Port.vlan_bindings", self.bound, budget.bindings),
            ("Physical_Locator_Set.locators", self.members, budget.members),
        ];
        match values.into_iter().find(|(_, count, limit)| count > limit) {
            Some((column, _, limit)) => Err(BudgetExcess::Values { column, limit }),
            None => Ok(()),
        }
    }

    fn note(&mut self, result: Result<(), BudgetExcess>) {
        self.excess = self.excess.or(result.err());
    }

    pub(in crate::vtep) fn intern_locator(&mut self, uuid: Uuid) -> LocatorIndex {
        self.locators.intern(uuid)
    }

    pub(in crate::vtep) fn set_switch(&mut self, uuid: Uuid, row: Option<&mut PhysicalSwitch>, touched: &mut Touched) {
        let row = row.map(std::mem::take);
        let old = match &row {
            Some(row) => self.switches.insert(uuid, row.clone()),
            None => self.switches.remove(&uuid),
        };
        let names = (old.as_ref().map(|row| row.name.as_str()), row.as_ref().map(|row| row.name.as_str()));
        let renamed = self.switches_by_name.rename(Table::PhysicalSwitch.name(), uuid, names.0, names.1);
        self.note(renamed);
        let (old, new) = (old.unwrap_or_default(), row.unwrap_or_default());
        // A fault that comes and goes changes nothing of what is whose.
        touched.switches |= (&old.name, &old.ports, &old.tunnel_ips) != (&new.name, &new.ports, &new.tunnel_ips);
        if old.ports != new.ports {
            self.ports_of.remove(uuid, &old.ports);
            self.ports_of.insert(uuid, &new.ports);
        }
        if old.tunnel_ips != new.tunnel_ips {
            ipv4(&old.tunnel_ips).for_each(|ip| self.drop_own_vtep(ip));
            ipv4(&new.tunnel_ips).for_each(|ip| self.add_own_vtep(ip));
        }
    }

    fn add_own_vtep(&mut self, ip: Ipv4Addr) {
        match self.own_vteps.binary_search_by_key(&ip, |(own, _)| *own) {
            Ok(at) => self.own_vteps[at].1 += 1,
            Err(at) => self.own_vteps.insert(at, (ip, 1)),
        }
    }

    fn drop_own_vtep(&mut self, ip: Ipv4Addr) {
        if let Ok(at) = self.own_vteps.binary_search_by_key(&ip, |(own, _)| *own) {
            self.own_vteps[at].1 -= 1;
            if self.own_vteps[at].1 == 0 {
                self.own_vteps.remove(at);
            }
        }
    }

    pub(in crate::vtep) fn set_port(&mut self, uuid: Uuid, row: Option<&mut PhysicalPort>, touched: &mut Touched) {
        let row = row.map(std::mem::take);
        touched.ports.insert(uuid);
        let new = row.as_ref().map(|row| row.bindings.clone()).unwrap_or_default();
        let name = row.as_ref().map(|row| row.name.clone());
        if row.as_ref().is_some_and(|row| self.ports.get(&uuid).is_none_or(|old| old.name != row.name)) {
            touched.identities.insert(uuid);
        }
        let old = match row {
            Some(row) => self.ports.insert(uuid, row),
            None => self.ports.remove(&uuid),
        };
        let old_name = old.as_ref().map(|row| row.name.as_str());
        let renamed = self.ports_by_name.rename(Table::PhysicalPort.name(), uuid, old_name, name.as_deref());
        self.note(renamed);
        let old = old.map(|row| row.bindings).unwrap_or_default();
        self.bound = self.bound + new.len() - old.len();
        for (vlan, logical_switch) in old.iter().filter(|(vlan, ls)| new.get(vlan) != Some(ls)) {
            let Some(index) = self.logical_switches.find(*logical_switch) else { continue };
            self.refs[index as usize].bindings.remove(&(uuid, *vlan));
            self.logical_switches.release(index);
            touched.bindings.insert((uuid, *vlan));
            touched.released.insert(index);
        }
        for (vlan, logical_switch) in new.iter().filter(|(vlan, ls)| old.get(vlan) != Some(ls)) {
            let index = self.intern_logical_switch(*logical_switch);
            self.refs[index as usize].bindings.insert((uuid, *vlan));
            self.logical_switches.hold(index);
            touched.bindings.insert((uuid, *vlan));
            touched.released.insert(index);
        }
    }

    pub(in crate::vtep) fn set_logical_switch(
        &mut self,
        uuid: Uuid,
        row: Option<&mut LogicalSwitch>,
        touched: &mut Touched,
    ) {
        let row = row.map(std::mem::take);
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
            let at = rows.partition_point(|row| self.refs[*row as usize].rank <= rank);
            rows.insert(at, index);
            if rows.len() > MAX_OF_NETWORK {
                self.note(Err(BudgetExcess::Namesakes { table: Table::LogicalSwitch.name(), limit: MAX_OF_NETWORK }));
            }
        }
        before.network().filter(|network| owner.network() != Some(*network))
    }

    pub(in crate::vtep) fn set_locator(&mut self, uuid: Uuid, row: Option<Locator>) {
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

    pub(in crate::vtep) fn set_locator_set(&mut self, uuid: Uuid, row: Option<Vec<LocatorIndex>>) {
        for index in row.iter().flatten() {
            self.locators.hold(*index);
        }
        self.members += row.as_ref().map_or(0, Vec::len);
        let old = match row {
            Some(locators) => self.sets.insert(uuid, locators),
            None => self.sets.remove(&uuid),
        };
        let old = old.unwrap_or_default();
        self.members -= old.len();
        for index in old {
            self.locators.release(index);
        }
    }

    pub(in crate::vtep) fn store_tunnel(&mut self, uuid: Uuid, row: Option<Tunnel>, touched: &mut Touched) {
        touched.tunnels.insert(uuid);
        let old = match row {
            Some(tunnel) => self.tunnels.insert(uuid, tunnel),
            None => self.tunnels.remove(&uuid),
        };
        if let Some(old) = old {
            self.locators.release(old.local);
            self.locators.release(old.remote);
        }
    }

    /// A row of another table refers to this locator.
    pub(in crate::vtep) fn hold_locator(&mut self, uuid: Uuid) -> LocatorIndex {
        let index = self.locators.intern(uuid);
        self.locators.hold(index);
        index
    }

    fn hold(&mut self, row: &Unicast) {
        self.logical_switches.hold(row.logical_switch);
        self.locators.hold(row.locator);
    }

    fn release(&mut self, row: &Unicast) {
        self.logical_switches.release(row.logical_switch);
        self.locators.release(row.locator);
    }

    pub(in crate::vtep) fn set_mac(&mut self, uuid: Uuid, row: Option<Unicast>, touched: &mut Touched) {
        if let Some(row) = &row {
            self.hold(row);
        }
        if let Some(old) = self.macs.remove(uuid.as_u128()) {
            self.release(&old);
            self.refs[old.logical_switch as usize].macs -= 1;
            touched.macs.push(old.key());
        }
        if let Some(new) = row {
            self.refs[new.logical_switch as usize].macs += 1;
            touched.macs.push(new.key());
            self.macs.insert(new);
        }
    }

    pub(in crate::vtep) fn set_odd_mac(&mut self, uuid: Uuid, row: Option<LogicalSwitchIndex>, touched: &mut Touched) {
        if !self.odd_macs.is_empty()
            && let Some(old) = self.odd_macs.remove(&uuid)
        {
            self.refs[old as usize].odd_macs.remove(&uuid);
            self.logical_switches.release(old);
            touched.logical_switches.insert(old);
        }
        if let Some(new) = row {
            self.odd_macs.insert(uuid, new);
            self.refs[new as usize].odd_macs.insert(uuid);
            self.logical_switches.hold(new);
            touched.logical_switches.insert(new);
        }
    }

    pub(in crate::vtep) fn set_multicast(&mut self, uuid: Uuid, row: Option<Multicast>, touched: &mut Touched) {
        if let Some(old) = self.multicasts.remove(&uuid) {
            self.refs[old.logical_switch as usize].multicasts.remove(&uuid);
            self.logical_switches.release(old.logical_switch);
            touched.logical_switches.insert(old.logical_switch);
        }
        if let Some(new) = row {
            self.multicasts.insert(uuid, new);
            self.refs[new.logical_switch as usize].multicasts.insert(uuid);
            self.logical_switches.hold(new.logical_switch);
            touched.logical_switches.insert(new.logical_switch);
        }
    }

    pub(in crate::vtep) fn set_local_mac(&mut self, uuid: Uuid, row: Option<Unicast>, touched: &mut Touched) {
        if let Some(row) = &row {
            self.hold(row);
        }
        if let Some(old) = self.local_macs.remove(uuid.as_u128()) {
            self.release(&old);
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

    pub(in crate::vtep) fn set_local_multicast(&mut self, uuid: Uuid, row: Option<Multicast>, touched: &mut Touched) {
        let old = match row {
            Some(row) => self.local_multicasts.insert(uuid, row),
            None => self.local_multicasts.remove(&uuid),
        };
        if let Some(row) = row {
            self.logical_switches.hold(row.logical_switch);
        }
        if let Some(old) = old {
            self.logical_switches.release(old.logical_switch);
        }
        touched.local_floods.extend(old.into_iter().chain(row).map(|row| row.logical_switch));
    }

    pub(in crate::vtep) fn set_other_local(
        &mut self,
        uuid: Uuid,
        row: Option<LogicalSwitchIndex>,
        touched: &mut Touched,
    ) {
        if !self.other_locals.is_empty()
            && let Some(old) = self.other_locals.remove(&uuid)
        {
            self.refs[old as usize].locals -= 1;
            self.logical_switches.release(old);
            touched.released.insert(old);
        }
        if let Some(new) = row {
            self.other_locals.insert(uuid, new);
            self.refs[new as usize].locals += 1;
            self.logical_switches.hold(new);
        }
    }
}

fn ipv4(ips: &[IpAddr]) -> impl Iterator<Item = Ipv4Addr> {
    ips.iter().filter_map(|ip| if let IpAddr::V4(ip) = ip { Some(*ip) } else { None })
}
