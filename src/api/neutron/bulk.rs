//! Bodies that create one (`{"port": {…}}`) or many (`{"ports": […]}`), and project ids under both of their names.

use crate::service::view::{BadBody, Object};

/// What a creation's body holds.
#[derive(Debug)]
pub(super) enum Bulk<T> {
    /// One, under the singular.
    One(T),
    /// Many, under the plural: all are created, or none.
    Many(Vec<T>),
}

impl<T> Bulk<T> {
    /// Exactly one of the two members.
    pub(super) fn of(
        (one, singular): (Option<Object<T>>, &str),
        (many, plural): (Option<Vec<Object<T>>>, &str),
    ) -> Result<Self, BadBody> {
        match (one, many) {
            (Some(Object(one)), None) => Ok(Self::One(one)),
            (None, Some(many)) if many.is_empty() => Err(BadBody::field(plural, "is empty: name at least one")),
            (None, Some(many)) => Ok(Self::Many(many.into_iter().map(|Object(one)| one).collect())),
            (None, None) => Err(BadBody::field("body", format!("needs `{singular}`, or `{plural}` for many at once"))),
            (Some(_), Some(_)) => Err(BadBody::field("body", format!("has both `{singular}` and `{plural}`"))),
        }
    }
}

/// `tenant_id` and `project_id` are two names of one thing.
pub(super) fn project(at: &str, tenant: Option<String>, project: Option<String>) -> Result<Option<String>, BadBody> {
    match (tenant, project) {
        (Some(tenant), Some(project)) if tenant != project => {
            let reason = "differs from tenant_id, which is another name of the same attribute: leave one out";
            Err(BadBody::field(format!("{at}.project_id"), reason))
        }
        (tenant, project) => Ok(tenant.or(project)),
    }
}

/// The path of the `i`-th element of a bulk.
pub(super) fn element(plural: &str, i: usize) -> String {
    format!("{plural}[{i}]")
}
