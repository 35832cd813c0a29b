//! `/v2/l2-gateways`.

use axum::{Extension, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    api::{
        App,
        answer::{self, Answer},
        body::Json,
        list::{self, ListQuery, Resource},
        named::Named,
        problem::Problem,
    },
    model::Gateway,
    service::{
        Caller, Dialect, ServiceError,
        view::{GatewayBody, GatewayIntent, GatewayView, JsonObject},
    },
};

const DIALECT: Dialect = Dialect::Specification;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = v2::GatewayBody)]
pub(super) struct Body {
    l2_gateway: JsonObject<GatewayBody>,
}

/// Gateways in this dialect.
pub(super) enum Gateways {}

impl Resource for Gateways {
    const ONE: &'static str = "l2_gateway";
    const MANY: &'static str = "l2_gateways";
    const SORTABLE: &'static [&'static str] = &["id", "name", "tenant_id"];

    type Row = Gateway;
    type View<'a> = GatewayView<'a>;

    fn id(gateway: &Gateway) -> String {
        gateway.id.to_string()
    }

    fn view(gateway: &Gateway) -> GatewayView<'_> {
        gateway.into()
    }

    fn missing(id: String) -> Problem {
        ServiceError::GatewayNotFound(id).into()
    }
}

pub(super) async fn list(State(app): State<App>, query: ListQuery) -> Answer {
    list::of::<Gateways>(query, app.service.gateways().await?).await
}

pub(super) async fn show(State(app): State<App>, Named(key): Named) -> Answer {
    list::whole::<Gateways>(StatusCode::OK, &app.service.gateway(DIALECT, &key).await?)
}

/// POST creates; with `new_interfaces` or `deleted_interfaces` it is the specification's own form of an update.
pub(super) async fn create_or_update(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(body): Json<Body>,
) -> Answer {
    let (status, gateway) = match body.l2_gateway.0.into_post(Gateways::ONE)? {
        GatewayIntent::Create(draft) => {
            (StatusCode::CREATED, app.service.create_gateway(&caller, DIALECT, draft).await?)
        }
        GatewayIntent::Update(key, update) => {
            (StatusCode::OK, app.service.update_gateway(DIALECT, &key, update).await?)
        }
    };
    list::whole::<Gateways>(status, &gateway)
}

pub(super) async fn update(State(app): State<App>, Named(key): Named, Json(body): Json<Body>) -> Answer {
    let update = body.l2_gateway.0.into_update(Gateways::ONE)?;
    list::whole::<Gateways>(StatusCode::OK, &app.service.update_gateway(DIALECT, &key, update).await?)
}

pub(super) async fn delete(State(app): State<App>, Named(key): Named) -> Answer {
    app.service.delete_gateway(DIALECT, &key).await?;
    Ok(answer::gone())
}
