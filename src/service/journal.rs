//! The journal: who called what, which plan was carried out at which switch, which row another client changed. Entries go
//! through a bounded queue into the store, many at once, beside the way of the data; those who watch get them at once.
//!
//! ```text
//!   front ends ── Journal::note ──┐
//!                                 ├── record ── batches ──▶ store
//!   fleet ────── events ──────────┤      └── broadcast ──▶ watchers
//!   relay ────── hand-overs ──────┘
//! ```

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde::Serialize;
use serde_json::{json, value::RawValue};
use tokio::{
    sync::{broadcast, mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};

pub use crate::store::{JournalEntry, JournalFilter, JournalKind, JournalLimits};
use crate::{
    fleet::Reports,
    model::{
        Revision,
        event::{AppliedPlan, Drift, FleetEvent, PlannedRow},
    },
    relay::Moved,
    store::Store,
};

/// Calls that wait to be written.
const QUEUE: usize = 1024;
/// Readers that wait for the writer, and how long each waits.
const FLUSHES: usize = 64;
const FLUSH_TIME: Duration = Duration::from_secs(2);
/// Entries that a watcher may be behind.
const WATCH: usize = 256;
/// Entries of one write, and how long the first of them waits.
const BATCH: usize = 256;
const BATCH_TIME: Duration = Duration::from_millis(250);
/// How long it waits after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// Entries that are kept while the store takes none.
const BACKLOG: usize = 4096;
/// How often old entries are removed.
const PRUNE: Duration = Duration::from_mins(10);
/// Longest details of an entry, in bytes: a hundred rows of a plan.
const DETAILS: usize = 64 * 1024;

/// The handle: cheap to clone.
#[derive(Debug, Clone)]
pub struct Journal {
    queue: mpsc::Sender<JournalEntry>,
    flushes: mpsc::Sender<oneshot::Sender<()>>,
    live: broadcast::Sender<Arc<JournalEntry>>,
    lost: Arc<AtomicU64>,
}

/// What [`record`] reads.
#[derive(Debug)]
pub struct Pending {
    queue: mpsc::Receiver<JournalEntry>,
    flushes: mpsc::Receiver<oneshot::Sender<()>>,
    live: broadcast::Sender<Arc<JournalEntry>>,
    lost: Arc<AtomicU64>,
}

/// A call that changed something, or was refused.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Who, as the front end knows them.
    pub who: String,
    /// The method.
    pub method: &'a str,
    /// The revision that it made.
    pub revision: Option<Revision>,
    /// `ok`, or why it was refused.
    pub result: String,
    /// Its parameters, as JSON.
    pub params: &'a str,
}

/// Details of a call.
#[derive(Serialize)]
struct Given<'a> {
    params: &'a RawValue,
}

// ===== impl Journal =====

impl Journal {
    /// A journal, and what [`record`] needs to write it.
    #[must_use]
    pub fn new() -> (Self, Pending) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (live, _) = broadcast::channel(WATCH);
        let lost = Arc::new(AtomicU64::new(0));
        let (flushes, flush) = mpsc::channel(FLUSHES);
        let pending = Pending { queue: waiting, flushes: flush, live: live.clone(), lost: lost.clone() };
        (Self { queue, flushes, live, lost }, pending)
    }

    /// Waits until what was noted before is written, so that a reader finds it; at most [`FLUSH_TIME`], because a reader must
    /// not hang on a store that takes nothing.
    pub async fn flush(&self) {
        let written = async {
            let (done, written) = oneshot::channel();
            // Nobody writes: there is nothing to wait for.
            if self.flushes.send(done).await.is_ok() {
                let _ = written.await;
            }
        };
        let _ = timeout(FLUSH_TIME, written).await;
    }

    /// Notes a call. Never waits: what doesn't fit is counted, and the journal says so.
    pub fn note(&self, call: Call<'_>) {
        let params = serde_json::from_str::<&RawValue>(call.params).ok().filter(|params| params.get().len() <= DETAILS);
        let details = match params {
            // As it was sent: what isn't text, a lone surrogate say, has no value to be read into.
            Some(params) => details(&Given { params }),
            None => details(&json!({"bytes": call.params.len()})),
        };
        let entry = JournalEntry {
            id: 0,
            at: SystemTime::now(),
            kind: JournalKind::Call,
            who: call.who,
            subject: call.method.to_owned(),
            revision: call.revision,
            result: call.result,
            details,
        };
        if self.queue.try_send(entry).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What happens from now on.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Arc<JournalEntry>> {
        self.live.subscribe()
    }
}

/// Writes what is noted, what the fleet reports and what the relay hands over, until the fleet has ended and all is written.
pub async fn record(
    store: Store,
    pending: Pending,
    (mut reports, mut handovers): (Reports, mpsc::Receiver<Moved>),
    limits: JournalLimits,
) {
    let mut recorder = Recorder { store, live: pending.live, batch: Vec::new(), due: None, lost: 0, ill: false };
    let (mut calls, mut flushes) = (pending.queue, pending.flushes);
    let mut prune = interval(PRUNE);
    prune.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let due = recorder.due;
        tokio::select! {
            event = reports.recv() => match event {
                Some(event) => recorder.take(from_fleet(event)),
                None => break,
            },
            // The handles may be gone before the fleet is.
            Some(call) = calls.recv() => recorder.take(call),
            Some(moved) = handovers.recv() => recorder.take(handed_over(&moved)),
            () = async { sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {
                recorder.lost += pending.lost.swap(0, Ordering::Relaxed) + reports.take_lost();
                recorder.write().await;
            }
            Some(done) = flushes.recv() => {
                while let Ok(call) = calls.try_recv() {
                    recorder.take(call);
                }
                while let Ok(moved) = handovers.try_recv() {
                    recorder.take(handed_over(&moved));
                }
                recorder.write().await;
                // Its reader may have gone.
                let _ = done.send(());
            }
            _ = prune.tick() => recorder.prune(limits).await,
        }
        if recorder.batch.len() >= BATCH && !recorder.ill {
            recorder.write().await;
        }
    }
    while let Ok(call) = calls.try_recv() {
        recorder.take(call);
    }
    while let Ok(moved) = handovers.try_recv() {
        recorder.take(handed_over(&moved));
    }
    recorder.write().await;
}

