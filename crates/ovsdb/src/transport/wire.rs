//! What the kernel knows of a TCP connection and its bytes don't tell: whether the other kernel still acknowledges them.

use std::{io, time::Duration};

use nix::{
    getsockopt_impl, libc,
    sys::socket::{GetSockOpt, sockopt::GetStruct},
};
use socket2::{SockRef, Socket};
use tokio::net::TcpStream;

/// A second handle to a connection's socket, to be dropped with the connection: until then it keeps it open.
#[derive(Debug)]
pub struct Wire(Socket);

/// `TCP_INFO` of tcp(7).
#[derive(Debug, Clone, Copy)]
struct TcpInfo;

getsockopt_impl!(TcpInfo, libc::IPPROTO_TCP, libc::TCP_INFO, libc::tcp_info, GetStruct<libc::tcp_info>);

// ===== impl Wire =====

impl Wire {
    pub(super) fn of(stream: &TcpStream) -> io::Result<Self> {
        SockRef::from(stream).try_clone().map(Self)
    }

    /// For how long the other kernel has acknowledged nothing at all, where bytes wait for that and were sent again. `None`:
    /// nothing is missed. A process that is busy or frozen, and one that reads nothing, have a kernel that acknowledges.
    pub fn unacknowledged(&self) -> Option<Duration> {
        let info = TcpInfo.get(&self.0).ok()?;
        let missed = info.tcpi_unacked > 0 && info.tcpi_retransmits > 0;
        missed.then(|| Duration::from_millis(info.tcpi_last_ack_recv.into()))
    }
}
