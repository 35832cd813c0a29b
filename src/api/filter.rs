//! Filters of lists: `?name=a&name=b&tenant_id=c`. Repeated attributes are alternatives, different ones all hold. One
//! that isn't known matches nothing: a client that filters wants less than everything, and may delete what it gets.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use uuid::Uuid;

use super::problem::Problem;

/// What Neutron's clients send that is no filter.
const NOT_BUILT: [&str; 6] = ["fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"];

/// Most conditions in a filter.
const MAX_CONDITIONS: usize = 1000;

/// The filter of a query.
#[derive(Debug, Default)]
pub(super) struct Filter(Vec<(String, Vec<String>)>);

/// A row that can be filtered.
pub(super) trait Filtered {
    /// Whether the attribute has this value; an attribute that doesn't exist has none.
    fn has(&self, attribute: &str, value: &str) -> bool;
}

impl Filter {
    /// Whether a row matches.
    pub(super) fn matches(&self, row: &impl Filtered) -> bool {
        self.0.iter().all(|(attribute, values)| values.iter().any(|value| row.has(attribute, value)))
    }

    /// The values of an attribute that parse, as the store can look for them; values that don't, match nothing.
    pub(super) fn parsed<T: std::str::FromStr>(&self, attribute: &str) -> Option<Vec<T>> {
        let (_, values) = self.0.iter().find(|(name, _)| name == attribute)?;
        Some(values.iter().filter_map(|value| value.parse().ok()).collect())
    }

    /// The rows that match.
    pub(super) fn keep<T: Filtered>(&self, mut rows: Vec<T>) -> Vec<T> {
        rows.retain(|row| self.matches(row));
        rows
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Filter {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(conditions) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|error| Problem::bad_request(format!("the query can't be read: {}", error.body_text())))?;
        if conditions.len() > MAX_CONDITIONS {
            return Err(Problem::bad_request(format!("the query has more than {MAX_CONDITIONS} conditions")));
        }
        let mut filter = Self::default();
        for (attribute, value) in conditions {
            // A limit or a list of fields that was ignored would be an answer to another question.
            if NOT_BUILT.contains(&attribute.as_str()) {
                return Err(Problem::bad_request(format!("{attribute}: paging, sorting and fields are not built yet")));
            }
            match filter.0.iter_mut().find(|(name, _)| *name == attribute) {
                Some((_, values)) => values.push(value),
                None => filter.0.push((attribute, vec![value])),
            }
        }
        Ok(filter)
    }
}

/// Whether the text is this UUID, in any spelling.
pub(super) fn is_id(value: &str, id: Uuid) -> bool {
    Uuid::parse_str(value).is_ok_and(|given| given == id)
}

/// Whether the text is this truth value, as Neutron reads them.
pub(super) fn is_bool(value: &str, truth: bool) -> bool {
    let text = value.to_ascii_lowercase();
    if truth { matches!(text.as_str(), "true" | "1") } else { matches!(text.as_str(), "false" | "0") }
}
