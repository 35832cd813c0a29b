//! Configuration: `plumgrid.ini` (INI as oslo.config writes it) and `VTEPD_SECTION__KEY` from the environment.
//!
//! ```text
//!   plumgrid.ini -> ini ---\
//!                           layers (figment) -> section, value -> read, switch -> Config
//!   VTEPD_* -> environment -/                        \-> error: all of them at once, with file and line
//! ```

mod declare;
mod environment;
mod error;
mod hostd;
pub mod ini;
mod keys;
mod layers;
mod openstack;
mod read;
mod reference;
mod secret_file;
mod section;
mod switch;
mod transport;
mod value;
mod vendor;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    io::Read,
    net::SocketAddr,
    ops::RangeInclusive,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use read::RestartKeys;

pub use crate::model::{ActiveActive, GatewayConfig, RelayConfig};
pub use error::{ConfigError, ConfigErrors, ConfigPlace, ConfigProblem};
pub use hostd::{HOSTD_PATH, HostConfig, HostdConfig, NetworkName, VtepdConfig};
pub use openstack::{KeystoneConfig, SourceConfig};
pub use reference::{example, hostd_example, page};
pub use switch::{BfdConfig, Credentials, LockPolicy, Mode, SwitchConfig};
pub use transport::{ListenConfig, PeerVerify, SshConfig, SshHostKey, SshSocket, TlsConfig, Transport};
pub use value::duration;
pub use vendor::{Profile, Vendor};

/// Where the daemon looks without `--config`.
pub const DEFAULT_PATH: &str = "/etc/vtepd/plumgrid.ini";

/// What every variable of ours begins with.
const ENVIRONMENT: &str = "VTEPD_";

/// Largest plumgrid.ini, in bytes: some 100,000 switches.
const LARGEST: u64 = 32 << 20;

/// The daemon's whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The SQLite file of the desired state.
    pub database: PathBuf,
    /// `[api]`.
    pub api: ApiConfig,
    /// `[admin]`.
    pub admin: AdminConfig,
    /// `[relay]` and `[gateway:NAME]`.
    pub relay: RelayConfig,
    /// The log settings of `[DEFAULT]`.
    pub log: LogConfig,
    /// Names us on the switches: the prefix of our Logical_Switches, and the OVSDB lock.
    pub deployment: String,
    /// Prefixes that we still own; an empty one adopts the bare UUIDs of networking-l2gw.
    pub previous_prefixes: Vec<String>,
    /// Where VNIs are allocated from, in this order.
    pub vni_ranges: Vec<RangeInclusive<u32>>,
    /// `[source]`; `None`: networks and ports come through the API.
    pub source: Option<SourceConfig>,
    /// `[listen]`.
    pub listen: ListenConfig,
    /// `[switch:NAME]`, defaults of `[l2gateway]` filled in.
    pub switches: BTreeMap<String, SwitchConfig>,
    /// What was accepted without effect, one line each, for the log.
    pub notices: Vec<String>,
    restart: RestartKeys,
}

