//! The change feed: the whole content first, then every commit in order, without a gap between the two.
//!
//! The task listens to the writer before it reads the tables, so nothing can fall between. When its consumer is slow,
//! commits pile up in the table of changes on disk instead of in memory, and the writer never waits: the task reads
//! on from that table, and the writer removes nothing from it that a feed has not passed.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::AnyPool;
use tokio::sync::{
    broadcast::{self, error::RecvError},
    mpsc,
};
use tokio_util::sync::CancellationToken;

use super::{Read, Selection, StoreError, sql::Result};
use crate::model::{Change, ChangeSet, FeedEvent, Revision};

/// Changes in one event of the first load.
const CHUNK: usize = 4096;
/// Ports of one query.
const PAGE: i64 = 4096;
/// Commits that are read from the table at once.
const CATCH_UP: i64 = 4;
/// After a failed read, it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How far each feed is: what the writer must not prune.
#[derive(Debug, Default)]
pub(super) struct Feeds {
    positions: Mutex<Vec<Weak<AtomicU64>>>,
}

impl Feeds {
    /// A feed that has delivered nothing yet.
    pub(super) fn register(&self) -> Arc<AtomicU64> {
        let position = Arc::new(AtomicU64::new(0));
        self.positions.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&position));
        position
    }

    /// The revision that all feeds have passed.
    pub(super) fn delivered(&self) -> Revision {
        let mut positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        positions.retain(|position| position.strong_count() > 0);
        positions
            .iter()
            .filter_map(Weak::upgrade)
            .map(|position| position.load(Ordering::Relaxed))
            .min()
            .unwrap_or(Revision::MAX)
    }
}

/// What a feed delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contents {
    All,
    WithoutPorts,
}

impl Contents {
    /// What is left of a commit; its revision always is.
    fn of(self, set: Arc<ChangeSet>) -> ChangeSet {
        if self == Self::All {
            return Arc::unwrap_or_clone(set);
        }
        let told = set.changes.iter().filter(|change| !matches!(change, Change::PortSet(_) | Change::PortRemoved(_)));
        ChangeSet { revision: set.revision, changes: told.cloned().collect(), tombstones: Vec::new() }
    }
}

/// The task's state.
pub(super) struct Feed {
    pub(super) readers: AnyPool,
    pub(super) commits: broadcast::Receiver<Arc<ChangeSet>>,
    pub(super) consumer: mpsc::Sender<FeedEvent>,
    pub(super) contents: Contents,
    pub(super) position: Arc<AtomicU64>,
    pub(super) stop: CancellationToken,
}

/// The consumer went away.
pub(super) struct Gone;

impl Feed {
    /// Works until the consumer goes away or the store is closed.
    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
        let consumer = self.consumer.clone();
        tokio::select! {
            Err(Gone) = self.deliver() => {}
            () = consumer.closed() => {}
            () = stop.cancelled() => {}
        }
    }

    async fn deliver(&mut self) -> std::result::Result<(), Gone> {
        let mut delivered = self.load_all().await?;
        self.send(FeedEvent::Loaded(delivered)).await?;
        loop {
            self.position.store(delivered, Ordering::Relaxed);
            match self.commits.recv().await {
                Ok(set) if set.revision <= delivered => {}
                Ok(set) if set.revision == delivered + 1 => {
                    delivered = set.revision;
                    self.send(FeedEvent::Changes(self.contents.of(set))).await?;
                }
                Ok(_) | Err(RecvError::Lagged(_)) => delivered = self.catch_up(delivered).await?,
                Err(RecvError::Closed) => return Err(Gone),
            }
        }
    }

    /// Sends the tables. The answer is where to go on: the revision of the first attempt, because rows that a failed
    /// attempt has delivered may be gone by the next, and the changes since then say it.
    async fn load_all(&mut self) -> std::result::Result<Revision, Gone> {
        let mut since = None;
        loop {
            match self.load(&mut since).await? {
                Ok(revision) => return Ok(since.unwrap_or(revision)),
                Err(error) => {
                    tracing::error!(%error, "the store can't be read; trying again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    pub(super) async fn load(&self, since: &mut Option<Revision>) -> std::result::Result<Result<Revision>, Gone> {
        macro_rules! attempt {
            ($read:expr) => {
                match $read.await {
                    Ok(rows) => rows,
                    Err(error) => return Ok(Err(StoreError::from(error))),
                }
            };
        }
        let mut view = Read::snapshot(attempt!(self.readers.begin()));
        let revision = attempt!(view.revision());
        since.get_or_insert(revision);
        let networks = attempt!(view.networks(&Selection::default()));
        self.send_rows(revision, networks, |network| Change::NetworkSet(network.row)).await?;
        self.send_rows(revision, attempt!(view.endpoints()), Change::EndpointSet).await?;
        self.send_rows(revision, attempt!(view.gateways()), Change::GatewaySet).await?;
        self.send_rows(revision, attempt!(view.live_connections()), Change::ConnectionSet).await?;
        self.send_rows(revision, attempt!(view.switch_vteps()), Change::VtepsSet).await?;
        self.send_rows(revision, attempt!(view.elections()), Change::ElectionSet).await?;
        self.send_rows(revision, attempt!(view.idle()), Change::IdleSet).await?;
        let mut place = 0;
        loop {
            let (last, learned) = attempt!(view.learned_page(place, PAGE));
            if learned.is_empty() {
                break;
            }
            place = last;
            self.send_rows(revision, learned, Change::LearnedSet).await?;
        }
        if self.contents == Contents::WithoutPorts {
            return Ok(Ok(revision));
        }
        let mut place = 0;
        loop {
            let (last, ports) = attempt!(view.ports_page(place, PAGE));
            if ports.is_empty() {
                break;
            }
            place = last;
            self.send_rows(revision, ports, Change::PortSet).await?;
        }
        for tombstones in attempt!(view.tombstones()).chunks(CHUNK) {
            let set = ChangeSet { revision, changes: Vec::new(), tombstones: tombstones.to_vec() };
            self.send(FeedEvent::Changes(set)).await?;
        }
        Ok(Ok(revision))
    }

    async fn send_rows<T>(
        &self,
        revision: Revision,
        rows: Vec<T>,
        change: fn(T) -> Change,
    ) -> std::result::Result<(), Gone> {
        let mut rows = rows.into_iter().map(change);
        loop {
            let changes: Vec<_> = rows.by_ref().take(CHUNK).collect();
            if changes.is_empty() {
                return Ok(());
            }
            self.send(FeedEvent::Changes(ChangeSet { revision, changes, tombstones: Vec::new() })).await?;
        }
    }

    /// Sends what the table of changes holds beyond `delivered`; answers how far that was.
    async fn catch_up(&self, mut delivered: Revision) -> std::result::Result<Revision, Gone> {
        loop {
            let sets = match self.changes_after(delivered).await {
                Ok(sets) if sets.is_empty() => return Ok(delivered),
                Ok(sets) => sets,
                Err(error) => {
                    tracing::error!(%error, "the store's changes can't be read; trying again");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            };
            for set in sets {
                delivered = set.revision;
                self.send(FeedEvent::Changes(self.contents.of(Arc::new(set)))).await?;
                self.position.store(delivered, Ordering::Relaxed);
            }
        }
    }

    async fn changes_after(&self, delivered: Revision) -> Result<Vec<ChangeSet>> {
        Read::snapshot(self.readers.begin().await?).changes_after(delivered, CATCH_UP).await
    }

    async fn send(&self, event: FeedEvent) -> std::result::Result<(), Gone> {
        self.consumer.send(event).await.map_err(|_| Gone)
    }
}
