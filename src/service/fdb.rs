//! The FDB: what compute nodes need to reach what is behind gateways.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{Dialect, Result, Service, ServiceError, rules};
use crate::{
    intent::NetworkIntent,
    model::{Network, Revision},
    relay::{Hub, Scope, Snapshot},
};

/// How long the FDB may take to show what is committed: at a start the whole store is read first.
const PATIENCE: Duration = Duration::from_secs(10);

impl Service {
    /// All networks, as the last commit has them.
    pub async fn fdb(&self, scope: Scope) -> Result<Snapshot> {
        self.fdb_shows_all(scope).await?;
        Ok(self.fleet.fdb().snapshot())
    }

    /// One network by UUID or name, as the last commit has it; its rows are `None` while nothing is known of it but
    /// itself.
    pub async fn fdb_of(&self, key: &str, scope: Scope) -> Result<(Network, Revision, Option<Arc<NetworkIntent>>)> {
        let network = rules::network(&mut self.store.snapshot().await?, Dialect::Specification, key).await?;
        self.fdb_shows_all(scope).await?;
        let (revision, rows) = self.fleet.fdb().network(network.id);
        Ok((network.row, revision, rows))
    }

    /// What to follow.
    #[must_use]
    pub fn fdb_changes(&self) -> Arc<Hub> {
        self.fleet.fdb().clone()
    }

    /// Waits until the FDB shows all that is committed: a client sees what it wrote itself.
    async fn fdb_shows_all(&self, scope: Scope) -> Result<()> {
        let revision = self.store.snapshot().await?.revision().await?;
        timeout(PATIENCE, self.fleet.fdb().reach(revision, scope))
            .await
            .map_err(|_| ServiceError::FdbBehind { revision })
    }
}
