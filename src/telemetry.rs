//! The log, and the notifications to systemd.
//!
//! The log goes to the journal where standard error is the journal's stream, with each field as a journal field of its
//! own (`journalctl VTEPD_SWITCH=tor-switch-1`); else to standard error as lines of text.

mod fields;
#[cfg(feature = "systemd")]
mod journal;
pub mod metrics;
pub mod notify;
#[cfg_attr(feature = "systemd", allow(dead_code, reason = "with systemd the journal is written to natively"))]
mod prefixed;
mod repeats;

#[cfg(test)]
mod tests;

use std::{
    io::{IsTerminal, Write as _},
    os::{linux::fs::MetadataExt, unix::ffi::OsStrExt},
};

pub use repeats::Repeats;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt};

/// The log can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `RUST_LOG`, or the levels of `[DEFAULT]`.
    #[error("the log levels '{levels}' ({origin}) are not understood: {why}")]
    Levels {
        /// As written.
        levels: String,
        /// Where they were written.
        origin: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Something else in this process logs already.
    #[error("the log is set up already: {0}")]
    Twice(String),
}

/// Changes the levels of the running log.
#[derive(Debug, Clone)]
pub struct LogHandle {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl LogHandle {
    /// Takes the levels of a new configuration, as [`init`] does.
    ///
    /// # Errors
    /// [`LogError::Levels`]; the old levels stay.
    pub fn reload(&self, levels: &str) -> Result<(), LogError> {
        self.replace(filter(levels, rust_log())?)
    }

    /// Takes an operator's levels, whatever `RUST_LOG` says.
    ///
    /// # Errors
    /// [`LogError::Levels`]; the old levels stay.
    pub fn set(&self, levels: &str) -> Result<(), LogError> {
        self.replace(parsed(levels, "as given")?)
    }

    fn replace(&self, filter: EnvFilter) -> Result<(), LogError> {
        self.filter.reload(filter).map_err(|error| LogError::Twice(error.to_string()))
    }
}

#[cfg(test)]
impl LogHandle {
    /// A log that nobody reads; what it has to be kept with.
    pub(crate) fn detached() -> (Self, impl Sized) {
        let (layer, filter) = reload::Layer::new(EnvFilter::new("info"));
        (Self { filter }, layer)
    }
}

/// Begins to log, for the whole process, at these levels (`info,vtepd::fleet=debug`). `RUST_LOG` overrides them. In the
/// journal the entries are `program`'s (`journalctl -t vtepd`).
///
/// # Errors
/// [`LogError`].
pub fn init(program: &'static str, levels: &str) -> Result<LogHandle, LogError> {
    let (filter, handle) = reload::Layer::new(filter(levels, rust_log())?);
    let registry = tracing_subscriber::registry().with(filter).with(output(program));
    registry.try_init().map_err(|error| LogError::Twice(error.to_string()))?;
    Ok(LogHandle { filter: handle })
}

/// Writes what ended the program before it had a log to standard error; to the journal, with the priority `err`.
pub fn complain(error: &dyn std::fmt::Display) {
    let text = format!("{}\n", crate::model::printable::lines(&error.to_string()));
    let mut out = std::io::stderr();
    // Without standard error there is nobody left to tell.
    let _ = if stderr_is_the_journal() {
        prefixed::Line::new(tracing::Level::ERROR, out).write_all(text.as_bytes())
    } else {
        out.write_all(text.as_bytes())
    };
}

fn rust_log() -> Option<String> {
    std::env::var("RUST_LOG").ok().filter(|levels| !levels.is_empty())
}

fn filter(levels: &str, rust_log: Option<String>) -> Result<EnvFilter, LogError> {
    match rust_log {
        Some(levels) => parsed(&levels, "RUST_LOG"),
        None => parsed(levels, "[DEFAULT]"),
    }
}

fn parsed(levels: &str, origin: &'static str) -> Result<EnvFilter, LogError> {
    let refused = |why: String| LogError::Levels { levels: levels.to_owned(), origin, why };
    if let Some(word) = levels_of(levels).into_iter().find(|word| word.parse::<LevelFilter>().is_err()) {
        return Err(refused(format!(
            "'{word}' is no level: use error, warn, info, debug, trace or off, and MODULE=LEVEL for single modules"
        )));
    }
    EnvFilter::try_new(levels).map_err(|error| refused(error.to_string()))
}

/// The levels that stand in a filter. EnvFilter takes a misspelt one for the name of a module, and logs nothing else, or says
/// "invalid filter directive" without a word of the level.
fn levels_of(filter: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    // Commas and equals signs in `[span{field=value}]` separate nothing.
    let outside = |c: char| {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && c == ','
    };
    let directives = filter.split(outside).map(str::trim).filter(|directive| !directive.is_empty());
    let level = |directive: &'_ str| -> Option<usize> {
        let target = directive.rfind([']', '}']).map_or(0, |end| end + 1);
        match directive[target..].rfind('=') {
            Some(at) => Some(target + at + 1),
            // A module alone, or a span: all of it is logged.
            None if directive.contains(['[', ':']) => None,
            None => Some(0),
        }
    };
    directives.filter_map(|directive| Some(directive[level(directive)?..].trim())).collect()
}

type Below = tracing_subscriber::layer::Layered<reload::Layer<EnvFilter, Registry>, Registry>;

fn output(
    #[cfg_attr(not(feature = "systemd"), allow(unused_variables, reason = "the unit's name stands for it"))]
    program: &'static str,
) -> Box<dyn Layer<Below> + Send + Sync> {
    if !stderr_is_the_journal() {
        let colours = std::io::stderr().is_terminal();
        return Box::new(fmt::layer().with_writer(std::io::stderr).with_ansi(colours).fmt_fields(fields::escaped()));
    }
    #[cfg(feature = "systemd")]
    return Box::new(journal::Journal::new(program));
    // The journal knows the time, and reads the level from a prefix (sd-daemon(3)).
    #[cfg(not(feature = "systemd"))]
    return Box::new(
        fmt::layer()
            .with_writer(prefixed::Prefixed)
            .with_ansi(false)
            .without_time()
            .with_level(false)
            .fmt_fields(fields::escaped()),
    );
}

/// systemd names the journal's stream as `device:inode` (`JOURNAL_STREAM`, systemd.exec(5)); the variable is inherited
/// by children whose standard error goes elsewhere, so the numbers count.
fn stderr_is_the_journal() -> bool {
    let Some(stream) = std::env::var_os("JOURNAL_STREAM") else { return false };
    let Ok(stderr) = std::fs::metadata("/proc/self/fd/2") else { return false };
    stream.as_bytes() == format!("{}:{}", stderr.st_dev(), stderr.st_ino()).as_bytes()
}
