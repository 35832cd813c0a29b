//! A compact table with two indexes: 4-byte slots instead of a copy of each key. It holds the rows that come by the
//! million, a switch's MACs and the ports' claims, at little more than the size of the rows.

use std::{
    collections::{BTreeSet, HashMap, HashSet, hash_map::RandomState},
    fmt::Debug,
    hash::{BuildHasher, Hash},
    sync::OnceLock,
};

use foldhash::{
    SharedSeed,
    fast::{FoldHasher, SeedableRandomState},
};
use hashbrown::{HashTable, hash_table::Entry};

/// A map on the hot path.
pub type FastMap<K, V> = HashMap<K, V, Seeded>;
/// A set likewise.
pub type FastSet<K> = HashSet<K, Seeded>;

/// A fast hash with a seed that the process draws at its start. Switches choose the UUIDs of their rows and hosts their
/// MACs: with a known seed 300,000 keys that collide would cost minutes.
#[derive(Debug, Clone)]
pub struct Seeded(SeedableRandomState);

/// The seed of all maps of the process.
static SEED: OnceLock<(u64, SharedSeed)> = OnceLock::new();

/// Makes every run hash alike: for benchmarks that count instructions. Call it before the first map is made.
///
/// # Panics
/// Where a map was made before.
pub fn fix_seed() {
    assert!(SEED.set((0, SharedSeed::from_u64(0x7674_6570))).is_ok(), "the seed is drawn already");
}

impl Default for Seeded {
    fn default() -> Self {
        // The standard library takes its keys from the operating system.
        let random = || RandomState::new().hash_one(0);
        let (seed, shared) = SEED.get_or_init(|| (random(), SharedSeed::from_u64(random())));
        Self(SeedableRandomState::with_seed(*seed, shared))
    }
}

impl BuildHasher for Seeded {
    type Hasher = FoldHasher<'static>;

    #[inline]
    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}

/// A row that is found by an identity and by a key. Neither need be unique.
pub trait Record {
    /// What names the row.
    type Id: Hash + Eq + Copy + Debug;
    /// What it says something about.
    type Key: Hash + Eq + Copy + Debug;

    /// The row's identity.
    fn id(&self) -> Self::Id;
    /// The row's key.
    fn key(&self) -> Self::Key;
}

/// Rows in slots, indexed by [`Record::Id`] and [`Record::Key`].
#[derive(Debug, Clone)]
pub struct Indexed<R> {
    slots: Vec<Option<R>>,
    free: Vec<u32>,
    by_id: HashTable<u32>,
    /// One slot of each key.
    by_key: HashTable<u32>,
    /// The other slots of a key, with its hash. In the table they would all stand in one place, and be passed one by one.
    duplicates: BTreeSet<(u64, u32)>,
    hasher: Seeded,
}

/// Rows with one key.
#[derive(Debug)]
pub struct WithKey<'a, R: Record> {
    indexed: &'a Indexed<R>,
    key: R::Key,
    hash: u64,
    at: At,
}

/// Which slot comes next.
#[derive(Debug, Clone, Copy)]
enum At {
    /// The one in the table.
    First,
    /// Of the duplicates, this one or the first behind it.
    From(u32),
    End,
}

impl<'a, R: Record + Copy> Iterator for WithKey<'a, R> {
    type Item = &'a R;

    #[inline]
    fn next(&mut self) -> Option<&'a R> {
        let (indexed, key) = (self.indexed, self.key);
        let row = |slot: u32| indexed.slots[slot as usize].as_ref().filter(|row| row.key() == key);
        match self.at {
            At::First => {
                let slot = *indexed.by_key.find(self.hash, |slot| row(*slot).is_some())?;
                // Most tables have no duplicates.
                self.at = if indexed.duplicates.is_empty() { At::End } else { At::From(0) };
                row(slot)
            }
            At::From(slot) => {
                let found = indexed.duplicates_of(self.hash, slot).find_map(|slot| Some((slot, row(slot)?)));
                self.at = found.map_or(At::End, |(slot, _)| At::From(slot.saturating_add(1)));
                found.map(|(_, row)| row)
            }
            At::End => None,
        }
    }
}

// ===== impl Indexed =====

