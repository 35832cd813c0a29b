//! Lines that begin with the level as the journal reads it from a stream: `<6>` (sd-daemon(3)).

use std::io::{self, Write};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// The syslog priority of a level.
pub(super) fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// Standard error with a prefix.
pub(super) struct Prefixed;

/// One event's line.
pub(super) struct Line<W> {
    priority: u8,
    out: W,
}

impl<W: Write> Line<W> {
    pub(super) fn new(level: Level, out: W) -> Self {
        Self { priority: priority(level), out }
    }
}

impl<W: Write> Write for Line<W> {
    /// The formatter hands over one event at a time; of an event with several lines each gets the prefix.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let mut text = Vec::with_capacity(event.len() + 8);
        for line in event.split_inclusive(|byte| *byte == b'\n') {
            write!(text, "<{}>", self.priority)?;
            text.extend_from_slice(line);
        }
        self.out.write_all(&text)?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<'a> MakeWriter<'a> for Prefixed {
    type Writer = Line<io::Stderr>;

    fn make_writer(&'a self) -> Self::Writer {
        Line::new(Level::INFO, io::stderr())
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        Line::new(*metadata.level(), io::stderr())
    }
}
