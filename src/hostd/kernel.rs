//! What the kernel holds, as far as it concerns us, and what can be done to it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, Ipv4Addr},
};

use crate::model::{MacAddr, Vni};

/// Marks our interfaces (`ip link show`, `alias`).
pub(super) const ALIAS: &str = "vtep-hostd";

const VXLAN: &str = "vtep-";
const BRIDGE: &str = "vtbr-";

/// Index of an interface.
pub(super) type Index = u32;

/// `vtep-5000`
pub(super) fn vxlan_name(vni: Vni) -> String {
    format!("{VXLAN}{vni}")
}

/// `vtbr-5000`: hypervisors put the virtual machines' interfaces into it.
pub(super) fn bridge_name(vni: Vni) -> String {
    format!("{BRIDGE}{vni}")
}

/// What an interface is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LinkKind {
    Vxlan {
        vni: u32,
        local: Option<Ipv4Addr>,
        port: u16,
        learning: bool,
        /// The underlay interface that it is tied to.
        device: Option<Index>,
    },
    Bridge,
    Other,
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) alias: String,
    pub(super) kind: LinkKind,
    pub(super) master: Option<Index>,
    pub(super) mtu: u32,
    pub(super) up: bool,
    /// Of a bridge's port: whether the bridge answers ARP for what is behind it.
    pub(super) suppresses: bool,
}

impl Link {
    /// The network whose VXLAN device this is by its name.
    pub(super) fn vxlan_of(&self) -> Option<Vni> {
        named(&self.name, VXLAN)
    }

    /// The network whose bridge this is by its name.
    pub(super) fn bridge_of(&self) -> Option<Vni> {
        named(&self.name, BRIDGE)
    }

    pub(super) fn is_ours(&self) -> bool {
        self.alias == ALIAS
    }
}

fn named(name: &str, prefix: &str) -> Option<Vni> {
    let vni = Vni::try_from(name.strip_prefix(prefix)?.parse::<i64>().ok()?).ok()?;
    // No leading zeros or signs: one network, one name.
    (name == format!("{prefix}{vni}")).then_some(vni)
}

/// Where a VXLAN device sends a MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Remote {
    pub(super) vtep: Ipv4Addr,
    /// Whether the kernel says that a control plane set it (`extern_learn`), which on our devices is us.
    pub(super) ours: bool,
}

/// The FDB of one of our VXLAN devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Forwarding {
    pub(super) unicast: HashMap<MacAddr, Remote>,
    /// Destinations of the all-zero MAC: what has no entry, and broadcasts.
    pub(super) flood: BTreeSet<Ipv4Addr>,
}

/// What a bridge of ours knows of a MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Station {
    /// The bridge's port.
    pub(super) port: Index,
    pub(super) origin: Origin,
}

/// Who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The bridge saw a frame.
    Learned,
    /// A control plane (`extern_learn`): us.
    Ours,
    /// It is the address of one of the host's own interfaces, or another program's fixed entry.
    Fixed,
}

/// A neighbour entry on a bridge of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Neighbour {
    pub(super) mac: MacAddr,
    pub(super) ours: bool,
}

/// All that is known of the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Kernel {
    pub(super) links: BTreeMap<Index, Link>,
    /// The interface that has our VTEP's address.
    pub(super) underlay: Option<Index>,
    /// By VXLAN device.
    pub(super) forwarding: HashMap<Index, Forwarding>,
    /// By bridge.
    pub(super) stations: HashMap<Index, HashMap<MacAddr, Station>>,
    /// By bridge.
    pub(super) neighbours: HashMap<Index, HashMap<IpAddr, Neighbour>>,
}

impl Kernel {
    pub(super) fn find(&self, name: &str) -> Option<(Index, &Link)> {
        self.links.iter().find(|(_, link)| link.name == name).map(|(index, link)| (*index, link))
    }

