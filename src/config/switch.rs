//! `[switch:NAME]` over `[l2gateway]`: the keys of one switch, and what excludes what.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use secrecy::{ExposeSecret, SecretString};

use super::{
    SshConfig, TlsConfig, Transport, Vendor,
    error::ConfigProblem,
    keys::{AccountKeys, CommonKeys, SwitchKeys},
    secret_file,
    section::Section,
    transport::{self, Kind},
};

/// `[switch:NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchConfig {
    /// The section's name.
    pub name: String,
    /// `Physical_Switch.name`.
    pub physical_switch: String,
    /// Where its OVSDB server is.
    pub transport: Transport,
    /// For transports that log in.
    pub credentials: Option<Credentials>,
    /// For `ssl`.
    pub tls: TlsConfig,
    /// For `ssh`.
    pub ssh: SshConfig,
    /// `vendor`.
    pub vendor: Vendor,
    /// `service_nodes`: who copies broadcasts for the switch.
    pub service_nodes: Vec<Ipv4Addr>,
    /// `manager_targets`: rows of its table Manager.
    pub manager_targets: Vec<String>,
    /// `bfd`.
    pub bfd: Option<BfdConfig>,
    /// `lock`.
    pub lock: LockPolicy,
    /// `guard_percent`.
    pub guard_percent: u8,
    /// `guard_min_rows`.
    pub guard_min_rows: u32,
    /// How long the switch may be silent before it is probed; zero: never.
    pub inactivity_probe: Duration,
    /// Whether plans are carried out.
    pub mode: Mode,
}

/// What is done with plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They are carried out.
    Enforce,
    /// They are shown; only an operator has them carried out.
    Observe,
}

/// `bfd = on`: what is set in the switch's Tunnel rows; `None`: the switch's own default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BfdConfig {
    /// `bfd_min_rx`.
    pub min_rx: Option<Duration>,
    /// `bfd_min_tx`.
    pub min_tx: Option<Duration>,
    /// `bfd_dst_mac`: destination of the packets that the switch sends.
    pub dst_mac: Option<String>,
    /// `bfd_dst_ip`: likewise.
    pub dst_ip: Option<Ipv4Addr>,
}

impl SwitchConfig {
    /// A switch with defaults for all but the name and the transport.
    #[must_use]
    pub fn new(name: &str, transport: Transport) -> Self {
        Self {
            name: name.to_owned(),
            physical_switch: name.to_owned(),
            transport,
            credentials: None,
            tls: TlsConfig::default(),
            ssh: SshConfig::default(),
            vendor: Vendor::default(),
            service_nodes: Vec::new(),
            manager_targets: Vec::new(),
            bfd: None,
            lock: LockPolicy::Auto,
            guard_percent: 20,
            guard_min_rows: 10,
            inactivity_probe: Duration::from_secs(5),
            mode: Mode::Enforce,
        }
    }

    /// Whether both log in in the same way.
    fn logs_in_as(&self, other: &Self) -> bool {
        !matches!(self.transport, Transport::Ssh(..))
            || (self.ssh == other.ssh && self.credentials == other.credentials)
    }
}

/// Username and password of a switch.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// `username`.
    pub username: String,
    /// `password`, `password_file`; a user may have a private key instead.
    pub password: Option<SecretString>,
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        let secret = |credentials: &Self| credentials.password.as_ref().map(|word| word.expose_secret().to_owned());
        self.username == other.username && secret(self) == secret(other)
    }
}

impl Eq for Credentials {}

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

/// `[l2gateway]`: what a switch takes from it.
#[derive(Debug, Clone)]
pub(super) struct Defaults {
    pub(super) common: CommonKeys,
    account: AccountKeys,
}

// ===== impl Defaults =====

impl Defaults {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let mut common = CommonKeys::read(section);
        take_pair(section, &mut common);
        Self { common, account: AccountKeys::read(section) }
    }

    /// `guard_percent` and `guard_min_rows`.
    pub(super) fn guard(&self) -> (u8, u32) {
        (self.common.guard_percent, self.common.guard_min_rows)
    }

    /// The default port of a transport: an OVSDB port is none of SSH, and the other way round.
    fn port_of(&self, kind: Kind) -> Option<u16> {
        self.common.port.filter(|_| (self.common.transport == Kind::Ssh) == (kind == Kind::Ssh))
    }
}

/// A key without its certificate is half a pair: both come from the same section.
fn take_pair(section: &Section<'_>, keys: &mut CommonKeys) {
    if section.has("private_key") || section.has("certificate") {
        keys.private_key = keys.private_key.take().filter(|_| section.has("private_key"));
        keys.certificate = keys.certificate.take().filter(|_| section.has("certificate"));
    }
}

