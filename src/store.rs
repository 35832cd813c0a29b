//! The desired state on disk: SQLite, read through sqlx's `Any` driver, so that PostgreSQL and MariaDB can stand beside
//! it, and written in place (decision 0017).
//!
//! ```text
//!   Store::write ──queue──> writer thread ──COMMIT──> file ──> answer
//!                               │ commits (broadcast)
//!   Store::feed <──bounded── feed task <──when it lags── table of changes
//!   Store::snapshot <── pool of read connections (WAL: readers never wait for the writer)
//! ```
//!
//! All SQL is here; what may be written is the service's to say. Its rules run as closures inside the writer's
//! transaction, so that no other write can come between a check and what it allows.

mod attributes;
mod bulk;
mod changes;
mod codec;
mod committed;
mod error;
mod feed;
mod files;
mod journal;
mod learned;
mod networks;
mod offline;
mod open;
mod ports;
mod read;
mod select;
mod source;
mod sql;
mod sqlite;
mod subnets;
mod tombstones;
mod write;
mod writer;

use std::{
    collections::HashMap,
    fmt,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use sqlx::AnyPool;
use tokio::{
    runtime::Handle,
    sync::{broadcast, mpsc, watch},
};
use tokio_util::sync::CancellationToken;

pub use attributes::{
    Annotated, Attribute, Attributes, Form, Given, NETWORK_ATTRIBUTES, PORT_ATTRIBUTES, SUBNET_ATTRIBUTES, Stamp, TAG,
    TAGS,
};
pub use committed::revision_of;
pub use error::StoreError;
pub use files::try_file;
pub use journal::{JournalEntry, JournalFilter, JournalKind, JournalLimits};
pub use learned::Learned;
pub use networks::NetworkColumn;
pub use offline::read_all;
pub use ports::PortColumn;
pub use read::{Read, UnboundNetworks, VlanClash};
pub use select::{Cell, Column, Condition, Selection};
pub use subnets::{Allocation, SubnetColumn};
pub use write::Write;
pub use writer::Writing;

use crate::model::{ChangeSet, FeedEvent, Revision};
use feed::{Contents, Feed, Feeds};
use open::Database;
use writer::{Illness, Job, Task, Writer};

/// Writes that may wait for the writer.
const QUEUE: usize = 1024;
/// How long a write waits for a place in that queue.
const QUEUE_WAIT: Duration = Duration::from_secs(30);
/// Commits that a feed may be behind before it reads the table of changes.
const BROADCAST: usize = 16;
/// Events that wait for the feed's consumer.
const FEED: usize = 8;

/// The handle of the store: cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    jobs: mpsc::Sender<Box<dyn Job>>,
    readers: AnyPool,
    commits: broadcast::WeakSender<Arc<ChangeSet>>,
    health: watch::Receiver<Option<Illness>>,
    feeds: Arc<Feeds>,
    stop: CancellationToken,
    /// Ends with the writer.
    running: watch::Receiver<()>,
    #[cfg(test)]
    page_limit: Arc<std::sync::atomic::AtomicU32>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the SQLite file, creates it where there is none (mode 0600), and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another daemon has it open, [`StoreError::NewerSchema`] where a later vtepd wrote
    /// it, [`StoreError::Open`] and [`StoreError::Migrate`] otherwise.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let database = Arc::new(Database::lock(path)?);
        database.migrate().await?;
        let readers = database.readers();
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (commits, _) = broadcast::channel(BROADCAST);
        let (ill, health) = watch::channel(None);
        let (alive, running) = watch::channel(());
        let feeds = Arc::new(Feeds::default());
        let stop = CancellationToken::new();
        #[cfg(test)]
        let page_limit = Arc::new(std::sync::atomic::AtomicU32::new(u32::MAX >> 1));
        let inner = Inner {
            jobs,
            readers,
            commits: commits.downgrade(),
            health,
            feeds: Arc::clone(&feeds),
            stop: stop.clone(),
            running,
            #[cfg(test)]
            page_limit: Arc::clone(&page_limit),
        };
        let files = database.files();
        let writer = Writer {
            database,
            files,
            jobs: queue,
            commits,
            health: ill,
            feeds,
            stop,
            write: None,
            commits_since_prune: 0,
            #[cfg(test)]
            page_limit,
        };
        let runtime = Handle::current();
        let work = move || {
            runtime.block_on(writer.run());
            drop(alive);
        };
        thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(work)
            .map_err(|source| StoreError::Open { path: path.to_owned(), source: Arc::new(source) })?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Finishes the writes that are queued, refuses further ones, and gives the file free.
    pub async fn close(&self) {
        self.inner.stop.cancel();
        self.ended().await;
        self.inner.readers.close().await;
    }

    /// Waits until the writer has ended: after [`Store::close`], or by itself, which only a bug can bring about.
    pub async fn ended(&self) {
        let mut running = self.inner.running.clone();
        // An error is what we wait for: the writer dropped its end.
        while running.changed().await.is_ok() {}
    }

    /// Whether the store takes writes: after a full disk, or where its files are gone, it tries by itself, every second,
    /// until it does again.
    ///
    /// # Errors
    /// Why it does not.
    pub fn health(&self) -> Result<(), StoreError> {
        // Without a writer there is nobody to say that it is ill.
        if self.inner.health.has_changed().is_err() {
            return Err(StoreError::Closed);
        }
        self.inner.health.borrow().as_ref().map_or(Ok(()), |illness| Err(illness.error.clone()))
    }

    /// Since when it takes no writes; `None`: it does, or it was closed.
    #[must_use]
    pub fn ill_since(&self) -> Option<SystemTime> {
        self.inner.health.borrow().as_ref().map(|illness| illness.since)
    }

    /// What the store holds now; one consistent view for as long as it is kept. Keep it short.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] while all read connections are busy, [`StoreError::Closed`].
    pub async fn snapshot(&self) -> Result<Read, StoreError> {
        Ok(Read::snapshot(self.inner.readers.begin().await?))
    }

    /// Runs `work` as one transaction: all of it is on the disk when this answers `Ok`, none of it on `Err`. What it
    /// changed goes to the feeds. A caller that stops waiting doesn't stop the write.
    ///
    /// # Errors
    /// What `work` answered; [`StoreError`] where the commit failed ([`StoreError::Unavailable`]: the disk is full),
    /// the queue is full or the store is closed.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'a> FnOnce(&'a mut Write) -> Writing<'a, T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (task, answered) = Task::new(work);
        self.inner.jobs.send_timeout(Box::new(task), QUEUE_WAIT).await.map_err(|error| match error {
            mpsc::error::SendTimeoutError::Timeout(_) => StoreError::Overloaded,
            mpsc::error::SendTimeoutError::Closed(_) => StoreError::Closed,
        })?;
        let (outcome, revision) = answered.await.unwrap_or_else(|_| (Err(StoreError::Closed.into()), None));
        committed::note(revision);
        outcome
    }

    /// The content of the store, then [`FeedEvent::Loaded`], then each commit in order. Drop the receiver to end it.
    #[must_use]
    pub fn feed(&self) -> mpsc::Receiver<FeedEvent> {
        self.feed_of(Contents::All)
    }

    /// The same without ports, of which there may be a million, and without tombstones.
    #[must_use]
    pub fn feed_without_ports(&self) -> mpsc::Receiver<FeedEvent> {
        self.feed_of(Contents::WithoutPorts)
    }

    fn feed_of(&self, contents: Contents) -> mpsc::Receiver<FeedEvent> {
        let (consumer, events) = mpsc::channel(FEED);
        // Closed already: the receiver ends at once.
        if let Some(commits) = self.inner.commits.upgrade() {
            let feed = Feed {
                readers: self.inner.readers.clone(),
                commits: commits.subscribe(),
                consumer,
                contents,
                position: self.inner.feeds.register(),
                stop: self.inner.stop.clone(),
            };
            tokio::spawn(feed.run());
        }
        events
    }

    /// Makes the file full at this many pages of 4 KiB.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: u32) {
        self.inner.page_limit.store(pages, std::sync::atomic::Ordering::Relaxed);
    }

    /// Notes which revision each of these switch databases holds completely; tombstones that all have passed are
    /// forgotten. Unknown databases are ignored.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn confirm(&self, confirmed: HashMap<String, Revision>) -> Result<(), StoreError> {
        self.write(move |write| Box::pin(async move { write.confirm(&confirmed).await })).await
    }

    /// Makes these the switch databases that tombstones are kept for: new ones have confirmed nothing yet, others are
    /// forgotten.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn set_databases(&self, names: &[String]) -> Result<(), StoreError> {
        let names = names.to_vec();
        self.write(move |write| Box::pin(async move { write.set_databases(&names).await })).await
    }
}

#[cfg(test)]
mod tests;
