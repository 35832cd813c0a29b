//! `/v2/l2-gateways`.

use axum::{Extension, extract::State, http::StatusCode};
use serde::Deserialize;

use crate::{
    api::{
        App,
        answer::{self, Answer},
        body::Json,
        filter::{Filter, Filtered, is_id},
        named::Named,
    },
    model::Gateway,
    service::{
        Caller, Dialect,
        view::{GatewayBody, GatewayIntent, GatewayView, Object},
    },
};

const NAME: &str = "l2_gateway";
const DIALECT: Dialect = Dialect::Specification;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    l2_gateway: Object<GatewayBody>,
}

impl Filtered for Gateway {
    fn has(&self, attribute: &str, value: &str) -> bool {
        match attribute {
            "id" => is_id(value, self.id.0),
            "name" => self.name == value,
            "tenant_id" => self.tenant_id == value,
            _ => false,
        }
    }
}

pub(super) async fn list(State(app): State<App>, filter: Filter) -> Answer {
    let gateways = filter.keep(app.service.gateways().await?);
    answer::list(StatusCode::OK, "l2_gateways", gateways, |text, gateway| {
        serde_json::to_writer(text, &GatewayView(gateway))
    })
    .await
}

pub(super) async fn show(State(app): State<App>, Named(key): Named) -> Answer {
    let gateway = app.service.gateway(DIALECT, &key).await?;
    answer::wrapped(StatusCode::OK, NAME, &GatewayView(&gateway))
}

/// POST creates; with `new_interfaces` or `deleted_interfaces` it is the specification's own form of an update.
pub(super) async fn create_or_update(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(body): Json<Body>,
) -> Answer {
    let (status, gateway) = match body.l2_gateway.0.into_post(NAME)? {
        GatewayIntent::Create(draft) => {
            (StatusCode::CREATED, app.service.create_gateway(&caller, DIALECT, draft).await?)
        }
        GatewayIntent::Update(key, update) => {
            (StatusCode::OK, app.service.update_gateway(DIALECT, &key, update).await?)
        }
    };
    answer::wrapped(status, NAME, &GatewayView(&gateway))
}

pub(super) async fn update(State(app): State<App>, Named(key): Named, Json(body): Json<Body>) -> Answer {
    let update = body.l2_gateway.0.into_update(NAME)?;
    let gateway = app.service.update_gateway(DIALECT, &key, update).await?;
    answer::wrapped(StatusCode::OK, NAME, &GatewayView(&gateway))
}

pub(super) async fn delete(State(app): State<App>, Named(key): Named) -> Answer {
    app.service.delete_gateway(DIALECT, &key).await?;
    Ok(answer::gone())
}
