//! The messages of a monitor (RFC 7047 section 4.1.6, `<table-updates>`), read at once or a slice at a time.
//!
//! A switch decides how long its messages are. A long one is a [`Decoding`]: its owner reads some rows, lets others have their
//! turn, and goes on.

use std::ops::Range;

use ovsdb::json::{Cursor, JsonError, Pieces, Position, ValueKind};

use super::{
    budget::BudgetExcess,
    replica::{Replica, Touched},
    tables::Table,
};

/// Bytes of a message whose memory is given back at once.
const PIECE: usize = 4 << 20;
/// Bytes of a row that count as a row more: a port has up to 4,096 bindings.
const BYTES_OF_ROW: usize = 512;

/// A message can't be taken. Rows before the error were: the replica is of no further use, and the session has to start again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// It is not what RFC 7047 says.
    #[error("the switch sent what RFC 7047 doesn't know: {0}")]
    Malformed(#[from] JsonError),
    /// The switch has more than it may have.
    #[error(transparent)]
    Excess(#[from] BudgetExcess),
}

/// A message that is read a slice at a time. Of a long one the memory goes back as its rows are made, from the end: the text of
/// a switch with a million MACs is 225 MB, three times the size of their rows.
#[derive(Debug)]
pub struct Decoding {
    text: Vec<u8>,
    work: Work,
}

/// What is done with the text.
#[derive(Debug)]
enum Work {
    /// It is read from begin to end.
    Whole(Tables),
    /// It is cut into pieces of tables.
    Cut {
        size: usize,
        place: Option<Position>,
        first: bool,
        table: Option<(Option<Table>, Pieces)>,
        pieces: Vec<Piece>,
    },
    /// The pieces are read, the last one first.
    Read { pieces: Vec<Piece>, rows: Option<Rows> },
}

/// Rows of one table; `None`: one that nobody asked for.
type Piece = (Option<Table>, Range<usize>);

/// How far the tables of an object were read.
#[derive(Debug, Default)]
struct Tables {
    place: Option<Position>,
    /// The table whose rows are being read.
    rows: Option<Rows>,
    /// A table was read.
    begun: bool,
}

/// How far the rows of a table were read.
#[derive(Debug, Clone, Copy)]
struct Rows {
    table: Option<Table>,
    place: Position,
    first: bool,
}

// ===== impl Decoding =====

impl Decoding {
    /// For the reply of `monitor`, or the `<table-updates>` of an `update`.
    #[must_use]
    pub fn new(text: Vec<u8>) -> Self {
        Self::by(PIECE, text)
    }

    pub(super) fn by(size: usize, text: Vec<u8>) -> Self {
        // To look for the ends of pieces costs a quarter of the time.
        let work = if text.len() <= size {
            Work::Whole(Tables::default())
        } else {
            Work::Cut { size, place: None, first: true, table: None, pieces: Vec::new() }
        };
        Self { text, work }
    }

    /// Bytes that are still to be read.
    #[must_use]
    pub fn left(&self) -> usize {
        self.text.len()
    }

    /// Looks for the end of one more piece.
    fn cut(&mut self) -> Result<(), JsonError> {
        let Work::Cut { size, place, first, table, pieces } = &mut self.work else { return Ok(()) };
        if let Some((of, parts)) = table {
            if let Some(piece) = parts.next(&self.text)? {
                pieces.push((*of, piece));
            } else {
                *place = Some(parts.end());
                *table = None;
            }
            return Ok(());
        }
        let mut cursor = within(&self.text, *place)?;
        let Some(name) = cursor.next_member(std::mem::take(first))? else {
            cursor.end()?;
            let pieces = std::mem::take(pieces);
            self.work = Work::Read { pieces, rows: None };
            return Ok(());
        };
        let of = Table::of(&name);
        if cursor.peek()? == ValueKind::Object {
            *table = Some((of, cursor.pieces(*size)?));
        } else {
            // What is no table's rows is an error where a table was asked for.
            no_rows(of, &mut cursor)?;
        }
        *place = Some(cursor.place());
        Ok(())
    }
}

/// A cursor in an object: where it was left, or before the first member.
fn within(object: &[u8], place: Option<Position>) -> Result<Cursor<'_>, JsonError> {
    if let Some(place) = place {
        return Ok(Cursor::resume(object, place));
    }
    let mut cursor = Cursor::new(object);
    cursor.enter_object()?;
    Ok(cursor)
}

/// Passes over a value that is no object of rows.
fn no_rows(table: Option<Table>, cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
    if table.is_none() { cursor.skip() } else { cursor.enter_object() }
}

// ===== impl Replica =====

