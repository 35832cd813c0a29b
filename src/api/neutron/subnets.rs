//! `/v2.0/subnets`.

use std::net::IpAddr;

use axum::{Extension, extract::State, http::StatusCode};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Ignored,
    bulk::{Bulk, project},
    nullable::Nullable,
    number::Number,
};
use crate::{
    api::{
        App,
        answer::{self, Answer},
        body::Json,
        list::{self, Fields, ListQuery, Resource, Stored, written_as},
        named::Named,
        problem::Problem,
    },
    model::{NetworkId, Subnet, SubnetId},
    service::{
        Caller, Cell, Selection, Service, ServiceError, SubnetColumn, SubnetDraft, SubnetUpdate,
        view::{BadBody, Object},
    },
};

// ===== requests =====

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SubnetCreation)]
pub(super) struct Creation {
    subnet: Option<Object<NewSubnet>>,
    subnets: Option<Vec<Object<NewSubnet>>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSubnet {
    network_id: String,
    #[schema(value_type = String)]
    cidr: IpNetwork,
    ip_version: Option<Number>,
    name: Option<String>,
    tenant_id: Option<String>,
    project_id: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    gateway_ip: Nullable<IpAddr>,
    allocation_pools: Option<Vec<Object<Pool>>>,
    subnetpool_id: Option<String>,
    #[serde(rename = "enable_dhcp")]
    _enable_dhcp: Ignored,
    #[serde(rename = "dns_nameservers")]
    _dns_nameservers: Ignored,
    #[serde(rename = "host_routes")]
    _host_routes: Ignored,
    #[serde(rename = "description")]
    _description: Ignored,
    #[serde(rename = "ipv6_ra_mode")]
    _ipv6_ra_mode: Ignored,
    #[serde(rename = "ipv6_address_mode")]
    _ipv6_address_mode: Ignored,
    #[serde(rename = "prefixlen")]
    _prefixlen: Ignored,
    #[serde(rename = "segment_id")]
    _segment_id: Ignored,
    #[serde(rename = "service_types")]
    _service_types: Ignored,
    #[serde(rename = "dns_publish_fixed_ip")]
    _dns_publish_fixed_ip: Ignored,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SubnetChange)]