struct Recorder {
    store: Store,
    live: broadcast::Sender<Arc<JournalEntry>>,
    batch: Vec<Arc<JournalEntry>>,
    /// When the batch is written at the latest.
    due: Option<Instant>,
    lost: u64,
    /// The last write failed.
    ill: bool,
}

impl Recorder {
    fn take(&mut self, entry: JournalEntry) {
        let entry = Arc::new(entry);
        // Nobody watches: fine.
        let _ = self.live.send(entry.clone());
        if self.batch.len() >= BACKLOG {
            self.lost += 1;
            return;
        }
        self.batch.push(entry);
        self.due.get_or_insert_with(|| Instant::now() + BATCH_TIME);
    }

    async fn write(&mut self) {
        self.due = None;
        if self.lost > 0 {
            tracing::warn!(entries = self.lost, "the journal could not take all that happened");
            let details = details(&json!({"entries": self.lost}));
            let result = format!("{} entries were lost", self.lost);
            self.batch.push(entry(JournalKind::Loss, String::new(), None, result, details).into());
            self.lost = 0;
        }
        if self.batch.is_empty() {
            return;
        }
        match self.store.append_journal(self.batch.clone()).await {
            Ok(()) => {
                self.batch.clear();
                self.ill = false;
            }
            Err(error) => {
                if !self.ill {
                    tracing::warn!(%error, "the journal can't be written; trying again");
                }
                self.ill = true;
                self.due = Some(Instant::now() + RETRY);
            }
        }
    }

    async fn prune(&self, limits: JournalLimits) {
        if let Err(error) = self.store.prune_journal(limits).await {
            tracing::warn!(%error, "old entries of the journal can't be removed; trying again later");
        }
    }
}

/// What a watcher gets that was too slow for this many entries.
#[must_use]
pub fn missed(entries: u64) -> JournalEntry {
    let details = details(&json!({"entries": entries}));
    entry(JournalKind::Loss, String::new(), None, format!("{entries} events were missed"), details)
}

// ===== what the fleet reports =====

fn from_fleet(event: FleetEvent) -> JournalEntry {
    match event {
        FleetEvent::Applied(plan) => applied(&plan),
        FleetEvent::Drifted(drift) => drifted(&drift),
        FleetEvent::Session { switches, state, reason } => {
            let result = serde_json::to_value(state).ok().and_then(|state| Some(state.as_str()?.to_owned()));
            let details = details(&json!({"reason": reason}));
            entry(JournalKind::Session, switches.join(","), None, result.unwrap_or_default(), details)
        }
    }
}

/// Details of a plan.
#[derive(Serialize)]
struct Done<'a> {
    inserts: u64,
    updates: u64,
    deletes: u64,
    drifted: u64,
    rows: &'a [PlannedRow],
}

fn applied(plan: &AppliedPlan) -> JournalEntry {
    let AppliedPlan { switches, revision, inserts, updates, deletes, drifted, rows } = plan;
    let unfinished = if revision.is_none() { ", then the session ended" } else { "" };
    let result = format!("{inserts} inserted, {updates} updated, {deletes} deleted{unfinished}");
    let details = details(&Done { inserts: *inserts, updates: *updates, deletes: *deletes, drifted: *drifted, rows });
    entry(JournalKind::Plan, switches.join(","), *revision, result, details)
}

fn drifted(drift: &Drift) -> JournalEntry {
    let time = |at: SystemTime| humantime::format_rfc3339_millis(at).to_string();
    let result = match drift.put_back {
        Some(_) => "put back".to_owned(),
        None => drift.note.clone(),
    };
    let details =
        details(&json!({"seen": time(drift.seen), "put_back": drift.put_back.map(time), "repair": drift.row}));
    entry(JournalKind::Drift, drift.switches.join(","), None, result, details)
}

fn handed_over(Moved { gateway, network, from, to, at }: &Moved) -> JournalEntry {
    let details = details(&json!({"gateway_id": gateway, "network_id": network, "from": from, "to": to}));
    let result = format!("moved from {from} to {to}");
    JournalEntry { at: *at, ..entry(JournalKind::Handover, format!("{from},{to}"), None, result, details) }
}

fn entry(
    kind: JournalKind,
    subject: String,
    revision: Option<Revision>,
    result: String,
    details: Box<RawValue>,
) -> JournalEntry {
    JournalEntry { id: 0, at: SystemTime::now(), kind, who: String::new(), subject, revision, result, details }
}

fn details(value: &impl Serialize) -> Box<RawValue> {
    // Texts and numbers always have a JSON form.
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
