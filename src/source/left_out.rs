//! What of Neutron's rows is not in force, as it stands there: each said once in the log, and counted in the status.

use std::{collections::HashMap, fmt};

use crate::model::{NetworkId, PortId};

/// Rows that are remembered; further ones are counted.
const MOST: usize = 10_000;
/// Rows that one look names in the log.
const NAMED: u64 = 20;

/// A row of Neutron's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Row {
    Network(NetworkId),
    Port(PortId),
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(id) => write!(f, "network {id}"),
            Self::Port(id) => write!(f, "port {id}"),
        }
    }
}

#[derive(Debug)]
struct Reason {
    text: String,
    look: u64,
}

/// The rows, and why.
#[derive(Debug, Default)]
pub(super) struct LeftOutRows {
    rows: HashMap<Row, Reason>,
    look: u64,
    /// News of this look.
    news: u64,
    /// Rows of this look that are not remembered, and of the last whole one.
    beyond: u64,
    more: u64,
}

impl LeftOutRows {
    /// A look begins.
    pub(super) fn begin(&mut self) {
        self.look += 1;
        (self.news, self.beyond) = (0, 0);
    }

    /// A row is left out, or a part of it.
    pub(super) fn see(&mut self, row: Row, text: String) {
        let look = self.look;
        if let Some(known) = self.rows.get_mut(&row) {
            known.look = look;
            if known.text == text {
                return;
            }
        } else if self.rows.len() >= MOST {
            self.beyond += 1;
            return;
        }
        self.news += 1;
        if self.news <= NAMED {
            tracing::warn!("{row} of Neutron's is not taken over as it is: {text}");
        }
        self.rows.insert(row, Reason { text, look });
    }

    /// A row is in force as it is.
    pub(super) fn settle(&mut self, row: Row) {
        self.rows.remove(&row);
    }

    /// The look was complete; `whole`: what it didn't see is left out no longer.
    pub(super) fn end(&mut self, whole: bool) {
        if self.news > NAMED {
            let more = self.news - NAMED;
            tracing::warn!(more, "further rows of Neutron's are not taken over as they are");
        }
        if whole {
            self.rows.retain(|_, reason| reason.look == self.look);
            self.more = self.beyond;
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.rows.len() as u64 + self.more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_said_once_until_it_changes() {
        let mut rows = LeftOutRows::default();
        let port = |n: u128| Row::Port(PortId(uuid::Uuid::from_u128(n)));
        let look = |rows: &mut LeftOutRows, seen: &[(u128, &str)], whole| {
            rows.begin();
            for (n, text) in seen {
                rows.see(port(*n), (*text).to_owned());
            }
            rows.end(whole);
            (rows.news, rows.count())
        };
        assert_eq!(look(&mut rows, &[(1, "a"), (2, "b")], true), (2, 2));
        assert_eq!(look(&mut rows, &[(1, "a"), (2, "b")], true), (0, 2));
        assert_eq!(look(&mut rows, &[(1, "c")], false), (1, 2), "an increment sees what changed alone");
        assert_eq!(look(&mut rows, &[(2, "b")], true), (0, 1));
        rows.settle(port(2));
        assert_eq!(rows.count(), 0);
        let many: Vec<(u128, &str)> = (0..MOST as u128 + 5).map(|n| (n, "x")).collect();
        assert_eq!(look(&mut rows, &many, true), (MOST as u64, MOST as u64 + 5), "memory has a bound");
        assert_eq!(look(&mut rows, &[], true), (0, 0));
    }
}
