//! `[l2gateway]`, the defaults of every switch, and `[switch:NAME]`.

use std::{collections::BTreeMap, net::Ipv4Addr, path::PathBuf, time::Duration};

use secrecy::SecretString;

use super::{
    BfdConfig, Credentials, LockPolicy, Mode, SwitchConfig, TlsConfig, Transport, Vendor,
    error::Problem,
    secret_file,
    section::Section,
    transport::{self, KINDS, Kind},
    value,
};

/// What a switch takes from `[l2gateway]`.
#[derive(Debug, Clone)]
pub(super) struct Defaults {
    pub(super) kind: Kind,
    /// As it is written, for the transport that is written beside it.
    pub(super) port: Option<u16>,
    pub(super) tls: TlsConfig,
    pub(super) known_hosts: Option<PathBuf>,
    vendor: Vendor,
    service_nodes: Vec<Ipv4Addr>,
    manager_targets: Vec<String>,
    bfd_on: bool,
    bfd: BfdConfig,
    /// `None`: the vendor's.
    lock: Option<LockPolicy>,
    guard_percent: u8,
    guard_min_rows: u32,
    /// `None`: the vendor's.
    inactivity_probe: Option<Duration>,
    mode: Mode,
    username: Option<String>,
    password: Option<SecretString>,
}

impl Defaults {
    /// `guard_percent` and `guard_min_rows`.
    pub(super) fn guard(&self) -> (u8, u32) {
        (self.guard_percent, self.guard_min_rows)
    }
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            kind: Kind::Tcp,
            port: None,
            tls: TlsConfig::default(),
            known_hosts: None,
            vendor: Vendor::default(),
            service_nodes: Vec::new(),
            manager_targets: Vec::new(),
            bfd_on: false,
            bfd: BfdConfig::default(),
            lock: None,
            guard_percent: 20,
            guard_min_rows: 10,
            inactivity_probe: None,
            mode: Mode::Enforce,
            username: None,
            password: None,
        }
    }
}

impl Defaults {
    /// The default port of a transport: an OVSDB port is none of SSH, and the other way round.
    pub(super) fn port_of(&self, kind: Kind) -> Option<u16> {
        self.port.filter(|_| (self.kind == Kind::Ssh) == (kind == Kind::Ssh))
    }
}

/// `[l2gateway]`.
pub(super) fn defaults(section: &mut Section<'_>, builtin: &Defaults) -> Defaults {
    let common = common(section, builtin);
    Defaults {
        username: section.get("sw_username", value::text),
        password: section.get("sw_password", value::secret),
        ..common
    }
}

/// The keys that both sections know.
fn common(section: &mut Section<'_>, defaults: &Defaults) -> Defaults {
    let kind = section.get("transport", value::word(&KINDS));
    let locks = &[("auto", LockPolicy::Auto), ("required", LockPolicy::Required), ("off", LockPolicy::Off)];
    let modes = &[("enforce", Mode::Enforce), ("observe", Mode::Observe)];
    Defaults {
        kind: kind.unwrap_or(defaults.kind),
        port: section.get("port", value::number(1..=u16::MAX)),
        tls: transport::tls(section, &defaults.tls),
        known_hosts: section.get("known_hosts", value::path).or_else(|| defaults.known_hosts.clone()),
        vendor: section.get("vendor", value::text).map_or(defaults.vendor, |word| {
            // Any other word is the operator's note.
            Vendor::named(&word).unwrap_or_default()
        }),
        service_nodes: section.list("service_nodes", value::ipv4).unwrap_or_else(|| defaults.service_nodes.clone()),
        manager_targets: section
            .list("manager_targets", value::manager_target)
            .unwrap_or_else(|| defaults.manager_targets.clone()),
        bfd_on: section.get("bfd", value::boolean).unwrap_or(defaults.bfd_on),
        bfd: BfdConfig {
            min_rx: section.get("bfd_min_rx", value::interval).or(defaults.bfd.min_rx),
            min_tx: section.get("bfd_min_tx", value::interval).or(defaults.bfd.min_tx),
            dst_mac: section.get("bfd_dst_mac", value::mac).or_else(|| defaults.bfd.dst_mac.clone()),
            dst_ip: section.get("bfd_dst_ip", value::ipv4).or(defaults.bfd.dst_ip),
        },
        lock: section.get("lock", value::word(locks)).or(defaults.lock),
        guard_percent: section.get("guard_percent", value::number(0..=100)).unwrap_or(defaults.guard_percent),
        guard_min_rows: section.get("guard_min_rows", value::number(0..=u32::MAX)).unwrap_or(defaults.guard_min_rows),
        inactivity_probe: section.get("inactivity_probe", value::duration).or(defaults.inactivity_probe),
        mode: section.get("mode", value::word(modes)).unwrap_or(defaults.mode),
        username: defaults.username.clone(),
        password: defaults.password.clone(),
    }
}

/// `[switch:NAME]`; `None` where an error keeps it from being one.
pub(super) fn switch(section: &mut Section<'_>, name: &str, defaults: &Defaults) -> Option<SwitchConfig> {
    let mut settings = common(section, defaults);
    let physical_switch = section.get("physical_switch", value::text).unwrap_or_else(|| name.to_owned());
    let credentials = credentials(section, &settings);
    let profile = settings.vendor.profile();
    let inactivity_probe = settings.inactivity_probe.unwrap_or(profile.probe);
    if profile.silent && inactivity_probe.is_zero() {
        let why = format!(
            "is 0 with vendor = {}, whose switches may never probe by themselves: nobody would find a dead session",
            settings.vendor.word()
        );
        section.refuse_value("inactivity_probe", why);
    }
    let (transport, ssh) = transport::transport(section, defaults, &mut settings, credentials.as_ref())?;
    Some(SwitchConfig {
        name: name.to_owned(),
        physical_switch,
        transport,
        credentials,
        tls: settings.tls,
        ssh,
        vendor: settings.vendor,
        service_nodes: settings.service_nodes,
        manager_targets: settings.manager_targets,
        bfd: settings.bfd_on.then_some(settings.bfd),
        lock: settings.lock.unwrap_or(profile.lock),
        guard_percent: settings.guard_percent,
        guard_min_rows: settings.guard_min_rows,
        inactivity_probe,
        mode: settings.mode,
    })
}

fn credentials(section: &mut Section<'_>, defaults: &Defaults) -> Option<Credentials> {
    let username = section.get("username", value::text).or_else(|| defaults.username.clone());
    let inline = section.get("password", value::secret);
    let file: Option<PathBuf> = section.get("password_file", value::path);
    if section.has("password") && section.has("password_file") {
        let why = "password and password_file exclude each other: remove one of them".to_owned();
        section.refuse("password_file", Problem::Conflict(why));
    }
    let from_file = file.and_then(|path| {
        secret_file::read(&path)
            .map_err(|why| section.refuse_value("password_file", format!("{}: {why}", path.display())))
            .ok()
    });
    let password = inline.or(from_file).or_else(|| defaults.password.clone());
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
