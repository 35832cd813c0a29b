//! How a switch is reached, and what makes it the right one: the keys of `tcp`, `ssl`, `unix`, `ssh` and `passive`.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use super::{
    Credentials, SwitchConfig,
    keys::{CommonKeys, ListenKeys, SwitchKeys},
    section::Section,
    switch::Defaults,
};

/// Where a switch's OVSDB server is. Switches with equal transports share a database, and so a worker; those that dial
/// in are joined by their session.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// `tcp`: host (name or address, IPv6 without brackets) and port.
    Tcp(String, u16),
    /// `unix`: path of the socket.
    Unix(PathBuf),
    /// `ssl`: host and port.
    Ssl(String, u16),
    /// `ssh`: host and port of the SSH server, and where the database is behind it.
    Ssh(String, u16, SshSocket),
    /// `passive`: the switch dials us, at an address of `[listen]`.
    Passive,
}

impl Transport {
    /// As plumgrid.ini spells it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Tcp(..) => "tcp",
            Self::Unix(_) => "unix",
            Self::Ssl(..) => "ssl",
            Self::Ssh(..) => "ssh",
            Self::Passive => "passive",
        }
    }
}

/// `[listen]`: where switches may dial us.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListenConfig {
    /// `ptcp`.
    pub ptcp: Option<SocketAddr>,
    /// `pssl`.
    pub pssl: Option<SocketAddr>,
    /// For `pssl`: the keys of `[l2gateway]`.
    pub tls: TlsConfig,
}

/// `ovsdb_socket` with `transport = ssh`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SshSocket {
    /// Not set: where it usually is.
    Usual,
    /// A path on the switch.
    Path(PathBuf),
    /// `tcp:HOST:PORT`, as the switch sees it.
    Port(String, u16),
}

/// The keys of TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsConfig {
    /// `private_key`.
    pub private_key: Option<PathBuf>,
    /// `certificate`.
    pub certificate: Option<PathBuf>,
    /// `ca_cert`.
    pub ca_cert: Option<PathBuf>,
    /// `peer_verify`, `peer_fingerprint`.
    pub peer: PeerVerify,
}

/// What makes a switch's certificate the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeerVerify {
    /// Signed by `ca_cert`, and for `management_ip`.
    #[default]
    Name,
    /// Signed by `ca_cert`.
    Chain,
    /// `peer_fingerprint`: SHA-256 of the certificate.
    Fingerprint([u8; 32]),
}

/// The keys of SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshConfig {
    /// `private_key` of the user.
    pub private_key: Option<PathBuf>,
    /// `known_hosts`, `host_key_fingerprint`.
    pub host_key: SshHostKey,
}

/// What makes an SSH server the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshHostKey {
    /// `known_hosts`.
    KnownHosts(PathBuf),
    /// `host_key_fingerprint`: `SHA256:…`.
    Fingerprint(String),
}

impl Default for SshConfig {
    fn default() -> Self {
        let host_key = SshHostKey::KnownHosts(PathBuf::from("/etc/ssh/ssh_known_hosts"));
        Self { private_key: None, host_key }
    }
}

/// `transport`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Tcp,
    Ssl,
    Unix,
    Ssh,
    Passive,
}

pub(super) const KINDS: [(&str, Kind); 5] =
    [("tcp", Kind::Tcp), ("ssl", Kind::Ssl), ("unix", Kind::Unix), ("ssh", Kind::Ssh), ("passive", Kind::Passive)];

impl Kind {
    fn word(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("?", |(word, _)| word)
    }

    /// Keys that this transport doesn't know, with the one that does.
    fn unused(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Tcp => &[
                ("ovsdb_socket", "unix"),
                ("peer_fingerprint", "ssl"),
                ("certificate", "ssl"),
                ("ca_cert", "ssl"),
                ("private_key", "ssl or ssh"),
                ("host_key_fingerprint", "ssh"),
            ],
            Self::Ssl => &[("ovsdb_socket", "unix"), ("host_key_fingerprint", "ssh")],
            Self::Unix => &[
                ("management_ip", "tcp"),
                ("port", "tcp"),
                ("peer_fingerprint", "ssl"),
                ("certificate", "ssl"),
                ("ca_cert", "ssl"),
                ("private_key", "ssl or ssh"),
                ("host_key_fingerprint", "ssh"),
            ],
            Self::Ssh => &[("peer_fingerprint", "ssl"), ("certificate", "ssl"), ("ca_cert", "ssl")],
            Self::Passive => &[
                ("management_ip", "tcp"),
                ("port", "tcp"),
                ("ovsdb_socket", "unix"),
                ("certificate", "that of [l2gateway]"),
                ("ca_cert", "that of [l2gateway]"),
                ("private_key", "that of [l2gateway]"),
                ("host_key_fingerprint", "ssh"),
            ],
        }
    }
}

/// The keys of TLS.
pub(super) fn tls(keys: &CommonKeys, fingerprint: Option<[u8; 32]>) -> TlsConfig {
    TlsConfig {
        private_key: keys.private_key.clone(),
        certificate: keys.certificate.clone(),
        ca_cert: keys.ca_cert.clone(),
        peer: fingerprint.map_or(keys.peer_verify, PeerVerify::Fingerprint),
    }
}

