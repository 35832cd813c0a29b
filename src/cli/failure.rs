//! Why a command failed, and the exit code that says so (sysexits(3)).

use std::{io, path::PathBuf};

use crate::{admin::client::AdminClientError, config::ConfigErrors, model::printable::one_line};

/// Something differs, or is wrong.
pub(super) const AMISS: u8 = 1;
const USAGE: u8 = 2;
const DATA: u8 = 65;
const NO_INPUT: u8 = 66;
const UNAVAILABLE: u8 = 69;
const SOFTWARE: u8 = 70;
const CANT_CREATE: u8 = 73;
const TEMPORARY: u8 = 75;
const NO_PERMISSION: u8 = 77;
const CONFIG: u8 = 78;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The daemon refused, or could not be reached.
    #[error(transparent)]
    Client(#[from] AdminClientError),
    /// A failure, and what may have been meant.
    #[error("{failure}")]
    Hinted {
        /// What failed.
        failure: Box<Self>,
        /// What may have been meant.
        hint: String,
    },
    /// An argument that clap can't judge.
    #[error("{0}")]
    Usage(String),
    /// Input that can't be right.
    #[error("{0}")]
    Input(String),
    /// What is named isn't there.
    #[error("{0}")]
    Missing(String),
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// plumgrid.ini is wrong.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// The daemon answered what we don't understand.
    #[error("vtepd answered what this l2gw does not understand ({0}): use the l2gw of the same version")]
    Answer(#[from] serde_json::Error),
    /// Not done in time.
    #[error("{0}")]
    Late(String),
    /// Standard output can't be written.
    #[error("standard output: {0}")]
    Output(io::Error),
    /// Standard output was closed: its reader has enough.
    #[error("standard output was closed")]
    Closed,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Output(error) }
    }
}

// ===== impl Failure =====

impl Failure {
    /// The message, as standard error gets it. A name that it quotes stays in its line; only the errors of a configuration
    /// have lines of their own.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Hinted { failure, hint } => format!("{}\nl2gw: {hint}", failure.to_text()),
            Self::Config(_) => self.to_string(),
            Self::Client(AdminClientError::Refused { kind, .. }) if kind == "InvalidConfiguration" => self.to_string(),
            _ => one_line(&self.to_string()).into_owned(),
        }
    }

    /// The process's exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Hinted { failure, .. } => failure.code(),
            Self::Client(AdminClientError::Refused { code, .. }) => match code {
                -32602 => DATA,
                -32044 => NO_INPUT,
                -32049 => CANT_CREATE,
                -32053 => TEMPORARY,
                _ => SOFTWARE,
            },
            Self::Client(AdminClientError::Forbidden { .. }) => NO_PERMISSION,
            Self::Client(_) => UNAVAILABLE,
            Self::Usage(_) => USAGE,
            Self::Input(_) => DATA,
            Self::Missing(_) => NO_INPUT,
            Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound => NO_INPUT,
            Self::File { .. } | Self::Output(_) => NO_PERMISSION,
            Self::Config(_) => CONFIG,
            Self::Answer(_) => SOFTWARE,
            Self::Late(_) => TEMPORARY,
            Self::Closed => 0,
        }
    }
}
