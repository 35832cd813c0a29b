//! Writes down what switches report, and what follows from it: one task, with one write under way at a time.
//!
//! What it wants in the store is held beside what is there, so that nothing is lost while the store takes no writes.

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    gateways::{GatewayWrite, Gateways, PortState},
    hub::Hub,
    ledger::{Ledger, Place},
    moves::{Moved, Moves},
    notices::{self, Notices},
};
use crate::{
    config::RelayConfig,
    model::{ChangeSet, FeedEvent, LearnedChange, MacAddr, NetworkId, Revision, SwitchVteps, is_vtep},
    ovsdb::turn::Turn,
    store::{Learned, Store, StoreError, Write, revision_of},
    topology::{Affected, Topology},
};

/// A write that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// VTEPs of a switch that are kept, the lowest ones.
const VTEPS: usize = 64;

/// What a worker reports of its database.
#[derive(Debug, Clone)]
pub struct Report {
    /// Which database.
    pub database: Arc<str>,
    /// What is new there.
    pub content: ReportContent,
}

/// What is new in a database.
#[derive(Debug, Clone)]
pub enum ReportContent {
    /// A session with these switches has read everything, and will report it.
    Begun(Arc<[Arc<str>]>),
    /// Where its switches are reached now.
    Vteps(Vec<SwitchVteps>),
    /// Ports, as they are now.
    Ports(Vec<PortState>),
    /// MACs, as its switches have them now.
    Macs(Vec<LearnedPlaces>),
    /// All was reported: the rest isn't there.
    Complete,
    /// The session is lost, after so long a silence.
    Lost {
        /// Zero where it wasn't silence that ended it.
        silence: Duration,
    },
}

/// Where the switches of a database have a MAC.
#[derive(Debug, Clone)]
pub struct LearnedPlaces {
    /// The network.
    pub network: NetworkId,
    /// The MAC.
    pub mac: MacAddr,
    /// At which switches; none: at none any more.
    pub places: Vec<Place>,
}

/// See the module.
#[derive(Debug)]
pub struct Keeper {
    store: Store,
    hub: Arc<Hub>,
    reports: mpsc::Receiver<Report>,
    feed: mpsc::Receiver<FeedEvent>,
    clock: Clock,
    loaded: bool,
    /// The switches of each database with a session.
    databases: HashMap<Arc<str>, Arc<[Arc<str>]>>,
    ledger: Ledger,
    /// Gateways as the store has them.
    topology: Topology,
    gateways: Gateways,
    moves: Moves,
    /// For the journal.
    moved: mpsc::Sender<Moved>,
    /// Where switches are reached, as they said since the last write.
    vteps: BTreeMap<VtepsKey, Vec<Ipv4Addr>>,
    writing: Option<JoinHandle<Option<Revision>>>,
    /// The revision of the last write, and that of the last commit that was followed: what is decided rests on the store,
    /// so the next decision waits until the last one has come back.
    written: Revision,
    followed: Revision,
    shown: Notices,
}

/// Milliseconds of the monotonic clock. It doesn't begin at zero, so that what happened before the start has a time too.
#[derive(Debug, Clone, Copy)]
struct Clock(Instant);

/// Switch, and network where it is about one.
type VtepsKey = (String, Option<NetworkId>);

/// One write.
#[derive(Debug, Clone, Default)]
struct Batch {
    vteps: Vec<SwitchVteps>,
    learned: Vec<Learned>,
    writes: Vec<GatewayWrite>,
}

// ===== impl Keeper =====

impl Keeper {
    /// A keeper of what comes as `reports`. Hand-overs are sent to `moved`.
    #[must_use]
    pub fn new(
        store: Store,
        policy: Arc<RelayConfig>,
        hub: Arc<Hub>,
        reports: mpsc::Receiver<Report>,
        moved: mpsc::Sender<Moved>,
    ) -> Self {
        let feed = store.feed_without_ports();
        let clock = Clock(Instant::now());
        Self {
            store,
            hub,
            reports,
            feed,
            clock,
            loaded: false,
            databases: HashMap::new(),
            ledger: Ledger::new(policy.max_learned_macs),
            topology: Topology::new(policy.clone()),
            gateways: Gateways::new(policy, clock.now_ms()),
            moves: Moves::default(),
            moved,
            vteps: BTreeMap::new(),
            writing: None,
            written: 0,
            followed: 0,
            shown: Notices::default(),
        }
    }

