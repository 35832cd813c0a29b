//! Opening the file: modes, the lock against a second daemon, migrations, connections.

use std::{
    borrow::Cow,
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use sqlx::{
    AnyConnection, AnyPool, ConnectOptions as _, Connection as _, SqlSafeStr as _,
    any::{AnyConnectOptions, AnyPoolOptions},
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use super::{
    StoreError,
    files::{self, Files, beside, private},
    sql::Result,
    sqlite,
};

/// Connections for reads, beside the writer's own.
const READERS: u32 = 4;
/// How long a read waits for one of them.
const READER_WAIT: Duration = Duration::from_secs(10);

/// `cache_size` is in KiB where negative.
const READER_PRAGMAS: &str = "
    PRAGMA busy_timeout = 5000;
    PRAGMA query_only = ON;
    PRAGMA cache_size = -4096;
    PRAGMA temp_store = MEMORY;";

/// A version of the schema: number, name, SQL.
type Version = (i64, &'static str, &'static str);

/// The schema's versions, oldest first. Those of PostgreSQL and MariaDB will stand beside them.
pub(super) const MIGRATIONS: &[Version] = &[
    (1, "init", include_str!("../../schemas/sql/sqlite/0001_init.sql")),
    (2, "subnets", include_str!("../../schemas/sql/sqlite/0002_subnets.sql")),
    (3, "relay", include_str!("../../schemas/sql/sqlite/0003_relay.sql")),
    (4, "journal", include_str!("../../schemas/sql/sqlite/0004_journal.sql")),
    (5, "source", include_str!("../../schemas/sql/sqlite/0005_source.sql")),
    (6, "changes", include_str!("../../schemas/sql/sqlite/0006_changes.sql")),
    (7, "attributes", include_str!("../../schemas/sql/sqlite/0007_attributes.sql")),
];

/// The newest version of the schema that we know.
pub(super) fn newest() -> i64 {
    MIGRATIONS.iter().map(|(version, ..)| *version).max().unwrap_or(0)
}

/// A store's file: where it is, and how to connect to it. Holds its lock.
#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    options: AnyConnectOptions,
    files: Files,
    /// Released by the system when the last clone is closed, however the process ends.
    _lock: File,
}

impl Database {
    /// Creates the file where there is none, and takes its lock.
    pub(super) fn lock(path: &Path) -> Result<Self> {
        let failed = |source: io::Error| StoreError::Open { path: path.to_owned(), source: Arc::new(source) };
        private().open(path).map_err(failed)?;
        // The lock lies beside the file itself, whatever link led to it.
        let path = fs::canonicalize(path).map_err(failed)?;
        // First without making the lock's file beside it. A daemon that is writing may make it unreadable for the moment.
        if let Err(error @ StoreError::Foreign { .. }) = files::refuse_foreign(&path) {
            return Err(error);
        }
        let lock = files::take_lock(&path)?;
        files::refuse_foreign(&path)?;
        let files = Files::at(&path).map_err(failed)?;
        for file in [path.clone(), beside(&path, "-wal"), beside(&path, "-shm")] {
            match fs::set_permissions(&file, Permissions::from_mode(0o600)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
        sqlx::any::install_default_drivers();
        let options = AnyConnectOptions::from_str(&url(&path))?.disable_statement_logging();
        Ok(Self { path, options, files, _lock: lock })
    }

    /// Brings the schema up to date.
    pub(super) async fn migrate(&self) -> Result<()> {
        self.migrate_to(MIGRATIONS).await
    }

    /// Brings it to the last of these versions.
    pub(super) async fn migrate_to(&self, versions: &[Version]) -> Result<()> {
        let mut connection = AnyConnection::connect_with(&self.options).await?;
        let done = migrator(versions).run(&mut connection).await;
        let closed = connection.close().await;
        match done {
            Ok(()) => {
                closed?;
                files::mark(&self.path)
            }
            Err(MigrateError::VersionMissing(found)) => {
                Err(StoreError::NewerSchema { path: self.path.clone(), found, known: newest() })
            }
            Err(source) => Err(StoreError::Migrate { path: self.path.clone(), source: Arc::new(source) }),
        }
    }

    /// The files as they were when the lock was taken.
    pub(super) fn files(&self) -> Files {
        self.files.clone()
    }

    /// The connection of the only writer.
    pub(super) fn writer(&self) -> Result<sqlite::Connection> {
        sqlite::Connection::open(&self.path)
    }

    /// Connections for reads.
    pub(super) fn readers(&self) -> AnyPool {
        let files = self.files.clone();
        AnyPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(READER_WAIT)
            // A connection that is closed can't be had again once the file is gone.
            .idle_timeout(None)
            .max_lifetime(None)
            .after_connect(move |connection, _| {
                let ours = files.check_own();
                Box::pin(async move {
                    ours.map_err(|error| sqlx::Error::Io(io::Error::other(error)))?;
                    sqlx::raw_sql(READER_PRAGMAS).execute(connection).await?;
                    Ok(())
                })
            })
            .connect_lazy_with(self.options.clone())
    }
}

/// Connections that read a file which another process may have open. Nothing is created, locked or changed.
pub(super) fn only_read(path: &Path) -> Result<AnyPool> {
    let failed = |source: io::Error| StoreError::Open { path: path.to_owned(), source: Arc::new(source) };
    File::open(path).map_err(failed)?;
    let path = fs::canonicalize(path).map_err(failed)?;
    files::refuse_foreign(&path)?;
    sqlx::any::install_default_drivers();
    let options = AnyConnectOptions::from_str(&format!("{}?mode=ro", url(&path)))?.disable_statement_logging();
    Ok(AnyPoolOptions::new().max_connections(1).acquire_timeout(READER_WAIT).connect_lazy_with(options))
}

fn migrator(versions: &[Version]) -> Migrator {
    let migration = |(version, name, sql): &Version| {
        Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, (*sql).into_sql_str(), false)
    };
    Migrator::with_migrations(versions.iter().map(migration).collect())
}

/// sqlx takes a URL, and decodes its path.
fn url(path: &Path) -> String {
    format!("sqlite://{}", files::encoded(path))
}