impl Config {
    /// Reads a file and lays the environment's `VTEPD_` variables over it.
    ///
    /// # Errors
    /// All that is wrong, at once, with file and line or the variable's name.
    pub fn load<K: Into<OsString>, V: Into<OsString>>(
        path: &Path,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigErrors> {
        let (bytes, mode) = read_file(path, "plumgrid.ini.example")?;
        Self::parse(path, &bytes, mode, environment)
    }

    /// [`Config::load`] of a file that was read already; `mode` is its permission bits.
    pub(crate) fn parse<K: Into<OsString>, V: Into<OsString>>(
        path: &Path,
        bytes: &[u8],
        mode: u32,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigErrors> {
        let text = as_text(path, bytes)?;
        let (layers, mut errors) = layers::Layers::new(path, ini::parse(text), ENVIRONMENT, environment);
        let mut reader = read::Reader::new(&layers);
        let config = reader.config();
        errors.append(&mut reader.errors);
        if reader.secret_in_file && secret_file::is_exposed(mode) {
            let place = ConfigPlace::File(Arc::new(path.to_owned()));
            errors.push(ConfigError { place, problem: ConfigProblem::Exposed(path.to_owned()) });
        }
        if errors.is_empty() { Ok(config) } else { Err(ConfigErrors::new(errors)) }
    }

    /// The keys in which `new` differs from `self` and that take effect after a restart only, as `[section] key`.
    #[must_use]
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let mut found = self.restart.differing(&new.restart);
        // Keys of [l2gateway] that sections read at the start which no reload reaches.
        if self.listen.pssl.is_some() && new.listen.pssl.is_some() && self.listen.tls != new.listen.tls {
            found.push("[l2gateway] private_key, certificate, ca_cert or peer_verify for pssl of [listen]");
        }
        if let (Some(old), Some(new)) = (&self.source, &new.source)
            && (old.guard_percent, old.guard_min_rows) != (new.guard_percent, new.guard_min_rows)
        {
            found.push("[l2gateway] guard_percent or guard_min_rows for [source]");
        }
        found
    }
}

/// A file's content and its permission bits.
fn read_file(path: &Path, example: &'static str) -> Result<(Vec<u8>, u32), ConfigErrors> {
    let unreadable = |error: std::io::Error| {
        let why = error.to_string();
        ConfigErrors::one(path, ConfigProblem::Unreadable { why, example })
    };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(ConfigErrors::one(path, ConfigProblem::TooLarge(LARGEST)));
    }
    Ok((bytes, mode))
}

fn as_text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, ConfigErrors> {
    str::from_utf8(bytes).map_err(|error| not_utf8(path, bytes, error.valid_up_to()))
}

fn not_utf8(path: &Path, bytes: &[u8], at: usize) -> ConfigErrors {
    let line = bytes.iter().take(at).filter(|byte| **byte == b'\n').count();
    let place = ConfigPlace::Line(Arc::new(path.to_owned()), u32::try_from(line + 1).unwrap_or(u32::MAX));
    let byte = bytes.get(at).copied().unwrap_or_default();
    ConfigErrors::new(vec![ConfigError { place, problem: ConfigProblem::NotUtf8(byte) }])
}

/// `debug`, `log_level` and `default_log_levels` of `[DEFAULT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// As tracing's filter reads it: `info,vtepd::fleet=debug`.
    pub directives: String,
}

/// `[api]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiConfig {
    /// Address of the REST API.
    pub listen: SocketAddr,
    /// Address of `/healthz`, `/readyz` and `/metrics`; `None`: on `listen`.
    pub monitoring_listen: Option<SocketAddr>,
    /// Who may call.
    pub auth: Auth,
    /// The admin token's file, generated at the first start.
    pub token_file: PathBuf,
    /// With Keystone: who has one of these roles is an admin.
    pub admin_roles: Vec<String>,
    /// `None`: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The compute nodes' tokens, one `host:token` a line.
    pub host_token_file: Option<PathBuf>,
    /// Ports that a compute node may have made with its own token.
    pub max_ports_per_host: u32,
}

/// `tls_certificate` and `tls_private_key` of `[api]`. Read at the start and with each reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those between it and its root (PEM).
    pub certificate: PathBuf,
    /// Its key (PEM).
    pub private_key: PathBuf,
}

/// `auth` of `[api]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// One secret from a file, as `X-Auth-Token`.
    Token,
    /// Tokens of Keystone.
    Keystone(KeystoneConfig),
    /// Everybody: refused unless the address is loopback.
    None,
}

/// `[admin]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// Path of the socket.
    pub socket: PathBuf,
    /// Group that may use it; `None`: the daemon's own.
    pub group: Option<String>,
    /// How long the journal keeps what happened.
    pub journal_age: Duration,
    /// Bytes that the journal may grow to.
    pub journal_size: u64,
}
