//! What an election means: which switches of a gateway are bound to a network, which get its broadcasts, and where its
//! MACs may be announced. The table is in docs/active-active.md, and in the test below.

use crate::model::{ActiveActive, Election, NetworkId};

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Roles<'a> {
    pub(super) mode: ActiveActive,
    pub(super) network: NetworkId,
    /// Sorted.
    pub(super) switches: &'a [String],
    pub(super) election: Option<&'a Election>,
}

// ===== impl Roles =====

impl<'a> Roles<'a> {
    /// Whether each switch stands for itself: there is one, or they have separate segments.
    #[must_use]
    pub fn is_each_alone(&self) -> bool {
        self.switches.len() < 2 || self.mode == ActiveActive::Independent
    }

    /// Whether an election decides who is bound.
    #[must_use]
    pub fn binds_one(&self) -> bool {
        !self.is_each_alone() && self.mode == ActiveActive::SingleActive
    }

    /// Whether the switch is to be bound to the network.
    #[must_use]
    pub fn binds(&self, switch: &str) -> bool {
        !self.binds_one() || self.forwarder() == Some(switch)
    }

    /// The switches that broadcasts for the gateway are sent to.
    pub fn flooded(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let (all, one) = match (self.election, self.mode) {
            _ if self.is_each_alone() => (self.switches, None),
            (Some(_), _) => (&[] as &[_], self.forwarder()),
            (None, ActiveActive::SingleActive) => (&[] as &[_], None),
            (None, ActiveActive::Lag | ActiveActive::Independent) => {
                (&[] as &[_], forwarder_by_hash(self.network, self.switches))
            }
        };
        all.iter().map(String::as_str).chain(one)
    }

    /// The switches at which the gateway's MACs may be announced.
    #[must_use]
    pub fn announcers(&self) -> &'a [String] {
        match self.election {
            Some(election) if !self.is_each_alone() => &election.eligible,
            _ => self.switches,
        }
    }

    fn forwarder(&self) -> Option<&'a str> {
        self.election.and_then(|election| election.forwarder.as_deref())
    }
}

/// The designated forwarder where nobody was elected yet.
#[must_use]
pub fn forwarder_by_hash(network: NetworkId, switches: &[String]) -> Option<&str> {
    pick(switches, network.0.as_u128()).map(String::as_str)
}

/// One of these, the same in every run and on every daemon.
pub fn pick<T>(of: &[T], hash: u128) -> Option<&T> {
    let count = u128::try_from(of.len()).ok().filter(|count| *count > 0)?;
    of.get(usize::try_from(hash % count).ok()?)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::GatewayId;

    /// The table of docs/active-active.md. The network's hash chooses `b` of two.
    #[test]
    fn what_an_election_means() {
        use ActiveActive::{Independent, Lag, SingleActive};
        type Case = (ActiveActive, &'static str, Option<(Option<&'static str>, &'static str)>, [&'static str; 3]);
        // Mode, switches, elected (forwarder, eligible) -> bound, flooded, announcers.
        let cases: [Case; 14] = [
            (Lag, "a", None, ["a", "a", "a"]),
            (SingleActive, "a", None, ["a", "a", "a"]),
            (Independent, "a", None, ["a", "a", "a"]),
            (Lag, "a", Some((Some("b"), "b")), ["a", "a", "a"]),
            (Independent, "ab", None, ["ab", "ab", "ab"]),
            (Independent, "ab", Some((Some("a"), "a")), ["ab", "ab", "ab"]),
            (Lag, "ab", None, ["ab", "b", "ab"]),
            (Lag, "ab", Some((Some("a"), "ab")), ["ab", "a", "ab"]),
            (Lag, "ab", Some((Some("b"), "b")), ["ab", "b", "b"]),
            (Lag, "ab", Some((None, "ab")), ["ab", "", "ab"]),
            (SingleActive, "ab", None, ["", "", "ab"]),
            (SingleActive, "ab", Some((Some("a"), "a")), ["a", "a", "a"]),
            (SingleActive, "ab", Some((None, "a")), ["", "", "a"]),
            (Lag, "", None, ["", "", ""]),
        ];
        let network = NetworkId(Uuid::from_u128(7));
        let each = |names: &str| names.chars().map(String::from).collect::<Vec<_>>();
        for (mode, switches, elected, [bound, flooded, announcers]) in cases {
            let election = elected.map(|(forwarder, eligible)| Election {
                gateway: GatewayId(Uuid::nil()),
                network,
                forwarder: forwarder.map(str::to_owned),
                eligible: each(eligible),
            });
            let switches = each(switches);
            let roles = Roles { mode, network, switches: &switches, election: election.as_ref() };
            let is_bound: String = switches.iter().filter(|name| roles.binds(name)).map(String::as_str).collect();
            let found = [is_bound, roles.flooded().collect(), roles.announcers().concat()];
            assert_eq!(found, [bound, flooded, announcers], "{mode:?} of {switches:?}, elected {elected:?}");
        }
    }
}
