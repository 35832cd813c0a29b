//! `/v2.0/quotas`: there are none, which Neutron writes as -1.

use axum::{extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{
    App,
    answer::{self, Answer},
    list::{self, ListQuery, Resource},
    named::Named,
    problem::Problem,
};

/// How many of each kind a project may have: -1 is any number.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Quota {
    network: i64,
    subnet: i64,
    port: i64,
    l2_gateway: i64,
    l2_gateway_connection: i64,
    security_group: i64,
}

const UNLIMITED: Quota =
    Quota { network: -1, subnet: -1, port: -1, l2_gateway: -1, l2_gateway_connection: -1, security_group: -1 };

/// Quotas that differ from the default: none does.
pub(super) enum Quotas {}

impl Resource for Quotas {
    const ONE: &'static str = "quota";
    const MANY: &'static str = "quotas";
    const SORTABLE: &'static [&'static str] = &[];

    type Row = Quota;
    type View<'a> = Quota;

    fn id(_: &Quota) -> String {
        String::new()
    }

    fn view(quota: &Quota) -> Quota {
        quota.clone()
    }

    fn missing(id: String) -> Problem {
        Problem::not_found(format!("no project '{id}' has a quota of its own"))
    }
}

pub(super) async fn list(_: State<App>, query: ListQuery) -> Answer {
    list::of::<Quotas>(query, Vec::new()).await
}

/// Of a project, whichever it is: projects are Keystone's.
pub(super) async fn show(_: State<App>, Named(_project): Named) -> Answer {
    answer::wrapped(StatusCode::OK, Quotas::ONE, &UNLIMITED)
}