/// `[switch:NAME]`; `None` where an error keeps it from being one.
pub(super) fn switch(section: &mut Section<'_>, name: &str, defaults: &Defaults) -> Option<SwitchConfig> {
    let mut common = CommonKeys::read_over(section, &defaults.common);
    take_pair(section, &mut common);
    if !section.has("port") {
        common.port = defaults.port_of(common.transport);
    }
    let own = SwitchKeys::read(section);
    let credentials = credentials(section, &own, &defaults.account);
    let profile = common.vendor.profile();
    let inactivity_probe = common.inactivity_probe.unwrap_or(profile.probe);
    if profile.silent && inactivity_probe.is_zero() {
        let why = format!(
            "is 0 with vendor = {}, whose switches may never probe by themselves: nobody would find a dead session",
            common.vendor.word()
        );
        section.refuse_value("inactivity_probe", why);
    }
    let (transport, ssh) = transport::transport(section, &own, &common, defaults, credentials.as_ref())?;
    let bfd = BfdConfig {
        min_rx: common.bfd_min_rx,
        min_tx: common.bfd_min_tx,
        dst_mac: common.bfd_dst_mac.clone(),
        dst_ip: common.bfd_dst_ip,
    };
    Some(SwitchConfig {
        name: name.to_owned(),
        tls: transport::tls(&common, own.peer_fingerprint),
        physical_switch: own.physical_switch.unwrap_or_else(|| name.to_owned()),
        transport,
        credentials,
        ssh,
        vendor: common.vendor,
        service_nodes: common.service_nodes,
        manager_targets: common.manager_targets,
        bfd: common.bfd.then_some(bfd),
        lock: common.lock.unwrap_or(profile.lock),
        guard_percent: common.guard_percent,
        guard_min_rows: common.guard_min_rows,
        inactivity_probe,
        mode: common.mode,
    })
}

fn credentials(section: &mut Section<'_>, own: &SwitchKeys, account: &AccountKeys) -> Option<Credentials> {
    let username = own.username.clone().or_else(|| account.sw_username.clone());
    if section.has("password") && section.has("password_file") {
        let why = "password and password_file exclude each other: remove one of them".to_owned();
        section.refuse("password_file", ConfigProblem::Conflict(why));
    }
    let from_file = own.password_file.as_ref().and_then(|path| {
        secret_file::read(path)
            .map_err(|why| section.refuse_value("password_file", format!("{}: {why}", path.display())))
            .ok()
    });
    let inline: Option<SecretString> = own.password.as_ref().map(|secret| secret.0.clone());
    let password = inline.or(from_file).or_else(|| account.sw_password.as_ref().map(|secret| secret.0.clone()));
    if username.is_none() && (section.has("password") || section.has("password_file")) {
        section.missing("username", "there is a password for it");
    }
    Some(Credentials { username: username?, password })
}

/// Each Physical_Switch has one section: a gateway's device names it. Switches behind one OVSDB server share one
/// session, so that what belongs to the session must be the same for all of them. Yields section and reason.
pub(super) fn disagreements(switches: &BTreeMap<String, SwitchConfig>) -> Vec<(String, String)> {
    let mut by_name: BTreeMap<&str, &SwitchConfig> = BTreeMap::new();
    let mut by_server: BTreeMap<&Transport, &SwitchConfig> = BTreeMap::new();
    let mut found = Vec::new();
    for switch in switches.values() {
        let twin = *by_name.entry(&switch.physical_switch).or_insert(switch);
        // Switches that dial in meet on a connection, if at all.
        let neighbour = match switch.transport {
            Transport::Passive => switch,
            _ => *by_server.entry(&switch.transport).or_insert(switch),
        };
        if twin.name != switch.name {
            let why = format!(
                "[switch:{}] and [switch:{}] are both the Physical_Switch '{}', and a gateway's device could mean \
                 either: remove one, or set physical_switch",
                twin.name, switch.name, switch.physical_switch
            );
            found.push((switch.name.clone(), why));
        }
        let differing = [
            ("lock", neighbour.lock == switch.lock),
            ("guard_percent", neighbour.guard_percent == switch.guard_percent),
            ("guard_min_rows", neighbour.guard_min_rows == switch.guard_min_rows),
            ("inactivity_probe", neighbour.inactivity_probe == switch.inactivity_probe),
            ("vendor", neighbour.vendor == switch.vendor),
            ("service_nodes", neighbour.service_nodes == switch.service_nodes),
            ("manager_targets", neighbour.manager_targets == switch.manager_targets),
            ("bfd", neighbour.bfd == switch.bfd),
            ("private_key, certificate, ca_cert, peer_…", neighbour.tls == switch.tls),
            ("username, password, known_hosts, host_key_fingerprint", neighbour.logs_in_as(switch)),
            ("mode", neighbour.mode == switch.mode),
        ];
        if let Some((key, _)) = differing.iter().find(|(_, same)| !same) {
            let why = format!(
                "[switch:{}] and [switch:{}] share one OVSDB server, and so one session: '{key}' must be the same",
                neighbour.name, switch.name
            );
            found.push((switch.name.clone(), why));
        }
    }
    found
}
