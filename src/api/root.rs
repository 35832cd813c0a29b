//! `GET /`: which versions of the API there are, and its description, without a token. And what the versions' own
//! addresses answer.

use axum::{
    Router,
    http::{StatusCode, header, request::Parts, uri::Authority},
    response::IntoResponse,
    routing::get,
};
use serde_json::json;

use super::{
    answer::{self, Answer},
    listener::Encrypted,
    openapi,
};

pub(super) fn router() -> Router {
    Router::new().route("/", get(versions)).route("/openapi.json", get(openapi::serve))
}

async fn versions(parts: Parts) -> impl IntoResponse {
    let base = base(&parts);
    let version = |id: &str, path: &str, status: &str| json!({"id": id, "status": status, "links": [{"rel": "self", "href": format!("{base}{path}")}]});
    let document = json!({"versions": [version("v2.0", "/v2.0/", "CURRENT"), version("v2", "/v2/", "SUPPORTED")]});
    ([(header::CONTENT_TYPE, "application/json")], document.to_string())
}

/// `GET /v2.0`, `GET /v2`: the collections of a version, as pairs of a member's name and the last part of the address;
/// as Neutron describes its own.
pub(super) fn collections(parts: &Parts, version: &str, collections: &[(&str, &str)]) -> Answer {
    let base = base(parts);
    let told = |(name, collection): &(&str, &str)| {
        json!({"name": name, "collection": collection,
               "links": [{"rel": "self", "href": format!("{base}{version}/{collection}")}]})
    };
    answer::bare(StatusCode::OK, &json!({"resources": collections.iter().map(told).collect::<Vec<_>>()}))
}

/// Where links lead: clients go on at the address that they came by.
pub(super) fn base(parts: &Parts) -> String {
    let scheme = if parts.extensions.get::<Encrypted>().is_some() { "https" } else { "http" };
    let host = parts.headers.get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    host.map_or_else(String::new, |host| format!("{scheme}://{host}"))
}
