//! rtnetlink: reads the kernel, carries out operations, and hears what others do.

use std::io;

use futures_util::{StreamExt, TryStreamExt, stream};
use rtnetlink::{
    Handle, LinkBridge, LinkBridgePort, LinkUnspec, LinkVxlan, MulticastGroup,
    packet_core::{
        NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
    },
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        address::AddressAttribute,
        link::{AfSpecInet6, AfSpecUnspec, In6AddrGenMode, LinkAttribute},
        neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState},
        route::RouteProtocol,
    },
    sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE},
};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    decode::{ZERO, news},
    kernel::{ALIAS, Kernel, News, Operation, bridge_name, vxlan_name},
};
use crate::{config::HostConfig, model::MacAddr};

/// Requests under way at a time. The kernel carries them out in the order in which they are sent.
const UNDER_WAY: usize = 64;
/// News that wait for us, some 100 bytes each: what a start with a thousand networks causes. Beyond that they wait in the
/// socket's buffer.
const NEWS: usize = 16 << 10;
/// The socket's buffer, in bytes: a burst of some ten thousand changes. The kernel grants what `net.core.rmem_max` allows.
const BUFFER: u32 = 4 << 20;
/// The protocol number of our neighbour entries (`ip neigh show`): free in iproute2's rt_protos.
const PROTOCOL: RouteProtocol = RouteProtocol::Other(97);

/// Something that rtnetlink refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum NetlinkError {
    /// No socket: not Linux, or forbidden.
    #[error("netlink sockets can't be had: {0}; does the unit allow AF_NETLINK?")]
    Socket(io::Error),
    /// A dump failed.
    #[error("the kernel's {what} can't be read: {why}")]
    Read {
        /// Interfaces, entries…
        what: &'static str,
        /// What the kernel says.
        why: String,
    },
    /// An operation was refused.
    #[error("{what}: {why}{}", advice(.why))]
    Refused {
        /// What was tried.
        what: String,
        /// What the kernel says.
        why: io::Error,
    },
    /// The connection ended.
    #[error("{0}: the netlink connection ended")]
    Ended(String),
}

fn advice(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::PermissionDenied => ": vtep-hostd needs CAP_NET_ADMIN",
        io::ErrorKind::Unsupported => ": does the kernel have the modules vxlan and bridge?",
        _ => "",
    }
}

/// What the kernel says.
#[derive(Debug)]
pub(super) enum KernelEvent {
    News(News),
    /// Some was lost: everything is to be read again.
    Lost,
}

/// A connection with the kernel.
#[derive(Debug)]
pub(super) struct Netlink {
    handle: Handle,
    host: HostConfig,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Netlink {
    /// Connects; what happens from now on is heard.
    pub(super) fn open(host: &HostConfig) -> Result<(Self, mpsc::Receiver<KernelEvent>), NetlinkError> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(NetlinkError::Socket)?;
        let socket = listen().map_err(NetlinkError::Socket)?;
        let (tell, heard) = mpsc::channel(NEWS);
        let tasks = [tokio::spawn(connection), tokio::spawn(hear(socket, tell))];
        Ok((Self { handle, host: host.clone(), tasks }, heard))
    }

    // ===== reading =====
    //
    // A netlink socket carries out one dump at a time: the kernel refuses a second one with EBUSY. So all that dump need
    // `&mut self`, and nothing that `carry_out` does at once may dump.

    /// All interfaces, our VTEP's address, and the entries of those that are ours.
    pub(super) async fn read(&mut self) -> Result<Kernel, NetlinkError> {
        let mut kernel = self.read_underlay().await?;
        for family in [AddressFamily::Bridge, AddressFamily::Inet, AddressFamily::Inet6] {
            let mut entries = self.handle.neighbours().get().set_address_family(family).execute();
            while let Some(entry) = entries.try_next().await.map_err(|error| unreadable("entries", &error))? {
                if let Some(news) = news(&RouteNetlinkMessage::NewNeighbour(entry)) {
                    kernel.apply(news);
                }
            }
        }
        Ok(kernel)
    }

    /// All interfaces, and which of them has our VTEP's address.
    pub(super) async fn read_underlay(&mut self) -> Result<Kernel, NetlinkError> {
        let mut kernel = Kernel::default();
        self.read_links(&mut kernel).await?;
        let address = self.host.local_ip.into();
        let mut addresses = self.handle.address().get().set_address_filter(address).execute();
        while let Some(message) = addresses.try_next().await.map_err(|error| unreadable("addresses", &error))? {
            let ours = |attribute: &AddressAttribute| matches!(attribute, AddressAttribute::Address(ip) | AddressAttribute::Local(ip) if *ip == address);
            if message.attributes.iter().any(ours) {
                kernel.underlay = Some(message.header.index);
            }
        }
        Ok(kernel)
    }

