//! The query of a list, read.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};

use super::{Fields, Filter, Key, Window, order};
use crate::api::{problem::Problem, root};

/// Most conditions in a query.
const MAX_CONDITIONS: usize = 1000;

/// What a list is asked for.
#[derive(Debug, Default)]
pub(in crate::api) struct ListQuery {
    /// Which rows.
    pub(in crate::api) filter: Filter,
    /// In which order; none: by id.
    pub(in crate::api) order: Vec<Key>,
    /// Which part of them.
    pub(in crate::api) window: Window,
    /// Which members of each.
    pub(in crate::api) fields: Fields,
    /// The list's own address, and what its links keep of the query.
    pub(super) address: String,
    pub(super) kept: Vec<(String, String)>,
}

impl ListQuery {
    /// Whether rows have to be looked into: without a filter and an order they needn't.
    pub(super) fn needs_views(&self) -> bool {
        !self.filter.is_empty() || !self.order.is_empty()
    }

    /// Refuses keys that the resource can't be sorted by.
    pub(in crate::api) fn check_order(&self, sortable: &[&str]) -> Result<(), Problem> {
        match self.order.iter().find(|key| !sortable.contains(&key.attribute.as_str())) {
            None => Ok(()),
            Some(key) => Err(Problem::bad_request(format!(
                "sort_key: '{}' is no attribute to sort by: use {}",
                key.attribute,
                sortable.join(", ")
            ))),
        }
    }

    fn of(address: String, pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        if pairs.len() > MAX_CONDITIONS {
            return Err(Problem::bad_request(format!("the query has more than {MAX_CONDITIONS} conditions")));
        }
        let mut query = Self { address, ..Self::default() };
        let (mut keys, mut directions) = (Vec::new(), Vec::new());
        for (name, value) in pairs {
            match name.as_str() {
                "marker" => query.window.marker = Some(value).filter(|marker| !marker.is_empty()),
                "page_reverse" => query.window.reverse = super::truth(&value) == Some(true),
                other => {
                    query.kept.push((name.clone(), value.clone()));
                    match other {
                        "fields" => query.fields.add(value),
                        "limit" => query.window.limit = Window::limit(&value)?,
                        "sort_key" => keys.push(value),
                        "sort_dir" => directions.push(value),
                        _ => query.filter.add(name, value),
                    }
                }
            }
        }
        query.order = order::keys(keys, &directions)?;
        Ok(query)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ListQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::try_from_uri(&parts.uri)
            .map_err(|error| Problem::bad_request(format!("the query can't be read: {}", error.body_text())))?;
        let address = format!("{}{}", root::base(parts), parts.uri.path());
        Self::of(address, pairs)
    }
}
