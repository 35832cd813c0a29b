//! Stands in for vtepd's event stream where the daemon itself can't be made to do what a test needs.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::PATIENCE;

/// The head of a request, and the connection on which events go out.
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) head: String,
    stream: TcpStream,
}

impl Watcher {
    /// An event with its revision.
    pub(crate) fn send(&mut self, event: &str, id: u64, data: &Value) {
        let text = format!("event: {event}\nid: {id}\ndata: {data}\n\n");
        self.stream.write_all(text.as_bytes()).expect("the watcher is connected");
    }
}

/// The endpoint.
#[derive(Debug)]
pub(crate) struct Double {
    watchers: mpsc::Receiver<Watcher>,
    /// Whether callers are answered 503.
    pub(crate) closed: Arc<Mutex<bool>>,
    /// The first lines of other calls: of ports, of which there are those of `ports`.
    calls: Arc<Mutex<Vec<String>>>,
    ports: Arc<Mutex<Value>>,
}

impl Double {
    pub(crate) fn listen(address: &str) -> Self {
        let address: SocketAddr = address.parse().expect("an address");
        let listener = TcpListener::bind(address).expect("the address is free");
        let (tell, watchers) = mpsc::channel();
        let closed = Arc::new(Mutex::new(false));
        let (calls, ports) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(Mutex::new(Value::Array(Vec::new()))));
        let (refuses, called, listed) = (closed.clone(), calls.clone(), ports.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut head = String::new();
                let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
                while reader.read_line(&mut head).is_ok_and(|length| length > 2) {}
                if *refuses.lock().expect("nobody panicked") {
                    let _ = stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
                    continue;
                }
                if !head.starts_with("GET /v2/fdb/watch") {
                    called.lock().expect("nobody panicked").push(head.lines().next().unwrap_or_default().to_owned());
                    let body = json!({"ports": *listed.lock().expect("nobody panicked")}).to_string();
                    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
                    let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
                    continue;
                }
                let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
                if stream.write_all(answer.as_bytes()).is_ok() && tell.send(Watcher { head, stream }).is_err() {
                    return;
                }
            }
        });
        Self { watchers, closed, calls, ports }
    }

    /// What other calls than for events came so far: their first lines.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().expect("nobody panicked").clone()
    }

    /// The ports that a list answers from now on.
    pub(crate) fn list(&self, ports: Value) {
        *self.ports.lock().expect("nobody panicked") = ports;
    }

    /// The next caller.
    pub(crate) fn accept(&self) -> Watcher {
        self.watchers.recv_timeout(PATIENCE).expect("vtep-hostd connects")
    }

    /// Whether somebody calls within this time.
    pub(crate) fn called(&self, within: Duration) -> bool {
        self.watchers.recv_timeout(within).is_ok()
    }
}
