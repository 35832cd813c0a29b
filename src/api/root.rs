//! `GET /`: which versions of the API there are, and its description, without a token.

use axum::{
    Router,
    http::{header, request::Parts, uri::Authority},
    response::IntoResponse,
    routing::get,
};
use serde_json::json;

use super::{listener::Encrypted, openapi};

pub(super) fn router() -> Router {
    Router::new().route("/", get(versions)).route("/openapi.json", get(openapi::serve))
}

async fn versions(parts: Parts) -> impl IntoResponse {
    let base = base(&parts);
    let version = |id: &str, path: &str, status: &str| json!({"id": id, "status": status, "links": [{"rel": "self", "href": format!("{base}{path}")}]});
    let document = json!({"versions": [version("v2.0", "/v2.0/", "CURRENT"), version("v2", "/v2/", "SUPPORTED")]});
    ([(header::CONTENT_TYPE, "application/json")], document.to_string())
}

/// Where links lead: clients go on at the address that they came by.
pub(super) fn base(parts: &Parts) -> String {
    let scheme = if parts.extensions.get::<Encrypted>().is_some() { "https" } else { "http" };
    let host = parts.headers.get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    host.map_or_else(String::new, |host| format!("{scheme}://{host}"))
}
