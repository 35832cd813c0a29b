//! `/v2.0`: Neutron's dialect, with networking-l2gw's gateways and connections. Paths take UUIDs alone.

mod agents;
mod attributes;
mod bulk;
mod connections;
mod endpoints;
mod extensions;
mod few;
mod gateways;
mod networks;
mod nullable;
mod number;
mod port_view;
mod ports;
mod quotas;
mod security_groups;
mod segmentation;
mod subnets;
mod tags;
mod zones;

use axum::{Router, http::request::Parts, routing::get};

use super::{App, answer::Answer, list::Resource, openapi::Description, root};
use crate::service::Dialect;

const DIALECT: Dialect = Dialect::Neutron;

/// What there is, with the name of one object.
const COLLECTIONS: [(&str, &str); 11] = [
    (agents::Agents::ONE, "agents"),
    (zones::AvailabilityZones::ONE, "availability_zones"),
    (extensions::Extensions::ONE, "extensions"),
    (gateways::Gateways::ONE, "l2-gateways"),
    (connections::Connections::ONE, "l2-gateway-connections"),
    (networks::Networks::ONE, "networks"),
    (ports::Ports::ONE, "ports"),
    (quotas::Quotas::ONE, "quotas"),
    (security_groups::SecurityGroups::ONE, "security-groups"),
    (subnets::Subnets::ONE, "subnets"),
    (endpoints::Endpoints::ONE, "tunnel-endpoints"),
];

async fn index(parts: Parts) -> Answer {
    root::collections(&parts, "/v2.0", &COLLECTIONS)
}

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v2.0", get(index))
        .merge(tags::routes())
        .route("/v2.0/agents", get(agents::list))
        .route("/v2.0/agents/{id}", get(agents::show))
        .route("/v2.0/availability_zones", get(zones::list))
        .route("/v2.0/quotas", get(quotas::list))
        .route("/v2.0/quotas/{project}", get(quotas::show))
        .route("/v2.0/quotas/{project}/default", get(quotas::show))
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

/// Tells of the routes above.
pub(super) fn describe(api: &mut Description) {
    api.collections("/v2.0");
    tags::describe(api);
    api.list::<agents::Agents>("/v2.0/agents");
    api.show::<agents::Agents>("/v2.0/agents/{id}");
    api.list::<zones::AvailabilityZones>("/v2.0/availability_zones");
    api.list::<quotas::Quotas>("/v2.0/quotas");
    api.show::<quotas::Quotas>("/v2.0/quotas/{project}");
    api.show::<quotas::Quotas>("/v2.0/quotas/{project}/default");
    api.list::<extensions::Extensions>("/v2.0/extensions");
    api.show::<extensions::Extensions>("/v2.0/extensions/{alias}");

    api.list::<gateways::Gateways>("/v2.0/l2-gateways");
    api.create::<gateways::Gateways, gateways::Creation>("/v2.0/l2-gateways");
    api.show::<gateways::Gateways>("/v2.0/l2-gateways/{id}");
    api.update::<gateways::Gateways, gateways::Change>("/v2.0/l2-gateways/{id}");
    api.delete("/v2.0/l2-gateways/{id}");

    api.list::<connections::Connections>("/v2.0/l2-gateway-connections");
    api.create::<connections::Connections, connections::Creation>("/v2.0/l2-gateway-connections");
    api.show::<connections::Connections>("/v2.0/l2-gateway-connections/{id}");
    api.delete("/v2.0/l2-gateway-connections/{id}");

    api.list::<networks::Networks>("/v2.0/networks");
    api.create::<networks::Networks, networks::Creation>("/v2.0/networks");
    api.show::<networks::Networks>("/v2.0/networks/{id}");
    api.update::<networks::Networks, networks::Change>("/v2.0/networks/{id}");
    api.delete("/v2.0/networks/{id}");

    api.list::<ports::Ports>("/v2.0/ports");
    api.create::<ports::Ports, ports::Creation>("/v2.0/ports");
    api.show::<ports::Ports>("/v2.0/ports/{id}");
    api.update::<ports::Ports, ports::Change>("/v2.0/ports/{id}");
    api.delete("/v2.0/ports/{id}");

    api.list::<security_groups::SecurityGroups>("/v2.0/security-groups");
    api.show::<security_groups::SecurityGroups>("/v2.0/security-groups/{id}");

    api.list::<subnets::Subnets>("/v2.0/subnets");
    api.create::<subnets::Subnets, subnets::Creation>("/v2.0/subnets");
    api.show::<subnets::Subnets>("/v2.0/subnets/{id}");
    api.update::<subnets::Subnets, subnets::Change>("/v2.0/subnets/{id}");
    api.delete("/v2.0/subnets/{id}");

    api.list::<endpoints::Endpoints>("/v2.0/tunnel-endpoints");
    api.create::<endpoints::Endpoints, endpoints::Creation>("/v2.0/tunnel-endpoints");
    api.show::<endpoints::Endpoints>("/v2.0/tunnel-endpoints/{id}");
    api.update::<endpoints::Endpoints, endpoints::Change>("/v2.0/tunnel-endpoints/{id}");
    api.delete("/v2.0/tunnel-endpoints/{id}");
}
