//! The rows of `hardware_vtep` that are kept in another form than a message has them: a switch holds up to a million of them.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use uuid::Uuid;

pub use super::tables::{LogicalSwitch, PhysicalPort, PhysicalSwitch};
use crate::model::{MacAddr, indexed::Record};

/// Number of a Logical_Switch in the [`super::Replica`].
pub type LogicalSwitchIndex = u32;
/// Number of a Physical_Locator in the [`super::Replica`].
pub type LocatorIndex = u32;

/// `Logical_Switch.replication_mode` (schema 1.6): who copies broadcast, unknown and multicast frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicationMode {
    /// The switch sends to every member of the flood list.
    SourceNode,
    /// The switch sends to one member, which copies.
    ServiceNode,
}

impl ReplicationMode {
    /// As the column spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ReplicationMode::SourceNode => "source_node",
            ReplicationMode::ServiceNode => "service_node",
        }
    }
}

/// A row of Physical_Locator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locator {
    /// `dst_ip`, where it is an IPv4 address, as `vxlan_over_ipv4` asks for.
    pub ip: Option<Ipv4Addr>,
    /// Whether `tunnel_key` is set: a tunnel with a key of its own, which we never use.
    pub keyed: bool,
}

/// A row of Mcast_Macs_Remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Multicast {
    /// `logical_switch`.
    pub logical_switch: LogicalSwitchIndex,
    /// Whether `MAC` is `unknown-dst`: the flood list.
    pub unknown_dst: bool,
    /// `locator_set`.
    pub set: Uuid,
}

/// A row of Ucast_Macs_Remote. 48 bytes, and so is an `Option` of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unicast {
    /// `_uuid`.
    pub uuid: Uuid,
    /// `MAC`.
    pub mac: MacAddr,
    /// `ipaddr`.
    pub ip: RowIp,
    /// `logical_switch`.
    pub logical_switch: LogicalSwitchIndex,
    /// `locator`.
    pub locator: LocatorIndex,
}

const _: () = assert!(size_of::<Option<Unicast>>() == 48);

impl Record for Unicast {
    type Id = u128;
    type Key = (LogicalSwitchIndex, MacAddr);

    fn id(&self) -> u128 {
        self.uuid.as_u128()
    }

    fn key(&self) -> (LogicalSwitchIndex, MacAddr) {
        (self.logical_switch, self.mac)
    }
}

/// `ipaddr`: the schema takes any text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RowIp {
    /// Empty.
    #[default]
    None,
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
    /// Something else: never what is desired.
    Other,
}

impl RowIp {
    /// Reads the column.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        if let Some(ip) = dotted(text) {
            return RowIp::V4(ip);
        }
        match std::str::from_utf8(text).map(str::parse) {
            Ok(Ok(ip)) => RowIp::V6(ip),
            _ if text.is_empty() => RowIp::None,
            _ => RowIp::Other,
        }
    }
}

impl From<Option<IpAddr>> for RowIp {
    fn from(ip: Option<IpAddr>) -> Self {
        match ip {
            None => RowIp::None,
            Some(IpAddr::V4(ip)) => RowIp::V4(ip),
            Some(IpAddr::V6(ip)) => RowIp::V6(ip),
        }
    }
}

/// Reads what [`Ipv4Addr`]'s `FromStr` reads, at a fifth of its cost: there is one in most rows.
fn dotted(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = text.split(|byte| *byte == b'.');
    for octet in &mut octets {
        *octet = match *parts.next()? {
            [a @ b'0'..=b'9'] => a - b'0',
            [a @ b'1'..=b'9', b @ b'0'..=b'9'] => (a - b'0') * 10 + (b - b'0'),
            [a @ b'1'..=b'2', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
                u8::try_from(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')).ok()?
            }
            _ => return None,
        };
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

/// A map of texts: `bfd_params` and its like.
pub type Strings = BTreeMap<String, String>;

/// A row of Tunnel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tunnel {
    /// `local`: the switch's end.
    pub local: LocatorIndex,
    /// `remote`: the compute node's, or another switch's.
    pub remote: LocatorIndex,
    /// `bfd_params`.
    pub bfd_params: Strings,
    /// `bfd_config_remote`.
    pub bfd_config_remote: Strings,
    /// `bfd_status`.
    pub bfd_status: Strings,
}
