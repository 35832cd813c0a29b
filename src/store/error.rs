//! What can go wrong with the store.

use std::{error::Error, io, path::PathBuf, sync::Arc};

/// What the database said.
pub(super) type Cause = Arc<dyn Error + Send + Sync>;

/// Why the store failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The file, or its lock, can't be created or opened.
    #[error("store {}: {source}: check the directory, its owner and its mode", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Arc<io::Error>,
    },
    /// Another daemon uses the file.
    #[error("store {}: {holder} uses it: two daemons can't share one SQLite file", path.display())]
    Locked {
        /// The store's file.
        path: PathBuf,
        /// Who, as `process 4711`.
        holder: String,
    },
    /// A later vtepd wrote the file.
    #[error(
        "store {}: its schema has version {found}, this vtepd knows only up to {known}: start the newer vtepd again, or \
         restore a backup from before the upgrade", path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: i64,
        /// The newest that we know.
        known: i64,
    },
    /// Another program's file.
    #[error("store {}: it is {what}; nothing was changed: name another file in [database] connection", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is there instead.
        what: String,
    },
    /// A file was deleted or replaced under the daemon.
    #[error(
        "the store's file {} {what}: nothing is kept any more; put the same file back, or stop vtepd, restore a backup of \
         the store, and start it again", path.display()
    )]
    Gone {
        /// The file.
        path: PathBuf,
        /// What happened to it.
        what: &'static str,
    },
    /// The schema could not be created or brought up to date.
    #[error("store {}: its schema can't be brought up to date: {source}", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Arc<sqlx::migrate::MigrateError>,
    },
    /// Disk full or broken: nothing was written. It is tried again by itself; see [`crate::store::Store::health`].
    #[error("the store can't be written ({0}): free space on its file system; nothing was changed")]
    Unavailable(Cause),
    /// Too many writes wait.
    #[error("the store did not take the write in time: try again; nothing was changed")]
    Overloaded,
    /// The store was shut down.
    #[error("the store is closed: the daemon is stopping")]
    Closed,
    /// A row holds what we never write.
    #[error("the store holds a row that makes no sense: {column} is '{value}'")]
    Corrupt {
        /// Table and column.
        column: &'static str,
        /// What it holds.
        value: String,
    },
    /// Any other failure of the database.
    #[error("the store failed: {0}")]
    Database(Cause),
}

impl StoreError {
    /// Whether the same call may succeed later: the disk is full, the file is gone, or the queue is full.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Gone { .. } | Self::Overloaded | Self::Closed)
    }
}
