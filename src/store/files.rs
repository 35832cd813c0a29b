//! The store's files: whose they are before anything is written, and whether they are still those that were opened.
//!
//! SQLite goes on with a file that was deleted or replaced, and says nothing: what is committed then is lost with the
//! process. So the writer compares the names with the files that it holds, before each commit and once a second.

use std::{
    fmt::Write as _,
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use nix::{
    fcntl::{AT_FDCWD, AtFlags, OFlag},
    unistd::{AccessFlags, faccessat},
};
use rusqlite::{Connection, OpenFlags};

use super::{StoreError, sql::Result};

/// SQLite's `application_id` in our files: 'vtep' in ASCII.
pub(super) const APPLICATION_ID: i64 = 0x7674_6570;

/// sqlx's table of migrations, and one that every version of ours has.
const MIGRATIONS: &str = "_sqlx_migrations";
const OURS: &str = "pg_l2gateways";
/// Tables that an error names.
const NAMED: usize = 3;

/// What SQLite writes beside the file: the write-ahead log and its index.
const SIDES: [&str; 2] = ["-wal", "-shm"];

pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    // SQLite gives the files beside it (-wal, -shm) the mode of the main one.
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

// ===== whose it is =====

/// Refuses a file that another program made. It is only read, and nothing is made beside it.
pub(super) fn refuse_foreign(path: &Path) -> Result<()> {
    let foreign = |what: String| StoreError::Foreign { path: path.to_owned(), what };
    let failed = |source: io::Error| StoreError::Open { path: path.to_owned(), source: Arc::new(source) };
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(foreign("no regular file".to_owned()));
    }
    if metadata.len() == 0 {
        return Ok(());
    }
    let look = |uri: &str| -> rusqlite::Result<(i64, Vec<String>)> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let sqlite = Connection::open_with_flags(uri, flags)?;
        let id = sqlite.query_row("PRAGMA application_id", [], |row| row.get(0))?;
        let mut tables = sqlite.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
        let tables = tables.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok((id, tables))
    };
    // An immutable file is read without its write-ahead log, and so without making the log's index.
    let name = encoded(path);
    let mut found = look(&format!("file:{name}?immutable=1&mode=ro"));
    let log = fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len());
    if log > 0 && found.as_ref().is_ok_and(|(id, tables)| *id == 0 && tables.is_empty()) {
        // All of it is in the log yet.
        found = look(&format!("file:{name}?mode=ro"));
    }
    match found {
        Ok((APPLICATION_ID, _)) => Ok(()),
        Ok((0, tables)) if tables.iter().all(|table| table == MIGRATIONS) => Ok(()),
        // Before there was an application_id.
        Ok((0, tables)) if [MIGRATIONS, OURS].iter().all(|ours| tables.iter().any(|table| table == ours)) => Ok(()),
        Ok((0, tables)) => {
            let shown = tables.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            let more = if tables.len() > NAMED { " and others" } else { "" };
            Err(foreign(format!("another program's SQLite database, with the tables {shown}{more}")))
        }
        Ok((id, _)) => Err(foreign(format!("another program's SQLite database (application_id {id})"))),
        Err(rusqlite::Error::SqliteFailure(error, _)) if error.code == rusqlite::ErrorCode::NotADatabase => {
            Err(foreign("not an SQLite database".to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

/// What is at a store's path, for `vtepd --check`. Nothing is made or changed.
///
/// # Errors
/// [`StoreError`]: why the daemon couldn't work with it.
pub fn try_file(path: &Path) -> Result<String> {
    let failed = |path: &Path, source: io::Error| StoreError::Open { path: path.to_owned(), source: Arc::new(source) };
    let may = |path: &Path, what: AccessFlags| {
        faccessat(AT_FDCWD, path, what, AtFlags::AT_EACCESS).map_err(|error| failed(path, error.into()))
    };
    let path = match fs::canonicalize(path) {
        Ok(path) => path,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
            may(directory.unwrap_or(Path::new(".")), AccessFlags::W_OK | AccessFlags::X_OK)?;
            return Ok("it is made at the first start".to_owned());
        }
        Err(error) => return Err(failed(path, error)),
    };
    may(path.parent().unwrap_or(Path::new("/")), AccessFlags::W_OK | AccessFlags::X_OK)?;
    may(&path, AccessFlags::R_OK | AccessFlags::W_OK)?;
    refuse_foreign(&path)?;
    refuse_newer(&path)?;
    let mut lock = OpenOptions::new();
    match lock.read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(beside(&path, ".lock")) {
        Ok(mut lock) => match lock.try_lock_shared() {
            Ok(()) => Ok("it is ours".to_owned()),
            Err(TryLockError::WouldBlock) => Ok(format!("it is ours, {} uses it", holder(&mut lock))),
            Err(TryLockError::Error(error)) => Err(failed(&beside(&path, ".lock"), error)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok("it is ours".to_owned()),
        Err(error) => Err(failed(&beside(&path, ".lock"), error)),
    }
}

/// Refuses the file of a later version.
fn refuse_newer(path: &Path) -> Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let sqlite = Connection::open_with_flags(format!("file:{}?immutable=1&mode=ro", encoded(path)), flags)?;
    let there = "SELECT COUNT(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    if sqlite.query_row(there, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(());
    }
    let found: i64 =
        sqlite.query_row("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations", [], |row| row.get(0))?;
    let known = super::open::newest();
    if found > known { Err(StoreError::NewerSchema { path: path.to_owned(), found, known }) } else { Ok(()) }
}

/// Writes our `application_id` into a file that has none yet.
pub(super) fn mark(path: &Path) -> Result<()> {
    let sqlite = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let id: i64 = sqlite.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if id != APPLICATION_ID {
        sqlite.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}"))?;
    }
    Ok(())
}

/// A path as it stands in a URI.
pub(super) fn encoded(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => text.push(char::from(*byte)),
            other => {
                // Writing into a String can't fail.
                let _ = write!(text, "%{other:02X}");
            }
        }
    }
    text
}

