//! `/v2.0/ports`.

use std::net::IpAddr;

use axum::{Extension, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    attributes::{Takes, Whole, With, seconds},
    bulk::{Bulk, project},
    few::{BULK, WITHIN, few},
    nullable::Nullable,
    port_view::{PortView, shown},
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
    model::{MacAddr, Port},
    service::{
        Annotated, Attribute, Caller, Cell, Condition, PORT_ATTRIBUTES, PortColumn, PortDraft, PortUpdate, Selection,
        Service, ServiceError,
        view::{BadBody, GivenAddressPair, GivenFixedIp, JsonObject},
    },
};

// ===== requests =====

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PortCreation)]
pub(super) struct Creation {
    port: Option<JsonObject<With<NewPort>>>,
    #[serde(default, deserialize_with = "few::<_, _, BULK>")]
    ports: Option<Vec<JsonObject<With<NewPort>>>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPort {
    network_id: String,
    name: Option<String>,
    tenant_id: Option<String>,
    project_id: Option<String>,
    #[schema(value_type = Option<String>)]
    mac_address: Option<MacAddr>,
    #[serde(default, deserialize_with = "few::<_, _, WITHIN>")]
    fixed_ips: Option<Vec<JsonObject<GivenFixedIp>>>,
    #[serde(rename = "binding:host_id")]
    host: Option<String>,
    #[serde(default, deserialize_with = "few::<_, _, WITHIN>")]
    allowed_address_pairs: Option<Vec<JsonObject<GivenAddressPair>>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PortChange)]
pub(super) struct Change {
    port: JsonObject<With<ChangedPort>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangedPort {
    name: Option<String>,
    #[schema(value_type = Option<String>)]
    mac_address: Option<MacAddr>,
    #[serde(default, deserialize_with = "few::<_, _, WITHIN>")]
    fixed_ips: Option<Vec<JsonObject<GivenFixedIp>>>,
    #[serde(rename = "binding:host_id", default)]
    #[schema(value_type = Option<String>)]
    host: Nullable<String>,
    #[serde(default, deserialize_with = "few::<_, _, WITHIN>")]
    allowed_address_pairs: Option<Vec<JsonObject<GivenAddressPair>>>,
}

impl Takes for NewPort {
    const ATTRIBUTES: &'static [Attribute] = PORT_ATTRIBUTES;
    const CREATES: bool = true;
}

impl Takes for ChangedPort {
    const ATTRIBUTES: &'static [Attribute] = PORT_ATTRIBUTES;
    const CREATES: bool = false;
}

impl NewPort {
    fn into_draft(With { own, attributes }: With<Self>, at: &str) -> Result<PortDraft, BadBody> {
        Ok(PortDraft {
            name: own.name.unwrap_or_default(),
            tenant_id: project(at, own.tenant_id, own.project_id)?,
            network: own.network_id,
            mac: own.mac_address,
            fixed_ips: own.fixed_ips.map(JsonObject::each),
            host: own.host,
            allowed_address_pairs: own.allowed_address_pairs.map(JsonObject::each).unwrap_or_default(),
            attributes,
        })
    }
}

impl From<With<ChangedPort>> for PortUpdate {
    fn from(With { own: change, attributes }: With<ChangedPort>) -> Self {
        Self {
            name: change.name,
            tenant_id: None,
            mac: change.mac_address,
            fixed_ips: change.fixed_ips.map(JsonObject::each),
            host: change.host.0,
            allowed_address_pairs: change.allowed_address_pairs.map(JsonObject::each),
            attributes,
        }
    }
}

// ===== lists =====

/// Ports.
pub(super) enum Ports {}

impl Resource for Ports {
    const ONE: &'static str = "port";
    const MANY: &'static str = "ports";
    const SORTABLE: &'static [&'static str] = &[
        "id",
        "name",
        "network_id",
        "tenant_id",
        "project_id",
        "mac_address",
        "binding:host_id",
        "binding:vif_type",
        "binding:vnic_type",
        "status",
        "device_id",
        "device_owner",
        "description",
        "admin_state_up",
        "created_at",
        "updated_at",
        "port_security_enabled",
    ];

    type Row = Annotated<Port>;
    type View<'a> = Whole<'a, PortView<'a>>;

    fn id(port: &Annotated<Port>) -> String {
        port.id.to_string()
    }

    fn view(port: &Annotated<Port>) -> Self::View<'_> {
        Whole::new(PortView::from(&port.row), &port.attributes, port.stamp)
    }

    fn missing(id: String) -> Problem {
        ServiceError::PortNotFound(id).into()
    }
}

