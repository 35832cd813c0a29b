//! Lists: what a query asks for, and the answer. One set of rules for every resource of both dialects:
//!
//! - `?name=a&name=b&tenant_id=c`: repeated attributes are alternatives, different ones all hold ([`filter`]);
//! - `fields=id&fields=name`: only these members ([`fields`]);
//! - `sort_key=name&sort_dir=desc`, repeated for further keys; the id decides between equals ([`order`]);
//! - `limit=10&marker=<id>&page_reverse=true`: a window of that order, with links to its neighbours ([`window`]).
//!
//! Small tables are read whole and looked through here ([`of`]); large ones are the store's to look through ([`stored()`]).

mod fields;
mod filter;
mod order;
mod query;
mod stored;
mod window;

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub(super) use fields::Fields;
pub(super) use filter::{Filter, truth};
pub(super) use order::Key;
pub(super) use query::ListQuery;
pub(super) use stored::{Stored, stored, written_as};
pub(super) use window::Window;

use super::{
    answer::{self, Answer, PAGE},
    problem::Problem,
};

/// A kind of object as one dialect shows it.
pub(super) trait Resource: 'static {
    /// What an object is wrapped in.
    const ONE: &'static str;
    /// What a list is wrapped in.
    const MANY: &'static str;
    /// Attributes that `sort_key` takes.
    const SORTABLE: &'static [&'static str];

    /// What the service answers.
    type Row: Send + 'static;
    /// What the client gets.
    type View<'a>: Serialize + ToSchema;

    /// Identity, as the client knows it: what `marker` names.
    fn id(row: &Self::Row) -> String;
    /// The row's shape.
    fn view(row: &Self::Row) -> Self::View<'_>;
    /// The refusal of a marker that no row has.
    fn missing(id: String) -> Problem;
}

/// One object under its name, reduced to the `fields` that were asked for.
pub(super) fn one<R: Resource>(fields: &Fields, row: &R::Row) -> Answer {
    answer::text(StatusCode::OK, R::ONE, |text| fields.write(text, &R::view(row)))
}

/// One object under its name, after it was created or changed.
pub(super) fn whole<R: Resource>(status: StatusCode, row: &R::Row) -> Answer {
    answer::wrapped(status, R::ONE, &R::view(row))
}

/// The objects of a bulk creation, in its order.
pub(super) async fn created<R: Resource>(rows: Vec<R::Row>) -> Answer {
    let write = |text: &mut Vec<u8>, row: &R::Row| serde_json::to_writer(text, &R::view(row));
    answer::pages(StatusCode::CREATED, R::MANY, rows.into_iter(), write, String::new()).await
}

/// A list of rows that came in the order of their ids.
pub(super) async fn of<R: Resource>(query: ListQuery, rows: Vec<R::Row>) -> Answer {
    query.check_order(R::SORTABLE)?;
    // A worker thread is kept for a few milliseconds at most.
    let (query, rows) = if rows.len() > PAGE && query.needs_views() {
        let work = tokio::task::spawn_blocking(move || {
            let rows = selected::<R>(&query, rows);
            (query, rows)
        });
        work.await.map_err(|error| {
            tracing::error!(%error, "filtering a list panicked");
            Problem::bug()
        })?
    } else {
        let rows = selected::<R>(&query, rows);
        (query, rows)
    };
    let (rows, links) = window::cut::<R>(&query, rows)?;
    send::<R>(query.fields, rows.into_iter(), links).await
}

/// Sends rows that are chosen and in order.
pub(super) async fn send<R: Resource>(
    fields: Fields,
    rows: impl answer::Source<Row = R::Row>,
    links: Vec<window::Link>,
) -> Answer {
    let tail = window::tail(R::MANY, &links);
    answer::pages(StatusCode::OK, R::MANY, rows, move |text, row| fields.write(text, &R::view(row)), tail).await
}

/// The rows that match, in the order that was asked for.
fn selected<R: Resource>(query: &ListQuery, rows: Vec<R::Row>) -> Vec<R::Row> {
    if !query.needs_views() {
        return rows;
    }
    let shown = rows.into_iter().map(|row| (attributes::<R>(&row), row));
    let mut kept: Vec<_> = shown.filter(|(attributes, _)| query.filter.matches(attributes)).collect();
    // A stable sort: rows came in the order of their ids, which decides between equals.
    kept.sort_by(|(a, _), (b, _)| order::compare(&query.order, a, b));
    kept.into_iter().map(|(_, row)| row).collect()
}

/// A row's members by name, as the client sees them.
pub(super) fn attributes<R: Resource>(row: &R::Row) -> Map<String, Value> {
    match serde_json::to_value(R::view(row)) {
        Ok(Value::Object(members)) => members,
        // A view is an object; what is none has no attributes.
        _ => Map::new(),
    }
}
