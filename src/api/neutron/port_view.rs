//! A port as Neutron shows it: written field by field, for there may be 100,000 of them.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{
    api::filter::{Filtered, is_bool, is_id},
    model::{AddressPair, FixedIp, MacAddr, Port},
};

/// A port in an answer.
pub(super) struct PortView<'a>(pub(super) &'a Port);

/// Appends a port's JSON.
pub(super) fn write(text: &mut Vec<u8>, port: &Port) -> serde_json::Result<()> {
    serde_json::to_writer(text, &PortView(port))
}

fn status(port: &Port) -> &'static str {
    if port.host.is_some() { "ACTIVE" } else { "DOWN" }
}

fn vif_type(port: &Port) -> &'static str {
    if port.host.is_some() { "ovs" } else { "unbound" }
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
        view.serialize_field("binding:vif_type", vif_type(port))?;
        view.serialize_field("binding:vnic_type", "normal")?;
        view.serialize_field("device_id", "")?;
        view.serialize_field("device_owner", "")?;
        view.serialize_field("description", "")?;
        view.serialize_field("admin_state_up", &true)?;
        view.serialize_field("status", status(port))?;
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

impl Filtered for Port {
    fn has(&self, attribute: &str, value: &str) -> bool {
        match attribute {
            "id" => is_id(value, self.id.0),
            "name" => self.name == value,
            "network_id" => is_id(value, self.network_id.0),
            "tenant_id" | "project_id" => self.tenant_id == value,
            "mac_address" => value.parse() == Ok(self.mac),
            "fixed_ips" => self.fixed_ips.iter().any(|fixed| has_address(fixed, value)),
            "binding:host_id" => self.host.as_deref().unwrap_or_default() == value,
            "binding:vif_type" => value == vif_type(self),
            "binding:vnic_type" => value == "normal",
            "status" => value == status(self),
            "device_id" | "device_owner" | "description" => value.is_empty(),
            "admin_state_up" => is_bool(value, true),
            "port_security_enabled" => is_bool(value, false),
            _ => false,
        }
    }
}

/// `fixed_ips=ip_address=10.0.0.1`, `fixed_ips=subnet_id=…`: as Neutron's clients write it.
fn has_address(fixed: &FixedIp, value: &str) -> bool {
    match value.split_once('=') {
        Some(("ip_address", address)) => address.parse() == Ok(fixed.ip),
        Some(("subnet_id", subnet)) => fixed.subnet_id.as_deref() == Some(subnet),
        _ => false,
    }
}
