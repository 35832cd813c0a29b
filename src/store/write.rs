//! Writing: each method changes the tables and notes the change for the feed. All of them run inside the writer's
//! transaction, see [`super::writer`].

use std::ops::{Deref, DerefMut};

use uuid::Uuid;

use super::{
    Annotated, Read,
    attributes::Table,
    bulk,
    sql::{Result, query},
};
use crate::model::{
    Change, ChangeSet, Connection, ConnectionId, DeviceId, EndpointId, Gateway, GatewayId, Network, NetworkId,
    Tombstone, TunnelEndpoint, VlanId,
};

/// A write in progress: sees what it wrote, and everything before it.
pub struct Write {
    read: Read,
    pub(super) changes: Vec<Change>,
    pub(super) tombstones: Vec<Tombstone>,
}

impl Deref for Write {
    type Target = Read;

    fn deref(&self) -> &Read {
        &self.read
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut Read {
        &mut self.read
    }
}

impl Write {
    pub(super) fn over(read: Read) -> Self {
        Self { read, changes: Vec::new(), tombstones: Vec::new() }
    }

    /// Takes what was noted since the last call; `revision` is for the caller to fill.
    pub(super) fn take_noted(&mut self) -> ChangeSet {
        ChangeSet {
            revision: 0,
            changes: std::mem::take(&mut self.changes),
            tombstones: std::mem::take(&mut self.tombstones),
        }
    }
}

// ===== gateways =====

const INSERT_DEVICE: &str =
    "INSERT INTO pg_l2gatewaydevices (id, device_name, l2_gateway_id, position) VALUES ($1, $2, $3, $4)";

impl Write {
    /// Adds a gateway with its devices and interfaces.
    pub async fn insert_gateway(&mut self, gateway: &Gateway) -> Result<()> {
        let insert = query("INSERT INTO pg_l2gateways (id, name, tenant_id) VALUES ($1, $2, $3)")
            .bind(gateway.id.to_string())
            .bind(gateway.name.clone())
            .bind(gateway.tenant_id.clone());
        self.run(insert).await?;
        self.insert_devices(gateway).await?;
        self.changes.push(Change::GatewaySet(gateway.clone()));
        Ok(())
    }

    /// Writes a gateway that exists anew: name, project, devices, interfaces.
    pub async fn replace_gateway(&mut self, gateway: &Gateway) -> Result<()> {
        let update = query("UPDATE pg_l2gateways SET name = $1, tenant_id = $2 WHERE id = $3")
            .bind(gateway.name.clone())
            .bind(gateway.tenant_id.clone())
            .bind(gateway.id.to_string());
        self.run(update).await?;
        self.run(query("DELETE FROM pg_l2gatewaydevices WHERE l2_gateway_id = $1").bind(gateway.id.to_string()))
            .await?;
        self.insert_devices(gateway).await?;
        self.changes.push(Change::GatewaySet(gateway.clone()));
        Ok(())
    }

    async fn insert_devices(&mut self, gateway: &Gateway) -> Result<()> {
        for (position, device) in (0_i64..).zip(&gateway.devices) {
            let insert = query(INSERT_DEVICE)
                .bind(device.id.to_string())
                .bind(device.name.clone())
                .bind(gateway.id.to_string())
                .bind(position);
            self.run(insert).await?;
            let mut rows: Vec<(Uuid, &str, DeviceId, Option<VlanId>, usize)> = Vec::new();
            for interface in &device.interfaces {
                let none = interface.vlans.is_empty().then_some(None);
                for vlan in none.into_iter().chain(interface.vlans.iter().copied().map(Some)) {
                    rows.push((Uuid::new_v4(), &interface.name, device.id, vlan, rows.len()));
                }
            }
            self.run(query(bulk::INSERT_INTERFACES).bind(bulk::json(&rows)?)).await?;
        }
        Ok(())
    }

