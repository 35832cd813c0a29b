//! `GET /`: which versions of the API there are, without a token.

use axum::{
    Router,
    http::{HeaderMap, header, uri::Authority},
    response::IntoResponse,
    routing::get,
};
use serde_json::json;

pub(super) fn router() -> Router {
    Router::new().route("/", get(versions))
}

async fn versions(headers: HeaderMap) -> impl IntoResponse {
    // Clients go on at the address that they came by.
    let host = headers.get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let base = host.map_or_else(String::new, |host| format!("http://{host}"));
    let version = |id: &str, path: &str, status: &str| json!({"id": id, "status": status, "links": [{"rel": "self", "href": format!("{base}{path}")}]});
    let document = json!({"versions": [version("v2.0", "/v2.0/", "CURRENT"), version("v2", "/v2/", "SUPPORTED")]});
    ([(header::CONTENT_TYPE, "application/json")], document.to_string())
}
