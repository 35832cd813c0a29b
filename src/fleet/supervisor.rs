//! Feeds the workers: owns the desired state, and knows which worker serves which switch.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{self, AbortHandle, JoinError, JoinSet},
    time::{sleep, timeout},
};

use super::{
    Command, Database, FleetSettings, PlanError, SwitchError, UnknownSwitch,
    certificates::Shown,
    driver,
    mailbox::Mailbox,
    passive::Lobby,
    query::Query,
    status::{self, Published},
    target::{News, Settings, Target},
    worker::Worker,
};
use crate::{
    config::SwitchConfig,
    intent::{HostNames, Intent, Update},
    model::{FeedEvent, Revision, status::SwitchStatus},
    ovsdb::{Memory, turn::Turn},
    relay::{Hub, Report},
    telemetry::Repeats,
};

/// How long a worker may take to report its status: it is never busy for longer than some milliseconds.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a worker may take to end its session.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a database rests after its worker failed.
const RESTART: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Supervisor {
    settings: FleetSettings,
    intent: Intent,
    /// What compute nodes read.
    fdb: Arc<Hub>,
    reports: mpsc::Sender<Report>,
    pub(super) workers: BTreeMap<Database, Running>,
    tasks: JoinSet<()>,
    /// The database of each device.
    of_switch: HashMap<String, Database>,
    pub(super) lobby: Arc<Lobby>,
    pub(super) commands: mpsc::WeakSender<Command>,
    /// Sections of switches that dialled in and are being looked at.
    pub(super) adopting: HashSet<String>,
    /// Connections of switches that were not taken.
    pub(super) turned_away: Repeats,
    confirm: mpsc::Sender<(String, Revision)>,
    confirmations: mpsc::Receiver<(Database, Revision)>,
    confirmed: mpsc::Sender<(Database, Revision)>,
    /// For the long messages of all switches together.
    memory: Memory,
}

/// Where it sends.
#[derive(Debug)]
pub(super) struct Channels {
    pub(super) confirm: mpsc::Sender<(String, Revision)>,
    pub(super) reports: mpsc::Sender<Report>,
    /// To itself, as long as there is anybody else.
    pub(super) commands: mpsc::WeakSender<Command>,
}

#[derive(Debug)]
pub(super) struct Running {
    pub(super) sections: Vec<SwitchConfig>,
    /// The Physical_Switches of the last session, where they dial in.
    pub(super) introduced: Vec<String>,
    mailbox: Arc<Mailbox>,
    pub(super) queries: mpsc::Sender<Query>,
    published: watch::Receiver<Published>,
    task: AbortHandle,
    /// The revision of the last change that concerns the database, and the last one that it confirmed.
    delivered: Revision,
    confirmed: Option<Revision>,
    /// What was written to the store of it.
    told: Revision,
}

// ===== impl Supervisor =====

impl Supervisor {
    pub(super) fn new(
        settings: FleetSettings,
        Channels { confirm, reports, commands }: Channels,
        fdb: Arc<Hub>,
        lobby: Arc<Lobby>,
    ) -> Self {
        let (confirmed, confirmations) = mpsc::channel(1024);
        let policy = settings.relay.clone();
        Self {
            fdb,
            reports,
            settings,
            intent: Intent::new(policy),
            workers: BTreeMap::new(),
            tasks: JoinSet::new(),
            of_switch: HashMap::new(),
            lobby,
            commands,
            adopting: HashSet::new(),
            turned_away: Repeats::default(),
            confirm,
            confirmations,
            confirmed,
            memory: Memory::default(),
        }
    }

    pub(super) async fn run(mut self, mut feed: mpsc::Receiver<FeedEvent>, mut commands: mpsc::Receiver<Command>) {
        let switches = std::mem::take(&mut self.settings.switches);
        self.reconfigure(switches).await;
        let mut turn = Turn::default();
        loop {
            turn.pass().await;
            tokio::select! {
                Some(event) = feed.recv() => turn.work(|| self.feed(event)),
                Some((database, revision)) = self.confirmations.recv() => self.confirm(&database, revision),
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                () = self.fdb.all_wanted() => {
                    let updates = self.intent.keep_all();
                    self.fdb.publish_all(&updates);
                }
                command = commands.recv() => match command {
                    Some(Command::Stop) | None => break,
                    Some(command) => self.command(command).await,
                },
            }
        }
        self.stop(|_, _| true).await;
    }

