//! Addresses of ports, as Neutron's dialect and the admin socket both write them.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    model::{FixedIp, MacAddr},
    service::{AddressPairDraft, FixedIpDraft},
};

/// A fixed IP in a request.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GivenFixedIp {
    #[schema(value_type = Option<String>)]
    ip_address: Option<IpAddr>,
    subnet_id: Option<String>,
}

impl From<GivenFixedIp> for FixedIpDraft {
    fn from(given: GivenFixedIp) -> Self {
        Self { ip: given.ip_address, subnet_id: given.subnet_id }
    }
}

/// An allowed address pair in a request; without a MAC, it is the port's own.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GivenAddressPair {
    #[schema(value_type = String)]
    ip_address: IpNetwork,
    #[schema(value_type = Option<String>)]
    mac_address: Option<MacAddr>,
}

impl From<GivenAddressPair> for AddressPairDraft {
    fn from(given: GivenAddressPair) -> Self {
        Self { mac: given.mac_address, ip: given.ip_address }
    }
}

/// A fixed IP in an answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FixedIp)]
pub struct FixedIpView<'a> {
    #[schema(value_type = String)]
    ip_address: IpAddr,
    subnet_id: Option<&'a str>,
}

impl<'a> From<&'a FixedIp> for FixedIpView<'a> {
    fn from(fixed: &'a FixedIp) -> Self {
        Self { ip_address: fixed.ip, subnet_id: fixed.subnet_id.as_deref() }
    }
}
