//! Why the daemon ended, and the exit code that says so (sysexits(3)).

use std::{io, process::ExitCode};

use crate::{admin::AdminError, api::ApiError, fleet::ListenError, store::StoreError};

/// Anything that is no other code's.
pub const EXIT_FAILURE: u8 = 1;
/// It may go well later: another daemon has the store or the socket, or the address is taken (EX_TEMPFAIL).
pub const EXIT_TEMPORARY: u8 = 75;
/// plumgrid.ini or the environment has errors, or names what can't be used (EX_CONFIG).
pub const EXIT_CONFIG: u8 = 78;

/// Why the daemon ended.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The REST API can't start.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The admin socket can't be had.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Switches can't dial in.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The kernel refuses signal handlers.
    #[error("signals can't be received: {0}")]
    Signals(io::Error),
    /// A part of the daemon ended although nobody had asked it to: a bug.
    #[error("the daemon's {0} ended unexpectedly: this is a bug, please report it with the log above")]
    PartEnded(&'static str),
    /// A part of the daemon panicked: a bug.
    #[error("a part of the daemon failed ({0}): this is a bug, please report it with the log above")]
    Panicked(String),
    /// Requests or sessions did not come to an end in time.
    #[error("the daemon did not stop in time; what was answered is on disk")]
    Deadline,
    /// A second signal asked for the end at once.
    #[error("ended at once by a second signal; what was answered is on disk")]
    Interrupted,
}

impl DaemonError {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        let code = match self {
            Self::Store(StoreError::Locked { .. }) | Self::Admin(AdminError::Live(_)) => EXIT_TEMPORARY,
            Self::Api(ApiError::Listen { source, .. }) if source.kind() == io::ErrorKind::AddrInUse => EXIT_TEMPORARY,
            Self::Listen(error) if error.source.kind() == io::ErrorKind::AddrInUse => EXIT_TEMPORARY,
            // Starting again would end in the same way.
            Self::Store(StoreError::NewerSchema { .. } | StoreError::Foreign { .. })
            | Self::Api(_)
            | Self::Listen(_)
            | Self::Admin(AdminError::NoGroup(_) | AdminError::NotASocket(_)) => EXIT_CONFIG,
            _ => EXIT_FAILURE,
        };
        code.into()
    }
}
