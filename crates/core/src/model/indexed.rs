//! A compact table with two indexes: 4-byte slots instead of a copy of each key. It holds the rows that come by the
//! million, a switch's MACs and the ports' claims, at little more than the size of the rows.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, Hash},
};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// A map on the hot path: its keys are ours or a switch's, none that a stranger could choose to collide.
pub type FastMap<K, V> = HashMap<K, V, FixedState>;
/// A set likewise.
pub type FastSet<K> = HashSet<K, FixedState>;

/// A row that is found by an identity and by a key. Neither need be unique.
pub trait Record {
    /// What names the row.
    type Id: Hash + Eq + Copy;
    /// What it says something about.
    type Key: Hash + Eq + Copy;

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
    by_key: HashTable<u32>,
}

// ===== impl Indexed =====

impl<R> Default for Indexed<R> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), by_id: HashTable::new(), by_key: HashTable::new() }
    }
}

/// The same hash in every run: what a switch or a port is called can't be chosen by a stranger, and a fixed seed keeps
/// instruction counts comparable.
fn hash<T: Hash>(value: &T) -> u64 {
    FixedState::with_seed(0x7674_6570).hash_one(value)
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
        let slots = &self.slots;
        self.by_id.insert_unique(hash(&row.id()), slot, |s| hash_of(slots, *s, R::id));
        self.by_key.insert_unique(hash(&row.key()), slot, |s| hash_of(slots, *s, R::key));
    }

    /// The first row of this identity.
    #[must_use]
    pub fn get(&self, id: R::Id) -> Option<&R> {
        let slot = self.by_id.find(hash(&id), |s| self.slots[*s as usize].is_some_and(|r| r.id() == id))?;
        self.slots[*slot as usize].as_ref()
    }

    /// All rows with this key.
    pub fn with_key(&self, key: R::Key) -> impl Iterator<Item = &R> {
        let found = self.by_key.iter_hash(hash(&key));
        found.filter_map(move |s| self.slots[*s as usize].as_ref().filter(|r| r.key() == key))
    }

    /// Removes one row of this identity.
    pub fn remove(&mut self, id: R::Id) -> Option<R> {
        let slots = &self.slots;
        let entry = self.by_id.find_entry(hash(&id), |s| slots[*s as usize].is_some_and(|r| r.id() == id)).ok()?;
        let (slot, _) = entry.remove();
        let row = self.slots[slot as usize].take()?;
        if let Ok(entry) = self.by_key.find_entry(hash(&row.key()), |s| *s == slot) {
            entry.remove();
        }
        self.free.push(slot);
        Some(row)
    }

    /// All rows, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.slots.iter().flatten()
    }
}

fn hash_of<R: Copy, K: Hash>(slots: &[Option<R>], slot: u32, key: impl Fn(&R) -> K) -> u64 {
    slots[slot as usize].as_ref().map_or(0, |row| hash(&key(row)))
}
