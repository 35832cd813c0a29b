//! `limit`, `marker` and `page_reverse`, and the links to the neighbours of a page.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::json;

use super::{ListQuery, Resource};
use crate::api::problem::Problem;

/// Longest page. A larger `limit` gets this many rows, and a link to the next ones.
pub(in crate::api) const LONGEST: usize = 10_000;

/// Which part of a list: up to `limit` rows after `marker`, or with `reverse` before it.
#[derive(Debug, Default, Clone)]
pub(in crate::api) struct Window {
    /// Rows; `None`: all.
    pub(in crate::api) limit: Option<usize>,
    /// The id of the row beside the page; `None`: the page is the first one (with `reverse`, the last one).
    pub(in crate::api) marker: Option<String>,
    /// Backwards. The rows of the page stand in the list's order all the same.
    pub(in crate::api) reverse: bool,
}

impl Window {
    /// Reads `limit`; 0 is no limit, as in Neutron.
    pub(super) fn limit(text: &str) -> Result<Option<usize>, Problem> {
        match text.parse::<usize>() {
            Ok(0) => Ok(None),
            Ok(limit) => Ok(Some(limit.min(LONGEST))),
            // More digits than a number has are a large limit, too.
            Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(LONGEST)),
            Err(_) => Err(Problem::bad_request(format!("limit: '{text}' is no whole number from 0 on"))),
        }
    }
}

/// A link to a neighbour of the page.
#[derive(Debug, Serialize)]
pub(in crate::api) struct Link {
    rel: &'static str,
    href: String,
}

/// The part of the rows that was asked for, and its links.
pub(super) fn cut<R: Resource>(query: &ListQuery, mut rows: Vec<R::Row>) -> Result<(Vec<R::Row>, Vec<Link>), Problem> {
    let Window { limit, marker, reverse } = &query.window;
    let at = match marker {
        None => None,
        Some(marker) => {
            let at = rows.iter().position(|row| R::id(row) == *marker);
            Some(at.ok_or_else(|| R::missing(marker.clone()))?)
        }
    };
    let (from, to) = match (at, reverse) {
        (None, _) => (0, rows.len()),
        (Some(at), false) => (at + 1, rows.len()),
        (Some(at), true) => (0, at),
    };
    let limit = limit.unwrap_or(usize::MAX);
    let (from, to) =
        if *reverse { (to.saturating_sub(limit).max(from), to) } else { (from, to.min(from.saturating_add(limit))) };
    let beyond = if *reverse { from > 0 } else { to < rows.len() };
    rows.truncate(to);
    rows.drain(..from);
    let links = links::<R>(query, &rows, beyond);
    Ok((rows, links))
}

/// The links of a page; `beyond`: there are further rows in its direction. There are none without a `limit`.
pub(in crate::api) fn links<R: Resource>(query: &ListQuery, page: &[R::Row], beyond: bool) -> Vec<Link> {
    let Window { limit, marker, reverse } = &query.window;
    let (Some(_), Some(first), Some(last)) = (limit, page.first(), page.last()) else { return Vec::new() };
    let (next, previous) = if *reverse { (marker.is_some(), beyond) } else { (beyond, marker.is_some()) };
    let link = |rel, row: &R::Row, reverse: bool| {
        let marker = ("marker".to_owned(), R::id(row));
        let reverse = reverse.then(|| ("page_reverse".to_owned(), "True".to_owned()));
        let pairs = query.kept.iter().cloned().chain([marker]).chain(reverse);
        Link { rel, href: format!("{}?{}", query.address, encoded(pairs)) }
    };
    let next = next.then(|| link("next", last, false));
    next.into_iter().chain(previous.then(|| link("previous", first, true))).collect()
}

/// What follows the rows of a list: `,"ports_links":[…]`.
pub(super) fn tail(name: &str, links: &[Link]) -> String {
    if links.is_empty() {
        return String::new();
    }
    format!(",{}:{}", json!(format!("{name}_links")), json!(links))
}

/// The pairs as a query.
fn encoded(pairs: impl Iterator<Item = (String, String)>) -> String {
    let mut query = String::new();
    for (name, value) in pairs {
        for (separator, part) in [(if query.is_empty() { "" } else { "&" }, name), ("=", value)] {
            query.push_str(separator);
            for byte in part.bytes() {
                if byte.is_ascii_alphanumeric() || b"-_.~:".contains(&byte) {
                    query.push(char::from(byte));
                } else {
                    // Writing into a String can't fail.
                    let _ = write!(query, "%{byte:02X}");
                }
            }
        }
    }
    query
}
