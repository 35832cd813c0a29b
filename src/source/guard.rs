//! How much may be lost at once. Pure.
//!
//! Neutron's database explains no deletion, so few losses pass and many are held until an operator releases them
//! (architecture rule 7). A loss is whatever takes rows from switches: a network or port that is no longer there, a
//! network without its VXLAN segment, a port without its host, a compute node without its VTEP.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::BuildHasherDefault,
};

use super::Held;
use crate::model::{NetworkId, PortId};

type Hasher = BuildHasherDefault<std::hash::DefaultHasher>;

/// What is lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Losses {
    pub(super) networks: HashSet<NetworkId, Hasher>,
    /// And whether each was on a host.
    pub(super) ports: HashMap<PortId, bool, Hasher>,
    pub(super) endpoints: BTreeSet<String>,
    /// Ports on the hosts of `endpoints`.
    pub(super) stranded: u64,
}

/// What there is in all.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) networks: u64,
    pub(super) ports: u64,
    /// Ports on a host.
    pub(super) bound: u64,
    pub(super) endpoints: u64,
}

/// The guard over the source.
#[derive(Debug)]
pub(super) struct SourceGuard {
    percent: u8,
    min_rows: u32,
    held: Losses,
    released: Losses,
}

impl Losses {
    pub(super) fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.ports.is_empty() && self.endpoints.is_empty()
    }

    fn without(mut self, other: &Self) -> Self {
        self.networks.retain(|id| !other.networks.contains(id));
        self.ports.retain(|id, _| !other.ports.contains_key(id));
        self.endpoints.retain(|host| !other.endpoints.contains(host));
        self
    }

    fn only(&mut self, other: &Self) {
        self.networks.retain(|id| other.networks.contains(id));
        self.ports.retain(|id, _| other.ports.contains_key(id));
        self.endpoints.retain(|host| other.endpoints.contains(host));
    }

    fn join(&mut self, other: &Self) {
        self.networks.extend(&other.networks);
        self.ports.extend(&other.ports);
        self.endpoints.extend(other.endpoints.iter().cloned());
        self.stranded = self.stranded.max(other.stranded);
    }
}

// ===== impl SourceGuard =====

impl SourceGuard {
    pub(super) fn new(percent: u8, min_rows: u32) -> Self {
        Self { percent, min_rows, held: Losses::default(), released: Losses::default() }
    }

    /// What of these losses must wait. A look at the whole says what is lost in all; a look at recent changes adds to
    /// what is held already.
    pub(super) fn judge(&mut self, found: &Losses, whole: bool, totals: Totals) -> &Losses {
        if whole {
            // What was released and came back, or went, is settled.
            self.released.only(found);
        }
        let mut rest = found.clone().without(&self.released);
        if !whole {
            rest.join(&self.held);
        }
        self.held = if self.exceeds(&rest, totals) { rest } else { Losses::default() };
        &self.held
    }

    fn exceeds(&self, losses: &Losses, totals: Totals) -> bool {
        let too_many =
            |lost: u64, of: u64| lost >= u64::from(self.min_rows).max(1) && lost * 100 > of * u64::from(self.percent);
        let bound = losses.ports.values().filter(|bound| **bound).count() as u64;
        too_many(losses.networks.len() as u64, totals.networks)
            || too_many(losses.ports.len() as u64, totals.ports)
            || too_many(bound + losses.stranded, totals.bound)
            || too_many(losses.endpoints.len() as u64, totals.endpoints)
    }

    /// Lets pass what is held now. The release ends with it.
    pub(super) fn release(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.released.join(&held);
    }

    pub(super) fn held(&self) -> Held {
        Held {
            networks: self.held.networks.len() as u64,
            ports: self.held.ports.len() as u64,
            tunnel_endpoints: self.held.endpoints.len() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn ports(range: std::ops::Range<u128>, bound: bool) -> Losses {
        Losses { ports: range.map(|n| (PortId(Uuid::from_u128(n)), bound)).collect(), ..Losses::default() }
    }

    fn totals(ports: u64) -> Totals {
        Totals { networks: 50, ports, bound: ports, endpoints: 20 }
    }

    #[test]
    fn few_losses_pass_and_many_are_held() {
        let mut guard = SourceGuard::new(20, 10);
        for (lost, of, held) in [(9, 9, 0), (10, 50, 0), (11, 50, 11), (20, 100, 0), (21, 100, 21)] {
            assert_eq!(guard.judge(&ports(0..lost, true), true, totals(of)).ports.len(), held, "{lost} of {of}");
        }
        let of_few_hosts = Totals { ports: 1000, bound: 40, ..totals(0) };
        assert!(guard.judge(&ports(0..10, true), true, of_few_hosts).ports.len() == 10, "of those that matter");
        assert!(guard.judge(&ports(0..10, false), true, of_few_hosts).is_empty());
        let host = Losses { endpoints: ["a".to_owned()].into(), stranded: 30, ..Losses::default() };
        assert_eq!(guard.judge(&host, true, totals(100)).endpoints.len(), 1, "a VTEP with many ports behind it");
        let networks = Losses { networks: (0..11).map(|n| NetworkId(Uuid::from_u128(n))).collect(), ..host.clone() };
        guard.judge(&networks, true, totals(100));
        assert_eq!(guard.held(), Held { networks: 11, ports: 0, tunnel_endpoints: 1 });
        guard.judge(&Losses::default(), true, totals(100));
        assert_eq!(guard.held().total(), 0, "what came back is held no longer");
    }

    #[test]
    fn what_is_held_draws_later_losses_in() {
        let mut guard = SourceGuard::new(20, 10);
        guard.judge(&ports(0..50, true), true, totals(100));
        assert_eq!(guard.judge(&ports(50..52, true), false, totals(100)).ports.len(), 52);
        assert_eq!(guard.judge(&ports(0..51, true), true, totals(100)).ports.len(), 51);
    }

    #[test]
    fn a_release_lets_through_what_was_held_and_nothing_else() {
        let mut guard = SourceGuard::new(20, 10);
        guard.judge(&ports(0..50, true), true, totals(100));
        guard.release();
        assert_eq!(guard.held().total(), 0);
        assert!(guard.judge(&ports(0..55, true), true, totals(100)).is_empty(), "with few others");
        let held = guard.judge(&ports(0..75, true), true, totals(100));
        assert_eq!(held.ports.len(), 25, "many others are a matter of their own");
        assert!(!held.ports.contains_key(&PortId(Uuid::from_u128(0))));
        guard.judge(&Losses::default(), true, totals(100));
        assert_eq!(guard.judge(&ports(0..50, true), true, totals(100)).ports.len(), 50, "it counts once");
    }
}
