//! What is common to all calls: unknown routes, methods, readiness, panics, the status of every refusal.

use std::sync::Arc;

use axum::{Router, http::Request, response::IntoResponse, routing::get};
use tower::ServiceExt;

use super::harness::Api;
use crate::{
    api::{auth::Gate, problem::Problem, surrounded, uninvited::Uninvited},
    fleet::UnknownSwitch,
    service::ServiceError,
    store::StoreError,
};

#[tokio::test]
async fn what_is_not_there_is_404_and_what_is_not_possible_405() {
    let api = Api::new().await;
    for path in ["/nothing", "/v3", "/v2.0/routers", "/v2/l2-gateways/a/b", "//"] {
        assert_eq!(api.get(path).await.error(404).0, "HTTPNotFound", "{path}");
    }
    for (method, path, allowed) in [
        ("DELETE", "/v2/l2-gateways", "GET,HEAD,POST"),
        ("PUT", "/v2/l2-gateway-connections/x", "GET,HEAD,DELETE"),
        ("PATCH", "/v2.0/ports/x", "GET,HEAD,PUT,DELETE"),
        ("GET", "/v2/switches/x/release", "POST"),
        ("POST", "/healthz", "GET,HEAD"),
        ("POST", "/", "GET,HEAD"),
    ] {
        let answer = api.send(method, path, "").await;
        assert_eq!(answer.error(405).0, "HTTPMethodNotAllowed");
        assert_eq!(answer.headers["allow"], allowed, "{method} {path}");
    }
    let bad = api.get("/v2/l2-gateways/%ff").await.error(400);
    assert!(bad.1.contains("path"), "{bad:?}");
}

#[tokio::test]
async fn suffixes_make_no_difference() {
    let api = Api::new().await;
    for path in
        ["/v2/l2-gateways/", "/v2.0/networks/", "/v2.0/networks.json", "/v2.0/ports.json?name=x", "/v2/switches/"]
    {
        api.get(path).await.expect(200);
    }
}

#[tokio::test]
async fn the_version_document_names_both_dialects() {
    let api = Api::new().await;
    let request = Request::builder().uri("/").header("host", "ctl:9797").body(axum::body::Body::empty()).unwrap();
    let versions = api.call(request).await.expect(200);
    assert_eq!(versions["versions"][0]["id"], "v2.0");
    assert_eq!(versions["versions"][0]["status"], "CURRENT");
    assert_eq!(versions["versions"][0]["links"][0]["href"], "http://ctl:9797/v2.0/");
    assert_eq!(versions["versions"][1]["id"], "v2");
    // And its links lead somewhere.
    for version in ["v2.0", "v2"] {
        let told = api.get(&format!("/{version}/")).await.expect(200);
        for resource in told["resources"].as_array().unwrap() {
            let href = resource["links"][0]["href"].as_str().unwrap();
            assert_eq!(href, format!("/{version}/{}", resource["collection"].as_str().unwrap()));
            // The FDB waits for a fleet, which these tests don't have.
            if !href.ends_with("/fdb") {
                api.get(href).await.expect(200);
            }
        }
    }
}

#[tokio::test]
async fn readiness_says_why_not() {
    let ready = Api::new().await;
    assert_eq!(ready.get("/readyz").await.expect(200)["status"], "ready");
    let unready = Api::with(Gate::Open, vec!["the disk is full".into()]).await;
    assert_eq!(unready.get("/readyz").await.expect(503)["reasons"][0], "the disk is full");
    assert_eq!(unready.get("/healthz").await.expect(200)["status"], "ok");
}

#[tokio::test]
async fn a_panic_is_a_500_in_the_error_form() {
    async fn broken() -> &'static str {
        panic!("some cause")
    }
    let router = surrounded(Router::new().route("/", get(broken)), &Uninvited::default());
    let response = router.oneshot(Request::builder().uri("/").body(axum::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 500);
    assert!(response.headers().contains_key("x-openstack-request-id"));
    let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.contains("HTTPInternalServerError") && !text.contains("some cause"), "{text}");
}

#[tokio::test]
async fn refusals_have_their_status() {
    let answer = |error: ServiceError| Problem::from(error).into_response();
    let invalid = || ServiceError::Invalid { field: "name".into(), problem: "too long".into() };
    assert_eq!(answer(invalid()).status(), 400);
    assert_eq!(answer(ServiceError::GatewayNotFound("x".into())).status(), 404);
    assert_eq!(answer(ServiceError::SwitchNotFound(UnknownSwitch("x".into()))).status(), 404);
    assert_eq!(answer(ServiceError::NoFreeVni).status(), 409);
    let full = StoreError::Unavailable(Arc::new(sqlx::Error::PoolTimedOut));
    for error in [full, StoreError::Overloaded, StoreError::Closed] {
        let response = answer(error.into());
        assert_eq!(response.status(), 503);
        assert!(response.headers().contains_key("retry-after"));
    }
    let broken = StoreError::Corrupt { column: "networks.vni", value: "x".into() };
    assert_eq!(answer(broken.into()).status(), 500);
    let long = answer(ServiceError::GatewayNotFound("é".repeat(1_000_000)));
    assert!(axum::body::to_bytes(long.into_body(), 10_000).await.is_ok());
}

#[tokio::test]
async fn no_switch_is_known_to_a_fleet_without_any() {
    let api = Api::new().await;
    assert_eq!(api.get("/v2/switches").await.expect(200)["switches"], serde_json::json!([]));
    assert_eq!(api.get("/v2/switches/tor-1").await.error(404).0, "SwitchNotFound");
}

#[tokio::test]
async fn a_store_that_takes_nothing_is_503_and_not_a_bug() {
    let api = Api::new().await;
    api.store.close().await;
    let answer = api.post("/v2.0/networks", &serde_json::json!({"network": {}})).await;
    assert_eq!(answer.error(503).0, "ServiceUnavailable");
    assert_eq!(answer.headers["retry-after"], "5");
    assert_eq!(api.get("/v2.0/ports").await.error(503).0, "ServiceUnavailable");
}

#[tokio::test]
async fn without_a_source_there_is_nothing_to_release() {
    let api = Api::new().await;
    assert_eq!(api.get("/v2/source").await.expect(200), serde_json::json!({"driver": "native"}));
    assert_eq!(api.send("POST", "/v2/source/release", "").await.error(404).0, "SourceNotFound");
}
