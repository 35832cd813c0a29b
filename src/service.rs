//! Use cases and their rules: gateways, connections, networks, ports, tunnel endpoints. Every front end (both REST
//! dialects, the admin socket) calls these and nothing below.

mod drafts;
mod error;
pub mod view;

use std::{net::IpAddr, ops::RangeInclusive, sync::Arc};

use serde::Serialize;

pub use crate::store::PortFilter;
pub use drafts::{
    AddressPairDraft, Caller, ConnectionDraft, DeviceDraft, Dialect, EndpointDraft, GatewayDraft, GatewayUpdate,
    InterfaceDraft, NetworkDraft, NetworkUpdate, PortDraft, PortUpdate, Segment,
};
pub use error::ServiceError;

use crate::{
    fleet::Fleet,
    model::{
        Connection, ConnectionId, Gateway, Network, Port, TunnelEndpoint,
        status::{BindingStatus, Status, SwitchStatus},
    },
    store::{Store, StoreError},
};

/// Every call's answer.
pub type Result<T> = std::result::Result<T, ServiceError>;

/// What the service needs of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `vni_ranges`: where VNIs are allocated from, in this order.
    pub vni_ranges: Vec<RangeInclusive<u32>>,
}

/// The use cases: cheap to clone. Each call checks and writes in one transaction; what it answered is on disk.
#[derive(Debug, Clone)]
pub struct Service {
    store: Store,
    fleet: Fleet,
    settings: Arc<Settings>,
}

/// `GET /v2/l2-gateway-connections/{id}/status`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConnectionStatus {
    /// The connection.
    pub connection_id: ConnectionId,
    /// The worst of its bindings.
    pub status: Status,
    /// Each binding.
    pub switches: Vec<BindingStatus>,
}

impl Service {
    /// The use cases over this store and this fleet.
    #[must_use]
    pub fn new(store: Store, fleet: Fleet, settings: Settings) -> Self {
        Self { store, fleet, settings: Arc::new(settings) }
    }

    /// Whether the store takes writes: what `/readyz` says.
    ///
    /// # Errors
    /// The failure that the store has not recovered from yet.
    pub fn health(&self) -> std::result::Result<(), StoreError> {
        Ok(())
    }

    // ===== gateways =====

    /// Creates a gateway.
    pub async fn create_gateway(&self, caller: &Caller, dialect: Dialect, draft: GatewayDraft) -> Result<Gateway> {
        let _ = (caller, dialect, draft);
        Err(StoreError::Closed.into())
    }

    /// Creates all of these gateways, or none.
    pub async fn create_gateways(
        &self,
        caller: &Caller,
        dialect: Dialect,
        drafts: Vec<GatewayDraft>,
    ) -> Result<Vec<Gateway>> {
        let _ = (caller, dialect, drafts);
        Err(StoreError::Closed.into())
    }

    /// All gateways, in the order of their ids.
    pub async fn gateways(&self) -> Result<Vec<Gateway>> {
        Err(StoreError::Closed.into())
    }

    /// One gateway by UUID or, in `/v2`, by name.
    pub async fn gateway(&self, dialect: Dialect, key: &str) -> Result<Gateway> {
        let _ = (dialect, key);
        Err(StoreError::Closed.into())
    }

    /// Changes a gateway; its connections are bound anew at once.
    pub async fn update_gateway(&self, dialect: Dialect, key: &str, update: GatewayUpdate) -> Result<Gateway> {
        let _ = (dialect, key, update);
        Err(StoreError::Closed.into())
    }

    /// Deletes a gateway that has no connections.
    pub async fn delete_gateway(&self, dialect: Dialect, key: &str) -> Result<()> {
        let _ = (dialect, key);
        Err(StoreError::Closed.into())
    }

    // ===== connections =====

    /// Connects a gateway with a network.
    pub async fn create_connection(
        &self,
        caller: &Caller,
        dialect: Dialect,
        draft: ConnectionDraft,
    ) -> Result<Connection> {
        let _ = (caller, dialect, draft);
        Err(StoreError::Closed.into())
    }

    /// Creates all of these connections, or none.
    pub async fn create_connections(
        &self,
        caller: &Caller,
        dialect: Dialect,
        drafts: Vec<ConnectionDraft>,
    ) -> Result<Vec<Connection>> {
        let _ = (caller, dialect, drafts);
        Err(StoreError::Closed.into())
    }

    /// All connections, in the order of their ids.
    pub async fn connections(&self) -> Result<Vec<Connection>> {
        Err(StoreError::Closed.into())
    }

    /// One connection by UUID.
    pub async fn connection(&self, id: &str) -> Result<Connection> {
        let _ = (id,);
        Err(StoreError::Closed.into())
    }

    /// Deletes a connection.
    pub async fn delete_connection(&self, id: &str) -> Result<()> {
        let _ = (id,);
        Err(StoreError::Closed.into())
    }