impl Replica {
    /// Takes the reply of `monitor`, or the `<table-updates>` of an `update`, and says what it touched. At once: for messages
    /// that are short.
    ///
    /// # Errors
    /// [`UpdateError`]: the replica is then of no further use.
    pub fn apply(&mut self, updates: &[u8], touched: &mut Touched) -> Result<(), UpdateError> {
        let mut all = usize::MAX;
        self.read_tables(updates, &mut Tables::default(), &mut all, touched)?;
        self.check_budget()?;
        self.sweep();
        Ok(())
    }

    /// [`Self::decode`] to the end, for the reply of `monitor`, of which all is new.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn load(&mut self, reply: Vec<u8>) -> Result<(), UpdateError> {
        self.finish(Decoding::new(reply))
    }

    pub(super) fn finish(&mut self, mut decoding: Decoding) -> Result<(), UpdateError> {
        while !self.decode(&mut decoding, usize::MAX, &mut Touched::default())? {}
        Ok(())
    }

    /// Takes about this many rows of a message, or looks for the end of a piece of it; a long row counts as several. `true`: all
    /// of it was taken.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn decode(&mut self, decoding: &mut Decoding, rows: usize, touched: &mut Touched) -> Result<bool, UpdateError> {
        let mut left = rows;
        let text = &mut decoding.text;
        let done = match &mut decoding.work {
            Work::Whole(tables) => self.read_tables(text, tables, &mut left, touched)?,
            Work::Cut { .. } => {
                decoding.cut()?;
                false
            }
            Work::Read { pieces, rows } => match pieces.last().cloned() {
                Some(piece) => {
                    if self.read_piece(text, &piece, rows, &mut left, touched)? {
                        pieces.pop();
                        text.truncate(piece.1.start + 1);
                        text.shrink_to_fit();
                    }
                    false
                }
                None => true,
            },
        };
        self.check_budget()?;
        if done {
            self.sweep();
        }
        Ok(done)
    }

    fn read_piece(
        &mut self,
        text: &mut [u8],
        (table, Range { start, end }): &Piece,
        rows: &mut Option<Rows>,
        left: &mut usize,
        touched: &mut Touched,
    ) -> Result<bool, JsonError> {
        // Where the rows were cut stands a comma, or what the piece behind it has made of its own.
        if rows.is_none()
            && let [first, .., last] = text.get_mut(*start..*end).unwrap_or_default()
        {
            *first = if *first == b',' { b'{' } else { *first };
            *last = if matches!(last, b',' | b'{') { b'}' } else { *last };
        }
        let piece = text.get(*start..*end).unwrap_or_default();
        let mut read = || {
            let mut cursor = within(piece, rows.map(|rows| rows.place))?;
            let now = rows.get_or_insert(Rows { table: *table, place: cursor.place(), first: true });
            if !self.read_rows(&mut cursor, now, left, touched)? {
                return Ok(false);
            }
            *rows = None;
            cursor.end().map(|()| true)
        };
        read().map_err(|error: JsonError| JsonError { offset: start + error.offset, ..error })
    }

    /// `true`: the tables have ended.
    fn read_tables(
        &mut self,
        text: &[u8],
        tables: &mut Tables,
        left: &mut usize,
        touched: &mut Touched,
    ) -> Result<bool, JsonError> {
        let mut cursor = within(text, tables.place)?;
        loop {
            if let Some(rows) = &mut tables.rows {
                if !self.read_rows(&mut cursor, rows, left, touched)? {
                    tables.place = Some(cursor.place());
                    return Ok(false);
                }
                tables.rows = None;
            }
            let Some(name) = cursor.next_member(!std::mem::replace(&mut tables.begun, true))? else {
                return cursor.end().map(|()| true);
            };
            let table = Table::of(&name);
            if cursor.peek()? == ValueKind::Object {
                cursor.enter_object()?;
                tables.rows = Some(Rows { table, place: cursor.place(), first: true });
            } else {
                no_rows(table, &mut cursor)?;
            }
        }
    }

    /// `true`: the rows of the table have ended.
    fn read_rows(
        &mut self,
        cursor: &mut Cursor<'_>,
        rows: &mut Rows,
        left: &mut usize,
        touched: &mut Touched,
    ) -> Result<bool, JsonError> {
        while *left > 0 {
            let begin = cursor.offset();
            let Some(key) = cursor.next_member(std::mem::take(&mut rows.first))? else { return Ok(true) };
            self.row(rows.table, &key, cursor, touched)?;
            *left = left.saturating_sub(1 + (cursor.offset() - begin) / BYTES_OF_ROW);
        }
        rows.place = cursor.place();
        Ok(false)
    }
}
