//! A blocking OVSDB client of a few lines: the tests' own eyes and hands, sharing no code with the daemon.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::PATIENCE;

pub(crate) const DB: &str = "hardware_vtep";

/// Splits a stream of JSON texts that nothing separates.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    buffer: Vec<u8>,
    scanned: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Framer {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        while let Some(&byte) = self.buffer.get(self.scanned) {
            self.scanned += 1;
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        let rest = self.buffer.split_off(self.scanned);
                        self.scanned = 0;
                        return Some(std::mem::replace(&mut self.buffer, rest));
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// A connection with an ovsdb-server.
#[derive(Debug)]
pub(crate) struct Rpc {
    stream: UnixStream,
    framer: Framer,
    next_id: u64,
    updates: u64,
}

impl Rpc {
    pub(crate) fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        Ok(Self { stream, framer: Framer::default(), next_id: 1, updates: 0 })
    }

    /// A request and its result.
    ///
    /// # Panics
    /// Where the server answers with an error, or not at all.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({"id": id, "method": method, "params": params}));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let message = self.receive(deadline).unwrap_or_else(|e| panic!("no answer to {method}: {e}"));
            if message["id"] == json!(id) {
                assert!(message["error"].is_null(), "{method} {params}: {}", message["error"]);
                return message["result"].clone();
            }
        }
    }

    /// Runs operations in one transaction and returns their results.
    ///
    /// # Panics
    /// Where one of them fails.
    pub(crate) fn transact(&mut self, operations: &[Value]) -> Vec<Value> {
        let results = self.try_transact(operations);
        for result in &results {
            assert!(result.get("error").is_none(), "transaction {operations:?} failed: {results:?}");
        }
        results
    }

    /// Like [`Self::transact`], with the errors among the results.
    pub(crate) fn try_transact(&mut self, operations: &[Value]) -> Vec<Value> {
        let mut params = vec![json!(DB)];
        params.extend_from_slice(operations);
        let results = self.call("transact", &Value::Array(params));
        results.as_array().expect("a transaction's result is an array").clone()
    }

    /// All columns of the rows of a table.
    pub(crate) fn select(&mut self, table: &str) -> Vec<Value> {
        let results = self.transact(&[json!({"op": "select", "table": table, "where": []})]);
        results[0]["rows"].as_array().expect("rows").clone()
    }

    /// How many rows a table has.
    pub(crate) fn count(&mut self, table: &str) -> usize {
        let select = json!({"op": "select", "table": table, "where": [], "columns": ["_uuid"]});
        self.transact(&[select])[0]["rows"].as_array().expect("rows").len()
    }

    /// Asks for a notification of every later change of the tables.
    pub(crate) fn monitor(&mut self, tables: &[&str]) {
        let select = json!([{"select": {"initial": false}}]);
        let requests: serde_json::Map<_, _> = tables.iter().map(|t| ((*t).to_owned(), select.clone())).collect();
        self.call("monitor", &json!([DB, "harness", requests]));
    }

    /// Waits until the server reports at least one change since the last call; `false` at the deadline.
    pub(crate) fn changed(&mut self, deadline: Instant) -> bool {
        while self.updates == 0 {
            if self.receive(deadline).is_err() {
                return false;
            }
        }
        self.updates = 0;
        true
    }

    /// Waits until the server reports such a row of a table; `false` at the deadline.
    pub(crate) fn told_row(&mut self, table: &str, is_row: impl Fn(&Value) -> bool, deadline: Instant) -> bool {
        loop {
            let Ok(message) = self.receive(deadline) else { return false };
            let rows = message["params"][1][table].as_object().into_iter().flat_map(|rows| rows.values());
            if message["method"] == "update" && rows.into_iter().any(&is_row) {
                return true;
            }
        }
    }

    fn send(&mut self, message: &Value) {
        self.stream.write_all(message.to_string().as_bytes()).expect("the server reads");
    }

    /// The next message; echo requests are answered, updates are counted.
    fn receive(&mut self, deadline: Instant) -> io::Result<Value> {
        loop {
            if let Some(frame) = self.framer.next() {
                let message: Value = serde_json::from_slice(&frame)?;
                match message["method"].as_str() {
                    Some("echo") => {
                        self.send(&json!({"id": message["id"], "result": message["params"], "error": null}));
                    }
                    Some("update") => self.updates += 1,
                    _ => {}
                }
                return Ok(message);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => self.framer.push(chunk.get(..n).unwrap_or_default()),
            }
        }
    }
}
