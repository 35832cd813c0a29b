//! What all SQL of the store goes through: placeholders, decoding, and what an error means.

use std::{str::FromStr, sync::Arc};

use sqlx::{Any, AssertSqlSafe, Row, any::AnyArguments, any::AnyRow, query::Query};

use super::StoreError;

pub(super) type Result<T> = std::result::Result<T, StoreError>;

/// A statement with `$1` to `$n`, each used once and in this order, so that a database that wants `?` can have it by
/// rewriting the text here.
pub(super) fn query(sql: &'static str) -> Query<'static, Any, AnyArguments> {
    sqlx::query(sql)
}

/// A statement that was put together from literals of this room; values are always bound.
pub(super) fn assembled(sql: String) -> Query<'static, Any, AnyArguments> {
    sqlx::query(AssertSqlSafe(sql))
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::PoolTimedOut = error {
            return Self::Overloaded;
        }
        if let sqlx::Error::PoolClosed = error {
            return Self::Closed;
        }
        if is_disk(&error) { Self::Unavailable(Arc::new(error)) } else { Self::Database(Arc::new(error)) }
    }
}

/// Whether the disk is at fault: full, failing, or read-only. SQLite's primary result code is the low byte
/// (sqlite.org/rescode.html).
fn is_disk(error: &sqlx::Error) -> bool {
    const BUSY: i32 = 5;
    const READONLY: i32 = 8;
    const IOERR: i32 = 10;
    const FULL: i32 = 13;
    const CANTOPEN: i32 = 14;
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => {
            let code = error.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(0);
            matches!(code & 0xff, BUSY | READONLY | IOERR | FULL | CANTOPEN)
        }
        _ => false,
    }
}

/// Reads the columns of a row from left to right, into the types of the model.
pub(super) struct Columns<'r> {
    row: &'r AnyRow,
    table: &'static str,
    next: usize,
}

impl<'r> Columns<'r> {
    /// The columns of a row; `table` names it in errors.
    pub(super) fn of(table: &'static str, row: &'r AnyRow) -> Self {
        Self { row, table, next: 0 }
    }

    fn index(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    pub(super) fn text(&mut self) -> Result<&'r str> {
        let index = self.index();
        Ok(self.row.try_get(index)?)
    }

    pub(super) fn string(&mut self) -> Result<String> {
        self.text().map(str::to_owned)
    }

    pub(super) fn optional_string(&mut self) -> Result<Option<String>> {
        let index = self.index();
        Ok(self.row.try_get(index)?)
    }

    /// An id, an address: whatever is written as a text.
    pub(super) fn parsed<T: FromStr>(&mut self) -> Result<T> {
        let text = self.text()?;
        text.parse().map_err(|_| self.corrupt(text))
    }

    /// The same, where it may be NULL.
    pub(super) fn optional_parsed<T: FromStr>(&mut self) -> Result<Option<T>> {
        let text = self.optional_string()?;
        text.map(|text| text.parse().map_err(|_| self.corrupt(&text))).transpose()
    }

    pub(super) fn integer(&mut self) -> Result<i64> {
        let index = self.index();
        Ok(self.row.try_get(index)?)
    }

    pub(super) fn count(&mut self) -> Result<u64> {
        let number = self.integer()?;
        u64::try_from(number).map_err(|_| self.corrupt(number))
    }

    /// A VLAN or VNI.
    pub(super) fn number<T: TryFrom<i64>>(&mut self) -> Result<T> {
        let number = self.integer()?;
        T::try_from(number).map_err(|_| self.corrupt(number))
    }

    /// A VLAN or VNI that may be NULL.
    pub(super) fn optional<T: TryFrom<i64>>(&mut self) -> Result<Option<T>> {
        let index = self.index();
        let number: Option<i64> = self.row.try_get(index)?;
        number.map(|number| T::try_from(number).map_err(|_| self.corrupt(number))).transpose()
    }

    // By value: what is corrupt is shown and dropped.
    #[allow(clippy::needless_pass_by_value)]
    pub(super) fn corrupt(&self, value: impl ToString) -> StoreError {
        StoreError::Corrupt { column: self.table, value: value.to_string() }
    }
}
