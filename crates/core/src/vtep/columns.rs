//! Which columns we ask for. A switch may have any version of the schema, and one column that it lacks fails the whole
//! `monitor`: so the request is the intersection of what we want with what `get_schema` lists.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    DATABASE,
    table::{Lack, Need, TableSpec},
    tables::{SPECS, Table},
};
use crate::model::reason::Degradation;

/// The switch's database can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the switch's hardware_vtep schema has no {table}.{column}, which vtepd can't do without")]
pub struct MissingColumn {
    table: &'static str,
    column: &'static str,
}

/// What this switch's schema has of what we want.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    present: BTreeMap<&'static str, Vec<&'static str>>,
    /// Columns that are absent and what that costs, each once.
    pub degraded: Vec<Degradation>,
}

// ===== impl Columns =====

impl Columns {
    /// The intersection with a schema, given as its tables' columns.
    ///
    /// # Errors
    /// [`MissingColumn`] where a column is absent that every version of the schema has.
    pub fn intersect(schema: &BTreeMap<String, BTreeSet<String>>) -> Result<Self, MissingColumn> {
        let mut columns = Self::default();
        columns.ask(schema, |need| matches!(need, Need::Always | Need::IfPresent))?;
        Ok(columns)
    }

    /// Asks for what else is kept on the database where plumgrid.ini says so. What the schema lacks is reported.
    #[must_use]
    pub fn with_extras(mut self, schema: &BTreeMap<String, BTreeSet<String>>, bfd: bool, managers: bool) -> Self {
        let asked = self.ask(schema, |need| bfd && need == Need::Bfd || managers && need == Need::Managers);
        debug_assert!(asked.is_ok(), "only what is always needed can be missing: {asked:?}");
        self
    }

    /// Asks for the tables with such a need.
    fn ask(
        &mut self,
        schema: &BTreeMap<String, BTreeSet<String>>,
        is_asked: impl Fn(Need) -> bool,
    ) -> Result<(), MissingColumn> {
        for table in SPECS.iter().filter(|table| is_asked(table.need)) {
            let missing = |column: &&'static str| schema.get(table.name).is_none_or(|has| !has.contains(*column));
            // A table without one of its own columns is as good as none.
            let mut obligatory = table.columns.iter().filter(|column| column.lack.is_none()).map(|column| column.name);
            match (obligatory.find(missing), table.lack) {
                (None, _) => self.ask_table(table, |column| !missing(&column)),
                (Some(column), Some(lack)) => self.lacks(table.name, column, lack),
                (Some(column), None) => return Err(MissingColumn { table: table.name, column }),
            }
        }
        Ok(())
    }

    fn ask_table(&mut self, table: &'static TableSpec, is_present: impl Fn(&'static str) -> bool) {
        let mut present = Vec::new();
        for column in table.columns {
            match column.lack {
                Some(lack) if !is_present(column.name) => self.lacks(table.name, column.name, lack),
                _ if column.read => present.push(column.name),
                _ => {}
            }
        }
        self.present.insert(table.name, present);
    }

    fn lacks(&mut self, table: &'static str, column: &'static str, Lack { since, cost }: Lack) {
        self.degraded.push(Degradation { table, column, cost: format!("{cost} (schema {since} has it)") });
    }

    /// Whether the schema has the column.
    #[must_use]
    pub fn has(&self, table: Table, column: &str) -> bool {
        self.present.get(table.name()).is_some_and(|columns| columns.contains(&column))
    }

    /// The parameters of `monitor` (RFC 7047 section 4.1.5), with explicit columns: without them the server adds
    /// `_version`, a quarter more bytes.
    #[must_use]
    pub fn monitor_params(&self, monitor: &str) -> Vec<u8> {
        let requests: BTreeMap<_, _> =
            self.present.iter().map(|(table, columns)| (table, serde_json::json!({ "columns": columns }))).collect();
        serde_json::json!([DATABASE, monitor, requests]).to_string().into_bytes()
    }
}
