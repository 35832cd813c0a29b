//! Strings: the fast path (ASCII without an escape) is taken sixteen bytes at a time.

use std::borrow::Cow;

use wide::i8x16;

use super::{Cursor, JsonError};

const UNCLOSED: &str = "a closing '\"'";

impl<'a> Cursor<'a> {
    /// A string, unescaped: borrowed from the text where it holds no escape.
    #[inline]
    pub fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        match self.plain_string()? {
            Ok(plain) => std::str::from_utf8(plain).map(Cow::Borrowed).map_err(|_| self.expected("UTF-8")),
            Err(start) => self.string_rest(start),
        }
    }

    /// The bytes of a string, unescaped: for those that are compared or parsed, and need not be a `str` before.
    #[inline]
    pub fn string_bytes(&mut self) -> Result<Cow<'a, [u8]>, JsonError> {
        match self.plain_string()? {
            Ok(plain) => Ok(Cow::Borrowed(plain)),
            Err(start) => Ok(match self.string_rest(start)? {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            }),
        }
    }

    /// Passes over a string, and checks it.
    #[inline]
    pub(super) fn skip_string(&mut self) -> Result<(), JsonError> {
        match self.plain_string()? {
            Ok(_) => Ok(()),
            Err(start) => self.string_rest(start).map(drop),
        }
    }

    /// A string of ASCII without an escape; else (`Err`) where it began, with the cursor at what needs a closer look.
    #[inline]
    fn plain_string(&mut self) -> Result<Result<&'a [u8], usize>, JsonError> {
        self.expect(b'"', "a string")?;
        let start = self.at;
        self.at += plain_run(self.rest());
        if self.here() != Some(b'"') {
            return Ok(Err(start));
        }
        let plain = self.since(start);
        self.at += 1;
        Ok(Ok(plain))
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
    let (blocks, tail) = bytes.as_chunks::<16>();
    for (i, block) in blocks.iter().enumerate() {
        let block = i8x16::new(block.map(u8::cast_signed));
        // As signed numbers, what isn't ASCII lies below zero, and so below the control characters' end.
        let special = block.simd_eq(splat(b'"')) | block.simd_eq(splat(b'\\')) | block.simd_lt(splat(b' '));
        let special = special.to_bitmask();
        if special != 0 {
            // At most 15: the cast loses nothing.
            return i * 16 + special.trailing_zeros() as usize;
        }
    }
    let plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..0x20 | 0x80..);
    blocks.len() * 16 + tail.iter().position(|byte| !plain(byte)).unwrap_or(tail.len())
}

fn splat(byte: u8) -> i8x16 {
    i8x16::splat(byte.cast_signed())
}
