//! The writer's connection. SQLite is called in place, on the writer's own thread: a write of a dozen statements that each
//! went to another thread and back spent more time on waking than on SQL.

use std::path::Path;

use rusqlite::{
    CachedStatement, Connection as Sqlite, OpenFlags, ToSql,
    types::{ToSqlOutput, ValueRef},
};

use super::sql::{Query, Result, Value};

/// Statements that are kept prepared: as many as the store has, and some that were put together.
const PREPARED: usize = 128;

/// `synchronous=FULL`: a commit is on the disk before it is answered. `cache_size` is in KiB where negative.
const PRAGMAS: &str = "
    PRAGMA busy_timeout = 5000;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA cache_size = -65536;
    PRAGMA temp_store = MEMORY;
    PRAGMA journal_size_limit = 67108864;";

/// The values of a row.
pub(super) type Row = Vec<Value>;

pub(super) struct Connection(Sqlite);

impl Connection {
    /// Opens a file that is there.
    pub(super) fn open(path: &Path) -> Result<Self> {
        // Used by one thread at a time, which the type holds us to.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let sqlite = Sqlite::open_with_flags(path, flags)?;
        sqlite.execute_batch(PRAGMAS)?;
        sqlite.set_prepared_statement_cache_capacity(PREPARED);
        Ok(Self(sqlite))
    }

    /// The rows that a statement answers, `limit` of them at most.
    pub(super) fn rows(&self, query: &Query, limit: usize) -> Result<Vec<Row>> {
        let mut statement = self.bound(query)?;
        let columns = statement.column_count();
        let mut rows = statement.raw_query();
        let mut read = Vec::new();
        while read.len() < limit
            && let Some(row) = rows.next()?
        {
            let values = (0..columns).map(|column| Value::try_from(row.get_ref(column)?));
            read.push(values.collect::<rusqlite::Result<_>>()?);
        }
        Ok(read)
    }

    /// Runs a statement; answers how many rows it changed.
    pub(super) fn run(&self, query: &Query) -> Result<u64> {
        let mut statement = self.bound(query)?;
        let mut rows = statement.raw_query();
        // A PRAGMA answers what it set, and nobody wants to know.
        while rows.next()?.is_some() {}
        drop(rows);
        Ok(self.0.changes())
    }

    fn bound(&self, query: &Query) -> Result<CachedStatement<'_>> {
        let mut statement = self.0.prepare_cached(&query.sql)?;
        for (place, value) in (1..).zip(&query.values) {
            statement.raw_bind_parameter(place, value)?;
        }
        Ok(statement)
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

impl TryFrom<ValueRef<'_>> for Value {
    type Error = rusqlite::Error;

    fn try_from(value: ValueRef<'_>) -> rusqlite::Result<Self> {
        Ok(match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            // The schema has neither REAL nor BLOB columns that are read.
            other => Self::Text(other.as_str()?.to_owned()),
        })
    }
}
