//! rtnetlink's messages as news.

use std::net::{IpAddr, Ipv4Addr};

use rtnetlink::packet_route::{
    AddressFamily, RouteNetlinkMessage,
    link::{
        InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
    },
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState},
};

use super::kernel::{Index, Link, LinkKind, Neighbour, News, Origin, Remote, Station};
use crate::model::MacAddr;

/// The MAC of flood entries.
pub(super) const ZERO: MacAddr = MacAddr::new([0; 6]);

/// What a notification, or a message of a dump, says; `None`: nothing that concerns us.
pub(super) fn news(message: &RouteNetlinkMessage) -> Option<News> {
    match message {
        // Bridges send a message of their own kind for their ports, without most attributes.
        RouteNetlinkMessage::NewLink(message) if message.header.interface_family == AddressFamily::Unspec => {
            Some(News::Link(message.header.index, link(message)))
        }
        RouteNetlinkMessage::DelLink(message) if message.header.interface_family == AddressFamily::Unspec => {
            Some(News::LinkGone(message.header.index))
        }
        RouteNetlinkMessage::NewNeighbour(message) => neighbour(message, true),
        RouteNetlinkMessage::DelNeighbour(message) => neighbour(message, false),
        _ => None,
    }
}

fn link(message: &LinkMessage) -> Link {
    let up = message.header.flags.contains(LinkFlags::Up);
    let mut link = Link {
        name: String::new(),
        alias: String::new(),
        kind: LinkKind::Other,
        master: None,
        mtu: 0,
        up,
        suppresses: false,
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::IfAlias(alias) => link.alias.clone_from(alias),
            LinkAttribute::Controller(index) => link.master = Some(*index).filter(|index| *index != 0),
            LinkAttribute::Mtu(bytes) => link.mtu = *bytes,
            LinkAttribute::LinkInfo(infos) => infos.iter().for_each(|info| link_info(info, &mut link)),
            _ => {}
        }
    }
    link
}

fn link_info(info: &LinkInfo, link: &mut Link) {
    match info {
        LinkInfo::Kind(InfoKind::Bridge) => link.kind = LinkKind::Bridge,
        LinkInfo::Data(InfoData::Vxlan(parameters)) => link.kind = vxlan(parameters),
        LinkInfo::PortData(InfoPortData::BridgePort(parameters)) => {
            link.suppresses = parameters.iter().any(|info| matches!(info, InfoBridgePort::NeighSupress(true)));
        }
        _ => {}
    }
}

fn vxlan(parameters: &[InfoVxlan]) -> LinkKind {
    let (mut number, mut source, mut udp, mut learns, mut lower) = (0, None, 0, false, None);
    for parameter in parameters {
        match parameter {
            InfoVxlan::Id(vni) => number = *vni,
            InfoVxlan::Local(ip) => source = Some(*ip),
            InfoVxlan::Port(port) => udp = *port,
            InfoVxlan::Learning(learning) => learns = *learning,
            InfoVxlan::Link(index) => lower = Some(*index).filter(|index| *index != 0),
            _ => {}
        }
    }
    LinkKind::Vxlan { vni: number, local: source, port: udp, learning: learns, device: lower }
}

fn neighbour(message: &NeighbourMessage, there: bool) -> Option<News> {
    let mut found = Attributes::default();
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::LinkLayerAddress(octets) => {
                found.mac = <[u8; 6]>::try_from(octets.as_slice()).ok().map(MacAddr::new);
            }
            NeighbourAttribute::Destination(address) => found.destination = ip(address),
            NeighbourAttribute::Controller(index) => found.bridge = Some(*index),
            _ => {}
        }
    }
    let (header, index) = (&message.header, message.header.ifindex);
    let ours = header.flags.contains(NeighbourFlags::ExtLearned);
    match header.family {
        AddressFamily::Bridge => match (found.bridge, found.destination) {
            // Only VXLAN devices have destinations in their own FDB.
            (None, Some(IpAddr::V4(vtep))) if found.mac == Some(ZERO) => {
                Some(News::Flood { device: index, vtep, there })
            }
            (None, Some(IpAddr::V4(vtep))) => {
                Some(News::Forward { device: index, mac: found.mac?, remote: there.then_some(Remote { vtep, ours }) })
            }
            (Some(bridge), None) => {
                let station = Station { port: index, origin: origin(ours, header.state) };
                Some(News::Station { bridge, mac: found.mac?, station: there.then_some(station) })
            }
            _ => None,
        },
        AddressFamily::Inet | AddressFamily::Inet6 => {
            // A neighbour that didn't answer has no MAC, and is none.
            let entry = found.mac.filter(|_| there && header.state != NeighbourState::Failed);
            let neighbour = entry.map(|mac| Neighbour { mac, ours });
            Some(News::Neighbour { bridge: index, ip: found.destination?, neighbour })
        }
        _ => None,
    }
}

#[derive(Default)]
struct Attributes {
    mac: Option<MacAddr>,
    destination: Option<IpAddr>,
    bridge: Option<Index>,
}

fn origin(ours: bool, state: NeighbourState) -> Origin {
    match state {
        _ if ours => Origin::Ours,
        NeighbourState::Permanent | NeighbourState::Noarp => Origin::Fixed,
        _ => Origin::Learned,
    }
}

fn ip(address: &NeighbourAddress) -> Option<IpAddr> {
    match address {
        NeighbourAddress::Inet(ip) => Some((*ip).into()),
        NeighbourAddress::Inet6(ip) => Some((*ip).into()),
        // In an FDB's message the address has no family of its own: its length tells.
        NeighbourAddress::Other(octets) => {
            <[u8; 4]>::try_from(octets.as_slice()).ok().map(|octets| Ipv4Addr::from(octets).into())
        }
        _ => None,
    }
}
