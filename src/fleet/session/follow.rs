//! What changed: the desired state, or rows on the switch. Both name keys, which are planned again.

use std::{collections::BTreeSet, time::Duration};

use super::{Phase, Session, Step};
use crate::{
    fleet::target::{Changed, ChangedNetwork},
    intent::SwitchIntent,
    model::{NetworkId, VlanId},
    plan::{GuardDecision, RowKey},
    vtep::Touched,
};

/// How often changed Physical_Switches have everything compared at most.
const SWITCHES: Duration = Duration::from_secs(1);

// ===== impl Session: the desired state =====

impl Session<'_> {
    pub(super) fn desired_changed(&mut self, changed: Changed) {
        self.audits.differences = None;
        if self.setup.phase != Phase::Following {
            return;
        }
        self.guard = GuardDecision::Unknown;
        // What was held may be right by now, wherever it is.
        // MACs alone are in nobody's way.
        let may_block = !changed.switches.is_empty() || changed.networks.iter().any(|network| network.rows);
        let anew = !self.audits.begun || (!changed.switches.is_empty() && !self.work.held.is_empty());
        if anew {
            self.audit();
        }
        for (switch, before) in changed.switches {
            self.progress.draining_unknown = true;
            if !anew {
                self.bindings_changed(&switch, &before);
            }
        }
        if !anew && may_block {
            self.compare_obstacles();
        }
        for ChangedNetwork { id, rows, macs } in changed.networks {
            if rows {
                self.work.faults.reconsider(&RowKey::Network(id));
                self.work.queue.push(RowKey::Network(id));
            }
            match macs {
                Some(macs) => {
                    let network = self.target.desired.networks.get(&id);
                    for mac in macs {
                        self.work.faults.reconsider(&RowKey::Mac(id, mac));
                        if network.is_some_and(|network| network.behind.macs.get(mac).is_some()) {
                            self.work.queue.push_relayed(id, mac);
                        } else {
                            self.work.queue.push(RowKey::Mac(id, mac));
                        }
                    }
                }
                None => self.work.compare_all_of(id),
            }
        }
    }

    /// Queues what became different for a switch: bindings, and networks that came, went, or whose deletion is explained.
    fn bindings_changed(&mut self, name: &str, before: &SwitchIntent) {
        let Some(section) = self.target.desired.sections.get(name) else { return };
        let now = &section.intent;
        let networks = before.networks.symmetric_difference(&now.networks);
        let explained = before.buried_networks.symmetric_difference(&now.buried_networks);
        let either = before.bindings.keys().chain(now.bindings.keys());
        let bindings = either.filter(|key| !before.wants_same(now, key)).map(|(port, vlan)| (port, *vlan));
        let unbound = before.buried_bindings.symmetric_difference(&now.buried_bindings);
        let bindings = bindings.chain(unbound.map(|(_, port, vlan)| (port, *vlan)));
        if let Some(switch) = self.replica.switch(&section.physical_switch) {
            for (port, vlan) in bindings {
                if let Some((uuid, _)) = self.replica.port_of(switch, port) {
                    self.work.queue.push(RowKey::Binding(uuid, vlan.get()));
                }
            }
        }
        for network in networks.chain(explained) {
            self.work.queue.push(RowKey::Network(*network));
            self.work.compare_all_of(*network);
        }
    }
}

// ===== impl Session: the switch =====

