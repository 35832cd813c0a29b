//! Where one message ends and the next begins: JSON values follow each other on the stream without a delimiter
//! (RFC 7047 section 4).

use wide::u8x16;

/// Finds the ends of concatenated JSON objects and arrays.
///
/// It looks at each byte once, however the stream was cut, and remembers a few words between the pieces. It knows
/// strings and escapes, and counts brackets, 64 bytes at a time where nothing needs a closer look; whether the value between them is JSON, its reader will find out.
#[derive(Debug, Clone)]
pub struct Framer {
    max_message: usize,
    /// Bytes of the current message, with white space before it.
    length: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

/// The stream can't be cut into messages: there is no way to go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// Something else than `{` or `[` stands where a message should begin.
    #[error("byte {offset} of the message can't begin JSON: is the peer an OVSDB server?")]
    NotJson {
        /// Counted from the start of the message.
        offset: usize,
    },
    /// More closing brackets than open ones can't happen; deeper nesting than ovsdb-server itself accepts can.
    #[error("byte {offset} of the message nests deeper than {} levels", super::json::MAX_DEPTH)]
    TooDeep {
        /// Counted from the start of the message.
        offset: usize,
    },
    /// The message is longer than we are ready to hold.
    #[error("the message is longer than {limit} bytes")]
    TooLong {
        /// The configured bound.
        limit: usize,
    },
}

impl FramingError {
    /// Where in the message the trouble lies.
    pub const fn offset(&self) -> usize {
        match *self {
            Self::NotJson { offset } | Self::TooDeep { offset } => offset,
            Self::TooLong { limit } => limit,
        }
    }
}

impl Framer {
    /// A framer for a new stream; a message of more than `max_message` bytes is an error.
    pub const fn new(max_message: usize) -> Self {
        Self { max_message, length: 0, depth: 0, in_string: false, escaped: false }
    }

    /// Another bound for the message under way and those behind it.
    pub const fn set_max_message(&mut self, max_message: usize) {
        self.max_message = max_message;
    }

    /// Whether the stream stands within a message, where its end would be a loss.
    pub const fn within_message(&self) -> bool {
        self.depth > 0
    }

    /// How many bytes of an unfinished message were seen.
    pub const fn pending(&self) -> usize {
        self.length
    }

    /// Looks at the bytes that follow those of the last call. `Some(n)`: the message ends with the first `n` of
    /// them, and the next call must begin behind these. `None`: all of them belong to a message that goes on.
    pub fn scan(&mut self, fresh: &[u8]) -> Result<Option<usize>, FramingError> {
        let room = self.max_message.saturating_sub(self.length);
        // One byte more than allowed is enough to know.
        let looked = fresh.get(..room.saturating_add(1)).unwrap_or(fresh);
        if let Some(end) = self.find_end(looked)?
            && end <= room
        {
            *self = Self::new(self.max_message);
            return Ok(Some(end));
        }
        if looked.len() > room {
            return Err(FramingError::TooLong { limit: self.max_message });
        }
        self.length += looked.len();
        Ok(None)
    }

    /// Of bytes that follow what was scanned: how many come before the next comma between the members of the outermost
    /// value. `None`: none is left.
    pub(super) fn find_comma(&self, bytes: &[u8]) -> Option<usize> {
        let mut state = self.clone();
        for (at, &byte) in bytes.iter().enumerate() {
            if state.escaped {
                state.escaped = false;
            } else if byte == b'"' {
                state.in_string = !state.in_string;
            } else if state.in_string {
                state.escaped = byte == b'\\';
            } else {
                match byte {
                    b'{' | b'[' => state.depth += 1,
                    b'}' | b']' if state.depth == 1 => return None,
                    b'}' | b']' => state.depth -= 1,
                    b',' if state.depth == 1 => return Some(at),
                    _ => {}
                }
            }
        }
        None
    }

