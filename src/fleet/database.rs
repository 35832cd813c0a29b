//! What a worker serves, and how it gets there: from the words of plumgrid.ini to those of the OVSDB client.

use std::fmt;

use crate::{
    config::{PeerVerify, SshHostKey, SshSocket, SwitchConfig, TlsConfig, Transport},
    ovsdb::{
        Address, Endpoint,
        transport::{Fingerprint, HostKey, Remote, Ssh, Tls, Verify},
    },
};

/// A database: what the fleet calls it in all that it confirms.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Database {
    /// Behind an address that we dial.
    At(Address),
}

// ===== impl Database =====

impl Database {
    /// The database of a section.
    #[must_use]
    pub fn of(switch: &SwitchConfig) -> Self {
        Self::At(endpoint(switch).address())
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => address.fmt(f),
        }
    }
}

/// How a switch is dialled.
#[must_use]
pub fn endpoint(switch: &SwitchConfig) -> Endpoint {
    match &switch.transport {
        Transport::Tcp(host, port) => Endpoint::Tcp { host: host.clone(), port: *port },
        Transport::Unix(path) => Endpoint::Unix(path.clone()),
        Transport::Ssl(host, port) => Endpoint::Ssl { host: host.clone(), port: *port, tls: tls(&switch.tls) },
        Transport::Ssh(host, port, socket) => {
            Endpoint::Ssh { host: host.clone(), port: *port, ssh: ssh(switch, socket) }
        }
    }
}

/// Files and rules of TLS.
pub(super) fn tls(config: &TlsConfig) -> Tls {
    Tls {
        private_key: config.private_key.clone(),
        certificate: config.certificate.clone(),
        ca_cert: config.ca_cert.clone(),
        verify: match config.peer {
            PeerVerify::Name => Verify::Name,
            PeerVerify::Chain => Verify::Chain,
            PeerVerify::Fingerprint(digest) => Verify::Pinned(Fingerprint(digest)),
        },
    }
}

fn ssh(switch: &SwitchConfig, socket: &SshSocket) -> Ssh {
    let credentials = switch.credentials.clone();
    let (username, password) =
        credentials.map_or_else(Default::default, |credentials| (credentials.username, credentials.password));
    Ssh {
        username,
        password,
        private_key: switch.ssh.private_key.clone(),
        host_key: match &switch.ssh.host_key {
            SshHostKey::KnownHosts(path) => HostKey::Known(path.clone()),
            SshHostKey::Fingerprint(fingerprint) => HostKey::Pinned(fingerprint.clone()),
        },
        remote: match socket {
            SshSocket::Usual => Remote::Usual,
            SshSocket::Path(path) => Remote::Socket(path.clone()),
            SshSocket::Port(host, port) => Remote::Port(host.clone(), *port),
        },
    }
}

/// `transport` of plumgrid.ini.
pub(super) fn word(transport: &Transport) -> &'static str {
    match transport {
        Transport::Tcp(..) => "tcp",
        Transport::Unix(_) => "unix",
        Transport::Ssl(..) => "ssl",
        Transport::Ssh(..) => "ssh",
    }
}
