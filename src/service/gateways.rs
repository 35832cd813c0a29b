//! Gateways: which ports of which switches belong together.

use std::collections::BTreeSet;

use super::{
    Caller, DeviceDraft, Dialect, GatewayDraft, GatewayUpdate, InterfaceDraft, Result, Service, ServiceError,
    bindings::{Before, check_clash, check_default, check_vlans},
    rules::{self, NAME},
};
use crate::model::{Device, DeviceId, Gateway, GatewayId, Interface};

/// Characters in the name of a device or an interface in `/v2` (the specification's data model).
const SPECIFIED_NAME: usize = 36;
/// Devices of a gateway in `/v2`: stand-alone, or active/active.
const SPECIFIED_DEVICES: usize = 2;

impl Service {
    /// Creates a gateway.
    pub async fn create_gateway(&self, caller: &Caller, dialect: Dialect, draft: GatewayDraft) -> Result<Gateway> {
        let gateway = build(caller, dialect, draft, "")?;
        self.store
            .write(move |write| {
                Box::pin(async move {
                    write.insert_gateway(&gateway).await?;
                    Ok(gateway)
                })
            })
            .await
    }

    /// Creates all of these gateways, or none.
    pub async fn create_gateways(
        &self,
        caller: &Caller,
        dialect: Dialect,
        drafts: Vec<GatewayDraft>,
    ) -> Result<Vec<Gateway>> {
        let build = |(i, draft)| build(caller, dialect, draft, &format!("l2_gateways[{i}]."));
        let gateways = drafts.into_iter().enumerate().map(build).collect::<Result<Vec<_>>>()?;
        self.store
            .write(move |write| {
                Box::pin(async move {
                    for gateway in &gateways {
                        write.insert_gateway(gateway).await?;
                    }
                    Ok(gateways)
                })
            })
            .await
    }

    /// All gateways, in the order of their ids.
    pub async fn gateways(&self) -> Result<Vec<Gateway>> {
        Ok(self.store.snapshot().await?.gateways().await?)
    }

    /// One gateway by UUID or, in `/v2`, by name.
    pub async fn gateway(&self, dialect: Dialect, key: &str) -> Result<Gateway> {
        rules::gateway(&mut self.store.snapshot().await?, dialect, key).await
    }

    /// Changes a gateway; its connections are bound anew at once. Devices can't be added or removed.
    pub async fn update_gateway(&self, dialect: Dialect, key: &str, update: GatewayUpdate) -> Result<Gateway> {
        check_update(dialect, &update)?;
        let key = key.to_owned();
        self.store
            .write(move |write| {
                Box::pin(async move {
                    let old = rules::gateway(write, dialect, &key).await?;
                    let new = apply(&old, dialect, update)?;
                    if new == old {
                        return Ok(new);
                    }
                    if new.devices == old.devices {
                        write.replace_gateway(&new).await?;
                        return Ok(new);
                    }
                    let connections = write.connections_of_gateway(new.id).await?;
                    let networks: Vec<_> = connections.iter().map(|connection| connection.network_id).collect();
                    let before = Before::note(write, &networks).await?;
                    write.replace_gateway(&new).await?;
                    for connection in &connections {
                        if dialect == Dialect::Neutron {
                            check_default(&old, &new, connection)?;
                        }
                        check_vlans(&new, connection)?;
                        check_clash(write, &new, connection).await?;
                    }
                    before.explain(write).await?;
                    Ok(new)
                })
            })
            .await
    }

    /// Deletes a gateway that has no connections.
    pub async fn delete_gateway(&self, dialect: Dialect, key: &str) -> Result<()> {
        let key = key.to_owned();
        self.store
            .write(move |write| {
                Box::pin(async move {
                    let gateway = rules::gateway(write, dialect, &key).await?.id;
                    let connections = write.connections_of_gateway(gateway).await?;
                    if !connections.is_empty() {
                        let connections = connections.iter().map(|connection| connection.id).collect();
                        return Err(ServiceError::GatewayInUse { gateway, connections });
                    }
                    Ok(write.remove_gateway(gateway).await?)
                })
            })
            .await
    }
}

fn build(caller: &Caller, dialect: Dialect, draft: GatewayDraft, at: &str) -> Result<Gateway> {
    rules::text(&format!("{at}name"), &draft.name, NAME)?;
    let tenant_id = rules::tenant(&format!("{at}tenant_id"), draft.tenant_id, caller)?;
    if draft.devices.is_empty() {
        return Err(ServiceError::NoDevices { gateway: draft.name });
    }
    if dialect == Dialect::Specification && draft.devices.len() > SPECIFIED_DEVICES {
        return Err(ServiceError::TooManyDevices { gateway: draft.name, count: draft.devices.len() });
    }
    check_devices(dialect, &draft.devices, &format!("{at}devices"))?;
    no_device_twice(&draft.name, &draft.devices)?;
    let device = |device: DeviceDraft| Device {
        id: DeviceId::random(),
        name: device.name,
        interfaces: device.interfaces.into_iter().map(interface).collect(),
    };
    let devices = draft.devices.into_iter().map(device).collect();
    let gateway = Gateway { id: GatewayId::random(), name: draft.name, tenant_id, devices };
    check_whole(dialect, &gateway)?;
    Ok(gateway)
}

