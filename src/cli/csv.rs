//! CSV (RFC 4180): fields with quotes, commas or line breaks stand in quotes.

use std::io::{self, BufRead};

/// Longest record, in bytes.
const MAX_RECORD: usize = 1 << 20;

/// A line of these fields.
pub(super) fn line<T: AsRef<str>>(fields: impl IntoIterator<Item = T>) -> String {
    let mut text = String::new();
    for (i, field) in fields.into_iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        let field = field.as_ref();
        if field.contains([',', '"', '\n', '\r']) {
            text.push('"');
            text.push_str(&field.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(field);
        }
    }
    text.push('\n');
    text
}

/// Reads record after record.
pub(super) struct Reader<R> {
    input: R,
    line: usize,
    bytes: u64,
}

/// A record, and the line on which it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) line: usize,
    pub(super) fields: Vec<String>,
}

impl<R: BufRead> Reader<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, line: 0, bytes: 0 }
    }

    /// Bytes that were read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next record that isn't empty.
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            let line = self.line + 1;
            let Some(text) = self.text()? else { return Ok(None) };
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            let text = text.strip_suffix('\n').unwrap_or(text);
            let text = text.strip_suffix('\r').unwrap_or(text);
            if !text.trim().is_empty() {
                let fields = fields(text).map_err(|why| wrong(line, &why))?;
                return Ok(Some(Record { line, fields }));
            }
        }
    }

    /// Lines until all quotes are closed.
    fn text(&mut self) -> io::Result<Option<String>> {
        let (first, mut bytes) = (self.line + 1, Vec::new());
        loop {
            let mut limited = io::Read::take(&mut self.input, (MAX_RECORD - bytes.len()) as u64);
            let read = limited.read_until(b'\n', &mut bytes)?;
            self.bytes += read as u64;
            if read == 0 && bytes.is_empty() {
                return Ok(None);
            }
            self.line += 1;
            let open = memchr::memchr_iter(b'"', &bytes).count() % 2 == 1;
            if bytes.len() >= MAX_RECORD {
                return Err(wrong(first, "is longer than a megabyte: a quote that isn't closed?"));
            }
            if !open {
                break;
            }
            if read == 0 {
                return Err(wrong(first, "a quote isn't closed"));
            }
        }
        String::from_utf8(bytes).map(Some).map_err(|_| wrong(first, "is not UTF-8"))
    }
}

fn wrong(line: usize, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("line {line}: {why}"))
}

fn fields(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_field(quoted)?
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (field, after) = rest.split_at(end);
            (field.trim().to_owned(), after)
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.trim().is_empty() => return Ok(fields),
            None => return Err(format!("'{after}' follows a closing quote: put a comma between")),
        }
    }
}

/// Up to the closing quote; two quotes are one.
fn quoted_field(quoted: &str) -> Result<(String, &str), String> {
    let (mut field, mut rest) = (String::new(), quoted);
    loop {
        let end = rest.find('"').ok_or("a quote isn't closed")?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Ok((field, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<Record> {
        let mut reader = Reader::new(text.as_bytes());
        std::iter::from_fn(|| reader.next().unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let fields = ["a", "b,c", "say \"hi\"", "two\nlines", ""];
        let read = all(&line(fields));
        assert_eq!(read, [Record { line: 1, fields: fields.map(str::to_owned).to_vec() }]);
    }

    #[test]
    fn lines_are_counted_and_ends_of_any_kind_taken() {
        let read = all("\u{feff}x,y\r\n\r\n\"a\nb\",1\nc , d");
        let lines: Vec<_> = read.iter().map(|record| record.line).collect();
        assert_eq!(lines, [1, 3, 5]);
        assert_eq!(read[2].fields, ["c", "d"]);
    }

    #[test]
    fn what_is_wrong_names_its_line() {
        for (text, expected) in [("a\n\"b", "line 2: a quote isn't closed"), ("\"a\"b", "line 1: 'b' follows")] {
            let mut reader = Reader::new(text.as_bytes());
            let error = loop {
                match reader.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{text:?} is taken"),
                    Err(error) => break error.to_string(),
                }
            };
            assert!(error.contains(expected), "{error}");
        }
    }
}
