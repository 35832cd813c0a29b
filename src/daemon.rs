//! The composition root: builds the parts, joins them, starts and stops them. Nothing else knows all rooms.
//!
//! ```text
//!    REST clients          operators                       systemd   signals
//!        │                     │                              ▲         │
//!   ApiServer            AdminServer                      pulse task    │
//!        └──────┐       ┌──────┘                              │         ▼
//!  source ───▶ Service ────────── Fleet (handle) ◄────────────┴──── this file
//!                 │                 │ commands                          │ reload
//!              Store                ▼                                   ▼
//!        feed │   ▲ confirmed   supervisor ── one worker a database   Config
//!             │   └── confirm ◄─────┤
//!             ├──── FeedEvent ──────▶ │ Report
//!             └── FeedEvent ── Keeper ◀┘
//! ```
//!
//! Every arrow between tasks is a bounded channel. On the way down the listeners go first, so that nobody is answered
//! what is no longer kept, then the switches' sessions, then the store.

pub mod check;
mod confirm;
mod error;
mod pulse;
mod signals;

#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{JoinError, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{self, Controls, Reload, Reloaded},
    api::{self, ApiTls, Readiness},
    config::{Config, SwitchConfig},
    fleet::{self, Figures, Fleet, FleetSettings, Listeners},
    relay::Keeper,
    service::{
        Service, Settings,
        journal::{self, Journal, JournalLimits},
    },
    source,
    store::Store,
    telemetry::{
        LogHandle,
        metrics::Metrics,
        notify::{ServiceState, notify},
    },
};
pub use error::{DaemonError, EXIT_CONFIG, EXIT_FAILURE, EXIT_TEMPORARY};
use pulse::{Configured, FailedReload, Pulse};
use signals::{Signal, Signals};

/// How long the end may take: 10 s for requests (the servers cut them off by themselves), the rest for the sessions and
/// the store. systemd kills after `TimeoutStopSec`, which is more.
const DEADLINE: Duration = Duration::from_secs(14);

/// Confirmed revisions that wait for the store.
const CONFIRMED: usize = 1024;

/// Events of the fleet, and hand-overs, that wait for the journal.
const EVENTS: usize = 1024;
/// Reports of switches that wait for the relay; more wait in the workers, each as one key. Few, so that a switch with much
/// to report delays no other: workers get their places in turn.
const REPORTS: usize = 8;

/// The running daemon.
#[derive(Debug)]
pub struct Daemon {
    path: PathBuf,
    /// What is in force: keys that need a restart keep the value that the daemon started with.
    config: Config,
    log: LogHandle,
    signals: Signals,
    /// Operators who ask for a reload, and wait for its outcome.
    reloads: mpsc::Receiver<oneshot::Sender<Reloaded>>,
    store: Store,
    fleet: Fleet,
    /// The API's certificate, where it has one.
    tls: Option<ApiTls>,
    /// What systemd shows of the configuration.
    configured: watch::Sender<Configured>,
    shutdown: CancellationToken,
    /// The listeners; each task answers its name when it ends.
    servers: JoinSet<&'static str>,
    /// What the listeners stand on.
    workers: JoinSet<&'static str>,
}

