//! Bodies that create one (`{"port": {…}}`) or many (`{"ports": […]}`), and project ids under both of their names.

use axum::http::StatusCode;

use crate::{
    api::{
        answer::Answer,
        list::{self, Resource},
    },
    service::{
        ServiceError,
        view::{BadBody, JsonObject},
    },
};

/// What a creation's body asks for.
#[derive(Debug)]
pub(super) enum Bulk<D> {
    /// One, under the singular.
    One(D),
    /// Many, under the plural: all are created, or none.
    Many(Vec<D>),
}

impl<D> Bulk<D> {
    /// Reads whichever of the two members of a creation of `R` is there; `draft` gets where its object stands.
    pub(super) fn of<R: Resource, T>(
        one: Option<JsonObject<T>>,
        many: Option<Vec<JsonObject<T>>>,
        draft: impl Fn(T, &str) -> Result<D, BadBody>,
    ) -> Result<Self, BadBody> {
        let (singular, plural) = (R::ONE, R::MANY);
        match (one, many) {
            (Some(JsonObject(one)), None) => draft(one, singular).map(Self::One),
            (None, Some(many)) if many.is_empty() => Err(BadBody::field(plural, "is empty: name at least one")),
            (None, Some(many)) => {
                let drafts =
                    many.into_iter().enumerate().map(|(i, JsonObject(one))| draft(one, &format!("{plural}[{i}]")));
                drafts.collect::<Result<_, _>>().map(Self::Many)
            }
            (None, None) => Err(BadBody::field("body", format!("needs `{singular}`, or `{plural}` for many at once"))),
            (Some(_), Some(_)) => Err(BadBody::field("body", format!("has both `{singular}` and `{plural}`"))),
        }
    }
}

impl<D> Bulk<D> {
    /// Creates it by `one` or `many`, and answers in the form in which it was asked.
    pub(super) async fn create<R: Resource, T: Into<R::Row>>(
        self,
        one: impl AsyncFnOnce(D) -> Result<T, ServiceError>,
        many: impl AsyncFnOnce(Vec<D>) -> Result<Vec<T>, ServiceError>,
    ) -> Answer {
        match self {
            Self::One(draft) => list::whole::<R>(StatusCode::CREATED, &one(draft).await?.into()),
            Self::Many(drafts) => list::created::<R>(many(drafts).await?.into_iter().map(Into::into).collect()).await,
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
