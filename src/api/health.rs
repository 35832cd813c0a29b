//! `/healthz` (the process answers), `/readyz` (it can do its work) and `/metrics`, without a token.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use tokio::time::timeout;

use super::{problem, recent::Recent};
use crate::{
    fleet::EXPIRES_SOON,
    model::{
        problem::{Problem, ProblemKind},
        status::Status,
    },
    ovsdb::transport::Certificate,
    telemetry::metrics::{Format, Metrics},
};

/// How long the warnings may take: they wait for the view of all switches.
const PATIENCE: Duration = Duration::from_secs(3);
/// Warnings that should be listed.
pub const LISTED_WARNINGS: usize = 50;

type Warnings = Pin<Box<dyn Future<Output = Vec<String>> + Send>>;

/// Says what keeps the daemon from its work, each reason with its fix; nothing: it is ready.
#[derive(Clone)]
pub struct Readiness {
    reasons: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
    /// What an operator should fix, though the daemon does its work.
    warnings: Arc<dyn Fn() -> Warnings + Send + Sync>,
    metrics: Option<Metrics>,
    /// `/metrics`, as OpenMetrics and as text.
    recent: [Recent; 2],
}

impl Readiness {
    /// Asked with every `GET /readyz`: it must not block.
    pub fn new(reasons: impl Fn() -> Vec<String> + Send + Sync + 'static) -> Self {
        let no_warnings = || -> Warnings { Box::pin(async { Vec::new() }) };
        Self { reasons: Arc::new(reasons), warnings: Arc::new(no_warnings), metrics: None, recent: Default::default() }
    }

    /// Shows these, too, without being unready for them. They should cost little: everybody may ask.
    #[must_use]
    pub fn with_warnings<F>(self, warnings: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Vec<String>> + Send + 'static,
    {
        Self { warnings: Arc::new(move || Box::pin(warnings())), ..self }
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
    let reasons = (ready.reasons)();
    let warnings = match timeout(PATIENCE, (ready.warnings)()).await {
        Ok(warnings) => warnings,
        Err(_) => vec![format!("the view of the switches takes longer than {} s: see the log", PATIENCE.as_secs())],
    };
    let (code, status) = match reasons.as_slice() {
        [] => (StatusCode::OK, "ready"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    json_response(code, &json!({"status": status, "reasons": reasons, "warnings": warnings}))
}

async fn metrics(State(ready): State<Readiness>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept);
    let make = async {
        match &ready.metrics {
            Some(metrics) => metrics.text(format).await,
            None if format == Format::OpenMetrics => "# EOF\n".to_owned(),
            None => String::new(),
        }
    };
    let [open_metrics, text] = &ready.recent;
    let recent = if format == Format::OpenMetrics { open_metrics } else { text };
    let Some(text) = recent.get(make).await else {
        let message = "the metrics are being gathered for other callers: try again";
        return problem::Problem::unavailable(message).into_response();
    };
    let headers = [(header::CONTENT_TYPE, format.content_type()), (header::VARY, "Accept")];
    (StatusCode::OK, headers, text).into_response()
}

/// What an operator reads where nobody is let in for this reason.
pub(super) fn authentication(reason: String, since: Option<SystemTime>) -> Problem {
    Problem {
        kind: ProblemKind::Authentication,
        status: Status::Error,
        name: "api".to_owned(),
        reason,
        since: since.map(|at| humantime::format_rfc3339_seconds(at).to_string()).unwrap_or_default(),
        impact: "REST calls are answered 503; the switches are reconciled all the same".to_owned(),
        fix: "try it with 'vtepd --check'; it is asked again by itself".to_owned(),
    }
}

/// What an operator reads of the API's certificate, if it expires soon.
pub(super) fn expiry(certificate: &Certificate) -> Option<Problem> {
    (certificate.time_left(SystemTime::now()) < EXPIRES_SOON).then(|| Problem {
        kind: ProblemKind::Certificate,
        status: Status::Degraded,
        name: "api".to_owned(),
        reason: format!(
            "the API's certificate {certificate} expires {}",
            humantime::format_rfc3339_seconds(certificate.expires)
        ),
        since: String::new(),
        impact: String::new(),
        fix: "renew tls_certificate of [api], then 'l2gw reload'".to_owned(),
    })
}

fn json_response(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
