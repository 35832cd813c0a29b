//! The socket's file: who may open it, and whose it is.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io,
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt, chown},
        net::UnixStream as BlockingStream,
    },
    path::{Path, PathBuf},
};

use jsonrpsee::core::RegisterMethodError;
use nix::{
    fcntl::OFlag,
    unistd::{Gid, Group, Uid, getgroups},
};
use tokio::net::{UnixListener, UnixStream};

/// The admin socket can't be had.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// A daemon answers there.
    #[error("admin socket {0}: another daemon serves it; stop that one, or name another socket in [admin]")]
    Live(PathBuf),
    /// Something else is in its place.
    #[error("admin socket {0}: a file that is no socket is in its place; remove it, or name another path in [admin]")]
    NotASocket(PathBuf),
    /// The file can't be created.
    #[error("admin socket {path}: {source}; its directory must exist and be the daemon's to write in")]
    Create {
        /// `socket`.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `group` names nobody.
    #[error("group of [admin]: there is no group '{0}'")]
    NoGroup(String),
    /// The file can't be given to the group.
    #[error(
        "the admin socket can't be given to group '{group}' ([admin] group): {source}; the daemon's user must be a member: \
         usermod -aG {group} vtepd, then restart it"
    )]
    Group {
        /// `socket`.
        path: PathBuf,
        /// `group`.
        group: String,
        /// Why.
        source: io::Error,
    },
    /// Two methods bear one name.
    #[error("an admin method can't be offered: {0}")]
    Method(#[from] RegisterMethodError),
}

/// A bound socket; its file is removed when it is dropped.
#[derive(Debug)]
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Held as long as the socket is served, so that of two daemons which start at once only one replaces a stale file.
    _lock: File,
}

impl Socket {
    pub(super) fn bind(path: &Path, group: Option<&str>) -> Result<Self, AdminError> {
        let failed = |source| AdminError::Create { path: path.to_owned(), source };
        let lock = lock(path)?;
        refuse_live(path)?;

        // Made in a directory that only we may enter, whatever the umask: from the first moment on, only those may open
        // it who are meant to.
        let directory = beside(path, ".new");
        clear(&directory).map_err(failed)?;
        DirBuilder::new().mode(0o700).create(&directory).map_err(failed)?;
        let draft = directory.join("s");
        let placed = UnixListener::bind(&draft).map_err(failed).and_then(|listener| {
            give(&draft, path, group)?;
            fs::set_permissions(&draft, Permissions::from_mode(0o660))
                .and_then(|()| fs::rename(&draft, path))
                .map_err(failed)?;
            Ok(listener)
        });
        // The first error is the one to report.
        let _ = clear(&directory);
        Ok(Self { listener: placed?, path: path.to_owned(), _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "the admin socket's file was gone already");
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Removes the directory in which a socket is made, with what a killed daemon left in it.
fn clear(directory: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(directory) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    // Earlier versions made the socket itself by this name.
    if found.is_dir() { fs::remove_dir_all(directory) } else { fs::remove_file(directory) }
}

/// The lock file stays when the daemon stops: removing it would let two daemons lock two files of one name.
fn lock(path: &Path) -> Result<File, AdminError> {
    let failed = |source| AdminError::Create { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    // A link could lead to another user's file.
    options.write(true).create(true).truncate(false).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
    let file = options.open(beside(path, ".lock")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(AdminError::Live(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// What stands in the socket's place may go only if it is a socket that nobody listens on.
fn refuse_live(path: &Path) -> Result<(), AdminError> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(AdminError::Create { path: path.to_owned(), source }),
    };
    if !kind.is_socket() {
        return Err(AdminError::NotASocket(path.to_owned()));
    }
    match BlockingStream::connect(path) {
        Ok(_) => Err(AdminError::Live(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "replacing the admin socket of a daemon that was killed");
            Ok(())
        }
        // A full queue of a busy listener, too, says that a daemon is there.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(AdminError::Live(path.to_owned())),
        Err(source) => Err(AdminError::Create { path: path.to_owned(), source }),
    }
}

fn give(draft: &Path, path: &Path, group: Option<&str>) -> Result<(), AdminError> {
    let Some(group) = group else { return Ok(()) };
    let failed = |source| AdminError::Group { path: path.to_owned(), group: group.to_owned(), source };
    let id = find_group(group).map_err(failed)?.ok_or_else(|| AdminError::NoGroup(group.to_owned()))?;
    chown(draft, None, Some(id.as_raw())).map_err(failed)
}

/// A group by its name or number.
fn find_group(group: &str) -> io::Result<Option<Gid>> {
    match group.parse() {
        Ok(id) => Ok(Some(Gid::from_raw(id))),
        Err(_) => Ok(Group::from_name(group)?.map(|group| group.gid)),
    }
}

/// Whether this user could give the socket to a group. Root can give it to any.
///
/// # Errors
/// [`AdminError`].
pub fn try_group(group: &str) -> Result<(), AdminError> {
    let failed = |source| AdminError::Group { path: PathBuf::new(), group: group.to_owned(), source };
    let id = find_group(group).map_err(failed)?.ok_or_else(|| AdminError::NoGroup(group.to_owned()))?;
    if Uid::effective().is_root() || Gid::effective() == id {
        return Ok(());
    }
    let member = getgroups().map_err(|error| failed(error.into()))?.contains(&id);
    if member { Ok(()) } else { Err(failed(io::ErrorKind::PermissionDenied.into())) }
}
