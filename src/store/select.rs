//! Lists of large tables: conditions, order and window, put together as one statement.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    bulk,
    sql::{Query, Result, assembled},
};

/// A value as SQL compares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// Text: names, ids, addresses.
    Text(String),
    /// A number: MACs, VNIs.
    Number(i64),
}

impl Cell {
    /// A time, or 0 where it is not known.
    pub(super) fn seconds(time: Option<u64>) -> Self {
        Self::Number(time.and_then(|time| i64::try_from(time).ok()).unwrap_or_default())
    }
}

/// A column that a list may be narrowed and sorted by.
pub trait Column: Copy {
    /// A row of its table.
    type Row;

    /// The identity, which decides between rows that are equal otherwise.
    const ID: Self;

    /// The column, or an expression of the table's columns.
    fn sql(self) -> &'static str;

    /// What stands for NULL in conditions and in the order, where the column has it.
    fn null(self) -> Option<Cell>;

    /// The value of a row.
    fn cell(self, row: &Self::Row) -> Cell;
}

/// A condition of a list.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition<C> {
    /// The column has one of these values; without any, no row matches.
    Among(C, Vec<Cell>),
    /// The column is NULL, or it isn't.
    IsNull(C, bool),
    /// The column's text contains one of these. They hold no `%`, `_` or `\`.
    Contains {
        /// The column.
        column: &'static str,
        /// The texts; without any, no row matches.
        parts: Vec<String>,
        /// Few rows do: they are looked for in the order in which the table lies, which costs a tenth of any other.
        rare: bool,
    },
}

/// Which rows to list: those that meet every condition, in this order and then by id.
#[derive(Debug, Clone)]
pub struct Selection<C> {
    /// What holds of the rows.
    pub conditions: Vec<Condition<C>>,
    /// Columns to sort by, and whether downwards.
    pub order: Vec<(C, bool)>,
    /// Only rows that come after the one with these values: those of the columns of `order`, and the id.
    pub after: Option<Vec<Cell>>,
    /// Only rows that come before the one with these values, likewise.
    pub before: Option<Vec<Cell>>,
    /// The whole order backwards.
    pub reverse: bool,
    /// At most this many.
    pub limit: Option<u32>,
}

// Not derived: a column needs no default.
impl<C> Default for Selection<C> {
    fn default() -> Self {
        Self { conditions: Vec::new(), order: Vec::new(), after: None, before: None, reverse: false, limit: None }
    }
}

impl<C: Column> Selection<C> {
    /// The rows that have one of these texts in a column.
    pub fn among(column: C, texts: impl IntoIterator<Item: ToString>) -> Self {
        let texts = texts.into_iter().map(|text| Cell::Text(text.to_string())).collect();
        Self { conditions: vec![Condition::Among(column, texts)], ..Self::default() }
    }

    /// Goes on after this row.
    pub fn go_on_after(&mut self, row: &C::Row) {
        self.after = Some(self.place(row));
    }

    /// Ends before this row.
    pub fn end_before(&mut self, row: &C::Row) {
        self.before = Some(self.place(row));
    }

    fn place(&self, row: &C::Row) -> Vec<Cell> {
        self.keys().map(|(column, _)| column.cell(row)).collect()
    }

    /// The whole order: the id comes last, if it didn't come before.
    fn keys(&self) -> impl Iterator<Item = (C, bool)> {
        self.order.iter().copied().chain([(C::ID, false)]).map(|(column, down)| (column, down != self.reverse))
    }

    /// `columns` of the rows of `table` for which `always` holds, too.
    pub(super) fn query(&self, columns: &str, table: &str, always: Option<&str>) -> Result<Query> {
        Ok(self.statement(columns, table, always)?.query())
    }

    /// The same rows in one, whose only column is the JSON array of their arrays.
    /// `shape` is what the array of a row holds.
    pub(super) fn gathered(&self, columns: &str, shape: &str, table: &str) -> Result<Query> {
        // With a limit, the order within holds for what is gathered from it.
        let limited = Self { limit: Some(self.limit.unwrap_or(u32::MAX)), ..self.clone() };
        let mut statement = limited.statement(columns, table, None)?;
        statement.sql = bulk::gathered(shape, &statement.sql);
        Ok(statement.query())
    }

    fn statement(&self, columns: &str, table: &str, always: Option<&str>) -> Result<Statement> {
        let mut text = Statement { sql: format!("SELECT {columns} FROM {table}"), values: Vec::new() };
        let mut conjunction = " WHERE ";
        if let Some(always) = always {
            text.sql.push_str(conjunction);
            text.sql.push_str(always);
            conjunction = " AND ";
        }
        for condition in &self.conditions {
            text.sql.push_str(conjunction);
            text.condition(condition)?;
            conjunction = " AND ";
        }
        let forwards = self.keys().collect::<Vec<_>>();
        let backwards = self.keys().map(|(column, down)| (column, !down)).collect::<Vec<_>>();
        for (place, keys) in [(&self.after, &forwards), (&self.before, &backwards)] {
            if let Some(place) = place {
                text.sql.push_str(conjunction);
                text.beyond(keys, place);
                conjunction = " AND ";
            }
        }
        let rare = self.conditions.iter().any(|condition| matches!(condition, Condition::Contains { rare: true, .. }));
        let mut separator = " ORDER BY ";
        for (column, down) in forwards {
            text.sql.push_str(separator);
            text.sql.push_str(if rare { bulk::UNINDEXED } else { "" });
            text.ordered(column);
            text.sql.push_str(if down { " DESC" } else { "" });
            separator = ", ";
        }
        if let Some(limit) = self.limit {
            text.sql.push_str(" LIMIT ");
            text.value(Cell::Number(limit.into()));
        }
        Ok(text)
    }
}