impl<R> Default for Indexed<R> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_id: HashTable::new(),
            by_key: HashTable::new(),
            duplicates: BTreeSet::new(),
            hasher: Seeded::default(),
        }
    }
}

impl<R: Record + Copy> Indexed<R> {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a row beside those that have the same identity or key.
    ///
    /// # Panics
    /// With 2^32 rows, which take 200 GB.
    pub fn insert(&mut self, row: R) {
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(row);
            slot
        } else {
            // An eighth at a time: doubling would leave a third of the memory of a million rows unused.
            if self.slots.len() == self.slots.capacity() {
                self.slots.reserve_exact(self.slots.len() / 8 + 16);
            }
            self.slots.push(Some(row));
            u32::try_from(self.slots.len() - 1).expect("a table of 2^32 rows doesn't fit into memory")
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.by_id.insert_unique(hasher.hash_one(row.id()), slot, |s| hash_of(hasher, slots, *s, R::id));
        let (key, hash) = (row.key(), hasher.hash_one(row.key()));
        let same = |s: &u32| slots[*s as usize].is_some_and(|row| row.key() == key);
        match self.by_key.entry(hash, same, |s| hash_of(hasher, slots, *s, R::key)) {
            Entry::Vacant(entry) => drop(entry.insert(slot)),
            Entry::Occupied(_) => drop(self.duplicates.insert((hash, slot))),
        }
    }

    /// The first row of this identity.
    #[must_use]
    pub fn get(&self, id: R::Id) -> Option<&R> {
        let hash = self.hasher.hash_one(id);
        let slot = self.by_id.find(hash, |s| self.slots[*s as usize].is_some_and(|r| r.id() == id))?;
        self.slots[*slot as usize].as_ref()
    }

    /// All rows with this key.
    #[inline]
    pub fn with_key(&self, key: R::Key) -> WithKey<'_, R> {
        let hash = self.hasher.hash_one(key);
        WithKey { indexed: self, key, hash, at: At::First }
    }

    /// Removes one row of this identity.
    pub fn remove(&mut self, id: R::Id) -> Option<R> {
        let slots = &self.slots;
        let hash = self.hasher.hash_one(id);
        let entry = self.by_id.find_entry(hash, |s| slots[*s as usize].is_some_and(|r| r.id() == id)).ok()?;
        let (slot, _) = entry.remove();
        let row = self.slots[slot as usize].take()?;
        self.free.push(slot);
        let (key, hash) = (row.key(), self.hasher.hash_one(row.key()));
        if self.duplicates.remove(&(hash, slot)) {
            return Some(row);
        }
        let heir = if self.duplicates.is_empty() {
            None
        } else {
            let same = |s: &u32| self.slots[*s as usize].is_some_and(|row| row.key() == key);
            self.duplicates_of(hash, 0).find(same)
        };
        if let Ok(mut entry) = self.by_key.find_entry(hash, |s| *s == slot) {
            match heir {
                Some(heir) => {
                    *entry.get_mut() = heir;
                    self.duplicates.remove(&(hash, heir));
                }
                None => drop(entry.remove()),
            }
        }
        Some(row)
    }

    /// Slots of further rows whose keys have this hash, from one on.
    fn duplicates_of(&self, hash: u64, from: u32) -> impl Iterator<Item = u32> {
        self.duplicates.range((hash, from)..=(hash, u32::MAX)).map(|(_, slot)| *slot)
    }

    /// The rows of so many places from this one on, and the place behind them; `None`: it was the last. A row keeps its place.
    pub fn slice(&self, from: usize, places: usize) -> (impl Iterator<Item = &R>, Option<usize>) {
        let end = from.saturating_add(places).min(self.slots.len());
        let rows = self.slots.get(from..end).unwrap_or_default().iter().flatten();
        (rows, (end < self.slots.len()).then_some(end))
    }

    /// All rows, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.slots.iter().flatten()
    }
}

fn hash_of<R: Copy, K: Hash>(hasher: &Seeded, slots: &[Option<R>], slot: u32, key: impl Fn(&R) -> K) -> u64 {
    slots[slot as usize].as_ref().map_or(0, |row| hasher.hash_one(key(row)))
}

#[cfg(test)]
mod tests;