impl Stored for Ports {
    type Column = PortColumn;

    const SHARED: &'static [&'static str] = &[];

    fn column(attribute: &str) -> Option<PortColumn> {
        match attribute {
            "id" => Some(PortColumn::Id),
            "name" => Some(PortColumn::Name),
            "network_id" => Some(PortColumn::Network),
            "tenant_id" | "project_id" => Some(PortColumn::Tenant),
            "mac_address" => Some(PortColumn::Mac),
            "binding:host_id" => Some(PortColumn::Host),
            "status" | "binding:vif_type" => Some(PortColumn::Binding),
            "created_at" => Some(PortColumn::Created),
            "updated_at" => Some(PortColumn::Updated),
            name => {
                let attribute = Attribute::named(PORT_ATTRIBUTES, name)?;
                attribute.is_scalar().then_some(PortColumn::Attribute(attribute))
            }
        }
    }

    fn cell(attribute: &str, text: &str) -> Option<Cell> {
        match attribute {
            "id" | "network_id" => written_as::<Uuid>(text),
            "mac_address" => text.parse().ok().map(PortColumn::mac),
            "created_at" | "updated_at" => seconds(text).map(Cell::Number),
            name if let Some(attribute) = Attribute::named(PORT_ATTRIBUTES, name) => attribute.cell(text),
            _ => Some(Cell::Text(text.to_owned())),
        }
    }

    fn derived(attribute: &str, wanted: &[String]) -> Option<Condition<PortColumn>> {
        if !matches!(attribute, "status" | "binding:vif_type") {
            return None;
        }
        let asked = |bound: bool| wanted.iter().any(|text| shown(attribute, bound) == text);
        Some(match (asked(true), asked(false)) {
            (true, true) => Condition::IsNull(PortColumn::Id, false),
            (bound, unbound) if bound != unbound => Condition::IsNull(PortColumn::Host, unbound),
            _ => Condition::Among(PortColumn::Id, Vec::new()),
        })
    }

    fn narrowed(attribute: &str, wanted: &[String]) -> Option<Condition<PortColumn>> {
        if attribute != "fixed_ips" {
            return None;
        }
        // Addresses and subnets lie in one text, each written in one way only. Who asks for an address wants few ports.
        let asked = |name: &'static str| {
            wanted.iter().filter_map(move |condition| condition.strip_prefix(name)?.strip_prefix('='))
        };
        let rare = asked("ip_address").next().is_some();
        let parts = if rare {
            asked("ip_address").filter_map(|ip| ip.parse::<IpAddr>().ok()).map(|ip| ip.to_string()).collect()
        } else {
            asked("subnet_id").filter_map(|id| id.parse::<Uuid>().ok()).map(|id| id.to_string()).collect()
        };
        Some(Condition::Contains { column: PortColumn::FIXED_IPS, parts, rare })
    }

    fn stored(port: &Annotated<Port>) -> &Annotated<Port> {
        port
    }

    async fn read(service: &Service, selection: &Selection<PortColumn>) -> Result<Vec<Annotated<Port>>, Problem> {
        Ok(service.ports(selection).await?)
    }
}

// ===== calls =====

/// A compute node sees its own ports alone.
pub(super) async fn list(State(app): State<App>, Extension(caller): Extension<Caller>, query: ListQuery) -> Answer {
    let own = caller.host.map(|host| Condition::Among(PortColumn::Host, vec![Cell::Text(host)]));
    list::stored::<Ports>(app.service, query, own).await
}

pub(super) async fn show(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Named(id): Named,
    fields: Fields,
) -> Answer {
    list::one::<Ports>(&fields, &app.service.port(&caller, &id).await?)
}

pub(super) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(body): Json<Creation>,
) -> Answer {
    let one = |draft| app.service.create_port(&caller, draft);
    let many = |drafts| app.service.create_ports(&caller, drafts);
    Bulk::of::<Ports, _>(body.port, body.ports, NewPort::into_draft)?.create::<Ports, _>(one, many).await
}

pub(super) async fn update(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Named(id): Named,
    Json(body): Json<Change>,
) -> Answer {
    list::whole::<Ports>(StatusCode::OK, &app.service.update_port(&caller, &id, body.port.0.into()).await?)
}

pub(super) async fn delete(State(app): State<App>, Extension(caller): Extension<Caller>, Named(id): Named) -> Answer {
    app.service.delete_port(&caller, &id).await?;
    Ok(answer::gone())
}
