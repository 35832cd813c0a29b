//! One table from what the service refused to what a program may decide on: a class, and a stable type.

use crate::service::ServiceError;

/// What kind of failure it is: each front end has one status or code for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The input can't be right, whatever the store holds.
    BadInput,
    /// What the call names doesn't exist.
    NotFound,
    /// It stands against what exists.
    Conflict,
    /// The caller may not.
    Forbidden,
    /// The same call may succeed later.
    Unavailable,
    /// A bug, or a broken store.
    Internal,
}

/// Class and type of an error. The types are those that Neutron and networking-l2gw use, where they have one.
#[must_use]
pub fn refusal(error: &ServiceError) -> (Class, &'static str) {
    use Class::{BadInput, Conflict, Forbidden, Internal, NotFound, Unavailable};
    use ServiceError as E;

    match error {
        E::Invalid { .. }
        | E::NoDevices { .. }
        | E::TooManyDevices { .. }
        | E::DuplicateDevice { .. }
        | E::DuplicateInterface { .. }
        | E::NoInterfaces { .. }
        | E::NoVlan { .. }
        | E::DefaultNotAllowed { .. }
        | E::MulticastMac { .. }
        | E::IpOutsideSubnet { .. }
        | E::Ipv6Endpoint { .. } => (BadInput, "InvalidInput"),

        E::NameForId { missing, .. } => refusal(missing),
        E::GatewayNotFound(_) => (NotFound, "L2GatewayNotFound"),
        E::ConnectionNotFound(_) => (NotFound, "L2GatewayConnectionNotFound"),
        E::NetworkNotFound(_) => (NotFound, "NetworkNotFound"),
        E::SubnetNotFound(_) => (NotFound, "SubnetNotFound"),
        E::PortNotFound(_) => (NotFound, "PortNotFound"),
        E::EndpointNotFound(_) => (NotFound, "TunnelEndpointNotFound"),
        E::TagNotFound(_) => (NotFound, "TagNotFound"),
        E::DeviceNotFound { .. } => (NotFound, "L2GatewayDeviceNotFound"),
        E::InterfaceNotFound { .. } => (NotFound, "L2GatewayInterfaceNotFound"),
        E::SwitchNotFound(_) => (NotFound, "SwitchNotFound"),
        E::NoVxlanSegment(_) => (NotFound, "VxlanSegmentationIDNotFound"),

        E::AmbiguousGateway { .. } | E::AmbiguousNetwork { .. } => (Conflict, "AmbiguousName"),
        E::SegmentationRequired { .. } => (Conflict, "L2GatewaySegmentationRequired"),
        E::DefaultInUse { .. } | E::GatewayInUse { .. } => (Conflict, "L2GatewayInUse"),
        E::ConnectionExists { .. } => (Conflict, "L2GatewayConnectionExists"),
        E::VlanInUse { .. } => (Conflict, "L2GatewayDuplicateSegmentationID"),
        E::NetworkConnected { .. } | E::NetworkHasPorts { .. } => (Conflict, "NetworkInUse"),
        E::VniInUse { .. } => (Conflict, "TunnelIdInUse"),
        E::NoFreeVni => (Conflict, "NoNetworkAvailable"),
        E::OverQuota { .. } => (Conflict, "OverQuota"),
        E::MacClaimed { .. } | E::MacInUse { .. } => (Conflict, "MacAddressInUse"),
        E::IpInUse { .. } => (Conflict, "IpAddressInUse"),
        E::NoFreeIp { .. } => (Conflict, "IpAddressGenerationFailure"),
        E::SubnetInUse { .. } => (Conflict, "SubnetInUse"),
        E::EndpointExists { .. } => (Conflict, "TunnelEndpointExists"),

        E::NotOwnHost { .. } => (Forbidden, "PolicyNotAuthorized"),
        E::FdbBehind { .. } => (Unavailable, "ServiceUnavailable"),
        E::SwitchUnready { .. } => (Unavailable, "SwitchUnready"),
        E::SwitchBusy(_) => (Unavailable, "SwitchBusy"),
        E::OwnedByNeutron { .. } => (Forbidden, "OwnedByNeutron"),
        E::NoSource => (NotFound, "SourceNotFound"),

        E::PartlyCreated { .. } => (Internal, "PartlyCreated"),
        E::Store(error) if error.is_unavailable() => (Unavailable, "ServiceUnavailable"),
        E::Store(_) => (Internal, "HTTPInternalServerError"),
    }
}
