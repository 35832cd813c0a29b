//! What one database should hold: the sections of plumgrid.ini that share it, and the networks that they carry.

use std::{collections::BTreeMap, sync::Arc};

use uuid::Uuid;

use crate::{
    intent::{BoundNetwork, NetworkIntent, SwitchIntent},
    model::{NetworkId, VlanId, indexed::FastMap},
    vtep::{Owner, Replica, rows::PhysicalPort},
};

/// What one database should hold.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// By the name of the section in plumgrid.ini, which is the device's name in gateways.
    pub sections: BTreeMap<String, Section>,
    /// The networks that the sections carry.
    pub networks: FastMap<NetworkId, Arc<NetworkIntent>>,
}

/// One switch of a database.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// `Physical_Switch.name`: it finds the row, and is no identity.
    pub physical_switch: String,
    /// What it should hold. [`Section::set_intent`] replaces it.
    pub intent: Arc<SwitchIntent>,
    /// `intent.bindings` and `intent.rivals` by network: a port's name and a VLAN of it.
    bound: FastMap<NetworkId, Vec<(String, VlanId)>>,
}

// ===== impl Section =====

impl Section {
    /// A switch and what it should hold.
    #[must_use]
    pub fn new(physical_switch: String, intent: Arc<SwitchIntent>) -> Self {
        let mut section = Self { physical_switch, ..Self::default() };
        section.set_intent(intent);
        section
    }

    /// Replaces what the switch should hold. Returns what it should have held before.
    pub fn set_intent(&mut self, intent: Arc<SwitchIntent>) -> Arc<SwitchIntent> {
        self.bound.clear();
        for ((port, vlan), bound) in &intent.bindings {
            let rivals = intent.rivals.get(&(port.clone(), *vlan)).into_iter().flatten();
            for wanted in [bound].into_iter().chain(rivals) {
                self.bound.entry(wanted.network).or_default().push((port.clone(), *vlan));
            }
        }
        std::mem::replace(&mut self.intent, intent)
    }

    /// The ports and VLANs that a network wants, sorted. [`Desired::choose`] says whether it has them.
    #[must_use]
    pub fn bindings_of(&self, network: NetworkId) -> &[(String, VlanId)] {
        self.bound.get(&network).map_or(&[], Vec::as_slice)
    }
}

// ===== impl Desired =====

impl Desired {
    /// Whether a connection brings the network here, or one that went is remembered.
    #[must_use]
    pub fn knows(&self, network: NetworkId) -> bool {
        let mut intents = self.sections.values().map(|section| &section.intent);
        self.networks.contains_key(&network) || intents.any(|intent| intent.buried_networks.contains(&network))
    }

    /// Forgets the content of networks that no section carries any more.
    pub fn forget_networks(&mut self) {
        let sections = &self.sections;
        self.networks.retain(|id, _| sections.values().any(|section| section.intent.networks.contains(id)));
    }

    /// The section to which a port belongs, and the port's name.
    #[must_use]
    pub fn section_of<'a>(&'a self, actual: &'a Replica, port: Uuid) -> Option<(&'a Section, &'a str)> {
        self.named_section_of(actual, port).map(|(_, section, port)| (section, port))
    }

    /// The same with the section's name first.
    #[must_use]
    pub fn named_section_of<'a>(&'a self, actual: &'a Replica, port: Uuid) -> Option<(&'a str, &'a Section, &'a str)> {
        let name = &actual.port(port)?.name;
        let mut sections = self.sections.iter();
        let (of, section) = sections.find(|(_, section)| actual.is_port_of(port, &section.physical_switch))?;
        Some((of, section, name))
    }

    /// The network that should be bound to a VLAN of a port.
    #[must_use]
    pub fn binding<'a>(&'a self, actual: &'a Replica, port: Uuid, vlan: u16) -> Option<&'a BoundNetwork> {
        let (section, name) = self.section_of(actual, port)?;
        let vlan = VlanId::try_from(i64::from(vlan)).ok()?;
        self.choose(actual, section, actual.port(port), &(name.to_owned(), vlan))
    }

    /// Of the networks that want a VLAN of a section's port (`row`, where the switch has it) the one that should be bound.
    ///
    /// Where several want it, the one that is bound keeps it: a network that returns takes it from nobody who uses it.
    #[must_use]
    pub fn choose<'a>(
        &self,
        actual: &Replica,
        section: &'a Section,
        row: Option<&PhysicalPort>,
        of: &(String, VlanId),
    ) -> Option<&'a BoundNetwork> {
        let first = section.intent.bindings.get(of)?;
        let Some(rivals) = section.intent.rivals.get(of) else { return Some(first) };
        let bound = row.and_then(|row| row.bindings.get(&of.1.get()));
        let holder = bound.and_then(|uuid| actual.logical_switch_index(*uuid)).map(|index| actual.owner(index));
        // Only a network that is desired here is among them: one whose Logical_Switch may be adopted is ours.
        let network = holder.and_then(Owner::network);
        Some(rivals.iter().find(|rival| Some(rival.network) == network).unwrap_or(first))
    }
}
