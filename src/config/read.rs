//! Every section of plumgrid.ini into its struct, and what excludes what between keys.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    AdminConfig, ApiConfig, Auth, Config, GatewayConfig, KeystoneConfig, ListenConfig, LogConfig, RelayConfig,
    SourceConfig, SwitchConfig, TlsFiles,
    error::{ConfigError, ConfigPlace, ConfigProblem},
    ini::SectionName,
    keys::{
        AdminKeys, ApiKeys, AuthWord, ClusterKeys, DatabaseKeys, DefaultKeys, GatewayKeys, KeystoneKeys, ListenKeys,
        LogKeys, RelayKeys, SourceKeys,
    },
    layers::Layers,
    openstack,
    reference::SECTIONS,
    section::{Section, nearest},
    switch::{self, Defaults},
    transport,
};

/// The keys that need a restart, as they were read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RestartKeys {
    default: DefaultKeys,
    database: DatabaseKeys,
    api: ApiKeys,
    keystone: KeystoneKeys,
    admin: AdminKeys,
    relay: RelayKeys,
    gateway: GatewayKeys,
    /// `[gateway:NAME]`, those that differ from `[relay]`.
    gateways: BTreeMap<String, GatewayKeys>,
    listen: ListenKeys,
    source: SourceKeys,
}

// ===== impl RestartKeys =====

