//! Networks: who has which VNI.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{Mutex, PoisonError},
};

use super::{Caller, Dialect, NetworkDraft, NetworkUpdate, Result, SegmentRequest, Service, ServiceError, rules};
use crate::{
    model::{Network, NetworkId, SubnetId, Vni},
    store::{Annotated, Attributes, NETWORK_ATTRIBUTES, NetworkColumn, Read, Selection, Write},
};

/// Allocates VNIs: the lowest free one, but on from the last one as long as there is any. So the VNI of a network that
/// was just deleted, and may still be on a switch, isn't given away at once; and finding a free one among thousands
/// costs one look. A restart forgets the position, which costs one scan.
#[derive(Debug)]
pub(super) struct Vnis {
    ranges: Vec<RangeInclusive<u32>>,
    /// Range, and number to go on from. Only a hint: the table decides what is free.
    next: Mutex<(usize, u32)>,
}

impl Vnis {
    pub(super) fn new(ranges: Vec<RangeInclusive<u32>>) -> Self {
        Self { ranges, next: Mutex::new((0, 0)) }
    }

    async fn allocate(&self, read: &mut Read) -> Result<Vni> {
        let (range, number) = *self.next.lock().unwrap_or_else(PoisonError::into_inner);
        match self.search(read, range, number).await? {
            Some(vni) => Ok(vni),
            None => self.search(read, 0, 0).await?.ok_or(ServiceError::NoFreeVni),
        }
    }

    /// The first free VNI from `number` of range `first` on.
    async fn search(&self, read: &mut Read, first: usize, number: u32) -> Result<Option<Vni>> {
        for (i, range) in self.ranges.iter().enumerate().skip(first) {
            let start = if i == first { number.max(*range.start()) } else { *range.start() };
            if start > *range.end() {
                continue;
            }
            if let Some(vni) = read.free_vni(start, *range.end()).await? {
                *self.next.lock().unwrap_or_else(PoisonError::into_inner) = (i, vni.get() + 1);
                return Ok(Some(vni));
            }
        }
        Ok(None)
    }
}

/// A network as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkWithSubnets {
    /// The network.
    pub network: Annotated<Network>,
    /// Its subnets.
    pub subnets: Vec<SubnetId>,
}

impl From<Annotated<Network>> for NetworkWithSubnets {
    /// A network that was just made.
    fn from(network: Annotated<Network>) -> Self {
        Self { network, subnets: Vec::new() }
    }
}

impl Service {
    /// Creates a network.
    pub async fn create_network(&self, caller: &Caller, draft: NetworkDraft) -> Result<Annotated<Network>> {
        self.may_write()?;
        let (network, segment) = build(caller, draft, "")?;
        let vnis = self.vnis.clone();
        self.store.write(move |write| Box::pin(async move { insert(write, &vnis, network, segment).await })).await
    }

    /// Creates all of these networks, or none.
    pub async fn create_networks(&self, caller: &Caller, drafts: Vec<NetworkDraft>) -> Result<Vec<Annotated<Network>>> {
        self.may_write()?;
        let build = |(i, draft)| build(caller, draft, &format!("networks[{i}]."));
        let networks = drafts.into_iter().enumerate().map(build).collect::<Result<Vec<_>>>()?;
        let vnis = self.vnis.clone();
        self.store
            .write(move |write| {
                Box::pin(async move {
                    let mut created = Vec::with_capacity(networks.len());
                    for (network, segment) in networks {
                        created.push(insert(write, &vnis, network, segment).await?);
                    }
                    Ok(created)
                })
            })
            .await
    }

    /// The networks of a selection.
    pub async fn networks(&self, selection: &Selection<NetworkColumn>) -> Result<Vec<NetworkWithSubnets>> {
        let mut view = self.store.snapshot().await?;
        let networks = view.networks(selection).await?;
        with_subnets(&mut view, networks).await
    }

    /// One network by UUID or, in `/v2`, by name.
    pub async fn network(&self, dialect: Dialect, key: &str) -> Result<NetworkWithSubnets> {
        let mut view = self.store.snapshot().await?;
        let network = rules::network(&mut view, dialect, key).await?;
        one_with_subnets(&mut view, network).await
    }

