//! `/v2`: the specification's dialect. Shapes are [`crate::service::view`]'s, shared with the admin socket.

mod connections;
mod fdb;
mod gateways;
mod problems;
mod source;
mod switches;

use axum::http::request::Parts;
use serde_json::{Value, json};

use super::{
    answer::Answer,
    calls::Calls,
    list::Resource,
    openapi::{Description, list_of, wrapped},
    root,
};
use crate::{
    model::{
        problem::{Notice, Problem},
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

/// Declares the calls.
pub(super) fn calls(api: &mut Calls) {
    api.get("/v2", index, Description::collections);
    gateway_calls(api);
    connection_calls(api);
    switch_calls(api);
    fdb_calls(api);

    api.get("/v2/problems", problems::list, |api, path| {
        let mut problems = list_of("problems", &api.schema::<Problem>());
        problems["properties"]["more"] =
            json!({"type": "integer", "minimum": 0, "description": "number of problems that aren't listed"});
        problems["properties"]["notices"] = json!({"type": "array", "items": api.schema::<Notice>()});
        api.call("get", path, none(), None, json!({"200": problems}));
    });
    api.get("/v2/source", source::show, |api, path| {
        let source = api.schema::<SourceView>();
        api.call("get", path, none(), None, json!({"200": source}));
    });
    api.post("/v2/source/release", source::release, |api, path| {
        api.call("post", path, none(), None, json!({"204": null}));
    });
}

fn none() -> Value {
    json!([])
}

fn gateway_calls(api: &mut Calls) {
    fn shown(api: &mut Description) -> Value {
        wrapped(gateways::Gateways::ONE, &api.schema::<GatewayView<'static>>())
    }
    let (all, one) = ("/v2/l2-gateways", "/v2/l2-gateways/{gateway}");
    api.get(all, gateways::list, Description::list::<gateways::Gateways>);
    api.post(all, gateways::create_or_update, |api, path| {
        let (body, shown) = (api.schema::<gateways::Body>(), shown(api));
        // 200: `new_interfaces` or `deleted_interfaces` make it an update.
        api.call("post", path, none(), Some(body), json!({"201": shown, "200": shown}));
    });
    api.get(one, gateways::show, |api, path| {
        let shown = shown(api);
        api.call("get", path, none(), None, json!({"200": shown}));
    });
    api.put(one, gateways::update, |api, path| {
        let (body, shown) = (api.schema::<gateways::Body>(), shown(api));
        api.call("put", path, none(), Some(body), json!({"200": shown}));
    });
    api.delete(one, gateways::delete);
}

fn connection_calls(api: &mut Calls) {
    let (all, one) = ("/v2/l2-gateway-connections", "/v2/l2-gateway-connections/{connection}");
    api.get(all, connections::list, Description::list::<connections::Connections>);
    api.post(all, connections::create, |api, path| {
        let (body, shown) = (api.schema::<ConnectionBody>(), api.schema::<ConnectionView<'static>>());
        api.call("post", path, none(), Some(body), json!({"201": shown}));
    });
    api.get(one, connections::show, |api, path| {
        let shown = api.schema::<ConnectionView<'static>>();
        api.call("get", path, none(), None, json!({"200": shown}));
    });
    api.delete(one, connections::delete);
    api.get("/v2/l2-gateway-connections/{connection}/status", connections::status, |api, path| {
        let status = api.schema::<ConnectionStatus>();
        api.call("get", path, none(), None, json!({"200": status}));
    });
}

fn switch_calls(api: &mut Calls) {
    api.get("/v2/switches", switches::list, |api, path| {
        let mut switches = list_of("switches", &api.schema::<SwitchStatus>());
        switches["properties"]["strangers"] = api.schema::<Strangers>();
        api.call("get", path, none(), None, json!({"200": switches}));
    });
    api.get("/v2/switches/{switch}", switches::show, |api, path| {
        let switch = api.schema::<SwitchStatus>();
        api.call("get", path, none(), None, json!({"200": switch}));
    });
    api.post("/v2/switches/{switch}/release", switches::release, |api, path| {
        api.call("post", path, none(), None, json!({"204": null}));
    });
}

fn fdb_calls(api: &mut Calls) {
    let scope = || json!({"name": "scope", "in": "query", "schema": {"enum": ["gateway", "all"]}});
    api.get("/v2/fdb", fdb::list, |api, path| {
        let snapshot = api.schema::<FdbSnapshot<'static>>();
        api.call("get", path, json!([scope()]), None, json!({"200": snapshot}));
    });
    api.get("/v2/fdb/{network}", fdb::show, |api, path| {
        let network = api.schema::<FdbNetwork<'static>>();
        api.call("get", path, json!([scope()]), None, json!({"200": network}));
    });
    api.get("/v2/fdb/watch", fdb::watch, |api, path| {
        let revision = |name: &str, place: &str| {
            json!({"name": name, "in": place, "description": "go on after this revision",
                   "schema": {"type": "integer", "minimum": 0}})
        };
        let (snapshot, change) = (api.schema::<FdbSnapshot<'static>>(), api.schema::<FdbChange<'static>>());
        let parameters = json!([scope(), revision("since", "query"), revision("Last-Event-ID", "header")]);
        api.stream(path, parameters, &json!({"snapshot": snapshot, "change": change}));
    });
}
