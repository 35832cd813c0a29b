//! What an operator and OpenStack define: gateways, connections, networks, ports, tunnel endpoints.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::{ConnectionId, DeviceId, EndpointId, GatewayId, MacAddr, NetworkId, PortId, SubnetId, VlanId, Vni};

/// A logical gateway: one or two switches (active/active) with the ports that it may bind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// Identity.
    pub id: GatewayId,
    /// Name; not unique.
    pub name: String,
    /// Project that owns it; empty where nobody does.
    pub tenant_id: String,
    /// In the order in which they were given.
    pub devices: Vec<Device>,
}

/// A switch of a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Identity.
    pub id: DeviceId,
    /// Name of the switch's section in plumgrid.ini.
    pub name: String,
    /// In the order in which they were given; one entry a name.
    pub interfaces: Vec<Interface>,
}

/// A port of a switch, and the VLANs that a connection binds on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// `Physical_Port.name`.
    pub name: String,
    /// In the order in which they were given, each once; empty: the connection's default applies.
    pub vlans: Vec<VlanId>,
}

/// A gateway's ports joined to a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Identity.
    pub id: ConnectionId,
    /// Project that owns it; empty where nobody does.
    pub tenant_id: String,
    /// The gateway.
    pub gateway_id: GatewayId,
    /// The network.
    pub network_id: NetworkId,
    /// The specification's `port_id`: kept and shown, without a further meaning.
    pub port_id: String,
    /// The VLAN of interfaces that name none (`default_segmentation_id`).
    pub default_vlan: Option<VlanId>,
}

/// A Neutron network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Identity.
    pub id: NetworkId,
    /// Name; any Unicode, not unique.
    pub name: String,
    /// Project that owns it; empty where nobody does.
    pub tenant_id: String,
    /// VNI of its VXLAN segment; `None` where it has no such segment and can't be connected.
    pub vni: Option<Vni>,
}

/// A range of addresses on a network: where the addresses of ports come from. Switches know nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Identity.
    pub id: SubnetId,
    /// Name; not unique.
    pub name: String,
    /// Project that owns it; empty where nobody does.
    pub tenant_id: String,
    /// The network.
    pub network_id: NetworkId,
    /// The range, its address being the first one.
    pub cidr: IpNetwork,
    /// The router's address, where there is one.
    pub gateway_ip: Option<IpAddr>,
    /// First and last address of each part that addresses are given away from.
    pub pools: Vec<(IpAddr, IpAddr)>,
}

/// A virtual machine's port on a network.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Port {
    /// Identity.
    pub id: PortId,
    /// Name; not unique.
    pub name: String,
    /// Project that owns it; empty where nobody does.
    pub tenant_id: String,
    /// The network.
    pub network_id: NetworkId,
    /// The port's own MAC.
    pub mac: MacAddr,
    /// Its addresses.
    pub fixed_ips: Vec<FixedIp>,
    /// Compute node that hosts it (`binding:host_id`); `None` while unbound.
    pub host: Option<String>,
    /// Where else it is.
    #[serde(default, skip_serializing_if = "Elsewhere::is_nowhere")]
    pub elsewhere: Elsewhere,
    /// Further addresses that it may speak for.
    pub allowed_address_pairs: Vec<AddressPair>,
}

impl Port {
    /// The compute nodes that claim its MACs: its host, or all of a distributed port's.
    pub fn claiming_hosts(&self) -> impl Iterator<Item = &str> {
        let distributed = match &self.elsewhere {
            Elsewhere::Distributed(hosts) => hosts.as_slice(),
            Elsewhere::Nowhere | Elsewhere::Migrating(_) => &[],
        };
        self.host.iter().chain(distributed).map(String::as_str)
    }

    /// Further compute nodes that want its network's broadcasts, and claim no MAC.
    pub fn flooded_hosts(&self) -> &[String] {
        match &self.elsewhere {
            Elsewhere::Migrating(hosts) => hosts,
            Elsewhere::Nowhere | Elsewhere::Distributed(_) => &[],
        }
    }
}

/// Compute nodes of a port besides its host. Neutron's own database has them; the API knows one host a port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Elsewhere {
    /// Nowhere.
    #[default]
    Nowhere,
    /// It has bindings there that aren't active (yet): a live migration. Sorted.
    Migrating(Vec<String>),
    /// It is there on all of these alike, a distributed router's. Sorted.
    Distributed(Vec<String>),
}

impl Elsewhere {
    /// Whether there is none.
    pub fn is_nowhere(&self) -> bool {
        *self == Self::Nowhere
    }
}

/// An address of a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FixedIp {
    /// The address.
    pub ip: IpAddr,
    /// Neutron's subnet (a UUID), where one is known.
    pub subnet_id: Option<String>,
}

/// An entry of a port's `allowed_address_pairs`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AddressPair {
    /// The MAC; the port's own where it was left out.
    pub mac: MacAddr,
    /// The address, or a prefix of addresses.
    pub ip: IpNetwork,
}

/// The VTEP of a compute node. Encapsulation is VXLAN over IPv4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelEndpoint {
    /// Identity.
    pub id: EndpointId,
    /// The compute node, as `binding:host_id` names it; unique.
    pub host: String,
    /// Its VTEP address.
    pub ip: Ipv4Addr,
}

/// One VLAN on one port of one switch, for a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Binding {
    /// Name of the device.
    pub switch: String,
    /// `Physical_Port.name`.
    pub port: String,
    /// Key of `Physical_Port.vlan_bindings`.
    pub vlan: VlanId,
}

/// The bindings that `connection` asks for on the ports of `gateway`: the VLANs that each interface names, or the
/// connection's default where an interface names none. An interface with neither has no binding.
#[must_use]
pub fn bindings(gateway: &Gateway, connection: &Connection) -> BTreeSet<Binding> {
    let mut all = BTreeSet::new();
    for device in &gateway.devices {
        for interface in &device.interfaces {
            let default = connection.default_vlan.as_slice();
            let vlans = if interface.vlans.is_empty() { default } else { &interface.vlans };
            all.extend(vlans.iter().map(|vlan| Binding {
                switch: device.name.clone(),
                port: interface.name.clone(),
                vlan: *vlan,
            }));
        }
    }
    all
}