    fn feed(&mut self, event: FeedEvent) {
        let loaded = matches!(event, FeedEvent::Loaded(_));
        let updates = match event {
            FeedEvent::Changes(set) => self.intent.apply(set),
            FeedEvent::Loaded(revision) => self.intent.loaded(revision),
        };
        if self.intent.is_loaded() {
            self.fdb.publish(self.intent.revision(), &updates);
        }
        for update in updates {
            self.deliver(&update);
        }
        if loaded {
            // Only now may a database that nothing is wanted of be judged.
            self.workers.values_mut().for_each(|running| running.deliver(self.intent.revision(), |_| {}));
        }
        self.forget_explanations();
    }

    fn deliver(&mut self, update: &Update) {
        let revision = self.intent.revision();
        match update {
            Update::Switch { switch, intent, networks } => {
                let Some(running) = self.worker_of(switch) else { return };
                running.deliver(revision, |news| {
                    news.switches.insert(switch.clone(), intent.clone());
                    for network in networks {
                        // Content alone, if it is new to the worker; what changed came by the network's own update.
                        news.network(network, Some(&[]));
                    }
                });
            }
            Update::Gone(_) => {}
            Update::Network { switches, network, macs } => {
                for switch in switches.iter() {
                    if let Some(running) = self.worker_of(switch) {
                        running.deliver(revision, |news| news.network(network, macs.as_deref()));
                    }
                }
            }
        }
    }

    fn worker_of(&mut self, switch: &str) -> Option<&mut Running> {
        self.workers.get_mut(self.of_switch.get(switch)?)
    }

    fn confirm(&mut self, database: &Database, revision: Revision) {
        if let Some(running) = self.workers.get_mut(database) {
            running.confirmed = Some(revision);
            self.forget_explanations();
        }
    }

    /// Explanations are kept until every database has confirmed them; the store hears of it in its own time.
    fn forget_explanations(&mut self) {
        let Some(wanted) = self.intent.last_tombstone() else { return };
        let latest = self.intent.revision();
        for (database, running) in &mut self.workers {
            let reached = running.reached(latest);
            // Should the store's queue be full, the next confirmation makes up for this one.
            if reached > running.told
                && running.told < wanted
                && database.names().into_iter().all(|name| self.confirm.try_send((name, reached)).is_ok())
            {
                running.told = reached;
            }
        }
        if let Some(all) = self.workers.values().map(|running| running.reached(latest)).min() {
            self.intent.confirmed(all);
        }
    }

    /// A worker's task ended by itself, which only a bug can do: another takes its place.
    fn ended(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let (id, error) = match ended {
            Ok((id, ())) => (id, "it ended".to_owned()),
            Err(error) => (error.id(), error.to_string()),
        };
        // One that is stopping is in the list no more.
        let Some(database) = self.workers.iter().find(|(_, r)| r.task.id() == id).map(|(database, _)| database.clone())
        else {
            return;
        };
        tracing::error!(%database, error, "the worker of a switch failed, which is a bug of vtepd's; starting another");
        if let Some(Running { sections, .. }) = self.workers.remove(&database) {
            self.start(database, sections, RESTART);
        }
    }

