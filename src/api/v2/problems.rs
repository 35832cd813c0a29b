//! `/v2/problems`: all that is wrong, as `l2gw status` lists it, and what happened that isn't wrong.

use axum::{extract::State, http::StatusCode};
use serde_json::json;

use crate::{
    api::{
        App,
        answer::{self, Answer},
    },
    service::Overview,
};

/// Problems that are listed: the worst ones.
const LISTED: usize = 1000;

pub(super) async fn list(State(app): State<App>) -> Answer {
    let Overview { mut problems, notices, .. } = app.service.overview().await;
    let more = problems.len().saturating_sub(LISTED);
    problems.truncate(LISTED);
    let tail = format!(",\"more\":{more},\"notices\":{}", json!(notices));
    let write = |text: &mut Vec<u8>, problem: &_| serde_json::to_writer(text, problem);
    answer::pages(StatusCode::OK, "problems", problems.into_iter(), write, tail).await
}
