//! Many ports of one call. They are checked as a whole, then created in parts, so that no other change waits for all of
//! them: the store has one writer.
//!
//! All are created, or none: where a part is refused, because another caller was quicker, those before it are removed again. Only
//! the end of the daemon, or of the store, leaves a part of them; the error says so where the caller still waits for it.

use std::{collections::BTreeSet, sync::Arc};

use tokio::task::yield_now;

use super::{
    Caller, PortDraft, Result, Service, ServiceError, addresses,
    claims::check_quota,
    ports::{Draft, Macs, explain, insert, live_macs, refuse_taken},
};
use crate::{
    model::{Port, PortId},
    store::{Annotated, Read, Store, StoreError},
};

/// Ports that are written in one transaction: the writer takes some 25 µs for each.
const PART: usize = 1000;

/// What may be refused later is asked of each part again.
#[derive(Clone)]
struct Bulk {
    caller: Caller,
    quota: u32,
    /// The MACs that were asked for: none is drawn for another port.
    macs: Arc<Macs>,
}

impl Service {
    /// Creates all of these ports, or none.
    pub async fn create_ports(&self, caller: &Caller, drafts: Vec<PortDraft>) -> Result<Vec<Annotated<Port>>> {
        self.may_write()?;
        let (caller, quota) = (caller.clone(), self.max_ports_per_host);
        if caller.host.is_some() && drafts.len() > quota as usize {
            // Before anything is looked for: the quota bounds the work of one call, too.
            check_quota(&mut self.store.snapshot().await?, &caller, drafts.len(), quota).await?;
        }
        let mut checked = Vec::with_capacity(drafts.len());
        for (i, draft) in drafts.into_iter().enumerate() {
            checked.push(Draft::check(&caller, draft, &format!("ports[{i}]."))?);
            pause(i).await;
        }
        if checked.len() <= PART {
            let none = Arc::default();
            return self.store.write(move |write| Box::pin(insert(write, caller, quota, checked, none))).await;
        }
        let store = self.store.clone();
        // What was begun is finished, or undone, though the caller goes away.
        let created = tokio::spawn(async move { create(&store, caller, quota, checked).await });
        created.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }
}

/// Lets others run after each part.
async fn pause(done: usize) {
    if done % PART == PART - 1 {
        yield_now().await;
    }
}

async fn create(store: &Store, caller: Caller, quota: u32, drafts: Vec<Draft>) -> Result<Vec<Annotated<Port>>> {
    let macs = check(&mut store.snapshot().await?, &caller, quota, &drafts).await?.into();
    let bulk = Bulk { caller, quota, macs };
    let all = drafts.len();
    // What is asked for by name comes first, so that it isn't given away to another port.
    let (named, others): (Vec<_>, Vec<_>) =
        drafts.into_iter().enumerate().partition(|(_, draft)| draft.names_addresses());
    let mut drafts = named.into_iter().chain(others);
    let mut created: Vec<(usize, Annotated<Port>)> = Vec::with_capacity(all);
    loop {
        let (places, part): (Vec<usize>, Vec<Draft>) = drafts.by_ref().take(PART).unzip();
        if part.is_empty() {
            break;
        }
        let Bulk { caller, quota, macs } = bulk.clone();
        match store.write(move |write| Box::pin(insert(write, caller, quota, part, macs))).await {
            Ok(ports) => created.extend(places.into_iter().zip(ports)),
            Err(error) => return Err(undo(store, created.iter().map(|(_, port)| port.id).collect(), error).await),
        }
    }
    created.sort_unstable_by_key(|(place, _)| *place);
    Ok(created.into_iter().map(|(_, port)| port).collect())
}

/// Refuses what can be seen to be refused, before anything is created. Returns the MACs that are asked for.
async fn check(read: &mut Read, caller: &Caller, quota: u32, drafts: &[Draft]) -> Result<Macs> {
    check_quota(read, caller, drafts.len(), quota).await?;
    let mut macs = Macs::new();
    let mut desk = addresses::Desk::default();
    for part in drafts.chunks(PART) {
        let networks: BTreeSet<_> = part.iter().map(|draft| draft.port.network_id).collect();
        let known = read.networks_among(&networks).await?;
        if let Some(missing) = networks.difference(&known).next() {
            return Err(ServiceError::NetworkNotFound(missing.to_string()));
        }
        let mut of_part = Macs::new();
        for port in part.iter().filter(|draft| !draft.draw).map(|draft| &draft.port) {
            if !macs.insert((port.network_id, port.mac)) {
                return Err(ServiceError::MacInUse { network: port.network_id, mac: port.mac, port: None });
            }
            of_part.insert((port.network_id, port.mac));
        }
        refuse_taken(read, &of_part).await?;
        desk.claim_all(read, &part.iter().map(Draft::wish).collect::<Vec<_>>()).await?;
        yield_now().await;
    }
    Ok(macs)
}

/// Removes what was created before it was refused. Returns what is to be told.
async fn undo(store: &Store, created: Vec<PortId>, error: ServiceError) -> ServiceError {
    for (i, part) in created.chunks(PART).enumerate() {
        let ids: BTreeSet<_> = part.iter().copied().collect();
        let removed: std::result::Result<(), StoreError> = store
            .write(move |write| {
                Box::pin(async move {
                    let ports = write.ports_among(&ids).await?;
                    let live = live_macs(write, &ports.iter().collect::<Vec<_>>()).await?;
                    write.remove_ports(&ports.iter().map(|port| port.id).collect::<Vec<_>>()).await?;
                    explain(write, live).await
                })
            })
            .await;
        if let Err(why) = removed {
            let left = created.len() - i * PART;
            tracing::error!(%error, %why, left, "a bulk of ports was refused, and what had been created can't be removed");
            return ServiceError::PartlyCreated { left, why: Box::new(error) };
        }
    }
    error
}
