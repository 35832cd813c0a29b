//! Every section of plumgrid.ini into its struct: the keys, their defaults, and what excludes what.

use std::{collections::BTreeMap, net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use super::{
    ActiveActive, AdminConfig, ApiConfig, Auth, Config, GatewayConfig, KeystoneConfig, ListenConfig, LogConfig,
    RelayConfig, SourceConfig, SwitchConfig, TlsFiles,
    error::{ConfigError, Place, Problem},
    ini::SectionName,
    layers::Layers,
    openstack,
    section::{Section, nearest},
    switch::{self, Defaults},
    transport, value,
};

/// The sections that stand for themselves.
const SINGLE: [&str; 10] = [
    "default",
    "database",
    "api",
    "cluster",
    "source",
    "relay",
    "admin",
    "keystone_authtoken",
    "plumgriddirector",
    "l2gateway",
];
const LISTEN: &str = "listen";
/// The sections with a name: `[switch:tor-switch-1]`.
const NAMED: [&str; 2] = ["switch", "gateway"];

/// `auth` of `[api]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Token,
    Keystone,
    None,
}

/// `journal_age` and, in MiB, `journal_size`.
const JOURNAL_AGE: Duration = Duration::from_hours(90 * 24);
const JOURNAL_SIZE: u64 = 64;

