//! Calls that change something go into the journal, with who called and what came of it. Bodies don't: they may be large.

use axum::{extract::Request, middleware::Next, response::Response};
use serde_json::json;

use super::listener::Peer;
use crate::service::{Caller, Service, journal::Call, revision_of};

/// Longest part of a path that is noted, in characters.
const NOTED_PATH: usize = 256;

/// Lets a call through, and notes it where it may change something.
pub(super) async fn through(service: &Service, caller: &Caller, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let method = request.method().to_string();
    let path: String = request.uri().path().chars().take(NOTED_PATH).collect();
    let who = who(caller, request.extensions().get::<Peer>());
    let (response, revision) = revision_of(next.run(request)).await;
    let result = response.status().as_u16().to_string();
    let params = json!({"path": path}).to_string();
    service.journal().note(Call { who, method: &method, revision, result, params: &params });
    response
}

fn who(caller: &Caller, peer: Option<&Peer>) -> String {
    let token = match (&caller.host, caller.project_id.as_str()) {
        (Some(host), _) => format!("host {host}"),
        (None, "") => "REST".to_owned(),
        (None, project) => format!("project {project}"),
    };
    match peer {
        Some(Peer(address)) => format!("{token} from {}", address.ip()),
        None => token,
    }
}
