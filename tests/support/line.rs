//! A bad line: a TCP proxy that delays, throttles, splits, stalls, half-closes and cuts.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use super::{
    door::{Door, with},
    eventually,
};

/// What the line does to bytes, in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quality {
    Good,
    /// Each piece comes so much later.
    Slow(Duration),
    /// Bytes a second.
    Narrow(usize),
    /// One byte a write, each in a packet of its own.
    Crumbs,
    /// Nothing comes through, and nobody is told: the other end may have lost its power.
    Dead,
}

#[derive(Debug)]
struct State {
    quality: Quality,
    connections: Vec<(TcpStream, TcpStream)>,
    closed: bool,
}

/// Dropped, it closes its connections and its port.
#[derive(Debug)]
pub(crate) struct Line {
    door: Door,
    state: Arc<Mutex<State>>,
}

impl Line {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let state = State { quality: Quality::Good, connections: Vec::new(), closed: false };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let door = Door::open(move |client| {
            let Ok(server) = TcpStream::connect(server) else { return };
            // Without its own handles there is no line: both ends see it closed.
            let _ = join(&shared, &client, &server);
        });
        Self { door, state }
    }

    pub(crate) fn port(&self) -> u16 {
        self.door.port()
    }

    /// How many connections came so far.
    pub(crate) fn connections(&self) -> usize {
        self.door.accepted()
    }

    /// From now on.
    pub(crate) fn set(&self, quality: Quality) {
        with(&self.state, |state| state.quality = quality);
    }

    /// Cuts all connections; new ones are served.
    pub(crate) fn cut(&self) {
        self.each(|(client, server)| {
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        });
        with(&self.state, |state| state.connections.clear());
    }

    /// The server's side says that it will send no more, and goes on reading.
    pub(crate) fn half_close(&self) {
        self.each(|(client, _)| drop(client.shutdown(Shutdown::Write)));
    }

    /// Our side says that it will send no more, as the server sees it.
    pub(crate) fn half_close_ours(&self) {
        self.each(|(_, server)| drop(server.shutdown(Shutdown::Write)));
    }

    /// Waits for the next connection after so many.
    pub(crate) fn wait_connections(&self, more_than: usize, timeout: Duration) {
        eventually("another connection", timeout, || match self.connections() {
            n if n > more_than => Ok(()),
            n => Err(format!("{n} connections")),
        });
    }

    fn each(&self, f: impl Fn(&(TcpStream, TcpStream))) {
        with(&self.state, |state| state.connections.iter().for_each(f));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.door.close();
        with(&self.state, |state| state.closed = true);
        self.cut();
    }
}

fn join(state: &Arc<Mutex<State>>, client: &TcpStream, server: &TcpStream) -> io::Result<()> {
    for stream in [client, server] {
        stream.set_nodelay(true)?;
        // So that a line that dies is noticed while nothing comes.
        stream.set_read_timeout(Some(Duration::from_millis(50)))?;
    }
    let kept = (client.try_clone()?, server.try_clone()?);
    with(state, |state| state.connections.push(kept));
    for (from, to) in [(client, server), (server, client)] {
        let (from, to, state) = (from.try_clone()?, to.try_clone()?, Arc::clone(state));
        thread::spawn(move || {
            // Ends with either side; what is left of the connection is closed.
            let _ = carry(&state, from, to);
        });
    }
    Ok(())
}

fn carry(state: &Mutex<State>, mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let mut chunk = vec![0; 16 * 1024];
    loop {
        if with(state, |state| state.closed) {
            return to.shutdown(Shutdown::Both);
        }
        if with(state, |state| state.quality == Quality::Dead) {
            thread::sleep(Duration::from_millis(20));
            continue;
        }
        let bytes = match from.read(&mut chunk) {
            Ok(0) => return to.shutdown(Shutdown::Write),
            Ok(n) => chunk.get(..n).unwrap_or_default(),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => continue,
            Err(e) => {
                let _ = to.shutdown(Shutdown::Both);
                return Err(e);
            }
        };
        let begun = Instant::now();
        match with(state, |state| state.quality) {
            Quality::Good => to.write_all(bytes)?,
            Quality::Slow(delay) => {
                thread::sleep(delay);
                to.write_all(bytes)?;
            }
            Quality::Crumbs => bytes.chunks(1).try_for_each(|byte| to.write_all(byte))?,
            Quality::Narrow(rate) => {
                for (i, part) in bytes.chunks((rate / 20).max(1)).enumerate() {
                    let due = Duration::from_millis(50) * u32::try_from(i).unwrap_or(u32::MAX);
                    thread::sleep(due.saturating_sub(begun.elapsed()));
                    to.write_all(part)?;
                }
            }
            // What was read while the line died is lost with it.
            Quality::Dead => {}
        }
    }
}
