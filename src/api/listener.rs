//! The accept loop: HTTP/1.1 with a bound on everything that a client can make us wait for or hold.
//!
//! ```text
//! accept loop ── a place ([`super::places`]) ──▶ one task a connection ── (TLS) ── each request ──▶ Router
//!                                                      │
//!                   ends when its place is given to another connection
//! ```

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, response::IntoResponse};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    places::{Place, PlaceLimits, Places},
    problem::Problem,
    tls::ApiTls,
};

/// Pause after an `accept` that failed: file descriptors are out, and trying on at once would only burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bounds of connections.
#[derive(Debug, Clone)]
pub(super) struct ConnectionLimits {
    /// Connections at a time.
    pub(super) places: PlaceLimits,
    /// Longest wait for the whole head of a request, the silence before it included; likewise for the TLS handshake.
    pub(super) head: Duration,
    /// Longest time in which a client takes nothing of an answer (TCP_USER_TIMEOUT).
    pub(super) stalled: Duration,
    /// How long requests may still take when the daemon stops.
    pub(super) drain: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            places: PlaceLimits::default(),
            head: Duration::from_secs(30),
            stalled: Duration::from_mins(1),
            drain: Duration::from_secs(10),
        }
    }
}

/// The peer of a connection, as an extension of its requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// The place of a connection, as an extension of its requests.
#[derive(Debug, Clone)]
pub(super) struct Seat(pub(super) Arc<Place>);

/// Longest wait for the head of a request in the reserve.
const RESERVED_HEAD: Duration = Duration::from_secs(5);

/// On requests that came through TLS.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encrypted;

/// Cancelled when the daemon stops, as an extension of requests: an answer without an end must come to one.
#[derive(Debug, Clone)]
pub(super) struct Closing(pub(super) CancellationToken);

/// Serves until `shutdown`; then takes no further connection, and lets requests finish for [`ConnectionLimits::drain`].
pub(super) async fn serve(
    listener: TcpListener,
    tls: Option<ApiTls>,
    router: Router,
    limits: ConnectionLimits,
    shutdown: CancellationToken,
) {
    let places = Places::new(limits.places);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let Some(place) = places.enter(peer.ip()) else {
                        refuse(&stream, tls.is_some());
                        continue;
                    };
                    let place = Arc::new(place);
                    let connection = Connection { peer, place, limits: limits.clone(), shutdown: shutdown.clone() };
                    connections.spawn(connection.serve(stream, tls.clone(), router.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the API can't accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.drain, drained).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "requests were cut off: they took longer than the daemon's stop"
        );
        connections.shutdown().await;
    }
}

struct Connection {
    peer: SocketAddr,
    place: Arc<Place>,
    limits: ConnectionLimits,
    shutdown: CancellationToken,
}

impl Connection {
    async fn serve(self, stream: TcpStream, tls: Option<ApiTls>, router: Router) {
        let (peer, end) = (self.peer, self.place.end.clone());
        if end.run_until_cancelled(self.unless_ended(stream, tls, router)).await.is_none() {
            tracing::debug!(%peer, "a connection that showed no token made room for another one");
        }
    }

    async fn unless_ended(self, stream: TcpStream, tls: Option<ApiTls>, router: Router) {
        let peer = self.peer;
        if let Err(error) = prepare(&stream, &self.limits) {
            tracing::debug!(%peer, %error, "a connection broke before its first request");
            return;
        }
        let Some(tls) = tls else { return self.requests(stream, false, router).await };
        let handshake = timeout(self.limits.head, tls.accept(stream));
        match self.shutdown.clone().run_until_cancelled(handshake).await {
            Some(Ok(Ok(stream))) => self.requests(stream, true, router).await,
            Some(Ok(Err(error))) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
            Some(Err(_)) | None => tracing::debug!(%peer, "a TLS handshake was cut off"),
        }
    }

    async fn requests(self, stream: impl AsyncRead + AsyncWrite + Unpin, encrypted: bool, router: Router) {
        let Self { peer, place, limits, shutdown } = self;
        let (closing, reserved) = (Closing(shutdown.clone()), place.reserved);
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(closing.clone());
            request.extensions_mut().insert(Seat(place.clone()));
            if encrypted {
                request.extensions_mut().insert(Encrypted);
            }
            let answer = (!reserved || is_monitoring(request.uri().path())).then(|| router.clone().oneshot(request));
            async move {
                match answer {
                    Some(answer) => answer.await,
                    None => Ok(Problem::unavailable(FULL).closing().into_response()),
                }
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(if reserved { limits.head.min(RESERVED_HEAD) } else { limits.head })
            .keep_alive(!reserved)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a connection ended early");
        }
    }
}

const FULL: &str = "all connections are taken by other clients: try again in a few seconds";

/// What is answered in the reserve.
fn is_monitoring(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/metrics")
}

/// Says that there is no place, where that takes no waiting.
fn refuse(stream: &TcpStream, encrypted: bool) {
    if !encrypted {
        // Whether it arrives or not, the connection ends.
        let _ = stream.try_write(
            b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    }
}

/// Answers leave at once, and a peer that takes none of them is not waited for.
fn prepare(stream: &TcpStream, limits: &ConnectionLimits) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_user_timeout(Some(limits.stalled))
}
