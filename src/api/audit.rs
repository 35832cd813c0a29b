//! Calls that change something go into the journal, with who called, what came of it, and the body, unless that is large.

use std::sync::{Arc, OnceLock};

use axum::{extract::Request, middleware::Next, response::Response};
use bytes::Bytes;
use serde_json::{json, value::RawValue};

use super::listener::Peer;
use crate::service::{Caller, Service, journal::Call, revision_of};

/// Longest part of a path that is noted, in characters.
const NOTED_PATH: usize = 256;
/// Longest body that is noted, in bytes: a port, a gateway; of longer ones their length.
const NOTED_BODY: usize = 4096;

/// Where the reader of a body leaves it for the journal: an extension of the request.
#[derive(Debug, Clone, Default)]
pub(super) struct Noted(Arc<OnceLock<Body>>);

/// A body, or the length of one that is too long.
#[derive(Debug)]
enum Body {
    Whole(Bytes),
    Length(usize),
}

impl Noted {
    /// Keeps the body: no copy is made of it.
    pub(super) fn keep(&self, body: &Bytes) {
        let length = body.len();
        let body = if length > NOTED_BODY { Body::Length(length) } else { Body::Whole(body.clone()) };
        // A request has one body.
        let _ = self.0.set(body);
    }
}

/// Lets a call through, and notes it where it may change something.
pub(super) async fn through(service: &Service, caller: &Caller, mut request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let path: String = request.uri().path().chars().take(NOTED_PATH).collect();
    let method = format!("{} {path}", request.method());
    let who = who(caller, request.extensions().get::<Peer>());
    let noted = Noted::default();
    request.extensions_mut().insert(noted.clone());
    let (response, revision) = revision_of(next.run(request)).await;
    let result = response.status().as_u16().to_string();
    let params = params(&path, noted.0.get());
    service.journal().note(Call { who, method: &method, revision, result, params: &params });
    response
}

fn params(path: &str, body: Option<&Body>) -> String {
    let whole = |bytes| serde_json::from_slice::<&RawValue>(bytes).ok();
    match body {
        Some(Body::Whole(bytes)) if let Some(body) = whole(bytes) => {
            format!("{{\"path\":{},\"body\":{}}}", json!(path), body.get())
        }
        Some(Body::Whole(bytes)) => json!({"path": path, "bytes": bytes.len()}).to_string(),
        Some(Body::Length(length)) => json!({"path": path, "bytes": length}).to_string(),
        None => json!({"path": path}).to_string(),
    }
}

fn who(caller: &Caller, peer: Option<&Peer>) -> String {
    let token = match (&caller.host, caller.user.as_str(), caller.project_id.as_str()) {
        (Some(host), ..) => format!("host {host}"),
        (None, "", "") => "REST".to_owned(),
        (None, "", project) => format!("project {project}"),
        (None, user, "") => user.to_owned(),
        (None, user, project) => format!("{user} (project {project})"),
    };
    match peer {
        Some(Peer(address)) => format!("{token} from {}", address.ip()),
        None => token,
    }
}