    /// Reads the interfaces again; entries of interfaces that are gone are removed, too.
    pub(super) async fn read_links(&mut self, kernel: &mut Kernel) -> Result<(), NetlinkError> {
        let mut seen = std::collections::BTreeSet::new();
        let mut links = self.handle.link().get().execute();
        while let Some(message) = links.try_next().await.map_err(|error| unreadable("interfaces", &error))? {
            if let Some(News::Link(index, link)) = news(&RouteNetlinkMessage::NewLink(message)) {
                seen.insert(index);
                kernel.apply(News::Link(index, link));
            }
        }
        let gone: Vec<_> = kernel.links.keys().filter(|index| !seen.contains(index)).copied().collect();
        for index in gone {
            kernel.apply(News::LinkGone(index));
        }
        Ok(())
    }

    // ===== writing =====

    /// Carries out operations in their order; those that failed come back with the reason.
    pub(super) async fn carry_out(&self, operations: Vec<Operation>) -> (Vec<Operation>, Vec<NetlinkError>) {
        let mut done = Vec::with_capacity(operations.len());
        let mut failed = Vec::new();
        let mut results = stream::iter(operations)
            .map(|operation| async move {
                let result = self.one(&operation).await;
                (operation, result)
            })
            .buffered(UNDER_WAY);
        while let Some((operation, result)) = results.next().await {
            match result {
                Ok(()) => done.push(operation),
                Err(error) => failed.push(error),
            }
        }
        (done, failed)
    }

    async fn one(&self, operation: &Operation) -> Result<(), NetlinkError> {
        match *operation {
            Operation::AddBridge { vni, mtu } => {
                let name = bridge_name(vni);
                // Without a querier, snooping would lose multicast that nobody asked for by IGMP.
                let message = LinkBridge::new(&name).mtu(mtu).mcast_snooping(false).build();
                refused(&format!("the bridge {name} can't be made"), self.handle.link().add(message).execute().await)
            }
            Operation::AddVxlan { vni, mtu, underlay } => {
                let name = vxlan_name(vni);
                let mut message = LinkVxlan::new(&name, vni.get())
                    .local(self.host.local_ip)
                    .port(self.host.port)
                    .learning(false)
                    .mtu(mtu);
                if let Some(underlay) = underlay {
                    message = message.dev(underlay);
                }
                let added = self.handle.link().add(message.build()).execute().await;
                refused(&format!("the VXLAN device {name} can't be made"), added)
            }
            Operation::SetBridge { bridge, mtu } => self.set_up(bridge, None, mtu, "a bridge").await,
            Operation::SetVxlan { device, bridge, mtu, suppress } => {
                self.set_up(device, Some(bridge), mtu, "a VXLAN device").await?;
                let Some(suppress) = suppress else { return Ok(()) };
                let message = LinkBridgePort::new(device).neigh_suppress(suppress).build();
                refused("ARP can't be answered on a VXLAN device", self.handle.link().set_port(message).execute().await)
            }
            Operation::Delete { index, ref name } => {
                let deleted = self.handle.link().del(index).execute().await;
                gone(refused(&format!("{name} can't be deleted"), deleted))
            }
            Operation::Forward { device, mac, vtep, moved } => {
                let flags = NLM_F_CREATE | if moved { NLM_F_REPLACE } else { NLM_F_EXCL };
                self.add(fdb(device, mac, Some(vtep), true), flags).await
            }
            Operation::Forget { device, mac, vtep } => self.delete(fdb(device, mac, Some(vtep), true)).await,
            Operation::Flood { device, vtep } => {
                self.add(fdb(device, ZERO, Some(vtep), false), NLM_F_CREATE | NLM_F_APPEND).await
            }
            Operation::Unflood { device, vtep } => self.delete(fdb(device, ZERO, Some(vtep), false)).await,
            Operation::Station { port, mac, .. } => {
                let mut message = fdb(port, mac, None, true);
                // Kept until we take it away, and yet moved where the MAC itself is heard elsewhere.
                message.header.state = NeighbourState::Noarp;
                self.add(message, NLM_F_CREATE | NLM_F_REPLACE).await
            }
            Operation::Unstation { port, mac, .. } => self.delete(fdb(port, mac, None, true)).await,
            Operation::Neighbour { bridge, ip, mac } => {
                let mut message = neighbour(bridge, ip);
                message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.octets().to_vec()));
                self.add(message, NLM_F_CREATE | NLM_F_REPLACE).await
            }
            Operation::Unneighbour { bridge, ip } => self.delete(neighbour(bridge, ip)).await,
        }
    }

    async fn set_up(&self, index: u32, master: Option<u32>, mtu: u32, what: &str) -> Result<(), NetlinkError> {
        // An address of the host's on a tenant's network would be a way in. Without IPv6 there is none to forbid.
        let no_address = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
        let mut message = LinkUnspec::new_with_index(index).build();
        let inet6 = AfSpecUnspec::Inet6(vec![no_address]);
        message.attributes.push(LinkAttribute::AfSpecUnspec(vec![inet6]));
        if let Err(error) = self.handle.link().set(message).execute().await {
            tracing::debug!(%error, index, "IPv6 addresses can't be kept off {what}");
        }
        let mut message = LinkUnspec::new_with_index(index).alias(ALIAS).mtu(mtu).up();
        if let Some(master) = master {
            message = message.controller(master);
        }
        refused(&format!("{what} can't be set up"), self.handle.link().set(message.build()).execute().await)
    }

    async fn add(&self, message: NeighbourMessage, flags: u16) -> Result<(), NetlinkError> {
        let what = format!("an entry can't be written ({})", describe(&message));
        self.request(RouteNetlinkMessage::NewNeighbour(message), flags, what).await
    }

    /// An entry that is gone already is as good.
    async fn delete(&self, message: NeighbourMessage) -> Result<(), NetlinkError> {
        let what = format!("an entry can't be deleted ({})", describe(&message));
        gone(self.request(RouteNetlinkMessage::DelNeighbour(message), 0, what).await)
    }

    async fn request(&self, message: RouteNetlinkMessage, flags: u16, what: String) -> Result<(), NetlinkError> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        let Ok(mut answers) = self.handle.clone().request(request) else { return Err(NetlinkError::Ended(what)) };
        while let Some(answer) = answers.next().await {
            if let NetlinkPayload::Error(error) = answer.payload
                && error.code.is_some()
            {
                return Err(NetlinkError::Refused { what, why: error.to_io() });
            }
        }
        Ok(())
    }
}

