//! `/v2`: the specification's dialect. Shapes are [`crate::service::view`]'s, shared with the admin socket.

mod connections;
mod fdb;
mod gateways;
mod problems;
mod source;
mod switches;

use axum::{
    Router,
    http::request::Parts,
    routing::{get, post},
};

use serde_json::json;

use super::{
    App,
    answer::Answer,
    list::Resource,
    openapi::{Description, list_of, wrapped},
    root,
};
use crate::{
    model::{
        problem::Problem,
        status::{Strangers, SwitchStatus},
    },
    relay::{FdbChange, FdbNetwork, FdbSnapshot},
    service::{
        ConnectionStatus,
        view::{ConnectionBody, ConnectionView, GatewayView, SourceView},
    },
};

/// What there is, with the name of one object.
const COLLECTIONS: [(&str, &str); 4] = [
    (gateways::Gateways::ONE, "l2-gateways"),
    (connections::Connections::ONE, "l2-gateway-connections"),
    ("switch", "switches"),
    ("network", "fdb"),
];

async fn index(parts: Parts) -> Answer {
    root::collections(&parts, "/v2", &COLLECTIONS)
}

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v2", get(index))
        .route("/v2/l2-gateways", get(gateways::list).post(gateways::create_or_update))
        .route("/v2/l2-gateways/{gateway}", get(gateways::show).put(gateways::update).delete(gateways::delete))
        .route("/v2/l2-gateway-connections", get(connections::list).post(connections::create))
        .route("/v2/l2-gateway-connections/{connection}", get(connections::show).delete(connections::delete))
        .route("/v2/l2-gateway-connections/{connection}/status", get(connections::status))
        .route("/v2/fdb", get(fdb::list))
        .route("/v2/fdb/watch", get(fdb::watch))
        .route("/v2/fdb/{network}", get(fdb::show))
        .route("/v2/problems", get(problems::list))
        .route("/v2/source", get(source::show))
        .route("/v2/source/release", post(source::release))
        .route("/v2/switches", get(switches::list))
        .route("/v2/switches/{switch}", get(switches::show))
        .route("/v2/switches/{switch}/release", post(switches::release))
}

/// Tells of the routes above.
pub(super) fn describe(api: &mut Description) {
    api.collections("/v2");
    let none = || json!([]);
    let (gateways, gateway) = ("/v2/l2-gateways", "/v2/l2-gateways/{gateway}");
    let body = api.schema::<gateways::Body>();
    let shown = wrapped(gateways::Gateways::ONE, &api.schema::<GatewayView<'static>>());
    api.list::<gateways::Gateways>(gateways);
    // 200: `new_interfaces` or `deleted_interfaces` make it an update.
    api.call("post", gateways, none(), Some(body.clone()), json!({"201": shown, "200": shown}));
    api.call("get", gateway, none(), None, json!({"200": shown}));
    api.call("put", gateway, none(), Some(body), json!({"200": shown}));
    api.delete(gateway);

    let (connections, connection) = ("/v2/l2-gateway-connections", "/v2/l2-gateway-connections/{connection}");
    let (body, shown) = (api.schema::<ConnectionBody>(), api.schema::<ConnectionView<'static>>());
    api.list::<connections::Connections>(connections);
    api.call("post", connections, none(), Some(body), json!({"201": shown}));
    api.call("get", connection, none(), None, json!({"200": shown}));
    api.delete(connection);
    let status = api.schema::<ConnectionStatus>();
    api.call("get", "/v2/l2-gateway-connections/{connection}/status", none(), None, json!({"200": status}));

    let switch = api.schema::<SwitchStatus>();
    let mut switches = list_of("switches", &switch);
    switches["properties"]["strangers"] = api.schema::<Strangers>();
    api.call("get", "/v2/switches", none(), None, json!({"200": switches}));
    api.call("get", "/v2/switches/{switch}", none(), None, json!({"200": switch}));
    api.call("post", "/v2/switches/{switch}/release", none(), None, json!({"204": null}));

    let problems = list_of("problems", &api.schema::<Problem>());
    api.call("get", "/v2/problems", none(), None, json!({"200": problems}));

    let source = api.schema::<SourceView>();
    api.call("get", "/v2/source", none(), None, json!({"200": source}));
    api.call("post", "/v2/source/release", none(), None, json!({"204": null}));

    let scope = json!({"name": "scope", "in": "query", "schema": {"enum": ["gateway", "all"]}});
    let (snapshot, network) = (api.schema::<FdbSnapshot<'static>>(), api.schema::<FdbNetwork<'static>>());
    api.call("get", "/v2/fdb", json!([scope]), None, json!({"200": snapshot}));
    api.call("get", "/v2/fdb/{network}", json!([scope]), None, json!({"200": network}));
    let revision = |name: &str, place: &str| {
        json!({"name": name, "in": place, "description": "go on after this revision",
               "schema": {"type": "integer", "minimum": 0}})
    };
    let change = api.schema::<FdbChange<'static>>();
    let parameters = json!([scope, revision("since", "query"), revision("Last-Event-ID", "header")]);
    api.stream("/v2/fdb/watch", parameters, &json!({"snapshot": snapshot, "change": change}));
}
