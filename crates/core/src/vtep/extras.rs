//! Rows beside the networks': tunnels with their BFD, and the managers of the switch. Followed where plumgrid.ini asks for
//! them alone.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{
    budget::MAX_VALUES,
    columns::Columns,
    decode::text,
    replica::{Replica, Touched},
    rows::LocatorIndex,
};
use ovsdb::json::{Cursor, JsonError};

/// A map of strings: `bfd_params` and its like.
pub type Strings = BTreeMap<String, String>;

/// A row of Tunnel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tunnel {
    /// `local`: the switch's end.
    pub local: LocatorIndex,
    /// `remote`: the compute node's, or another switch's.
    pub remote: LocatorIndex,
    /// `bfd_params`.
    pub bfd_params: Strings,
    /// `bfd_config_remote`.
    pub bfd_config_remote: Strings,
    /// `bfd_status`.
    pub bfd_status: Strings,
}

/// The rows.
#[derive(Debug, Default)]
pub(super) struct Extras {
    tunnels: BTreeMap<Uuid, Tunnel>,
    /// `target` of each.
    managers: BTreeMap<Uuid, String>,
    global: Option<Uuid>,
}

// ===== impl Columns =====

impl Columns {
    /// Asks for what else is kept on the database. What the schema lacks is reported.
    #[must_use]
    pub fn with_extras(mut self, schema: &BTreeMap<String, BTreeSet<String>>, bfd: bool, managers: bool) -> Self {
        let tunnel = ["local", "remote", "bfd_params", "bfd_config_remote", "bfd_status"];
        let wanted = [
            (bfd, "Tunnel", &tunnel[..], "BFD can't be configured (schema 1.3 can)"),
            (managers, "Manager", &["target"], "manager_targets can't be kept"),
            (managers, "Global", &["managers"], "manager_targets can't be kept"),
        ];
        for (_, table, columns, cost) in wanted.into_iter().filter(|(wanted, ..)| *wanted) {
            let has = |column: &&&str| schema.get(table).is_some_and(|has| has.contains(**column));
            match columns.iter().find(|column| !has(column)) {
                None => self.add(table, columns.to_vec()),
                Some(column) => self.lacks(table, column, cost),
            }
        }
        self
    }
}

// ===== impl Replica =====

impl Replica {
    /// Tunnels with their `_uuid`.
    pub fn tunnels(&self) -> impl Iterator<Item = (Uuid, &Tunnel)> {
        self.extras.tunnels.iter().map(|(uuid, tunnel)| (*uuid, tunnel))
    }

    /// A tunnel.
    #[must_use]
    pub fn tunnel(&self, uuid: Uuid) -> Option<&Tunnel> {
        self.extras.tunnels.get(&uuid)
    }

    /// `target` of the rows of Manager.
    pub fn managers(&self) -> impl Iterator<Item = &str> {
        self.extras.managers.values().map(String::as_str)
    }

    /// `_uuid` of the one row of Global.
    #[must_use]
    pub fn global(&self) -> Option<Uuid> {
        self.extras.global
    }

    pub(super) fn tunnel_count(&self) -> usize {
        self.extras.tunnels.len()
    }

    pub(super) fn tunnel_row(
        &mut self,
        uuid: Uuid,
        row: Option<&mut Cursor<'_>>,
        touched: &mut Touched,
    ) -> Result<(), JsonError> {
        touched.tunnels.insert(uuid);
        let tunnel = row.map(|row| self.read_tunnel(row)).transpose()?.flatten();
        let old = match tunnel {
            Some(tunnel) => self.extras.tunnels.insert(uuid, tunnel),
            None => self.extras.tunnels.remove(&uuid),
        };
        if let Some(old) = old {
            self.release_locator(old.local);
            self.release_locator(old.remote);
        }
        Ok(())
    }

    pub(super) fn manager(
        &mut self,
        uuid: Uuid,
        row: Option<&mut Cursor<'_>>,
        touched: &mut Touched,
    ) -> Result<(), JsonError> {
        touched.managers = true;
        let Some(row) = row else {
            self.extras.managers.remove(&uuid);
            return Ok(());
        };
        let mut target = String::new();
        row.members(|column, value| match column {
            b"target" => text(value).map(|text| target = text),
            _ => value.skip(),
        })?;
        self.extras.managers.insert(uuid, target);
        Ok(())
    }

    pub(super) fn global_row(
        &mut self,
        uuid: Uuid,
        row: Option<&mut Cursor<'_>>,
        touched: &mut Touched,
    ) -> Result<(), JsonError> {
        touched.managers = true;
        self.extras.global = row.is_some().then_some(uuid);
        row.map_or(Ok(()), Cursor::skip)
    }

    /// `None`: a column is missing that the schema makes obligatory.
    fn read_tunnel(&mut self, row: &mut Cursor<'_>) -> Result<Option<Tunnel>, JsonError> {
        let (mut tunnel, mut local, mut remote) = (Tunnel::default(), None, None);
        row.members(|column, value| match column {
            b"local" => value.uuid().map(|uuid| local = Some(uuid)),
            b"remote" => value.uuid().map(|uuid| remote = Some(uuid)),
            b"bfd_params" => strings(value, &mut tunnel.bfd_params),
            b"bfd_config_remote" => strings(value, &mut tunnel.bfd_config_remote),
            b"bfd_status" => strings(value, &mut tunnel.bfd_status),
            _ => value.skip(),
        })?;
        Ok(local.zip(remote).map(|(local, remote)| Tunnel {
            local: self.hold_locator(local),
            remote: self.hold_locator(remote),
            ..tunnel
        }))
    }
}

fn strings(value: &mut Cursor<'_>, map: &mut Strings) -> Result<(), JsonError> {
    value.map(|key, value| {
        if map.len() >= MAX_VALUES {
            return value.skip();
        }
        map.insert(text(key)?, text(value)?);
        Ok(())
    })
}

/// The parts of an operation that changes keys of a map and leaves the others: `[column, "delete", keys]` and
/// `[column, "insert", map]`.
pub(super) fn mutations(column: &str, pairs: &Strings) -> Vec<serde_json::Value> {
    if pairs.is_empty() {
        return Vec::new();
    }
    let keys: Vec<_> = pairs.keys().collect();
    let map: Vec<_> = pairs.iter().collect();
    vec![serde_json::json!([column, "delete", ["set", keys]]), serde_json::json!([column, "insert", ["map", map]])]
}