    /// Removes a gateway that has no connections.
    pub async fn remove_gateway(&mut self, id: GatewayId) -> Result<()> {
        self.run(query("DELETE FROM pg_l2gateways WHERE id = $1").bind(id.to_string())).await?;
        self.changes.push(Change::GatewayRemoved(id));
        Ok(())
    }
}

// ===== connections =====

const INSERT_CONNECTION: &str = "INSERT INTO pg_networkconnections (id, tenant_id, l2_gateway_id, network_id, port_id, \
                                 default_segmentation_id) VALUES ($1, $2, $3, $4, $5, $6)";

impl Write {
    /// Adds a connection.
    pub async fn insert_connection(&mut self, connection: &Connection) -> Result<()> {
        let insert = query(INSERT_CONNECTION)
            .bind(connection.id.to_string())
            .bind(connection.tenant_id.clone())
            .bind(connection.gateway_id.to_string())
            .bind(connection.network_id.to_string())
            .bind(connection.port_id.clone())
            .bind(connection.default_vlan.map(|vlan| i64::from(vlan.get())));
        self.run(insert).await?;
        self.changes.push(Change::ConnectionSet(connection.clone()));
        Ok(())
    }

    /// Removes a connection.
    pub async fn remove_connection(&mut self, id: ConnectionId) -> Result<()> {
        self.run(query("DELETE FROM pg_networkconnections WHERE id = $1").bind(id.to_string())).await?;
        self.changes.push(Change::ConnectionRemoved(id));
        Ok(())
    }
}

// ===== networks =====

impl Write {
    /// Adds a network.
    pub async fn insert_network(&mut self, network: &Network) -> Result<()> {
        let insert = query("INSERT INTO networks (id, name, tenant_id, vni) VALUES ($1, $2, $3, $4)")
            .bind(network.id.to_string())
            .bind(network.name.clone())
            .bind(network.tenant_id.clone())
            .bind(network.vni.map(|vni| i64::from(vni.get())));
        self.run(insert).await?;
        self.changes.push(Change::NetworkSet(network.clone()));
        Ok(())
    }

    /// Adds a network with what clients keep with it.
    pub async fn create_network(&mut self, network: &Annotated<Network>) -> Result<()> {
        self.insert_network(&network.row).await?;
        self.annotate(Table::Networks, network.id.to_string(), network).await
    }

    /// Writes what clients keep with a network.
    pub async fn annotate_network(&mut self, network: &Annotated<Network>) -> Result<()> {
        self.annotate(Table::Networks, network.id.to_string(), network).await
    }

    /// Writes name and project of a network that exists.
    pub async fn update_network(&mut self, network: &Network) -> Result<()> {
        let update = query("UPDATE networks SET name = $1, tenant_id = $2 WHERE id = $3")
            .bind(network.name.clone())
            .bind(network.tenant_id.clone())
            .bind(network.id.to_string());
        self.run(update).await?;
        self.changes.push(Change::NetworkSet(network.clone()));
        Ok(())
    }

    /// Removes a network that has neither ports nor connections.
    pub async fn remove_network(&mut self, id: NetworkId) -> Result<()> {
        self.run(query("DELETE FROM networks WHERE id = $1").bind(id.to_string())).await?;
        self.changes.push(Change::NetworkRemoved(id));
        Ok(())
    }
}

// ===== tunnel endpoints =====

impl Write {
    /// Adds a tunnel endpoint: the rows of its host's ports come (back), so their tombstones go.
    pub async fn insert_endpoint(&mut self, endpoint: &TunnelEndpoint) -> Result<()> {
        let insert = query("INSERT INTO tunnel_endpoints (id, host, ip) VALUES ($1, $2, $3)")
            .bind(endpoint.id.to_string())
            .bind(endpoint.host.clone())
            .bind(endpoint.ip.to_string());
        self.run(insert).await?;
        self.unexplain_host(&endpoint.host).await?;
        self.changes.push(Change::EndpointSet(endpoint.clone()));
        Ok(())
    }

    /// Writes the address of a tunnel endpoint that exists.
    pub async fn update_endpoint(&mut self, endpoint: &TunnelEndpoint) -> Result<()> {
        let update = query("UPDATE tunnel_endpoints SET ip = $1 WHERE id = $2")
            .bind(endpoint.ip.to_string())
            .bind(endpoint.id.to_string());
        self.run(update).await?;
        self.changes.push(Change::EndpointSet(endpoint.clone()));
        Ok(())
    }

    /// Removes a tunnel endpoint: explains that the rows of its host's ports go.
    pub async fn remove_endpoint(&mut self, id: EndpointId, host: &str) -> Result<()> {
        self.run(query("DELETE FROM tunnel_endpoints WHERE id = $1").bind(id.to_string())).await?;
        self.explain_host(host).await?;
        self.changes.push(Change::EndpointRemoved(host.to_owned()));
        Ok(())
    }
}