    /// Works until `shutdown`, or until the store is closed.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut turn = Turn::default();
        loop {
            let may_write = self.loaded && self.writing.is_none() && self.followed >= self.written;
            if may_write {
                turn.work(|| self.write());
            }
            turn.pass().await;
            let wait = self.wait();
            tokio::select! {
                () = shutdown.cancelled() => return,
                event = self.feed.recv() => match event {
                    Some(FeedEvent::Changes(set)) => turn.work(|| self.follow(set)),
                    Some(FeedEvent::Loaded(_)) => self.loaded = true,
                    None => return,
                },
                Some(report) = self.reports.recv(), if self.loaded => turn.work(|| self.hear(report)),
                revision = written(&mut self.writing), if self.writing.is_some() => {
                    self.writing = None;
                    self.written = revision.unwrap_or(self.written);
                }
                () = sleep(wait), if may_write && self.writing.is_none() => {}
            }
        }
    }

    /// How long nothing happens by itself.
    fn wait(&self) -> Duration {
        let times = [self.ledger.next_ms(), self.gateways.next_ms(), self.moves.next_ms()];
        let next = times.into_iter().flatten().min();
        let wait = next.map_or(u64::MAX, |next| next.saturating_sub(self.clock.now_ms()));
        Duration::from_millis(wait.clamp(1, 3_600_000))
    }

    fn follow(&mut self, set: ChangeSet) {
        let mut affected = Affected::default();
        for change in set.changes {
            self.topology.apply(&change, &mut affected);
            // After the load these are echoes of what was written here.
            if let Some(LearnedChange::Set(learned)) = change.learned()
                && !self.loaded
            {
                self.gateways.remember(&learned.switch);
                self.ledger.stored(learned.clone());
            }
        }
        self.gateways.follow(affected);
        self.followed = set.revision;
    }

    fn hear(&mut self, report: Report) {
        let (now, calendar) = (self.clock.now_ms(), calendar_ms());
        if let ReportContent::Begun(switches) = &report.content {
            self.databases.insert(report.database.clone(), switches.clone());
        }
        let Some(switches) = self.databases.get(&report.database).cloned() else { return };
        match report.content {
            ReportContent::Begun(_) => {
                self.ledger.begin(&switches);
                self.gateways.begin(&switches);
            }
            ReportContent::Vteps(rows) => {
                for mut row in rows {
                    row.vteps.retain(|vtep| is_vtep(*vtep));
                    row.vteps.truncate(VTEPS);
                    self.vteps.insert((row.switch, row.network), row.vteps);
                }
            }
            ReportContent::Ports(states) => {
                for state in states {
                    self.gateways.port(&self.topology, state, now);
                }
            }
            ReportContent::Macs(heard) => {
                for LearnedPlaces { network, mac, places } in heard {
                    self.ledger.hear(&switches, (network, mac), places, now, calendar);
                }
            }
            ReportContent::Complete => {
                self.ledger.complete(&switches, now);
                self.gateways.complete(&self.topology, &switches, now);
            }
            ReportContent::Lost { silence } => {
                self.databases.remove(&report.database);
                let silence = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
                self.gateways.lost(&self.topology, &switches, now.saturating_sub(silence));
            }
        }
    }

    /// Begins the next write, if there is something to write.
    fn write(&mut self) {
        let now = self.clock.now_ms();
        for switch in self.gateways.expired(now) {
            tracing::warn!(switch = %switch, "learned MACs are given up: the switch was away for learned_hold");
            self.ledger.expire(&switch, now);
        }
        let learned = self.ledger.take(now);
        let [emptied, filled] = self.ledger.take_changes_of_count();
        let ledger = &self.ledger;
        let has_learned = |switch: &str, network| ledger.has_any(switch, network);
        let mut writes = Vec::new();
        for (switch, network) in filled {
            self.gateways.touch_learned(&self.topology, &switch, network);
        }
        for (switch, network) in emptied {
            let at = (now, calendar_ms());
            writes.extend(self.gateways.withdrew(&self.topology, &switch, network, at, has_learned));
        }
        writes.extend(self.gateways.decide(&self.topology, now, has_learned));
        self.note_moves(&writes, now);
        let topology = &self.topology;
        self.vteps.retain(|(switch, network), vteps| match network {
            Some(network) => topology.broadcasts(switch, *network) != vteps.as_slice(),
            None => topology.tunnel_ips(switch) != vteps.as_slice(),
        });
        let vteps = std::mem::take(&mut self.vteps);
        let row = |((switch, network), vteps)| SwitchVteps { switch, network, vteps };
        let batch = Batch { vteps: vteps.into_iter().map(row).collect(), learned, writes };
        let moved = self.moves.shown(&self.topology, now);
        let notices = notices::of(&mut self.ledger, moved, &self.topology, now);
        if notices != self.shown {
            self.shown = notices.clone();
            self.hub.notice(notices);
        }
        if !(batch.vteps.is_empty() && batch.learned.is_empty() && batch.writes.is_empty()) {
            log(&batch.writes);
            self.writing = Some(tokio::spawn(batch.write(self.store.clone())));
        }
    }

    /// Hand-overs of `single-active`, for the status and for the journal.
    fn note_moves(&mut self, writes: &[GatewayWrite], now_ms: u64) {
        for write in writes {
            if let GatewayWrite::Elected(election, ..) = write
                && let Some(moved) = self.moves.note(&self.topology, election, now_ms, SystemTime::now())
                && self.moved.try_send(moved).is_err()
            {
                tracing::warn!(gateway = %election.gateway, network = %election.network, "the journal could not take a hand-over");
            }
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(writing) = &self.writing {
            writing.abort();
        }
    }
}

