//! `/v2.0/extensions`: which of Neutron's extensions this API speaks. Clients ask before they use some of them.

use axum::{extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{
    App,
    answer::Answer,
    list::{self, Fields, ListQuery, Resource},
    named::Named,
    problem::Problem,
};

/// Alias and name of what is spoken, with a sentence about it.
const SPOKEN: [Extension; 19] = [
    Extension::new("agent", "agent", "The compute nodes and the switches"),
    Extension::new("allowed-address-pairs", "Allowed Address Pairs", "Further addresses that a port may speak for"),
    Extension::new("availability_zone", "Availability Zone", "Zones, of which there are none"),
    Extension::new("binding", "Port Binding", "The compute node that a port is bound to"),
    Extension::new("empty-string-filtering", "Empty String Filtering", "Filters by attributes that are empty"),
    Extension::new("l2-gateway", "L2 Gateway", "Ports of hardware VTEP switches, to be joined with networks"),
    Extension::new("l2-gateway-connection", "L2 Gateway connection", "Gateways joined with networks"),
    Extension::new("net-mtu", "Network MTU", "The attribute mtu of networks"),
    Extension::new("pagination", "Pagination support", "limit, marker and page_reverse"),
    Extension::new("port-security", "Port Security", "The attribute port_security_enabled, which is kept"),
    Extension::new("project-id", "project_id field enabled", "project_id is another name of tenant_id"),
    Extension::new("provider", "Provider Network", "The VXLAN segment of a network"),
    Extension::new("quotas", "Quota management support", "Quotas, which are unlimited"),
    Extension::new("security-group", "security-group", "The groups of a port, which are kept; there are no groups"),
    Extension::new("sorting", "Sorting support", "sort_key and sort_dir"),
    Extension::new("standard-attr-description", "standard-attr-description", "The attribute description"),
    Extension::new("standard-attr-revisions", "standard-attr-revisions", "The attribute revision_number"),
    Extension::new("standard-attr-tag", "Tag support", "Tags of networks, subnets and ports"),
    Extension::new("standard-attr-timestamp", "Resource timestamps", "created_at and updated_at"),
];

/// An extension, row and shape at once.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct Extension {
    alias: &'static str,
    name: &'static str,
    description: &'static str,
    updated: &'static str,
    links: [&'static str; 0],
}

impl Extension {
    const fn new(alias: &'static str, name: &'static str, description: &'static str) -> Self {
        Self { alias, name, description, updated: "2026-11-24T00:00:00-00:00", links: [] }
    }
}

/// Extensions.
pub(super) enum Extensions {}

impl Resource for Extensions {
    const ONE: &'static str = "extension";
    const MANY: &'static str = "extensions";
    const SORTABLE: &'static [&'static str] = &["alias", "name"];

    type Row = Extension;
    type View<'a> = Extension;

    fn id(extension: &Extension) -> String {
        extension.alias.to_owned()
    }

    fn view(extension: &Extension) -> Extension {
        *extension
    }

    fn missing(alias: String) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "ExtensionNotFound", format!("there is no extension '{alias}'"))
    }
}

pub(super) async fn list(_: State<App>, query: ListQuery) -> Answer {
    list::of::<Extensions>(query, SPOKEN.to_vec()).await
}

pub(super) async fn show(_: State<App>, Named(alias): Named, fields: Fields) -> Answer {
    let found = SPOKEN.iter().find(|extension| extension.alias == alias);
    list::one::<Extensions>(&fields, found.ok_or_else(|| Extensions::missing(alias))?)
}