    /// Changes a network.
    pub async fn update_network(
        &self,
        dialect: Dialect,
        key: &str,
        update: NetworkUpdate,
    ) -> Result<NetworkWithSubnets> {
        self.may_write()?;
        if let Some(name) = &update.name {
            rules::text("name", name, rules::NAME)?;
        }
        if let Some(tenant) = &update.tenant_id {
            rules::text("tenant_id", tenant, rules::NAME)?;
        }
        let key = key.to_owned();
        self.store
            .write(move |write| {
                Box::pin(async move {
                    let old = rules::network(write, dialect, &key).await?;
                    let mut new = old.clone();
                    new.row.name = update.name.unwrap_or(new.row.name);
                    new.row.tenant_id = update.tenant_id.unwrap_or(new.row.tenant_id);
                    new.attributes.change(NETWORK_ATTRIBUTES, update.attributes);
                    if new != old {
                        new.stamp = new.stamp.again();
                        write.annotate_network(&new).await?;
                    }
                    // What clients alone keep changes nothing on a switch.
                    if new.row != old.row {
                        write.update_network(&new.row).await?;
                    }
                    one_with_subnets(write, new).await
                })
            })
            .await
    }

    /// Deletes a network that has no ports and no connections; its subnets go with it.
    pub async fn delete_network(&self, dialect: Dialect, key: &str) -> Result<()> {
        self.may_write()?;
        let key = key.to_owned();
        self.store
            .write(move |write| {
                Box::pin(async move {
                    let network = rules::network(write, dialect, &key).await?.id;
                    let connections = write.connections_of_network(network).await?;
                    if !connections.is_empty() {
                        let connections = connections.iter().map(|connection| connection.id).collect();
                        return Err(ServiceError::NetworkConnected { network, connections });
                    }
                    let ports = write.port_count(network).await?;
                    if ports > 0 {
                        return Err(ServiceError::NetworkHasPorts { network, ports });
                    }
                    Ok(write.remove_network(network).await?)
                })
            })
            .await
    }
}

async fn with_subnets(read: &mut Read, networks: Vec<Annotated<Network>>) -> Result<Vec<NetworkWithSubnets>> {
    let mut subnets = BTreeMap::<NetworkId, Vec<SubnetId>>::new();
    for subnet in read.subnets_of(&networks.iter().map(|network| network.id).collect()).await? {
        subnets.entry(subnet.network_id).or_default().push(subnet.id);
    }
    let joined = |network: Annotated<Network>| {
        let subnets = subnets.remove(&network.id).unwrap_or_default();
        NetworkWithSubnets { network, subnets }
    };
    Ok(networks.into_iter().map(joined).collect())
}

async fn one_with_subnets(read: &mut Read, network: Annotated<Network>) -> Result<NetworkWithSubnets> {
    let subnets = read.subnets_of(&[network.id].into()).await?.into_iter().map(|subnet| subnet.id).collect();
    Ok(NetworkWithSubnets { network, subnets })
}

fn build(caller: &Caller, draft: NetworkDraft, at: &str) -> Result<(Annotated<Network>, SegmentRequest)> {
    rules::text(&format!("{at}name"), &draft.name, rules::NAME)?;
    let tenant_id = rules::tenant(&format!("{at}tenant_id"), draft.tenant_id, caller)?;
    let network = Network { id: NetworkId::random(), name: draft.name, tenant_id, vni: None };
    Ok((Annotated::new(network, Attributes::of(NETWORK_ATTRIBUTES, draft.attributes)), draft.segment))
}

async fn insert(
    write: &mut Write,
    vnis: &Vnis,
    mut network: Annotated<Network>,
    segment: SegmentRequest,
) -> Result<Annotated<Network>> {
    network.row.vni = match segment {
        SegmentRequest::None => None,
        SegmentRequest::Allocate => Some(vnis.allocate(write).await?),
        SegmentRequest::Vni(vni) => match write.network_of_vni(vni).await? {
            Some(other) => return Err(ServiceError::VniInUse { vni, network: other.id }),
            None => Some(vni),
        },
    };
    write.create_network(&network).await?;
    Ok(network)
}
