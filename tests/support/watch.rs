//! A follower of `/v2/fdb/watch`: server-sent events off a chunked answer.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{PATIENCE, rest::Rest, schema::event_complaints};

/// An event as the stream brought it.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// `id:`, if this one had one.
    pub(crate) id: Option<String>,
    pub(crate) kind: String,
    pub(crate) data: Value,
}

/// What a consumer knows of a network: its flood list, and the VTEP of each MAC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) flood: Vec<String>,
    pub(crate) entries: BTreeMap<String, (String, String)>,
}

/// A stream, and what a consumer would know by it.
#[derive(Debug)]
pub(crate) struct Watch {
    stream: BufReader<TcpStream>,
    rest: Vec<u8>,
    /// What the daemon says of its events.
    document: Option<&'static Value>,
    /// The last id.
    pub(crate) last: Option<String>,
    pub(crate) networks: BTreeMap<String, Known>,
    /// Events so far, by kind.
    pub(crate) seen: BTreeMap<String, usize>,
}

impl Watch {
    /// Opens `/v2/fdb/watch` with this query (`?scope=all`) and this Last-Event-ID.
    pub(crate) fn open(rest: &Rest, query: &str, last: Option<&str>) -> Self {
        let stream = TcpStream::connect(rest.address).expect("the API listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a bound on waiting");
        let mut head = format!("GET /v2/fdb/watch{query} HTTP/1.1\r\nHost: {}\r\n", rest.address);
        if let Some(token) = &rest.token {
            let _ = write!(head, "X-Auth-Token: {token}\r\n");
        }
        if let Some(last) = last {
            let _ = write!(head, "Last-Event-ID: {last}\r\n");
        }
        head.push_str("\r\n");
        (&stream).write_all(head.as_bytes()).expect("the request is sent");
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).expect("an answer");
        assert!(line.contains(" 200 "), "{line}");
        let mut event_stream = false;
        loop {
            line.clear();
            stream.read_line(&mut line).expect("headers");
            event_stream |= line.to_ascii_lowercase().contains("text/event-stream");
            if line.trim().is_empty() {
                break;
            }
        }
        assert!(event_stream, "its type is text/event-stream");
        let document = rest.document();
        Self { stream, rest: Vec::new(), document, last: None, networks: BTreeMap::new(), seen: BTreeMap::new() }
    }

    fn chunk(&mut self) -> io::Result<()> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim(), 16).map_err(|_| io::Error::other(format!("chunk: {line}")))?;
        if size == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.stream.by_ref().take(size as u64).read_to_end(&mut self.rest)?;
        line.clear();
        self.stream.read_line(&mut line)?;
        Ok(())
    }

    /// The next block of the stream, whatever it is.
    fn block(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.rest.windows(2).position(|pair| pair == b"\n\n") {
                let block = self.rest.drain(..end + 2).collect();
                return String::from_utf8(block).map_err(io::Error::other);
            }
            self.chunk()?;
        }
    }

    /// The next event; an error at the stream's end, or after `patience` without one.
    pub(crate) fn event_within(&mut self, patience: Duration) -> io::Result<Event> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.stream.get_ref().set_read_timeout(Some(left))?;
            let block = self.block()?;
            let field = |name: &str| {
                let mut lines = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                lines.next().map(str::to_owned)
            };
            let id = field("id");
            self.last = id.clone().or(self.last.take());
            if let (Some(kind), Some(data)) = (field("event"), field("data")) {
                let data = serde_json::from_str(&data).map_err(io::Error::other)?;
                let event = Event { id, kind, data };
                self.take(&event);
                return Ok(event);
            }
        }
    }

    /// # Panics
    /// Where none comes.
    pub(crate) fn event(&mut self) -> Event {
        self.event_within(PATIENCE).unwrap_or_else(|e| panic!("no event: {e}; known: {:#?}", self.networks))
    }

    /// The next comment.
    pub(crate) fn comment(&mut self) -> String {
        loop {
            let block = self.block().expect("the stream goes on");
            if let Some(comment) = block.lines().find_map(|line| line.strip_prefix(':')) {
                return comment.trim().to_owned();
            }
        }
    }

    /// Reads until what is known of a network is as `good` wants it.
    pub(crate) fn until(&mut self, network: &str, what: &str, good: impl Fn(&Known) -> bool) -> Known {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let known = self.networks.get(network).cloned().unwrap_or_default();
            if good(&known) {
                return known;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            self.event_within(left).unwrap_or_else(|e| panic!("{what}: {e}; known: {known:#?}"));
        }
    }

    fn take(&mut self, event: &Event) {
        if let Some(document) = self.document {
            let complaints = event_complaints(document, "/v2/fdb/watch", &event.kind, &event.data);
            assert!(complaints.is_empty(), "not what /openapi.json says:\n{}", complaints.join("\n"));
        }
        *self.seen.entry(event.kind.clone()).or_default() += 1;
        match event.kind.as_str() {
            "snapshot" => {
                self.networks.clear();
                for network in event.data["networks"].as_array().expect("networks") {
                    let known = Known { flood: flood(network), entries: entries(&network["entries"]) };
                    self.networks.insert(text(&network["network_id"]), known);
                }
            }
            "change" if event.data["removed"] == true => {
                self.networks.remove(&text(&event.data["network_id"]));
            }
            "change" => {
                let known = self.networks.entry(text(&event.data["network_id"])).or_default();
                known.flood = flood(&event.data);
                known.entries.extend(entries(&event.data["set"]));
                for mac in event.data["del"].as_array().expect("del") {
                    known.entries.remove(&text(mac));
                }
            }
            other => panic!("an event of kind {other}"),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn flood(network: &Value) -> Vec<String> {
    network["flood"].as_array().expect("flood").iter().map(text).collect()
}

fn entries(list: &Value) -> BTreeMap<String, (String, String)> {
    let entry = |entry: &Value| (text(&entry["mac"]), (text(&entry["vtep"]), text(&entry["kind"])));
    list.as_array().expect("entries").iter().map(entry).collect()
}

/// What `GET /v2/fdb/{network}` says.
pub(crate) fn fdb(rest: &Rest, network: &str, query: &str) -> Known {
    let answer = rest.get(&format!("/v2/fdb/{network}{query}")).expect(200);
    Known { flood: flood(&answer), entries: entries(&answer["entries"]) }
}