pub(super) struct Change {
    subnet: Object<ChangedSubnet>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangedSubnet {
    name: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    gateway_ip: Nullable<IpAddr>,
    allocation_pools: Option<Vec<Object<Pool>>>,
    #[serde(rename = "enable_dhcp")]
    _enable_dhcp: Ignored,
    #[serde(rename = "dns_nameservers")]
    _dns_nameservers: Ignored,
    #[serde(rename = "host_routes")]
    _host_routes: Ignored,
    #[serde(rename = "description")]
    _description: Ignored,
    #[serde(rename = "segment_id")]
    _segment_id: Ignored,
    #[serde(rename = "service_types")]
    _service_types: Ignored,
    #[serde(rename = "dns_publish_fixed_ip")]
    _dns_publish_fixed_ip: Ignored,
}

/// A part of a subnet that addresses are given away from.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AllocationPool)]
struct Pool {
    #[schema(value_type = String)]
    start: IpAddr,
    #[schema(value_type = String)]
    end: IpAddr,
}

impl From<Pool> for (IpAddr, IpAddr) {
    fn from(pool: Pool) -> Self {
        (pool.start, pool.end)
    }
}

impl NewSubnet {
    fn into_draft(self, at: &str) -> Result<SubnetDraft, BadBody> {
        if self.subnetpool_id.is_some() {
            let reason = "must be null: there are no subnet pools; give a cidr alone";
            return Err(BadBody::field(format!("{at}.subnetpool_id"), reason));
        }
        if let Some(version) = self.ip_version.filter(|version| version.0 != i64::from(ip_version(self.cidr))) {
            let reason = format!("is {}, and {} is IPv{}", version.0, self.cidr, ip_version(self.cidr));
            return Err(BadBody::field(format!("{at}.ip_version"), reason));
        }
        Ok(SubnetDraft {
            name: self.name.unwrap_or_default(),
            tenant_id: project(at, self.tenant_id, self.project_id)?,
            network: self.network_id,
            cidr: self.cidr,
            gateway: self.gateway_ip.0,
            pools: self.allocation_pools.map(Object::each),
        })
    }
}

impl From<ChangedSubnet> for SubnetUpdate {
    fn from(change: ChangedSubnet) -> Self {
        let pools = change.allocation_pools.map(Object::each);
        Self { name: change.name, gateway: change.gateway_ip.0, pools }
    }
}

fn ip_version(cidr: IpNetwork) -> u8 {
    if cidr.is_ipv4() { 4 } else { 6 }
}

// ===== answers =====

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Subnet)]
pub(super) struct SubnetView<'a> {
    id: SubnetId,
    name: &'a str,
    network_id: NetworkId,
    tenant_id: &'a str,
    project_id: &'a str,
    description: &'static str,
    ip_version: u8,
    cidr: String,
    #[schema(value_type = Option<String>)]
    gateway_ip: Option<IpAddr>,
    allocation_pools: Vec<Pool>,
    /// Nothing here answers DHCP.
    enable_dhcp: bool,
    dns_nameservers: [&'static str; 0],
    host_routes: [&'static str; 0],
    #[schema(value_type = Option<String>)]
    ipv6_ra_mode: Value,
    #[schema(value_type = Option<String>)]
    ipv6_address_mode: Value,
    #[schema(value_type = Option<String>)]
    subnetpool_id: Value,
    #[schema(value_type = Option<String>)]
    segment_id: Value,
    service_types: [&'static str; 0],
    tags: [&'static str; 0],
}

/// Subnets.
pub(super) enum Subnets {}

impl Resource for Subnets {
    const ONE: &'static str = "subnet";
    const MANY: &'static str = "subnets";
    const SORTABLE: &'static [&'static str] =
        &["id", "name", "network_id", "tenant_id", "project_id", "cidr", "gateway_ip", "enable_dhcp", "segment_id"];

    type Row = Subnet;
    type View<'a> = SubnetView<'a>;

    fn id(subnet: &Subnet) -> String {
        subnet.id.to_string()
    }

    fn view(subnet: &Subnet) -> SubnetView<'_> {
        SubnetView {
            id: subnet.id,
            name: &subnet.name,
            network_id: subnet.network_id,
            tenant_id: &subnet.tenant_id,
            project_id: &subnet.tenant_id,
            description: "",
            ip_version: ip_version(subnet.cidr),
            cidr: subnet.cidr.to_string(),
            gateway_ip: subnet.gateway_ip,
            allocation_pools: subnet.pools.iter().map(|&(start, end)| Pool { start, end }).collect(),
            enable_dhcp: false,
            dns_nameservers: [],
            host_routes: [],
            ipv6_ra_mode: Value::Null,
            ipv6_address_mode: Value::Null,
            subnetpool_id: Value::Null,
            segment_id: Value::Null,
            service_types: [],
            tags: [],
        }
    }

    fn missing(id: String) -> Problem {
        ServiceError::SubnetNotFound(id).into()
    }
}

impl Stored for Subnets {
    type Column = SubnetColumn;

    const SHARED: &'static [&'static str] = &["description", "enable_dhcp", "segment_id", "subnetpool_id"];

    fn column(attribute: &str) -> Option<SubnetColumn> {
        match attribute {
            "id" => Some(SubnetColumn::Id),
            "name" => Some(SubnetColumn::Name),
            "network_id" => Some(SubnetColumn::Network),
            "tenant_id" | "project_id" => Some(SubnetColumn::Tenant),
            "cidr" => Some(SubnetColumn::Cidr),
            "gateway_ip" => Some(SubnetColumn::Gateway),
            _ => None,
        }
    }

    fn cell(attribute: &str, text: &str) -> Option<Cell> {
        match attribute {
            "id" | "network_id" => written_as::<Uuid>(text),
            "gateway_ip" if !text.is_empty() => written_as::<IpAddr>(text),
            "cidr" => written_as::<IpNetwork>(text),
            _ => Some(Cell::Text(text.to_owned())),
        }
    }

    fn stored(subnet: &Subnet) -> &Subnet {
        subnet
    }

    async fn read(service: &Service, selection: &Selection<SubnetColumn>) -> Result<Vec<Subnet>, Problem> {
        Ok(service.subnets(selection).await?)
    }
}

// ===== calls =====

pub(super) async fn list(State(app): State<App>, query: ListQuery) -> Answer {
    list::stored::<Subnets>(app.service, query, None).await
}

pub(super) async fn show(State(app): State<App>, Named(id): Named, fields: Fields) -> Answer {
    list::one::<Subnets>(&fields, &app.service.subnet(&id).await?)
}

pub(super) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(body): Json<Creation>,
) -> Answer {
    let one = |draft| app.service.create_subnet(&caller, draft);
    let many = |drafts| app.service.create_subnets(&caller, drafts);
    Bulk::of::<Subnets, _>(body.subnet, body.subnets, NewSubnet::into_draft)?.create::<Subnets, _>(one, many).await
}

pub(super) async fn update(State(app): State<App>, Named(id): Named, Json(body): Json<Change>) -> Answer {
    list::whole::<Subnets>(StatusCode::OK, &app.service.update_subnet(&id, body.subnet.0.into()).await?)
}

pub(super) async fn delete(State(app): State<App>, Named(id): Named) -> Answer {
    app.service.delete_subnet(&id).await?;
    Ok(answer::gone())
}