/// How a switch is reached; `None` where an error keeps it from being reached.
pub(super) fn transport(
    section: &mut Section<'_>,
    own: &SwitchKeys,
    keys: &CommonKeys,
    defaults: &Defaults,
    credentials: Option<&Credentials>,
) -> Option<(Transport, SshConfig)> {
    let kind = keys.transport;
    for (key, instead) in kind.unused() {
        if section.has(key) {
            let why = format!("is not used by transport = {}: remove it, or use {instead}", kind.word());
            section.refuse_value(key, why);
        }
    }
    if matches!(kind, Kind::Tcp | Kind::Ssl | Kind::Ssh) && !section.has("management_ip") {
        section.missing("management_ip", "the switch's management address, for example 192.0.2.11");
    }
    let address = own.management_ip.clone();
    let port = |usual| keys.port.unwrap_or(usual);
    let mut ssh = SshConfig::default();
    let transport = match kind {
        Kind::Passive => Some(Transport::Passive),
        Kind::Tcp => Some(Transport::Tcp(address?, port(6640))),
        Kind::Ssl => {
            tls_is_whole(section, &tls(keys, own.peer_fingerprint));
            Some(Transport::Ssl(address?, port(6640)))
        }
        Kind::Unix => {
            if !section.has("ovsdb_socket") {
                section.missing("ovsdb_socket", "with transport = unix, the path of the OVSDB server's socket");
            }
            let SshSocket::Path(path) = own.ovsdb_socket.clone()? else {
                let why = "is a path with transport = unix; tcp is a transport of its own".to_owned();
                section.refuse_value("ovsdb_socket", why);
                return None;
            };
            Some(Transport::Unix(path))
        }
        Kind::Ssh => {
            // [l2gateway]'s key is one of TLS where a certificate stands beside it.
            let is_of_ssh = section.has("private_key") || defaults.common.certificate.is_none();
            ssh.private_key = keys.private_key.clone().filter(|_| is_of_ssh);
            if credentials.is_none() {
                let why = "with transport = ssh, a user with password, password_file or private_key (or sw_username and sw_password of [l2gateway])";
                section.missing("username", why);
            } else if ssh.private_key.is_none() && credentials.is_some_and(|c| c.password.is_none()) {
                section.missing("password", "with transport = ssh; or password_file, or private_key");
            }
            ssh.host_key = match own.host_key_fingerprint.clone() {
                Some(fingerprint) => SshHostKey::Fingerprint(fingerprint),
                None => SshHostKey::KnownHosts(keys.known_hosts.clone()),
            };
            Some(Transport::Ssh(address?, port(22), own.ovsdb_socket.clone().unwrap_or(SshSocket::Usual)))
        }
    };
    transport.map(|transport| (transport, ssh))
}

fn tls_is_whole(section: &mut Section<'_>, tls: &TlsConfig) {
    match (&tls.private_key, &tls.certificate) {
        (Some(_), None) => section.missing("certificate", "private_key is one half of a pair"),
        (None, Some(_)) => section.missing("private_key", "certificate is one half of a pair"),
        _ => {}
    }
    if tls.ca_cert.is_none() && !matches!(tls.peer, PeerVerify::Fingerprint(_)) {
        section.missing(
            "ca_cert",
            "with transport = ssl, the CAs of the switches; or pin the certificate with peer_fingerprint",
        );
    }
}

/// `[listen]`. `tls` is what `[l2gateway]` says.
pub(super) fn listen(
    section: &mut Section<'_>,
    keys: &ListenKeys,
    tls: &TlsConfig,
    switches: &BTreeMap<String, SwitchConfig>,
) -> ListenConfig {
    let ListenKeys { ptcp, pssl } = *keys;
    let mut passive = switches.values().filter(|switch| switch.transport == Transport::Passive).peekable();
    if passive.peek().is_some() && ptcp.is_none() && pssl.is_none() {
        section.missing("pssl", "for the switches with transport = passive; or ptcp. For example pssl = 0.0.0.0:6640");
    }
    if pssl.is_some() {
        if tls.private_key.is_none() || tls.certificate.is_none() {
            section.refuse_value("pssl", "needs private_key and certificate in [l2gateway]".to_owned());
        }
        let all_pinned = passive.all(|switch| matches!(switch.tls.peer, PeerVerify::Fingerprint(_)));
        if tls.ca_cert.is_none() && !all_pinned {
            let why = "needs ca_cert in [l2gateway], or peer_fingerprint in each section with transport = passive";
            section.refuse_value("pssl", why.to_owned());
        }
    }
    if ptcp.is_some_and(|address| Some(address) == pssl && address.port() != 0) {
        section.refuse_value("pssl", "is the same as ptcp: use another port".to_owned());
    }
    ListenConfig { ptcp, pssl, tls: tls.clone() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    #[test]
    fn a_plain_door_beside_the_one_with_tls_is_told_of() {
        let notices = |more: &str, pin: &str| {
            let text = format!(
                "[l2gateway]\nprivate_key = /k\ncertificate = /c\nca_cert = /ca\n[listen]\npssl = 127.0.0.1:0\n{more}\n\
                 [switch:t]\ntransport = passive\n{pin}\n[switch:u]\nmanagement_ip = 192.0.2.1\n"
            );
            let none: [(&str, &str); 0] = [];
            Config::parse(Path::new("plumgrid.ini"), text.as_bytes(), 0o100_600, none).unwrap().notices
        };
        let told = notices("ptcp = 127.0.0.1:0", "");
        assert!(matches!(told.as_slice(), [one] if one.contains("may say that it is t;")), "{told:?}");
        let pin = format!("peer_fingerprint = SHA256:{}", ["AB"; 32].join(":"));
        assert_eq!(notices("ptcp = 127.0.0.1:0", &pin), [""; 0]);
        assert_eq!(notices("", ""), [""; 0]);
    }
}
