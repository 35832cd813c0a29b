//! Switches that dial us (`[listen]`): who they are is found out here, before any worker hears of them.
//!
//! ```text
//!   listener ─ place? ─▶ one task a connection: TLS, then our question for its Physical_Switches
//!                             │ Arrival                         │ nobody's, not theirs, or no answer
//!                             ▼                                 ▼
//!                        supervisor: which sections?        Strangers (status, metrics)
//! ```
//!
//! We speak first: on a connection that it dialled, a switch may say nothing, for ever. What we ask changes nothing.

mod door;
mod strangers;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Command, Fleet, advice::Advised, database};
use crate::{
    config::{ListenConfig, SwitchConfig, Transport},
    model::status::{Stranger, Strangers},
    ovsdb::{
        Stream,
        transport::{self, Acceptor, Certificate, Certificates, Fingerprint, Verify, Wire, greeting},
    },
    vtep::{self, identity},
};
use door::{Door, Place};
pub(super) use strangers::Registry;

/// How long a switch may take to say who it is, the handshake included.
const PATIENCE: Duration = Duration::from_secs(10);
/// A switch that comes while its database rests is kept, unread, if that is over so soon; ovsdb-server hangs up where its probe
/// stays unanswered for 10 s.
pub(super) const KEPT: Duration = Duration::from_secs(8);
/// The longest answer to our question, in bytes: some thousands of Physical_Switches.
const LONGEST: usize = 256 << 10;
/// Pause after an `accept` that failed: file descriptors are out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Length of the kernel's queue of connections that were not accepted yet.
const BACKLOG: u32 = 256;

/// A switch that dialled us and said who it is.
pub(crate) struct Arrival {
    pub(super) stream: Stream,
    pub(super) wire: Wire,
    pub(super) peer: SocketAddr,
    pub(super) certificates: Certificates,
    /// Its Physical_Switches.
    pub(super) names: Vec<String>,
    /// It showed a certificate: the listener was `pssl`.
    pub(super) by_tls: bool,
    /// Kept until it is adopted or refused.
    pub(super) _place: Place,
}

/// What the listeners and the fleet share.
#[derive(Debug, Default)]
pub(super) struct Lobby {
    pub(super) strangers: Mutex<Registry>,
    /// `peer_fingerprint` of the sections that dial in.
    pinned: Mutex<Vec<Fingerprint>>,
    /// Sections that no session is begun for before: their last one ended. It outlives their worker, because who dials in
    /// chooses the Physical_Switches that it speaks for, and so the worker.
    rests: Mutex<HashMap<String, Instant>>,
}

/// The listeners can't start.
#[derive(Debug, thiserror::Error)]
#[error("{key} of [listen]: can't listen on {address}: {source}")]
pub struct ListenError {
    /// `ptcp` or `pssl`.
    key: &'static str,
    /// Its address.
    address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// The listeners for switches, bound and not served yet.
#[derive(Debug)]
pub struct Listeners {
    tcp: Option<TcpListener>,
    tls: Option<(TcpListener, Acceptor)>,
}

impl std::fmt::Debug for Arrival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrival").field("peer", &self.peer).field("names", &self.names).finish_non_exhaustive()
    }
}

// ===== impl Lobby =====

impl Lobby {
    pub(super) fn expect(&self, switches: &[SwitchConfig]) {
        let passive = switches.iter().filter(|switch| switch.transport == Transport::Passive);
        let pinned = passive.filter_map(|switch| match database::tls(&switch.tls).verify {
            Verify::Pinned(fingerprint) => Some(fingerprint),
            Verify::Name | Verify::Chain => None,
        });
        *self.pinned.lock().unwrap_or_else(PoisonError::into_inner) = pinned.collect();
    }

    /// No session is begun for these sections before that moment.
    pub(super) fn rest(&self, sections: &[String], until: Instant) {
        let now = Instant::now();
        let mut rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        rests.retain(|_, until| *until > now);
        for section in sections {
            let known = rests.entry(section.clone()).or_insert(until);
            *known = until.max(*known);
        }
    }

    /// When a session may begin for these sections, if not now.
    pub(super) fn resting(&self, sections: &[String]) -> Option<Instant> {
        let rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        let until = sections.iter().filter_map(|section| rests.get(section)).max()?;
        (*until > Instant::now()).then_some(*until)
    }

    pub(super) fn strangers(&self) -> Strangers {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner).status()
    }

    /// Counts and lists a server that is refused.
    pub(super) fn refuse(&self, peer: IpAddr, names: &[String], certificate: Option<&Certificate>, reason: &str) {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Stranger { names, certificate, reason, .. }) = strangers.add(peer, names, certificate, reason) {
            tracing::warn!(address = %peer, names, certificate, reason, "a stranger dialled in and was refused");
        }
    }
}

// ===== impl Listeners =====

impl Listeners {
    /// Binds what `[listen]` names.
    ///
    /// # Errors
    /// [`ListenError`] where an address is taken or isn't ours.
    pub fn bind(config: &ListenConfig) -> Result<Self, ListenError> {
        let tcp = config.ptcp.map(|address| bind("ptcp", address)).transpose()?;
        let tls = match config.pssl {
            None => None,
            Some(address) => {
                let acceptor = Acceptor { tls: database::tls(&config.tls), pinned: Vec::new() };
                Some((bind("pssl", address)?, acceptor))
            }
        };
        Ok(Self { tcp, tls })
    }

