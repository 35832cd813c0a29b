//! `/v2/problems`: all that is wrong, as `l2gw status` lists it.

use axum::{extract::State, http::StatusCode};

use crate::api::{
    App,
    answer::{self, Answer},
};

pub(super) async fn list(State(app): State<App>) -> Answer {
    let problems = app.service.overview().await.problems.into_iter();
    let write = |text: &mut Vec<u8>, problem: &_| serde_json::to_writer(text, problem);
    answer::pages(StatusCode::OK, "problems", problems, write, String::new()).await
}
