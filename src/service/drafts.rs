//! What front ends ask for: rows to create, changes to make, filters. Types that a front end can fill from JSON
//! without knowing a rule; the rules are the service's.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde_json::{Map, Value};

use crate::model::{MacAddr, VlanId, Vni};

/// Who calls.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Project of the token: the default `tenant_id` of what it creates; empty where there is none.
    pub project_id: String,
    /// Keystone's name of the user, for the journal; empty where there is none.
    pub user: String,
    /// The compute node whose token it is: it has to do with the ports of that host alone. `None`: an admin.
    pub host: Option<String>,
}

/// Whose rules hold where the two dialects differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `/v2`: one or two devices, names of devices and interfaces up to 36 characters, VLANs on some interfaces only;
    /// gateways and networks are named by UUID or name.
    Specification,
    /// `/v2.0`: any number of devices, names up to 255 characters, VLANs on all interfaces or on none; paths take the
    /// UUID alone.
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
    /// VLANs; empty: the connection's default. One that is given twice counts once.
    pub vlans: Vec<VlanId>,
}

/// A change of a gateway. Removals are done first, then replacements, then additions.
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

/// Values of attributes by name, each of the form that its [`super::Attribute`] declares.
pub type GivenAttributes = Map<String, Value>;

/// A network to create.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkDraft {
    /// Name.
    pub name: String,
    /// Project; `None`: the caller's.
    pub tenant_id: Option<String>,
    /// Its VXLAN segment.
    pub segment: SegmentRequest,
    /// What clients keep with it.
    pub attributes: GivenAttributes,
}

/// The VXLAN segment of a network to create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentRequest {
    /// A VNI from `vni_ranges`.
    Allocate,
    /// This VNI, in `vni_ranges` or not.
    Vni(Vni),
    /// No VXLAN segment: the network can't be connected.
    None,
}

/// A change of a network.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NetworkUpdate {
    /// A new name.
    pub name: Option<String>,
    /// A new project.
    pub tenant_id: Option<String>,
    /// Attributes to change.
    pub attributes: GivenAttributes,
}

/// A subnet to create.
#[derive(Debug, Clone, PartialEq)]
pub struct SubnetDraft {
    /// Name.
    pub name: String,
    /// Project; `None`: the caller's.
    pub tenant_id: Option<String>,
    /// The network's UUID.
    pub network: String,
    /// The range; any address of it will do.
    pub cidr: IpNetwork,
    /// The router's address; `None`: the first one, `Some(None)`: there is no router.
    pub gateway: Option<Option<IpAddr>>,
    /// What addresses are given away from, first and last; `None`: all but the router's.
    pub pools: Option<Vec<(IpAddr, IpAddr)>>,
    /// What clients keep with it.
    pub attributes: GivenAttributes,
}

/// A change of a subnet; `None` leaves a member as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SubnetUpdate {
    /// A new name.
    pub name: Option<String>,
    /// The router's address; `Some(None)`: there is no router.
    pub gateway: Option<Option<IpAddr>>,
    /// What addresses are given away from, first and last.
    pub pools: Option<Vec<(IpAddr, IpAddr)>>,
    /// Attributes to change.
    pub attributes: GivenAttributes,
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
    /// Addresses; `None`: one of each family that the network has subnets of.
    pub fixed_ips: Option<Vec<FixedIpDraft>>,
    /// Compute node; `None` or empty: unbound.
    pub host: Option<String>,
    /// Further addresses.
    pub allowed_address_pairs: Vec<AddressPairDraft>,
    /// What clients keep with it.
    pub attributes: GivenAttributes,
}

/// An address of a port to create, or where it is to come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FixedIpDraft {
    /// The address; `None`: a free one of the subnet.
    pub ip: Option<IpAddr>,
    /// UUID of the subnet; `None`: the one that the address is in, if any is.
    pub subnet_id: Option<String>,
}

/// An entry of `allowed_address_pairs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressPairDraft {
    /// The MAC; `None`: the port's own.
    pub mac: Option<MacAddr>,
    /// The address, or a prefix of addresses.
    pub ip: IpNetwork,
}

/// A change of a port; `None` leaves a member as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PortUpdate {
    /// A new name.
    pub name: Option<String>,
    /// A new project.
    pub tenant_id: Option<String>,
    /// A new MAC.
    pub mac: Option<MacAddr>,
    /// The new list of addresses.
    pub fixed_ips: Option<Vec<FixedIpDraft>>,
    /// The compute node; `Some(None)` or an empty name unbinds the port.
    pub host: Option<Option<String>>,
    /// The new list of further addresses.
    pub allowed_address_pairs: Option<Vec<AddressPairDraft>>,
    /// Attributes to change.
    pub attributes: GivenAttributes,
}

/// A tunnel endpoint to create.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointDraft {
    /// Compute node.
    pub host: String,
    /// Its VTEP address; IPv6 is refused.
    pub ip: IpAddr,
}
