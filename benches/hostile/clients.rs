//! Clients that harm, or try to. All come from the address of the client that is measured.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::rest::{Kept, Rest};

/// Threads that attack until they are told to stop.
pub(crate) struct Clients {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What one thread does with the API, again and again, until it is told to stop.
type Attack = fn(&Rest, &AtomicBool);

/// Name, number of threads, what each does.
pub(crate) const CLIENTS: &[(&str, usize, Attack)] = &[
    ("5,000 silent connections", 1, silent_connections),
    ("calls without a token at full speed", 2, calls_without_token),
    ("wrong tokens at full speed", 4, wrong_tokens),
    ("four bodies of 63 MB", 4, long_bodies),
    ("20,000 ports in one call", 1, many_ports),
];

impl Clients {
    pub(crate) fn start((_, threads, attack): (&str, usize, Attack), rest: &Rest) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..threads)
            .map(|_| {
                let (rest, stop) = (rest.clone(), Arc::clone(&stop));
                thread::spawn(move || attack(&rest, &stop))
            })
            .collect();
        Self { stop, threads }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("an attacker doesn't panic");
        }
    }
}

/// Connections that say nothing; those that were closed are opened again, a thousand a second.
fn silent_connections(rest: &Rest, stop: &AtomicBool) {
    let mut open: Vec<TcpStream> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        open.retain(|stream| {
            let mut byte = [0];
            stream.set_nonblocking(true).is_ok()
                && matches!((&*stream).read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
        });
        for _ in open.len()..5000.min(open.len() + 20) {
            open.extend(TcpStream::connect(rest.address).ok());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn calls_without_token(rest: &Rest, stop: &AtomicBool) {
    calls(&Rest { token: None, ..rest.clone() }, stop);
}

fn wrong_tokens(rest: &Rest, stop: &AtomicBool) {
    calls(&Rest { token: Some("this-is-not-the-token".to_owned()), ..rest.clone() }, stop);
}

fn calls(rest: &Rest, stop: &AtomicBool) {
    let mut kept = None;
    while !stop.load(Ordering::Relaxed) {
        let Some(connection) = &mut kept else {
            kept = Kept::open(rest.clone()).ok();
            continue;
        };
        if connection.call("GET", "/v2/switches", &Value::Null).is_err() {
            kept = None;
        }
    }
}

/// Bodies as long as they may be, which are no JSON in the end.
fn long_bodies(rest: &Rest, stop: &AtomicBool) {
    let body = [b"{\"ports\": [".to_vec(), vec![b'1'; 63 << 20]].concat();
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(rest.address) else { continue };
        let head = format!(
            "POST /v2.0/ports HTTP/1.1\r\nHost: {}\r\nX-Auth-Token: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            rest.address,
            rest.token.as_deref().unwrap_or_default(),
            body.len()
        );
        // It may be refused before all of it was sent.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
    }
}

/// Ports, as many as one call may bring, on a network that no gateway has; and again.
fn many_ports(rest: &Rest, stop: &AtomicBool) {
    let network = rest.network("crowd");
    let Ok(mut kept) = Kept::open(rest.clone()) else { return };
    let port = |n: u32| {
        let [_, a, b, c] = n.to_be_bytes();
        let mac = format!("fa:16:3f:{a:02x}:{b:02x}:{c:02x}");
        json!({"network_id": network, "mac_address": mac, "binding:host_id": "compute-0"})
    };
    for call in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let ports: Vec<Value> = (call * 20_000..(call + 1) * 20_000).map(port).collect();
        let answer = kept.call("POST", "/v2.0/ports", &json!({ "ports": ports })).expect("an answer");
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    }
}
