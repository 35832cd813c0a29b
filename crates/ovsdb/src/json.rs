//! JSON as OVSDB writes it, read in one pass without a tree: the hot path of a first monitor reply, which may
//! hold a million rows in 225 MB.
//!
//! A [`Cursor`] stands before a value; each method consumes exactly one value and says what it expected where
//! the text holds something else. The grammar is RFC 8259's, with nesting bounded by [`MAX_DEPTH`].

mod string;
mod values;
mod write;

use std::{borrow::Cow, ops::Range};

use super::framing::Framer;

pub use write::{write_string, write_uuid};

/// How deep arrays and objects may nest: ovsdb-server's own bound.
pub const MAX_DEPTH: usize = 1000;

/// The text is not the JSON that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: expected {expected}, found {}", Found(*.found))]
pub struct JsonError {
    /// Where, counted from the start of the text that the cursor was made for.
    pub offset: usize,
    /// What should have been there.
    pub expected: &'static str,
    /// The byte that was there instead; `None` at the end of the text.
    pub found: Option<u8>,
}

struct Found(Option<u8>);

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            None => f.write_str("the end"),
            Some(byte) => write!(f, "'{}'", byte.escape_ascii()),
        }
    }
}

/// What kind of value comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `"`
    String,
    /// A digit or `-`
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

/// Where a [`Cursor`] stands, without its text: to go on later, see [`Cursor::resume`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    at: usize,
    depth: usize,
}

/// See [`Cursor::pieces`].
#[derive(Debug, Clone)]
pub struct Pieces {
    framer: Framer,
    begin: usize,
    at: usize,
    /// Of the next piece.
    start: usize,
    depth: usize,
    size: usize,
    ended: bool,
}

/// A place in a JSON text. Cheap to clone: a clone is a bookmark.
///
/// After an error the cursor stands somewhere inside of the text and is of no further use.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

// ===== impl Cursor: single values =====

impl<'a> Cursor<'a> {
    /// Stands before the first value of `bytes`, which need not be UTF-8: strings are checked as they are read.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, depth: 0 }
    }

    /// Goes on in the same text.
    pub const fn resume(bytes: &'a [u8], place: Position) -> Self {
        Self { bytes, at: place.at, depth: place.depth }
    }

    /// Where the cursor stands.
    pub const fn place(&self) -> Position {
        Position { at: self.at, depth: self.depth }
    }

    /// How many bytes lie behind the cursor.
    pub const fn offset(&self) -> usize {
        self.at
    }

    /// An error at this place: for callers whose own grammar goes further than JSON's ("a MAC address").
    #[cold]
    pub fn expected(&self, expected: &'static str) -> JsonError {
        JsonError { offset: self.at, expected, found: self.bytes.get(self.at).copied() }
    }

    /// The kind of the next value, judged by its first byte.
    pub fn peek(&mut self) -> Result<ValueKind, JsonError> {
        match self.next_byte() {
            Some(b'{') => Ok(ValueKind::Object),
            Some(b'[') => Ok(ValueKind::Array),
            Some(b'"') => Ok(ValueKind::String),
            Some(b'-' | b'0'..=b'9') => Ok(ValueKind::Number),
            Some(b't' | b'f') => Ok(ValueKind::Bool),
            Some(b'n') => Ok(ValueKind::Null),
            _ => Err(self.expected("a value")),
        }
    }

    /// An integer; a real such as `5.0` counts where it is integral and exact (within 2^53).
    pub fn integer(&mut self) -> Result<i64, JsonError> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let start = self.clone();
        let (text, plain) = self.number()?;
        if plain {
            return text.parse().map_err(|_| start.expected("an integer of 64 bits"));
        }
        match text.parse::<f64>() {
            // Integral and below 2^53: the cast loses nothing.
            #[allow(clippy::cast_possible_truncation)]
            Ok(real) if real.fract() == 0.0 && real.abs() <= EXACT => Ok(real as i64),
            _ => Err(start.expected("an integer")),
        }
    }

    /// Any number, as the nearest real.
    pub fn real(&mut self) -> Result<f64, JsonError> {
        let start = self.clone();
        let (text, _) = self.number()?;
        text.parse::<f64>().ok().filter(|real| real.is_finite()).ok_or_else(|| start.expected("a number in range"))
    }

    /// `true` or `false`.
    pub fn boolean(&mut self) -> Result<bool, JsonError> {
        match self.next_byte() {
            Some(b't') => self.literal(b"true").map(|()| true),
            Some(b'f') => self.literal(b"false").map(|()| false),
            _ => Err(self.expected("true or false")),
        }
    }

    /// Consumes `null` where it comes next, and says whether it did.
    pub fn null(&mut self) -> bool {
        self.next_byte() == Some(b'n') && self.literal(b"null").is_ok()
    }

    /// The text of the next value without the white space around it. Of an object or array only its end is looked for,
    /// by brackets and strings: whether it is JSON, its reader finds out.
    pub fn raw_unchecked(&mut self) -> Result<&'a [u8], JsonError> {
        let container = matches!(self.peek()?, ValueKind::Object | ValueKind::Array);
        let start = self.at;
        if container {
            let mut whole = self.pieces(usize::MAX)?;
            while whole.next(self.bytes)?.is_some() {}
            self.at = whole.at;
        } else {
            self.skip()?;
        }
        Ok(self.since(start))
    }

    /// The pieces of a long object or array: each has some `size` bytes, begins with the bracket or the comma before its first
    /// member and ends with the comma or the bracket behind its last, so that it becomes an object or array of its own where
    /// brackets are put in these places. As with [`Self::raw_unchecked`] only the end of the value is looked for. The cursor
    /// stays before the value: go on behind it with [`Self::resume`] and [`Pieces::end`].
    pub fn pieces(&mut self, size: usize) -> Result<Pieces, JsonError> {
        match self.peek()? {
            ValueKind::Object | ValueKind::Array => {}
            _ => return Err(self.expected("an object or an array")),
        }
        let framer = Framer::new(usize::MAX);
        Ok(Pieces { framer, begin: self.at, at: self.at, start: self.at, depth: self.depth, size, ended: false })
    }

    /// The text of the next value, checked and without the white space around it.
    pub fn raw(&mut self) -> Result<&'a [u8], JsonError> {
        self.next_byte();
        let start = self.at;
        self.skip()?;
        Ok(self.since(start))
    }

    /// Makes sure that only white space is left.
    pub fn end(&mut self) -> Result<(), JsonError> {
        match self.next_byte() {
            None => Ok(()),
            Some(_) => Err(self.expected("the end")),
        }
    }

    /// A number's text, and whether it is without fraction and exponent.
    fn number(&mut self) -> Result<(&'a str, bool), JsonError> {
        self.next_byte();
        let start = self.at;
        if self.here() == Some(b'-') {
            self.at += 1;
        }
        match self.here() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(self.expected("a number")),
        }
        let mut plain = true;
        if self.here() == Some(b'.') {
            plain = false;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.here() {
            plain = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.here() {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = std::str::from_utf8(self.since(start)).map_err(|_| self.expected("a number"))?;
        Ok((text, plain))
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !self.here().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.expected("a digit"));
        }
        while self.here().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn literal(&mut self, word: &'static [u8]) -> Result<(), JsonError> {
        let found = self.bytes.get(self.at..self.at + word.len());
        if found != Some(word) {
            return Err(self.expected("true, false or null"));
        }
        self.at += word.len();
        Ok(())
    }

    /// The byte under the cursor.
    #[inline]
    fn here(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next byte that is not white space; the cursor then stands on it.
    #[inline]
    fn next_byte(&mut self) -> Option<u8> {
        loop {
            match self.here() {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                other => return other,
            }
        }
    }

    /// Consumes `byte`, and white space before it.
    #[inline]
    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.next_byte() != Some(byte) {
            return Err(self.expected(expected));
        }
        self.at += 1;
        Ok(())
    }

    /// What lies between `start` and the cursor.
    fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }
}

