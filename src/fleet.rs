//! The switches: one worker task a hardware_vtep database, and the supervisor that feeds them.
//!
//! ```text
//!   FeedEvent          Command (Fleet)
//!       │                   │
//!       ▼                   ▼
//!   supervisor: Intent ── mailbox (conflating) ──▶ worker: Desired, Replica, Work ── Connection ──▶ switch
//!                       ── Query, Release ───────▶        │
//!                                                         └── (address, revision) ──▶ confirm
//! ```
//!
//! One task owns each database: its session, lock, replica and status (architecture rule 1). Nothing mutable is shared
//! but the mailboxes, in which newer desired states replace older ones: a slow switch costs no memory and no wait.

mod certificates;
mod database;
mod events;
mod live;
mod mailbox;
mod pace;
mod reporter;
mod status;
mod supervisor;
mod work;
mod worker;

use std::sync::Arc;

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

pub use database::{Database, endpoint};
pub use events::{Events, Reports, events};
use supervisor::Supervisor;

use crate::{
    config::{RelayConfig, SwitchConfig},
    model::{FeedEvent, Revision, status::SwitchStatus},
    relay::{Hub, Report},
};

/// The handle of the fleet: cheap to clone, used by every front end. A switch that is down delays no answer.
#[derive(Debug, Clone)]
pub struct Fleet {
    commands: mpsc::Sender<Command>,
    fdb: Arc<Hub>,
}

/// No section of plumgrid.ini bears this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no switch is called '{0}': plumgrid.ini has no section [switch:{0}]")]
pub struct UnknownSwitch(pub String);

/// What the supervisor is asked.
#[derive(Debug)]
pub(crate) enum Command {
    Switches(oneshot::Sender<Vec<SwitchStatus>>),
    Switch(String, oneshot::Sender<Option<SwitchStatus>>),
    Release(String, oneshot::Sender<Result<(), UnknownSwitch>>),
    Reconfigure(Vec<SwitchConfig>, oneshot::Sender<()>),
    Stop,
}

/// What the fleet needs of the configuration.
#[derive(Debug, Clone)]
pub struct FleetSettings {
    /// `deployment`.
    pub deployment: String,
    /// `previous_prefixes`.
    pub previous_prefixes: Vec<String>,
    /// `[switch:NAME]`.
    pub switches: Vec<SwitchConfig>,
    /// Where plans, drift and sessions are reported.
    pub events: Events,
    /// `[relay]`.
    pub relay: Arc<RelayConfig>,
}

impl Fleet {
    /// Starts the supervisor and a worker a database. Ends when [`Fleet::stop`] was called. `confirm` gets the name of
    /// a database and the revision that it holds completely, `reports` what switches tell.
    #[must_use]
    pub fn start(
        settings: FleetSettings,
        feed: mpsc::Receiver<FeedEvent>,
        confirm: mpsc::Sender<(String, Revision)>,
        reports: mpsc::Sender<Report>,
    ) -> (Self, JoinHandle<()>) {
        let (commands, asked) = mpsc::channel(64);
        let fdb = Arc::new(Hub::default());
        let supervisor = Supervisor::new(settings, confirm, reports, fdb.clone());
        (Self { commands, fdb }, tokio::spawn(supervisor.run(feed, asked)))
    }

    /// Takes other switches, without touching the sessions of those that stay as they are.
    pub async fn reconfigure(&self, switches: Vec<SwitchConfig>) {
        let _ = self.ask(|answer| Command::Reconfigure(switches, answer)).await;
    }

    /// Ends the sessions and the supervisor.
    pub async fn stop(&self) {
        // It failed: there is no supervisor left to stop.
        let _ = self.commands.send(Command::Stop).await;
    }

    /// A fleet without switches: what tests of the rooms above stand on.
    #[must_use]
    pub fn detached() -> Self {
        Self { commands: mpsc::channel(1).0, fdb: Arc::default() }
    }

    /// What compute nodes need.
    #[must_use]
    pub fn fdb(&self) -> &Arc<Hub> {
        &self.fdb
    }

    /// All configured switches, by name.
    pub async fn switches(&self) -> Vec<SwitchStatus> {
        self.ask(Command::Switches).await.unwrap_or_default()
    }

    /// One switch by its section's name; `None`: there is no such section.
    pub async fn switch(&self, name: &str) -> Option<SwitchStatus> {
        self.ask(|answer| Command::Switch(name.to_owned(), answer)).await.flatten()
    }

    /// Lets deletions through that the guard holds on this switch (`l2gw switch release`).
    ///
    /// # Errors
    /// [`UnknownSwitch`] where no section bears the name.
    pub async fn release(&self, name: &str) -> Result<(), UnknownSwitch> {
        self.ask(|answer| Command::Release(name.to_owned(), answer)).await.unwrap_or(Ok(()))
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.ok()?;
        answered.await.ok()
    }
}
