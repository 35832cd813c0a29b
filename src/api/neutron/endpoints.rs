//! `/v2.0/tunnel-endpoints`: the VTEP of each compute node. Our own, in Neutron's manner.

use std::net::{IpAddr, Ipv4Addr};

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};

use super::{DIALECT, bulk::Bulk};
use crate::{
    api::{
        App,
        answer::{self, Answer},
        body::Json,
        filter::{Filter, Filtered, is_id},
        named::Named,
    },
    model::{EndpointId, TunnelEndpoint},
    service::{EndpointDraft, view::Object},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Creation {
    tunnel_endpoint: Option<Object<NewEndpoint>>,
    tunnel_endpoints: Option<Vec<Object<NewEndpoint>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewEndpoint {
    host: String,
    ip_address: IpAddr,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    tunnel_endpoint: Object<ChangedEndpoint>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangedEndpoint {
    ip_address: IpAddr,
}

impl From<NewEndpoint> for EndpointDraft {
    fn from(new: NewEndpoint) -> Self {
        Self { host: new.host, ip: new.ip_address }
    }
}

#[derive(Debug, Serialize)]
struct EndpointView<'a> {
    id: EndpointId,
    host: &'a str,
    ip_address: Ipv4Addr,
}

impl<'a> From<&'a TunnelEndpoint> for EndpointView<'a> {
    fn from(endpoint: &'a TunnelEndpoint) -> Self {
        Self { id: endpoint.id, host: &endpoint.host, ip_address: endpoint.ip }
    }
}

impl Filtered for TunnelEndpoint {
    fn has(&self, attribute: &str, value: &str) -> bool {
        match attribute {
            "id" => is_id(value, self.id.0),
            "host" => self.host == value,
            "ip_address" => value.parse() == Ok(self.ip),
            _ => false,
        }
    }
}

fn write(text: &mut Vec<u8>, endpoint: &TunnelEndpoint) -> serde_json::Result<()> {
    serde_json::to_writer(text, &EndpointView::from(endpoint))
}

pub(super) async fn list(State(app): State<App>, filter: Filter) -> Answer {
    let endpoints = filter.keep(app.service.endpoints().await?);
    answer::list(StatusCode::OK, "tunnel_endpoints", endpoints, write).await
}

pub(super) async fn show(State(app): State<App>, Named(id): Named) -> Answer {
    let endpoint = app.service.endpoint(DIALECT, &id).await?;
    answer::wrapped(StatusCode::OK, "tunnel_endpoint", &EndpointView::from(&endpoint))
}

pub(super) async fn create(State(app): State<App>, Json(body): Json<Creation>) -> Answer {
    let bulk = Bulk::of((body.tunnel_endpoint, "tunnel_endpoint"), (body.tunnel_endpoints, "tunnel_endpoints"))?;
    match bulk {
        Bulk::One(new) => {
            let endpoint = app.service.create_endpoint(new.into()).await?;
            answer::wrapped(StatusCode::CREATED, "tunnel_endpoint", &EndpointView::from(&endpoint))
        }
        Bulk::Many(new) => {
            let endpoints = app.service.create_endpoints(new.into_iter().map(Into::into).collect()).await?;
            answer::list(StatusCode::CREATED, "tunnel_endpoints", endpoints, write).await
        }
    }
}

pub(super) async fn update(State(app): State<App>, Named(id): Named, Json(body): Json<Change>) -> Answer {
    let endpoint = app.service.update_endpoint(DIALECT, &id, body.tunnel_endpoint.0.ip_address).await?;
    answer::wrapped(StatusCode::OK, "tunnel_endpoint", &EndpointView::from(&endpoint))
}

pub(super) async fn delete(State(app): State<App>, Named(id): Named) -> Answer {
    app.service.delete_endpoint(DIALECT, &id).await?;
    Ok(answer::gone())
}
