//! Ports: `{id, name, tenant_id, network_id, mac_address, fixed_ips: [{ip_address, subnet_id}], host,
//! allowed_address_pairs: [{mac_address, ip_address}]}`.

use ipnetwork::IpNetwork;
use jsonrpsee::core::RegisterMethodError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{
        fault::Fault,
        registry::{Answer, Call, Nothing, Registry, done, raw},
    },
    networks,
};
use crate::{
    model::{MacAddr, NetworkId, Port, PortId},
    service::{
        Caller, Cell, Condition, GivenAttributes, PortColumn, PortDraft, PortUpdate, Selection,
        view::{FixedIpView, GivenAddressPair, GivenFixedIp, JsonObject},
    },
};

/// Ports of one answer, unless fewer are asked for.
const PAGE: u32 = 5000;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPort {
    /// Name or UUID of the network.
    network: String,
    /// Its name.
    name: Option<String>,
    /// The project.
    tenant_id: Option<String>,
    /// Its MAC.
    #[schema(value_type = Option<String>)]
    mac_address: Option<MacAddr>,
    /// Its addresses.
    fixed_ips: Option<Vec<JsonObject<GivenFixedIp>>>,
    /// Compute node; empty: unbound.
    host: Option<String>,
    /// Further addresses, with a MAC where it is another one.
    allowed_address_pairs: Option<Vec<JsonObject<GivenAddressPair>>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangedPort {
    /// UUID of the port.
    port: String,
    /// Its name.
    name: Option<String>,
    /// The project.
    tenant_id: Option<String>,
    /// Its MAC.
    #[schema(value_type = Option<String>)]
    mac_address: Option<MacAddr>,
    /// Its addresses.
    fixed_ips: Option<Vec<JsonObject<GivenFixedIp>>>,
    /// Compute node; empty: unbound.
    host: Option<String>,
    /// Further addresses, with a MAC where it is another one.
    allowed_address_pairs: Option<Vec<JsonObject<GivenAddressPair>>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Of this network: name or UUID.
    network: Option<String>,
    /// At this compute node; empty: unbound ones.
    host: Option<String>,
    /// With this MAC.
    #[schema(value_type = Option<String>)]
    mac_address: Option<MacAddr>,
    /// The page after the port with this UUID.
    after: Option<PortId>,
    /// At most this many; 5000 where it is not given.
    limit: Option<u32>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OnePort {
    /// UUID of the port.
    port: String,
}

pub(super) fn offer(r: &mut Registry) -> Result<(), RegisterMethodError> {
    r.change("port_create", "A new port; its MAC is drawn where none is given.", create)?;
    r.read("port_list", "The ports that match, in the order of their UUIDs.", list)?;
    r.read("port_show", "One port.", show)?;
    r.change("port_update", "Changes a port.", update)?;
    r.change("port_delete", "Deletes a port.", delete)
}

async fn create(call: Call, mut params: NewPort) -> Answer<PortView<'static>> {
    params.network = networks::named(&call, &params.network).await?.id.to_string();
    raw(&PortView::from(&call.service().create_port(&Caller::default(), params.into()).await?.row))
}

async fn list(call: Call, params: Which) -> Answer<Ports<'static>> {
    let selection = params.selection(&call).await?;
    let ports = call.service().ports(&selection).await?;
    raw(&Ports { ports: ports.iter().map(|port| PortView::from(&port.row)).collect() })
}

async fn show(call: Call, params: OnePort) -> Answer<PortView<'static>> {
    raw(&PortView::from(&call.service().port(&Caller::default(), &params.port).await?.row))
}

async fn update(call: Call, params: ChangedPort) -> Answer<PortView<'static>> {
    let update = PortUpdate {
        name: params.name,
        tenant_id: params.tenant_id,
        mac: params.mac_address,
        fixed_ips: params.fixed_ips.map(JsonObject::each),
        host: params.host.map(Some),
        allowed_address_pairs: params.allowed_address_pairs.map(JsonObject::each),
        ..PortUpdate::default()
    };
    raw(&PortView::from(&call.service().update_port(&Caller::default(), &params.port, update).await?.row))
}

async fn delete(call: Call, params: OnePort) -> Answer<Nothing> {
    done(call.service().delete_port(&Caller::default(), &params.port).await?)
}

// ===== shapes =====

impl Which {
    async fn selection(self, call: &Call) -> Result<Selection<PortColumn>, Fault> {
        let mut conditions = Vec::new();
        let mut among = |column, cell| conditions.push(Condition::Among(column, vec![cell]));
        if let Some(network) = &self.network {
            among(PortColumn::Network, Cell::Text(networks::named(call, network).await?.id.to_string()));
        }
        if let Some(mac) = self.mac_address {
            among(PortColumn::Mac, PortColumn::mac(mac));
        }
        if let Some(host) = self.host {
            among(PortColumn::Host, Cell::Text(host));
        }
        let after = self.after.map(|id| vec![Cell::Text(id.to_string())]);
        let limit = Some(self.limit.unwrap_or(PAGE).min(PAGE));
        Ok(Selection { conditions, after, limit, ..Selection::default() })
    }
}

impl From<NewPort> for PortDraft {
    fn from(new: NewPort) -> Self {
        Self {
            name: new.name.unwrap_or_default(),
            tenant_id: new.tenant_id,
            network: new.network,
            mac: new.mac_address,
            fixed_ips: new.fixed_ips.map(JsonObject::each),
            host: new.host,
            allowed_address_pairs: new.allowed_address_pairs.map(JsonObject::each).unwrap_or_default(),
            attributes: GivenAttributes::new(),
        }
    }
}

// ===== answers =====

#[derive(Serialize, ToSchema)]
struct Ports<'a> {
    ports: Vec<PortView<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Port)]
struct PortView<'a> {
    id: PortId,
    name: &'a str,
    tenant_id: &'a str,
    network_id: NetworkId,
    #[schema(value_type = String)]
    mac_address: MacAddr,
    fixed_ips: Vec<FixedIpView<'a>>,
    /// Empty: unbound.
    host: &'a str,
    allowed_address_pairs: Vec<PairView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AddressPair)]
struct PairView {
    #[schema(value_type = String)]
    mac_address: MacAddr,
    #[schema(value_type = String)]
    ip_address: IpNetwork,
}

impl<'a> From<&'a Port> for PortView<'a> {
    fn from(port: &'a Port) -> Self {
        let pairs = port.allowed_address_pairs.iter();
        Self {
            id: port.id,
            name: &port.name,
            tenant_id: &port.tenant_id,
            network_id: port.network_id,
            mac_address: port.mac,
            fixed_ips: port.fixed_ips.iter().map(FixedIpView::from).collect(),
            host: port.host.as_deref().unwrap_or_default(),
            allowed_address_pairs: pairs.map(|pair| PairView { mac_address: pair.mac, ip_address: pair.ip }).collect(),
        }
    }
}
