//! What every proxy and every false server has: a free port, and a thread that accepts on it until the end.

use std::{
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

#[derive(Debug, Default)]
struct State {
    accepted: AtomicUsize,
    closed: AtomicBool,
}

/// A port of 127.0.0.1 on which connections are accepted. Dropped, it closes.
#[derive(Debug)]
pub(crate) struct Door {
    port: u16,
    state: Arc<State>,
}

impl Door {
    /// Hands each connection to `serve`, one after the other.
    pub(crate) fn open(mut serve: impl FnMut(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let state = Arc::new(State::default());
        let door = Self { port, state: Arc::clone(&state) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { break };
                if state.closed.load(Ordering::SeqCst) {
                    break;
                }
                state.accepted.fetch_add(1, Ordering::SeqCst);
                serve(stream);
            }
        });
        door
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many connections came so far.
    pub(crate) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    /// Lets nobody in any more.
    pub(crate) fn close(&self) {
        if !self.state.closed.swap(true, Ordering::SeqCst) {
            // Wakes the accepting thread, which then ends.
            let _ = TcpStream::connect(("127.0.0.1", self.port));
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.close();
    }
}

/// Works with what threads share; one that panicked is no reason not to.
pub(crate) fn with<T, R>(shared: &Mutex<T>, work: impl FnOnce(&mut T) -> R) -> R {
    work(&mut shared.lock().unwrap_or_else(PoisonError::into_inner))
}
