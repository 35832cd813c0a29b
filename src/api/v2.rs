//! `/v2`: the specification's dialect. Shapes are [`crate::service::view`]'s, shared with the admin socket.

mod connections;
mod fdb;
mod gateways;
mod switches;

use axum::{
    Router,
    routing::{get, post},
};

use super::App;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v2/l2-gateways", get(gateways::list).post(gateways::create_or_update))
        .route("/v2/l2-gateways/{gateway}", get(gateways::show).put(gateways::update).delete(gateways::delete))
        .route("/v2/l2-gateway-connections", get(connections::list).post(connections::create))
        .route("/v2/l2-gateway-connections/{connection}", get(connections::show).delete(connections::delete))
        .route("/v2/l2-gateway-connections/{connection}/status", get(connections::status))
        .route("/v2/fdb", get(fdb::list))
        .route("/v2/fdb/watch", get(fdb::watch))
        .route("/v2/fdb/{network}", get(fdb::show))
        .route("/v2/switches", get(switches::list))
        .route("/v2/switches/{switch}", get(switches::show))
        .route("/v2/switches/{switch}/release", post(switches::release))
}
