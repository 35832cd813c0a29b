//! What comes in: replies, requests and notifications of JSON-RPC 1.0 as RFC 7047 section 4 uses it.

use std::{any::Any, sync::Arc};

use bytes::Bytes;

use super::json::{Cursor, JsonError, ValueKind, write_string};

/// The text of one JSON value, of which only the end was looked for: its [`Cursor`] checks it, once, as it is read. A
/// clone shares the memory of the message that held it.
#[derive(Clone)]
pub struct Raw {
    text: Bytes,
    /// What counts the memory of a long message, for as long as there is a clone.
    claim: Option<Kept>,
}

/// Something that has to live as long as a text does.
pub type Kept = Arc<dyn Any + Send + Sync>;

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Raw {}

/// A message for the owner of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// The answer to the request with this id.
    Reply {
        /// What [`Connection::request`](super::Connection::request) returned.
        id: u64,
        /// The member `result` (`null` where it is missing), or what the member `error` says.
        result: Result<Raw, RpcError>,
    },
    /// `update` (RFC 7047 section 4.1.6): rows changed that a `monitor` watches.
    Update {
        /// The id that the monitor was given; its JSON text where it is not a string.
        monitor: String,
        /// `<table-updates>`.
        updates: Raw,
    },
    /// `update2` (ovsdb-server(7)): rows changed that a `monitor_cond` watches.
    Update2 {
        /// The id that the monitor was given; its JSON text where it is not a string.
        monitor: String,
        /// `<table-updates2>`.
        updates: Raw,
    },
    /// `locked` (section 4.1.9): the lock of this name is ours now.
    Locked(String),
    /// `stolen` (section 4.1.10): the lock of this name is another's now.
    Stolen(String),
    /// `monitor_canceled` (ovsdb-server(7)): the database was converted or removed; the monitor of this id is gone.
    MonitorCanceled(String),
    /// A notification that we don't know.
    Other {
        /// Its method.
        method: String,
    },
}

/// A request that the server refused as a whole (the member `error` of its reply).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the OVSDB server refused the request: {error}{}", .details.as_ref().map(|d| format!(": {d}")).unwrap_or_default())]
pub struct RpcError {
    /// The error's name ("unknown database"), or the text of a plain string.
    pub error: String,
    /// Its details, where the server gave any.
    pub details: Option<String>,
}

/// Everything that a peer may say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// For the owner of the connection.
    Incoming(Incoming),
    /// The peer wants an answer under this id.
    Request {
        /// Any JSON value but `null`.
        id: Raw,
        /// `echo`, in practice.
        method: String,
        /// An array, `[]` where it is missing. Checked: it may be sent back.
        params: Raw,
    },
    /// A reply whose id is no number of ours: the answer to a probe.
    StrayReply,
}

// ===== impl Raw =====

impl Raw {
    /// Checks that `text` is one JSON value.
    pub fn parse(text: Bytes) -> Result<Self, JsonError> {
        let mut cursor = Cursor::new(&text);
        cursor.skip()?;
        cursor.end()?;
        Ok(Self::new(text))
    }

    const fn new(text: Bytes) -> Self {
        Self { text, claim: None }
    }

    /// `part` must be a slice of `whole` that a cursor has passed over.
    fn part(whole: &Bytes, part: &[u8]) -> Self {
        Self::new(whole.slice_ref(part))
    }

    /// A cursor before the value.
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor::new(&self.text)
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// The text in memory that can be given back piece by piece, and what counts that memory. It isn't copied where nobody
    /// else holds its message.
    pub fn into_vec(self) -> (Vec<u8>, Option<Kept>) {
        (self.text.into(), self.claim)
    }
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Raw({})", excerpt(&self.text))
    }
}

/// A short printable piece of what a peer sent, for errors and logs.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    const LIMIT: usize = 80;
    let shown: Vec<u8> = bytes.iter().copied().take(LIMIT).collect();
    let text: String = String::from_utf8_lossy(&shown)
        .chars()
        .map(|c| if c.is_control() || c == char::REPLACEMENT_CHARACTER { '·' } else { c })
        .collect();
    if bytes.len() > LIMIT { format!("{text}…") } else { text }
}

/// What a peer says, for people: without control characters, and no longer than anybody reads.
pub(super) fn words(text: &str) -> String {
    const LIMIT: usize = 1000;
    // Methods and ids come with each message: most need no second look.
    if text.len() <= LIMIT && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    text.chars().map(|c| if c.is_control() { '·' } else { c }).take(LIMIT).collect()
}

// ===== impl Message =====

impl Message {
    /// Counts the memory of the message for as long as a part of it is held.
    #[cfg(feature = "client")]
    pub(super) fn keep(&mut self, claim: Option<impl Any + Send + Sync>) {
        let raw = match self {
            Self::Incoming(
                Incoming::Reply { result: Ok(raw), .. }
                | Incoming::Update { updates: raw, .. }
                | Incoming::Update2 { updates: raw, .. },
            ) => raw,
            Self::Request { params, .. } => params,
            Self::Incoming(_) | Self::StrayReply => return,
        };
        raw.claim = claim.map(|claim| Arc::new(claim) as Kept);
    }
}

// ===== parsing =====

