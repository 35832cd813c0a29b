//! Which columns we ask for. A switch may have any version of the schema, and one column that it lacks fails the whole
//! `monitor`: so the request is the intersection of what we want with what `get_schema` lists.

use std::collections::{BTreeMap, BTreeSet};

use super::DATABASE;
use crate::model::reason::Degradation;

/// A table that we monitor.
struct Table {
    name: &'static str,
    /// Without one of these we can't work.
    required: &'static [&'static str],
    /// Without these something is lost.
    optional: &'static [(&'static str, &'static str)],
}

/// Columns that we don't ask for, and whose absence is reported all the same.
const UNREAD: &[(&str, &str, &str)] =
    &[("Logical_Switch", "other_config", "a vendor's own settings can't stand there (schema 1.5.1); vtepd makes none")];

const TABLES: &[Table] = &[
    Table {
        name: "Physical_Switch",
        required: &["name", "tunnel_ips", "ports"],
        optional: &[("switch_fault_status", "faults of the switch can't be shown (schema 1.1 has them)")],
    },
    Table {
        name: "Physical_Port",
        required: &["name", "vlan_bindings"],
        optional: &[("port_fault_status", "faults of ports can't be shown (schema 1.1 has them)")],
    },
    Table {
        name: "Logical_Switch",
        required: &["name", "tunnel_key"],
        optional: &[
            ("description", "the network's name can't be shown on the switch"),
            (
                "replication_mode",
                "the switch sends broadcasts to one member of the flood list only (schema 1.6 can replicate to all)",
            ),
        ],
    },
    Table {
        name: "Physical_Locator",
        required: &["dst_ip", "encapsulation_type"],
        optional: &[("tunnel_key", "tunnels have no key of their own (schema 1.5); ours need none")],
    },
    Table { name: "Physical_Locator_Set", required: &["locators"], optional: &[] },
    Table { name: "Ucast_Macs_Remote", required: &["MAC", "logical_switch", "locator", "ipaddr"], optional: &[] },
    Table { name: "Mcast_Macs_Remote", required: &["MAC", "logical_switch", "locator_set"], optional: &[] },
    Table { name: "Ucast_Macs_Local", required: &["MAC", "logical_switch", "locator", "ipaddr"], optional: &[] },
    Table { name: "Mcast_Macs_Local", required: &["MAC", "logical_switch", "locator_set"], optional: &[] },
];

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
        for table in TABLES {
            let empty = BTreeSet::new();
            let has = schema.get(table.name).unwrap_or(&empty);
            let mut present = Vec::new();
            for column in table.required {
                if !has.contains(*column) {
                    return Err(MissingColumn { table: table.name, column });
                }
                present.push(*column);
            }
            for (column, cost) in table.optional {
                if has.contains(*column) {
                    present.push(column);
                } else {
                    columns.lacks(table.name, column, cost);
                }
            }
            for (_, column, cost) in UNREAD.iter().filter(|(of, column, _)| *of == table.name && !has.contains(*column))
            {
                columns.lacks(table.name, column, cost);
            }
            columns.present.insert(table.name, present);
        }
        Ok(columns)
    }

    pub(super) fn lacks(&mut self, table: &'static str, column: &'static str, cost: &str) {
        self.degraded.push(Degradation { table, column, cost: cost.to_owned() });
    }

    pub(super) fn add(&mut self, table: &'static str, columns: Vec<&'static str>) {
        self.present.insert(table, columns);
    }

    /// Whether the schema has the column.
    #[must_use]
    pub fn has(&self, table: &str, column: &str) -> bool {
        self.present.get(table).is_some_and(|columns| columns.contains(&column))
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
