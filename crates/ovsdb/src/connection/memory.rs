//! Memory that the long messages of several connections share. A server decides how long its messages are: without a
//! bound on their sum a few servers take all the memory of the process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory is handed out in units of this size: a semaphore gives no more than 2^32 permits at once.
const UNIT: usize = 64 << 10;
/// And so much more than is needed now, so that a long message asks a few times only.
const STEP: usize = 4 << 20;
/// How long a message may wait for its share. A task that waits holds a share itself: without a bound two of them could wait
/// for each other.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// For so long a message may come as slowly as it likes.
const GRACE: Duration = Duration::from_secs(30);
/// Afterwards it has to come at this many bytes a second, on the average, while others wait for its memory.
const PACE: usize = 256 << 10;

/// Cheap to clone: all clones are one budget.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bytes: usize,
    units: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Long messages are parsed one at a time: they leave the other cores to everybody else.
    parsing: Arc<Semaphore>,
}

/// What one message holds. Dropped, it is free for others.
#[derive(Debug)]
pub(super) struct Claim {
    memory: Memory,
    permit: Option<OwnedSemaphorePermit>,
    since: Instant,
}

/// Counts one that waits.
struct Waiting<'a>(&'a AtomicUsize);

// ===== impl Memory =====

impl Memory {
    /// A budget of this many bytes, for messages of more than 1 MiB; shorter ones don't count.
    pub fn new(bytes: usize) -> Self {
        let units = Arc::new(Semaphore::new((bytes / UNIT).min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Shared { bytes, units, waiting: AtomicUsize::new(0), parsing: Arc::new(Semaphore::new(1)) }))
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> usize {
        self.0.bytes
    }

    pub(super) fn claim(&self, now: Instant) -> Claim {
        Claim { memory: self.clone(), permit: None, since: now }
    }

    /// Waits for the turn to parse a long message.
    pub(super) async fn turn(self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.0.parsing).acquire_owned().await.ok()
    }
}

impl Default for Memory {
    /// 1 GiB.
    fn default() -> Self {
        Self::new(1 << 30)
    }
}

// ===== impl Claim =====

impl Claim {
    pub(super) fn bytes(&self) -> usize {
        self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) * UNIT
    }

    /// Waits until it holds this many bytes. Cancel-safe: what it holds it keeps.
    pub(super) async fn grow(&mut self, bytes: usize) {
        let missing = (bytes + STEP).saturating_sub(self.bytes()).div_ceil(UNIT);
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        let units = Arc::clone(&self.memory.0.units);
        let more = if let Ok(more) = Arc::clone(&units).try_acquire_many_owned(missing) {
            more
        } else {
            let _waiting = Waiting::new(&self.memory.0.waiting);
            // The semaphore is never closed.
            let Ok(more) = units.acquire_many_owned(missing).await else { return };
            more
        };
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
    }

    /// Whether others wait for memory that this message holds and, with `length` bytes so far, comes too slowly to keep.
    pub(super) fn is_in_the_way(&self, length: usize, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.since);
        let due = usize::try_from(age.as_secs()).unwrap_or(usize::MAX).saturating_mul(PACE);
        self.memory.0.waiting.load(Ordering::Relaxed) > 0 && age > GRACE && length < due
    }
}

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
