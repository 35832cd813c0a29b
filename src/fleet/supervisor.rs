//! Feeds the workers: owns the desired state, and knows which worker serves which switch.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use super::{
    Command, Database, FleetSettings, UnknownSwitch,
    mailbox::Mailbox,
    worker::{self, Query, Worker},
};
use crate::{
    config::SwitchConfig,
    intent::{Intent, Update},
    model::{FeedEvent, Revision, status::SwitchStatus},
    relay::{Hub, Report, Resolver},
};

/// How long a worker may take to tell its status: it is never busy for longer than some milliseconds.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(super) struct Supervisor {
    settings: FleetSettings,
    intent: Intent,
    resolver: Resolver,
    /// What compute nodes read.
    fdb: Arc<Hub>,
    reports: mpsc::Sender<Report>,
    workers: BTreeMap<Database, Running>,
    /// The database of each device.
    of_switch: HashMap<String, Database>,
    confirm: mpsc::Sender<(String, Revision)>,
    confirmations: mpsc::Receiver<(Database, Revision)>,
    confirmed: mpsc::Sender<(Database, Revision)>,
    /// The last revision that each database confirmed.
    revisions: HashMap<Database, Revision>,
}

#[derive(Debug)]
struct Running {
    sections: Vec<SwitchConfig>,
    mailbox: Arc<Mailbox>,
    queries: mpsc::Sender<Query>,
    task: JoinHandle<()>,
}

// ===== impl Supervisor =====

impl Supervisor {
    pub(super) fn new(
        settings: FleetSettings,
        confirm: mpsc::Sender<(String, Revision)>,
        reports: mpsc::Sender<Report>,
        fdb: Arc<Hub>,
    ) -> Self {
        let (confirmed, confirmations) = mpsc::channel(1024);
        Self {
            resolver: Resolver::new(settings.relay.clone()),
            fdb,
            reports,
            settings,
            intent: Intent::default(),
            workers: BTreeMap::new(),
            of_switch: HashMap::new(),
            confirm,
            confirmations,
            confirmed,
            revisions: HashMap::new(),
        }
    }

