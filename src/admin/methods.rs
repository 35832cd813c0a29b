//! The methods. Each takes its parameters by name, in the shapes of `/v2`, and answers what `/v2` answers.

use std::{future::Future, sync::Arc, time::Instant};

use jsonrpsee::{
    Extensions, RpcModule,
    core::RegisterMethodError,
    server::Methods,
    types::{ErrorObjectOwned, Params},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{json, value::RawValue};

use super::fault::Fault;
use crate::{
    model::{Connection, Gateway},
    service::{
        Caller, Dialect, Service,
        view::{ConnectionBody, ConnectionView, GatewayBody, GatewayView, Object, decode},
    },
};

const DIALECT: Dialect = Dialect::Specification;

/// Who is at the other end (SO_PEERCRED).
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) uid: u32,
    pub(super) pid: Option<i32>,
}

/// An answer, as JSON.
type Answer = Result<Box<RawValue>, Fault>;

// ===== parameters =====

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoParams {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewGateway {
    l2_gateway: Object<GatewayBody>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangedGateway {
    gateway: String,
    l2_gateway: Object<GatewayBody>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneGateway {
    gateway: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneConnection {
    connection: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneSwitch {
    switch: String,
}

// ===== methods =====

/// All methods over this service.
pub(super) fn all(service: Service) -> Result<Methods, RegisterMethodError> {
    let mut module = RpcModule::new(service);
    let m = &mut module;
    offer(m, "status", status)?;
    offer(m, "gateway_create", gateway_create)?;
    offer(m, "gateway_list", gateway_list)?;
    offer(m, "gateway_show", gateway_show)?;
    offer(m, "gateway_update", gateway_update)?;
    offer(m, "gateway_delete", gateway_delete)?;
    offer(m, "connection_create", connection_create)?;
    offer(m, "connection_list", connection_list)?;
    offer(m, "connection_show", connection_show)?;
    offer(m, "connection_status", connection_status)?;
    offer(m, "connection_delete", connection_delete)?;
    offer(m, "switch_list", switch_list)?;
    offer(m, "switch_show", switch_show)?;
    offer(m, "switch_release", switch_release)?;
    Ok(module.into())
}

/// The whole in a few lines: version, store, switches.
async fn status(service: Arc<Service>, _: NoParams) -> Answer {
    let store = service.health().err().map(|error| error.to_string());
    let switches = service.switches().await;
    let switch = |switch: &crate::model::status::SwitchStatus| json!({"name": switch.name, "session": switch.session.state, "status": switch.status, "reason": switch.reason});
    raw(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ready": store.is_none(),
        "reasons": store.into_iter().collect::<Vec<_>>(),
        "switches": switches.iter().map(switch).collect::<Vec<_>>(),
    }))
}

async fn gateway_create(service: Arc<Service>, params: NewGateway) -> Answer {
    let draft = params.l2_gateway.0.into_draft("l2_gateway")?;
    one_gateway(&service.create_gateway(&Caller::default(), DIALECT, draft).await?)
}

async fn gateway_list(service: Arc<Service>, _: NoParams) -> Answer {
    let gateways = service.gateways().await?;
    raw(&Gateways { l2_gateways: gateways.iter().map(GatewayView).collect() })
}

async fn gateway_show(service: Arc<Service>, params: OneGateway) -> Answer {
    one_gateway(&service.gateway(DIALECT, &params.gateway).await?)
}

async fn gateway_update(service: Arc<Service>, params: ChangedGateway) -> Answer {
    let update = params.l2_gateway.0.into_update("l2_gateway")?;
    one_gateway(&service.update_gateway(DIALECT, &params.gateway, update).await?)
}

async fn gateway_delete(service: Arc<Service>, params: OneGateway) -> Answer {
    raw(&service.delete_gateway(DIALECT, &params.gateway).await?)
}

async fn connection_create(service: Arc<Service>, params: ConnectionBody) -> Answer {
    let draft = params.into_draft()?;
    one_connection(&service.create_connection(&Caller::default(), DIALECT, draft).await?)
}

async fn connection_list(service: Arc<Service>, _: NoParams) -> Answer {
    let connections = service.connections().await?;
    raw(&Connections { l2_gateway_connections: connections.iter().map(ConnectionView::from).collect() })
}

async fn connection_show(service: Arc<Service>, params: OneConnection) -> Answer {
    one_connection(&service.connection(&params.connection).await?)
}

async fn connection_status(service: Arc<Service>, params: OneConnection) -> Answer {
    raw(&service.connection_status(&params.connection).await?)
}

async fn connection_delete(service: Arc<Service>, params: OneConnection) -> Answer {
    raw(&service.delete_connection(&params.connection).await?)
}

async fn switch_list(service: Arc<Service>, _: NoParams) -> Answer {
    raw(&json!({"switches": service.switches().await}))
}

async fn switch_show(service: Arc<Service>, params: OneSwitch) -> Answer {
    raw(&service.switch(&params.switch).await?)
}

async fn switch_release(service: Arc<Service>, params: OneSwitch) -> Answer {
    raw(&service.release(&params.switch).await?)
}

// ===== answers =====

#[derive(Serialize)]
struct Gateways<'a> {
    l2_gateways: Vec<GatewayView<'a>>,
}

#[derive(Serialize)]
struct OneGatewayView<'a> {
    l2_gateway: GatewayView<'a>,
}

#[derive(Serialize)]
struct Connections<'a> {
    l2_gateway_connections: Vec<ConnectionView<'a>>,
}

fn one_gateway(gateway: &Gateway) -> Answer {
    raw(&OneGatewayView { l2_gateway: GatewayView(gateway) })
}

fn one_connection(connection: &Connection) -> Answer {
    raw(&ConnectionView::from(connection))
}

fn raw(value: &impl Serialize) -> Answer {
    serde_json::value::to_raw_value(value).map_err(|error| Fault::bug(format!("the answer can't be written: {error}")))
}

// ===== the frame of every call =====

fn offer<P, F>(
    module: &mut RpcModule<Service>,
    name: &'static str,
    method: fn(Arc<Service>, P) -> F,
) -> Result<(), RegisterMethodError>
where
    P: DeserializeOwned + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    module.register_async_method(name, move |params, service, extensions| async move {
        let started = Instant::now();
        let answer = match read(&params) {
            Ok(params) => method(service, params).await,
            Err(fault) => Err(fault),
        };
        log(name, &extensions, started, answer.as_ref().err());
        answer.map_err(ErrorObjectOwned::from)
    })?;
    Ok(())
}

/// Parameters by name; none at all are an empty object.
fn read<P: DeserializeOwned>(params: &Params<'_>) -> Result<P, Fault> {
    let text = params.as_str().filter(|text| !matches!(text.trim(), "" | "null" | "[]")).unwrap_or("{}");
    Ok(decode(text.as_bytes())?)
}

fn log(method: &str, extensions: &Extensions, started: Instant, fault: Option<&Fault>) {
    let peer = extensions.get::<Peer>();
    let (uid, pid) = (peer.map(|peer| peer.uid), peer.and_then(|peer| peer.pid));
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(method, uid, pid, ms, error = fault.map(Fault::kind), "admin call");
}
