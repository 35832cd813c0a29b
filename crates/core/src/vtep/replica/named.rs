//! Ports and switches by their names, and the ports of each switch.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::{
    model::indexed::FastMap,
    vtep::budget::{BudgetExcess, MAX_NAMESAKES},
};

/// Rows by name. Names should be unique; on a switch that doesn't keep to it several rows have one.
#[derive(Debug, Default)]
pub(super) struct Named(FastMap<Box<str>, BTreeSet<Uuid>>);

/// Which ports are whose, both ways.
#[derive(Debug, Default)]
pub(super) struct PortsOf(BTreeSet<(Uuid, Uuid)>);

// ===== impl Named =====

impl Named {
    /// A row was called `old` and is called `new`.
    pub(super) fn rename(
        &mut self,
        table: &'static str,
        row: Uuid,
        old: Option<&str>,
        new: Option<&str>,
    ) -> Result<(), BudgetExcess> {
        if old == new {
            return Ok(());
        }
        if let Some(name) = old
            && let Some(rows) = self.0.get_mut(name)
        {
            rows.remove(&row);
            if rows.is_empty() {
                self.0.remove(name);
            }
        }
        let Some(name) = new else { return Ok(()) };
        let rows = self.0.entry(name.into()).or_default();
        rows.insert(row);
        if rows.len() > MAX_NAMESAKES { Err(BudgetExcess::Namesakes { table, limit: MAX_NAMESAKES }) } else { Ok(()) }
    }

    /// The rows of this name, always in the same order.
    pub(super) fn get(&self, name: &str) -> impl Iterator<Item = Uuid> {
        self.0.get(name).into_iter().flatten().copied()
    }
}

// ===== impl PortsOf =====

impl PortsOf {
    pub(super) fn remove(&mut self, switch: Uuid, ports: &[Uuid]) {
        for port in ports {
            self.0.remove(&(*port, switch));
        }
    }

    pub(super) fn insert(&mut self, switch: Uuid, ports: &[Uuid]) {
        self.0.extend(ports.iter().map(|port| (*port, switch)));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The switches that have a port: one, unless the database is wrong.
    pub(super) fn switches_of(&self, port: Uuid) -> impl Iterator<Item = Uuid> {
        self.0.range((port, Uuid::nil())..=(port, Uuid::max())).map(|(_, switch)| *switch)
    }
}