    /// Takes a notification; which network it concerns, and what of it.
    pub(super) fn apply(&mut self, news: News) -> Touched {
        match news {
            News::Link(index, link) => {
                let network = link.vxlan_of().or(link.bridge_of());
                let before = self.links.insert(index, link);
                let member = |link: &Link| link.master.and_then(|master| self.links.get(&master)?.bridge_of());
                let same = before.as_ref() == self.links.get(&index);
                let joined = self.links.get(&index).and_then(member);
                let left = before.as_ref().and_then(member);
                if same || (network.or(joined).or(left).is_none()) { Touched::Nothing } else { Touched::Links }
            }
            News::LinkGone(index) => {
                let Some(link) = self.links.remove(&index) else { return Touched::Nothing };
                self.forwarding.remove(&index);
                self.stations.remove(&index);
                self.neighbours.remove(&index);
                for stations in self.stations.values_mut() {
                    stations.retain(|_, station| station.port != index);
                }
                let ours = link.vxlan_of().or(link.bridge_of()).is_some();
                let member = link.master.and_then(|master| self.links.get(&master)?.bridge_of()).is_some();
                if ours || member { Touched::Links } else { Touched::Nothing }
            }
            News::Forward { device, mac, remote } => {
                let Some(vni) = self.links.get(&device).and_then(Link::vxlan_of) else { return Touched::Nothing };
                let forwarding = self.forwarding.entry(device).or_default();
                let before = forwarding.unicast.get(&mac).copied();
                match remote {
                    Some(remote) => forwarding.unicast.insert(mac, remote),
                    None => forwarding.unicast.remove(&mac),
                };
                if before == remote { Touched::Nothing } else { Touched::Mac(vni, mac) }
            }
            News::Flood { device, vtep, there } => {
                let Some(vni) = self.links.get(&device).and_then(Link::vxlan_of) else { return Touched::Nothing };
                let flood = &mut self.forwarding.entry(device).or_default().flood;
                let changed = if there { flood.insert(vtep) } else { flood.remove(&vtep) };
                if changed { Touched::Flood(vni) } else { Touched::Nothing }
            }
            News::Station { bridge, mac, station } => {
                let Some(vni) = self.links.get(&bridge).and_then(Link::bridge_of) else { return Touched::Nothing };
                let stations = self.stations.entry(bridge).or_default();
                let before = stations.get(&mac).copied();
                match station {
                    Some(station) => stations.insert(mac, station),
                    None => stations.remove(&mac),
                };
                if before == station { Touched::Nothing } else { Touched::Mac(vni, mac) }
            }
            News::Neighbour { bridge, ip, neighbour } => {
                let Some(vni) = self.links.get(&bridge).and_then(Link::bridge_of) else { return Touched::Nothing };
                let neighbours = self.neighbours.entry(bridge).or_default();
                let before = neighbours.get(&ip).copied();
                match neighbour {
                    Some(neighbour) => neighbours.insert(ip, neighbour),
                    None => neighbours.remove(&ip),
                };
                match before.or(neighbour) {
                    Some(entry) if before != neighbour => Touched::Mac(vni, entry.mac),
                    _ => Touched::Nothing,
                }
            }
        }
    }
}

/// What the kernel reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    Link(Index, Link),
    LinkGone(Index),
    /// Of a VXLAN device; `None`: gone.
    Forward {
        device: Index,
        mac: MacAddr,
        remote: Option<Remote>,
    },
    Flood {
        device: Index,
        vtep: Ipv4Addr,
        there: bool,
    },
    /// Of a bridge; `None`: gone.
    Station {
        bridge: Index,
        mac: MacAddr,
        station: Option<Station>,
    },
    Neighbour {
        bridge: Index,
        ip: IpAddr,
        neighbour: Option<Neighbour>,
    },
}

/// What is to be planned again after some news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touched {
    Nothing,
    Links,
    Mac(Vni, MacAddr),
    Flood(Vni),
}

/// Something to be done to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    AddBridge {
        vni: Vni,
        mtu: u32,
    },
    AddVxlan {
        vni: Vni,
        mtu: u32,
        /// The underlay interface that it is tied to.
        underlay: Option<Index>,
    },
    /// Its master, our mark, MTU, up; and, where that is to be changed, whether the bridge answers ARP for what is behind
    /// it.
    SetVxlan {
        device: Index,
        bridge: Index,
        mtu: u32,
        suppress: Option<bool>,
    },
    /// Our mark, MTU, up.
    SetBridge {
        bridge: Index,
        mtu: u32,
    },
    Delete {
        index: Index,
        name: String,
    },
    /// Where it was to another VTEP, it is moved.
    Forward {
        device: Index,
        mac: MacAddr,
        vtep: Ipv4Addr,
        moved: bool,
    },
    Forget {
        device: Index,
        mac: MacAddr,
        vtep: Ipv4Addr,
    },
    Flood {
        device: Index,
        vtep: Ipv4Addr,
    },
    Unflood {
        device: Index,
        vtep: Ipv4Addr,
    },
    /// Tells a bridge that a MAC is behind its VXLAN device, without which it answers no ARP for it.
    Station {
        bridge: Index,
        port: Index,
        mac: MacAddr,
    },
    Unstation {
        bridge: Index,
        port: Index,
        mac: MacAddr,
    },
    Neighbour {
        bridge: Index,
        ip: IpAddr,
        mac: MacAddr,
    },
    Unneighbour {
        bridge: Index,
        ip: IpAddr,
    },
}

impl Operation {
    /// What the kernel will report once it is done; nothing for links, which are read again.
    pub(super) fn effect(&self) -> Option<News> {
        Some(match *self {
            Self::AddBridge { .. } | Self::AddVxlan { .. } | Self::SetVxlan { .. } | Self::SetBridge { .. } => {
                return None;
            }
            Self::Delete { index, .. } => News::LinkGone(index),
            Self::Forward { device, mac, vtep, .. } => {
                News::Forward { device, mac, remote: Some(Remote { vtep, ours: true }) }
            }
            Self::Forget { device, mac, .. } => News::Forward { device, mac, remote: None },
            Self::Flood { device, vtep } => News::Flood { device, vtep, there: true },
            Self::Unflood { device, vtep } => News::Flood { device, vtep, there: false },
            Self::Station { bridge, port, mac } => {
                News::Station { bridge, mac, station: Some(Station { port, origin: Origin::Ours }) }
            }
            Self::Unstation { bridge, mac, .. } => News::Station { bridge, mac, station: None },
            Self::Neighbour { bridge, ip, mac } => {
                News::Neighbour { bridge, ip, neighbour: Some(Neighbour { mac, ours: true }) }
            }
            Self::Unneighbour { bridge, ip } => News::Neighbour { bridge, ip, neighbour: None },
        })
    }
}
