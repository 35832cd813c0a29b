//! MACs that change their place too often: each has a [`Damper`], and while that holds, the MAC is announced nowhere.
//! Pure: the caller brings the time.

use std::collections::{BTreeSet, HashMap};

use super::{damper::Damper, ledger::Key};

/// Dampers that are kept. Where so many MACs change at once, further ones are not damped: the budget of each switch still
/// bounds how many changes pass.
const MOST: usize = 1 << 18;
/// Dampers up to which nobody looks for calm ones.
const FEW: usize = 1024;
/// Calm dampers are looked for no more often than this.
const PRUNE_MS: u64 = 1000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Flaps {
    dampers: HashMap<Key, Flap>,
    /// The MACs that are held, by the time at which they may pass.
    held: BTreeSet<(u64, Key)>,
    pruned_ms: u64,
    /// Number of dampers above which the calm ones are removed.
    prune_above: usize,
}

#[derive(Debug, Default)]
struct Flap {
    damper: Damper,
    /// Its entry in [`Flaps::held`].
    until: Option<u64>,
}

// ===== impl Flaps =====

impl Flaps {
    /// The MAC changes its place. Answers whether it may be announced.
    pub(super) fn change(&mut self, key: Key, now_ms: u64) -> bool {
        self.prune(now_ms);
        if self.dampers.len() >= MOST && !self.dampers.contains_key(&key) {
            return true;
        }
        let passes = self.dampers.entry(key).or_default().damper.change(now_ms);
        if !passes {
            self.wait(key);
        }
        passes
    }

    /// Whether the MAC must not be announced.
    pub(super) fn holds(&mut self, key: Key, now_ms: u64) -> bool {
        self.dampers.get_mut(&key).is_some_and(|flap| flap.damper.holds(now_ms))
    }

    /// The next MAC that may pass by now.
    pub(super) fn pass(&mut self, now_ms: u64) -> Option<Key> {
        while let Some((at, key)) = self.held.first().copied().filter(|(at, _)| *at <= now_ms) {
            self.held.remove(&(at, key));
            let Some(flap) = self.dampers.get_mut(&key) else { continue };
            flap.until = None;
            if !flap.damper.holds(now_ms) {
                return Some(key);
            }
            self.wait(key);
        }
        None
    }

    /// When the next MAC may pass.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.held.first().map(|(at, _)| *at)
    }

    /// The MACs that are held.
    pub(super) fn held(&self) -> impl Iterator<Item = Key> {
        self.held.iter().map(|(_, key)| *key)
    }

    fn wait(&mut self, key: Key) {
        let Some(flap) = self.dampers.get_mut(&key) else { return };
        let at = flap.damper.passes_at();
        if let Some(before) = flap.until.replace(at) {
            self.held.remove(&(before, key));
        }
        self.held.insert((at, key));
    }

    fn prune(&mut self, now_ms: u64) {
        if self.dampers.len() > self.prune_above.max(FEW) && now_ms >= self.pruned_ms + PRUNE_MS {
            self.dampers.retain(|_, flap| flap.until.is_some() || !flap.damper.is_calm(now_ms));
            self.pruned_ms = now_ms;
            self.prune_above = (2 * self.dampers.len()).min(MOST - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::{MacAddr, NetworkId};

    fn key(n: u32) -> Key {
        let octets = n.to_be_bytes();
        (NetworkId(Uuid::nil()), MacAddr::new([2, 0, octets[0], octets[1], octets[2], octets[3]]))
    }

    #[test]
    fn a_mac_that_is_held_passes_once_when_it_has_been_quiet() {
        let mut flaps = Flaps::default();
        let passed = (0..30).filter(|i| flaps.change(key(0), 1_000_000 + i * 100)).count();
        assert!((8..15).contains(&passed), "{passed}");
        assert!(flaps.change(key(1), 1_000_000), "another MAC is not held for it");
        assert_eq!(flaps.held().collect::<Vec<_>>(), [key(0)]);
        let at = flaps.next_ms().expect("it is held");
        assert_eq!(flaps.pass(at - 1000), None);
        assert_eq!((flaps.pass(at), flaps.pass(at), flaps.next_ms()), (Some(key(0)), None, None));
    }

    #[test]
    fn dampers_are_bounded_and_calm_ones_are_removed() {
        let mut flaps = Flaps::default();
        for i in 0..u32::try_from(MOST).unwrap_or(0) + 10 {
            assert!(flaps.change(key(i), 1000));
        }
        assert_eq!(flaps.dampers.len(), MOST);
        assert!(flaps.change(key(7_000_000), 600_000), "ten minutes later");
        assert_eq!(flaps.dampers.len(), 1);
    }
}