/// What is gathered while the sections are read.
pub(super) struct Reader<'a> {
    layers: &'a Layers,
    pub(super) errors: Vec<ConfigError>,
    /// Whether the file itself holds a password, or says where one is.
    pub(super) secret_in_file: bool,
    notices: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(layers: &'a Layers) -> Self {
        Self { layers, errors: Vec::new(), secret_in_file: false, notices: Vec::new() }
    }

    /// Reads all sections. What is wrong stands in `errors`; the result then holds defaults in its place.
    pub(super) fn config(&mut self) -> Config {
        self.names();
        let (log, deployment, previous_prefixes, vni_ranges) = self.default();
        let (switches, listen, guard) = self.switches();
        let config = Config {
            database: self.database(),
            api: self.api(),
            admin: self.admin(),
            relay: self.relay(),
            log,
            deployment,
            previous_prefixes,
            vni_ranges,
            source: self.source(guard),
            listen,
            switches,
            notices: Vec::new(),
        };
        self.not_built_sections();
        self.plumgriddirector();
        Config { notices: std::mem::take(&mut self.notices), ..config }
    }

    fn open(&mut self, word: &str) -> Section<'_> {
        Section::open(self.layers, SectionName { word: word.to_owned(), name: None }, &mut self.errors)
    }

    fn named(&self, word: &str) -> Vec<SectionName> {
        self.layers
            .sections()
            .iter()
            .filter(|section| section.word == word && section.name.is_some())
            .cloned()
            .collect()
    }

    fn note_secret(&mut self, place: Option<&Place>) {
        self.secret_in_file |= matches!(place, Some(Place::Line(..)));
    }

    /// Sections that nothing reads.
    fn names(&mut self) {
        for section in self.layers.sections() {
            let single = SINGLE.iter().chain([&LISTEN]).find(|word| **word == section.word).copied();
            let named = NAMED.into_iter().find(|word| *word == section.word);
            let problem = match (single, named, &section.name) {
                (Some(_), _, None) | (_, Some(_), Some(_)) => continue,
                (Some(word), ..) => Problem::SectionWithName { word },
                (_, Some(word), _) => Problem::SectionWithoutName { word },
                (None, None, _) => {
                    let known = SINGLE.into_iter().chain([LISTEN]).chain(NAMED);
                    let hint = nearest(&section.word, known)
                        .map(|word| SectionName { word: word.to_owned(), name: section.name.clone() }.to_string());
                    Problem::UnknownSection { title: section.to_string(), hint }
                }
            };
            self.errors.push(ConfigError { place: self.layers.place(section), problem });
        }
    }

    fn database(&mut self) -> PathBuf {
        let mut section = self.open("database");
        let read = section.get("connection", |text| Ok((value::database(text)?, value::has_password(text))));
        let place = section.place_of("connection").cloned();
        if let Some((None, _)) = read {
            let what = "[database] connection to a server (postgresql://, mysql://)".to_owned();
            section.refuse("connection", Problem::NotBuilt { what });
        }
        section.close();
        let (path, has_password) = read.unwrap_or_default();
        if has_password {
            self.note_secret(place.as_ref());
        }
        path.unwrap_or_else(|| PathBuf::from("/var/lib/vtepd/vtepd.db"))
    }

    fn api(&mut self) -> ApiConfig {
        let mut section = self.open("api");
        let listen =
            section.get("listen", value::socket_address).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9797)));
        let monitoring_listen = section.get("monitoring_listen", value::socket_address);
        let words = &[("token", Word::Token), ("none", Word::None), ("keystone", Word::Keystone)];
        let auth = section.get("auth", value::word(words)).unwrap_or(Word::Token);
        let token_file =
            section.get("token_file", value::path).unwrap_or_else(|| PathBuf::from("/var/lib/vtepd/token"));
        let tls = tls(&mut section);
        let host_token_file = section.get("host_token_file", value::path);
        let admin_roles = section.list("admin_roles", value::text).unwrap_or_else(|| vec!["admin".to_owned()]);
        if admin_roles.is_empty() {
            section
                .refuse_value("admin_roles", "the list is empty: nobody could call; name at least one role".to_owned());
        }
        if auth == Word::None && !listen.ip().is_loopback() {
            let why =
                format!("none lets everybody in, and {listen} is not loopback: listen on 127.0.0.1, or use token");
            section.refuse_value("auth", why);
        }
        if monitoring_listen == Some(listen) && listen.port() != 0 {
            section
                .refuse_value("monitoring_listen", "is the same as listen: remove it, or use another port".to_owned());
        }
        section.close();
        let keystone = self.keystone(auth == Word::Keystone);
        let auth = match (auth, keystone) {
            (Word::Keystone, Some(keystone)) => Auth::Keystone(keystone),
            (Word::None, _) => Auth::None,
            // Without all that Keystone needs there are errors, and nothing is served.
            (Word::Token | Word::Keystone, _) => Auth::Token,
        };
        ApiConfig { listen, monitoring_listen, auth, token_file, admin_roles, tls, host_token_file }
    }

    fn keystone(&mut self, needed: bool) -> Option<KeystoneConfig> {
        let mut section = self.open("keystone_authtoken");
        let keystone = openstack::keystone(&mut section, needed);
        let password = section.place_of("password").cloned();
        section.close();
        self.note_secret(password.as_ref());
        if keystone.is_some() && !needed {
            self.notices.push("[keystone_authtoken] has no effect without auth = keystone in [api]".to_owned());
        }
        keystone
    }

    fn admin(&mut self) -> AdminConfig {
        let mut section = self.open("admin");
        let socket =
            section.get("socket", value::own_socket_path).unwrap_or_else(|| PathBuf::from("/run/vtepd/admin.sock"));
        let group = section.get("group", value::text);
        let journal_age = section.get("journal_age", value::duration).unwrap_or(JOURNAL_AGE);
        let mebibytes = section.get("journal_size", value::number(1..=1_000_000)).unwrap_or(JOURNAL_SIZE);
        section.close();
        AdminConfig { socket, group, journal_age, journal_size: mebibytes << 20 }
    }

    fn relay(&mut self) -> RelayConfig {
        let defaults = RelayConfig::default();
        let mut section = self.open("relay");
        let learned_hold = section.get("learned_hold", value::duration).unwrap_or(defaults.learned_hold);
        let idle_flood_hold = section.get("idle_flood_hold", value::duration).unwrap_or(defaults.idle_flood_hold);
        let max_learned_macs =
            section.get("max_learned_macs", value::number(1..=1 << 20)).unwrap_or(defaults.max_learned_macs);
        let common = gateway(&mut section, defaults.common);
        section.close();
        let mut gateways = BTreeMap::new();
        for name in self.named("gateway") {
            let Some(title) = name.name.clone() else { continue };
            let mut section = Section::open(self.layers, name, &mut self.errors);
            let own = gateway(&mut section, common);
            section.close();
            if own != common {
                gateways.insert(title, own);
            }
        }
        RelayConfig { learned_hold, idle_flood_hold, max_learned_macs, common, gateways }
    }

    fn default(&mut self) -> (LogConfig, String, Vec<String>, Vec<RangeInclusive<u32>>) {
        let mut section = self.open("default");
        let deployment = section.get("deployment", value::deployment).unwrap_or_else(|| "vtepd".to_owned());
        let previous_prefixes = section.list("previous_prefixes", value::prefix).unwrap_or_default();
        if previous_prefixes.contains(&deployment) {
            let why = format!("'{deployment}' is the deployment itself: remove it here");
            section.refuse_value("previous_prefixes", why);
        }
        let vni_ranges = section.list("vni_ranges", value::vni_range).unwrap_or_else(|| vec![1000..=65535]);
        if vni_ranges.is_empty() {
            section.refuse_value("vni_ranges", "the list is empty: networks without a VNI could get none".to_owned());
        }
        let log = log(&mut section);
        section.close();
        (log, deployment, previous_prefixes, vni_ranges)
    }

    fn source(&mut self, guard: (u8, u32)) -> Option<SourceConfig> {
        let mut section = self.open("source");
        let source = openstack::source(&mut section, guard);
        let place = section.place_of("connection").cloned();
        section.close();
        let (source, has_password) = source?;
        if has_password {
            self.note_secret(place.as_ref());
        }
        Some(source)
    }

    /// The switches, where they dial in, and the guard's limits of `[l2gateway]`.
    fn switches(&mut self) -> (BTreeMap<String, SwitchConfig>, ListenConfig, (u8, u32)) {
        let mut section = self.open("l2gateway");
        let defaults = switch::defaults(&mut section, &Defaults::default());
        let mut secrets = vec![section.place_of("sw_password").cloned()];
        section.close();

        let mut switches = BTreeMap::new();
        let mut places = BTreeMap::new();
        for name in self.named("switch") {
            let Some(title) = name.name.clone() else { continue };
            let mut section = Section::open(self.layers, name, &mut self.errors);
            let switch = switch::switch(&mut section, &title, &defaults);
            secrets.extend([section.place_of("password").cloned(), section.place_of("password_file").cloned()]);
            places.insert(title.clone(), section.place().clone());
            section.close();
            switches.extend(switch.map(|switch| (title, switch)));
        }
        for (name, why) in switch::disagreements(&switches) {
            if let Some(place) = places.get(&name).cloned() {
                self.errors.push(ConfigError { place, problem: Problem::Conflict(why) });
            }
        }
        for place in secrets {
            self.note_secret(place.as_ref());
        }
        for switch in switches.values() {
            if !switch.vendor.profile().manager_rows && !switch.manager_targets.is_empty() {
                let vendor = switch.vendor.word();
                self.notices.push(format!(
                    "[switch:{}] has manager_targets, which switches of vendor = {vendor} are known to pass over",
                    switch.name
                ));
            }
            let known = switch.vendor.profile().transports;
            let word = switch.transport.word();
            if !known.is_empty() && !known.contains(&word) {
                self.notices.push(format!(
                    "[switch:{}] has vendor = {} and transport = {word}: these switches are known to speak {} only",
                    switch.name,
                    switch.vendor.word(),
                    known.join(", ")
                ));
            }
        }
        let idle = |switch: &&SwitchConfig| {
            switch.credentials.is_some() && !matches!(switch.transport, super::Transport::Ssh(..))
        };
        let unused = switches.values().filter(idle).count();
        if unused > 0 {
            self.notices
                .push(format!("{unused} switches have a username that is not used: only transport = ssh logs in"));
        }
        let mut section = self.open(LISTEN);
        let listen = transport::listen(&mut section, &defaults.tls, &switches);
        section.close();
        let is_believed = |switch: &&SwitchConfig| {
            switch.transport == super::Transport::Passive
                && !matches!(switch.tls.peer, super::PeerVerify::Fingerprint(_))
        };
        if listen.ptcp.is_some() && listen.pssl.is_some() {
            let believed: Vec<_> = switches.values().filter(is_believed).map(|switch| switch.name.as_str()).collect();
            if !believed.is_empty() {
                self.notices.push(format!(
                    "[listen] has ptcp beside pssl: whoever reaches it may say that it is {}; peer_fingerprint in their sections, or no ptcp, prevents that",
                    believed.join(", ")
                ));
            }
        }
        (switches, listen, defaults.guard())
    }

    /// Sections of which this version builds nothing: their values are checked, and refused where they differ from
    /// the default.
    fn not_built_sections(&mut self) {
        let mut section = self.open("cluster");
        section.not_built("name", value::text, None);
        section.not_built("heartbeat", value::duration, Some(&Duration::from_secs(1)));
        section.not_built("lease_ttl", value::duration, Some(&Duration::from_secs(3)));
        section.close();
    }

    /// The original file's section: its keys belong to a director that does not exist here.
    fn plumgriddirector(&mut self) {
        let name = SectionName { word: "plumgriddirector".to_owned(), name: None };
        if !self.layers.sections().contains(&name) {
            return;
        }
        let settings = self.layers.settings(&name);
        for (_, setting) in settings.iter().filter(|(key, _)| key.contains("password")) {
            self.note_secret(Some(&setting.place));
        }
        self.notices.push(format!("[plumgriddirector] is accepted and ignored ({} keys)", settings.len()));
    }
}

