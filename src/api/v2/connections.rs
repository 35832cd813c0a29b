//! `/v2/l2-gateway-connections`.

use axum::{Extension, extract::State, http::StatusCode};

use crate::{
    api::{
        App,
        answer::{self, Answer},
        body::Json,
        filter::{Filter, Filtered, is_id},
        named::Named,
    },
    model::Connection,
    service::{
        Caller, Dialect,
        view::{ConnectionBody, ConnectionView},
    },
};

impl Filtered for Connection {
    fn has(&self, attribute: &str, value: &str) -> bool {
        match attribute {
            "connection_id" => is_id(value, self.id.0),
            "tenant_id" => self.tenant_id == value,
            "network_id" => is_id(value, self.network_id.0),
            "gateway_id" => is_id(value, self.gateway_id.0),
            "port_id" => self.port_id == value,
            "default_segmentation_id" => self.default_vlan.is_some_and(|vlan| value.parse() == Ok(vlan.get())),
            _ => false,
        }
    }
}

pub(super) async fn list(State(app): State<App>, filter: Filter) -> Answer {
    let connections = filter.keep(app.service.connections().await?);
    answer::list(StatusCode::OK, "l2_gateway_connections", connections, |text, connection| {
        serde_json::to_writer(text, &ConnectionView::from(connection))
    })
    .await
}

pub(super) async fn show(State(app): State<App>, Named(id): Named) -> Answer {
    let connection = app.service.connection(&id).await?;
    answer::bare(StatusCode::OK, &ConnectionView::from(&connection))
}

pub(super) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(body): Json<ConnectionBody>,
) -> Answer {
    let connection = app.service.create_connection(&caller, Dialect::Specification, body.into_draft()?).await?;
    answer::bare(StatusCode::CREATED, &ConnectionView::from(&connection))
}

pub(super) async fn delete(State(app): State<App>, Named(id): Named) -> Answer {
    app.service.delete_connection(&id).await?;
    Ok(answer::gone())
}

pub(super) async fn status(State(app): State<App>, Named(id): Named) -> Answer {
    answer::bare(StatusCode::OK, &app.service.connection_status(&id).await?)
}
