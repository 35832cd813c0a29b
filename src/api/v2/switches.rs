//! `/v2/switches`: what the fleet knows, and the guard's release.

use axum::{extract::State, http::StatusCode};

use crate::api::{
    App,
    answer::{self, Answer},
    named::Named,
};

pub(super) async fn list(State(app): State<App>) -> Answer {
    let switches = app.service.switches().await.into_iter();
    let strangers = serde_json::json!(app.service.strangers());
    let write = |text: &mut Vec<u8>, switch: &_| serde_json::to_writer(text, switch);
    answer::pages(StatusCode::OK, "switches", switches, write, format!(",\"strangers\":{strangers}")).await
}

pub(super) async fn show(State(app): State<App>, Named(name): Named) -> Answer {
    answer::bare(StatusCode::OK, &app.service.switch(&name).await?)
}

/// Lets deletions pass that the guard holds; needs no body.
pub(super) async fn release(State(app): State<App>, Named(name): Named) -> Answer {
    app.service.release(&name).await?;
    Ok(answer::gone())
}
