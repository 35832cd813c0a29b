//! A proxy between daemon and switch that meddles: it holds requests back, answers them itself, and says to the daemon
//! what no server can be made to say.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    door::{Door, with},
    eventually,
    rpc::Framer,
};

#[derive(Debug, Default)]
struct State {
    /// Requests of this method are held.
    hold: Option<String>,
    held: Vec<(UnixStream, Vec<u8>)>,
    /// What the next request of a method is answered with, instead of being passed on.
    answers: Vec<(String, Value)>,
    /// Errors within the results that the server sent.
    errors: Vec<String>,
    daemons: Vec<Arc<Mutex<TcpStream>>>,
    servers: Vec<UnixStream>,
    resets: usize,
}

/// Dropped, it closes its connections and its port.
#[derive(Debug)]
pub(crate) struct Meddler {
    door: Door,
    state: Arc<Mutex<State>>,
}

impl Meddler {
    /// Listens on a free port for a server at `socket`.
    pub(crate) fn start(socket: PathBuf) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let door = Door::open(move |client| {
            let Ok(server) = UnixStream::connect(&socket) else { return };
            // Without handles of its own there is no connection: both ends see it closed.
            let _ = join(&shared, client, server);
        });
        Self { door, state }
    }

    /// The keys of plumgrid.ini.
    pub(crate) fn lines(&self) -> String {
        format!("management_ip = 127.0.0.1\nport = {}\n", self.door.port())
    }

    /// How many connections the daemon opened.
    pub(crate) fn connections(&self) -> usize {
        self.door.accepted()
    }

    /// From now on, requests of this method don't reach the server.
    pub(crate) fn hold(&self, method: &str) {
        with(&self.state, |state| state.hold = Some(method.to_owned()));
    }

    /// Waits until so many are held.
    pub(crate) fn wait_held(&self, count: usize, timeout: Duration) {
        eventually("requests that are held", timeout, || match with(&self.state, |state| state.held.len()) {
            held if held >= count => Ok(()),
            held => Err(format!("{held} of {count}")),
        });
    }

    /// What was held goes on to the server, and nothing is held any more.
    pub(crate) fn release(&self) {
        let held = with(&self.state, |state| {
            state.hold = None;
            std::mem::take(&mut state.held)
        });
        for (mut server, frame) in held {
            server.write_all(&frame).expect("the server reads");
        }
    }

    /// What was held is lost, and nothing is held any more.
    pub(crate) fn forget(&self) {
        with(&self.state, |state| {
            state.hold = None;
            state.held.clear();
        });
    }

    /// The next request of this method is answered with this error, and the server never hears of it.
    pub(crate) fn refuse(&self, method: &str, error: &Value) {
        with(&self.state, |state| state.answers.push((method.to_owned(), error.clone())));
    }

    /// Says this to the daemon, between two messages of the server's.
    pub(crate) fn say(&self, message: &Value) {
        let daemons = with(&self.state, |state| state.daemons.clone());
        for daemon in daemons {
            // Old connections are closed.
            let _ = tell(&daemon, message.to_string().as_bytes());
        }
    }

    /// Gives a lock back, in the daemon's name.
    pub(crate) fn unlock(&self, name: &str) {
        let request = json!({"id": "meddler", "method": "unlock", "params": [name]}).to_string();
        with(&self.state, |state| {
            for server in &mut state.servers {
                // Old connections are closed.
                let _ = server.write_all(request.as_bytes());
            }
        });
    }

    /// The daemon's connections fail, as if a firewall had forgotten them; the server's end is closed.
    pub(crate) fn reset(&self) {
        let daemons = with(&self.state, |state| {
            state.resets += 1;
            std::mem::take(&mut state.daemons)
        });
        for daemon in daemons {
            with(&daemon, |daemon| {
                // With no time to linger, closing is a reset.
                let socket = socket2::SockRef::from(&*daemon);
                socket.set_linger(Some(Duration::ZERO)).expect("the socket is there");
                daemon.shutdown(Shutdown::Read).expect("the socket is there");
            });
        }
    }

    /// Errors within the results that the server sent.
    pub(crate) fn errors(&self) -> Vec<String> {
        with(&self.state, |state| state.errors.clone())
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.door.close();
        for daemon in with(&self.state, |state| std::mem::take(&mut state.daemons)) {
            let _ = with(&daemon, |daemon| daemon.shutdown(Shutdown::Both));
        }
    }
}

fn tell(daemon: &Mutex<TcpStream>, bytes: &[u8]) -> io::Result<()> {
    with(daemon, |daemon| daemon.write_all(bytes))
}

fn join(state: &Arc<Mutex<State>>, client: TcpStream, server: UnixStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let daemon = Arc::new(Mutex::new(client.try_clone()?));
    let kept = server.try_clone()?;
    with(state, |state| {
        state.daemons.push(Arc::clone(&daemon));
        state.servers.push(kept);
    });
    let resets = with(state, |state| state.resets);
    let (from_server, to_daemon, replies) = (server.try_clone()?, Arc::clone(&daemon), Arc::clone(state));
    let requests = Arc::clone(state);
    thread::spawn(move || {
        // Ends with either side; what is left of the connection is closed.
        let _ = pass_requests(&requests, &client, &server, &daemon);
        let _ = server.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let _ = pass_replies(&replies, from_server, &to_daemon);
        // An orderly end would be none that nobody heard of.
        if with(&replies, |state| state.resets) == resets {
            let _ = with(&to_daemon, |daemon| daemon.shutdown(Shutdown::Both));
        }
    });
    Ok(())
}

fn pass_requests(
    state: &Mutex<State>,
    client: &TcpStream,
    server: &UnixStream,
    daemon: &Mutex<TcpStream>,
) -> io::Result<()> {
    each_message(client, |frame| {
        let message: Value = serde_json::from_slice(&frame)?;
        let method = message["method"].as_str().unwrap_or_default();
        let answer = with(state, |state| {
            let at = state.answers.iter().position(|(wanted, _)| wanted == method)?;
            Some(state.answers.remove(at).1)
        });
        if let Some(error) = answer {
            let reply = json!({"id": message["id"], "result": null, "error": error});
            return tell(daemon, reply.to_string().as_bytes());
        }
        let kept = server.try_clone()?;
        let frame = with(state, |state| {
            if state.hold.as_deref() == Some(method) {
                state.held.push((kept, frame));
                return None;
            }
            Some(frame)
        });
        let mut server = server;
        frame.map_or(Ok(()), |frame| server.write_all(&frame))
    })
}

fn pass_replies(state: &Mutex<State>, server: UnixStream, daemon: &Mutex<TcpStream>) -> io::Result<()> {
    each_message(server, |frame| {
        let message: Value = serde_json::from_slice(&frame)?;
        let errors = message["result"].as_array().into_iter().flatten().filter_map(|one| one["error"].as_str());
        with(state, |state| state.errors.extend(errors.map(str::to_owned)));
        tell(daemon, &frame)
    })
}

fn each_message(mut from: impl Read, mut act: impl FnMut(Vec<u8>) -> io::Result<()>) -> io::Result<()> {
    let mut framer = Framer::default();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match from.read(&mut chunk)? {
            0 => return Ok(()),
            n => framer.push(chunk.get(..n).unwrap_or_default()),
        }
        while let Some(frame) = framer.next() {
            act(frame)?;
        }
    }
}
