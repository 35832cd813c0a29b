//! What a path names: a trailing `/` or `.json` is cut off, and the segments are decoded.

use axum::{
    extract::{FromRequestParts, Path, Request},
    http::{Uri, request::Parts, uri::PathAndQuery},
    middleware::Next,
    response::Response,
};

use super::problem::Problem;

/// Middleware before the routes: `/v2.0/networks/` and `/v2.0/networks.json` are `/v2.0/networks`. In `/v2` a name may
/// end in `.json`, and keeps it.
pub(super) async fn trim(mut request: Request, next: Next) -> Response {
    if let Some(uri) = trimmed(request.uri()) {
        *request.uri_mut() = uri;
    }
    next.run(request).await
}

fn trimmed(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let mut short = path.strip_suffix('/').unwrap_or(path);
    if path.starts_with("/v2.0/") {
        short = short.strip_suffix(".json").unwrap_or(short);
    }
    if short.len() == path.len() || short.is_empty() {
        return None;
    }
    let target = uri.query().map_or_else(|| short.to_owned(), |query| format!("{short}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

/// The `{…}` of a route, decoded.
#[derive(Debug)]
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(name) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| Problem::bad_request(format!("the path can't be read: {}", error.body_text())))?;
        Ok(Self(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_cut_off() {
        let cut = |uri: &str| trimmed(&Uri::try_from(uri).unwrap()).map(|uri| uri.to_string());
        assert_eq!(cut("/v2.0/networks/").as_deref(), Some("/v2.0/networks"));
        assert_eq!(cut("/v2.0/networks.json?name=a.json").as_deref(), Some("/v2.0/networks?name=a.json"));
        assert_eq!(cut("/v2.0/networks.json/").as_deref(), Some("/v2.0/networks"));
        assert_eq!(cut("/v2/l2-gateways/a.json"), None);
        assert_eq!(cut("/v2/l2-gateways/a.json/").as_deref(), Some("/v2/l2-gateways/a.json"));
        assert_eq!(cut("/"), None);
        assert_eq!(cut("http://host/v2/switches/").as_deref(), Some("http://host/v2/switches"));
    }
}
