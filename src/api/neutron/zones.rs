//! `/v2.0/availability_zones`: vtepd has none. What a network is given as `availability_zone_hints` is kept.

use axum::{extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{
    App,
    answer::Answer,
    list::{self, ListQuery, Resource},
    problem::Problem,
};

/// An availability zone, if there were one.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct AvailabilityZone {
    name: String,
    resource: String,
    state: String,
}

/// Availability zones.
pub(super) enum AvailabilityZones {}

impl Resource for AvailabilityZones {
    const ONE: &'static str = "availability_zone";
    const MANY: &'static str = "availability_zones";
    const SORTABLE: &'static [&'static str] = &["name", "resource", "state"];

    type Row = AvailabilityZone;
    type View<'a> = AvailabilityZone;

    fn id(zone: &AvailabilityZone) -> String {
        zone.name.clone()
    }

    fn view(zone: &AvailabilityZone) -> AvailabilityZone {
        zone.clone()
    }

    fn missing(name: String) -> Problem {
        let message = format!("there is no availability zone '{name}'");
        Problem::new(StatusCode::NOT_FOUND, "AvailabilityZoneNotFound", message)
    }
}

pub(super) async fn list(_: State<App>, query: ListQuery) -> Answer {
    list::of::<AvailabilityZones>(query, Vec::new()).await
}
