//! `report_ports`: the MACs of local virtual machines, as the bridges learn them, become ports of this host.
//!
//! A port is reported when its MAC is first heard, and stays as long as the interface that it was heard on: a virtual
//! machine that is silent is still there. It goes with the interface, or when the MAC is heard from elsewhere.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::{sync::watch, time::sleep};

use super::client::{Api, VtepdClientError, send, words};
use crate::model::{MacAddr, NetworkId, PortId};

/// Begins the name of the ports that we made; the interface's name follows.
const MARK: &str = "vtep-hostd ";
/// Most ports of one host.
const MOST: usize = 4096;
const PAUSE: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(30);

/// A MAC on a network.
pub(super) type Address = (NetworkId, MacAddr);

/// What the bridges know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Locals {
    /// MACs heard on local interfaces, with the interface's name.
    pub(super) heard: HashMap<Address, String>,
    /// MACs that are behind the VXLAN device.
    pub(super) away: HashSet<Address>,
    /// The interfaces in each network's bridge.
    pub(super) interfaces: HashSet<(NetworkId, String)>,
}

/// A port of this host, as vtepd has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Reported {
    id: PortId,
    name: String,
    network_id: NetworkId,
    mac_address: MacAddr,
}

impl Reported {
    fn address(&self) -> Address {
        (self.network_id, self.mac_address)
    }

    /// The interface of a port that we made.
    fn interface(&self) -> Option<&str> {
        self.name.strip_prefix(MARK)
    }
}

/// What is to be reported.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    pub(super) create: Vec<(Address, String)>,
    pub(super) delete: Vec<PortId>,
    /// MACs that are too many.
    pub(super) left_out: usize,
}

/// What is heard x what is reported -> what is to be sent. Pure. Ports that others made are never touched.
pub(super) fn calls(locals: &Locals, reported: &[Reported]) -> Calls {
    let mut calls = Calls::default();
    let known: HashSet<Address> = reported.iter().map(Reported::address).collect();
    for port in reported {
        let Some(interface) = port.interface() else { continue };
        let address = port.address();
        let there = locals.interfaces.contains(&(port.network_id, interface.to_owned()));
        if !locals.heard.contains_key(&address) && (!there || locals.away.contains(&address)) {
            calls.delete.push(port.id);
        }
    }
    let mut new: Vec<_> = locals.heard.iter().filter(|(address, _)| !known.contains(address)).collect();
    new.sort();
    let room = MOST.saturating_sub(reported.len() - calls.delete.len());
    calls.left_out = new.len().saturating_sub(room);
    calls.create = new.into_iter().take(room).map(|(address, interface)| (*address, interface.clone())).collect();
    calls
}

/// Reports until the sender is gone. What fails is tried again. `None`: the bridges were not read yet, so nothing is known
/// of machines that are silent.
pub(super) async fn report(api: Api, host: String, mut locals: watch::Receiver<Option<Locals>>) {
    let mut complained = String::new();
    loop {
        let Some(now) = locals.borrow_and_update().clone() else {
            if locals.changed().await.is_err() {
                return;
            }
            continue;
        };
        match once(&api, &host, &now).await {
            Ok(()) => {
                complained.clear();
                if locals.changed().await.is_err() {
                    return;
                }
            }
            Err(error) => {
                let text = error.to_string();
                if text != complained {
                    tracing::warn!(%error, "ports can't be reported; they will be tried again");
                    complained = text;
                }
                tokio::select! {
                    () = sleep(PAUSE) => {}
                    changed = locals.changed() => if changed.is_err() { return },
                }
            }
        }
    }
}

/// One comparison. One port that is refused doesn't keep the others from being reported; the last error is returned.
async fn once(api: &Api, host: &str, locals: &Locals) -> Result<(), VtepdClientError> {
    let calls = calls(locals, &list(api, host).await?);
    if calls.left_out > 0 {
        tracing::warn!(left_out = calls.left_out, "more than {MOST} MACs on this host: some are not reported");
    }
    let mut outcome = Ok(());
    for id in calls.delete {
        let deleted = match api.request(Method::DELETE, &format!("/v2.0/ports/{id}")) {
            Ok(request) => send(request.timeout(ANSWER)).await,
            Err(error) => Err(error),
        };
        match deleted {
            Ok(_) => tracing::info!(port = %id, "the port has left this host"),
            Err(VtepdClientError::Status { status, .. }) if status == reqwest::StatusCode::NOT_FOUND => {}
            Err(error) => outcome = Err(error),
        }
    }
    for ((network, mac), interface) in calls.create {
        let port = json!({"port": {"network_id": network, "mac_address": mac, "binding:host_id": host,
                                   "name": format!("{MARK}{interface}")}});
        let created = match api.request(Method::POST, "/v2.0/ports") {
            Ok(request) => send(request.timeout(ANSWER).json(&port)).await,
            Err(error) => Err(error),
        };
        match created {
            Ok(_) => tracing::info!(%network, %mac, interface, "the port is reported"),
            Err(error) => outcome = Err(error),
        }
    }
    outcome
}

async fn list(api: &Api, host: &str) -> Result<Vec<Reported>, VtepdClientError> {
    #[derive(Deserialize)]
    struct Ports {
        ports: Vec<Reported>,
    }
    let request = api.with_parameters(Method::GET, "/v2.0/ports", &[("binding:host_id", host)])?.timeout(ANSWER);
    let ports: Ports = send(request).await?.json().await.map_err(|error| VtepdClientError::Http(words(&error)))?;
    Ok(ports.ports)
}