    /// Serves until `shutdown`.
    pub async fn serve(self, fleet: Fleet, shutdown: CancellationToken) {
        let door = Door::default();
        let plain = async {
            if let Some(listener) = self.tcp {
                accept(listener, None, &fleet, &door, &shutdown).await;
            }
        };
        let secure = async {
            if let Some((listener, acceptor)) = self.tls {
                accept(listener, Some(acceptor), &fleet, &door, &shutdown).await;
            }
        };
        // With neither there is nothing to do but to be there.
        tokio::join!(plain, secure, shutdown.cancelled());
    }
}

fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, ListenError> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() };
    let bound = socket.and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    });
    let listener = bound.map_err(|source| ListenError { key, address, source })?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, key, "switches may dial in");
    }
    Ok(listener)
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<Acceptor>,
    fleet: &Fleet,
    door: &Door,
    shutdown: &CancellationToken,
) {
    let mut guests = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            Some(_) = guests.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match door.enter(peer.ip()) {
                    Some(place) => drop(guests.spawn(identify(stream, peer, place, acceptor.clone(), fleet.clone()))),
                    None => fleet.lobby.refuse(peer.ip(), &[], None, "too many connections that haven't said who they are"),
                },
                Err(error) => {
                    tracing::warn!(%error, "a switch that dials in can't be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Why a server is refused, and what it showed.
type Refusal = Box<(String, Option<Certificate>)>;

/// Finds out who dialled, and tells the supervisor.
async fn identify(stream: TcpStream, peer: SocketAddr, place: Place, acceptor: Option<Acceptor>, fleet: Fleet) {
    let by_tls = acceptor.is_some();
    let asked = timeout(PATIENCE, ask(stream, peer, acceptor, &fleet)).await;
    let late = || format!("it didn't say who it is within {} s", PATIENCE.as_secs());
    match asked.unwrap_or_else(|_| Err(Box::new((late(), None)))) {
        Ok((stream, wire, certificates, names)) => {
            let arrival = Arrival { stream, wire, peer, certificates, names, by_tls, _place: place };
            // It failed: the daemon stops.
            let _ = fleet.commands.send(Command::Arrived(arrival)).await;
        }
        Err(refusal) => {
            let (reason, certificate) = *refusal;
            fleet.lobby.refuse(peer.ip(), &[], certificate.as_ref(), &reason);
        }
    }
}

async fn ask(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: Option<Acceptor>,
    fleet: &Fleet,
) -> Result<(Stream, Wire, Certificates, Vec<String>), Refusal> {
    let wire = transport::tune(&stream).map_err(|error| Box::new((error.to_string(), None)))?;
    let (stream, certificates): (Stream, _) = match acceptor {
        None => (Box::new(stream), Certificates::default()),
        Some(mut acceptor) => {
            acceptor.pinned.clone_from(&fleet.lobby.pinned.lock().unwrap_or_else(PoisonError::into_inner));
            let shaken = transport::accept(stream, &peer.to_string(), &acceptor).await;
            shaken.map_err(|(error, certificate)| Box::new((Advised(&error).to_string(), certificate)))?
        }
    };
    let certificate = certificates.peer.clone();
    let refused = |reason: String| Box::new((reason, certificate.clone()));
    let asked = greeting::ask(stream, "transact", &identity::question(), LONGEST).await;
    let (answer, stream) = asked.map_err(|error| refused(error.to_string()))?;
    let answer = answer.map_err(|error| refused(format!("it has no database {}: {error}", vtep::DATABASE)))?;
    let names = identity::names(&mut answer.cursor());
    let names = names.map_err(|error| refused(format!("its answer can't be read: {error}")))?;
    Ok((stream, wire, certificates, names))
}

// ===== whose connection it is =====

/// The sections that a switch may speak for, or why there are none.
pub(super) fn claim<'a>(
    arrival: &Arrival,
    sections: impl Iterator<Item = &'a SwitchConfig>,
) -> Result<Vec<String>, String> {
    let claimed: Vec<_> = sections
        .filter(|section| section.transport == Transport::Passive && arrival.names.contains(&section.physical_switch))
        .collect();
    if claimed.is_empty() {
        return Err(match arrival.names.as_slice() {
            [] => "its database has no Physical_Switch".to_owned(),
            _ => "no section with transport = passive has one of its Physical_Switches".to_owned(),
        });
    }
    let certificate = arrival.certificates.peer.as_ref();
    let may_speak = |section: &&&SwitchConfig| match (database::tls(&section.tls).verify, certificate) {
        (Verify::Pinned(wanted), shown) => shown.is_some_and(|shown| shown.fingerprint == wanted),
        (_, Some(shown)) => shown.is_for(&section.name),
        (_, None) => !arrival.by_tls,
    };
    let mut permitted: Vec<String> = claimed.iter().filter(may_speak).map(|section| section.name.clone()).collect();
    permitted.sort_unstable();
    let names = || claimed.iter().map(|section| section.name.as_str()).collect::<Vec<_>>().join(", ");
    match certificate {
        _ if !permitted.is_empty() => Ok(permitted),
        Some(shown) => Err(format!(
            "the certificate {shown} is not the one of {}: it needs that name (DNS SAN or common name), or set \
             peer_fingerprint = {}",
            names(),
            shown.fingerprint
        )),
        None => Err(format!("{} has a peer_fingerprint, and it showed no certificate: let it dial pssl", names())),
    }
}
