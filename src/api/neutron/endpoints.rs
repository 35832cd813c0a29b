//! `/v2.0/tunnel-endpoints`: the VTEP of each compute node. Our own, in Neutron's manner.

use std::net::{IpAddr, Ipv4Addr};

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    DIALECT,
    bulk::Bulk,
    few::{BULK, few},
};
use crate::{
    api::{
        App,
        answer::{self, Answer},
        body::Json,
        list::{self, Fields, ListQuery, Resource},
        named::Named,
        problem::Problem,
    },
    model::{EndpointId, TunnelEndpoint},
    service::{EndpointDraft, ServiceError, view::JsonObject},
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TunnelEndpointCreation)]
pub(super) struct Creation {
    tunnel_endpoint: Option<JsonObject<NewEndpoint>>,
    #[serde(default, deserialize_with = "few::<_, _, BULK>")]
    tunnel_endpoints: Option<Vec<JsonObject<NewEndpoint>>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTunnelEndpoint)]
struct NewEndpoint {
    host: String,
    #[schema(value_type = String)]
    ip_address: IpAddr,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TunnelEndpointChange)]
pub(super) struct Change {
    tunnel_endpoint: JsonObject<ChangedEndpoint>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangedTunnelEndpoint)]
struct ChangedEndpoint {
    #[schema(value_type = String)]
    ip_address: IpAddr,
}

impl From<NewEndpoint> for EndpointDraft {
    fn from(new: NewEndpoint) -> Self {
        Self { host: new.host, ip: new.ip_address }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TunnelEndpoint)]
pub(super) struct EndpointView<'a> {
    id: EndpointId,
    host: &'a str,
    #[schema(value_type = String)]
    ip_address: Ipv4Addr,
}

/// Tunnel endpoints.
pub(super) enum Endpoints {}

impl Resource for Endpoints {
    const ONE: &'static str = "tunnel_endpoint";
    const MANY: &'static str = "tunnel_endpoints";
    const SORTABLE: &'static [&'static str] = &["id", "host", "ip_address"];

    type Row = TunnelEndpoint;
    type View<'a> = EndpointView<'a>;

    fn id(endpoint: &TunnelEndpoint) -> String {
        endpoint.id.to_string()
    }

    fn view(endpoint: &TunnelEndpoint) -> EndpointView<'_> {
        EndpointView { id: endpoint.id, host: &endpoint.host, ip_address: endpoint.ip }
    }

    fn missing(id: String) -> Problem {
        ServiceError::EndpointNotFound(id).into()
    }
}

pub(super) async fn list(State(app): State<App>, query: ListQuery) -> Answer {
    list::of::<Endpoints>(query, app.service.endpoints().await?).await
}

pub(super) async fn show(State(app): State<App>, Named(id): Named, fields: Fields) -> Answer {
    list::one::<Endpoints>(&fields, &app.service.endpoint(DIALECT, &id).await?)
}

pub(super) async fn create(State(app): State<App>, Json(body): Json<Creation>) -> Answer {
    let read = |new: NewEndpoint, _: &str| Ok(EndpointDraft::from(new));
    let one = |draft| app.service.create_endpoint(draft);
    let many = |drafts| app.service.create_endpoints(drafts);
    let asked = Bulk::of::<Endpoints, _>(body.tunnel_endpoint, body.tunnel_endpoints, read)?;
    asked.create::<Endpoints, _>(one, many).await
}

pub(super) async fn update(State(app): State<App>, Named(id): Named, Json(body): Json<Change>) -> Answer {
    let endpoint = app.service.update_endpoint(DIALECT, &id, body.tunnel_endpoint.0.ip_address).await?;
    list::whole::<Endpoints>(StatusCode::OK, &endpoint)
}

pub(super) async fn delete(State(app): State<App>, Named(id): Named) -> Answer {
    app.service.delete_endpoint(DIALECT, &id).await?;
    Ok(answer::gone())
}
