//! Connections as the specification prints them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BadBody, JsonObject, VlanNumber};
use crate::{
    model::{Connection, ConnectionId, GatewayId, NetworkId, VlanId},
    service::ConnectionDraft,
};

/// A connection in a request: bare as the specification prints it, or wrapped in `l2_gateway_connection`.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = v2::ConnectionBody)]
pub struct ConnectionBody {
    /// All of the others in an object, instead.
    l2_gateway_connection: Option<JsonObject<Members>>,
    /// Name or UUID of the network.
    network_id: Option<String>,
    /// Name or UUID of the gateway.
    gateway_id: Option<String>,
    /// VLAN of interfaces that name none.
    default_segmentation_id: Option<VlanNumber>,
    /// Generated where it is not given.
    port_id: Option<String>,
    /// The project.
    tenant_id: Option<String>,
}

// The names are the specification's.
#[allow(clippy::struct_field_names)]
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = v2::NewConnection)]
struct Members {
    network_id: Option<String>,
    gateway_id: Option<String>,
    default_segmentation_id: Option<VlanNumber>,
    port_id: Option<String>,
    tenant_id: Option<String>,
}

impl ConnectionBody {
    /// The connection that is to be created.
    ///
    /// # Errors
    /// [`BadBody`] where gateway or network are missing, or both forms are mixed.
    pub fn into_draft(self) -> Result<ConnectionDraft, BadBody> {
        let bare = Members {
            network_id: self.network_id,
            gateway_id: self.gateway_id,
            default_segmentation_id: self.default_segmentation_id,
            port_id: self.port_id,
            tenant_id: self.tenant_id,
        };
        let (at, members) = match self.l2_gateway_connection {
            None => ("", bare),
            Some(_) if bare.any() => {
                let reason = "stands beside members of the bare form: use one of the two";
                return Err(BadBody::field("l2_gateway_connection", reason));
            }
            Some(JsonObject(wrapped)) => ("l2_gateway_connection.", wrapped),
        };
        let missing = |name: &str, what: &str| {
            BadBody::field(format!("{at}{name}"), format!("is missing: the name or UUID of the {what}"))
        };
        Ok(ConnectionDraft {
            gateway: members.gateway_id.ok_or_else(|| missing("gateway_id", "gateway"))?,
            network: members.network_id.ok_or_else(|| missing("network_id", "network"))?,
            default_vlan: members.default_segmentation_id.map(|vlan| vlan.0),
            port_id: members.port_id,
            tenant_id: members.tenant_id,
        })
    }
}

impl Members {
    fn any(&self) -> bool {
        self.network_id.is_some()
            || self.gateway_id.is_some()
            || self.default_segmentation_id.is_some()
            || self.port_id.is_some()
            || self.tenant_id.is_some()
    }
}

/// A connection in an answer.
// The names are the specification's.
#[allow(clippy::struct_field_names)]
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = v2::Connection)]
pub struct ConnectionView<'a> {
    connection_id: ConnectionId,
    tenant_id: &'a str,
    network_id: NetworkId,
    gateway_id: GatewayId,
    default_segmentation_id: Option<VlanId>,
    port_id: &'a str,
}

impl<'a> From<&'a Connection> for ConnectionView<'a> {
    fn from(connection: &'a Connection) -> Self {
        Self {
            connection_id: connection.id,
            tenant_id: &connection.tenant_id,
            network_id: connection.network_id,
            gateway_id: connection.gateway_id,
            default_segmentation_id: connection.default_vlan,
            port_id: &connection.port_id,
        }
    }
}
