//! Use cases and their rules: gateways, connections, networks, ports, tunnel endpoints. Every front end (both REST
//! dialects, the admin socket) calls these and nothing below.

pub mod view;

use std::net::Ipv4Addr;

use crate::model::{AddressPair, FixedIp, MacAddr, VlanId, Vni};

/// Who calls.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Project of the token: the default `tenant_id` of what it creates; empty where there is none.
    pub project_id: String,
}

/// Whose rules hold where the two dialects differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `/v2`: one or two devices, names of devices and interfaces up to 36 characters, VLANs on some interfaces only.
    Specification,
    /// `/v2.0`: any number of devices, names up to 255 characters, VLANs on all interfaces or on none.
    Neutron,
}

/// A gateway to create.
#[derive(Debug, Clone, PartialEq)]
pub struct GatewayDraft {
    /// Name, up to 255 characters.
    pub name: String,
    /// Project; `None`: the caller's.
    pub tenant_id: Option<String>,
    /// The switches.
    pub devices: Vec<DeviceDraft>,
}

/// A device to create, or one whose interfaces are given.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceDraft {
    /// `Physical_Switch.name`.
    pub name: String,
    /// Its interfaces.
    pub interfaces: Vec<InterfaceDraft>,
}

/// An interface to create.
#[derive(Debug, Clone, PartialEq)]
pub struct InterfaceDraft {
    /// `Physical_Port.name`.
    pub name: String,
    /// VLANs; empty: the connection's default.
    pub vlans: Vec<VlanId>,
}

/// A change of a gateway. Removals are done first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GatewayUpdate {
    /// A new name.
    pub name: Option<String>,
    /// A new project.
    pub tenant_id: Option<String>,
    /// `deleted_interfaces`: (device, interface); without a device: on every device that has it.
    pub remove: Vec<(Option<String>, String)>,
    /// `new_interfaces`: on existing devices; an interface that exists gets further VLANs.
    pub add: Vec<DeviceDraft>,
    /// `/v2.0`: the whole interface list of each named device.
    pub replace: Vec<DeviceDraft>,
}

/// A connection to create. Gateway and network are named by UUID or, in `/v2`, by name.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionDraft {
    /// The gateway.
    pub gateway: String,
    /// The network.
    pub network: String,
    /// VLAN of interfaces that name none.
    pub default_vlan: Option<VlanId>,
    /// The specification's `port_id`; generated where it is not given.
    pub port_id: Option<String>,
    /// Project; `None`: the caller's.
    pub tenant_id: Option<String>,
}

/// A network to create.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkDraft {
    /// Name.
    pub name: String,
    /// Project; `None`: the caller's.
    pub tenant_id: Option<String>,
    /// VNI; `None`: allocated from `vni_ranges`.
    pub vni: Option<Vni>,
}

/// A port to create.
#[derive(Debug, Clone, PartialEq)]
pub struct PortDraft {
    /// Name.
    pub name: String,
    /// Project; `None`: the caller's.
    pub tenant_id: Option<String>,
    /// The network's UUID.
    pub network: String,
    /// MAC; `None`: allocated (fa:16:3e:…).
    pub mac: Option<MacAddr>,
    /// Addresses.
    pub fixed_ips: Vec<FixedIp>,
    /// Compute node.
    pub host: Option<String>,
    /// Further addresses; the MAC `None` is the port's own.
    pub allowed_address_pairs: Vec<AddressPair>,
}

/// A tunnel endpoint to create.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointDraft {
    /// Compute node.
    pub host: String,
    /// Its VTEP address.
    pub ip: Ipv4Addr,
}
