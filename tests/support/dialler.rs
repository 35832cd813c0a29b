//! A broken or hostile switch that dials in, again and again, as fast as it can.

use std::{
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use super::{
    door::with,
    hostile::{Attack, serve},
};

/// Pause where nobody listens.
const PAUSE: Duration = Duration::from_millis(5);

/// See the module. Dropped, it stops.
pub(crate) struct Dialler {
    stopped: Arc<AtomicBool>,
    dials: Arc<AtomicUsize>,
    sessions: Arc<AtomicUsize>,
    stream: Arc<Mutex<Option<TcpStream>>>,
}

impl Dialler {
    pub(crate) fn start(at: SocketAddr, attack: &Attack) -> Self {
        let dialler =
            Self { stopped: Arc::default(), dials: Arc::default(), sessions: Arc::default(), stream: Arc::default() };
        let (stopped, dials, sessions, kept) = (
            Arc::clone(&dialler.stopped),
            Arc::clone(&dialler.dials),
            Arc::clone(&dialler.sessions),
            Arc::clone(&dialler.stream),
        );
        let attack = attack.clone();
        thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                let Ok(stream) = TcpStream::connect(at) else {
                    thread::sleep(PAUSE);
                    continue;
                };
                with(&kept, |kept| *kept = stream.try_clone().ok());
                dials.fetch_add(1, Ordering::SeqCst);
                let asked = |method: &str| {
                    if method == "get_schema" {
                        sessions.fetch_add(1, Ordering::SeqCst);
                    }
                };
                // Ends with the connection.
                let _ = serve(&stream, &attack, asked);
            }
        });
        dialler
    }

    /// How often it dialled.
    pub(crate) fn dialled(&self) -> usize {
        self.dials.load(Ordering::SeqCst)
    }

    /// How often a session was begun with it.
    pub(crate) fn sessions(&self) -> usize {
        self.sessions.load(Ordering::SeqCst)
    }
}

impl Drop for Dialler {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        if let Some(stream) = with(&self.stream, Option::take) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
