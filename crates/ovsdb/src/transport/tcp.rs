//! TCP: all addresses of a name, and a kernel that finds a dead host.

use std::{io, net::SocketAddr, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout_at},
};

use super::{TransportError, Wire};

/// A connection that came to be.
pub(super) struct Dialled {
    pub(super) stream: TcpStream,
    pub(super) wire: Wire,
    /// Whom it reached.
    pub(super) peer: String,
    /// How many addresses the name has.
    pub(super) addresses: usize,
}

/// Tries all addresses of a name, the one behind `last` first.
pub(super) async fn dial(
    host: &str,
    port: u16,
    timeout: Duration,
    deadline: Instant,
    last: &str,
) -> Result<Dialled, TransportError> {
    let unresolved = |source| TransportError::Resolve { host: host.to_owned(), source };
    let mut found: Vec<SocketAddr> = match timeout_at(deadline, lookup_host((host, port))).await {
        Err(_) => return Err(unresolved(io::ErrorKind::TimedOut.into())),
        Ok(found) => found.map_err(unresolved)?.collect(),
    };
    let mut failure = unresolved(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    if let Some(at) = found.iter().position(|address| address.to_string() == last) {
        found.rotate_left(at + 1);
    }
    let addresses = found.len();
    let mut left = addresses;
    for address in found {
        let share = deadline.saturating_duration_since(Instant::now()) / u32::try_from(left.max(1)).unwrap_or(u32::MAX);
        left -= 1;
        let peer = address.to_string();
        failure = match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Err(_) => TransportError::TimedOut { peer, timeout },
            Ok(Err(source)) => TransportError::Connect { peer, source },
            Ok(Ok(stream)) => match tune(&stream) {
                Err(source) => TransportError::Connect { peer, source },
                Ok(wire) => return Ok(Dialled { stream, wire, peer, addresses }),
            },
        };
    }
    Err(failure)
}

/// A dead host is found within [`HOST_SILENCE`] by the kernel, which answers for a frozen process, too; where there are
/// probes, sooner by the [`Wire`]. That leaves the patience of the session to judge the process alone.
pub fn tune(stream: &TcpStream) -> io::Result<Wire> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let second = Duration::from_secs(1);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(5 * second).with_interval(5 * second).with_retries(5))?;
    socket.set_tcp_user_timeout(Some(HOST_SILENCE))?;
    Wire::of(stream)
}

/// How long a host may leave our bytes unacknowledged. Linux ends a connection after this time also where the peer's
/// window stays closed, although its kernel answers: the usual state of a server that compacts a big database in the
/// middle of our writes. So it is well above the 15 s that a million rows take.
pub(super) const HOST_SILENCE: Duration = Duration::from_secs(30);
