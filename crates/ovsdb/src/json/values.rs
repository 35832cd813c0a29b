//! OVSDB's own notation of values (RFC 7047 section 5.1) on top of JSON.

use uuid::Uuid;

use super::{Cursor, JsonError};

impl<'a> Cursor<'a> {
    /// `["uuid", "550e8400-…"]`.
    #[inline]
    pub fn uuid(&mut self) -> Result<Uuid, JsonError> {
        const HEAD: &[u8] = b"[\"uuid\",\"";
        self.next_byte();
        // As ovsdb-server writes it: without white space. 9 + 36 + 2 bytes.
        if let Some([head @ .., b'"', b']']) = self.bytes.get(self.at..self.at + 47)
            && let Some(digits) = head.strip_prefix(HEAD)
            && let Some(uuid) = hyphenated(digits)
        {
            self.at += 47;
            return Ok(uuid);
        }
        self.spaced_uuid()
    }

    #[cold]
    fn spaced_uuid(&mut self) -> Result<Uuid, JsonError> {
        const WHAT: &str = "[\"uuid\", \"…\"]";
        let start = self.clone();
        self.expect(b'[', WHAT)?;
        if self.string()? != "uuid" {
            return Err(start.expected(WHAT));
        }
        self.expect(b',', "','")?;
        let digits = self.string()?;
        let uuid = hyphenated(digits.as_bytes()).ok_or_else(|| start.expected(WHAT))?;
        self.expect(b']', "']'")?;
        Ok(uuid)
    }

    /// A set: `element` gets the cursor before each atom, which it must consume. `["set", […]]`, or a bare atom: the
    /// form in which a server writes a set of one.
    #[inline]
    pub fn set(&mut self, mut element: impl FnMut(&mut Cursor<'a>) -> Result<(), JsonError>) -> Result<(), JsonError> {
        if !self.tag("set")? {
            return element(self);
        }
        self.array(element)?;
        self.expect(b']', "']'")
    }

    /// A map, `["map", [[key, value], …]]`: `pair` gets a cursor before each key and one before its value. It must
    /// consume the value.
    #[inline]
    pub fn map(
        &mut self,
        mut pair: impl FnMut(&mut Cursor<'a>, &mut Cursor<'a>) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        if !self.tag("map")? {
            return Err(self.expected("[\"map\", […]]"));
        }
        self.array(|cursor| {
            cursor.expect(b'[', "[key, value]")?;
            let mut key = cursor.clone();
            cursor.skip()?;
            cursor.expect(b',', "','")?;
            pair(&mut key, cursor)?;
            cursor.expect(b']', "']'")
        })?;
        self.expect(b']', "']'")
    }

    /// Consumes `["<tag>",` where it comes next; else stays.
    fn tag(&mut self, tag: &str) -> Result<bool, JsonError> {
        if self.next_byte() != Some(b'[') {
            return Ok(false);
        }
        let start = self.clone();
        self.at += 1;
        if self.next_byte() == Some(b'"') && self.string()? == tag {
            self.expect(b',', "','")?;
            return Ok(true);
        }
        *self = start;
        Ok(false)
    }
}

/// The 36 characters of a UUID in RFC 4122's form; nothing else that calls itself a UUID.
#[inline]
fn hyphenated(digits: &[u8]) -> Option<Uuid> {
    if digits.len() == 36 { Uuid::try_parse_ascii(digits).ok() } else { None }
}