// ===== impl Cursor: containers =====

impl<'a> Cursor<'a> {
    /// An object: `member` gets each key (unescaped) and the cursor before its value, which it must consume (with
    /// [`Self::skip`] if it has no use for it). Keys may repeat; the order is the text's.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&str, &mut Cursor<'a>) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.members(|key, value| {
            let key = std::str::from_utf8(key).map_err(|_| value.expected("a key in UTF-8"))?;
            member(key, value)
        })
    }

    /// [`Self::object`] where keys are only compared: rows come by the million.
    #[inline]
    pub fn members(
        &mut self,
        mut member: impl FnMut(&[u8], &mut Cursor<'a>) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.expect(b'{', "an object")?;
        self.enter()?;
        if self.next_byte() == Some(b'}') {
            return self.leave();
        }
        loop {
            let key = self.string_bytes()?;
            self.expect(b':', "':'")?;
            member(&key, self)?;
            match self.next_byte() {
                Some(b',') => self.at += 1,
                Some(b'}') => return self.leave(),
                _ => return Err(self.expected("',' or '}'")),
            }
        }
    }

    /// Steps into an object, whose members [`Self::next_member`] then reads: for callers that have to stop in the middle of it.
    pub fn enter_object(&mut self) -> Result<(), JsonError> {
        self.expect(b'{', "an object")?;
        self.enter()
    }

    /// The key of the next member of the object that was entered, with the cursor before its value, which has to be consumed
    /// before the next call; `None`: the object has ended. `first`: there was no call for this object before.
    #[inline]
    pub fn next_member(&mut self, first: bool) -> Result<Option<Cow<'a, [u8]>>, JsonError> {
        match self.next_byte() {
            Some(b'}') => return self.leave().map(|()| None),
            Some(b',') if !first => self.at += 1,
            _ if first => {}
            _ => return Err(self.expected("',' or '}'")),
        }
        let key = self.string_bytes()?;
        self.expect(b':', "':'")?;
        Ok(Some(key))
    }

    /// An array: `element` gets the cursor before each element, which it must consume.
    #[inline]
    pub fn array(
        &mut self,
        mut element: impl FnMut(&mut Cursor<'a>) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.expect(b'[', "an array")?;
        self.enter()?;
        if self.next_byte() == Some(b']') {
            return self.leave();
        }
        loop {
            element(self)?;
            match self.next_byte() {
                Some(b',') => self.at += 1,
                Some(b']') => return self.leave(),
                _ => return Err(self.expected("',' or ']'")),
            }
        }
    }

    /// Passes over the next value, and checks it on the way. Without recursion: a hostile text costs no stack.
    pub fn skip(&mut self) -> Result<(), JsonError> {
        let mut open = Open::new(self.depth);
        loop {
            match self.next_byte() {
                Some(b'{') => {
                    self.at += 1;
                    open.push(true).map_err(|()| self.expected(TOO_DEEP))?;
                    if self.next_byte() != Some(b'}') {
                        self.skip_key()?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.at += 1;
                    open.push(false).map_err(|()| self.expected(TOO_DEEP))?;
                    if self.next_byte() != Some(b']') {
                        continue;
                    }
                }
                Some(b'"') => self.skip_string()?,
                Some(b't') => self.literal(b"true")?,
                Some(b'f') => self.literal(b"false")?,
                Some(b'n') => self.literal(b"null")?,
                Some(b'-' | b'0'..=b'9') => drop(self.number()?),
                _ => return Err(self.expected("a value")),
            }
            // A value ended: so may any number of containers.
            loop {
                let Some(object) = open.top() else { return Ok(()) };
                match (self.next_byte(), object) {
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.at += 1;
                        open.pop();
                    }
                    (Some(b','), true) => {
                        self.at += 1;
                        self.skip_key()?;
                        break;
                    }
                    (Some(b','), false) => {
                        self.at += 1;
                        break;
                    }
                    (_, true) => return Err(self.expected("',' or '}'")),
                    (_, false) => return Err(self.expected("',' or ']'")),
                }
            }
        }
    }

    fn skip_key(&mut self) -> Result<(), JsonError> {
        self.skip_string()?;
        self.expect(b':', "':'")
    }

    #[inline]
    fn enter(&mut self) -> Result<(), JsonError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.expected(TOO_DEEP));
        }
        self.depth += 1;
        Ok(())
    }

    /// Consumes the closing bracket under the cursor.
    #[inline]
    #[allow(clippy::unnecessary_wraps)] // The containers return it as their own result.
    fn leave(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }
}

