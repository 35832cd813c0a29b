//! `/v2.0/ports`.

use std::net::IpAddr;

use axum::{Extension, extract::State, http::StatusCode};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Deserializer};

use super::{
    Ignored,
    bulk::{Bulk, element, project},
    port_view::{PortView, write},
};
use crate::{
    api::{
        App,
        answer::{self, Answer, PAGE, Source},
        body::Json,
        filter::Filter,
        named::Named,
        problem::Problem,
    },
    model::{FixedIp, MacAddr, Port},
    service::{
        AddressPairDraft, Caller, PortDraft, PortFilter, PortUpdate, Service,
        view::{BadBody, Object},
    },
};

// ===== requests =====

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Creation {
    port: Option<Object<NewPort>>,
    ports: Option<Vec<Object<NewPort>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPort {
    network_id: String,
    name: Option<String>,
    tenant_id: Option<String>,
    project_id: Option<String>,
    mac_address: Option<MacAddr>,
    fixed_ips: Option<Vec<Object<Address>>>,
    #[serde(rename = "binding:host_id")]
    host: Option<String>,
    allowed_address_pairs: Option<Vec<Object<Pair>>>,
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    port: Object<ChangedPort>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangedPort {
    name: Option<String>,
    mac_address: Option<MacAddr>,
    fixed_ips: Option<Vec<Object<Address>>>,
    #[serde(rename = "binding:host_id", default)]
    host: Host,
    allowed_address_pairs: Option<Vec<Object<Pair>>>,
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Address {
    ip_address: IpAddr,
    subnet_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    ip_address: IpNetwork,
    mac_address: Option<MacAddr>,
}

/// A host in a change: absence leaves it, `null` unbinds the port.
#[derive(Debug, Default)]
#[allow(clippy::option_option)] // absent, null and a name are three different things
struct Host(Option<Option<String>>);

impl<'de> Deserialize<'de> for Host {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|host| Self(Some(host)))
    }
}

fn addresses(list: Vec<Object<Address>>) -> Vec<FixedIp> {
    list.into_iter().map(|Object(fixed)| FixedIp { ip: fixed.ip_address, subnet_id: fixed.subnet_id }).collect()
}

fn pairs(list: Vec<Object<Pair>>) -> Vec<AddressPairDraft> {
    list.into_iter().map(|Object(pair)| AddressPairDraft { mac: pair.mac_address, ip: pair.ip_address }).collect()
}

impl NewPort {
    fn into_draft(self, at: &str) -> Result<PortDraft, BadBody> {
        Ok(PortDraft {
            name: self.name.unwrap_or_default(),
            tenant_id: project(at, self.tenant_id, self.project_id)?,
            network: self.network_id,
            mac: self.mac_address,
            fixed_ips: addresses(self.fixed_ips.unwrap_or_default()),
            host: self.host,
            allowed_address_pairs: pairs(self.allowed_address_pairs.unwrap_or_default()),
        })
    }
}

impl From<ChangedPort> for PortUpdate {
    fn from(change: ChangedPort) -> Self {
        Self {
            name: change.name,
            tenant_id: None,
            mac: change.mac_address,
            fixed_ips: change.fixed_ips.map(addresses),
            host: change.host.0,
            allowed_address_pairs: change.allowed_address_pairs.map(pairs),
        }
    }
}

// ===== lists =====

/// The matching ports, read from the store page by page.
struct Matching {
    service: Service,
    filter: Filter,
    /// What the store looks for; `None`: all was read.
    query: Option<PortFilter>,
}

impl Matching {
    /// The store looks for ids, networks, MACs and hosts; the other attributes are compared here.
    fn new(service: Service, filter: Filter) -> Self {
        let query = PortFilter {
            ids: filter.parsed("id"),
            networks: filter.parsed("network_id"),
            macs: filter.parsed("mac_address"),
            hosts: filter.parsed("binding:host_id"),
            after: None,
            limit: u32::try_from(PAGE).ok(),
        };
        Self { service, filter, query: Some(query) }
    }
}

impl Source for Matching {
    type Row = Port;

    async fn next(&mut self) -> Result<Option<Vec<Port>>, Problem> {
        while let Some(query) = self.query.take() {
            let page = self.service.ports(query.clone()).await?;
            if let (Some(last), true) = (page.last(), page.len() >= PAGE) {
                self.query = Some(PortFilter { after: Some(last.id), ..query });
            }
            let page = self.filter.keep(page);
            if !page.is_empty() {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }
}

// ===== calls =====

pub(super) async fn list(State(app): State<App>, filter: Filter) -> Answer {
    answer::pages(StatusCode::OK, "ports", Matching::new(app.service, filter), write).await
}

pub(super) async fn show(State(app): State<App>, Named(id): Named) -> Answer {
    let port = app.service.port(&id).await?;
    answer::wrapped(StatusCode::OK, "port", &PortView(&port))
}

pub(super) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(body): Json<Creation>,
) -> Answer {
    match Bulk::of((body.port, "port"), (body.ports, "ports"))? {
        Bulk::One(new) => {
            let port = app.service.create_port(&caller, new.into_draft("port")?).await?;
            answer::wrapped(StatusCode::CREATED, "port", &PortView(&port))
        }
        Bulk::Many(new) => {
            let draft = |(i, new): (usize, NewPort)| new.into_draft(&element("ports", i));
            let drafts = new.into_iter().enumerate().map(draft).collect::<Result<_, _>>()?;
            let ports = app.service.create_ports(&caller, drafts).await?;
            answer::list(StatusCode::CREATED, "ports", ports, write).await
        }
    }
}

pub(super) async fn update(State(app): State<App>, Named(id): Named, Json(body): Json<Change>) -> Answer {
    let port = app.service.update_port(&id, body.port.0.into()).await?;
    answer::wrapped(StatusCode::OK, "port", &PortView(&port))
}

pub(super) async fn delete(State(app): State<App>, Named(id): Named) -> Answer {
    app.service.delete_port(&id).await?;
    Ok(answer::gone())
}