/// A statement in the making, and the values of its placeholders.
struct Statement {
    sql: String,
    values: Vec<Cell>,
}

impl Statement {
    fn query(self) -> Query {
        self.values.into_iter().fold(assembled(self.sql), |query, value| match value {
            Cell::Text(text) => query.bind(text),
            Cell::Number(number) => query.bind(number),
        })
    }

    fn value(&mut self, value: Cell) {
        self.values.push(value);
        // Writing into a String can't fail.
        let _ = write!(self.sql, "${}", self.values.len());
    }

    fn condition<C: Column>(&mut self, condition: &Condition<C>) -> Result<()> {
        match condition {
            Condition::Among(column, values) => {
                let null = column.null().is_some_and(|null| values.contains(&null));
                self.values.push(Cell::Text(bulk::json(values)?));
                let among = bulk::among(column.sql(), self.values.len());
                let sql = if null { format!("({} IS NULL OR {among})", column.sql()) } else { among };
                self.sql.push_str(&sql);
            }
            Condition::IsNull(column, null) => {
                self.sql.push_str(column.sql());
                self.sql.push_str(if *null { " IS NULL" } else { " IS NOT NULL" });
            }
            Condition::Contains { column, parts, rare: _ } => {
                self.sql.push_str("(1 = 0");
                for part in parts {
                    let _ = write!(self.sql, " OR {column} LIKE ");
                    self.value(Cell::Text(format!("%{part}%")));
                }
                self.sql.push(')');
            }
        }
        Ok(())
    }

    /// `(a, b, id) > (1, 2, 3)`, written out: the directions may differ.
    fn beyond<C: Column>(&mut self, keys: &[(C, bool)], values: &[Cell]) {
        for (i, ((column, down), value)) in keys.iter().zip(values).enumerate() {
            let last = i + 1 == keys.len().min(values.len());
            self.sql.push('(');
            self.ordered(*column);
            self.sql.push_str(if *down { " < " } else { " > " });
            self.value(value.clone());
            if !last {
                self.sql.push_str(" OR (");
                self.ordered(*column);
                self.sql.push_str(" = ");
                self.value(value.clone());
                self.sql.push_str(" AND ");
            }
        }
        let depth = keys.len().min(values.len());
        self.sql.push_str(&"))".repeat(depth.saturating_sub(1)));
        self.sql.push(')');
    }

    fn ordered(&mut self, column: impl Column) {
        match column.null() {
            None => self.sql.push_str(column.sql()),
            Some(Cell::Number(null)) => {
                let _ = write!(self.sql, "COALESCE({}, {null})", column.sql());
            }
            // A literal of this room, without quotes.
            Some(Cell::Text(null)) => {
                let _ = write!(self.sql, "COALESCE({}, '{null}')", column.sql());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sql::Columns, *};
    use crate::store::{Attribute, PORT_ATTRIBUTES, PortColumn, Store};

    /// How SQLite goes about lists of a table that may have a million rows.
    #[tokio::test]
    async fn long_lists_take_the_ways_that_were_measured() {
        let directory = std::env::temp_dir().join(format!("vtepd-select-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&directory).unwrap();
        let store = Store::open(&directory.join("vtepd.db")).await.unwrap();
        let text = |text: &str| vec![Cell::Text(text.to_owned())];
        let address =
            |rare| Condition::Contains { column: PortColumn::FIXED_IPS, parts: vec!["10.0.0.5".into()], rare };
        let device = Attribute::named(PORT_ATTRIBUTES, "device_id").map(PortColumn::Attribute).unwrap();
        for (condition, way) in [
            // Few rows: as the table lies. Many: as the answer is ordered.
            (address(true), "SCAN ports"),
            (address(false), "SCAN ports USING INDEX sqlite_autoindex_ports_1"),
            (Condition::IsNull(PortColumn::Host, true), "SEARCH ports USING INDEX ports_host (host=?)"),
            (Condition::Among(PortColumn::Host, text("c")), "SEARCH ports USING INDEX ports_host (host=?)"),
            (Condition::Among(device, text("d")), "SEARCH ports USING INDEX ports_device (<expr>=?)"),
            (Condition::Among(PortColumn::Name, text("n")), "SEARCH ports USING INDEX ports_name (name=?)"),
        ] {
            let selection =
                Selection { conditions: vec![condition.clone()], limit: Some(1000), ..Selection::default() };
            let mut statement = selection.statement("id, name, mac", "ports", None).unwrap();
            statement.sql.insert_str(0, "EXPLAIN QUERY PLAN ");
            let plan = store.snapshot().await.unwrap().all(statement.query()).await.unwrap();
            // id, parent, an unused one, and what it does.
            let mut columns = Columns::of("the plan", &plan[0]);
            for _ in 0..3 {
                columns.integer().unwrap();
            }
            assert_eq!(columns.text().unwrap(), way, "{condition:?}");
        }
        store.close().await;
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
