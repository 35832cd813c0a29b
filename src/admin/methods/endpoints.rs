//! Tunnel endpoints: `{id, host, ip_address}`, the VTEP of each compute node.

use std::net::{IpAddr, Ipv4Addr};

use jsonrpsee::core::RegisterMethodError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::registry::{Answer, Call, Doc, Need::Required, Nothing, Param, Registry, Type::Text, done, raw},
    DIALECT, NoParams,
};
use crate::{
    model::{EndpointId, TunnelEndpoint},
    service::EndpointDraft,
};

const ENDPOINT: Param = Param("endpoint", Text, Required, "the compute node, or the UUID of its endpoint");
const HOST: Param = Param("host", Text, Required, "the compute node, as ports name it");
const IP: Param = Param("ip_address", Text, Required, "its VTEP address, IPv4");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewEndpoint {
    host: String,
    ip_address: IpAddr,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangedEndpoint {
    endpoint: String,
    ip_address: IpAddr,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneEndpoint {
    endpoint: String,
}

pub(super) fn offer(r: &mut Registry) -> Result<(), RegisterMethodError> {
    let doc = |name, about, params| Doc { name, about, params };
    r.change(doc("endpoint_create", "The tunnel endpoint of a compute node.", &[HOST, IP]), create)?;
    r.read(doc("endpoint_list", "All tunnel endpoints.", &[]), list)?;
    r.read(doc("endpoint_show", "One tunnel endpoint.", &[ENDPOINT]), show)?;
    r.change(doc("endpoint_update", "Changes the address of a tunnel endpoint.", &[ENDPOINT, IP]), update)?;
    let about = "Deletes a tunnel endpoint: its host's ports leave the switches.";
    r.change(doc("endpoint_delete", about, &[ENDPOINT]), delete)
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