// ===== impl Pieces =====

impl Pieces {
    /// The next piece of the same text; `None`: the value has ended. It looks at some `size` bytes and the rest of a member.
    pub fn next(&mut self, bytes: &[u8]) -> Result<Option<Range<usize>>, JsonError> {
        let mut step = self.size;
        while !self.ended {
            let rest = bytes.get(self.at..).unwrap_or_default();
            let looked = rest.get(..step).unwrap_or(rest);
            match self.framer.scan(looked) {
                Ok(Some(length)) => {
                    self.at += length;
                    self.ended = true;
                    return Ok(Some(self.start..self.at));
                }
                Ok(None) if looked.len() == rest.len() => {
                    return Err(JsonError { offset: bytes.len(), expected: "a closing bracket", found: None });
                }
                Ok(None) => self.at += looked.len(),
                Err(error) => {
                    let offset = self.begin + error.offset();
                    return Err(JsonError { offset, expected: TOO_DEEP, found: bytes.get(offset).copied() });
                }
            }
            let rest = bytes.get(self.at..).unwrap_or_default();
            step = match self.framer.find_comma(rest) {
                // We stand on it: the piece ends here, and the next begins.
                Some(0) => {
                    let piece = self.start..self.at + 1;
                    self.start = self.at;
                    return Ok(Some(piece));
                }
                Some(ahead) => ahead,
                None => rest.len(),
            };
        }
        Ok(None)
    }

    /// The place behind the value, once all pieces were found.
    pub const fn end(&self) -> Position {
        Position { at: self.at, depth: self.depth }
    }
}

const TOO_DEEP: &str = "at most 1000 levels of nesting";

// ===== impl Open =====

/// The containers that [`Cursor::skip`] is in: one bit each, set for an object.
struct Open {
    bits: [u64; MAX_DEPTH.div_ceil(64)],
    len: usize,
    /// How deep the cursor already was.
    outside: usize,
}

impl Open {
    const fn new(outside: usize) -> Self {
        Self { bits: [0; MAX_DEPTH.div_ceil(64)], len: 0, outside }
    }

    fn push(&mut self, object: bool) -> Result<(), ()> {
        if self.outside + self.len >= MAX_DEPTH {
            return Err(());
        }
        let word = self.bits.get_mut(self.len / 64).ok_or(())?;
        let bit = 1 << (self.len % 64);
        *word = if object { *word | bit } else { *word & !bit };
        self.len += 1;
        Ok(())
    }

    const fn pop(&mut self) {
        self.len = self.len.saturating_sub(1);
    }

    fn top(&self) -> Option<bool> {
        let last = self.len.checked_sub(1)?;
        self.bits.get(last / 64).map(|word| word >> (last % 64) & 1 == 1)
    }
}

#[cfg(test)]
pub(super) mod tests;
