//! Why a session ended, or didn't come to be. A reason decides whether the switch is dialled again soon; nothing is matched by
//! its text.

use std::time::Duration;

use super::lock::Standby;
use crate::{
    fleet::advice::Advised,
    ovsdb::{CloseReason, Excess, JsonError, RequestError, RpcError, transport::TransportError},
    vtep::{MissingColumn, UpdateError},
};

/// How long a switch has to wait that wanted more than it may have: to find that out once more costs as much as the first
/// time.
const AFTER_EXCESS: Duration = Duration::from_mins(1);
/// After a log-in that was refused: each further one brings the account nearer to being locked.
const AFTER_REFUSED_LOG_IN: Duration = Duration::from_mins(1);

/// See the module.
#[derive(Debug, thiserror::Error)]
pub(in crate::fleet) enum Ended {
    /// There is no connection.
    #[error("{}", Advised(.0))]
    NotDialled(#[from] TransportError),
    /// The connection ended.
    #[error(transparent)]
    Closed(#[from] CloseReason),
    /// A request found no room.
    #[error(transparent)]
    NotSent(#[from] RequestError),
    /// Rows that can't be read, or are too many.
    #[error(transparent)]
    Rows(#[from] UpdateError),
    /// A message that can't be read.
    #[error("the switch sent what RFC 7047 doesn't know: {0}")]
    Unreadable(#[from] JsonError),
    /// The switch doesn't say what it is and what it holds.
    #[error("the switch did not answer in time")]
    SetupUnanswered,
    /// A request that it should answer at once.
    #[error("the switch left {what} unanswered for {seconds} s: look at its load, and its log")]
    Unanswered {
        what: &'static str,
        seconds: u64,
        /// How long the database rests.
        rest: Duration,
    },
    /// It has another database.
    #[error("the server has no hardware_vtep database: {0}")]
    NoDatabase(RpcError),
    /// The database lacks what we can't do without.
    #[error(transparent)]
    Schema(#[from] MissingColumn),
    #[error("the switch refused the monitor: {0}")]
    MonitorRefused(RpcError),
    #[error("the switch's database was converted or removed")]
    MonitorCanceled,
    #[error("the switch knows no locks, and lock = required")]
    NoLocks,
    /// The lock isn't ours, which we were never told.
    #[error("{}", contradicted(*count))]
    Contradicted {
        /// In a row, without a transaction that was committed in between.
        count: u32,
    },
    /// The name has several addresses, and this one is of the wrong server.
    #[error("{0}; the next address of its name is dialled")]
    NotLeader(Standby),
    /// A Physical_Switch that has to say itself who it is.
    #[error("the Physical_Switch '{0}' came, which is to introduce itself")]
    Newcomer(String),
    #[error("the switch dialled in again, and this connection of it gave no answer any more")]
    Replaced,
}

// ===== impl Ended =====

impl Ended {
    /// Whether nothing will be better by itself: the configuration and the switch don't fit.
    pub(in crate::fleet) fn is_refusal(&self) -> bool {
        match self {
            Self::NotDialled(error) => error.is_refusal(),
            Self::NoDatabase(_) | Self::Schema(_) | Self::NoLocks => true,
            _ => false,
        }
    }

    /// How long the next attempt has to wait at least.
    pub(in crate::fleet) fn rest(&self) -> Duration {
        match self {
            Self::NotDialled(error) if error.is_log_in() => AFTER_REFUSED_LOG_IN,
            // Where others had taken the memory, that is over soon.
            Self::Closed(CloseReason::Excess(Excess::Memory { .. })) => Duration::ZERO,
            Self::Closed(CloseReason::Excess(_)) | Self::Rows(UpdateError::Excess(_)) => AFTER_EXCESS,
            Self::Unanswered { rest, .. } => *rest,
            _ => Duration::ZERO,
        }
    }

    /// For how long nothing had been heard, where that was the reason.
    pub(in crate::fleet) fn silence(&self) -> Duration {
        if let Self::Closed(reason) = self { reason.silence() } else { Duration::ZERO }
    }
}

fn contradicted(count: u32) -> String {
    let text = "the switch says that its lock isn't ours any more; asking for it anew";
    if count < 2 {
        return text.to_owned();
    }
    format!(
        "{text}. That happened {count} times: it may be an OVSDB relay, whose locks the server behind it doesn't know: set \
         lock = off where nobody else writes, or set management_ip to the server behind it"
    )
}