    pub(super) async fn run(mut self, mut feed: mpsc::Receiver<FeedEvent>, mut commands: mpsc::Receiver<Command>) {
        let switches = std::mem::take(&mut self.settings.switches);
        self.reconfigure(switches).await;
        loop {
            tokio::select! {
                Some(event) = feed.recv() => self.feed(event),
                Some((database, revision)) = self.confirmations.recv() => self.confirm(database, revision),
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
        for (_, running) in std::mem::take(&mut self.workers) {
            stop(running).await;
        }
    }

    fn feed(&mut self, event: FeedEvent) {
        let updates = match event {
            FeedEvent::Changes(set) => {
                let announced = self.resolver.apply(&set);
                self.intent.apply(set, announced)
            }
            FeedEvent::Loaded(revision) => self.intent.loaded(revision),
        };
        if self.intent.is_loaded() {
            self.fdb.publish(self.intent.revision(), &updates);
        }
        for update in updates {
            self.deliver(&update);
        }
        // Everybody hears of the revision: a database that a change doesn't concern confirms it all the same.
        if self.intent.is_loaded() {
            let revision = self.intent.revision();
            for running in self.workers.values() {
                running.mailbox.put(|news| news.revision = Some(revision));
            }
        }
    }

    fn deliver(&self, update: &Update) {
        match update {
            Update::Switch { switch, intent, networks } => {
                let Some(running) = self.worker_of(switch) else { return };
                running.mailbox.put(|news| {
                    news.switches.insert(switch.clone(), intent.clone());
                    for network in networks {
                        // Content alone, if it is new to the worker; what changed came by the network's own update.
                        news.network(network, Some(&[]));
                    }
                });
            }
            Update::Gone(_) => {}
            Update::Network { switches, network, macs } => {
                for running in switches.iter().filter_map(|switch| self.worker_of(switch)) {
                    running.mailbox.put(|news| news.network(network, macs.as_deref()));
                }
            }
        }
    }

    fn worker_of(&self, switch: &str) -> Option<&Running> {
        self.workers.get(self.of_switch.get(switch)?)
    }

    fn confirm(&mut self, database: Database, revision: Revision) {
        // The store hears of it in its own time; should its queue be full, the next revision makes up for this one.
        let _ = self.confirm.try_send((database.to_string(), revision));
        self.revisions.insert(database, revision);
        let all = self.workers.keys().map(|database| self.revisions.get(database).copied().unwrap_or(0)).min();
        if let Some(revision) = all {
            self.intent.confirmed(revision);
        }
    }

    async fn command(&mut self, command: Command) {
        match command {
            Command::Switches(answer) => {
                let asked = self.workers.values().map(ask_status).collect::<Vec<_>>();
                tokio::spawn(async move {
                    let mut all = Vec::new();
                    for statuses in asked {
                        all.extend(statuses.await);
                    }
                    all.sort_by(|a, b| a.name.cmp(&b.name));
                    let _ = answer.send(all);
                });
            }
            Command::Switch(name, answer) => {
                let running = self.workers.values().find(|running| running.sections.iter().any(|s| s.name == name));
                let asked = running.map(ask_status);
                tokio::spawn(async move {
                    let statuses = match asked {
                        Some(asked) => asked.await,
                        None => Vec::new(),
                    };
                    let _ = answer.send(statuses.into_iter().find(|status| status.name == name));
                });
            }
            Command::Release(name, answer) => {
                let running = self.workers.values().find(|running| running.sections.iter().any(|s| s.name == name));
                let released = match running {
                    Some(running) => {
                        let _ = running.queries.send(Query::Release).await;
                        Ok(())
                    }
                    None => Err(UnknownSwitch(name)),
                };
                let _ = answer.send(released);
            }
            Command::Reconfigure(switches, answer) => {
                self.reconfigure(switches).await;
                let _ = answer.send(());
            }
            Command::Stop => {}
        }
    }

    /// Starts, changes and stops workers. A database whose sections stay as they are keeps its session.
    async fn reconfigure(&mut self, switches: Vec<SwitchConfig>) {
        let mut wanted: BTreeMap<Database, Vec<SwitchConfig>> = BTreeMap::new();
        for switch in switches {
            wanted.entry(Database::of(&switch)).or_default().push(switch);
        }
        let kept = |database: &Database, running: &Running| wanted.get(database) == Some(&running.sections);
        let dropped: Vec<Database> =
            self.workers.iter().filter(|(d, r)| !kept(d, r)).map(|(database, _)| database.clone()).collect();
        for database in dropped {
            if let Some(running) = self.workers.remove(&database) {
                stop(running).await;
            }
            self.revisions.remove(&database);
        }
        self.of_switch.clear();
        for (database, sections) in wanted {
            for section in &sections {
                self.of_switch.insert(section.physical_switch.clone(), database.clone());
            }
            if !self.workers.contains_key(&database) {
                self.start(database, sections);
            }
        }
    }

    fn start(&mut self, database: Database, sections: Vec<SwitchConfig>) {
        let mailbox = Arc::new(Mailbox::default());
        let (queries, asked) = mpsc::channel(64);
        let worker = Worker::new(
            worker::Settings {
                database: database.clone(),
                sections: sections.clone(),
                deployment: self.settings.deployment.clone(),
                previous_prefixes: self.settings.previous_prefixes.clone(),
                events: self.settings.events.clone(),
            },
            mailbox.clone(),
            asked,
            self.confirmed.clone(),
            self.reports.clone(),
        );
        let task = tokio::spawn(worker.run());
        let names: Vec<String> = sections.iter().map(|section| section.physical_switch.clone()).collect();
        self.workers.insert(database, Running { sections, mailbox, queries, task });
        if self.intent.is_loaded() {
            for name in names {
                self.deliver(&self.intent.switch(&name));
                if let Some(running) = self.worker_of(&name) {
                    running.mailbox.put(|news| news.revision = Some(self.intent.revision()));
                }
            }
        }
    }
}

/// Asks a worker; it says nothing only if it failed.
fn ask_status(running: &Running) -> impl Future<Output = Vec<SwitchStatus>> + Send + use<> {
    let (answer, answered) = oneshot::channel();
    let queries = running.queries.clone();
    async move {
        let asked = async {
            queries.send(Query::Status(answer)).await.ok()?;
            answered.await.ok()
        };
        timeout(STATUS_TIMEOUT, asked).await.ok().flatten().unwrap_or_default()
    }
}

/// Lets a worker finish what it has sent, for a moment.
async fn stop(running: Running) {
    drop(running.queries);
    let mut task = running.task;
    if timeout(Duration::from_secs(3), &mut task).await.is_err() {
        task.abort();
    }
}
