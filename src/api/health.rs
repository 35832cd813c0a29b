//! `/healthz` (the process answers), `/readyz` (it can do its work) and `/metrics`, without a token.

use std::{fmt, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use super::{problem::Problem, recent::Recent};
use crate::telemetry::metrics::{CONTENT_TYPE, Metrics};

/// Says what keeps the daemon from its work, each reason with its mend; nothing: it is ready.
#[derive(Clone)]
pub struct Readiness {
    reasons: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
    /// What an operator should see to, though the daemon does its work.
    warnings: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
    metrics: Option<Metrics>,
    recent: Recent,
}

impl Readiness {
    /// Asked with every `GET /readyz`: it must not block.
    pub fn new(reasons: impl Fn() -> Vec<String> + Send + Sync + 'static) -> Self {
        Self { reasons: Arc::new(reasons), warnings: Arc::new(Vec::new), metrics: None, recent: Recent::default() }
    }

    /// Tells these, too, without being unready for them. Must not block.
    pub(super) fn with_warnings(self, warnings: impl Fn() -> Vec<String> + Send + Sync + 'static) -> Self {
        Self { warnings: Arc::new(warnings), ..self }
    }

    /// Serves these at `/metrics`, too.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Readiness").field(&(self.reasons)()).finish()
    }
}

/// The routes that monitoring calls.
pub(super) fn router(ready: Readiness) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(ready)
}

async fn healthz() -> Response {
    json_response(StatusCode::OK, &json!({"status": "ok"}))
}

async fn readyz(State(ready): State<Readiness>) -> Response {
    let (reasons, warnings) = ((ready.reasons)(), (ready.warnings)());
    let (code, status) = match reasons.as_slice() {
        [] => (StatusCode::OK, "ready"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    json_response(code, &json!({"status": status, "reasons": reasons, "warnings": warnings}))
}

async fn metrics(State(ready): State<Readiness>) -> Response {
    let make = async {
        match &ready.metrics {
            Some(metrics) => metrics.text().await,
            None => "# EOF\n".to_owned(),
        }
    };
    let Some(text) = ready.recent.get(make).await else {
        return Problem::unavailable("the metrics are being gathered for other callers: try again").into_response();
    };
    (StatusCode::OK, [(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
}

fn json_response(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
