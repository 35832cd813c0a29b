//! What surrounds every call: its id, its line in the log, and a net under panics.

use std::{any::Any, time::Instant};

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Instrument;
use uuid::Uuid;

use super::{listener::Peer, problem::Problem, uninvited::Uninvited};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");

/// On the answer to a call with a good token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admitted;

/// Longest part of a path that is logged, in characters.
const LOGGED_PATH: usize = 256;

/// Middleware: gives the call an id (`X-Openstack-Request-Id`, the field `request` of all that is logged within), and
/// logs it, those without a good token up to a bound. Headers and query are not logged: they may hold secrets.
pub(super) async fn call(State(uninvited): State<Uninvited>, request: Request, next: Next) -> Response {
    let id = format!("req-{}", Uuid::new_v4());
    let method = request.method().clone();
    // Without a token, too, one may ask for a path of 64 KiB.
    let path: String = request.uri().path().chars().take(LOGGED_PATH).collect();
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let started = Instant::now();

    let span = tracing::info_span!("call", request = %id);
    let mut response = next.run(request).instrument(span.clone()).await;

    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let status = response.status().as_u16();
    let _entered = span.enter();
    let invited = response.extensions_mut().remove::<Admitted>().is_some();
    // Probes come every few seconds and say nothing while all is well.
    let quiet = matches!(path.as_str(), "/healthz" | "/readyz") && status < 400;
    if quiet || !(invited || uninvited.count(peer.map(|peer| peer.ip()), status)) {
        tracing::debug!(%method, path, status, ms, peer = peer.map(tracing::field::display), "called");
    } else {
        tracing::info!(%method, path, status, ms, peer = peer.map(tracing::field::display), "called");
    }
    // A UUID in hexadecimal is a valid header.
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// The answer to a call that panicked.
// The layer's signature.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn panicked(cause: Box<dyn Any + Send>) -> Response {
    let cause = cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("unknown");
    tracing::error!(cause, "a call panicked");
    Problem::bug().into_response()
}
