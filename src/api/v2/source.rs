//! `/v2/source`: where networks and ports come from, and its guard's release.

use axum::{extract::State, http::StatusCode};

use crate::{
    api::{
        App,
        answer::{self, Answer},
    },
    service::view::SourceView,
};

pub(super) async fn show(State(app): State<App>) -> Answer {
    answer::bare(StatusCode::OK, &SourceView::from(app.service.source()))
}

/// Lets losses pass that the guard holds; needs no body.
pub(super) async fn release(State(app): State<App>) -> Answer {
    app.service.release_source()?;
    Ok(answer::gone())
}