    async fn command(&mut self, command: Command) {
        match command {
            Command::Switches(answer) => {
                let (latest, hosts) = (self.intent.revision(), self.host_names());
                let ask = |running| ask_status(running, latest, hosts.clone());
                let asked = self.workers.values().map(ask).collect::<Vec<_>>();
                tokio::spawn(async move {
                    let mut all = Vec::new();
                    // All at once: one that is busy must not delay the others.
                    for statuses in join_all(asked).await {
                        all.extend(statuses);
                    }
                    all.sort_by(|a, b| a.name.cmp(&b.name));
                    let _ = answer.send(all);
                });
            }
            Command::Switch(name, answer) => {
                let running = self.workers.values().find(|running| running.sections.iter().any(|s| s.name == name));
                let (latest, hosts) = (self.intent.revision(), self.host_names());
                let asked = running.map(|running| ask_status(running, latest, hosts));
                tokio::spawn(async move {
                    let statuses = match asked {
                        Some(asked) => asked.await,
                        None => Vec::new(),
                    };
                    let _ = answer.send(statuses.into_iter().find(|status| status.name == name));
                });
            }
            Command::Release(name, answer) => {
                let _ = answer.send(self.tell(name, Query::Release));
            }
            Command::Hold(name, hold, answer) => {
                if hold {
                    self.settings.holds.insert(name.clone());
                } else {
                    self.settings.holds.remove(&name);
                }
                // Another switch of the same database may be held still.
                let sections = self.running(&name).map(|running| &running.sections);
                let hold = sections.is_some_and(|all| all.iter().any(|s| self.settings.holds.contains(&s.name)));
                let _ = answer.send(self.tell(name, Query::Hold(hold)));
            }
            Command::Repair(name, answer) => {
                let _ = answer.send(self.tell(name, Query::Repair));
            }
            Command::Plan(name, query, answer) => {
                let Some(running) = self.running(&name) else {
                    let _ = answer.send(Err(PlanError::Unknown(UnknownSwitch(name))));
                    return;
                };
                let queries = running.queries.clone();
                // A comparison of a million rows takes its time; others are served meanwhile.
                tokio::spawn(async move {
                    let (planned, plan) = oneshot::channel();
                    let _ = queries.send(Query::Plan(query, planned)).await;
                    let gone = || Err("the daemon is dropping it: read the configuration".to_owned());
                    let preview = plan.await.unwrap_or_else(|_| gone());
                    let _ = answer.send(preview.map_err(|reason| PlanError::Unready { switch: name, reason }));
                });
            }
            Command::Reconfigure(switches, answer) => {
                self.reconfigure(switches).await;
                let _ = answer.send(());
            }
            Command::Arrived(arrival) => self.arrived(arrival),
            Command::Adopt(adoption) => self.adopt(adoption).await,
            Command::Stop => {}
        }
    }

    /// Who is behind a tunnel; nobody asks where no tunnel is followed.
    fn host_names(&self) -> Arc<HostNames> {
        let mut sections = self.workers.values().flat_map(|running| &running.sections);
        if sections.any(|section| section.bfd.is_some()) {
            Arc::new(self.intent.hosts_by_vtep())
        } else {
            Arc::default()
        }
    }

    fn running(&self, section: &str) -> Option<&Running> {
        self.workers.values().find(|running| running.sections.iter().any(|s| s.name == section))
    }

    /// Gives an order. Never waits: a worker that doesn't read must not hold up the others.
    fn tell(&self, section: String, query: Query) -> Result<(), SwitchError> {
        let Some(running) = self.running(&section) else { return Err(UnknownSwitch(section).into()) };
        running.queries.try_send(query).map_err(|_| SwitchError::Busy(section))
    }

    /// Starts, changes and stops workers. A database whose sections stay as they are keeps its session.
    async fn reconfigure(&mut self, switches: Vec<SwitchConfig>) {
        let mut wanted: BTreeMap<Database, Vec<SwitchConfig>> = BTreeMap::new();
        self.lobby.expect(&switches);
        for (database, switch) in self.groups(&switches) {
            wanted.entry(database).or_default().push(switch);
        }
        let kept = |database: &Database, running: &Running| wanted.get(database) == Some(&running.sections);
        self.stop(|database, running| !kept(database, running)).await;
        self.of_switch.clear();
        for (database, sections) in wanted {
            self.start_group(database, sections);
        }
    }

    /// Serves these sections together, unless they are already.
    pub(super) fn start_group(&mut self, database: Database, sections: Vec<SwitchConfig>) {
        for section in &sections {
            self.of_switch.insert(section.name.clone(), database.clone());
        }
        if !self.workers.contains_key(&database) {
            self.start(database, sections, Duration::ZERO);
        }
    }

