//! Tunnel endpoints: `{id, host, ip_address}`, the VTEP of each compute node.

use std::net::{IpAddr, Ipv4Addr};

use jsonrpsee::core::RegisterMethodError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::registry::{Answer, Call, Nothing, Registry, done, raw},
    DIALECT, NoParams,
};
use crate::{
    model::{EndpointId, TunnelEndpoint},
    service::EndpointDraft,
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewEndpoint {
    /// The compute node, as ports name it.
    host: String,
    /// Its VTEP address, IPv4.
    #[schema(value_type = String)]
    ip_address: IpAddr,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangedEndpoint {
    /// The compute node, or the UUID of its endpoint.
    endpoint: String,
    /// Its VTEP address, IPv4.
    #[schema(value_type = String)]
    ip_address: IpAddr,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OneEndpoint {
    /// The compute node, or the UUID of its endpoint.
    endpoint: String,
}

pub(super) fn offer(r: &mut Registry) -> Result<(), RegisterMethodError> {
    r.change("endpoint_create", "The tunnel endpoint of a compute node.", create)?;
    r.read("endpoint_list", "All tunnel endpoints.", list)?;
    r.read("endpoint_show", "One tunnel endpoint.", show)?;
    r.change("endpoint_update", "Changes the address of a tunnel endpoint.", update)?;
    let about = "Deletes a tunnel endpoint: its host's ports leave the switches.";
    r.change("endpoint_delete", about, delete)
}

async fn create(call: Call, params: NewEndpoint) -> Answer<EndpointView<'static>> {
    let draft = EndpointDraft { host: params.host, ip: params.ip_address };
    raw(&EndpointView::from(&call.service().create_endpoint(draft).await?))
}

async fn list(call: Call, _: NoParams) -> Answer<Endpoints<'static>> {
    let endpoints = call.service().endpoints().await?;
    raw(&Endpoints { tunnel_endpoints: endpoints.iter().map(EndpointView::from).collect() })
}

async fn show(call: Call, params: OneEndpoint) -> Answer<EndpointView<'static>> {
    raw(&EndpointView::from(&call.service().endpoint(DIALECT, &params.endpoint).await?))
}

async fn update(call: Call, params: ChangedEndpoint) -> Answer<EndpointView<'static>> {
    let endpoint = call.service().update_endpoint(DIALECT, &params.endpoint, params.ip_address).await?;
    raw(&EndpointView::from(&endpoint))
}

async fn delete(call: Call, params: OneEndpoint) -> Answer<Nothing> {
    done(call.service().delete_endpoint(DIALECT, &params.endpoint).await?)
}

#[derive(Serialize, ToSchema)]
struct Endpoints<'a> {
    tunnel_endpoints: Vec<EndpointView<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = TunnelEndpoint)]
struct EndpointView<'a> {
    id: EndpointId,
    host: &'a str,
    #[schema(value_type = String)]
    ip_address: Ipv4Addr,
}

impl<'a> From<&'a TunnelEndpoint> for EndpointView<'a> {
    fn from(endpoint: &'a TunnelEndpoint) -> Self {
        Self { id: endpoint.id, host: &endpoint.host, ip_address: endpoint.ip }
    }
}
