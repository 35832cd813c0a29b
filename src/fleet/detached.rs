//! Fleets without workers: what tests of the rooms above stand on.

use tokio::sync::mpsc;

use super::{Command, Fleet, PlanError, UnknownSwitch};
use crate::model::status::SwitchStatus;

impl Fleet {
    /// A fleet without switches. Must be called within a tokio runtime.
    #[must_use]
    pub fn detached() -> Self {
        Self::showing(Vec::new())
    }

    /// A fleet whose switches are as these are, and take no orders.
    #[must_use]
    pub fn showing(switches: Vec<SwitchStatus>) -> Self {
        let (commands, mut asked) = mpsc::channel(1);
        tokio::spawn(async move {
            // Whoever asked may have gone.
            while let Some(command) = asked.recv().await {
                match command {
                    Command::Switches(answer) => drop(answer.send(switches.clone())),
                    Command::Switch(name, answer) => {
                        drop(answer.send(switches.iter().find(|switch| switch.name == name).cloned()));
                    }
                    Command::Release(name, answer) | Command::Repair(name, answer) | Command::Hold(name, _, answer) => {
                        drop(answer.send(Err(UnknownSwitch(name).into())));
                    }
                    Command::Plan(name, _, answer) => {
                        drop(answer.send(Err(PlanError::Unknown(UnknownSwitch(name)))));
                    }
                    Command::Reconfigure(_, answer) => drop(answer.send(())),
                    Command::Arrived(_) | Command::Adopt(_) => {}
                    Command::Stop => break,
                }
            }
        });
        Self { commands, ..Self::gone() }
    }

    /// A fleet whose supervisor is gone: nobody answers.
    #[must_use]
    pub fn gone() -> Self {
        Self { commands: mpsc::channel(1).0, fdb: std::sync::Arc::default(), lobby: std::sync::Arc::default() }
    }
}
