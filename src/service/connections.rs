//! Connections: a gateway's ports joined to a network.

use super::{
    Caller, ConnectionDraft, Dialect, Result, Service, ServiceError,
    bindings::{Before, check_clash, check_vlans, names_vlans},
    rules,
};
use crate::{
    model::{Connection, ConnectionId},
    store::{Read, Write},
};

/// Characters in `port_id` (the specification's data model).
const PORT_ID: usize = 36;

impl Service {
    /// Connects a gateway with a network.
    pub async fn create_connection(
        &self,
        caller: &Caller,
        dialect: Dialect,
        draft: ConnectionDraft,
    ) -> Result<Connection> {
        let draft = check(caller, draft, "")?;
        self.store.write(move |write| Box::pin(connect(write, dialect, draft))).await
    }

    /// Creates all of these connections, or none.
    pub async fn create_connections(
        &self,
        caller: &Caller,
        dialect: Dialect,
        drafts: Vec<ConnectionDraft>,
    ) -> Result<Vec<Connection>> {
        let check = |(i, draft)| check(caller, draft, &format!("l2_gateway_connections[{i}]."));
        let drafts = drafts.into_iter().enumerate().map(check).collect::<Result<Vec<_>>>()?;
        self.store
            .write(move |write| {
                Box::pin(async move {
                    let mut connections = Vec::with_capacity(drafts.len());
                    for draft in drafts {
                        connections.push(connect(write, dialect, draft).await?);
                    }
                    Ok(connections)
                })
            })
            .await
    }

    /// All connections, in the order of their ids.
    pub async fn connections(&self) -> Result<Vec<Connection>> {
        Ok(self.store.snapshot().await?.connections().await?)
    }

    /// One connection by UUID.
    pub async fn connection(&self, id: &str) -> Result<Connection> {
        find(&mut self.store.snapshot().await?, id).await
    }

    /// Deletes a connection: its network leaves the switches, but for what other connections ask for.
    pub async fn delete_connection(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.store
            .write(move |write| {
                Box::pin(async move {
                    let connection = find(write, &id).await?;
                    let before = Before::note(write, &[connection.network_id]).await?;
                    write.remove_connection(connection.id).await?;
                    write.forget_gone_network(connection.network_id).await?;
                    Ok(before.explain(write).await?)
                })
            })
            .await
    }
}

pub(super) async fn find(read: &mut Read, id: &str) -> Result<Connection> {
    let missing = || ServiceError::ConnectionNotFound(id.to_owned());
    let uuid = rules::uuid(id).ok_or_else(missing)?;
    read.connection(ConnectionId(uuid)).await?.ok_or_else(missing)
}

/// What can be said without the store; fills `tenant_id`.
fn check(caller: &Caller, mut draft: ConnectionDraft, at: &str) -> Result<ConnectionDraft> {
    draft.tenant_id = Some(rules::tenant(&format!("{at}tenant_id"), draft.tenant_id, caller)?);
    if let Some(port_id) = &draft.port_id {
        rules::name(&format!("{at}port_id"), port_id, PORT_ID)?;
    }
    Ok(draft)
}

async fn connect(write: &mut Write, dialect: Dialect, draft: ConnectionDraft) -> Result<Connection> {
    let gateway = rules::gateway(write, dialect, &draft.gateway).await?;
    let network = rules::network(write, dialect, &draft.network).await?;
    if network.vni.is_none() {
        return Err(ServiceError::NoVxlanSegment(network.id));
    }
    let connection = Connection {
        id: ConnectionId::random(),
        tenant_id: draft.tenant_id.unwrap_or_default(),
        gateway_id: gateway.id,
        network_id: network.id,
        port_id: draft.port_id.unwrap_or_else(|| ConnectionId::random().to_string()),
        default_vlan: draft.default_vlan,
    };
    let refused = dialect == Dialect::Neutron && names_vlans(&gateway);
    if let Some(vlan) = connection.default_vlan.filter(|_| refused) {
        return Err(ServiceError::DefaultNotAllowed { gateway: gateway.name, vlan });
    }
    check_vlans(&gateway, &connection)?;
    let existing = write.connections_of_network(network.id).await?;
    if let Some(same) = existing.iter().find(|other| other.gateway_id == gateway.id) {
        return Err(ServiceError::ConnectionExists { gateway: gateway.id, network: network.id, connection: same.id });
    }
    let before = Before::note(write, &[network.id]).await?;
    write.insert_connection(&connection).await?;
    check_clash(write, &gateway, &connection).await?;
    before.explain(write).await?;
    Ok(connection)
}
