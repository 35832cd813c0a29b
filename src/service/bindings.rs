//! What gateways and connections together ask of the switches' ports: no VLAN twice, none missing, and an explanation
//! for each binding that goes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Result, ServiceError};
use crate::{
    model::{Binding, Connection, Gateway, NetworkId, Tombstone, bindings},
    store::{StoreError, Write},
};

/// The bindings of some networks before a change. They are counted over connections: one that another connection of
/// the network still asks for does not go.
pub(super) struct Before(BTreeMap<NetworkId, BTreeSet<Binding>>);

impl Before {
    /// Notes what these networks bind now.
    pub(super) async fn note(write: &mut Write, networks: &[NetworkId]) -> std::result::Result<Self, StoreError> {
        let mut before = BTreeMap::new();
        for &network in networks {
            before.insert(network, write.network_bindings(network).await?);
        }
        Ok(Self(before))
    }

    /// Compares with what they bind after the change: writes the tombstones of what went, removes those of what came.
    pub(super) async fn explain(self, write: &mut Write) -> std::result::Result<(), StoreError> {
        let (mut gone, mut back) = (Vec::new(), Vec::new());
        for (network, before) in self.0 {
            let after = write.network_bindings(network).await?;
            gone.extend(tombstones(network, &before, &after));
            back.extend(tombstones(network, &after, &before));
        }
        for tombstone in &gone {
            if let Tombstone::Network { network, switch } = tombstone {
                write.explain_learned(*network, switch).await?;
            }
        }
        write.explain(gone).await?;
        write.unexplain(&back).await?;
        Ok(())
    }
}

/// Explains the step from `left` to `kept`: each binding that isn't kept, and the network on each switch where none is.
fn tombstones(network: NetworkId, left: &BTreeSet<Binding>, kept: &BTreeSet<Binding>) -> Vec<Tombstone> {
    let switches = |bindings: &BTreeSet<Binding>| bindings.iter().map(|b| b.switch.clone()).collect::<BTreeSet<_>>();
    let networks = switches(left).difference(&switches(kept)).cloned().collect::<Vec<_>>();
    let bindings = left.difference(kept).map(|binding| Tombstone::Binding { network, binding: binding.clone() });
    bindings.chain(networks.into_iter().map(|switch| Tombstone::Network { network, switch })).collect()
}

/// Whether interfaces of the gateway name VLANs of their own.
pub(super) fn names_vlans(gateway: &Gateway) -> bool {
    gateway.devices.iter().flat_map(|device| &device.interfaces).any(|interface| !interface.vlans.is_empty())
}

/// `/v2.0`: a change must not put VLANs of the interfaces beside the connection's default. A connection of `/v2`, where
/// both may stand together, doesn't keep its gateway from being changed.
pub(super) fn check_default(old: &Gateway, new: &Gateway, connection: &Connection) -> Result<()> {
    match connection.default_vlan {
        Some(vlan) if names_vlans(new) && !names_vlans(old) => {
            Err(ServiceError::DefaultInUse { gateway: new.name.clone(), connection: connection.id, vlan })
        }
        _ => Ok(()),
    }
}

/// Each interface has a VLAN: its own, or the connection's default.
pub(super) fn check_vlans(gateway: &Gateway, connection: &Connection) -> Result<()> {
    if connection.default_vlan.is_some() {
        return Ok(());
    }
    for device in &gateway.devices {
        if let Some(bare) = device.interfaces.iter().find(|interface| interface.vlans.is_empty()) {
            return Err(ServiceError::NoVlan {
                network: connection.network_id,
                device: device.name.clone(),
                interface: bare.name.clone(),
            });
        }
    }
    Ok(())
}

/// No VLAN of the connection's ports is bound to another network. Gateway and connection are in the tables already,
/// so that connections of the same gateway are compared, too; a refusal rolls them back.
pub(super) async fn check_clash(write: &mut Write, gateway: &Gateway, connection: &Connection) -> Result<()> {
    if !write.network_binds(connection.network_id).await? {
        return Ok(());
    }
    let wanted = bindings(gateway, connection);
    match write.vlan_clash(connection.network_id, &wanted).await? {
        None => Ok(()),
        Some(clash) => Err(ServiceError::VlanInUse {
            switch: clash.binding.switch,
            port: clash.binding.port,
            vlan: clash.binding.vlan,
            network: clash.network,
            connection: clash.connection,
        }),
    }
}
