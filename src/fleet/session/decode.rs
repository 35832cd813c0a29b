//! Messages with rows, decoded a slice at a time: a switch decides how long they are, and others have their turn in between.

use super::{Session, Step};
use crate::{
    ovsdb::{Raw, message::Kept},
    vtep::{Decoding, Touched},
};

/// Rows of a slice: about a millisecond.
const SLICE: usize = 1024;
/// A shorter message is decoded at once.
const SHORT: usize = 64 << 10;

/// A message that is being decoded.
#[derive(Debug)]
pub(super) struct Pending {
    decoding: Decoding,
    /// Counts the memory of the text.
    _memory: Option<Kept>,
    /// It is the reply to `monitor`.
    first: bool,
    /// All of it was decoded: what follows from it is still to be done.
    loaded: bool,
}

impl Session<'_> {
    /// Takes the rows of a reply to `monitor`, or of an update. What is left of a long one is decoded by
    /// [`Session::decode_next`].
    pub(super) fn decode(&mut self, rows: Raw, first: bool) -> Step {
        if !first && rows.as_bytes().len() <= SHORT {
            let mut touched = Touched::default();
            self.replica.apply(rows.as_bytes(), &mut touched)?;
            return self.updated(touched);
        }
        let (text, memory) = rows.into_vec();
        let decoding = Decoding::new(text);
        self.pending = Some(Pending { decoding, _memory: memory, first, loaded: false });
        Ok(())
    }

    /// Decodes the next slice, if there is one.
    pub(super) fn decode_next(&mut self) -> Step<bool> {
        let Some(pending) = &mut self.pending else { return Ok(false) };
        if pending.loaded {
            self.pending = None;
            self.synchronised()?;
            return Ok(true);
        }
        let mut touched = Touched::default();
        let done = self.replica.decode(&mut pending.decoding, SLICE, &mut touched)?;
        if pending.first {
            pending.loaded = done;
            return Ok(true);
        }
        if done {
            self.pending = None;
        }
        self.updated(touched)?;
        Ok(true)
    }

    /// The size of what is looked at when a first reply was decoded, in bytes; its MACs are looked at later, in slices.
    pub(super) fn loaded_size(&self) -> usize {
        let loaded = self.pending.as_ref().is_some_and(|pending| pending.loaded);
        if loaded { self.step() } else { 0 }
    }
}