    /// How far the switches are with a connection.
    pub async fn connection_status(&self, id: &str) -> Result<ConnectionStatus> {
        let _ = (id,);
        Err(StoreError::Closed.into())
    }

    // ===== networks =====

    /// Creates a network.
    pub async fn create_network(&self, caller: &Caller, draft: NetworkDraft) -> Result<Network> {
        let _ = (caller, draft);
        Err(StoreError::Closed.into())
    }

    /// Creates all of these networks, or none.
    pub async fn create_networks(&self, caller: &Caller, drafts: Vec<NetworkDraft>) -> Result<Vec<Network>> {
        let _ = (caller, drafts);
        Err(StoreError::Closed.into())
    }

    /// All networks, in the order of their ids.
    pub async fn networks(&self) -> Result<Vec<Network>> {
        Err(StoreError::Closed.into())
    }

    /// One network by UUID or, in `/v2`, by name.
    pub async fn network(&self, dialect: Dialect, key: &str) -> Result<Network> {
        let _ = (dialect, key);
        Err(StoreError::Closed.into())
    }

    /// Changes a network.
    pub async fn update_network(&self, dialect: Dialect, key: &str, update: NetworkUpdate) -> Result<Network> {
        let _ = (dialect, key, update);
        Err(StoreError::Closed.into())
    }

    /// Deletes a network that has no ports and no connections.
    pub async fn delete_network(&self, dialect: Dialect, key: &str) -> Result<()> {
        let _ = (dialect, key);
        Err(StoreError::Closed.into())
    }

    // ===== ports =====

    /// Creates a port.
    pub async fn create_port(&self, caller: &Caller, draft: PortDraft) -> Result<Port> {
        let _ = (caller, draft);
        Err(StoreError::Closed.into())
    }

    /// Creates all of these ports, or none.
    pub async fn create_ports(&self, caller: &Caller, drafts: Vec<PortDraft>) -> Result<Vec<Port>> {
        let _ = (caller, drafts);
        Err(StoreError::Closed.into())
    }

    /// The ports that match, in the order of their ids.
    pub async fn ports(&self, filter: PortFilter) -> Result<Vec<Port>> {
        let _ = (filter,);
        Err(StoreError::Closed.into())
    }

    /// One port by UUID.
    pub async fn port(&self, id: &str) -> Result<Port> {
        let _ = (id,);
        Err(StoreError::Closed.into())
    }

    /// Changes a port.
    pub async fn update_port(&self, id: &str, update: PortUpdate) -> Result<Port> {
        let _ = (id, update);
        Err(StoreError::Closed.into())
    }

    /// Deletes a port.
    pub async fn delete_port(&self, id: &str) -> Result<()> {
        let _ = (id,);
        Err(StoreError::Closed.into())
    }

    // ===== tunnel endpoints =====

    /// Creates the tunnel endpoint of a compute node.
    pub async fn create_endpoint(&self, draft: EndpointDraft) -> Result<TunnelEndpoint> {
        let _ = (draft,);
        Err(StoreError::Closed.into())
    }

    /// Creates all of these tunnel endpoints, or none.
    pub async fn create_endpoints(&self, drafts: Vec<EndpointDraft>) -> Result<Vec<TunnelEndpoint>> {
        let _ = (drafts,);
        Err(StoreError::Closed.into())
    }

    /// All tunnel endpoints, in the order of their ids.
    pub async fn endpoints(&self) -> Result<Vec<TunnelEndpoint>> {
        Err(StoreError::Closed.into())
    }

    /// One tunnel endpoint by UUID or, in `/v2`, by host.
    pub async fn endpoint(&self, dialect: Dialect, key: &str) -> Result<TunnelEndpoint> {
        let _ = (dialect, key);
        Err(StoreError::Closed.into())
    }

    /// Gives a compute node another VTEP address.
    pub async fn update_endpoint(&self, dialect: Dialect, key: &str, ip: IpAddr) -> Result<TunnelEndpoint> {
        let _ = (dialect, key, ip);
        Err(StoreError::Closed.into())
    }

    /// Deletes a tunnel endpoint: its host's ports leave the switches.
    pub async fn delete_endpoint(&self, dialect: Dialect, key: &str) -> Result<()> {
        let _ = (dialect, key);
        Err(StoreError::Closed.into())
    }

    // ===== switches =====

    /// All configured switches, by name.
    pub async fn switches(&self) -> Vec<SwitchStatus> {
        self.fleet.switches().await
    }

    /// One switch by its section's name.
    pub async fn switch(&self, name: &str) -> Result<SwitchStatus> {
        self.fleet.switch(name).await.ok_or_else(|| crate::fleet::UnknownSwitch(name.to_owned()).into())
    }

    /// Lets deletions through that the guard holds on this switch.
    pub async fn release(&self, name: &str) -> Result<()> {
        Ok(self.fleet.release(name).await?)
    }
}