// ===== the lock =====

/// The lock against a second daemon, a file of its own: SQLite's locks on the database file are POSIX locks, which any
/// other descriptor of this process on that file would release when it is closed.
///
/// Only a regular file is taken, and it is never truncated: the name may lead to another program's file.
pub(super) fn take_lock(path: &Path) -> Result<File> {
    let lock_path = beside(path, ".lock");
    let failed = |source: io::Error| StoreError::Open { path: lock_path.clone(), source: Arc::new(source) };
    let mut file = private().custom_flags(OFlag::O_NOFOLLOW.bits()).open(&lock_path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.nlink() != 1 {
        return Err(failed(io::Error::other("it is no file of its own (a link, or no regular file): remove it")));
    }
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StoreError::Locked { path: path.to_owned(), holder: holder(&mut file) });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    // As wide as the largest number: what stood there before is overwritten.
    writeln!(file, "{:<10}", std::process::id()).map_err(failed)?;
    Ok(file)
}

/// Who holds the lock, as a message has it.
fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    // A process that can't be named is 'another vtepd'.
    let _ = lock.take(32).read_to_string(&mut text);
    let pid = text.lines().next().and_then(|line| line.trim().parse::<u32>().ok());
    pid.map_or_else(|| "another vtepd".to_owned(), |pid| format!("process {pid}"))
}

// ===== whether they are still there =====

/// A file, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// The files of an open store.
#[derive(Debug, Clone)]
pub(super) struct Files {
    path: PathBuf,
    /// The database, and the lock.
    own: Vec<(PathBuf, Identity)>,
    /// What SQLite has made beside it.
    sides: Vec<(PathBuf, Identity)>,
}

impl Files {
    /// Those that are at the path now, the lock being held.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let own = [path.to_owned(), beside(path, ".lock")];
        let own = own.map(|path| fs::symlink_metadata(&path).map(|found| (path, (&found).into())));
        Ok(Self { path: path.to_owned(), own: own.into_iter().collect::<io::Result<_>>()?, sides: Vec::new() })
    }

    /// A connection is open, and has begun a transaction: what is beside the file is its own.
    pub(super) fn note_sides(&mut self) {
        let sides = SIDES.map(|suffix| beside(&self.path, suffix));
        let found = |path: PathBuf| fs::symlink_metadata(&path).ok().map(|found| (path, (&found).into()));
        self.sides = sides.into_iter().filter_map(found).collect();
    }

    /// Whether a new connection would open the file that we hold.
    pub(super) fn check_own(&self) -> Result<()> {
        compare(&self.own)
    }

    /// Whether the names still lead to all files that the open connection holds.
    pub(super) fn check(&self) -> Result<()> {
        compare(&self.own)?;
        compare(&self.sides)
    }
}

fn compare(files: &[(PathBuf, Identity)]) -> Result<()> {
    for (path, identity) in files {
        let what = match fs::symlink_metadata(path) {
            Ok(found) if Identity::from(&found) == *identity => continue,
            Ok(_) => "was replaced by another file",
            Err(error) if error.kind() == io::ErrorKind::NotFound => "was deleted or moved",
            Err(_) => "can't be looked at any more",
        };
        return Err(StoreError::Gone { path: path.clone(), what });
    }
    Ok(())
}
