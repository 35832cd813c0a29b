//! What all SQL of the store goes through: placeholders, values, rows, and what an error means.

use std::{borrow::Cow, str::FromStr, sync::Arc};

use sqlx::{Any, AssertSqlSafe, Row as _, SqlSafeStr as _, any::AnyArguments, any::AnyRow};

use super::{StoreError, sqlite};

pub(super) type Result<T> = std::result::Result<T, StoreError>;

/// A statement and the values of its placeholders.
pub(super) struct Query {
    pub(super) sql: Cow<'static, str>,
    pub(super) values: Vec<Value>,
}

/// What is bound to a placeholder.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Text(String),
}

/// A row of an answer: of a read connection, or of the writer's.
pub(super) enum Row {
    Read(AnyRow),
    Writer(sqlite::Row),
}

/// A statement with `$1` to `$n`, each used once and in this order, so that a database that wants `?` can have it by
/// rewriting the text here.
pub(super) fn query(sql: &'static str) -> Query {
    Query { sql: Cow::Borrowed(sql), values: Vec::new() }
}

/// A statement that was put together from literals of this room; values are always bound.
pub(super) fn assembled(sql: String) -> Query {
    Query { sql: Cow::Owned(sql), values: Vec::new() }
}

impl Query {
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// As sqlx takes it.
    pub(super) fn into_sqlx(self) -> sqlx::query::Query<'static, Any, AnyArguments> {
        let sql = match self.sql {
            Cow::Borrowed(sql) => sql.into_sql_str(),
            Cow::Owned(sql) => AssertSqlSafe(sql).into_sql_str(),
        };
        self.values.into_iter().fold(sqlx::query(sql), |query, value| match value {
            Value::Null => query.bind(None::<String>),
            Value::Integer(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
        })
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut => Self::Overloaded,
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::Io(_) => Self::Unavailable(Arc::new(error)),
            sqlx::Error::Database(ref told) => {
                let code = told.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(0);
                Self::of_sqlite(code, error)
            }
            _ => Self::Database(Arc::new(error)),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error().map_or(0, |told| told.extended_code);
        Self::of_sqlite(code, error)
    }
}

impl StoreError {
    /// Whether the disk is at fault: full, failing, or read-only. SQLite's primary result code is the low byte
    /// (sqlite.org/rescode.html).
    fn of_sqlite(code: i32, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        const BUSY: i32 = 5;
        const READONLY: i32 = 8;
        const IOERR: i32 = 10;
        const FULL: i32 = 13;
        const CANTOPEN: i32 = 14;
        match code & 0xff {
            BUSY | READONLY | IOERR | FULL | CANTOPEN => Self::Unavailable(Arc::new(error)),
            _ => Self::Database(Arc::new(error)),
        }
    }
}

/// Reads the columns of a row from left to right, into the types of the model.
pub(super) struct Columns<'r> {
    row: &'r Row,
    table: &'static str,
    next: usize,
}

impl<'r> Columns<'r> {
    /// The columns of a row; `table` names it in errors.
    pub(super) fn of(table: &'static str, row: &'r Row) -> Self {
        Self { row, table, next: 0 }
    }

    fn index(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    fn optional_text(&mut self) -> Result<Option<&'r str>> {
        let index = self.index();
        match self.row {
            Row::Read(row) => Ok(row.try_get(index)?),
            Row::Writer(row) => match row.get(index) {
                Some(Value::Text(text)) => Ok(Some(text)),
                Some(Value::Null) => Ok(None),
                other => Err(self.corrupt(format!("{other:?}"))),
            },
        }
    }

    fn optional_integer(&mut self) -> Result<Option<i64>> {
        let index = self.index();
        match self.row {
            Row::Read(row) => Ok(row.try_get(index)?),
            Row::Writer(row) => match row.get(index) {
                Some(Value::Integer(number)) => Ok(Some(*number)),
                Some(Value::Null) => Ok(None),
                other => Err(self.corrupt(format!("{other:?}"))),
            },
        }
    }

    pub(super) fn text(&mut self) -> Result<&'r str> {
        self.optional_text()?.ok_or_else(|| self.corrupt("NULL"))
    }

    pub(super) fn string(&mut self) -> Result<String> {
        self.text().map(str::to_owned)
    }

    pub(super) fn optional_string(&mut self) -> Result<Option<String>> {
        Ok(self.optional_text()?.map(str::to_owned))
    }

    /// An id, an address: whatever is written as a text.
    pub(super) fn parsed<T: FromStr>(&mut self) -> Result<T> {
        let text = self.text()?;
        text.parse().map_err(|_| self.corrupt(text))
    }

    /// The same, where it may be NULL.
    pub(super) fn optional_parsed<T: FromStr>(&mut self) -> Result<Option<T>> {
        let text = self.optional_text()?;
        text.map(|text| text.parse().map_err(|_| self.corrupt(text))).transpose()
    }

    pub(super) fn integer(&mut self) -> Result<i64> {
        self.optional_integer()?.ok_or_else(|| self.corrupt("NULL"))
    }

    pub(super) fn count(&mut self) -> Result<u64> {
        let number = self.integer()?;
        u64::try_from(number).map_err(|_| self.corrupt(number))
    }

    /// A count that may be NULL.
    pub(super) fn optional_count(&mut self) -> Result<Option<u64>> {
        let number = self.optional_integer()?;
        number.map(|number| u64::try_from(number).map_err(|_| self.corrupt(number))).transpose()
    }

    /// A VLAN or VNI.
    pub(super) fn number<T: TryFrom<i64>>(&mut self) -> Result<T> {
        let number = self.integer()?;
        T::try_from(number).map_err(|_| self.corrupt(number))
    }

    /// A VLAN or VNI that may be NULL.
    pub(super) fn optional<T: TryFrom<i64>>(&mut self) -> Result<Option<T>> {
        self.optional_integer()?.map(|number| T::try_from(number).map_err(|_| self.corrupt(number))).transpose()
    }

    // By value: what is corrupt is shown and dropped.
    #[allow(clippy::needless_pass_by_value)]
    pub(super) fn corrupt(&self, value: impl ToString) -> StoreError {
        StoreError::Corrupt { column: self.table, value: value.to_string() }
    }
}
