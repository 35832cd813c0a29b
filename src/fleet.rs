//! The switches: one worker task a hardware_vtep database, and the supervisor that feeds them.
//!
//! ```text
//!   FeedEvent          Command (Fleet)
//!       │                   │
//!       ▼                   ▼
//!   supervisor: Intent ── mailbox (conflating) ──▶ worker: Desired, Replica, Work ── Connection ──▶ switch
//!                       ── Query, Release ───────▶        │                                     │
//!                                  ▲                      └── (database, revision) ──▶ confirm   │
//!                                  └──────── Arrival ─── passive: listeners ◀── dials us ────────┘
//! ```
//!
//! One task owns each database: its session, lock, replica and status (architecture rule 1). Nothing mutable is shared
//! but the mailboxes, in which newer desired states replace older ones: a slow switch costs no memory and no wait.

mod adopt;
pub mod advice;
mod certificates;
mod database;
mod detached;
mod driver;
mod events;
mod mailbox;
mod metrics;
mod pace;
mod passive;
mod policy;
mod query;
mod reporter;
mod session;
mod status;
mod supervisor;
mod target;
mod throttle;
mod work;
mod worker;

use std::sync::Arc;

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use adopt::Adoption;
pub use certificates::EXPIRES_SOON;
pub use database::{Database, endpoint};
pub use events::{Events, Reports, events};
pub use metrics::{Figures, sample};
use passive::{Arrival, Lobby};
pub use passive::{ListenError, Listeners};
pub use policy::policy_of;
use supervisor::Supervisor;

use crate::{
    config::{RelayConfig, SwitchConfig},
    model::{
        FeedEvent, Revision,
        event::Preview,
        status::{Strangers, SwitchStatus},
    },
    relay::{Hub, Report},
};
use std::collections::BTreeSet;

use target::PlanQuery;

/// The handle of the fleet: cheap to clone, used by every front end. A switch that is down delays no answer.
#[derive(Debug, Clone)]
pub struct Fleet {
    commands: mpsc::Sender<Command>,
    fdb: Arc<Hub>,
    lobby: Arc<Lobby>,
}

/// No section of plumgrid.ini bears this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no switch is called '{0}': plumgrid.ini has no section [switch:{0}]")]
pub struct UnknownSwitch(pub String);

/// Why a switch doesn't do what an operator asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SwitchError {
    /// No section of plumgrid.ini bears this name.
    #[error(transparent)]
    Unknown(#[from] UnknownSwitch),
    /// Its worker has too much to do to take the order.
    #[error("switch '{0}' is busy, and did not take the order: try again in a few seconds")]
    Busy(String),
    /// Nobody is left to do it.
    #[error("nothing was done at switch '{0}': the daemon is stopping. Try again when it runs")]
    Stopping(String),
}

/// Why there is no dry run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No section of plumgrid.ini bears this name.
    #[error(transparent)]
    Unknown(#[from] UnknownSwitch),
    /// There is nothing to compare with.
    #[error("switch '{switch}' can't be compared: {reason}")]
    Unready {
        /// The section's name.
        switch: String,
        /// Why.
        reason: String,
    },
}

/// Operations of the transaction that a dry run shows.
const PREVIEW_OPERATIONS: usize = 50_000;

/// What the supervisor is asked.
#[derive(Debug)]
enum Command {
    Switches(oneshot::Sender<Vec<SwitchStatus>>),
    Switch(String, oneshot::Sender<Option<SwitchStatus>>),
    Release(String, oneshot::Sender<Result<(), SwitchError>>),
    Hold(String, bool, oneshot::Sender<Result<(), SwitchError>>),
    Repair(String, oneshot::Sender<Result<(), SwitchError>>),
    Plan(String, PlanQuery, oneshot::Sender<Result<Preview, PlanError>>),
    Reconfigure(Vec<SwitchConfig>, oneshot::Sender<()>),
    /// A switch dialled in.
    Arrived(Arrival),
    /// No section of it has a session that lives.
    Adopt(Adoption),
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
    /// Switches whose deletions an operator holds.
    pub holds: BTreeSet<String>,
    /// Where plans, drift and sessions are reported.
    pub events: Events,
    /// `[relay]`.
    pub relay: Arc<RelayConfig>,
}