impl Session<'_> {
    /// Rows changed on the switch: by us, by itself, or by another client.
    pub(super) fn updated(&mut self, mut touched: Touched) -> Step {
        self.audits.differences = None;
        if self.setup.phase != Phase::Following {
            return Ok(());
        }
        self.actions.changed_rows += touched.count;
        self.switches_changed |= std::mem::take(&mut touched.switches);
        self.reporter.touch(&touched, &self.replica);
        self.look_at_switches()?;
        // A comparison of everything finds what stands in the way, too.
        if !self.switches_changed && self.may_block(&touched) {
            self.obstacles_changed();
        }
        self.touch_macs(&touched);
        self.touch_logical_switches(&touched);
        self.touch_ports(&touched);
        self.work.touch_all(touched.tunnels.into_iter().map(RowKey::Tunnel));
        self.work.touch_all(touched.tables.into_iter().filter_map(RowKey::of_table));
        Ok(())
    }

    /// Physical_Switches changed, and with them perhaps what is whose: everything is reported and compared. At most once a
    /// second, because a row may flap; so may what makes the reports outdated.
    pub(super) fn look_at_switches(&mut self) -> Step {
        let outdated = self.reporter.is_outdated();
        if !(self.switches_changed || outdated) || self.now.at < self.switches_next {
            return Ok(());
        }
        self.switches_next = self.now.at + SWITCHES;
        if outdated {
            self.reporter.begin(&self.replica);
        }
        if std::mem::take(&mut self.switches_changed) {
            self.still_introduced()?;
            self.reporter.touch_all(&self.replica);
            self.audit();
        }
        Ok(())
    }

    fn touch_macs(&mut self, touched: &Touched) {
        let mut emptied = BTreeSet::new();
        for (index, mac) in &touched.macs {
            let Some(network) = self.planner().owner(*index) else { continue };
            self.work.touch(RowKey::Mac(network, *mac));
            if self.replica.mac_count(*index) == 0 {
                emptied.insert(network);
            }
        }
        for network in emptied {
            self.free(network);
        }
    }

    fn touch_logical_switches(&mut self, touched: &Touched) {
        for index in &touched.logical_switches {
            if let Some(network) = self.planner().owner(*index) {
                self.work.touch(RowKey::Network(network));
            }
        }
        for index in &touched.released {
            if let Some(network) = self.planner().owner(*index) {
                self.free(network);
            }
        }
        // Its row went, or its name isn't ours any more: where the network is desired, it wants a row again.
        for network in &touched.left {
            self.work.touch(RowKey::Network(*network));
        }
        if !touched.rows.is_empty() {
            self.progress.draining_unknown = true;
            self.work.retry_conflicts();
        }
        for index in &touched.rows {
            if let Some(network) = self.planner().owner(*index) {
                self.work.compare_all_of(network);
            }
        }
    }

    /// Rows went that kept a Logical_Switch from being removed: the next step of a tear-down. No drift, whichever client removed
    /// them: often the switch itself, in answer to what we removed before.
    fn free(&mut self, network: NetworkId) {
        if !self.target.desired.networks.contains_key(&network) {
            self.work.queue.push(RowKey::Network(network));
            // Bindings that went may have been the last thing that kept its MACs.
            self.work.compare_all_of(network);
        }
    }

    fn touch_ports(&mut self, touched: &Touched) {
        if touched.ports.is_empty() {
            return;
        }
        self.work.retry_conflicts();
        for (port, vlan) in &touched.bindings {
            self.work.touch(RowKey::Binding(*port, *vlan));
        }
        // A port that came or got another name may want other bindings, which is nobody's change of a binding.
        for port in &touched.identities {
            for vlan in self.vlans_of(*port) {
                self.work.queue.push(RowKey::Binding(*port, vlan));
            }
        }
    }

    /// VLANs of a port that something is bound to, or should be.
    fn vlans_of(&self, port: uuid::Uuid) -> BTreeSet<u16> {
        let bound = self.replica.port(port).into_iter().flat_map(|row| row.bindings.keys().copied());
        let section = self.target.desired.section_of(&self.replica, port);
        let desired = section.into_iter().flat_map(|(section, name)| {
            let bindings = section.intent.bindings.range((name.to_owned(), VlanId::UNTAGGED)..);
            bindings
                .map(|((port, vlan), _)| (port, vlan))
                .take_while(move |(port, _)| *port == name)
                .map(|(_, v)| v.get())
        });
        bound.chain(desired).collect()
    }
}
