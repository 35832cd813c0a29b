//! Configuration: `plumgrid.ini` (INI as oslo.config writes it) and `VTEPD_SECTION__KEY` from the environment.

use std::{collections::BTreeMap, net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use secrecy::SecretString;

/// Everything that the daemon was told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The SQLite file of the desired state.
    pub database: PathBuf,
    /// `[api]`.
    pub api: ApiConfig,
    /// `[admin]`.
    pub admin: AdminConfig,
    /// Names us on the switches: the prefix of our Logical_Switches, and the OVSDB lock.
    pub deployment: String,
    /// Prefixes that we still own; an empty one adopts the bare UUIDs of networking-l2gw.
    pub previous_prefixes: Vec<String>,
    /// Where VNIs are allocated from, in this order.
    pub vni_ranges: Vec<RangeInclusive<u32>>,
    /// `[switch:NAME]`, defaults of `[l2gateway]` filled in.
    pub switches: BTreeMap<String, SwitchConfig>,
}

/// `[api]`.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Address of the REST API.
    pub listen: SocketAddr,
    /// Address of `/healthz`, `/readyz` and `/metrics`; `None`: on `listen`.
    pub monitoring_listen: Option<SocketAddr>,
    /// Who may call.
    pub auth: Auth,
    /// The admin token's file, generated at the first start.
    pub token_file: PathBuf,
}

/// `auth` of `[api]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// One secret from a file, as `X-Auth-Token`.
    Token,
    /// Everybody: refused unless the address is loopback.
    None,
}

/// `[admin]`.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// Path of the socket.
    pub socket: PathBuf,
    /// Group that may use it; `None`: the daemon's own.
    pub group: Option<String>,
}

/// `[switch:NAME]`.
#[derive(Debug, Clone)]
pub struct SwitchConfig {
    /// The section's name.
    pub name: String,
    /// `Physical_Switch.name`.
    pub physical_switch: String,
    /// Where its OVSDB server is.
    pub transport: Transport,
    /// For transports that log in.
    pub credentials: Option<Credentials>,
    /// `lock`.
    pub lock: LockPolicy,
    /// `guard_percent`.
    pub guard_percent: u8,
    /// `guard_min_rows`.
    pub guard_min_rows: u32,
    /// How long the switch may be silent before it is probed; zero: never.
    pub inactivity_probe: Duration,
}

/// Where a switch's OVSDB server is. Switches with equal transports share a database, and so a worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// `tcp`: host (name or address, IPv6 without brackets) and port.
    Tcp(String, u16),
    /// `unix`: path of the socket.
    Unix(PathBuf),
}

/// Username and password of a switch.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// `username`.
    pub username: String,
    /// `password`.
    pub password: SecretString,
}

/// Whether the OVSDB lock is taken (architecture rule 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockPolicy {
    /// Taken where the server knows locks.
    Auto,
    /// Without it nothing is written.
    Required,
    /// Not taken.
    Off,
}
