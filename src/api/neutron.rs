//! `/v2.0`: Neutron's dialect, with networking-l2gw's gateways and connections. Paths take UUIDs alone.

mod bulk;
mod connections;
mod endpoints;
mod extensions;
mod gateways;
mod networks;
mod port_view;
mod ports;
mod security_groups;
mod segmentation;
mod subnets;

use axum::{Router, routing::get};
use serde::de::IgnoredAny;

use super::App;
use crate::service::Dialect;

const DIALECT: Dialect = Dialect::Neutron;

/// An attribute that Neutron has and this controller has no use for: taken, and not kept.
type Ignored = Option<IgnoredAny>;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v2.0/extensions", get(extensions::list))
        .route("/v2.0/extensions/{alias}", get(extensions::show))
        .route("/v2.0/l2-gateways", get(gateways::list).post(gateways::create))
        .route("/v2.0/l2-gateways/{id}", get(gateways::show).put(gateways::update).delete(gateways::delete))
        .route("/v2.0/l2-gateway-connections", get(connections::list).post(connections::create))
        .route("/v2.0/l2-gateway-connections/{id}", get(connections::show).delete(connections::delete))
        .route("/v2.0/networks", get(networks::list).post(networks::create))
        .route("/v2.0/networks/{id}", get(networks::show).put(networks::update).delete(networks::delete))
        .route("/v2.0/ports", get(ports::list).post(ports::create))
        .route("/v2.0/ports/{id}", get(ports::show).put(ports::update).delete(ports::delete))
        .route("/v2.0/security-groups", get(security_groups::list))
        .route("/v2.0/security-groups/{id}", get(security_groups::show))
        .route("/v2.0/subnets", get(subnets::list).post(subnets::create))
        .route("/v2.0/subnets/{id}", get(subnets::show).put(subnets::update).delete(subnets::delete))
        .route("/v2.0/tunnel-endpoints", get(endpoints::list).post(endpoints::create))
        .route("/v2.0/tunnel-endpoints/{id}", get(endpoints::show).put(endpoints::update).delete(endpoints::delete))
}
