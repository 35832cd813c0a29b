//! How bytes get to a server: TCP, Unix sockets, TLS, SSH. All of them end as one boxed [`Stream`].
//!
//! An [`Endpoint`] says how to reach a server, secrets included; its [`Address`] names it in logs and in the store. A
//! switch that dialled us has no endpoint: its stream is there already, and the first thing that is asked on it is in
//! [`greeting`].

pub mod greeting;
mod ssh;
mod tcp;
mod tls;
mod wire;
mod x509;

use std::{
    fmt, io,
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::UnixStream,
    time::{Instant, timeout_at},
};

pub use ssh::{HostKey, KnownKeys, Remote, Ssh, SshError, USUAL_SOCKET};
pub use tcp::tune;
pub use tls::{Acceptor, Certificates, Tls, TlsError, Verify, accept, own_certificate};
pub use wire::Wire;
pub use x509::{Certificate, Fingerprint, NotX509};

/// The port of OVSDB (RFC 7047 section 8), where an address names none.
pub const DEFAULT_PORT: u16 = 6640;

/// A byte stream in both directions.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// Any byte stream: what a [`Connection`](super::Connection) speaks over.
pub type Stream = Box<dyn Io>;

/// Where an OVSDB server listens, in the notation of Open vSwitch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// `tcp:<host>:<port>`; an IPv6 address stands in brackets.
    Tcp {
        /// A name or an IP address, without brackets.
        host: String,
        /// The TCP port.
        port: u16,
    },
    /// `unix:<path>`
    Unix(PathBuf),
    /// `ssl:<host>:<port>`
    Ssl {
        /// As of `tcp`.
        host: String,
        /// The TCP port.
        port: u16,
    },
    /// `ssh:<host>:<port>:<socket or host:port>`, an address of ours alone.
    Ssh {
        /// As of `tcp`.
        host: String,
        /// The port of the SSH server.
        port: u16,
        /// Where the database is behind it.
        remote: Remote,
    },
}

/// How to reach an OVSDB server.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// TCP.
    Tcp {
        /// A name or an IP address, without brackets.
        host: String,
        /// The TCP port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
    /// TLS.
    Ssl {
        /// A name or an IP address, without brackets: what the server's certificate must be for.
        host: String,
        /// The TCP port.
        port: u16,
        /// Files and rules.
        tls: Tls,
    },
    /// A channel of an SSH session.
    Ssh {
        /// A name or an IP address, without brackets.
        host: String,
        /// The port of the SSH server.
        port: u16,
        /// How to log in.
        ssh: Ssh,
    },
}

/// A connection that came to be.
pub struct Connected {
    /// Its bytes.
    pub stream: Stream,
    /// Its TCP connection, where it has one.
    pub wire: Option<Wire>,
    /// Whom it reached.
    pub peer: String,
    /// How many addresses the name has.
    pub addresses: usize,
    /// Who showed what, with TLS.
    pub certificates: Certificates,
}

/// The text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It begins with nothing that we know.
    #[error(
        "'{0}' is no OVSDB address: write tcp:<host>:<port>, ssl:<host>:<port> (an IPv6 address in brackets) or unix:<path>"
    )]
    Unknown(String),
    /// A method of Open vSwitch that this client lacks.
    #[error("'{0}': connecting by '{1}' is not supported; tcp:, ssl: and unix: are")]
    Unsupported(String, String),
    /// The host is missing, or an IPv6 address without brackets.
    #[error("'{0}': the host should be a name, an IPv4 address or an IPv6 address in brackets")]
    Host(String),
    /// The port is no number from 1 to 65535.
    #[error("'{0}': the port should be a number from 1 to 65535 (OVSDB's own is {DEFAULT_PORT})")]
    Port(String),
    /// Nothing behind `unix:`.
    #[error("'{0}': the path of the socket is missing")]
    Path(String),
}

/// No connection came to be.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The name has no address.
    #[error("can't resolve '{host}': {source}; check the name, or write the IP address")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The peer refused, or can't be reached.
    #[error("can't connect to {peer}: {source}")]
    Connect {
        /// The address that was tried (the last one of a name).
        peer: String,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing happened in time.
    #[error("no answer from {peer} within {} ms; is it up, and does a firewall let us through?", .timeout.as_millis())]
    TimedOut {
        /// The address that was tried (the last one of a name).
        peer: String,
        /// The time that all attempts together were given.
        timeout: Duration,
    },
    /// No TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No SSH.
    #[error(transparent)]
    Ssh(#[from] SshError),
}

// ===== impl Address =====

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp:[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp:{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Ssl { host, port } if host.contains(':') => write!(f, "ssl:[{host}]:{port}"),
            Self::Ssl { host, port } => write!(f, "ssl:{host}:{port}"),
            Self::Ssh { host, port, remote } if host.contains(':') => write!(f, "ssh:[{host}]:{port}:{remote}"),
            Self::Ssh { host, port, remote } => write!(f, "ssh:{host}:{port}:{remote}"),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let whole = || text.to_owned();
        match text.split_once(':') {
            Some(("tcp", rest)) => host_and_port(text, rest).map(|(host, port)| Self::Tcp { host, port }),
            Some(("ssl", rest)) => host_and_port(text, rest).map(|(host, port)| Self::Ssl { host, port }),
            Some(("unix", "")) => Err(AddressError::Path(whole())),
            Some(("unix", path)) => Ok(Self::Unix(path.into())),
            Some((method @ ("ssh" | "ptcp" | "pssl" | "punix"), _)) => {
                Err(AddressError::Unsupported(whole(), method.to_owned()))
            }
            _ => Err(AddressError::Unknown(whole())),
        }
    }
}

/// `<host>[:<port>]` or `[<IPv6>][:<port>]`
fn host_and_port(text: &str, rest: &str) -> Result<(String, u16), AddressError> {
    let wrong_host = || AddressError::Host(text.to_owned());
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']').ok_or_else(wrong_host)?;
            // A scope (fe80::1%eth0) is the resolver's to understand.
            let address = host.split('%').next().unwrap_or(host);
            if !matches!(address.parse(), Ok(IpAddr::V6(_))) {
                return Err(wrong_host());
            }
            (host, if behind.is_empty() { None } else { Some(behind.strip_prefix(':').ok_or_else(wrong_host)?) })
        }
        None => match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    // Two colons and no brackets: an IPv6 address whose port could be anything.
    if host.is_empty() || port.is_some_and(|port| port.contains(':')) || host.contains(char::is_whitespace) {
        return Err(wrong_host());
    }
    let port = match port {
        None => DEFAULT_PORT,
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(|| AddressError::Port(text.to_owned()))?,
    };
    Ok((host.to_owned(), port))
}

