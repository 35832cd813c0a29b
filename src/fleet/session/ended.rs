//! Why a session ended.

use std::time::Duration;

use crate::{
    ovsdb::{CloseReason, Excess, JsonError},
    vtep::UpdateError,
};

/// How long a switch has to wait that wanted more than it may have: to find that out once more costs as much as the first
/// time.
const AFTER_EXCESS: Duration = Duration::from_mins(1);

/// See the module.
#[derive(Debug)]
pub(in crate::fleet) struct Ended {
    pub(in crate::fleet) text: String,
    /// Nothing will be better by itself: the configuration and the switch don't fit.
    pub(in crate::fleet) refused: bool,
    /// How long the next attempt has to wait at least.
    pub(in crate::fleet) rest: Duration,
    /// For how long nothing had been heard then, where that was the reason.
    pub(in crate::fleet) silence: Duration,
}

// ===== impl Ended =====

impl Ended {
    pub(in crate::fleet) fn lost(text: impl Into<String>) -> Self {
        Self { text: text.into(), refused: false, rest: Duration::ZERO, silence: Duration::ZERO }
    }

    pub(super) fn refused(text: impl Into<String>) -> Self {
        Self { refused: true, ..Self::lost(text) }
    }
}

impl From<CloseReason> for Ended {
    fn from(reason: CloseReason) -> Self {
        // Where others had taken the memory, that is over soon.
        let own = matches!(&reason, CloseReason::Excess(excess) if !matches!(excess, Excess::Memory { .. }));
        let rest = if own { AFTER_EXCESS } else { Duration::ZERO };
        Self { silence: reason.silence(), rest, ..Self::lost(reason.to_string()) }
    }
}

impl From<UpdateError> for Ended {
    fn from(error: UpdateError) -> Self {
        let rest = if matches!(error, UpdateError::Excess(_)) { AFTER_EXCESS } else { Duration::ZERO };
        Self { rest, ..Self::lost(error.to_string()) }
    }
}

impl From<JsonError> for Ended {
    fn from(error: JsonError) -> Self {
        Self::lost(format!("the switch sent what RFC 7047 doesn't know: {error}"))
    }
}
