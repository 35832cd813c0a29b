//! Why a session ended.

use std::time::Duration;

use crate::ovsdb::JsonError;

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

impl From<JsonError> for Ended {
    fn from(error: JsonError) -> Self {
        Self::lost(format!("the switch sent what RFC 7047 doesn't know: {error}"))
    }
}