impl Fleet {
    /// Starts the supervisor and a worker a database. Ends when [`Fleet::stop`] was called. `confirm` gets the name of
    /// a database and the revision that it holds completely, `reports` what switches report.
    #[must_use]
    pub fn start(
        settings: FleetSettings,
        feed: mpsc::Receiver<FeedEvent>,
        confirm: mpsc::Sender<(String, Revision)>,
        reports: mpsc::Sender<Report>,
    ) -> (Self, JoinHandle<()>) {
        let (commands, asked) = mpsc::channel(64);
        let fdb = Arc::new(Hub::default());
        let lobby = Arc::<Lobby>::default();
        let channels = supervisor::Channels { confirm, reports, commands: commands.downgrade() };
        let supervisor = Supervisor::new(settings, channels, fdb.clone(), lobby.clone());
        (Self { commands, fdb, lobby }, tokio::spawn(supervisor.run(feed, asked)))
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

    /// What compute nodes need.
    #[must_use]
    pub fn fdb(&self) -> &Arc<Hub> {
        &self.fdb
    }

    /// All configured switches, by name.
    pub async fn switches(&self) -> Vec<SwitchStatus> {
        self.ask(Command::Switches).await.unwrap_or_default()
    }

    /// Who dialled in and was refused.
    #[must_use]
    pub fn strangers(&self) -> Strangers {
        self.lobby.strangers()
    }

    /// One switch by its section's name.
    ///
    /// # Errors
    /// [`SwitchError`] where no section bears the name, or nobody knows.
    pub async fn switch(&self, name: &str) -> Result<SwitchStatus, SwitchError> {
        let answer = self.ask(|answer| Command::Switch(name.to_owned(), answer)).await;
        let found = answer.ok_or_else(|| SwitchError::Stopping(name.to_owned()))?;
        found.ok_or_else(|| UnknownSwitch(name.to_owned()).into())
    }

    /// Lets deletions through that the guard holds on this switch (`l2gw switch release`).
    ///
    /// # Errors
    /// [`SwitchError`] where no section bears the name, or nobody does it.
    pub async fn release(&self, name: &str) -> Result<(), SwitchError> {
        self.order(name, |answer| Command::Release(name.to_owned(), answer)).await
    }

    /// Holds all deletions of this switch, explained or not, or doesn't any more.
    ///
    /// # Errors
    /// [`SwitchError`] where no section bears the name, or nobody does it.
    pub async fn hold(&self, name: &str, hold: bool) -> Result<(), SwitchError> {
        self.order(name, |answer| Command::Hold(name.to_owned(), hold, answer)).await
    }

    /// Compares everything on this switch and puts it right, rows that were left alone included; with `mode = observe`
    /// this is the only way.
    ///
    /// # Errors
    /// [`SwitchError`] where no section bears the name, or nobody does it.
    pub async fn repair(&self, name: &str) -> Result<(), SwitchError> {
        self.order(name, |answer| Command::Repair(name.to_owned(), answer)).await
    }

    /// What would be done at this switch now, with at most this many rows in words.
    ///
    /// # Errors
    /// [`PlanError`] where no section bears the name, or there is no session.
    pub async fn preview(&self, name: &str, rows: usize) -> Result<Preview, PlanError> {
        let query = PlanQuery { operations: PREVIEW_OPERATIONS, rows };
        let stopping = || PlanError::Unready { switch: name.to_owned(), reason: "the daemon is stopping".to_owned() };
        self.ask(|answer| Command::Plan(name.to_owned(), query, answer)).await.unwrap_or_else(|| Err(stopping()))
    }

    async fn order(
        &self,
        name: &str,
        command: impl FnOnce(oneshot::Sender<Result<(), SwitchError>>) -> Command,
    ) -> Result<(), SwitchError> {
        self.ask(command).await.unwrap_or_else(|| Err(SwitchError::Stopping(name.to_owned())))
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.ok()?;
        answered.await.ok()
    }
}
