//! What was meant by a name that doesn't exist.

use serde_json::{Value, json};

use super::{Failure, Session, near, output::text};
use crate::{
    admin::client::AdminClientError,
    model::{MacAddr, printable::one_line},
};

/// A kind of thing that has names: the method that lists it, the member of the answer, the member that is the name, and the
/// command that lists it for people.
const LISTS: [(&str, &str, &str, &str, &str); 5] = [
    ("L2GatewayNotFound", "gateway_list", "l2_gateways", "name", "l2gw gateway list"),
    (
        "L2GatewayConnectionNotFound",
        "connection_list",
        "l2_gateway_connections",
        "connection_id",
        "l2gw connection list",
    ),
    ("NetworkNotFound", "network_list", "networks", "name", "l2gw network list"),
    ("TunnelEndpointNotFound", "endpoint_list", "tunnel_endpoints", "host", "l2gw endpoint list"),
    ("SwitchNotFound", "switch_list", "switches", "name", "l2gw switch list"),
];

/// The name that may have been meant, and the command that shows what there is.
pub(super) async fn of(session: &Session, failure: &Failure) -> Option<String> {
    let Failure::Client(AdminClientError::Refused { kind, name, .. }) = failure else { return None };
    if kind == "PortNotFound" {
        let known = match name {
            Some(name) => port(session, name).await,
            None => None,
        };
        return Some(known.unwrap_or_else(|| "'l2gw port list' shows what there is".to_owned()));
    }
    let (_, method, list, member, command) = LISTS.iter().find(|(of, ..)| of == kind)?;
    let known: Vec<String> = match session.call::<Value>(method, &json!({})).await {
        Ok(answer) => answer[*list].as_array().into_iter().flatten().map(|one| text(&one[*member])).collect(),
        // The first error is the one to tell.
        Err(_) => Vec::new(),
    };
    let near = name.as_ref().and_then(|name| near::nearest(name, &known));
    let near = near.map(|name| format!("did you mean '{}'? ", one_line(&name))).unwrap_or_default();
    Some(format!("{near}'{command}' shows what there is"))
}

/// Ports are named by UUID; those with a MAC can be found.
async fn port(session: &Session, name: &str) -> Option<String> {
    let mac: MacAddr = name.parse().ok()?;
    let answer: Value = session.call("port_list", &json!({"mac_address": mac})).await.ok()?;
    let ports = answer["ports"].as_array().filter(|ports| !ports.is_empty())?;
    let ids: Vec<String> =
        ports.iter().map(|port| format!("{} (network {})", text(&port["id"]), text(&port["network_id"]))).collect();
    Some(format!("a port is named by its UUID; with this MAC: {}", ids.join(", ")))
}
