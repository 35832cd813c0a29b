//! Networks: `{id, name, tenant_id, vni}`.

use jsonrpsee::core::RegisterMethodError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{
        fault::Fault,
        registry::{Answer, Call, Nothing, Registry, done, raw},
    },
    DIALECT, NoParams,
};
use crate::{
    model::{Network, NetworkId, Vni},
    service::{Caller, GivenAttributes, NetworkDraft, NetworkUpdate, SegmentRequest, Selection, view::BadBody},
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewNetwork {
    /// Its name.
    name: Option<String>,
    /// The project.
    tenant_id: Option<String>,
    /// Its VNI; allocated from `vni_ranges` where it is not given.
    vni: Option<i64>,
    /// false: without a VXLAN segment, so that it can't be connected.
    vxlan: Option<bool>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangedNetwork {
    /// Name or UUID of the network.
    network: String,
    /// Its name.
    name: Option<String>,
    /// The project.
    tenant_id: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OneNetwork {
    /// Name or UUID of the network.
    network: String,
}

pub(super) fn offer(r: &mut Registry) -> Result<(), RegisterMethodError> {
    r.change("network_create", "A new network.", create)?;
    r.read("network_list", "All networks.", list)?;
    r.read("network_show", "One network.", show)?;
    r.change("network_update", "Changes a network.", update)?;
    let about = "Deletes a network that has neither ports nor connections.";
    r.change("network_delete", about, delete)
}

async fn create(call: Call, params: NewNetwork) -> Answer<NetworkView<'static>> {
    let segment = match (params.vni, params.vxlan) {
        (None, None | Some(true)) => SegmentRequest::Allocate,
        (None, Some(false)) => SegmentRequest::None,
        (Some(_), Some(false)) => {
            return Err(
                BadBody::field("vni", "a network without a VXLAN segment has none: leave one of the two out").into()
            );
        }
        (Some(number), _) => {
            SegmentRequest::Vni(Vni::try_from(number).map_err(|error| BadBody::field("vni", error.to_string()))?)
        }
    };
    let draft = NetworkDraft {
        name: params.name.unwrap_or_default(),
        tenant_id: params.tenant_id,
        segment,
        attributes: GivenAttributes::new(),
    };
    raw(&NetworkView::from(&call.service().create_network(&Caller::default(), draft).await?.row))
}

async fn list(call: Call, _: NoParams) -> Answer<Networks<'static>> {
    let networks = call.service().networks(&Selection::default()).await?;
    raw(&Networks { networks: networks.iter().map(|one| NetworkView::from(&one.network.row)).collect() })
}

async fn show(call: Call, params: OneNetwork) -> Answer<NetworkView<'static>> {
    raw(&NetworkView::from(&named(&call, &params.network).await?))
}

async fn update(call: Call, params: ChangedNetwork) -> Answer<NetworkView<'static>> {
    let update = NetworkUpdate { name: params.name, tenant_id: params.tenant_id, ..NetworkUpdate::default() };
    raw(&NetworkView::from(&call.service().update_network(DIALECT, &params.network, update).await?.network.row))
}

async fn delete(call: Call, params: OneNetwork) -> Answer<Nothing> {
    done(call.service().delete_network(DIALECT, &params.network).await?)
}

/// The network that an operator names.
pub(super) async fn named(call: &Call, network: &str) -> Result<Network, Fault> {
    Ok(call.service().network(DIALECT, network).await?.network.row)
}

#[derive(Serialize, ToSchema)]
struct Networks<'a> {
    networks: Vec<NetworkView<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Network)]
struct NetworkView<'a> {
    id: NetworkId,
    name: &'a str,
    tenant_id: &'a str,
    vni: Option<Vni>,
}

impl<'a> From<&'a Network> for NetworkView<'a> {
    fn from(network: &'a Network) -> Self {
        Self { id: network.id, name: &network.name, tenant_id: &network.tenant_id, vni: network.vni }
    }
}
