//! `/v2/source`: where networks and ports come from, and its guard's release.

use axum::{extract::State, http::StatusCode};
use serde_json::json;

use crate::api::{
    App,
    answer::{self, Answer},
};

pub(super) async fn show(State(app): State<App>) -> Answer {
    match app.service.source() {
        Some(source) => answer::bare(StatusCode::OK, &source),
        None => answer::bare(StatusCode::OK, &json!({"driver": "native"})),
    }
}

/// Lets losses pass that the guard holds; needs no body.
pub(super) async fn release(State(app): State<App>) -> Answer {
    app.service.release_source()?;
    Ok(answer::gone())
}
