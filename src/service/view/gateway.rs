//! Gateways as the specification prints them.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, Visitor},
};
use utoipa::ToSchema;

use super::{BadBody, JsonObject};
use crate::{
    model::{Device, Gateway, GatewayId, Interface, VlanId},
    service::{DeviceDraft, GatewayDraft, GatewayUpdate, InterfaceDraft},
};

/// `l2_gateway` of a request: the form that creates and the one that updates.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = v2::GivenGateway)]
pub struct GatewayBody {
    name: Option<String>,
    tenant_id: Option<String>,
    devices: Option<Vec<JsonObject<DeviceBody>>>,
    /// Beside the devices: on every device that has the interface.
    deleted_interfaces: Option<Vec<JsonObject<DeletedInterface>>>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = v2::GivenDevice)]
struct DeviceBody {
    device_name: Option<String>,
    interfaces: Option<Vec<JsonObject<InterfaceBody>>>,
    new_interfaces: Option<Vec<JsonObject<InterfaceBody>>>,
    deleted_interfaces: Option<Vec<JsonObject<DeletedInterface>>>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = v2::GivenInterface)]
struct InterfaceBody {
    name: String,
    #[serde(rename = "segmentation-id", alias = "segmentation_id")]
    vlans: Option<Vec<VlanNumber>>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = v2::DeletedInterface)]
struct DeletedInterface {
    name: String,
}

/// A VLAN as an integer of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = VlanId)]
pub struct VlanNumber(pub VlanId);

impl<'de> Deserialize<'de> for VlanNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = VlanNumber;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a VLAN: an integer from 0 to 4094")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<VlanNumber, E> {
                VlanId::try_from(number).map(VlanNumber).map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<VlanNumber, E> {
                // What i64 can't hold is no VLAN either; the message shows the nearest number that it holds.
                self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
            }
        }

        deserializer.deserialize_i64(Number)
    }
}

/// What a body asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum GatewayIntent {
    /// A new gateway.
    Create(GatewayDraft),
    /// A change of the gateway that goes by this name or UUID.
    Update(String, GatewayUpdate),
}

impl GatewayBody {
    /// Whether `new_interfaces` or `deleted_interfaces` occur: then a POST is an update.
    fn is_update(&self) -> bool {
        let inside = |device: &JsonObject<DeviceBody>| {
            device.0.new_interfaces.is_some() || device.0.deleted_interfaces.is_some()
        };
        self.deleted_interfaces.is_some() || self.devices.iter().flatten().any(inside)
    }

    /// The meaning of a POST: a creation, or (with `new_interfaces` or `deleted_interfaces`) the specification's own
    /// form of an update, whose `name` says which gateway.
    ///
    /// # Errors
    /// [`BadBody`] for members that don't belong together.
    pub fn into_post(mut self, at: &str) -> Result<GatewayIntent, BadBody> {
        if !self.is_update() {
            return self.into_draft(at).map(GatewayIntent::Create);
        }
        let name = self.name.take().ok_or_else(|| {
            BadBody::field(format!("{at}.name"), "is missing: the name or UUID of the gateway that is to be updated")
        })?;
        Ok(GatewayIntent::Update(name, self.into_update(at)?))
    }

    /// A new gateway.
    ///
    /// # Errors
    /// [`BadBody`] where a device has no name or holds the keys of an update.
    pub fn into_draft(self, at: &str) -> Result<GatewayDraft, BadBody> {
        if self.is_update() {
            let reason = "new_interfaces and deleted_interfaces belong to an update: a new gateway has interfaces";
            return Err(BadBody::field(at, reason));
        }
        let devices = self
            .devices
            .ok_or_else(|| BadBody::field(format!("{at}.devices"), "is missing: name one or two switches"))?;
        let device = |(i, device): (usize, JsonObject<DeviceBody>)| {
            let at = format!("{at}.devices[{i}]");
            let name = device_name(&at, device.0.device_name)?;
            let interfaces = device.0.interfaces.ok_or_else(|| {
                BadBody::field(format!("{at}.interfaces"), "is missing: list the ports that the gateway may bind")
            })?;
            Ok(DeviceDraft { name, interfaces: drafts(interfaces) })
        };
        Ok(GatewayDraft {
            name: self.name.unwrap_or_default(),
            tenant_id: self.tenant_id,
            devices: devices.into_iter().enumerate().map(device).collect::<Result<_, _>>()?,
        })
    }

    /// A change of a gateway that is named elsewhere (the path of a PUT); `name` renames it.
    ///
    /// # Errors
    /// [`BadBody`] where a device holds `interfaces`, or `new_interfaces` without a `device_name`.
    pub fn into_update(self, at: &str) -> Result<GatewayUpdate, BadBody> {
        let mut update = GatewayUpdate { name: self.name, tenant_id: self.tenant_id, ..GatewayUpdate::default() };
        update.remove.extend(self.deleted_interfaces.into_iter().flatten().map(|JsonObject(gone)| (None, gone.name)));
        for (i, JsonObject(device)) in self.devices.into_iter().flatten().enumerate() {
            let at = format!("{at}.devices[{i}]");
            if device.interfaces.is_some() {
                let reason = "an update takes new_interfaces and deleted_interfaces instead";
                return Err(BadBody::field(format!("{at}.interfaces"), reason));
            }
            let gone = device.deleted_interfaces.into_iter().flatten();
            update.remove.extend(gone.map(|JsonObject(gone)| (device.device_name.clone(), gone.name)));
            match (device.new_interfaces, device.device_name) {
                (Some(new), name) => {
                    update.add.push(DeviceDraft { name: device_name(&at, name)?, interfaces: drafts(new) });
                }
                // Named without a change: the device must exist all the same.
                (None, Some(name)) => update.add.push(DeviceDraft { name, interfaces: Vec::new() }),
                (None, None) => {}
            }
        }
        Ok(update)
    }
}

fn device_name(at: &str, name: Option<String>) -> Result<String, BadBody> {
    name.ok_or_else(|| BadBody::field(format!("{at}.device_name"), "is missing: the name of the switch"))
}

fn drafts(interfaces: Vec<JsonObject<InterfaceBody>>) -> Vec<InterfaceDraft> {
    let draft = |JsonObject(interface): JsonObject<InterfaceBody>| InterfaceDraft {
        name: interface.name,
        vlans: interface.vlans.into_iter().flatten().map(|vlan| vlan.0).collect(),
    };
    interfaces.into_iter().map(draft).collect()
}

/// A gateway in an answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = v2::Gateway)]
pub struct GatewayView<'a> {
    id: GatewayId,
    tenant_id: &'a str,
    name: &'a str,
    devices: Vec<DeviceView<'a>>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = v2::Device)]
struct DeviceView<'a> {
    device_name: &'a str,
    interfaces: Vec<InterfaceView<'a>>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = v2::Interface)]
struct InterfaceView<'a> {
    name: &'a str,
    #[serde(rename = "segmentation-id")]
    vlans: &'a [VlanId],
}

impl<'a> From<&'a Gateway> for GatewayView<'a> {
    fn from(gateway: &'a Gateway) -> Self {
        let devices = gateway.devices.iter().map(DeviceView::from).collect();
        Self { id: gateway.id, tenant_id: &gateway.tenant_id, name: &gateway.name, devices }
    }
}

impl<'a> From<&'a Device> for DeviceView<'a> {
    fn from(device: &'a Device) -> Self {
        let interface = |interface: &'a Interface| InterfaceView { name: &interface.name, vlans: &interface.vlans };
        Self { device_name: &device.name, interfaces: device.interfaces.iter().map(interface).collect() }
    }
}
