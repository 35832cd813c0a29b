//! The switches: one worker task a hardware_vtep database, and the supervisor that feeds them.

use tokio::sync::{mpsc, oneshot};

use crate::model::status::SwitchStatus;

/// The handle of the fleet: cheap to clone, used by every front end. A switch that is down delays no answer.
#[derive(Debug, Clone)]
pub struct Fleet {
    commands: mpsc::Sender<Command>,
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
}

impl Fleet {
    /// A fleet without switches: what tests of the rooms above stand on.
    #[must_use]
    pub fn detached() -> Self {
        Self { commands: mpsc::channel(1).0 }
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
