//! The only writer: one thread, one connection, group commit.
//!
//! A write is a future that runs inside the writer's transaction; one that fails is rolled back alone. Writes that wait
//! meanwhile share the COMMIT, and so its fsync; a lone one is committed at once. Nothing is answered before it is on the
//! disk.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    Read, StoreError, Write,
    feed::Feeds,
    files::Files,
    open::Database,
    sql::{Result, query},
};
use crate::model::{ChangeSet, Revision};

/// Writes that share one commit: bounds what the first of them waits for.
const BATCH: usize = 256;
/// No further write joins a commit that has been collected for so long.
const BATCH_TIME: Duration = Duration::from_millis(20);
/// The store's files are checked this often; while the disk refuses writes, it is tried.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Bytes that must be writable before the store calls itself healthy again.
const PROBE_BYTES: i64 = 256 * 1024;
/// Takes the write lock at once: a transaction that begins to read only might find that it may not write.
const BEGIN: &str = "BEGIN IMMEDIATE";
/// Commits between two prunings of changes and tombstones.
const PRUNE_EVERY: u32 = 64;

/// A write's future.
pub type Writing<'a, T, E> = Pin<Box<dyn Future<Output = std::result::Result<T, E>> + Send + 'a>>;

/// Why the store takes no writes.
#[derive(Debug, Clone)]
pub(super) struct Illness {
    pub(super) error: StoreError,
    pub(super) since: SystemTime,
}

/// A write that waits for the writer.
pub(super) trait Job: Send {
    /// Does the work; `true`: it shall be kept.
    fn run<'a>(&'a mut self, write: &'a mut Write) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>>;
    /// It will be kept, with this revision.
    fn made(&mut self, revision: Revision);
    /// Tells the caller, after the commit.
    fn answer(self: Box<Self>, committed: Result<()>);
}

/// A closure, and where its outcome goes.
pub(super) struct Task<F, T, E> {
    work: Option<F>,
    outcome: Option<std::result::Result<T, E>>,
    revision: Option<Revision>,
    answer: oneshot::Sender<Outcome<T, E>>,
}

/// What came of a write, and the revision that it made, if it changed anything.
pub(super) type Outcome<T, E> = (std::result::Result<T, E>, Option<Revision>);

impl<F, T, E> Task<F, T, E> {
    pub(super) fn new(work: F) -> (Self, oneshot::Receiver<Outcome<T, E>>) {
        let (answer, answered) = oneshot::channel();
        (Self { work: Some(work), outcome: None, revision: None, answer }, answered)
    }
}

impl<F, T, E> Job for Task<F, T, E>
where
    F: for<'a> FnOnce(&'a mut Write) -> Writing<'a, T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run<'a>(&'a mut self, write: &'a mut Write) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return false };
            let outcome = work(write).await;
            let keep = outcome.is_ok();
            self.outcome = Some(outcome);
            keep
        })
    }

    fn made(&mut self, revision: Revision) {
        self.revision = Some(revision);
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        let outcome = match committed {
            // A refusal may rest on what an earlier write of the batch did, so it is answered after the commit, too.
            Ok(()) => (self.outcome.unwrap_or_else(|| Err(StoreError::Closed.into())), self.revision),
            Err(error) => (Err(error.into()), None),
        };
        // A caller that went away has its write all the same.
        let _ = self.answer.send(outcome);
    }
}

/// The writer's state. Its SQL blocks, so it has a thread to itself.
pub(super) struct Writer {
    pub(super) database: Arc<Database>,
    pub(super) files: Files,
    pub(super) jobs: mpsc::Receiver<Box<dyn Job>>,
    pub(super) commits: broadcast::Sender<Arc<ChangeSet>>,
    pub(super) health: watch::Sender<Option<Illness>>,
    pub(super) feeds: Arc<Feeds>,
    pub(super) stop: CancellationToken,
    /// Dropped after each failure of the disk, and opened anew: SQLite may or may not have rolled back by itself.
    pub(super) write: Option<Write>,
    pub(super) commits_since_prune: u32,
    #[cfg(test)]
    pub(super) page_limit: Arc<std::sync::atomic::AtomicU32>,
}

