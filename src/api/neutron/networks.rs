//! `/v2.0/networks`.

use axum::{Extension, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    DIALECT,
    attributes::{Shows, Takes, Whole, With, seconds},
    bulk::{Bulk, project},
    few::{BULK, few},
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
    model::{Network, NetworkId, SubnetId, Vni},
    service::{
        Annotated, Attribute, Caller, Cell, Column, GivenAttributes, NETWORK_ATTRIBUTES, NetworkColumn, NetworkDraft,
        NetworkUpdate, NetworkWithSubnets, SegmentRequest, Selection, Service, ServiceError,
        view::{BadBody, JsonObject},
    },
};

// ===== requests =====

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NetworkCreation)]
pub(super) struct Creation {
    network: Option<JsonObject<With<NewNetwork>>>,
    #[serde(default, deserialize_with = "few::<_, _, BULK>")]
    networks: Option<Vec<JsonObject<With<NewNetwork>>>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewNetwork {
    name: Option<String>,
    tenant_id: Option<String>,
    project_id: Option<String>,
    #[serde(rename = "provider:network_type")]
    network_type: Option<String>,
    #[serde(rename = "provider:segmentation_id")]
    segmentation_id: Option<Number>,
    #[serde(rename = "provider:physical_network")]
    physical_network: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NetworkChange)]
pub(super) struct Change {
    network: JsonObject<With<ChangedNetwork>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangedNetwork {
    name: Option<String>,
}

impl Takes for NewNetwork {
    const ATTRIBUTES: &'static [Attribute] = NETWORK_ATTRIBUTES;
    const CREATES: bool = true;
}

impl Takes for ChangedNetwork {
    const ATTRIBUTES: &'static [Attribute] = NETWORK_ATTRIBUTES;
    const CREATES: bool = false;
}

impl NewNetwork {
    fn into_draft(With { own, attributes }: With<Self>, at: &str) -> Result<NetworkDraft, BadBody> {
        own.draft(attributes, at)
    }

    fn draft(self, attributes: GivenAttributes, at: &str) -> Result<NetworkDraft, BadBody> {
        let segmentation_id = format!("{at}.provider:segmentation_id");
        let segment = match (self.network_type.as_deref(), self.segmentation_id) {
            (None | Some("vxlan"), None) => SegmentRequest::Allocate,
            (None | Some("vxlan"), Some(Number(number))) => SegmentRequest::Vni(
                Vni::try_from(number).map_err(|error| BadBody::field(segmentation_id, error.to_string()))?,
            ),
            (Some("local"), None) => SegmentRequest::None,
            (Some("local"), Some(_)) => {
                return Err(BadBody::field(segmentation_id, "a local network has no segment: leave it out"));
            }
            (Some(other), _) => {
                let reason = format!("'{other}' can't be joined with VLANs: use vxlan, or local for no segment at all");
                return Err(BadBody::field(format!("{at}.provider:network_type"), reason));
            }
        };
        // After the type: who asks for a VLAN network gives both, and the type is what to change.
        if self.physical_network.is_some() {
            let reason = "must be null: a VXLAN network has no physical network";
            return Err(BadBody::field(format!("{at}.provider:physical_network"), reason));
        }
        Ok(NetworkDraft {
            name: self.name.unwrap_or_default(),
            tenant_id: project(at, self.tenant_id, self.project_id)?,
            segment,
            attributes,
        })
    }
}

// ===== answers =====

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Network)]
pub(super) struct NetworkView<'a> {
    id: NetworkId,
    name: &'a str,
    tenant_id: &'a str,
    project_id: &'a str,
    status: &'static str,
    subnets: &'a [SubnetId],
    #[serde(rename = "provider:network_type")]
    network_type: &'static str,
    #[serde(rename = "provider:physical_network")]
    #[schema(value_type = Option<String>)]
    physical_network: Value,
    #[serde(rename = "provider:segmentation_id")]
    segmentation_id: Option<Vni>,
    availability_zones: [&'static str; 0],
}

impl Shows for NetworkView<'_> {
    const ATTRIBUTES: &'static [Attribute] = NETWORK_ATTRIBUTES;
}

/// Networks.
pub(super) enum Networks {}

