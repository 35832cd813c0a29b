//! Server-sent events: bytes in, events out (the WHATWG's "Server-sent events", section "Interpreting an event stream").

/// Longest event, in bytes: some two million entries.
const LONGEST: usize = 256 << 20;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Message {
    /// Its `event:`; empty where none was named.
    pub(super) event: String,
    /// Its `data:` lines.
    pub(super) data: String,
}

/// What can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SseError {
    /// Beyond the bound.
    #[error("an event is larger than {LONGEST} bytes: this is no FDB")]
    TooLong,
    /// The standard allows UTF-8 alone.
    #[error("the stream is not UTF-8: is this the URL of vtepd's API?")]
    NotUtf8,
}

/// Splits a stream into events.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    /// The last byte was a carriage return, which a line feed may complete.
    after_cr: bool,
    pending: Message,
    any_data: bool,
    /// The id of the event that isn't complete yet.
    next_id: Option<String>,
    last_id: Option<String>,
}

impl Parser {
    /// Takes the next bytes; all events that they complete go to `out`.
    pub(super) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<Message>) -> Result<(), SseError> {
        while let Some(at) = memchr::memchr2(b'\n', b'\r', bytes) {
            let (line, rest) = bytes.split_at(at);
            let feed = rest.first() == Some(&b'\n');
            bytes = rest.get(1..).unwrap_or_default();
            // "\r\n" is one end of a line, also where the two come apart.
            if std::mem::take(&mut self.after_cr) && feed && line.is_empty() && self.line.is_empty() {
                continue;
            }
            self.after_cr = !feed;
            self.grow(line)?;
            let whole = std::mem::take(&mut self.line);
            self.line(&whole, out)?;
        }
        if !bytes.is_empty() {
            self.after_cr = false;
        }
        self.grow(bytes)
    }

    /// The last id of what is complete, be it an event or a sign of life.
    pub(super) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    fn grow(&mut self, bytes: &[u8]) -> Result<(), SseError> {
        if self.line.len() + bytes.len() + self.pending.data.len() > LONGEST {
            return Err(SseError::TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<Message>) -> Result<(), SseError> {
        if line.is_empty() {
            let message = std::mem::take(&mut self.pending);
            if std::mem::take(&mut self.any_data) {
                out.push(message);
            }
            if let Some(id) = self.next_id.take() {
                self.last_id = Some(id);
            }
            return Ok(());
        }
        let line = str::from_utf8(line).map_err(|_| SseError::NotUtf8)?;
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.pending.event),
            "data" => {
                if self.any_data {
                    self.pending.data.push('\n');
                }
                self.pending.data.push_str(value);
                self.any_data = true;
            }
            "id" if !value.contains('\0') => self.next_id = Some(value.to_owned()),
            // A comment keeps the connection alive; other fields are none of ours.
            _ => {}
        }
        Ok(())
    }
}