impl Writer {
    /// Works until the store is closed; writes that were queued by then are still done.
    pub(super) async fn run(mut self) {
        let mut probe = interval(PROBE_EVERY);
        probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                job = self.jobs.recv() => match job {
                    Some(job) => self.serve(job).await,
                    None => break,
                },
                _ = probe.tick() => self.probe().await,
                () = self.stop.cancelled(), if !self.jobs.is_closed() => self.jobs.close(),
            }
        }
    }

    async fn serve(&mut self, first: Box<dyn Job>) {
        let mut batch = vec![first];
        let mut sets = Vec::new();
        let mut result = self.commit(&mut batch, &mut sets).await;
        if result.is_ok() {
            for set in sets {
                // Nobody listening is fine: a feed starts with the tables.
                let _ = self.commits.send(Arc::new(set));
            }
            // A file that was deleted meanwhile has the commit, and nobody will read it.
            result = self.files.check();
        }
        self.note(&result);
        match result {
            Ok(()) => {
                for job in batch {
                    job.answer(Ok(()));
                }
            }
            Err(error) => {
                for job in batch {
                    job.answer(Err(error.clone()));
                }
            }
        }
    }

    /// Runs the batch's first write, and what waits behind it, in one transaction.
    async fn commit(&mut self, batch: &mut Vec<Box<dyn Job>>, sets: &mut Vec<ChangeSet>) -> Result<()> {
        let started = Instant::now();
        // Taken out, so that it is gone after an error.
        let mut write = self.begin().await?;
        // Whether the transaction holds a write that one which fails must not take with it: a savepoint makes SQLite copy
        // each page before it is touched.
        let mut shared = false;
        while let Some(job) = batch.last_mut() {
            if shared {
                write.run(query("SAVEPOINT job")).await?;
            }
            let keep = job.run(&mut write).await;
            if let Some(error) = write.unavailable.take() {
                return Err(error);
            }
            if keep {
                if let Some(set) = write.log_noted().await? {
                    job.made(set.revision);
                    sets.push(set);
                }
            } else {
                write.take_noted();
                if shared {
                    write.run(query("ROLLBACK TO job")).await?;
                } else {
                    write.run(query("ROLLBACK")).await?;
                    write.run(query(BEGIN)).await?;
                }
            }
            if shared {
                write.run(query("RELEASE job")).await?;
            }
            shared |= keep;
            if batch.len() >= BATCH || started.elapsed() >= BATCH_TIME {
                break;
            }
            match self.jobs.try_recv() {
                Ok(job) => batch.push(job),
                Err(_) => break,
            }
        }
        self.commits_since_prune += 1;
        if self.commits_since_prune >= PRUNE_EVERY {
            self.commits_since_prune = 0;
            write.prune_changes(self.feeds.delivered()).await?;
            write.prune_tombstones().await?;
        }
        write.run(query("COMMIT")).await?;
        self.write = Some(write);
        Ok(())
    }

    async fn begin(&mut self) -> Result<Write> {
        if self.write.is_some() {
            // The connection stays: when it is closed, SQLite brings what is in a deleted log into the database.
            self.files.check()?;
        } else {
            self.files.check_own()?;
        }
        let opened = self.write.is_none();
        let mut write = match self.write.take() {
            Some(write) => write,
            None => Write::over(Read::writer(self.database.writer()?)),
        };
        #[cfg(test)]
        {
            let pages = self.page_limit.load(std::sync::atomic::Ordering::Relaxed);
            write.all(super::sql::assembled(format!("PRAGMA max_page_count = {pages}"))).await?;
        }
        write.run(query(BEGIN)).await?;
        if opened {
            self.files.note_sides();
        }
        Ok(write)
    }

    /// Looks at the files; where writes were refused, tries whether the disk takes them again: a page in the middle of the
    /// file would prove nothing.
    async fn probe(&mut self) {
        let mut result = if self.write.is_some() { self.files.check() } else { self.files.check_own() };
        if result.is_ok() && self.health.borrow().is_some() {
            result = self.try_disk().await;
        }
        self.note(&result);
    }

    async fn try_disk(&mut self) -> Result<()> {
        let mut write = self.begin().await?;
        write.run(query("DELETE FROM write_probe")).await?;
        write.run(query("INSERT INTO write_probe (id, body) VALUES (1, zeroblob($1))").bind(PROBE_BYTES)).await?;
        write.run(query("COMMIT")).await?;
        write.run(query("DELETE FROM write_probe")).await?;
        self.write = Some(write);
        Ok(())
    }

    /// Keeps `health`, and logs a change.
    fn note(&self, result: &Result<()>) {
        let since = self.health.borrow().as_ref().map(|illness| illness.since);
        match result {
            Ok(()) if since.is_some() => {
                tracing::info!("the store takes writes again");
                self.health.send_replace(None);
            }
            Ok(()) => {}
            Err(error) => {
                if since.is_none() {
                    tracing::error!(%error, "the store takes no writes");
                }
                let since = since.unwrap_or_else(SystemTime::now);
                self.health.send_replace(Some(Illness { error: error.clone(), since }));
            }
        }
    }
}
