//! The ground floor: the words that every room shares, parsed once at the edge and trusted inside.

pub mod change;
pub mod event;
mod ids;
pub mod indexed;
mod learned;
mod mac;
pub mod printable;
pub mod problem;
pub mod reason;
mod relay;
pub mod status;
pub mod text;
mod topology;
mod unicast;
mod vxlan;

pub use change::{Change, ChangeSet, FeedEvent, LearnedChange, Revision, TOMBSTONES, Tombstone};
pub use ids::{ConnectionId, DeviceId, EndpointId, GatewayId, NetworkId, PortId, SubnetId};
pub use learned::{Election, Idle, Ips, LearnedMac, SwitchVteps};
pub use mac::{MacAddr, ParseMacError};
pub use relay::{ActiveActive, GatewayConfig, RelayConfig};
pub use topology::{
    AddressPair, Binding, Connection, Device, Elsewhere, FixedIp, Gateway, Interface, Network, Port, Subnet,
    TunnelEndpoint, bindings,
};
pub use unicast::{
    NotUnicastIp, NotUnicastMac, NotVtep, check_host_ip, check_pair_ip, check_vtep, is_host_ip, is_vtep,
};
pub use vxlan::{InvalidVlan, InvalidVni, VlanId, Vni};

#[cfg(test)]
mod tests;
