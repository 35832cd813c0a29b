//! `/v2.0/l2-gateways`, as networking-l2gw has them.

use axum::{Extension, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    DIALECT,
    bulk::{Bulk, project},
    few::{BULK, WITHIN, few},
    segmentation::SegmentationIds,
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
    model::{Device, DeviceId, Gateway, GatewayId, Interface},
    service::{
        Caller, DeviceDraft, GatewayDraft, GatewayUpdate, InterfaceDraft, ServiceError,
        view::{BadBody, JsonObject},
    },
};

// ===== requests =====

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = L2GatewayCreation)]
pub(super) struct Creation {
    l2_gateway: Option<JsonObject<NewGateway>>,
    #[serde(default, deserialize_with = "few::<_, _, BULK>")]
    l2_gateways: Option<Vec<JsonObject<NewGateway>>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewL2Gateway)]
struct NewGateway {
    name: Option<String>,
    tenant_id: Option<String>,
    project_id: Option<String>,
    #[serde(default, deserialize_with = "few::<_, _, WITHIN>")]
    devices: Option<Vec<JsonObject<GivenDevice>>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = L2GatewayChange)]
pub(super) struct Change {
    l2_gateway: JsonObject<ChangedGateway>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangedL2Gateway)]
struct ChangedGateway {
    name: Option<String>,
    #[serde(default, deserialize_with = "few::<_, _, WITHIN>")]
    devices: Option<Vec<JsonObject<GivenDevice>>>,
}

/// A device of a request. The name says which device it is; other members are ignored, as networking-l2gw does: its
/// clients send back the `id` that they read, and its own tests send a `segmentation_id`.
#[derive(Debug, Deserialize, ToSchema)]
struct GivenDevice {
    device_name: Option<String>,
    #[serde(default, deserialize_with = "few::<_, _, WITHIN>")]
    interfaces: Option<Vec<JsonObject<GivenInterface>>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GivenInterface {
    name: Option<String>,
    #[serde(default)]
    segmentation_id: SegmentationIds,
}

impl NewGateway {
    fn into_draft(self, at: &str) -> Result<GatewayDraft, BadBody> {
        Ok(GatewayDraft {
            name: self.name.unwrap_or_default(),
            tenant_id: project(at, self.tenant_id, self.project_id)?,
            devices: devices(at, self.devices)?,
        })
    }
}

impl ChangedGateway {
    fn into_update(self, at: &str) -> Result<GatewayUpdate, BadBody> {
        let replace = if self.devices.is_some() { devices(at, self.devices)? } else { Vec::new() };
        Ok(GatewayUpdate { name: self.name, replace, ..GatewayUpdate::default() })
    }
}

fn devices(at: &str, devices: Option<Vec<JsonObject<GivenDevice>>>) -> Result<Vec<DeviceDraft>, BadBody> {
    let devices = devices.filter(|devices| !devices.is_empty());
    let devices = devices.ok_or_else(|| {
        let reason = "is missing or empty: name at least one switch with its interfaces";
        BadBody::field(format!("{at}.devices"), reason)
    })?;
    let device = |(i, JsonObject(device)): (usize, JsonObject<GivenDevice>)| {
        let at = format!("{at}.devices[{i}]");
        Ok(DeviceDraft {
            name: required(&at, "device_name", device.device_name)?,
            interfaces: interfaces(&at, required(&at, "interfaces", device.interfaces)?)?,
        })
    };
    devices.into_iter().enumerate().map(device).collect()
}

fn interfaces(at: &str, interfaces: Vec<JsonObject<GivenInterface>>) -> Result<Vec<InterfaceDraft>, BadBody> {
    let interface = |(i, JsonObject(interface)): (usize, JsonObject<GivenInterface>)| {
        let name = required(&format!("{at}.interfaces[{i}]"), "name", interface.name)?;
        Ok(InterfaceDraft { name, vlans: interface.segmentation_id.0 })
    };
    interfaces.into_iter().enumerate().map(interface).collect()
}

fn required<T>(at: &str, member: &str, value: Option<T>) -> Result<T, BadBody> {
    value.ok_or_else(|| BadBody::field(format!("{at}.{member}"), "is missing"))
}

// ===== answers =====

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = L2Gateway)]
pub(super) struct GatewayView<'a> {
    id: GatewayId,
    name: &'a str,
    tenant_id: &'a str,
    project_id: &'a str,
    devices: Vec<DeviceView<'a>>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Device)]
struct DeviceView<'a> {
    id: DeviceId,
    device_name: &'a str,
    interfaces: Vec<InterfaceView<'a>>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Interface)]
struct InterfaceView<'a> {
    name: &'a str,
    segmentation_id: Vec<String>,
}

impl<'a> From<&'a Device> for DeviceView<'a> {
    fn from(device: &'a Device) -> Self {
        let interfaces = device.interfaces.iter().map(InterfaceView::from).collect();
        Self { id: device.id, device_name: &device.name, interfaces }
    }
}

impl<'a> From<&'a Interface> for InterfaceView<'a> {
    fn from(interface: &'a Interface) -> Self {
        let segmentation_id = interface.vlans.iter().map(ToString::to_string).collect();
        Self { name: &interface.name, segmentation_id }
    }
}

/// Gateways in this dialect.
pub(super) enum Gateways {}

impl Resource for Gateways {
    const ONE: &'static str = "l2_gateway";
    const MANY: &'static str = "l2_gateways";
    const SORTABLE: &'static [&'static str] = &["id", "name", "tenant_id", "project_id"];

    type Row = Gateway;
    type View<'a> = GatewayView<'a>;

    fn id(gateway: &Gateway) -> String {
        gateway.id.to_string()
    }

    fn view(gateway: &Gateway) -> GatewayView<'_> {
        GatewayView {
            id: gateway.id,
            name: &gateway.name,
            tenant_id: &gateway.tenant_id,
            project_id: &gateway.tenant_id,
            devices: gateway.devices.iter().map(DeviceView::from).collect(),
        }
    }

    fn missing(id: String) -> Problem {
        ServiceError::GatewayNotFound(id).into()
    }
}

// ===== calls =====

pub(super) async fn list(State(app): State<App>, query: ListQuery) -> Answer {
    list::of::<Gateways>(query, app.service.gateways().await?).await
}

pub(super) async fn show(State(app): State<App>, Named(id): Named, fields: Fields) -> Answer {
    list::one::<Gateways>(&fields, &app.service.gateway(DIALECT, &id).await?)
}

pub(super) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(body): Json<Creation>,
) -> Answer {
    let one = |draft| app.service.create_gateway(&caller, DIALECT, draft);
    let many = |drafts| app.service.create_gateways(&caller, DIALECT, drafts);
    let asked = Bulk::of::<Gateways, _>(body.l2_gateway, body.l2_gateways, NewGateway::into_draft)?;
    asked.create::<Gateways, _>(one, many).await
}

/// Replaces the interfaces of each device that is named; the other devices stay as they are.
pub(super) async fn update(State(app): State<App>, Named(id): Named, Json(body): Json<Change>) -> Answer {
    let update = body.l2_gateway.0.into_update(Gateways::ONE)?;
    list::whole::<Gateways>(StatusCode::OK, &app.service.update_gateway(DIALECT, &id, update).await?)
}

pub(super) async fn delete(State(app): State<App>, Named(id): Named) -> Answer {
    app.service.delete_gateway(DIALECT, &id).await?;
    Ok(answer::gone())
}
