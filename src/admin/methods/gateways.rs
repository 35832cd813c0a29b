//! Gateways and connections, exactly as `/v2` has them.

use jsonrpsee::core::RegisterMethodError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::registry::{Answer, Call, Nothing, Registry, done, raw},
    DIALECT, NoParams,
};
use crate::{
    model::{Connection, Gateway},
    service::{
        Caller, ConnectionStatus,
        view::{ConnectionBody, ConnectionView, GatewayBody, GatewayView, JsonObject},
    },
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewGateway {
    /// As in `/v2/l2-gateways`.
    l2_gateway: JsonObject<GatewayBody>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangedGateway {
    /// Name or UUID of the gateway.
    gateway: String,
    /// As in `/v2/l2-gateways`.
    l2_gateway: JsonObject<GatewayBody>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OneGateway {
    /// Name or UUID of the gateway.
    gateway: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OneConnection {
    /// UUID of the connection.
    connection: String,
}

pub(super) fn offer(r: &mut Registry) -> Result<(), RegisterMethodError> {
    r.change("gateway_create", "A new gateway.", gateway_create)?;
    r.read("gateway_list", "All gateways.", gateway_list)?;
    r.read("gateway_show", "One gateway.", gateway_show)?;
    let about = "Changes a gateway: new_interfaces and deleted_interfaces of its devices, its name.";
    r.change("gateway_update", about, gateway_update)?;
    r.change("gateway_delete", "Deletes a gateway that has no connections.", gateway_delete)?;
    r.change("connection_create", "Connects a gateway with a network.", connection_create)?;
    r.read("connection_list", "All connections.", connection_list)?;
    r.read("connection_show", "One connection.", connection_show)?;
    r.read("connection_status", "Each binding of a connection on each switch.", connection_status)?;
    r.change("connection_delete", "Deletes a connection.", connection_delete)?;
    Ok(())
}

// ===== gateways =====

async fn gateway_create(call: Call, params: NewGateway) -> Answer<OneGatewayView<'static>> {
    let draft = params.l2_gateway.0.into_draft("l2_gateway")?;
    one_gateway(&call.service().create_gateway(&Caller::default(), DIALECT, draft).await?)
}

async fn gateway_list(call: Call, _: NoParams) -> Answer<Gateways<'static>> {
    let gateways = call.service().gateways().await?;
    raw(&Gateways { l2_gateways: gateways.iter().map(GatewayView::from).collect() })
}

async fn gateway_show(call: Call, params: OneGateway) -> Answer<OneGatewayView<'static>> {
    one_gateway(&call.service().gateway(DIALECT, &params.gateway).await?)
}

async fn gateway_update(call: Call, params: ChangedGateway) -> Answer<OneGatewayView<'static>> {
    let update = params.l2_gateway.0.into_update("l2_gateway")?;
    one_gateway(&call.service().update_gateway(DIALECT, &params.gateway, update).await?)
}

async fn gateway_delete(call: Call, params: OneGateway) -> Answer<Nothing> {
    done(call.service().delete_gateway(DIALECT, &params.gateway).await?)
}

// ===== connections =====

async fn connection_create(call: Call, params: ConnectionBody) -> Answer<ConnectionView<'static>> {
    let draft = params.into_draft()?;
    one_connection(&call.service().create_connection(&Caller::default(), DIALECT, draft).await?)
}

async fn connection_list(call: Call, _: NoParams) -> Answer<Connections<'static>> {
    let connections = call.service().connections().await?;
    raw(&Connections { l2_gateway_connections: connections.iter().map(ConnectionView::from).collect() })
}

async fn connection_show(call: Call, params: OneConnection) -> Answer<ConnectionView<'static>> {
    one_connection(&call.service().connection(&params.connection).await?)
}

async fn connection_status(call: Call, params: OneConnection) -> Answer<ConnectionStatus> {
    raw(&call.service().connection_status(&params.connection).await?)
}

async fn connection_delete(call: Call, params: OneConnection) -> Answer<Nothing> {
    done(call.service().delete_connection(&params.connection).await?)
}

// ===== answers =====

#[derive(Serialize, ToSchema)]
struct Gateways<'a> {
    l2_gateways: Vec<GatewayView<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = OneGateway)]
struct OneGatewayView<'a> {
    l2_gateway: GatewayView<'a>,
}

#[derive(Serialize, ToSchema)]
struct Connections<'a> {
    l2_gateway_connections: Vec<ConnectionView<'a>>,
}

fn one_gateway(gateway: &Gateway) -> Answer<OneGatewayView<'_>> {
    raw(&OneGatewayView { l2_gateway: GatewayView::from(gateway) })
}

fn one_connection(connection: &Connection) -> Answer<ConnectionView<'_>> {
    raw(&ConnectionView::from(connection))
}