fn fdb(index: u32, mac: MacAddr, vtep: Option<std::net::Ipv4Addr>, marked: bool) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Bridge;
    message.header.ifindex = index;
    message.header.state = NeighbourState::Permanent;
    message.header.flags = if vtep.is_some() { NeighbourFlags::Own } else { NeighbourFlags::Controller };
    if marked {
        message.header.flags |= NeighbourFlags::ExtLearned;
    }
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.octets().to_vec()));
    message.attributes.extend(vtep.map(|ip| NeighbourAttribute::Destination(ip.into())));
    message
}

fn neighbour(bridge: u32, ip: std::net::IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.ifindex = bridge;
    message.header.state = NeighbourState::Noarp;
    message.header.flags = NeighbourFlags::ExtLearned;
    message.attributes.push(NeighbourAttribute::Destination(ip.into()));
    message.attributes.push(NeighbourAttribute::Protocol(PROTOCOL));
    message
}

fn describe(message: &NeighbourMessage) -> String {
    match news(&RouteNetlinkMessage::NewNeighbour(message.clone())) {
        Some(news) => format!("{news:?}"),
        None => format!("interface {}", message.header.ifindex),
    }
}

fn unreadable(what: &'static str, error: &rtnetlink::Error) -> NetlinkError {
    NetlinkError::Read { what, why: error.to_string() }
}

fn refused(what: &str, result: Result<(), rtnetlink::Error>) -> Result<(), NetlinkError> {
    result.map_err(|error| match error {
        rtnetlink::Error::NetlinkError(error) => NetlinkError::Refused { what: what.to_owned(), why: error.to_io() },
        _ => NetlinkError::Ended(what.to_owned()),
    })
}

impl NetlinkError {
    /// Whether another program was faster: what was to be made is there (EEXIST). It is for a fresh look to say what that means.
    pub(super) fn is_overtaken(&self) -> bool {
        matches!(self, Self::Refused { why, .. } if why.raw_os_error() == Some(17))
    }
}

/// What is to be deleted and isn't there has been deleted.
fn gone(result: Result<(), NetlinkError>) -> Result<(), NetlinkError> {
    match result {
        // ENOENT, ENODEV
        Err(NetlinkError::Refused { why, .. }) if matches!(why.raw_os_error(), Some(2 | 19)) => Ok(()),
        other => other,
    }
}

// ===== hearing =====

fn listen() -> io::Result<TokioSocket> {
    let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
    let groups =
        [MulticastGroup::Link, MulticastGroup::Neigh].iter().fold(0, |all, group| all | 1 << (*group as u32 - 1));
    socket.socket_mut().bind(&SocketAddr::new(0, groups))?;
    socket.socket_mut().set_rx_buf_sz(BUFFER)?;
    Ok(socket)
}

/// Hears until the connection is dropped.
async fn hear(socket: TokioSocket, tell: mpsc::Sender<KernelEvent>) {
    loop {
        let heard = match socket.recv_from_full().await {
            Ok((datagram, _)) => decoded(&datagram),
            // ENOBUFS: more came than the socket holds.
            Err(error) => {
                tracing::warn!(%error, "news of the kernel were lost: all is read again");
                vec![KernelEvent::Lost]
            }
        };
        for news in heard {
            if tell.send(news).await.is_err() {
                return;
            }
        }
    }
}

fn decoded(mut datagram: &[u8]) -> Vec<KernelEvent> {
    let mut heard = Vec::new();
    while !datagram.is_empty() {
        let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(datagram) else {
            heard.push(KernelEvent::Lost);
            break;
        };
        let length = usize::try_from(message.header.length).unwrap_or(0).next_multiple_of(4);
        if let NetlinkPayload::InnerMessage(inner) = message.payload {
            heard.extend(news(&inner).map(KernelEvent::News));
        }
        datagram = if length == 0 { &[] } else { datagram.get(length..).unwrap_or_default() };
    }
    heard
}
