//! A sorted table in immutable chunks that readers share: a change replaces one chunk of some 256 rows, and a copy of
//! the table copies only pointers.

use std::{cmp::Ordering, sync::Arc};

/// A row of a [`Chunked`] table.
pub trait Keyed {
    /// What the table is sorted by; unique.
    type Key: Ord + Copy;

    /// The row's key.
    fn key(&self) -> Self::Key;
}

/// A chunk is split when it would grow beyond this.
const MAX: usize = 384;
/// How full chunks are made.
const FILL: usize = 256;

/// See the module.
#[derive(Debug, Clone)]
pub struct Chunked<R> {
    chunks: Vec<Arc<[R]>>,
    len: usize,
}

// ===== impl Chunked =====

impl<R> Default for Chunked<R> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<R: Keyed + Clone> Chunked<R> {
    /// The table of these rows, which need not be sorted. Of rows with one key the first stays.
    #[must_use]
    pub fn build(mut rows: Vec<R>) -> Self {
        rows.sort_by_key(Keyed::key);
        rows.dedup_by_key(|row| row.key());
        Self { len: rows.len(), chunks: rows.chunks(FILL).map(Arc::from).collect() }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The row of this key.
    #[must_use]
    pub fn get(&self, key: R::Key) -> Option<&R> {
        let chunk = &self.chunks[self.chunk_of(key)?];
        chunk.binary_search_by_key(&key, Keyed::key).ok().map(|i| &chunk[i])
    }

    /// All rows, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// Rows from this one on, as the table is sorted.
    pub fn iter_from(&self, mut from: usize) -> impl Iterator<Item = &R> {
        let mut chunks = self.chunks.iter();
        let mut first: &[R] = &[];
        for chunk in chunks.by_ref() {
            if from < chunk.len() {
                first = chunk.get(from..).unwrap_or_default();
                break;
            }
            from -= chunk.len();
        }
        first.iter().chain(chunks.flat_map(|chunk| chunk.iter()))
    }

    /// Makes these keys hold these rows (`None`: no row). Each chunk that is touched is copied once.
    pub fn edit(&mut self, mut changes: Vec<(R::Key, Option<R>)>) {
        // Of the tables of a network most stay as they are.
        if changes.is_empty() {
            return;
        }
        changes.sort_by_key(|(key, _)| *key);
        // Of several changes of one key the last holds: a stable sort left it last among its equals.
        let mut kept: Vec<(R::Key, Option<R>)> = Vec::with_capacity(changes.len());
        for change in changes {
            match kept.last_mut() {
                Some(last) if last.0 == change.0 => *last = change,
                _ => kept.push(change),
            }
        }
        let mut rest = kept.as_slice();
        // From the back, so that the indexes of the chunks before stay as they are.
        while let Some((last, _)) = rest.last() {
            let index = self.chunk_of(*last).unwrap_or(0);
            let first = self.chunks.get(index).and_then(|chunk| chunk.first()).map(Keyed::key);
            let from = match first {
                Some(first) if index > 0 => rest.partition_point(|(key, _)| *key < first),
                _ => 0,
            };
            let (before, now) = rest.split_at(from);
            self.edit_chunk(index, now);
            rest = before;
        }
    }

    fn edit_chunk(&mut self, index: usize, changes: &[(R::Key, Option<R>)]) {
        let old: &[R] = self.chunks.get(index).map_or(&[], |chunk| chunk);
        let merged = merge(old, changes);
        self.len = self.len + merged.len() - old.len();
        let new: Vec<Arc<[R]>> = if merged.len() <= MAX {
            if merged.is_empty() { Vec::new() } else { vec![Arc::from(merged)] }
        } else {
            merged.chunks(FILL).map(Arc::from).collect()
        };
        let (end, made) = ((index + 1).min(self.chunks.len()), new.len());
        self.chunks.splice(index..end, new);
        for right in (index.max(1)..=index + made).rev() {
            self.join(right);
        }
    }

    /// Joins a chunk with the one before it where both fit into one, so that deletions don't leave many small chunks.
    fn join(&mut self, right: usize) {
        let Some(chunk) = self.chunks.get(right) else { return };
        let before = &self.chunks[right - 1];
        if before.len() + chunk.len() <= FILL {
            let joined: Arc<[R]> = before.iter().chain(chunk.iter()).cloned().collect();
            self.chunks.splice(right - 1..=right, [joined]);
        }
    }

    /// The chunk in which the key is, or would be.
    fn chunk_of(&self, key: R::Key) -> Option<usize> {
        if self.chunks.is_empty() {
            return None;
        }
        let after = self.chunks.partition_point(|chunk| chunk.first().is_some_and(|row| row.key() <= key));
        Some(after.saturating_sub(1))
    }
}

fn merge<R: Keyed + Clone>(old: &[R], changes: &[(R::Key, Option<R>)]) -> Vec<R> {
    let mut merged = Vec::with_capacity(old.len() + changes.len());
    let mut old = old.iter().peekable();
    for (key, change) in changes {
        while let Some(row) = old.peek() {
            match row.key().cmp(key) {
                Ordering::Less => merged.push((*row).clone()),
                Ordering::Equal => {}
                Ordering::Greater => break,
            }
            old.next();
        }
        merged.extend(change.clone());
    }
    merged.extend(old.cloned());
    merged
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    impl Keyed for (u16, u8) {
        type Key = u16;

        fn key(&self) -> u16 {
            self.0
        }
    }

    proptest! {
        #[test]
        fn behaves_as_a_sorted_map(
            start in prop::collection::vec((0u16..3000, any::<u8>()), 0..2000),
            edits in prop::collection::vec(prop::collection::vec((0u16..3000, any::<Option<u8>>()), 0..400), 0..8),
        ) {
            let mut model: BTreeMap<u16, u8> = BTreeMap::new();
            for (key, value) in &start {
                model.entry(*key).or_insert(*value);
            }
            let mut table = Chunked::build(start);
            for edit in edits {
                let before = table.clone();
                let was: Vec<_> = before.iter().copied().collect();
                for (key, value) in &edit {
                    match value {
                        Some(value) => model.insert(*key, *value),
                        None => model.remove(key),
                    };
                }
                table.edit(edit.iter().map(|(k, v)| (*k, v.map(|v| (*k, v)))).collect());
                prop_assert_eq!(before.iter().copied().collect::<Vec<_>>(), was, "a reader's copy never changes");
            }
            prop_assert_eq!(table.len(), model.len());
            prop_assert_eq!(table.iter().copied().collect::<BTreeMap<_, _>>(), model.clone());
            prop_assert!(table.iter().is_sorted());
            for key in (0..3000).step_by(7) {
                prop_assert_eq!(table.get(key).map(|row| row.1), model.get(&key).copied());
            }
            prop_assert!(table.chunks.len() <= table.len() / (FILL / 2) + 2, "chunks stay full");
        }
    }
}