impl Batch {
    /// Writes until it is written: what is decided after it rests on it. Answers the revision.
    async fn write(self, store: Store) -> Option<Revision> {
        loop {
            let batch = self.clone();
            let (written, revision) = revision_of(store.write(move |write| Box::pin(batch.into_store(write)))).await;
            match written {
                Ok(()) | Err(StoreError::Closed) => return revision,
                Err(error) => {
                    tracing::warn!(%error, "what switches told can't be written down; trying again");
                    sleep(RETRY).await;
                }
            }
        }
    }

    async fn into_store(self, write: &mut Write) -> Result<(), StoreError> {
        write.set_vteps(self.vteps).await?;
        if !self.learned.is_empty() {
            write.set_learned(self.learned).await?;
        }
        for due in self.writes {
            match due {
                GatewayWrite::Elected(election, gone, back) => {
                    write.explain(gone).await?;
                    write.unexplain(&back).await?;
                    write.set_election(election).await?;
                }
                GatewayWrite::NoElection((gateway, network)) => write.remove_election(gateway, network).await?,
                GatewayWrite::Idle(idle) => write.set_idle(idle).await?,
                GatewayWrite::Busy((gateway, network)) => write.remove_idle(gateway, network).await?,
            }
        }
        Ok(())
    }
}

/// One line for each change of who stands for whom.
fn log(writes: &[GatewayWrite]) {
    for write in writes {
        match write {
            GatewayWrite::Elected(election, ..) => {
                let forwarder = election.forwarder.as_deref().unwrap_or("none");
                let eligible = election.eligible.join(",");
                tracing::info!(gateway = %election.gateway, network = %election.network, forwarder, eligible, "elected");
            }
            GatewayWrite::Idle(idle) if idle.left => {
                tracing::info!(gateway = %idle.gateway, network = %idle.network, "no learned MAC for idle_flood_hold: the gateway leaves the flood list");
            }
            _ => {}
        }
    }
}

async fn written(writing: &mut Option<JoinHandle<Option<Revision>>>) -> Option<Revision> {
    let Some(writing) = writing else { return None };
    match writing.await {
        Ok(revision) => revision,
        Err(error) => {
            tracing::error!(%error, "a write of what switches told failed");
            None
        }
    }
}

// ===== impl Clock =====

impl Clock {
    fn now_ms(self) -> u64 {
        const BEGIN: Duration = Duration::from_hours(24 * 365);
        u64::try_from((BEGIN + self.0.elapsed()).as_millis()).unwrap_or(u64::MAX)
    }
}

/// The date. It orders what is learned as long as it goes forward, and is shown; no time is measured by it.
fn calendar_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
