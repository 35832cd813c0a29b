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

use axum::http::request::Parts;

use super::{answer::Answer, calls::Calls, list::Resource, openapi::Description, root};
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

/// Declares them.
pub(super) fn calls(api: &mut Calls) {
    api.get("/v2.0", index, Description::collections);
    tags::calls(api);

    api.get("/v2.0/agents", agents::list, Description::list::<agents::Agents>);
    api.get("/v2.0/agents/{id}", agents::show, Description::show::<agents::Agents>);
    api.get("/v2.0/availability_zones", zones::list, Description::list::<zones::AvailabilityZones>);
    api.get("/v2.0/quotas", quotas::list, Description::list::<quotas::Quotas>);
    api.get("/v2.0/quotas/{project}", quotas::show, Description::show::<quotas::Quotas>);
    api.get("/v2.0/quotas/{project}/default", quotas::show, Description::show::<quotas::Quotas>);
    api.get("/v2.0/extensions", extensions::list, Description::list::<extensions::Extensions>);
    api.get("/v2.0/extensions/{alias}", extensions::show, Description::show::<extensions::Extensions>);

    let (all, one) = ("/v2.0/l2-gateways", "/v2.0/l2-gateways/{id}");
    api.get(all, gateways::list, Description::list::<gateways::Gateways>);
    api.post(all, gateways::create, Description::create::<gateways::Gateways, gateways::Creation>);
    api.get(one, gateways::show, Description::show::<gateways::Gateways>);
    api.put(one, gateways::update, Description::update::<gateways::Gateways, gateways::Change>);
    api.delete(one, gateways::delete);

    let (all, one) = ("/v2.0/l2-gateway-connections", "/v2.0/l2-gateway-connections/{id}");
    api.get(all, connections::list, Description::list::<connections::Connections>);
    api.post(all, connections::create, Description::create::<connections::Connections, connections::Creation>);
    api.get(one, connections::show, Description::show::<connections::Connections>);
    api.delete(one, connections::delete);

    let (all, one) = ("/v2.0/networks", "/v2.0/networks/{id}");
    api.get(all, networks::list, Description::list::<networks::Networks>);
    api.post(all, networks::create, Description::create::<networks::Networks, networks::Creation>);
    api.get(one, networks::show, Description::show::<networks::Networks>);
    api.put(one, networks::update, Description::update::<networks::Networks, networks::Change>);
    api.delete(one, networks::delete);

    let (all, one) = ("/v2.0/ports", "/v2.0/ports/{id}");
    api.get(all, ports::list, Description::list::<ports::Ports>);
    api.post(all, ports::create, Description::create::<ports::Ports, ports::Creation>);
    api.get(one, ports::show, Description::show::<ports::Ports>);
    api.put(one, ports::update, Description::update::<ports::Ports, ports::Change>);
    api.delete(one, ports::delete);

    let (all, one) = ("/v2.0/security-groups", "/v2.0/security-groups/{id}");
    api.get(all, security_groups::list, Description::list::<security_groups::SecurityGroups>);
    api.get(one, security_groups::show, Description::show::<security_groups::SecurityGroups>);

    let (all, one) = ("/v2.0/subnets", "/v2.0/subnets/{id}");
    api.get(all, subnets::list, Description::list::<subnets::Subnets>);
    api.post(all, subnets::create, Description::create::<subnets::Subnets, subnets::Creation>);
    api.get(one, subnets::show, Description::show::<subnets::Subnets>);
    api.put(one, subnets::update, Description::update::<subnets::Subnets, subnets::Change>);
    api.delete(one, subnets::delete);

    let (all, one) = ("/v2.0/tunnel-endpoints", "/v2.0/tunnel-endpoints/{id}");
    api.get(all, endpoints::list, Description::list::<endpoints::Endpoints>);
    api.post(all, endpoints::create, Description::create::<endpoints::Endpoints, endpoints::Creation>);
    api.get(one, endpoints::show, Description::show::<endpoints::Endpoints>);
    api.put(one, endpoints::update, Description::update::<endpoints::Endpoints, endpoints::Change>);
    api.delete(one, endpoints::delete);
}