impl RestartKeys {
    /// The keys that differ, as `[section] key`.
    pub(super) fn differing(&self, new: &Self) -> Vec<&'static str> {
        let mut found = self.default.restarts(&new.default);
        found.extend(self.database.restarts(&new.database));
        found.extend(self.api.restarts(&new.api));
        // A reload reads the files again, but can't turn TLS on or off.
        if self.api.tls_certificate.is_some() != new.api.tls_certificate.is_some() {
            found.push("[api] tls_certificate");
        }
        // Without Keystone its section has no effect.
        if self.api.auth == AuthWord::Keystone && new.api.auth == AuthWord::Keystone {
            found.extend(self.keystone.restarts(&new.keystone));
        }
        found.extend(self.admin.restarts(&new.admin));
        found.extend(self.relay.restarts(&new.relay));
        found.extend(self.gateway.restarts(&new.gateway));
        if self.gateways != new.gateways {
            found.push("[gateway:...]");
        }
        found.extend(self.listen.restarts(&new.listen));
        found.extend(self.source.restarts(&new.source));
        found
    }
}

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
        let (default, log) = self.default();
        let (switches, listen_keys, listen, guard) = self.switches();
        let (database_keys, database) = self.database();
        let (api_keys, keystone, api) = self.api();
        let (admin_keys, admin) = self.admin();
        let (relay_keys, gateway, gateways, relay) = self.relay();
        let (source_keys, source) = self.source(guard);
        self.cluster();
        self.plumgriddirector();
        Config {
            database,
            api,
            admin,
            relay,
            log,
            deployment: default.deployment.clone(),
            previous_prefixes: default.previous_prefixes.clone(),
            vni_ranges: default.vni_ranges.clone(),
            source,
            listen,
            switches,
            notices: std::mem::take(&mut self.notices),
            restart: RestartKeys {
                default,
                database: database_keys,
                api: api_keys,
                keystone,
                admin: admin_keys,
                relay: relay_keys,
                gateway,
                gateways,
                listen: listen_keys,
                source: source_keys,
            },
        }
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

    fn note_secret(&mut self, place: Option<&ConfigPlace>) {
        self.secret_in_file |= matches!(place, Some(ConfigPlace::Line(..)));
    }

    /// Sections that nothing reads.
    fn names(&mut self) {
        for section in self.layers.sections() {
            let known = SECTIONS.iter().find(|known| known.word == section.word);
            let problem = match (known, &section.name) {
                (Some(known), name) if known.named == name.is_some() => continue,
                (Some(known), Some(_)) => ConfigProblem::SectionWithName { word: known.word },
                (Some(known), None) => ConfigProblem::SectionWithoutName { word: known.word },
                (None, _) => {
                    let hint = nearest(&section.word, SECTIONS.iter().map(|known| known.word))
                        .map(|word| SectionName { word: word.to_owned(), name: section.name.clone() }.to_string());
                    ConfigProblem::UnknownSection { title: section.to_string(), hint }
                }
            };
            self.errors.push(ConfigError { place: self.layers.place(section), problem });
        }
    }

    fn database(&mut self) -> (DatabaseKeys, PathBuf) {
        let mut section = self.open("database");
        let keys = DatabaseKeys::read(&mut section);
        let (path, has_password) = keys.connection.clone();
        if path.is_none() {
            let what = "[database] connection to a server (postgresql://, mysql://)".to_owned();
            section.refuse("connection", ConfigProblem::NotBuilt { what });
        }
        let place = section.place_of("connection").cloned();
        section.close();
        if has_password {
            self.note_secret(place.as_ref());
        }
        (keys, path.unwrap_or_default())
    }

    fn api(&mut self) -> (ApiKeys, KeystoneKeys, ApiConfig) {
        let mut section = self.open("api");
        let keys = ApiKeys::read(&mut section);
        let tls = tls(&mut section, &keys);
        if keys.admin_roles.is_empty() {
            section
                .refuse_value("admin_roles", "the list is empty: nobody could call; name at least one role".to_owned());
        }
        if keys.auth == AuthWord::None && !keys.listen.ip().is_loopback() {
            let why = format!(
                "none lets everybody in, and {} is not loopback: listen on 127.0.0.1, or use token",
                keys.listen
            );
            section.refuse_value("auth", why);
        }
        if keys.monitoring_listen == Some(keys.listen) && keys.listen.port() != 0 {
            section
                .refuse_value("monitoring_listen", "is the same as listen: remove it, or use another port".to_owned());
        }
        section.close();
        let (keystone_keys, keystone) = self.keystone(keys.auth == AuthWord::Keystone);
        let auth = match (keys.auth, keystone) {
            (AuthWord::Keystone, Some(keystone)) => Auth::Keystone(keystone),
            (AuthWord::None, _) => Auth::None,
            // Without all that Keystone needs there are errors, and nothing is served.
            (AuthWord::Token | AuthWord::Keystone, _) => Auth::Token,
        };
        let config = ApiConfig {
            listen: keys.listen,
            monitoring_listen: keys.monitoring_listen,
            auth,
            token_file: keys.token_file.clone(),
            admin_roles: keys.admin_roles.clone(),
            tls,
            host_token_file: keys.host_token_file.clone(),
            max_ports_per_host: keys.max_ports_per_host,
        };
        (keys, keystone_keys, config)
    }

    fn keystone(&mut self, needed: bool) -> (KeystoneKeys, Option<KeystoneConfig>) {
        let mut section = self.open("keystone_authtoken");
        let keys = KeystoneKeys::read(&mut section);
        let keystone = openstack::keystone(&mut section, &keys, needed);
        let password = section.place_of("password").cloned();
        section.close();
        self.note_secret(password.as_ref());
        if keystone.is_some() && !needed {
            self.notices.push("[keystone_authtoken] has no effect without auth = keystone in [api]".to_owned());
        }
        (keys, keystone)
    }

    fn admin(&mut self) -> (AdminKeys, AdminConfig) {
        let mut section = self.open("admin");
        let keys = AdminKeys::read(&mut section);
        section.close();
        let config = AdminConfig {
            socket: keys.socket.clone(),
            group: keys.group.clone(),
            journal_age: keys.journal_age,
            journal_size: keys.journal_size << 20,
        };
        (keys, config)
    }

    fn relay(&mut self) -> (RelayKeys, GatewayKeys, BTreeMap<String, GatewayKeys>, RelayConfig) {
        let mut section = self.open("relay");
        let keys = RelayKeys::read(&mut section);
        let common = GatewayKeys::read(&mut section);
        section.close();
        let mut gateways = BTreeMap::new();
        for name in self.named("gateway") {
            let Some(title) = name.name.clone() else { continue };
            let mut section = Section::open(self.layers, name, &mut self.errors);
            let own = GatewayKeys::read_over(&mut section, &common);
            section.close();
            if own != common {
                gateways.insert(title, own);
            }
        }
        let config = RelayConfig {
            learned_hold: keys.learned_hold,
            idle_flood_hold: keys.idle_flood_hold,
            max_learned_macs: keys.max_learned_macs,
            common: gateway(&common),
            gateways: gateways.iter().map(|(name, keys)| (name.clone(), gateway(keys))).collect(),
        };
        (keys, common, gateways, config)
    }

    fn default(&mut self) -> (DefaultKeys, LogConfig) {
        let mut section = self.open("default");
        let keys = DefaultKeys::read(&mut section);
        if keys.previous_prefixes.contains(&keys.deployment) {
            let why = format!("'{}' is the deployment itself: remove it here", keys.deployment);
            section.refuse_value("previous_prefixes", why);
        }
        if keys.vni_ranges.is_empty() {
            section.refuse_value("vni_ranges", "the list is empty: networks without a VNI could get none".to_owned());
        }
        let log = log(&mut section);
        section.close();
        (keys, log)
    }

    fn source(&mut self, guard: (u8, u32)) -> (SourceKeys, Option<SourceConfig>) {
        let mut section = self.open("source");
        let keys = SourceKeys::read(&mut section);
        let source = openstack::source(&mut section, &keys, guard);
        let place = section.place_of("connection").cloned();
        section.close();
        if source.is_some() && keys.connection.as_ref().is_some_and(|url| url.has_password) {
            self.note_secret(place.as_ref());
        }
        (keys, source)
    }

    /// The switches, where they dial in, and the guard's limits of `[l2gateway]`.
    fn switches(&mut self) -> (BTreeMap<String, SwitchConfig>, ListenKeys, ListenConfig, (u8, u32)) {
        let mut section = self.open("l2gateway");
        let defaults = Defaults::read(&mut section);
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
                self.errors.push(ConfigError { place, problem: ConfigProblem::Conflict(why) });
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
        let mut section = self.open("listen");
        let keys = ListenKeys::read(&mut section);
        let tls = transport::tls(&defaults.common, None);
        let listen = transport::listen(&mut section, &keys, &tls, &switches);
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
        (switches, keys, listen, defaults.guard())
    }

    /// `[cluster]`, of which this version builds nothing: values that differ from the default are refused.
    fn cluster(&mut self) {
        let mut section = self.open("cluster");
        let keys = ClusterKeys::read(&mut section);
        for title in ClusterKeys::builtin().restarts(&keys) {
            let key = title.rsplit(' ').next().unwrap_or(title);
            section.refuse(key, ConfigProblem::NotBuilt { what: title.to_owned() });
        }
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
fn tls(section: &mut Section<'_>, keys: &ApiKeys) -> Option<TlsFiles> {
    for (key, other, why) in [
        ("tls_certificate", "tls_private_key", "the key of tls_certificate, a PEM file, is in another file"),
        ("tls_private_key", "tls_certificate", "the certificate of tls_private_key, a PEM file, is in another file"),
    ] {
        if section.has(key) && !section.has(other) {
            section.missing(other, why);
        }
    }
    Some(TlsFiles { certificate: keys.tls_certificate.clone()?, private_key: keys.tls_private_key.clone()? })
}

/// The log settings of `[DEFAULT]`.
pub(super) fn log(section: &mut Section<'_>) -> LogConfig {
    let keys = LogKeys::read(section);
    let level = keys.log_level.unwrap_or(if keys.debug { "debug" } else { "info" });
    // Below info only our own modules: the libraries would write a flood.
    let base = if matches!(level, "debug" | "trace") { format!("info,vtepd={level}") } else { level.to_owned() };
    LogConfig { directives: std::iter::once(base).chain(keys.default_log_levels).collect::<Vec<_>>().join(",") }
}

fn gateway(keys: &GatewayKeys) -> GatewayConfig {
    GatewayConfig {
        active_active: keys.active_active,
        failover_unreachable: keys.failover_unreachable,
        handover_hold: keys.handover_hold,
    }
}
