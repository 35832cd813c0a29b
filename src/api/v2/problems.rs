//! `/v2/problems`: all that is wrong, as `l2gw status` lists it.

use axum::{extract::State, http::StatusCode};

use crate::api::{
    App,
    answer::{self, Answer},
};

/// Problems that are listed: the worst ones.
const LISTED: usize = 1000;

pub(super) async fn list(State(app): State<App>) -> Answer {
    let mut problems = app.service.overview().await.problems;
    let more = problems.len().saturating_sub(LISTED);
    problems.truncate(LISTED);
    let write = |text: &mut Vec<u8>, problem: &_| serde_json::to_writer(text, problem);
    answer::pages(StatusCode::OK, "problems", problems.into_iter(), write, format!(",\"more\":{more}")).await
}