impl Resource for Networks {
    const ONE: &'static str = "network";
    const MANY: &'static str = "networks";
    const SORTABLE: &'static [&'static str] = &[
        "id",
        "name",
        "tenant_id",
        "project_id",
        "provider:segmentation_id",
        "provider:network_type",
        "admin_state_up",
        "status",
        "shared",
        "mtu",
        "router:external",
        "description",
        "created_at",
        "updated_at",
    ];

    type Row = NetworkWithSubnets;
    type View<'a> = Whole<'a, NetworkView<'a>>;

    fn id(NetworkWithSubnets { network, .. }: &NetworkWithSubnets) -> String {
        network.id.to_string()
    }

    fn view(NetworkWithSubnets { network, subnets }: &NetworkWithSubnets) -> Self::View<'_> {
        let own = NetworkView {
            id: network.id,
            name: &network.name,
            tenant_id: &network.tenant_id,
            project_id: &network.tenant_id,
            status: "ACTIVE",
            subnets,
            network_type: NetworkColumn::type_of(network),
            physical_network: Value::Null,
            segmentation_id: network.vni,
            availability_zones: [],
        };
        Whole::new(own, &network.attributes, network.stamp)
    }

    fn missing(id: String) -> Problem {
        ServiceError::NetworkNotFound(id).into()
    }
}

impl Stored for Networks {
    type Column = NetworkColumn;

    const SHARED: &'static [&'static str] = &["status", "provider:physical_network", "availability_zones"];

    fn column(attribute: &str) -> Option<NetworkColumn> {
        match attribute {
            "id" => Some(NetworkColumn::Id),
            "name" => Some(NetworkColumn::Name),
            "tenant_id" | "project_id" => Some(NetworkColumn::Tenant),
            "provider:segmentation_id" => Some(NetworkColumn::Vni),
            "provider:network_type" => Some(NetworkColumn::Type),
            "created_at" => Some(NetworkColumn::Created),
            "updated_at" => Some(NetworkColumn::Updated),
            name => {
                let attribute = Attribute::named(NETWORK_ATTRIBUTES, name)?;
                attribute.is_scalar().then_some(NetworkColumn::Attribute(attribute))
            }
        }
    }

    fn cell(attribute: &str, text: &str) -> Option<Cell> {
        match attribute {
            "id" => written_as::<Uuid>(text),
            "provider:segmentation_id" if text.is_empty() => NetworkColumn::Vni.null(),
            "provider:segmentation_id" => {
                let vni = text.parse::<i64>().ok().and_then(|number| Vni::try_from(number).ok());
                vni.map(|vni| Cell::Number(vni.get().into()))
            }
            "created_at" | "updated_at" => seconds(text).map(Cell::Number),
            name if let Some(attribute) = Attribute::named(NETWORK_ATTRIBUTES, name) => attribute.cell(text),
            _ => Some(Cell::Text(text.to_owned())),
        }
    }

    fn stored(row: &NetworkWithSubnets) -> &Annotated<Network> {
        &row.network
    }

    async fn read(service: &Service, selection: &Selection<NetworkColumn>) -> Result<Vec<NetworkWithSubnets>, Problem> {
        Ok(service.networks(selection).await?)
    }
}

// ===== calls =====

pub(super) async fn list(State(app): State<App>, query: ListQuery) -> Answer {
    list::stored::<Networks>(app.service, query, None).await
}

pub(super) async fn show(State(app): State<App>, Named(id): Named, fields: Fields) -> Answer {
    list::one::<Networks>(&fields, &app.service.network(DIALECT, &id).await?)
}

pub(super) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(body): Json<Creation>,
) -> Answer {
    let one = |draft| app.service.create_network(&caller, draft);
    let many = |drafts| app.service.create_networks(&caller, drafts);
    Bulk::of::<Networks, _>(body.network, body.networks, NewNetwork::into_draft)?.create::<Networks, _>(one, many).await
}

pub(super) async fn update(State(app): State<App>, Named(id): Named, Json(body): Json<Change>) -> Answer {
    let With { own, attributes } = body.network.0;
    let update = NetworkUpdate { name: own.name, tenant_id: None, attributes };
    let network = app.service.update_network(DIALECT, &id, update).await?;
    list::whole::<Networks>(StatusCode::OK, &network)
}

pub(super) async fn delete(State(app): State<App>, Named(id): Named) -> Answer {
    app.service.delete_network(DIALECT, &id).await?;
    Ok(answer::gone())
}
