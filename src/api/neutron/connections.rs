//! `/v2.0/l2-gateway-connections`, as networking-l2gw has them.

use axum::{Extension, extract::State};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use super::{
    DIALECT,
    bulk::{Bulk, project},
    few::{BULK, few},
    segmentation::{DefaultSegmentationId, ShownSegmentationId},
};
use crate::{
    api::{
        App,
        answer::{self, Answer},
        body::Json,
        list::{self, Fields, ListQuery, Resource},
        named::Named,
        problem::Problem,
    },
    model::{Connection, ConnectionId, GatewayId, NetworkId, VlanId},
    service::{
        Caller, ConnectionDraft, ServiceError,
        view::{BadBody, JsonObject},
    },
};

// ===== requests =====

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = L2GatewayConnectionCreation)]
pub(super) struct Creation {
    l2_gateway_connection: Option<JsonObject<NewConnection>>,
    #[serde(default, deserialize_with = "few::<_, _, BULK>")]
    l2_gateway_connections: Option<Vec<JsonObject<NewConnection>>>,
}

// The names are networking-l2gw's.
#[allow(clippy::struct_field_names)]
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewL2GatewayConnection)]
struct NewConnection {
    l2_gateway_id: String,
    network_id: String,
    #[serde(default)]
    segmentation_id: DefaultSegmentationId,
    tenant_id: Option<String>,
    project_id: Option<String>,
}

impl NewConnection {
    fn into_draft(self, at: &str) -> Result<ConnectionDraft, BadBody> {
        Ok(ConnectionDraft {
            gateway: self.l2_gateway_id,
            network: self.network_id,
            default_vlan: self.segmentation_id.0,
            port_id: None,
            tenant_id: project(at, self.tenant_id, self.project_id)?,
        })
    }
}

// ===== answers =====

// The names are networking-l2gw's.
#[allow(clippy::struct_field_names)]
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = L2GatewayConnection)]
pub(super) struct ConnectionView<'a> {
    id: ConnectionId,
    tenant_id: &'a str,
    project_id: &'a str,
    l2_gateway_id: GatewayId,
    network_id: NetworkId,
    #[serde(serialize_with = "number_or_nothing")]
    #[schema(value_type = ShownSegmentationId)]
    segmentation_id: Option<VlanId>,
}

/// networking-l2gw shows no default as an empty string.
// The signature is serde's.
#[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref)]
fn number_or_nothing<S: Serializer>(vlan: &Option<VlanId>, serializer: S) -> Result<S::Ok, S::Error> {
    match vlan {
        Some(vlan) => vlan.serialize(serializer),
        None => serializer.serialize_str(""),
    }
}

/// Connections in this dialect.
pub(super) enum Connections {}

impl Resource for Connections {
    const ONE: &'static str = "l2_gateway_connection";
    const MANY: &'static str = "l2_gateway_connections";
    const SORTABLE: &'static [&'static str] =
        &["id", "tenant_id", "project_id", "l2_gateway_id", "network_id", "segmentation_id"];

    type Row = Connection;
    type View<'a> = ConnectionView<'a>;

    fn id(connection: &Connection) -> String {
        connection.id.to_string()
    }

    fn view(connection: &Connection) -> ConnectionView<'_> {
        ConnectionView {
            id: connection.id,
            tenant_id: &connection.tenant_id,
            project_id: &connection.tenant_id,
            l2_gateway_id: connection.gateway_id,
            network_id: connection.network_id,
            segmentation_id: connection.default_vlan,
        }
    }

    fn missing(id: String) -> Problem {
        ServiceError::ConnectionNotFound(id).into()
    }
}

// ===== calls =====

pub(super) async fn list(State(app): State<App>, query: ListQuery) -> Answer {
    list::of::<Connections>(query, app.service.connections().await?).await
}

pub(super) async fn show(State(app): State<App>, Named(id): Named, fields: Fields) -> Answer {
    list::one::<Connections>(&fields, &app.service.connection(&id).await?)
}

pub(super) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(body): Json<Creation>,
) -> Answer {
    let one = |draft| app.service.create_connection(&caller, DIALECT, draft);
    let many = |drafts| app.service.create_connections(&caller, DIALECT, drafts);
    let (connection, connections) = (body.l2_gateway_connection, body.l2_gateway_connections);
    let asked = Bulk::of::<Connections, _>(connection, connections, NewConnection::into_draft)?;
    asked.create::<Connections, _>(one, many).await
}

pub(super) async fn delete(State(app): State<App>, Named(id): Named) -> Answer {
    app.service.delete_connection(&id).await?;
    Ok(answer::gone())
}
