//! Why the service refused: one variant a condition. Front ends map them to their status and type.

use crate::{
    fleet::{SwitchError, UnknownSwitch},
    model::{ConnectionId, EndpointId, GatewayId, MacAddr, NetworkId, PortId, Revision, SubnetId, VlanId, Vni},
    store::StoreError,
};

/// Why a call failed. The messages are meant for the caller: what, where, why, and what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ServiceError {
    // ===== bad input =====
    /// A value that can't be: too long, empty, a NUL, not a UUID.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field, as `devices[0].interfaces[1].name`.
        field: String,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// A gateway without devices.
    #[error("gateway '{gateway}' names no device: give the name and the interfaces of at least one switch")]
    NoDevices {
        /// Name of the gateway.
        gateway: String,
    },
    /// More devices than the specification allows.
    #[error(
        "gateway '{gateway}' names {count} devices: one is a stand-alone gateway, two are active/active, more can't be"
    )]
    TooManyDevices {
        /// Name of the gateway.
        gateway: String,
        /// How many it names.
        count: usize,
    },
    /// A device twice in one gateway.
    #[error("device '{device}' is named twice in gateway '{gateway}': list all of its interfaces in one entry")]
    DuplicateDevice {
        /// Name of the gateway.
        gateway: String,
        /// The device.
        device: String,
    },
    /// An interface twice in one device.
    #[error("interface '{interface}' is named twice on device '{device}': list all of its VLANs in one entry")]
    DuplicateInterface {
        /// The device.
        device: String,
        /// The interface.
        interface: String,
    },
    /// A device without interfaces, or an update that would leave one so.
    #[error(
        "device '{device}' of gateway '{gateway}' would have no interface: name at least one, or delete the gateway"
    )]
    NoInterfaces {
        /// Name of the gateway.
        gateway: String,
        /// The device.
        device: String,
    },
    /// A connection would have no VLAN on an interface.
    #[error(
        "interface '{interface}' of device '{device}' would have no VLAN for network {network}: give it a segmentation \
         id, or give the connection a default segmentation id"
    )]
    NoVlan {
        /// The network of the connection.
        network: NetworkId,
        /// The device.
        device: String,
        /// The interface.
        interface: String,
    },
    /// `/v2.0`: a default although the gateway's interfaces have VLANs of their own.
    #[error(
        "segmentation id {vlan} is given for the connection, but the interfaces of gateway '{gateway}' have segmentation \
         ids of their own: leave it out"
    )]
    DefaultNotAllowed {
        /// Name of the gateway.
        gateway: String,
        /// The default.
        vlan: VlanId,
    },
    /// A MAC that no single station can own.
    #[error("{field}: {mac} is a group address (multicast or broadcast): a port needs the address of a single station")]
    MulticastMac {
        /// The field.
        field: String,
        /// The MAC.
        mac: MacAddr,
    },
    /// An address that its subnet doesn't hold.
    #[error("{ip} is not an address of subnet {subnet}, which is {cidr}: use one of those, or leave the subnet out")]
    IpOutsideSubnet {
        /// The address.
        ip: std::net::IpAddr,
        /// The subnet that was named.
        subnet: SubnetId,
        /// Its range.
        cidr: ipnetwork::IpNetwork,
    },
    /// A tunnel endpoint with an IPv6 address.
    #[error("ip_address: {ip} is IPv6: hardware VTEPs encapsulate in VXLAN over IPv4; give the host's IPv4 address")]
    Ipv6Endpoint {
        /// The address.
        ip: std::net::Ipv6Addr,
    },

    // ===== not found =====
    /// No such gateway.
    #[error("no L2 gateway is called '{0}'")]
    GatewayNotFound(String),
    /// No such connection.
    #[error("there is no L2 gateway connection '{0}'")]
    ConnectionNotFound(String),
    /// No such network.
    #[error("no network is called '{0}'")]
    NetworkNotFound(String),
    /// No such port.
    #[error("there is no port '{0}'")]
    PortNotFound(String),
    /// No such subnet, or it is another network's.
    #[error("there is no subnet '{0}'")]
    SubnetNotFound(String),
    /// No such tunnel endpoint.
    #[error("there is no tunnel endpoint '{0}'")]
    EndpointNotFound(String),
    /// A name where only a UUID is taken.
    #[error("{missing}: give the UUID; '{name}' is the name of {}", join(ids))]
    NameForId {
        /// What is not there.
        missing: Box<ServiceError>,
        /// The name.
        name: String,
        /// The ids of what has this name.
        ids: Vec<String>,
    },
    /// The object doesn't have the tag.
    #[error("there is no tag '{0}' on it")]
    TagNotFound(String),
    /// An update names a device that the gateway doesn't have.
    #[error("gateway '{gateway}' has no device '{device}': devices can't be added or removed by an update")]
    DeviceNotFound {
        /// Name of the gateway.
        gateway: String,
        /// The device.
        device: String,
    },
    /// An update removes an interface that isn't there.
    #[error("gateway '{gateway}' has no interface '{interface}'{}", on_device(device.as_deref()))]
    InterfaceNotFound {
        /// Name of the gateway.
        gateway: String,
        /// The device, where one was named.
        device: Option<String>,
        /// The interface.
        interface: String,
    },
    /// No section of plumgrid.ini bears this name.
    #[error(transparent)]
    SwitchNotFound(#[from] UnknownSwitch),
    /// A network that can't be connected.
    #[error("network {0} has no VXLAN segment, so no VNI to bridge: create it with provider:network_type vxlan")]
    NoVxlanSegment(NetworkId),

    // ===== conflicts =====
    /// A name that several gateways bear.
    #[error("{} gateways are called '{name}': use one of the ids {}", ids.len(), join(ids))]
    AmbiguousGateway {
        /// The name.
        name: String,
        /// Who bears it.
        ids: Vec<GatewayId>,
    },
    /// A name that several networks bear.
    #[error("{} networks are called '{name}': use one of the ids {}", ids.len(), join(ids))]
    AmbiguousNetwork {
        /// The name.
        name: String,
        /// Who bears it.
        ids: Vec<NetworkId>,
    },
    /// `/v2.0`: VLANs on some interfaces and not on others.
    #[error(
        "interface '{interface}' of device '{device}' has no segmentation id while others of gateway '{gateway}' have: \
         give one to every interface, or to none"
    )]
    SegmentationRequired {
        /// Name of the gateway.
        gateway: String,
        /// The device.
        device: String,
        /// The interface without one.
        interface: String,
    },
    /// The gateway has connections.
    #[error("gateway '{gateway}' is in use: delete its connections {} first", join(connections))]
    GatewayInUse {
        /// The gateway.
        gateway: GatewayId,
        /// Its connections.
        connections: Vec<ConnectionId>,
    },
    /// The same gateway and network again.
    #[error("gateway {gateway} and network {network} are connected already, by {connection}")]
    ConnectionExists {
        /// The gateway.
        gateway: GatewayId,
        /// The network.
        network: NetworkId,
        /// The connection that joins them.
        connection: ConnectionId,
    },
    /// The VLAN of that port is bound to another network.
    #[error(
        "VLAN {vlan} of port '{port}' on switch '{switch}' is bound to network {network} by connection {connection}: use \
         another VLAN, or delete that connection"
    )]
    VlanInUse {
        /// `Physical_Switch.name`.
        switch: String,
        /// `Physical_Port.name`.
        port: String,
        /// The VLAN.
        vlan: VlanId,
        /// The network that has it.
        network: NetworkId,
        /// The connection that bound it.
        connection: ConnectionId,
    },
    /// `/v2.0`: a gateway's change would give its interfaces segmentation ids beside a connection's default.
    #[error(
        "connection {connection} has the default segmentation id {vlan}, which can't stand beside segmentation ids of the \
         interfaces of gateway '{gateway}': delete the connection and create it without a default, or leave the ids out"
    )]
    DefaultInUse {
        /// Name of the gateway.
        gateway: String,
        /// Its connection.
        connection: ConnectionId,
        /// The connection's default.
        vlan: VlanId,
    },
    /// The network is connected to a gateway.
    #[error("network {network} is in use: delete its L2 gateway connections {} first", join(connections))]
    NetworkConnected {
        /// The network.
        network: NetworkId,
        /// Its connections.
        connections: Vec<ConnectionId>,
    },
    /// The network has ports.
    #[error("network {network} is in use: delete its {ports} ports first")]
    NetworkHasPorts {
        /// The network.
        network: NetworkId,
        /// How many ports it has.
        ports: u64,
    },
    /// Another network has the VNI.
    #[error("VNI {vni} belongs to network {network}: use another one, or leave it out to have one allocated")]
    VniInUse {
        /// The VNI.
        vni: Vni,
        /// Who has it.
        network: NetworkId,
    },
    /// `vni_ranges` is exhausted.
    #[error("no VNI is free in vni_ranges: delete networks, or widen vni_ranges in plumgrid.ini")]
    NoFreeVni,
    /// Another port of the network has the MAC.
    #[error("MAC {mac} is in use on network {network}{}: use another one", by_port(port.as_ref()))]
    MacInUse {
        /// The network.
        network: NetworkId,
        /// The MAC.
        mac: MacAddr,
        /// Who has it; `None`: it stands twice in the request.
        port: Option<PortId>,
    },
    /// A compute node's token, and a MAC of another port.
    #[error(
        "MAC {mac} on network {network} is {by}: with the token of a compute node only its own MACs can be claimed; who was \
         first keeps it"
    )]
    MacClaimed {
        /// The network.
        network: NetworkId,
        /// The MAC.
        mac: MacAddr,
        /// Whose it is.
        by: String,
    },
    /// A compute node would have too many ports.
    #[error(
        "host '{host}' has {there} ports, and {more} more would be more than max_ports_per_host = {quota} of [api]: delete \
         ports, or raise it"
    )]
    OverQuota {
        /// The compute node.
        host: String,
        /// Ports that it has.
        there: u64,
        /// Ports that were to come.
        more: usize,
        /// `max_ports_per_host`.
        quota: u32,
    },
    /// Another port has the address.
    #[error("{ip} of subnet {subnet} is in use{}: use another one, or leave it out to have one allocated", by_port(port.as_ref()))]
    IpInUse {
        /// The address.
        ip: std::net::IpAddr,
        /// The subnet.
        subnet: SubnetId,
        /// Who has it; `None`: it stands twice in the request.
        port: Option<PortId>,
    },
    /// The subnets are exhausted.
    #[error(
        "no address is free in the allocation pools of subnet {} of network {network}: delete ports, or add a subnet",
        join(subnets)
    )]
    NoFreeIp {
        /// The network.
        network: NetworkId,
        /// The subnets that were looked through.
        subnets: Vec<SubnetId>,
    },
    /// Ports have addresses of the subnet.
    #[error("subnet {subnet} is in use: ports have {addresses} of its addresses; delete them first")]
    SubnetInUse {
        /// The subnet.
        subnet: SubnetId,
        /// How many of its addresses ports have.
        addresses: u64,
    },
    /// The compute node has a tunnel endpoint.
    #[error("host '{host}' has the tunnel endpoint {endpoint} already: update that one")]
    EndpointExists {
        /// The compute node.
        host: String,
        /// Its endpoint.
        endpoint: EndpointId,
    },

    // ===== others =====
    /// A compute node's token, and a port of another one.
    #[error("binding:host_id: the token is that of host '{own}', which can't have ports on '{host}'")]
    NotOwnHost {
        /// Whose token it is.
        own: String,
        /// What was asked for.
        host: String,
    },
    /// The FDB lags behind what is committed.
    #[error("the FDB doesn't show revision {revision} yet: the desired state is still being read; try again")]
    FdbBehind {
        /// What is committed.
        revision: Revision,
    },
    /// There is nothing to compare a switch with.
    #[error("switch '{switch}' can't be compared: {reason}")]
    SwitchUnready {
        /// The section's name.
        switch: String,
        /// Why.
        reason: String,
    },

    /// A switch that can't do now what an operator asked for.
    #[error(transparent)]
    SwitchBusy(SwitchError),

    // ===== a source =====
    /// Networks and ports are another's.
    #[error(
        "networks and ports belong to Neutron here: [source] of plumgrid.ini follows its database {database}; change them \
         through Neutron's own API, and they change here"
    )]
    OwnedByNeutron {
        /// The database, without its account.
        database: String,
    },
    /// There is nothing to release.
    #[error("networks and ports come through this API: without driver = neutron-db in [source] nothing is held there")]
    NoSource,

    // ===== the store =====
    /// A bulk was refused after a part of it was created, and that part can't be removed.
    #[error(
        "{why}; {left} ports of the bulk were created before, and could not be removed again: list them, and delete them"
    )]
    PartlyCreated {
        /// Ports that are there.
        left: usize,
        /// Why it was refused.
        why: Box<ServiceError>,
    },
    /// The store failed; [`StoreError::is_unavailable`] tells whether trying again later may help.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<SwitchError> for ServiceError {
    fn from(error: SwitchError) -> Self {
        match error {
            SwitchError::Unknown(unknown) => unknown.into(),
            SwitchError::Busy(_) | SwitchError::Stopping(_) => Self::SwitchBusy(error),
        }
    }
}

fn join<T: ToString>(ids: &[T]) -> String {
    const SHOWN: usize = 10;
    let mut text = ids.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if ids.len() > SHOWN {
        text.push_str(", …");
    }
    text
}

fn on_device(device: Option<&str>) -> String {
    device.map_or_else(|| " on any device".to_owned(), |device| format!(" on device '{device}'"))
}

fn by_port(port: Option<&PortId>) -> String {
    port.map_or_else(|| " twice in this request".to_owned(), |port| format!(" by port {port}"))
}