    /// Lets workers finish what they have sent, all at once, for a moment.
    pub(super) async fn stop(&mut self, which: impl Fn(&Database, &Running) -> bool) {
        let mut stopping: Vec<AbortHandle> = Vec::new();
        self.workers.retain(|database, running| {
            let stops = which(database, running);
            stopping.extend(stops.then(|| running.task.clone()));
            !stops
        });
        let tasks = &mut self.tasks;
        let mut others = Vec::new();
        let all = async {
            while stopping.iter().any(|task| !task.is_finished())
                && let Some(ended) = tasks.join_next_with_id().await
            {
                others.push(ended);
            }
        };
        if timeout(STOP_TIMEOUT, all).await.is_err() {
            stopping.iter().for_each(AbortHandle::abort);
        }
        for ended in others {
            self.ended(ended);
        }
    }

    fn start(&mut self, database: Database, sections: Vec<SwitchConfig>, delay: Duration) {
        let mailbox = Arc::new(Mailbox::default());
        let (queries, asked) = mpsc::channel(64);
        let settings = Settings {
            database: database.clone(),
            sections: sections.clone(),
            deployment: self.settings.deployment.clone(),
            previous_prefixes: self.settings.previous_prefixes.clone(),
            max_learned_macs: self.settings.relay.max_learned_macs,
        };
        let hold = sections.iter().any(|section| self.settings.holds.contains(&section.name));
        let target = Target::new(settings, hold, SystemTime::now());
        let (publish, published) =
            watch::channel(Published::new(status::without_session(&target, &[]), SystemTime::now()));
        let io = driver::Channels {
            publish,
            mailbox: mailbox.clone(),
            queries: asked,
            confirm: self.confirmed.clone(),
            reports: self.reports.clone(),
            events: self.settings.events.clone(),
            memory: self.memory.clone(),
            lobby: self.lobby.clone(),
            shown: Shown::default(),
            warned: None,
        };
        let worker = Worker::new(target, io);
        let task = self.tasks.spawn(async move {
            sleep(delay).await;
            worker.run().await;
        });
        let names: Vec<String> = sections.iter().map(|section| section.name.clone()).collect();
        let running = Running {
            sections,
            introduced: Vec::new(),
            mailbox,
            queries,
            published,
            task,
            delivered: 0,
            confirmed: None,
            told: 0,
        };
        self.workers.insert(database, running);
        if self.intent.is_loaded() {
            for name in names {
                self.deliver(&self.intent.switch(&name));
            }
        }
    }
}

// ===== impl Running =====

impl Running {
    /// Puts news of this revision into the worker's mailbox.
    fn deliver(&mut self, revision: Revision, add: impl FnOnce(&mut News)) {
        self.delivered = revision;
        self.mailbox.put(|news| {
            add(news);
            news.revision = Some(revision);
        });
    }

    /// The revision that the database holds completely, of which `latest` is the last: what doesn't concern it, it has.
    fn reached(&self, latest: Revision) -> Revision {
        match self.confirmed {
            Some(confirmed) if confirmed >= self.delivered => latest,
            confirmed => confirmed.unwrap_or(0),
        }
    }
}

/// Asks a worker. For one that is busy, the last status that it published answers.
fn ask_status(
    running: &Running,
    latest: Revision,
    hosts: Arc<HostNames>,
) -> impl Future<Output = Vec<SwitchStatus>> + Send + use<> {
    let (answer, answered) = oneshot::channel();
    let (queries, published, delivered) = (running.queries.clone(), running.published.clone(), running.delivered);
    async move {
        let asked = async {
            queries.send(Query::Status(hosts, answer)).await.ok()?;
            answered.await.ok()
        };
        let answer = timeout(STATUS_TIMEOUT, asked).await.ok().flatten();
        let mut statuses = answer.unwrap_or_else(|| published.borrow().when_busy());
        // What doesn't concern it, it doesn't get, and has.
        let lift = |revision: Revision| if revision >= delivered { latest.max(revision) } else { revision };
        for status in &mut statuses {
            status.known = status.known.map(lift);
            status.confirmed = status.confirmed.map(lift);
        }
        statuses
    }
}

#[cfg(test)]
mod tests;