// ===== impl Endpoint =====

impl Endpoint {
    /// What the server is called.
    pub fn address(&self) -> Address {
        match self {
            Self::Tcp { host, port } => Address::Tcp { host: host.clone(), port: *port },
            Self::Unix(path) => Address::Unix(path.clone()),
            Self::Ssl { host, port, .. } => Address::Ssl { host: host.clone(), port: *port },
            Self::Ssh { host, port, ssh } => {
                Address::Ssh { host: host.clone(), port: *port, remote: ssh.remote.clone() }
            }
        }
    }

    /// How long it may take to get through: the CPU of a switch needs seconds for a handshake, and its SSH server some
    /// more for a password, or for asking a name server who we are.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(match self {
            Self::Tcp { .. } | Self::Unix(_) => 5,
            Self::Ssl { .. } => 10,
            Self::Ssh { .. } => 30,
        })
    }
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connected").field("peer", &self.peer).finish_non_exhaustive()
    }
}

// ===== impl TransportError =====

impl TransportError {
    /// Whether it will be the same until an operator changes the configuration, a file or the switch.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Tls(error) => error.is_refusal(),
            Self::Ssh(error) => error.is_refusal(),
            Self::Resolve { .. } | Self::Connect { .. } | Self::TimedOut { .. } => false,
        }
    }

    /// Whether another attempt brings an account nearer to being locked.
    pub fn is_log_in(&self) -> bool {
        matches!(self, Self::Ssh(error) if error.is_log_in())
    }
}

// ===== dialling =====

/// Connects to a server. All addresses of a name are tried one after the other, each with its share of the `timeout`
/// that is left, so that one dead address doesn't hide a living one.
pub async fn dial(endpoint: &Endpoint, timeout: Duration) -> Result<Connected, TransportError> {
    dial_behind(endpoint, timeout, "").await
}

/// The same, beginning with the address behind this one, if the name has it: where it was reached last, and was the wrong one
/// of several servers.
pub async fn dial_behind(endpoint: &Endpoint, timeout: Duration, last: &str) -> Result<Connected, TransportError> {
    let deadline = Instant::now() + timeout;
    let late = |peer: &str| TransportError::TimedOut { peer: peer.to_owned(), timeout };
    let plain = |stream, wire, peer, addresses| {
        let certificates = Certificates::default();
        Connected { stream, wire, peer, addresses, certificates }
    };
    match endpoint {
        Endpoint::Unix(path) => {
            dial_unix(path, timeout, deadline).await.map(|(stream, peer)| plain(stream, None, peer, 1))
        }
        Endpoint::Tcp { host, port } => {
            let tcp::Dialled { stream, wire, peer, addresses } =
                tcp::dial(host, *port, timeout, deadline, last).await?;
            Ok(plain(Box::new(stream), Some(wire), peer, addresses))
        }
        Endpoint::Ssl { host, port, tls } => {
            let tcp::Dialled { stream, wire, peer, addresses } =
                tcp::dial(host, *port, timeout, deadline, last).await?;
            let shaken = timeout_at(deadline, tls::connect(stream, host, &peer, tls)).await;
            let (stream, certificates) = shaken.map_err(|_| late(&peer))??;
            Ok(Connected { stream, wire: Some(wire), peer, addresses, certificates })
        }
        Endpoint::Ssh { host, port, ssh } => {
            let tcp::Dialled { stream, wire, peer, addresses } =
                tcp::dial(host, *port, timeout, deadline, last).await?;
            let opened = timeout_at(deadline, ssh::connect(stream, host, *port, &peer, ssh)).await;
            Ok(plain(opened.map_err(|_| late(&peer))??, Some(wire), peer, addresses))
        }
    }
}

async fn dial_unix(path: &Path, timeout: Duration, deadline: Instant) -> Result<(Stream, String), TransportError> {
    let peer = format!("unix:{}", path.display());
    match timeout_at(deadline, UnixStream::connect(path)).await {
        Err(_) => Err(TransportError::TimedOut { peer, timeout }),
        Ok(Err(source)) => Err(TransportError::Connect { peer, source }),
        Ok(Ok(stream)) => Ok((Box::new(stream), peer)),
    }
}

#[cfg(test)]
mod tests;
