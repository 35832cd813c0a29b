//! `/v2/l2-gateway-connections`.

use axum::{Extension, extract::State, http::StatusCode};

use crate::{
    api::{
        App,
        answer::{self, Answer},
        body::Json,
        list::{self, ListQuery, Resource},
        named::Named,
        problem::Problem,
    },
    model::Connection,
    service::{
        Caller, Dialect, ServiceError,
        view::{ConnectionBody, ConnectionView},
    },
};

/// Connections in this dialect.
pub(super) enum Connections {}

impl Resource for Connections {
    const ONE: &'static str = "l2_gateway_connection";
    const MANY: &'static str = "l2_gateway_connections";
    const SORTABLE: &'static [&'static str] =
        &["connection_id", "tenant_id", "network_id", "gateway_id", "default_segmentation_id", "port_id"];

    type Row = Connection;
    type View<'a> = ConnectionView<'a>;

    fn id(connection: &Connection) -> String {
        connection.id.to_string()
    }

    fn view(connection: &Connection) -> ConnectionView<'_> {
        connection.into()
    }

    fn missing(id: String) -> Problem {
        ServiceError::ConnectionNotFound(id).into()
    }
}

pub(super) async fn list(State(app): State<App>, query: ListQuery) -> Answer {
    list::of::<Connections>(query, app.service.connections().await?).await
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
