//! The FDB, as `/v2/fdb` has it.

use jsonrpsee::core::RegisterMethodError;
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use utoipa::ToSchema;

use super::super::{
    fault::Fault,
    registry::{Answer, Call, MethodAnswer, Registry},
};
use crate::{
    model::{Revision, Vni},
    relay::{FdbNetwork, Scope, View},
    service::view::BadBody,
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Of this network: name or UUID.
    network: Option<String>,
    /// gateway: what is behind gateways; all: ports and compute nodes, too.
    scope: Option<String>,
}

/// One network where one was named, else all.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it is written piece by piece, and only described as a whole")]
enum Fdb {
    One(FdbNetwork<'static>),
    All { revision: Revision, networks: Vec<FdbNetwork<'static>> },
}

pub(super) fn offer(r: &mut Registry) -> Result<(), RegisterMethodError> {
    r.read("fdb", "What compute nodes are told: which MAC is behind which VTEP.", fdb)
}

async fn fdb(call: Call, which: Which) -> Answer<Fdb> {
    let scope = match which.scope.as_deref() {
        None | Some("gateway") => Scope::Gateway,
        Some("all") => Scope::All,
        Some(other) => return Err(BadBody::field("scope", format!("'{other}' is neither gateway nor all")).into()),
    };
    let text = match which.network {
        Some(network) => one(&call, &network, scope).await?,
        None => all(&call, scope).await?,
    };
    let text = String::from_utf8(text).map_err(|error| Fault::bug(error.to_string()))?;
    let text = RawValue::from_string(text).map_err(|error| Fault::bug(error.to_string()))?;
    Ok(MethodAnswer::written(text))
}

async fn one(call: &Call, network: &str, scope: Scope) -> Result<Vec<u8>, Fault> {
    let (network, revision, rows) = call.service().fdb_of(network, scope).await?;
    let mut text = Vec::new();
    if let Some(view) = rows.as_ref().and_then(|rows| View::of(rows, scope)) {
        write(&view, Some(revision), &mut text);
    } else {
        let (id, vni) = (network.id, network.vni.map(Vni::get));
        let nothing = json!({"network_id": id, "vni": vni, "revision": revision, "flood": [], "entries": []});
        text.extend_from_slice(nothing.to_string().as_bytes());
    }
    Ok(text)
}

async fn all(call: &Call, scope: Scope) -> Result<Vec<u8>, Fault> {
    let snapshot = call.service().fdb(scope).await?;
    let mut text = format!("{{\"revision\":{},\"networks\":[", snapshot.revision).into_bytes();
    for (i, view) in snapshot.networks.iter().filter_map(|network| View::of(network, scope)).enumerate() {
        if i > 0 {
            text.push(b',');
        }
        write(&view, None, &mut text);
    }
    text.extend_from_slice(b"]}");
    Ok(text)
}

fn write(view: &View<'_>, revision: Option<Revision>, text: &mut Vec<u8>) {
    view.write_head(text, revision);
    for (i, entry) in view.entries().enumerate() {
        if i > 0 {
            text.push(b',');
        }
        entry.write(text);
    }
    text.extend_from_slice(b"]}");
}
