//! `/v2.0`: Neutron's dialect. Networks, ports and tunnel endpoints; paths take UUIDs alone.

mod bulk;
mod endpoints;
mod networks;
mod port_view;
mod ports;

use axum::{Router, routing::get};
use serde::de::IgnoredAny;

use super::App;
use crate::service::Dialect;

const DIALECT: Dialect = Dialect::Neutron;

/// An attribute that Neutron has and this controller has no use for: taken, and not kept.
type Ignored = Option<IgnoredAny>;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v2.0/networks", get(networks::list).post(networks::create))
        .route("/v2.0/networks/{id}", get(networks::show).put(networks::update).delete(networks::delete))
        .route("/v2.0/ports", get(ports::list).post(ports::create))
        .route("/v2.0/ports/{id}", get(ports::show).put(ports::update).delete(ports::delete))
        .route("/v2.0/tunnel-endpoints", get(endpoints::list).post(endpoints::create))
        .route("/v2.0/tunnel-endpoints/{id}", get(endpoints::show).put(endpoints::update).delete(endpoints::delete))
}
