//! A port as Neutron shows it.

use ipnetwork::IpNetwork;
use serde::Serialize;
use utoipa::ToSchema;

use super::attributes::Shows;
use crate::{
    model::{AddressPair, MacAddr, NetworkId, Port, PortId},
    service::{Attribute, PORT_ATTRIBUTES, view::FixedIpView},
};

/// A port in an answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Port)]
pub(super) struct PortView<'a> {
    id: PortId,
    name: &'a str,
    network_id: NetworkId,
    tenant_id: &'a str,
    project_id: &'a str,
    #[schema(value_type = String)]
    mac_address: MacAddr,
    fixed_ips: Vec<FixedIpView<'a>>,
    allowed_address_pairs: Vec<PairView>,
    #[serde(rename = "binding:host_id")]
    host: &'a str,
    #[serde(rename = "binding:vif_type")]
    vif_type: &'static str,
    status: &'static str,
}

impl Shows for PortView<'_> {
    const ATTRIBUTES: &'static [Attribute] = PORT_ATTRIBUTES;
}

/// What an attribute shows of whether a port has a compute node.
pub(super) fn shown(attribute: &str, bound: bool) -> &'static str {
    match (attribute, bound) {
        ("binding:vif_type", true) => "ovs",
        ("binding:vif_type", false) => "unbound",
        (_status, true) => "ACTIVE",
        (_status, false) => "DOWN",
    }
}

impl<'a> From<&'a Port> for PortView<'a> {
    fn from(port: &'a Port) -> Self {
        let bound = port.host.is_some();
        Self {
            id: port.id,
            name: &port.name,
            network_id: port.network_id,
            tenant_id: &port.tenant_id,
            project_id: &port.tenant_id,
            mac_address: port.mac,
            fixed_ips: port.fixed_ips.iter().map(FixedIpView::from).collect(),
            allowed_address_pairs: port.allowed_address_pairs.iter().map(PairView::from).collect(),
            host: port.host.as_deref().unwrap_or_default(),
            vif_type: shown("binding:vif_type", bound),
            status: shown("status", bound),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AddressPair)]
struct PairView {
    #[schema(value_type = String)]
    mac_address: MacAddr,
    ip_address: String,
}

impl From<&AddressPair> for PairView {
    fn from(pair: &AddressPair) -> Self {
        Self { mac_address: pair.mac, ip_address: written(pair.ip) }
    }
}

/// A single address without a prefix length, as Neutron writes it.
fn written(prefix: IpNetwork) -> String {
    let full = if prefix.is_ipv4() { 32 } else { 128 };
    if prefix.prefix() == full { prefix.ip().to_string() } else { prefix.to_string() }
}
