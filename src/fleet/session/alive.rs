//! Whether the session lives: asked where the switch has dialled in a second time.

use std::time::{Duration, Instant};

use super::{Ended, Phase, Session, Step};
use crate::config::SwitchConfig;

/// How long the switch may take to answer: a server that compacts its database says nothing for seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// A question under way.
#[derive(Debug)]
pub(super) struct Asked {
    request: u64,
    pub(super) until: Instant,
}

impl Session<'_> {
    /// A caller wants to know which switches still answer on this session.
    pub(super) fn ask_alive(&mut self) {
        if self.setup.phase != Phase::Following {
            // It is being set up, with a time limit of its own.
            self.actions.alive = Some(self.target.section_names());
        } else if self.alive.is_none() {
            let request = self.actions.request("echo", |params| params.extend_from_slice(b"[]"));
            self.alive = Some(Asked { request, until: self.now.at + PATIENCE });
        }
    }

    /// Whether the reply was the one to our question.
    pub(super) fn is_alive(&mut self, id: u64) -> bool {
        if self.alive.take_if(|asked| asked.request == id).is_none() {
            return false;
        }
        // A switch that left a database that it shared may be anywhere.
        let there = |section: &&SwitchConfig| self.replica.switch(&section.physical_switch).is_some();
        let there = self.target.settings.sections.iter().filter(there).map(|section| section.name.clone());
        self.actions.alive = Some(there.collect());
        true
    }

    /// A Physical_Switch came that the switch didn't name when it dialled in: whose it is, and whether its certificate may
    /// speak for it, is found out when it dials in again.
    pub(super) fn still_introduced(&self) -> Step {
        let Some(names) = &self.target.session.introduced else { return Ok(()) };
        match self.replica.switches().find(|switch| !names.contains(&switch.name)) {
            None => Ok(()),
            Some(new) => Err(Ended::Newcomer(new.name.clone())),
        }
    }

    /// Ends a session that gave no answer: the caller learns of it by the end of the channel.
    pub(super) fn still_alive(&self) -> Step {
        match &self.alive {
            Some(asked) if asked.until <= self.now.at => Err(Ended::Replaced),
            _ => Ok(()),
        }
    }
}
