//! Networks, ports and tunnel endpoints that a source dictates: written by the same rules as those that come through
//! the API, which may then only read them.

use std::collections::{BTreeSet, HashMap};

use super::{
    Result, Service, ServiceError,
    bindings::Before,
    ports::{explain, live_macs, unexplain},
};
use crate::{
    model::{Network, NetworkId, Port, PortId},
    source::{Refused, Sink, Source, SourceStatus, Step, WhyNot},
    store::{PortColumn, Read, Selection, StoreError, Write},
};

impl Service {
    /// The same use cases where `source` says which networks and ports there are.
    #[must_use]
    pub fn following(self, source: Source) -> Self {
        Self { source: Some(source), ..self }
    }

    /// How the source is; `None`: networks and ports come through the API.
    pub fn source(&self) -> Option<SourceStatus> {
        self.source.as_ref().map(Source::status)
    }

    /// Lets losses pass that the source's guard holds.
    pub fn release_source(&self) -> Result<()> {
        self.source.as_ref().ok_or(ServiceError::NoSource)?.release();
        Ok(())
    }

    /// Networks and ports may be changed only where no source dictates them.
    pub(super) fn may_write(&self) -> Result<()> {
        match &self.source {
            None => Ok(()),
            Some(source) => Err(ServiceError::OwnedByNeutron { database: source.status().connection }),
        }
    }

    /// Likewise for the tunnel endpoint of a host, if the source knows the host.
    pub(super) async fn may_write_endpoint(&self, read: &mut Read, host: &str) -> Result<()> {
        if self.source.is_none() || !read.sourced_hosts().await?.contains(host) {
            return Ok(());
        }
        self.may_write()
    }
}

impl Sink for Service {
    async fn take(&self, step: Step) -> std::result::Result<Refused, StoreError> {
        self.store.write(move |write| Box::pin(take(write, step))).await
    }
}

async fn take(write: &mut Write, step: Step) -> std::result::Result<Refused, StoreError> {
    let mut refused = Refused::default();
    match step {
        Step::RemovePorts(ids) => remove_ports(write, ids).await?,
        Step::PutNetworks(networks) => refused.networks = put_networks(write, networks).await?,
        Step::PutEndpoints(endpoints) => {
            for (host, ip) in endpoints {
                write.put_endpoint(&host, ip).await?;
            }
        }
        Step::RemoveEndpoints(hosts) => {
            for host in hosts {
                if let Some(endpoint) = write.endpoint_of(&host).await? {
                    write.remove_endpoint(endpoint.id, &host).await?;
                }
            }
        }
        Step::PutPorts(ports) => refused.ports = put_ports(write, ports).await?,
        Step::RetireNetworks(ids) => {
            for id in ids {
                retire(write, id).await?;
            }
        }
    }
    Ok(refused)
}

async fn remove_ports(write: &mut Write, ids: Vec<PortId>) -> std::result::Result<(), StoreError> {
    let there = write.ports_among(&ids.iter().copied().collect()).await?;
    let live = live_macs(write, &there.iter().collect::<Vec<_>>()).await?;
    write.remove_ports(&ids).await?;
    explain(write, live).await
}

/// The answer: networks whose VNI another one has.
async fn put_networks(write: &mut Write, networks: Vec<Network>) -> std::result::Result<Vec<NetworkId>, StoreError> {
    let mut refused = Vec::new();
    for mut network in networks {
        if let Some(vni) = network.vni
            && write.network_of_vni(vni).await?.is_some_and(|other| other.id != network.id)
        {
            network.vni = None;
            refused.push(network.id);
        }
        // One that loses its segment loses its bindings; one that has one again brings them back.
        let before = Before::note(write, &[network.id]).await?;
        write.put_network(&network).await?;
        before.explain(write).await?;
    }
    Ok(refused)
}

/// The answer: ports that are not written.
async fn put_ports(write: &mut Write, mut ports: Vec<Port>) -> std::result::Result<Vec<(PortId, WhyNot)>, StoreError> {
    let networks = write.networks_among(&ports.iter().map(|port| port.network_id).collect()).await?;
    let macs = ports.iter().map(|port| (port.network_id, port.mac)).collect();
    let ids: BTreeSet<PortId> = ports.iter().map(|port| port.id).collect();
    let old = write.ports_among(&ids).await?;
    let taken = write.macs_taken(&macs).await?.into_iter().filter(|(port, ..)| !ids.contains(port));
    let mut owners: HashMap<_, _> = taken.map(|(port, network, mac)| ((network, mac), port)).collect();
    // Of several that come with one MAC, the one that has it keeps it; else the first by its id.
    let had: BTreeSet<_> = old.iter().map(|port| (port.id, port.network_id, port.mac)).collect();
    ports.sort_unstable_by_key(|port| (!had.contains(&(port.id, port.network_id, port.mac)), port.id));
    let mut refused = Vec::new();
    ports.retain(|port| {
        let owner = *owners.entry((port.network_id, port.mac)).or_insert(port.id);
        let why = if !networks.contains(&port.network_id) {
            WhyNot::NoNetwork
        } else if owner != port.id {
            WhyNot::MacTaken(port.mac, owner)
        } else {
            return true;
        };
        refused.push((port.id, why));
        false
    });

    let kept: BTreeSet<PortId> = ports.iter().map(|port| port.id).collect();
    let before = live_macs(write, &old.iter().filter(|port| kept.contains(&port.id)).collect::<Vec<_>>()).await?;
    write.put_ports(&ports).await?;
    let after = live_macs(write, &ports.iter().collect::<Vec<_>>()).await?;
    explain(write, before.difference(&after).copied().collect()).await?;
    unexplain(write, after).await?;
    Ok(refused)
}

/// The source has deleted the network: where it is connected it is unbound, and its connections say so.
async fn retire(write: &mut Write, id: NetworkId) -> std::result::Result<(), StoreError> {
    // Its ports went before it, but for those that the source never listed.
    let ports = Selection::among(PortColumn::Network, [id]);
    let ports = write.ports(&ports).await?.into_iter().map(|port| port.id).collect();
    remove_ports(write, ports).await?;
    let before = Before::note(write, &[id]).await?;
    write.retire_network(id).await?;
    before.explain(write).await
}
