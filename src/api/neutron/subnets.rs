//! `/v2.0/subnets`.

use std::net::IpAddr;

use axum::{Extension, extract::State, http::StatusCode};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    attributes::{Shows, Takes, Whole, With, seconds},
    bulk::{Bulk, project},
    few::{BULK, WITHIN, few},
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
        Annotated, Attribute, Caller, Cell, GivenAttributes, SUBNET_ATTRIBUTES, Selection, Service, ServiceError,
        SubnetColumn, SubnetDraft, SubnetUpdate,
        view::{BadBody, JsonObject},
    },
};

// ===== requests =====

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SubnetCreation)]
pub(super) struct Creation {
    subnet: Option<JsonObject<With<NewSubnet>>>,
    #[serde(default, deserialize_with = "few::<_, _, BULK>")]
    subnets: Option<Vec<JsonObject<With<NewSubnet>>>>,
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
    #[serde(default, deserialize_with = "few::<_, _, WITHIN>")]
    allocation_pools: Option<Vec<JsonObject<Pool>>>,
    subnetpool_id: Option<String>,
    use_default_subnetpool: Option<bool>,
    prefixlen: Option<Number>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SubnetChange)]
pub(super) struct Change {
    subnet: JsonObject<With<ChangedSubnet>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangedSubnet {
    name: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    gateway_ip: Nullable<IpAddr>,
    #[serde(default, deserialize_with = "few::<_, _, WITHIN>")]
    allocation_pools: Option<Vec<JsonObject<Pool>>>,
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

impl Takes for NewSubnet {
    const ATTRIBUTES: &'static [Attribute] = SUBNET_ATTRIBUTES;
    const CREATES: bool = true;
}

impl Takes for ChangedSubnet {
    const ATTRIBUTES: &'static [Attribute] = SUBNET_ATTRIBUTES;
    const CREATES: bool = false;
}

impl NewSubnet {
    fn into_draft(With { own, attributes }: With<Self>, at: &str) -> Result<SubnetDraft, BadBody> {
        own.draft(attributes, at)
    }

    fn draft(self, attributes: GivenAttributes, at: &str) -> Result<SubnetDraft, BadBody> {
        for (member, given) in [
            ("subnetpool_id", self.subnetpool_id.is_some()),
            ("use_default_subnetpool", self.use_default_subnetpool == Some(true)),
            ("prefixlen", self.prefixlen.is_some()),
        ] {
            if given {
                let reason = "there are no subnet pools: leave it out, and give a cidr alone";
                return Err(BadBody::field(format!("{at}.{member}"), reason));
            }
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
            pools: self.allocation_pools.map(JsonObject::each),
            attributes,
        })
    }
}

impl From<With<ChangedSubnet>> for SubnetUpdate {
    fn from(With { own, attributes }: With<ChangedSubnet>) -> Self {
        let pools = own.allocation_pools.map(JsonObject::each);
        Self { name: own.name, gateway: own.gateway_ip.0, pools, attributes }
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
    ip_version: u8,
    cidr: String,
    #[schema(value_type = Option<String>)]
    gateway_ip: Option<IpAddr>,
    allocation_pools: Vec<Pool>,
    #[schema(value_type = Option<String>)]
    subnetpool_id: Value,
}

impl Shows for SubnetView<'_> {
    const ATTRIBUTES: &'static [Attribute] = SUBNET_ATTRIBUTES;
}

/// Subnets.
pub(super) enum Subnets {}

impl Resource for Subnets {
    const ONE: &'static str = "subnet";
    const MANY: &'static str = "subnets";
    const SORTABLE: &'static [&'static str] = &[
        "id",
        "name",
        "network_id",
        "tenant_id",
        "project_id",
        "cidr",
        "gateway_ip",
        "enable_dhcp",
        "segment_id",
        "description",
        "created_at",
        "updated_at",
    ];

    type Row = Annotated<Subnet>;
    type View<'a> = Whole<'a, SubnetView<'a>>;

    fn id(subnet: &Annotated<Subnet>) -> String {
        subnet.id.to_string()
    }

    fn view(subnet: &Annotated<Subnet>) -> Self::View<'_> {
        let own = SubnetView {
            id: subnet.id,
            name: &subnet.name,
            network_id: subnet.network_id,
            tenant_id: &subnet.tenant_id,
            project_id: &subnet.tenant_id,
            ip_version: ip_version(subnet.cidr),
            cidr: subnet.cidr.to_string(),
            gateway_ip: subnet.gateway_ip,
            allocation_pools: subnet.pools.iter().map(|&(start, end)| Pool { start, end }).collect(),
            subnetpool_id: Value::Null,
        };
        Whole::new(own, &subnet.attributes, subnet.stamp)
    }

    fn missing(id: String) -> Problem {
        ServiceError::SubnetNotFound(id).into()
    }
}

impl Stored for Subnets {
    type Column = SubnetColumn;

    const SHARED: &'static [&'static str] = &["subnetpool_id"];

    fn column(attribute: &str) -> Option<SubnetColumn> {
        match attribute {
            "id" => Some(SubnetColumn::Id),
            "name" => Some(SubnetColumn::Name),
            "network_id" => Some(SubnetColumn::Network),
            "tenant_id" | "project_id" => Some(SubnetColumn::Tenant),
            "cidr" => Some(SubnetColumn::Cidr),
            "gateway_ip" => Some(SubnetColumn::Gateway),
            "created_at" => Some(SubnetColumn::Created),
            "updated_at" => Some(SubnetColumn::Updated),
            name => {
                let attribute = Attribute::named(SUBNET_ATTRIBUTES, name)?;
                attribute.is_scalar().then_some(SubnetColumn::Attribute(attribute))
            }
        }
    }

    fn cell(attribute: &str, text: &str) -> Option<Cell> {
        match attribute {
            "id" | "network_id" => written_as::<Uuid>(text),
            "gateway_ip" if !text.is_empty() => written_as::<IpAddr>(text),
            "cidr" => written_as::<IpNetwork>(text),
            "created_at" | "updated_at" => seconds(text).map(Cell::Number),
            name if let Some(attribute) = Attribute::named(SUBNET_ATTRIBUTES, name) => attribute.cell(text),
            _ => Some(Cell::Text(text.to_owned())),
        }
    }

    fn stored(subnet: &Annotated<Subnet>) -> &Annotated<Subnet> {
        subnet
    }

    async fn read(service: &Service, selection: &Selection<SubnetColumn>) -> Result<Vec<Annotated<Subnet>>, Problem> {
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
