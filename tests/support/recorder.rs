//! A proxy between daemon and switch that records what the daemon asks for, and can cut the line.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    door::{Door, with},
    rpc::Framer,
};

#[derive(Debug, Default)]
struct Record {
    /// Requests and notifications of the daemon by method.
    methods: BTreeMap<String, usize>,
    /// The params of its `transact` requests, the latest at the end.
    transacts: Vec<Value>,
    connections: Vec<TcpStream>,
}

/// Dropped, it closes its connections and its port.
#[derive(Debug)]
pub(crate) struct Recorder {
    door: Door,
    shared: Arc<(Mutex<Record>, Condvar)>,
}

impl Recorder {
    /// Listens on a free port for a server at `socket`, which need not run yet.
    pub(crate) fn start(socket: PathBuf) -> Self {
        let shared = Arc::new((Mutex::new(Record::default()), Condvar::new()));
        let kept = Arc::clone(&shared);
        let door = Door::open(move |client| {
            // A server that is down: the connection is closed at once.
            let Ok(server) = UnixStream::connect(&socket) else { return };
            join(&kept, client, server);
        });
        Self { door, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.door.port()
    }

    /// How many times the daemon sent `method`.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.with(|record| record.methods.get(method).copied().unwrap_or(0))
    }

    /// Params of all `transact` requests so far.
    pub(crate) fn transacts(&self) -> Vec<Value> {
        self.with(|record| record.transacts.clone())
    }

    /// How many connections the daemon opened.
    pub(crate) fn connections(&self) -> usize {
        self.door.accepted()
    }

    /// Cuts all connections; the next ones are served again.
    pub(crate) fn cut(&self) {
        self.with(|record| {
            for connection in record.connections.drain(..) {
                // One that is closed already needs no cut.
                let _ = connection.shutdown(Shutdown::Both);
            }
        });
    }

    /// Waits until the daemon has sent `method` at least `times`.
    pub(crate) fn wait(&self, method: &str, times: usize, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let (record, news) = &*self.shared;
        let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
        while record.methods.get(method).copied().unwrap_or(0) < times {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{method} was sent {:?} times, not {times}, in {timeout:?}",
                record.methods.get(method)
            );
            record = news.wait_timeout(record, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut Record) -> T) -> T {
        with(&self.shared.0, f)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.door.close();
        self.cut();
    }
}

/// Two threads a connection: one records, one only copies.
fn join(shared: &Arc<(Mutex<Record>, Condvar)>, client: TcpStream, server: UnixStream) {
    let handles = (|| -> io::Result<_> { Ok((client.try_clone()?, client.try_clone()?, server.try_clone()?)) })();
    let Ok((kept, mut to_client, mut from_server)) = handles else { return };
    let _ = client.set_nodelay(true);
    with(&shared.0, |record| record.connections.push(kept));
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        // Ends with either side; what is left of the connection is closed below.
        let _ = record(&shared, client, &server);
        let _ = server.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let _ = io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
}

fn record(shared: &(Mutex<Record>, Condvar), mut client: TcpStream, mut server: &UnixStream) -> io::Result<()> {
    let mut framer = Framer::default();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let bytes = match client.read(&mut chunk)? {
            0 => return Ok(()),
            n => chunk.get(..n).unwrap_or_default(),
        };
        framer.push(bytes);
        while let Some(frame) = framer.next() {
            let mut message: Value = serde_json::from_slice(&frame)?;
            if let Some(method) = message["method"].as_str().map(str::to_owned) {
                with(&shared.0, |record| {
                    if method == "transact" {
                        record.transacts.push(message["params"].take());
                    }
                    *record.methods.entry(method).or_default() += 1;
                });
                shared.1.notify_all();
            }
        }
        server.write_all(bytes)?;
    }
}
