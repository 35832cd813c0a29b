//! CSV (RFC 4180), written and read by the crate `csv`; what is said of a file's mistakes is ours.

use std::{
    cell::Cell,
    io::{self, BufRead, Read},
    rc::Rc,
};

use super::Failure;

/// Longest record, in bytes.
const MAX_RECORD: u64 = 1 << 20;

/// A line of these fields.
pub(super) fn line<T: AsRef<[u8]>>(fields: impl IntoIterator<Item = T>) -> Result<String, Failure> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(fields).map_err(io::Error::from)?;
    let bytes = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| io::Error::other(error).into())
}

/// Reads record after record.
pub(super) struct Reader<R: Read> {
    csv: ::csv::Reader<Limited<R>>,
    /// Bytes that were read since the last record.
    unread: Rc<Cell<u64>>,
    record: ::csv::StringRecord,
}

/// A record, and the line on which it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) line: u64,
    pub(super) fields: Vec<String>,
}

/// Input of which no record may have more than [`MAX_RECORD`]: a quote that isn't closed reads to the end of the file.
struct Limited<R> {
    input: R,
    unread: Rc<Cell<u64>>,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unread.get() > MAX_RECORD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "longer than a megabyte: is a quote not closed?"));
        }
        let read = self.input.read(buffer)?;
        self.unread.set(self.unread.get() + read as u64);
        Ok(read)
    }
}

impl<R: BufRead> Reader<R> {
    pub(super) fn new(input: R) -> Self {
        let unread = Rc::new(Cell::new(0));
        let limited = Limited { input, unread: unread.clone() };
        // How many fields a record has to have is the caller's to say, with the line.
        let csv =
            ::csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(::csv::Trim::All).from_reader(limited);
        Self { csv, unread, record: ::csv::StringRecord::new() }
    }

    /// Bytes that were read.
    pub(super) fn bytes(&self) -> u64 {
        self.csv.position().byte()
    }

    /// The next record that isn't empty; an error says what is wrong in which line.
    pub(super) fn next(&mut self) -> Result<Option<Record>, String> {
        loop {
            self.unread.set(0);
            let line = self.csv.position().line();
            let any = self.csv.read_record(&mut self.record).map_err(|error| wrong(line, error))?;
            if !any {
                return Ok(None);
            }
            if self.record.iter().all(str::is_empty) && self.record.len() == 1 {
                continue;
            }
            let line = self.record.position().map_or(line, ::csv::Position::line);
            if let Some(field) = self.record.iter().find(|field| field.contains(['\n', '\r'])) {
                let begin: String = field.chars().take_while(|c| !c.is_control()).take(20).collect();
                return Err(format!(
                    "{line}: the field that begins with '{begin}' goes on over lines: is a quote not closed?"
                ));
            }
            return Ok(Some(Record { line, fields: self.record.iter().map(str::to_owned).collect() }));
        }
    }
}

fn wrong(line: u64, error: ::csv::Error) -> String {
    let line = error.position().map_or(line, ::csv::Position::line);
    match error.into_kind() {
        ::csv::ErrorKind::Utf8 { err, .. } => format!("{line}: field {} is not UTF-8", err.field() + 1),
        ::csv::ErrorKind::Io(error) => format!("{line}: {error}"),
        // The other kinds belong to serde and to records of equal length.
        _ => format!("{line}: this is not CSV"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &[u8]) -> Result<Vec<Record>, String> {
        let mut reader = Reader::new(text);
        std::iter::from_fn(|| reader.next().transpose()).collect()
    }

    #[test]
    fn lines_are_counted_and_ends_of_any_kind_taken() {
        let read = all("\u{feff}x,y\r\n\r\n \n\"a,b\",1\nc , d".as_bytes()).unwrap();
        let lines: Vec<_> = read.iter().map(|record| record.line).collect();
        assert_eq!(lines, [1, 4, 5]);
        assert_eq!(read[0].fields, ["x", "y"]);
        assert_eq!(read[1].fields, ["a,b", "1"]);
        assert_eq!(read[2].fields, ["c", "d"]);
    }

    #[test]
    fn what_is_wrong_names_its_line() {
        let long = [b"a,b\n\"".to_vec(), vec![b'x'; 3 << 20]].concat();
        for (text, expected) in [
            (
                &b"a,b\nx,\"open\ny,z\n"[..],
                "2: the field that begins with 'open' goes on over lines: is a quote not closed?",
            ),
            (b"a\nb\xff\n", "2: field 1 is not UTF-8"),
            (&long, "2: longer than a megabyte: is a quote not closed?"),
        ] {
            assert_eq!(all(text), Err(expected.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn any_text_reads_back(fields in prop::collection::vec(any::<String>(), 1..5)) {
            let text = line(&fields).unwrap();
            let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
            let read: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(read[0].iter().collect::<Vec<_>>(), fields);
        }
    }
}