impl Daemon {
    /// Builds and joins the parts. When this answers, clients are served; the switches come by and by.
    ///
    /// # Errors
    /// [`DaemonError`] where the store, an address or the admin socket can't be had.
    pub async fn start(path: PathBuf, config: Config, log: LogHandle) -> Result<Self, DaemonError> {
        // First of all: an early SIGHUP would end the process.
        let signals = Signals::new().map_err(DaemonError::Signals)?;
        for notice in &config.notices {
            tracing::warn!("{notice}");
        }
        let store = Store::open(&config.database).await?;
        let listeners = Listeners::bind(&config.listen)?;
        let (confirm, confirmed) = mpsc::channel(CONFIRMED);
        let switches: Vec<SwitchConfig> = config.switches.values().cloned().collect();
        store.set_databases(&database_names(&switches)).await?;
        let (events, happened) = fleet::events(EVENTS);
        let settings = FleetSettings {
            deployment: config.deployment.clone(),
            previous_prefixes: config.previous_prefixes.clone(),
            switches,
            holds: store.snapshot().await?.switch_holds().await?.into_iter().collect(),
            events,
            relay: Arc::new(config.relay.clone()),
        };
        let (reports, told) = mpsc::channel(REPORTS);
        let (fleet, supervisor) = Fleet::start(settings, store.feed(), confirm, reports);

        let (moved, handovers) = mpsc::channel(EVENTS);
        let keeper = Keeper::new(store.clone(), Arc::new(config.relay.clone()), fleet.fdb().clone(), told, moved);
        let shutdown = CancellationToken::new();
        let (journal, pending) = Journal::new();
        let settings =
            Settings { vni_ranges: config.vni_ranges.clone(), max_ports_per_host: config.api.max_ports_per_host };
        let mut service = Service::new(store.clone(), fleet.clone(), settings).with_journal(journal.clone());
        let (source, follow) = config.source.clone().map(source::new).unzip();
        if let Some(source) = &source {
            service = service.following(source.clone());
        }
        let configured = Configured { switches: config.switches.keys().cloned().collect(), failed_reload: None };
        let (configured, seen) = watch::channel(configured);
        service.watch_part({
            let (path, configured) = (path.clone(), seen.clone());
            move || configured.borrow().failed_reload.as_ref().map(|failed| failed.problem(&path))
        });
        let pulse = Pulse { fleet: fleet.clone(), store: store.clone(), source, configured: seen, journal };
        let ready = readiness(&service, &shutdown).with_metrics(metrics(&service));
        let rest = api::ApiServer::bind(&config.api, service.clone(), ready)?;
        let (reload, reloads) = mpsc::channel(1);
        let operators =
            admin::AdminServer::bind(&config.admin, service.clone(), Controls { log: log.clone(), reload })?;
        tracing::info!(address = %rest.local_addr(), "the API is listening");
        if let Some(address) = rest.monitoring_addr() {
            tracing::info!(%address, "monitoring is served");
        }
        tracing::info!(path = %operators.path().display(), "the admin socket is open");

        let tls = rest.tls();
        let mut workers = JoinSet::new();
        workers.spawn(named("supervisor", supervisor));
        workers.spawn(named("record of confirmations", confirm::record(store.clone(), confirmed)));
        workers.spawn(named("relay", keeper.run(shutdown.clone())));
        let limits = JournalLimits { age: config.admin.journal_age, bytes: config.admin.journal_size };
        workers.spawn(named("journal", journal::record(store.clone(), pending, (happened, handovers), limits)));
        workers.spawn(named("pulse", until(shutdown.clone(), pulse.beat())));
        if let Some(follow) = follow {
            workers.spawn(named("source", until(shutdown.clone(), follow.run(store.clone(), service))));
        }
        let mut servers = JoinSet::new();
        servers.spawn(named("API", rest.serve(shutdown.clone())));
        servers.spawn(named("admin socket", operators.serve(shutdown.clone())));
        servers.spawn(named("listener for switches", listeners.serve(fleet.clone(), shutdown.clone())));
        Ok(Self { path, config, log, signals, reloads, store, fleet, tls, configured, shutdown, servers, workers })
    }

    /// Runs until a signal asks for the end, or a part of the daemon fails; then drains.
    ///
    /// # Errors
    /// [`DaemonError`] where it ended in any other way than by one signal, in time.
    pub async fn run(mut self) -> Result<(), DaemonError> {
        notify(ServiceState::Ready);
        tracing::info!(switches = self.config.switches.len(), version = env!("CARGO_PKG_VERSION"), "vtepd is ready");
        let reason = loop {
            tokio::select! {
                signal = self.signals.next() => match signal {
                    Signal::Reload => drop(self.reload().await),
                    Signal::Stop(name) => {
                        tracing::info!(signal = name, "stopping; a second signal ends at once");
                        break Ok(());
                    }
                },
                Some(answer) = self.reloads.recv() => {
                    // The caller may have gone.
                    let _ = answer.send(self.reload().await);
                }
                Some(ended) = self.servers.join_next() => break Err(unexpected(ended)),
                Some(ended) = self.workers.join_next() => break Err(unexpected(ended)),
                () = self.store.ended() => break Err(DaemonError::PartEnded("store")),
            }
        };
        if let Err(error) = &reason {
            tracing::error!(%error, "stopping");
        }
        notify(ServiceState::Stopping);
        let drained = self.drain().await;
        // Why it began to stop matters more than how that went.
        reason.and(drained)
    }

    /// Lets requests and sessions come to their end, from the top down, within [`DEADLINE`].
    async fn drain(mut self) -> Result<(), DaemonError> {
        let Self { servers, workers, fleet, store, shutdown, signals, .. } = &mut self;
        let drained = async {
            shutdown.cancel();
            while servers.join_next().await.is_some() {}
            fleet.stop().await;
            while workers.join_next().await.is_some() {}
            store.close().await;
        };
        tokio::select! {
            drained = timeout(DEADLINE, drained) => match drained {
                Ok(()) => {
                    tracing::info!("stopped");
                    Ok(())
                }
                Err(_) => Err(DaemonError::Deadline),
            },
            () = signals.stop() => Err(DaemonError::Interrupted),
        }
    }