    fn find_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, FramingError> {
        let (blocks, rest) = bytes.as_chunks();
        for (i, block) in blocks.iter().enumerate() {
            if !self.pass(block)
                && let Some(end) = self.find_end_bytewise(block, i * BLOCK)?
            {
                return Ok(Some(end));
            }
        }
        self.find_end_bytewise(rest, blocks.len() * BLOCK)
    }

    /// Passes over a block as a whole: one without an escape, in which the message can't end. `false`: its bytes have to
    /// be looked at.
    #[inline]
    fn pass(&mut self, block: &[u8; BLOCK]) -> bool {
        if self.escaped || self.depth == 0 {
            return false;
        }
        let Marks { quotes, backslashes, opening, closing } = Marks::of(block);
        let strings = within(quotes) ^ if self.in_string { u64::MAX } else { 0 };
        let (opened, closed) = ((opening & !strings).count_ones(), (closing & !strings).count_ones());
        let (opened, closed) = (opened as usize, closed as usize);
        if backslashes != 0 || closed >= self.depth || self.depth + opened > super::json::MAX_DEPTH {
            return false;
        }
        self.depth = self.depth + opened - closed;
        self.in_string = strings >> (BLOCK - 1) & 1 == 1;
        true
    }

    /// `offset`: of the bytes, within what was given to [`Self::scan`].
    fn find_end_bytewise(&mut self, bytes: &[u8], offset: usize) -> Result<Option<usize>, FramingError> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.escaped {
                self.escaped = false;
                at += 1;
            } else if self.in_string {
                let rest = bytes.get(at..).unwrap_or_default();
                let Some(run) = memchr::memchr2(b'"', b'\\', rest) else { return Ok(None) };
                self.escaped = rest.get(run) == Some(&b'\\');
                self.in_string = self.escaped;
                at += run + 1;
            } else {
                at += 1;
                match byte {
                    b'{' | b'[' => {
                        self.depth += 1;
                        if self.depth > super::json::MAX_DEPTH {
                            return Err(FramingError::TooDeep { offset: self.length + offset + at - 1 });
                        }
                    }
                    b' ' | b'\t' | b'\r' | b'\n' => {}
                    _ if self.depth == 0 => {
                        return Err(FramingError::NotJson { offset: self.length + offset + at - 1 });
                    }
                    b'"' => self.in_string = true,
                    b'}' | b']' => {
                        self.depth -= 1;
                        if self.depth == 0 {
                            return Ok(Some(offset + at));
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(None)
    }
}

// ===== blocks =====

/// Bytes that are passed over at once: as many as a mask has bits.
const BLOCK: usize = 64;

/// Where in a block what stands: one bit a byte, the first byte's being the lowest.
struct Marks {
    quotes: u64,
    backslashes: u64,
    /// `{` and `[`.
    opening: u64,
    /// `}` and `]`.
    closing: u64,
}

/// The bits from each quote that opens a string up to before the one that closes it.
#[inline]
fn within(mut quotes: u64) -> u64 {
    // Bit i of the result is the parity of the bits up to i.
    for shift in [1, 2, 4, 8, 16, 32] {
        quotes ^= quotes << shift;
    }
    quotes
}

/// In ASCII a bracket and the brace of its kind differ by this bit alone.
const BRACE: u8 = b'{' ^ b'[';

impl Marks {
    #[inline]
    fn of(block: &[u8; BLOCK]) -> Self {
        let mut marks = Self { quotes: 0, backslashes: 0, opening: 0, closing: 0 };
        for (i, sixteen) in block.as_chunks().0.iter().enumerate() {
            let bytes = u8x16::new(*sixteen);
            let braced = bytes | u8x16::splat(BRACE);
            let mark = |bytes: u8x16, byte| u64::from(bytes.simd_eq(u8x16::splat(byte)).to_bitmask()) << (16 * i);
            marks.quotes |= mark(bytes, b'"');
            marks.backslashes |= mark(bytes, b'\\');
            marks.opening |= mark(braced, b'{');
            marks.closing |= mark(braced, b'}');
        }
        marks
    }
}

#[cfg(test)]
mod tests;
