//! Rows that others refer to by a number of four bytes instead of a UUID of sixteen.

use uuid::Uuid;

use crate::model::indexed::FastMap;

/// See the module. A number stays a row's for as long as the row is there or another refers to it; afterwards it is
/// another's. So a switch that always refers to new rows takes no more memory than those that are there.
#[derive(Debug)]
pub(super) struct Interned<T> {
    index: FastMap<Uuid, u32>,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    /// Numbers that may be free since the last [`Self::sweep`].
    released: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    uuid: Uuid,
    /// `None`: referred to, and not there (yet).
    row: Option<T>,
    /// How many rows refer to it.
    holders: u32,
}

/// Instead of the holders of a number that is free.
const FREE: u32 = u32::MAX;

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { index: FastMap::default(), slots: Vec::new(), free: Vec::new(), released: Vec::new() }
    }
}

impl<T> Interned<T> {
    /// The number of a row, which may still be to come. The caller has to [`Self::hold`] it, or set the row.
    pub(super) fn intern(&mut self, uuid: Uuid) -> u32 {
        *self.index.entry(uuid).or_insert_with(|| {
            let slot = Slot { uuid, row: None, holders: 0 };
            if let Some(index) = self.free.pop() {
                self.slots[index as usize] = slot;
                return index;
            }
            self.slots.push(slot);
            u32::try_from(self.slots.len() - 1).expect("2^32 rows don't fit into memory")
        })
    }

    /// Another row refers to it.
    pub(super) fn hold(&mut self, index: u32) {
        self.slots[index as usize].holders += 1;
    }

    /// A row that referred to it is gone.
    pub(super) fn release(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        slot.holders -= 1;
        if slot.holders == 0 && slot.row.is_none() {
            self.released.push(index);
        }
    }

    pub(super) fn set(&mut self, index: u32, row: Option<T>) -> Option<T> {
        let slot = &mut self.slots[index as usize];
        if row.is_none() && slot.holders == 0 {
            self.released.push(index);
        }
        std::mem::replace(&mut slot.row, row)
    }

    /// Frees the numbers that nothing refers to. Not before the end of an update: what it touched is named by numbers.
    pub(super) fn sweep(&mut self) {
        for index in self.released.drain(..) {
            let slot = &mut self.slots[index as usize];
            if slot.holders == 0 && slot.row.is_none() {
                slot.holders = FREE;
                self.index.remove(&slot.uuid);
                self.free.push(index);
            }
        }
        // A burst leaves no memory behind.
        if self.released.capacity() > 4096 {
            self.released = Vec::new();
        }
    }

    /// Number of rows that are there or that others refer to.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn get(&self, index: u32) -> Option<&T> {
        self.slots[index as usize].row.as_ref()
    }

    pub(super) fn uuid(&self, index: u32) -> Uuid {
        self.slots[index as usize].uuid
    }

    pub(super) fn find(&self, uuid: Uuid) -> Option<u32> {
        self.index.get(&uuid).copied()
    }

    /// The rows of so many numbers from this one on, and the number behind them; `None`: it was the last.
    pub(super) fn slice(&self, from: usize, numbers: usize) -> (impl Iterator<Item = (u32, &T)>, Option<usize>) {
        let end = from.saturating_add(numbers).min(self.slots.len());
        let slots = self.slots.get(from..end).unwrap_or_default();
        let first = u32::try_from(from).unwrap_or(u32::MAX);
        let rows = (first..).zip(slots).filter_map(|(index, slot)| Some((index, slot.row.as_ref()?)));
        (rows, (end < self.slots.len()).then_some(end))
    }

    /// The rows that are there.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(&self.slots).filter_map(|(index, slot)| Some((index, slot.row.as_ref()?)))
    }
}
