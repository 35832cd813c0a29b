//! Whether the session lives: asked where the switch has dialled in a second time.

use std::time::Duration;

use tokio::{sync::oneshot, time::Instant};

use super::{Ended, Live, Phase, Step, after};
use crate::config::SwitchConfig;

/// How long the switch may take to answer: a server that compacts its database says nothing for seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// A question under way.
#[derive(Debug)]
pub(super) struct Asked {
    request: u64,
    pub(super) until: Instant,
    answers: Vec<oneshot::Sender<Vec<String>>>,
}

impl Live<'_> {
    /// Somebody wants to know which switches still answer on this session.
    pub(super) fn ask_alive(&mut self, answer: oneshot::Sender<Vec<String>>) -> Step {
        if self.phase != Phase::Following {
            // It is being set up, with a time limit of its own.
            let _ = answer.send(self.worker.section_names());
        } else if let Some(asked) = &mut self.asked {
            asked.answers.push(answer);
        } else {
            let request = self.request("echo", b"[]")?;
            self.asked = Some(Asked { request, until: after(PATIENCE), answers: vec![answer] });
        }
        Ok(())
    }

    /// Whether the reply was the one to our question.
    pub(super) fn is_alive(&mut self, id: u64) -> bool {
        match self.asked.take_if(|asked| asked.request == id) {
            None => false,
            Some(asked) => {
                // A switch that left a database that it shared may be anywhere.
                let there = |section: &&SwitchConfig| self.replica.switch(&section.physical_switch).is_some();
                let there = self.worker.settings.sections.iter().filter(there).map(|section| section.name.clone());
                let there: Vec<String> = there.collect();
                for answer in asked.answers {
                    // Who asked may have gone.
                    let _ = answer.send(there.clone());
                }
                true
            }
        }
    }

    /// A Physical_Switch came that the switch didn't name when it dialled in: whose it is, and whether its certificate may
    /// speak for it, is found out when it dials in again.
    pub(super) fn still_introduced(&self) -> Step {
        let Some(names) = &self.worker.session.introduced else { return Ok(()) };
        match self.replica.switches().find(|switch| !names.contains(&switch.name)) {
            None => Ok(()),
            Some(new) => {
                Err(Ended::lost(format!("the Physical_Switch '{}' came, which is to introduce itself", new.name)))
            }
        }
    }

    /// Ends a session that gave no answer: whoever asked hears of it by the end of the channel.
    pub(super) fn still_alive(&self, now: Instant) -> Step {
        match &self.asked {
            Some(asked) if asked.until <= now => {
                Err(Ended::lost("the switch dialled in again, and this connection of it gave no answer any more"))
            }
            _ => Ok(()),
        }
    }
}
