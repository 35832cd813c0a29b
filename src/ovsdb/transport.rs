//! How bytes get to a server: TCP and Unix sockets. TLS, SSH and peers that dial in will be further variants of
//! [`Address`]; all of them end as one boxed [`Stream`].

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream, lookup_host},
    time::{Instant, timeout_at},
};

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
}

/// The text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It begins with nothing that we know.
    #[error("'{0}' is no OVSDB address: write tcp:<host>:<port>, tcp:[<IPv6>]:<port> or unix:<path>")]
    Unknown(String),
    /// A method of Open vSwitch that this client lacks.
    #[error("'{0}': connecting by '{1}' is not supported; tcp: and unix: are")]
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
}

// ===== impl Address =====

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp:[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp:{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let whole = || text.to_owned();
        match text.split_once(':') {
            Some(("tcp", rest)) => tcp(text, rest),
            Some(("unix", "")) => Err(AddressError::Path(whole())),
            Some(("unix", path)) => Ok(Self::Unix(path.into())),
            Some((method @ ("ssl" | "ssh" | "ptcp" | "pssl" | "punix"), _)) => {
                Err(AddressError::Unsupported(whole(), method.to_owned()))
            }
            _ => Err(AddressError::Unknown(whole())),
        }
    }
}

/// `<host>[:<port>]` or `[<IPv6>][:<port>]`
fn tcp(text: &str, rest: &str) -> Result<Address, AddressError> {
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
    Ok(Address::Tcp { host: host.to_owned(), port })
}

// ===== dialling =====

/// Connects to a server, and says whom it reached. All addresses of a name are tried one after the other, each with its
/// share of the `timeout` that is left, so that one dead address doesn't hide a living one.
pub async fn dial(address: &Address, timeout: Duration) -> Result<(Stream, String), TransportError> {
    let deadline = Instant::now() + timeout;
    match address {
        Address::Tcp { host, port } => dial_tcp(host, *port, timeout, deadline).await,
        Address::Unix(path) => dial_unix(path, timeout, deadline).await,
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

async fn dial_tcp(
    host: &str,
    port: u16,
    timeout: Duration,
    deadline: Instant,
) -> Result<(Stream, String), TransportError> {
    let unresolved = |source| TransportError::Resolve { host: host.to_owned(), source };
    let found: Vec<SocketAddr> = match timeout_at(deadline, lookup_host((host, port))).await {
        Err(_) => return Err(unresolved(io::ErrorKind::TimedOut.into())),
        Ok(found) => found.map_err(unresolved)?.collect(),
    };
    let mut failure = unresolved(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    let mut left = found.len();
    for address in found {
        let share = deadline.saturating_duration_since(Instant::now()) / u32::try_from(left.max(1)).unwrap_or(u32::MAX);
        left -= 1;
        let peer = address.to_string();
        failure = match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Err(_) => TransportError::TimedOut { peer, timeout },
            Ok(Err(source)) => TransportError::Connect { peer, source },
            Ok(Ok(stream)) => match tune(&stream) {
                Err(source) => TransportError::Connect { peer, source },
                Ok(()) => return Ok((Box::new(stream), peer)),
            },
        };
    }
    Err(failure)
}

/// A dead host is found within [`HOST_SILENCE`] by the kernel, which answers for a frozen process, too. That leaves
/// the probes of the session to judge the process alone.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let second = Duration::from_secs(1);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(5 * second).with_interval(5 * second).with_retries(5))?;
    socket.set_tcp_user_timeout(Some(HOST_SILENCE))
}

/// How long a host may leave our bytes unacknowledged. Linux ends a connection after this time also where the peer's
/// window stays closed, although its kernel answers: the usual state of a server that compacts a big database in the
/// middle of our writes. So it is well above the 15 s that a million rows take.
const HOST_SILENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