fn interface(draft: InterfaceDraft) -> Interface {
    Interface { name: draft.name, vlans: rules::each_once(&draft.vlans) }
}

/// Names, and no interface twice in one entry.
fn check_devices(dialect: Dialect, devices: &[DeviceDraft], at: &str) -> Result<()> {
    let max = match dialect {
        Dialect::Specification => SPECIFIED_NAME,
        Dialect::Neutron => NAME,
    };
    for (i, device) in devices.iter().enumerate() {
        rules::name(&format!("{at}[{i}].device_name"), &device.name, max)?;
        let mut seen = BTreeSet::new();
        for (j, interface) in device.interfaces.iter().enumerate() {
            rules::name(&format!("{at}[{i}].interfaces[{j}].name"), &interface.name, max)?;
            if !seen.insert(&interface.name) {
                return Err(ServiceError::DuplicateInterface {
                    device: device.name.clone(),
                    interface: interface.name.clone(),
                });
            }
        }
    }
    Ok(())
}

fn no_device_twice(gateway: &str, devices: &[DeviceDraft]) -> Result<()> {
    let mut seen = BTreeSet::new();
    match devices.iter().find(|device| !seen.insert(&device.name)) {
        None => Ok(()),
        Some(twice) => Err(ServiceError::DuplicateDevice { gateway: gateway.to_owned(), device: twice.name.clone() }),
    }
}

/// What holds of a gateway as a whole, new or changed.
fn check_whole(dialect: Dialect, gateway: &Gateway) -> Result<()> {
    if let Some(device) = gateway.devices.iter().find(|device| device.interfaces.is_empty()) {
        return Err(ServiceError::NoInterfaces { gateway: gateway.name.clone(), device: device.name.clone() });
    }
    if dialect == Dialect::Specification {
        return Ok(());
    }
    let all = || gateway.devices.iter().flat_map(|device| device.interfaces.iter().map(move |i| (device, i)));
    let bare = all().find(|(_, interface)| interface.vlans.is_empty());
    match bare {
        Some((device, interface)) if all().any(|(_, interface)| !interface.vlans.is_empty()) => {
            Err(ServiceError::SegmentationRequired {
                gateway: gateway.name.clone(),
                device: device.name.clone(),
                interface: interface.name.clone(),
            })
        }
        _ => Ok(()),
    }
}

/// What can be said of an update without the gateway.
fn check_update(dialect: Dialect, update: &GatewayUpdate) -> Result<()> {
    if let Some(name) = &update.name {
        rules::text("name", name, NAME)?;
    }
    if let Some(tenant) = &update.tenant_id {
        rules::text("tenant_id", tenant, NAME)?;
    }
    check_devices(dialect, &update.replace, "devices")?;
    check_devices(dialect, &update.add, "devices")?;
    no_device_twice(update.name.as_deref().unwrap_or_default(), &update.replace)?;
    match update.replace.iter().find(|device| device.interfaces.is_empty()) {
        None => Ok(()),
        Some(device) => Err(ServiceError::NoInterfaces {
            gateway: update.name.clone().unwrap_or_default(),
            device: device.name.clone(),
        }),
    }
}

/// The gateway after the update: removals, then replacements, then additions.
fn apply(old: &Gateway, dialect: Dialect, update: GatewayUpdate) -> Result<Gateway> {
    let mut new = old.clone();
    for (device, interface) in update.remove {
        remove(&mut new, device, interface)?;
    }
    for draft in update.replace {
        device(&mut new, &draft.name)?.interfaces = draft.interfaces.into_iter().map(self::interface).collect();
    }
    for draft in update.add {
        let device = device(&mut new, &draft.name)?;
        for added in draft.interfaces.into_iter().map(self::interface) {
            match device.interfaces.iter_mut().find(|interface| interface.name == added.name) {
                Some(interface) => {
                    interface.vlans.extend(added.vlans);
                    interface.vlans = rules::each_once(&interface.vlans);
                }
                None => device.interfaces.push(added),
            }
        }
    }
    if new.devices != old.devices {
        check_whole(dialect, &new)?;
    }
    new.name = update.name.unwrap_or(new.name);
    new.tenant_id = update.tenant_id.unwrap_or(new.tenant_id);
    Ok(new)
}

fn device<'g>(gateway: &'g mut Gateway, name: &str) -> Result<&'g mut Device> {
    let missing = ServiceError::DeviceNotFound { gateway: gateway.name.clone(), device: name.to_owned() };
    gateway.devices.iter_mut().find(|device| device.name == name).ok_or(missing)
}

/// Removes an interface from the named device, or from each that has it.
fn remove(gateway: &mut Gateway, from: Option<String>, interface: String) -> Result<()> {
    if let Some(name) = &from {
        device(gateway, name)?;
    }
    let mut found = false;
    for device in gateway.devices.iter_mut().filter(|device| from.as_ref().is_none_or(|name| *name == device.name)) {
        let before = device.interfaces.len();
        device.interfaces.retain(|candidate| candidate.name != interface);
        found |= device.interfaces.len() < before;
    }
    if found {
        return Ok(());
    }
    Err(ServiceError::InterfaceNotFound { gateway: gateway.name.clone(), device: from, interface })
}
