//! What a client must know of a database schema (RFC 7047 section 3.2): its version, tables and columns. A monitor that
//! names a column which the server lacks fails as a whole, so a client asks for the intersection.

use std::collections::{BTreeMap, BTreeSet};

use super::json::{Cursor, JsonError, ValueKind};

/// A database schema, as `get_schema` (section 4.1.2) returns it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schema {
    /// The database's name: `Open_vSwitch`.
    pub name: String,
    /// `<x>.<y>.<z>`; empty where the server gives none.
    pub version: String,
    /// The columns of each table, without `_uuid` and `_version`, which every table has.
    pub tables: BTreeMap<String, BTreeSet<String>>,
}

impl Schema {
    /// Reads `<database-schema>`.
    pub fn read(cursor: &mut Cursor<'_>) -> Result<Self, JsonError> {
        let mut schema = Self::default();
        cursor.object(|key, value| {
            match key {
                "name" => schema.name = value.string()?.into_owned(),
                "version" => schema.version = value.string()?.into_owned(),
                "tables" => value.object(|table, value| {
                    schema.tables.insert(table.to_owned(), columns(value)?);
                    Ok(())
                })?,
                _ => value.skip()?,
            }
            Ok(())
        })?;
        Ok(schema)
    }

    /// Whether the table has the column.
    pub fn has(&self, table: &str, column: &str) -> bool {
        self.tables.get(table).is_some_and(|columns| columns.contains(column))
    }
}

/// The names in a `<table-schema>`'s member `columns`.
fn columns(table: &mut Cursor<'_>) -> Result<BTreeSet<String>, JsonError> {
    let mut names = BTreeSet::new();
    table.object(|key, value| {
        if key != "columns" || value.peek()? != ValueKind::Object {
            return value.skip();
        }
        value.object(|name, column| {
            names.insert(name.to_owned());
            column.skip()
        })
    })?;
    Ok(names)
}

#[cfg(test)]
mod tests;