    /// Reads plumgrid.ini again. An error changes nothing.
    async fn reload(&mut self) -> Reloaded {
        notify(ServiceState::Reloading);
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || Config::load(&path, std::env::vars_os())).await;
        let reloaded = match read {
            Ok(Ok(new)) => self.take(new).await,
            Ok(Err(errors)) => Err(errors.iter().map(ToString::to_string).collect()),
            Err(error) => Err(vec![format!("the configuration can't be read: {error}")]),
        };
        for error in reloaded.iter().flat_map(|reload| &reload.warnings) {
            tracing::warn!("{error}");
        }
        for error in reloaded.as_ref().err().into_iter().flatten() {
            tracing::error!(error, "the old configuration stays in force");
        }
        let since = self.configured.borrow().failed_reload.as_ref().map_or_else(SystemTime::now, |failed| failed.since);
        let why = reloaded.as_ref().err().and_then(|errors| errors.first().cloned());
        self.configured.send_replace(Configured {
            switches: self.config.switches.keys().cloned().collect(),
            failed_reload: why.map(|why| FailedReload { why, since }),
        });
        notify(ServiceState::Ready);
        reloaded
    }

    /// Brings a new configuration into force as far as that goes without a restart.
    async fn take(&mut self, new: Config) -> Reloaded {
        let mut warnings = new.notices.clone();
        for key in self.config.needs_restart(&new) {
            warnings.push(format!("{key}: the new value takes effect with the next restart only"));
        }
        if let Err(error) = self.log.reload(&new.log.directives) {
            warnings.push(format!("{error}; the old log levels stay in force"));
        }
        self.renew_certificate(&new, &mut warnings).await;
        let changes = Changes::between(&self.config, &new);
        if !changes.is_empty() {
            let switches: Vec<SwitchConfig> = new.switches.values().cloned().collect();
            // Before the fleet deletes anything on a new switch, the store must remember what explains it.
            if let Err(error) = self.store.set_databases(&database_names(&switches)).await {
                return Err(vec![format!("{error}; the switches stay as they were")]);
            }
            self.fleet.reconfigure(switches).await;
        }
        tracing::info!(
            added = changes.added.join(","),
            changed = changes.changed.join(","),
            dropped = changes.dropped.join(","),
            "the configuration was read again"
        );
        self.config.switches = new.switches;
        self.config.log = new.log;
        let Changes { added, changed, dropped } = changes;
        Ok(Reload { added, changed, dropped, warnings })
    }

    /// Reads the API's certificate again, whether its path changed or what is there.
    async fn renew_certificate(&mut self, new: &Config, warnings: &mut Vec<String>) {
        let (Some(tls), Some(files)) = (self.tls.clone(), new.api.tls.clone()) else { return };
        let renewed = tokio::task::spawn_blocking(move || tls.reload(&files)).await;
        match renewed {
            Ok(Ok(())) => self.config.api.tls.clone_from(&new.api.tls),
            Ok(Err(error)) => warnings.push(format!("{error}; the old certificate stays in force")),
            Err(error) => warnings.push(format!("the certificate can't be read ({error}); the old one stays in force")),
        }
    }
}

/// Names of switches that a reload concerns.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    added: Vec<String>,
    changed: Vec<String>,
    dropped: Vec<String>,
}

impl Changes {
    fn between(old: &Config, new: &Config) -> Self {
        let (mut added, mut changed) = (Vec::new(), Vec::new());
        for (name, switch) in &new.switches {
            match old.switches.get(name) {
                None => added.push(name.clone()),
                Some(before) if before != switch => changed.push(name.clone()),
                Some(_) => {}
            }
        }
        let dropped = old.switches.keys().filter(|name| !new.switches.contains_key(*name)).cloned().collect();
        Self { added, changed, dropped }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What `/readyz` says.
fn readiness(service: &Service, shutdown: &CancellationToken) -> Readiness {
    let (reasons, shutdown, warnings) = (service.clone(), shutdown.clone(), service.clone());
    Readiness::new(move || {
        let stopping = shutdown.is_cancelled().then(|| "the daemon is stopping".to_owned());
        reasons.unready().into_iter().chain(stopping).collect()
    })
    .with_warnings(move || {
        let service = warnings.clone();
        async move { service.warnings(api::LISTED_WARNINGS).await }
    })
}

/// What `/metrics` says.
fn metrics(service: &Service) -> Metrics {
    let service = service.clone();
    Metrics::new(move || {
        let service = service.clone();
        async move {
            let overview = service.overview().await;
            let connections: Vec<_> = overview.connections.iter().map(|connection| connection.status).collect();
            fleet::sample(Figures {
                switches: &overview.switches,
                connections: &connections,
                problems: &overview.problems,
                notices: &overview.notices,
                strangers: &overview.strangers,
            })
        }
    })
}

/// The databases behind the switches, each once.
fn database_names(switches: &[SwitchConfig]) -> Vec<String> {
    let mut names: Vec<String> = switches.iter().flat_map(|switch| fleet::Database::of(switch).names()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

async fn named<T>(name: &'static str, part: impl Future<Output = T>) -> &'static str {
    part.await;
    name
}

async fn until(shutdown: CancellationToken, part: impl Future<Output = ()>) {
    shutdown.run_until_cancelled_owned(part).await;
}

fn unexpected(ended: Result<&'static str, JoinError>) -> DaemonError {
    match ended {
        Ok(name) => DaemonError::PartEnded(name),
        Err(error) => DaemonError::Panicked(error.to_string()),
    }
}