/// Both files, or none.
fn tls(section: &mut Section<'_>) -> Option<TlsFiles> {
    let certificate = section.get("tls_certificate", value::path);
    let private_key = section.get("tls_private_key", value::path);
    for (key, other, why) in [
        ("tls_certificate", "tls_private_key", "the key of tls_certificate, a PEM file, is in another file"),
        ("tls_private_key", "tls_certificate", "the certificate of tls_private_key, a PEM file, is in another file"),
    ] {
        if section.has(key) && !section.has(other) {
            section.missing(other, why);
        }
    }
    Some(TlsFiles { certificate: certificate?, private_key: private_key? })
}

/// The log settings of `[DEFAULT]`.
pub(super) fn log(section: &mut Section<'_>) -> LogConfig {
    let debug = section.get("debug", value::boolean).unwrap_or(false);
    let level = section.get("log_level", value::log_level);
    let targets = section.list("default_log_levels", value::log_target).unwrap_or_default();
    let level = level.unwrap_or(if debug { "debug" } else { "info" });
    // More than info is wanted of us; of the libraries it would be a flood.
    let base = if matches!(level, "debug" | "trace") { format!("info,vtepd={level}") } else { level.to_owned() };
    LogConfig { directives: std::iter::once(base).chain(targets).collect::<Vec<_>>().join(",") }
}

/// The keys that `[relay]` sets for all gateways and `[gateway:NAME]` for one.
fn gateway(section: &mut Section<'_>, defaults: GatewayConfig) -> GatewayConfig {
    let words = &[
        ("lag", ActiveActive::Lag),
        ("single-active", ActiveActive::SingleActive),
        ("independent", ActiveActive::Independent),
    ];
    GatewayConfig {
        active_active: section.get("active_active", value::word(words)).unwrap_or(defaults.active_active),
        failover_unreachable: section
            .get("failover_unreachable", value::boolean)
            .unwrap_or(defaults.failover_unreachable),
        handover_hold: section.get("handover_hold", value::duration).unwrap_or(defaults.handover_hold),
    }
}
