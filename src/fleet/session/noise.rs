//! Events that a switch can repeat as fast as it likes: they are counted, and summed up in the log.

use super::Session;
use crate::telemetry::Repeats;

/// What is repeated.
#[derive(Debug, Clone, Copy)]
pub(super) enum Noise {
    Lock,
    Role,
    Refused,
    Contested,
    Held,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Noises([Repeats; 5]);

impl Session<'_> {
    /// Whether an event is to be written: then how many of its kind weren't before.
    pub(super) fn note(&mut self, noise: Noise) -> Option<u64> {
        let Noises([lock, role, refused, contested, held]) = &mut self.noises;
        let repeats = match noise {
            Noise::Lock => lock,
            Noise::Role => role,
            Noise::Refused => refused,
            Noise::Contested => contested,
            Noise::Held => held,
        };
        repeats.note(self.now.at)
    }
}
