//! A port as Neutron shows it: written field by field, for there may be 100,000 of them.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::model::{AddressPair, FixedIp, MacAddr, Port};

/// A port in an answer.
pub(super) struct PortView<'a>(pub(super) &'a Port);

/// What an attribute shows of whether a port has a compute node.
pub(super) fn shown(attribute: &str, bound: bool) -> &'static str {
    match (attribute, bound) {
        ("binding:vif_type", true) => "ovs",
        ("binding:vif_type", false) => "unbound",
        (_status, true) => "ACTIVE",
        (_status, false) => "DOWN",
    }
}

impl Serialize for PortView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const NONE: [&str; 0] = [];
        let port = self.0;
        let mut view = serializer.serialize_struct("port", 19)?;
        view.serialize_field("id", &port.id)?;
        view.serialize_field("name", &port.name)?;
        view.serialize_field("network_id", &port.network_id)?;
        view.serialize_field("tenant_id", &port.tenant_id)?;
        view.serialize_field("project_id", &port.tenant_id)?;
        view.serialize_field("mac_address", &port.mac)?;
        view.serialize_field("fixed_ips", &List(&port.fixed_ips, fixed_ip))?;
        view.serialize_field("allowed_address_pairs", &List(&port.allowed_address_pairs, address_pair))?;
        view.serialize_field("binding:host_id", port.host.as_deref().unwrap_or_default())?;
        view.serialize_field("binding:vif_type", shown("binding:vif_type", port.host.is_some()))?;
        view.serialize_field("binding:vnic_type", "normal")?;
        view.serialize_field("device_id", "")?;
        view.serialize_field("device_owner", "")?;
        view.serialize_field("description", "")?;
        view.serialize_field("admin_state_up", &true)?;
        view.serialize_field("status", shown("status", port.host.is_some()))?;
        view.serialize_field("port_security_enabled", &false)?;
        view.serialize_field("security_groups", &NONE)?;
        view.serialize_field("tags", &NONE)?;
        view.end()
    }
}

/// A list of what `1` makes of its elements.
struct List<'a, T, V>(&'a [T], fn(&'a T) -> V);

impl<T, V: Serialize> Serialize for List<'_, T, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(self.1))
    }
}

#[derive(Serialize)]
struct FixedIpView<'a> {
    ip_address: IpAddr,
    subnet_id: Option<&'a str>,
}

fn fixed_ip(fixed: &FixedIp) -> FixedIpView<'_> {
    FixedIpView { ip_address: fixed.ip, subnet_id: fixed.subnet_id.as_deref() }
}

#[derive(Serialize)]
struct PairView {
    mac_address: MacAddr,
    ip_address: Prefix,
}

fn address_pair(pair: &AddressPair) -> PairView {
    PairView { mac_address: pair.mac, ip_address: Prefix(pair.ip) }
}

/// A single address without a prefix length, as Neutron writes it.
struct Prefix(IpNetwork);

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let full = if self.0.is_ipv4() { 32 } else { 128 };
        if self.0.prefix() == full { serializer.collect_str(&self.0.ip()) } else { serializer.collect_str(&self.0) }
    }
}