/// Reads one message.
pub fn parse(text: &Bytes) -> Result<Message, JsonError> {
    let mut method = None;
    let mut members = Members::default();
    let mut cursor = Cursor::new(text);
    cursor.object(|key, value| {
        match key {
            "method" if value.peek()? == ValueKind::String => method = Some(words(&value.string()?)),
            "id" => members.id = Some(value.raw()?),
            "params" => {
                let start = value.clone();
                members.params = Some((start, value.raw_unchecked()?));
            }
            "result" => members.result = Some(value.raw_unchecked()?),
            "error" => members.error = Some(value.raw()?),
            _ => value.skip()?,
        }
        Ok(())
    })?;
    cursor.end()?;
    match (method, members.id.filter(|id| *id != b"null")) {
        (Some(method), Some(id)) => {
            let params = members.params.map(|(mut start, params)| start.skip().map(|()| Raw::part(text, params)));
            let params = params.transpose()?.unwrap_or(Raw::new(Bytes::from_static(b"[]")));
            Ok(Message::Request { id: Raw::part(text, id), method, params })
        }
        (Some(method), None) => {
            notification(text, method, members.params.map(|(start, _)| start)).map(Message::Incoming)
        }
        (None, Some(id)) => members.reply(text, id),
        (None, None) if members.result.is_some() || members.error.is_some() => Ok(Message::StrayReply),
        (None, None) => Err(Cursor::new(text).expected("a member 'method' or 'id'")),
    }
}

#[derive(Default)]
struct Members<'a> {
    id: Option<&'a [u8]>,
    /// Where they begin, and their text.
    params: Option<(Cursor<'a>, &'a [u8])>,
    result: Option<&'a [u8]>,
    error: Option<&'a [u8]>,
}

impl Members<'_> {
    fn reply(&self, text: &Bytes, id: &[u8]) -> Result<Message, JsonError> {
        let Some(id) = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok()) else {
            return Ok(Message::StrayReply);
        };
        let result = match self.error {
            Some(error) if error != b"null" => Err(RpcError::read(&mut Cursor::new(error))?),
            _ => Ok(self.result.map_or(Raw::new(Bytes::from_static(b"null")), |result| Raw::part(text, result))),
        };
        Ok(Message::Incoming(Incoming::Reply { id, result }))
    }
}

fn notification(text: &Bytes, method: String, params: Option<Cursor<'_>>) -> Result<Incoming, JsonError> {
    let mut params = params.unwrap_or(Cursor::new(b"[]"));
    Ok(match method.as_str() {
        "update" => {
            let (monitor, updates) = update(text, &mut params)?;
            Incoming::Update { monitor, updates }
        }
        "update2" => {
            let (monitor, updates) = update(text, &mut params)?;
            Incoming::Update2 { monitor, updates }
        }
        "locked" => Incoming::Locked(first(&mut params)?),
        "stolen" => Incoming::Stolen(first(&mut params)?),
        "monitor_canceled" => Incoming::MonitorCanceled(first(&mut params)?),
        _ => Incoming::Other { method },
    })
}

/// `[<json-value>, <table-updates>]`
fn update(text: &Bytes, params: &mut Cursor<'_>) -> Result<(String, Raw), JsonError> {
    let mut monitor = None;
    let mut updates = None;
    params.array(|value| {
        match (&monitor, &updates) {
            (None, _) => monitor = Some(name(value)?),
            (_, None) => updates = Some(Raw::part(text, value.raw_unchecked()?)),
            _ => value.skip()?,
        }
        Ok(())
    })?;
    monitor.zip(updates).ok_or_else(|| params.expected("a monitor's id and its updates"))
}

/// The first parameter.
fn first(params: &mut Cursor<'_>) -> Result<String, JsonError> {
    let mut found = None;
    params.array(|value| match found {
        None => name(value).map(|text| found = Some(text)),
        Some(_) => value.skip(),
    })?;
    found.ok_or_else(|| params.expected("a parameter"))
}

/// A string's content, or the text of any other value: of ids and locks of ours, and of what a peer makes of them.
fn name(value: &mut Cursor<'_>) -> Result<String, JsonError> {
    match value.peek()? {
        ValueKind::String => value.string().map(|text| words(&text)),
        _ => value.raw().map(excerpt),
    }
}

impl RpcError {
    /// Reads a string, or an object with the members `error` and `details`.
    pub(super) fn read(value: &mut Cursor<'_>) -> Result<Self, JsonError> {
        if value.peek()? != ValueKind::Object {
            return Ok(Self { error: name(value)?, details: None });
        }
        let mut error = String::new();
        let mut details = None;
        value.object(|key, value| {
            match key {
                "error" => error = name(value)?,
                "details" if value.peek()? != ValueKind::Null => details = Some(name(value)?),
                _ => value.skip()?,
            }
            Ok(())
        })?;
        Ok(Self { error, details })
    }
}

// ===== writing =====

/// Appends a request; without `id` a notification. No member more: ovsdb-server drops a connection that sends one.
pub fn write_request(out: &mut Vec<u8>, id: Option<u64>, method: &str, params: &[u8]) {
    out.extend_from_slice(b"{\"id\":");
    match id {
        Some(id) => out.extend_from_slice(id.to_string().as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"method\":");
    write_string(out, method);
    out.extend_from_slice(b",\"params\":");
    out.extend_from_slice(params);
    out.push(b'}');
}

/// Appends the answer to a request of the peer: `echo` returns its parameters (RFC 7047 section 4.1.11), and we
/// serve nothing else.
pub fn write_answer(out: &mut Vec<u8>, id: &Raw, method: &str, params: &Raw) {
    out.extend_from_slice(b"{\"id\":");
    out.extend_from_slice(id.as_bytes());
    if method == "echo" {
        out.extend_from_slice(b",\"result\":");
        out.extend_from_slice(params.as_bytes());
        out.extend_from_slice(b",\"error\":null}");
    } else {
        out.extend_from_slice(b",\"result\":null,\"error\":\"unknown method\"}");
    }
}

#[cfg(test)]
mod tests;
