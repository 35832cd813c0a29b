//! Strings: the fast path (ASCII without an escape) is taken eight bytes at a time.

use std::borrow::Cow;

use super::{Cursor, JsonError};

const UNCLOSED: &str = "a closing '\"'";

impl<'a> Cursor<'a> {
    /// A string, unescaped: borrowed from the text where it holds no escape.
    #[inline]
    pub fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.expect(b'"', "a string")?;
        let start = self.at;
        self.at += plain_run(self.rest());
        if self.here() == Some(b'"') {
            let plain = self.since(start);
            self.at += 1;
            return std::str::from_utf8(plain).map(Cow::Borrowed).map_err(|_| self.expected("UTF-8"));
        }
        self.string_rest(start)
    }

    /// Passes over a string, and checks it.
    #[inline]
    pub(super) fn skip_string(&mut self) -> Result<(), JsonError> {
        self.expect(b'"', "a string")?;
        let start = self.at;
        self.at += plain_run(self.rest());
        if self.here() == Some(b'"') {
            self.at += 1;
            return Ok(());
        }
        self.string_rest(start).map(drop)
    }

    /// The string that began at `start`, with the cursor at the first byte that needs a closer look.
    #[cold]
    fn string_rest(&mut self, start: usize) -> Result<Cow<'a, str>, JsonError> {
        // Grows with the first escape only; `piece` is where the text that is not copied yet begins.
        let mut unescaped: Option<String> = None;
        let mut piece = start;
        loop {
            match self.here() {
                Some(b'"') => {
                    let last = self.utf8(piece)?;
                    self.at += 1;
                    return Ok(match unescaped {
                        None => Cow::Borrowed(last),
                        Some(text) => Cow::Owned(text + last),
                    });
                }
                Some(b'\\') => {
                    let text = unescaped.get_or_insert_default();
                    text.push_str(self.utf8(piece)?);
                    self.at += 1;
                    text.push(self.escape()?);
                    piece = self.at;
                }
                Some(0x80..) => self.at += 1,
                _ => return Err(self.expected(UNCLOSED)),
            }
            self.at += plain_run(self.rest());
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<char, JsonError> {
        let start = self.clone();
        let Some(letter) = self.here() else { return Err(self.expected("an escape")) };
        self.at += 1;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let mut code = self.hex4()?;
                if (0xd800..0xdc00).contains(&code) && self.bytes.get(self.at..self.at + 2) == Some(b"\\u") {
                    self.at += 2;
                    let low = self.hex4()?;
                    if !(0xdc00..0xe000).contains(&low) {
                        return Err(start.expected("a pair of surrogates"));
                    }
                    code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                }
                char::from_u32(code).ok_or_else(|| start.expected("a pair of surrogates"))?
            }
            _ => return Err(start.expected("an escape")),
        })
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.here().and_then(|byte| char::from(byte).to_digit(16));
            code = code << 4 | digit.ok_or_else(|| self.expected("a hexadecimal digit"))?;
            self.at += 1;
        }
        Ok(code)
    }

    /// The text between `start` and the cursor.
    fn utf8(&self, start: usize) -> Result<&'a str, JsonError> {
        std::str::from_utf8(self.since(start)).map_err(|error| {
            let offset = start + error.valid_up_to();
            JsonError { offset, expected: "UTF-8", found: self.bytes.get(offset).copied() }
        })
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

/// How many bytes come before the first that is a quote, a backslash, a control character or not ASCII.
#[inline]
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    const QUOTES: u64 = ONES * b'"' as u64;
    const BACKSLASHES: u64 = ONES * b'\\' as u64;
    const SPACES: u64 = ONES * b' ' as u64;

    let (words, tail) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = word ^ QUOTES;
        let backslash = word ^ BACKSLASHES;
        // A borrow can only run upwards from a byte that is a hit itself, so the lowest marked byte is right.
        let hits = (quote.wrapping_sub(ONES) & !quote
            | backslash.wrapping_sub(ONES) & !backslash
            | word.wrapping_sub(SPACES)
            | word)
            & HIGH;
        if hits != 0 {
            // At most 63: the cast loses nothing.
            return i * 8 + (hits.trailing_zeros() / 8) as usize;
        }
    }
    let plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..0x20 | 0x80..);
    words.len() * 8 + tail.iter().position(|byte| !plain(byte)).unwrap_or(tail.len())
}
