//! Writes down what switches tell. What it wants in the store and what is there are compared, so that nothing is lost
//! while the store takes no writes, and nothing is written twice.

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    model::{Change, ChangeSet, FeedEvent, SwitchVteps},
    store::{Store, StoreError},
};

/// A write that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What a worker tells of its database.
#[derive(Debug, Clone)]
pub struct Report {
    /// Which database.
    pub database: Arc<str>,
    /// What is new there.
    pub told: Told,
}

/// What is new in a database.
#[derive(Debug, Clone)]
pub enum Told {
    /// Where its switches are reached now.
    Vteps(Vec<SwitchVteps>),
}

/// See the module.
#[derive(Debug)]
pub struct Keeper {
    store: Store,
    reports: mpsc::Receiver<Report>,
    feed: mpsc::Receiver<FeedEvent>,
    loaded: bool,
    /// Where switches are reached, as the store has it.
    stored: HashMap<VtepsKey, Vec<Ipv4Addr>>,
    /// What differs from that.
    vteps: BTreeMap<VtepsKey, Vec<Ipv4Addr>>,
}

/// Switch, and network where it is about one.
type VtepsKey = (String, Option<crate::model::NetworkId>);

// ===== impl Keeper =====

impl Keeper {
    /// A keeper of what comes as `reports`.
    #[must_use]
    pub fn new(store: Store, reports: mpsc::Receiver<Report>) -> Self {
        let feed = store.feed_without_ports();
        Self { store, reports, feed, loaded: false, stored: HashMap::new(), vteps: BTreeMap::new() }
    }

    /// Works until `shutdown`, or until the store is closed.
    pub async fn run(mut self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                event = self.feed.recv() => match event {
                    Some(FeedEvent::Changes(set)) => self.follow(set),
                    Some(FeedEvent::Loaded(_)) => self.loaded = true,
                    None => return,
                },
                Some(report) = self.reports.recv(), if self.loaded => self.hear(report),
            }
            if let Err(error) = self.write().await {
                tracing::warn!(%error, "what switches told can't be written down; trying again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    fn follow(&mut self, set: ChangeSet) {
        for change in set.changes {
            if let Change::VtepsSet(row) = change {
                self.stored.insert((row.switch, row.network), row.vteps);
            }
        }
    }

    fn hear(&mut self, report: Report) {
        match report.told {
            Told::Vteps(rows) => {
                for row in rows {
                    self.vteps.insert((row.switch, row.network), row.vteps);
                }
            }
        }
    }

    async fn write(&mut self) -> Result<(), StoreError> {
        let stored = &self.stored;
        self.vteps.retain(|key, vteps| stored.get(key).map_or(!vteps.is_empty(), |stored| stored != vteps));
        if self.vteps.is_empty() {
            return Ok(());
        }
        let row = |((switch, network), vteps): (&VtepsKey, &Vec<Ipv4Addr>)| SwitchVteps {
            switch: switch.clone(),
            network: *network,
            vteps: vteps.clone(),
        };
        let rows: Vec<_> = self.vteps.iter().map(row).collect();
        self.store.write(move |write| Box::pin(async move { write.set_vteps(rows).await })).await?;
        for (key, vteps) in std::mem::take(&mut self.vteps) {
            self.stored.insert(key, vteps);
        }
        Ok(())
    }
}
