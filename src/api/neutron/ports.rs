//! `/v2.0/ports`.

use std::net::IpAddr;

use axum::{Extension, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Ignored,
    bulk::{Bulk, project},
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
        Caller, Cell, Condition, PortColumn, PortDraft, PortUpdate, Selection, Service, ServiceError,
        view::{BadBody, GivenAddressPair, GivenFixedIp, Object},
    },
};

// ===== requests =====

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PortCreation)]
pub(super) struct Creation {
    port: Option<Object<NewPort>>,
    ports: Option<Vec<Object<NewPort>>>,
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
    fixed_ips: Option<Vec<Object<GivenFixedIp>>>,
    #[serde(rename = "binding:host_id")]
    host: Option<String>,
    allowed_address_pairs: Option<Vec<Object<GivenAddressPair>>>,
    #[serde(rename = "admin_state_up")]
    _admin_state_up: Ignored,
    #[serde(rename = "description")]
    _description: Ignored,
    #[serde(rename = "device_id")]
    _device_id: Ignored,
    #[serde(rename = "device_owner")]
    _device_owner: Ignored,
    #[serde(rename = "security_groups")]
    _security_groups: Ignored,
    #[serde(rename = "port_security_enabled")]
    _port_security_enabled: Ignored,
    #[serde(rename = "binding:vnic_type")]
    _binding_vnic_type: Ignored,
    #[serde(rename = "binding:profile")]
    _binding_profile: Ignored,
    #[serde(rename = "extra_dhcp_opts")]
    _extra_dhcp_opts: Ignored,
    #[serde(rename = "dns_name")]
    _dns_name: Ignored,
    #[serde(rename = "dns_domain")]
    _dns_domain: Ignored,
    #[serde(rename = "qos_policy_id")]
    _qos_policy_id: Ignored,
    #[serde(rename = "propagate_uplink_status")]
    _propagate_uplink_status: Ignored,
    #[serde(rename = "tags")]
    _tags: Ignored,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PortChange)]
pub(super) struct Change {
    port: Object<ChangedPort>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangedPort {
    name: Option<String>,
    #[schema(value_type = Option<String>)]
    mac_address: Option<MacAddr>,
    fixed_ips: Option<Vec<Object<GivenFixedIp>>>,
    #[serde(rename = "binding:host_id", default)]
    #[schema(value_type = Option<String>)]
    host: Nullable<String>,
    allowed_address_pairs: Option<Vec<Object<GivenAddressPair>>>,
    #[serde(rename = "admin_state_up")]
    _admin_state_up: Ignored,
    #[serde(rename = "description")]
    _description: Ignored,
    #[serde(rename = "device_id")]
    _device_id: Ignored,
    #[serde(rename = "device_owner")]
    _device_owner: Ignored,
    #[serde(rename = "security_groups")]
    _security_groups: Ignored,
    #[serde(rename = "port_security_enabled")]
    _port_security_enabled: Ignored,
    #[serde(rename = "binding:vnic_type")]
    _binding_vnic_type: Ignored,
    #[serde(rename = "binding:profile")]
    _binding_profile: Ignored,
    #[serde(rename = "extra_dhcp_opts")]
    _extra_dhcp_opts: Ignored,
    #[serde(rename = "dns_name")]
    _dns_name: Ignored,
    #[serde(rename = "dns_domain")]
    _dns_domain: Ignored,
    #[serde(rename = "qos_policy_id")]
    _qos_policy_id: Ignored,
    #[serde(rename = "propagate_uplink_status")]
    _propagate_uplink_status: Ignored,
}

impl NewPort {
    fn into_draft(self, at: &str) -> Result<PortDraft, BadBody> {
        Ok(PortDraft {
            name: self.name.unwrap_or_default(),
            tenant_id: project(at, self.tenant_id, self.project_id)?,
            network: self.network_id,
            mac: self.mac_address,
            fixed_ips: self.fixed_ips.map(Object::each),
            host: self.host,
            allowed_address_pairs: self.allowed_address_pairs.map(Object::each).unwrap_or_default(),
        })
    }
}

impl From<ChangedPort> for PortUpdate {
    fn from(change: ChangedPort) -> Self {
        Self {
            name: change.name,
            tenant_id: None,
            mac: change.mac_address,
            fixed_ips: change.fixed_ips.map(Object::each),
            host: change.host.0,
            allowed_address_pairs: change.allowed_address_pairs.map(Object::each),
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
        "port_security_enabled",
    ];

    type Row = Port;
    type View<'a> = PortView<'a>;

    fn id(port: &Port) -> String {
        port.id.to_string()
    }

    fn view(port: &Port) -> PortView<'_> {
        port.into()
    }

    fn missing(id: String) -> Problem {
        ServiceError::PortNotFound(id).into()
    }
}

impl Stored for Ports {
    type Column = PortColumn;

    const SHARED: &'static [&'static str] = &[
        "binding:vnic_type",
        "device_id",
        "device_owner",
        "description",
        "admin_state_up",
        "port_security_enabled",
        "security_groups",
        "tags",
    ];

    fn column(attribute: &str) -> Option<PortColumn> {
        match attribute {
            "id" => Some(PortColumn::Id),
            "name" => Some(PortColumn::Name),
            "network_id" => Some(PortColumn::Network),
            "tenant_id" | "project_id" => Some(PortColumn::Tenant),
            "mac_address" => Some(PortColumn::Mac),
            "binding:host_id" => Some(PortColumn::Host),
            "status" | "binding:vif_type" => Some(PortColumn::Binding),
            _ => None,
        }
    }

    fn cell(attribute: &str, text: &str) -> Option<Cell> {
        match attribute {
            "id" | "network_id" => written_as::<Uuid>(text),
            "mac_address" => text.parse().ok().map(PortColumn::mac),
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

    fn stored(port: &Port) -> &Port {
        port
    }

    async fn read(service: &Service, selection: &Selection<PortColumn>) -> Result<Vec<Port>, Problem> {
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
