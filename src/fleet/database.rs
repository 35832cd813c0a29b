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
    /// Of these sections, whose switches dial us on one connection.
    DialsIn(Vec<String>),
}

// ===== impl Database =====

impl Database {
    /// The database of a section.
    #[must_use]
    pub fn of(switch: &SwitchConfig) -> Self {
        match endpoint(switch) {
            Some(endpoint) => Self::At(endpoint.address()),
            None => Self::DialsIn(vec![switch.name.clone()]),
        }
    }

    /// What it is called in the store. Which sections a connection serves is known when it is there, so each of them
    /// stands for itself.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::At(address) => vec![address.to_string()],
            Self::DialsIn(sections) => sections.iter().map(|section| format!("passive:{section}")).collect(),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => address.fmt(f),
            Self::DialsIn(sections) => write!(f, "passive:{}", sections.join(",")),
        }
    }
}

/// How a switch is dialled; `None`: it dials us.
#[must_use]
pub fn endpoint(switch: &SwitchConfig) -> Option<Endpoint> {
    Some(match &switch.transport {
        Transport::Passive => return None,
        Transport::Tcp(host, port) => Endpoint::Tcp { host: host.clone(), port: *port },
        Transport::Unix(path) => Endpoint::Unix(path.clone()),
        Transport::Ssl(host, port) => Endpoint::Ssl { host: host.clone(), port: *port, tls: tls(&switch.tls) },
        Transport::Ssh(host, port, socket) => {
            Endpoint::Ssh { host: host.clone(), port: *port, ssh: ssh(switch, socket) }
        }
    })
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
        keep_alive: switch.inactivity_probe,
    }
}
