//! `[l2gateway]`, the defaults of every switch, and `[switch:NAME]`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use secrecy::SecretString;

use super::{Credentials, LockPolicy, SwitchConfig, Transport, error::Problem, secret_file, section::Section, value};

/// `transport`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tcp,
    Unix,
    /// Known words that this version can't speak.
    NotBuilt,
}

const KINDS: [(&str, Kind); 5] = [
    ("tcp", Kind::Tcp),
    ("ssl", Kind::NotBuilt),
    ("unix", Kind::Unix),
    ("ssh", Kind::NotBuilt),
    ("passive", Kind::NotBuilt),
];

/// What a switch takes from `[l2gateway]`.
#[derive(Debug, Clone)]
pub(super) struct Defaults {
    kind: Kind,
    port: u16,
    lock: LockPolicy,
    guard_percent: u8,
    guard_min_rows: u32,
    inactivity_probe: Duration,
    username: Option<String>,
    password: Option<SecretString>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            kind: Kind::Tcp,
            port: 6640,
            lock: LockPolicy::Auto,
            guard_percent: 20,
            guard_min_rows: 10,
            inactivity_probe: Duration::from_secs(5),
            username: None,
            password: None,
        }
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
    if kind == Some(Kind::NotBuilt) {
        let what = "transport = ssl, ssh or passive".to_owned();
        section.refuse("transport", Problem::NotBuilt { what });
    }
    let locks = &[("auto", LockPolicy::Auto), ("required", LockPolicy::Required), ("off", LockPolicy::Off)];
    let read = Defaults {
        kind: kind.unwrap_or(defaults.kind),
        port: section.get("port", value::number(1..=u16::MAX)).unwrap_or(defaults.port),
        lock: section.get("lock", value::word(locks)).unwrap_or(defaults.lock),
        guard_percent: section.get("guard_percent", value::number(0..=100)).unwrap_or(defaults.guard_percent),
        guard_min_rows: section.get("guard_min_rows", value::number(0..=u32::MAX)).unwrap_or(defaults.guard_min_rows),
        inactivity_probe: section.get("inactivity_probe", value::duration).unwrap_or(defaults.inactivity_probe),
        username: defaults.username.clone(),
        password: defaults.password.clone(),
    };
    // The vendor is the operator's note: what a switch can do is read from its schema.
    section.get("vendor", value::text);
    section.not_built("mode", value::word(&[("enforce", true), ("observe", false)]), Some(&true));
    section.not_built("peer_verify", value::word(&[("name", true), ("chain", false)]), Some(&true));
    section.not_built("bfd", value::boolean, Some(&false));
    for key in ["private_key", "certificate", "ca_cert", "known_hosts"] {
        section.not_built(key, value::path, None);
    }
    section.list_not_built("service_nodes", value::host);
    section.list_not_built("manager_targets", value::text);
    read
}

/// `[switch:NAME]`; `None` where an error keeps it from being one.
pub(super) fn switch(section: &mut Section<'_>, name: &str, defaults: &Defaults) -> Option<SwitchConfig> {
    let settings = common(section, defaults);
    section.not_built("peer_fingerprint", value::text, None);
    section.not_built("host_key_fingerprint", value::text, None);
    let physical_switch = section.get("physical_switch", value::text).unwrap_or_else(|| name.to_owned());
    let credentials = credentials(section, &settings);
    let transport = transport(section, &settings)?;
    Some(SwitchConfig {
        name: name.to_owned(),
        physical_switch,
        transport,
        credentials,
        lock: settings.lock,
        guard_percent: settings.guard_percent,
        guard_min_rows: settings.guard_min_rows,
        inactivity_probe: settings.inactivity_probe,
    })
}

fn transport(section: &mut Section<'_>, settings: &Defaults) -> Option<Transport> {
    let address = section.get("management_ip", value::host);
    let socket = section.get("ovsdb_socket", value::socket_path);
    match settings.kind {
        Kind::NotBuilt => None,
        Kind::Tcp => {
            if section.has("ovsdb_socket") {
                section
                    .refuse_value("ovsdb_socket", "is not used by transport = tcp: remove it, or use unix".to_owned());
            }
            if !section.has("management_ip") {
                section.missing("management_ip", "the switch's management address, for example 192.0.2.11");
            }
            Some(Transport::Tcp(address?, settings.port))
        }
        Kind::Unix => {
            for key in ["management_ip", "port"] {
                if section.has(key) {
                    section.refuse_value(key, "is not used by transport = unix: remove it, or use tcp".to_owned());
                }
            }
            if !section.has("ovsdb_socket") {
                section.missing("ovsdb_socket", "with transport = unix, the path of the OVSDB server's socket");
            }
            Some(Transport::Unix(socket?))
        }
    }
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
    Some(Credentials { username: username?, password: password? })
}

/// Each Physical_Switch has one section: a gateway's device names it. Switches behind one OVSDB server share one
/// session, so that what belongs to the session must be the same for all of them. Yields section and reason.
pub(super) fn disagreements(switches: &BTreeMap<String, SwitchConfig>) -> Vec<(String, String)> {
    let mut by_name: BTreeMap<&str, &SwitchConfig> = BTreeMap::new();
    let mut by_server: BTreeMap<&Transport, &SwitchConfig> = BTreeMap::new();
    let mut found = Vec::new();
    for switch in switches.values() {
        let twin = *by_name.entry(&switch.physical_switch).or_insert(switch);
        let neighbour = *by_server.entry(&switch.transport).or_insert(switch);
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
