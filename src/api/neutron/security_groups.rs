//! `/v2.0/security-groups`: there are none. Clients ask for them before they create a port.

use axum::{extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{
    App,
    answer::Answer,
    list::{self, ListQuery, Resource},
    named::Named,
    problem::Problem,
};

/// A security group, if there were one.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct SecurityGroup {
    id: String,
}

/// Security groups.
pub(super) enum SecurityGroups {}

impl Resource for SecurityGroups {
    const ONE: &'static str = "security_group";
    const MANY: &'static str = "security_groups";
    const SORTABLE: &'static [&'static str] = &["id", "name", "tenant_id", "project_id"];

    type Row = SecurityGroup;
    type View<'a> = SecurityGroup;

    fn id(group: &SecurityGroup) -> String {
        group.id.clone()
    }

    fn view(group: &SecurityGroup) -> SecurityGroup {
        group.clone()
    }

    fn missing(id: String) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "SecurityGroupNotFound", format!("there is no security group '{id}'"))
    }
}

pub(super) async fn list(_: State<App>, query: ListQuery) -> Answer {
    list::of::<SecurityGroups>(query, Vec::new()).await
}

pub(super) async fn show(_: State<App>, Named(id): Named) -> Answer {
    Err(SecurityGroups::missing(id))
}
