//! The operator's way in: JSON-RPC 2.0 on a Unix socket, over HTTP or WebSocket. Who may open the socket is an admin:
//! it has mode 0660, so the daemon's user and one group may.
//!
//! ```text
//! accept loop ── a place ──▶ one task a connection (peer's uid and pid) ──▶ methods ──▶ Service
//! ```
//!
//! Parameters are by name, in the shapes of `/v2` ([`crate::service::view`]); `curl --unix-socket` is a client.

pub mod client;
mod controls;
mod fault;
mod methods;
mod peer;
mod places;
mod registry;
mod socket;

use std::{io, path::Path, time::Duration};

use jsonrpsee::server::{
    BatchRequestConfig, HttpRequest, Methods, Server as JsonRpc, ServerConfig, StopHandle,
    serve_with_graceful_shutdown, stop_channel,
};
use tokio::{net::UnixStream, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

pub use self::{
    controls::{Controls, Reload, Reloaded},
    socket::{AdminError, try_group},
};
use self::{methods::imports::Imports, peer::Peer, places::Places, registry::Context, socket::Socket};
use crate::{config::AdminConfig, service::Service};

/// Connections at a time.
const CONNECTIONS: usize = 128;

/// Longest request and answer, in bytes.
const MAX_MESSAGE: u32 = 64 << 20;

/// Most calls in a batch.
const MAX_BATCH: u32 = 100;

/// How long calls may still take when the daemon stops.
const DRAIN: Duration = Duration::from_secs(10);

/// Pause after an `accept` that failed (file descriptors are out).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The admin socket, bound and ready to serve.
#[derive(Debug)]
pub struct AdminServer {
    socket: Socket,
    methods: Methods,
}

impl AdminServer {
    /// Binds the socket. One that a killed daemon left is replaced, one that is served is refused.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn bind(config: &AdminConfig, service: Service, controls: Controls) -> Result<Self, AdminError> {
        let socket = Socket::bind(&config.socket, config.group.as_deref())?;
        let context = Context { service, controls, imports: Imports::default() };
        Ok(Self { socket, methods: methods::all(context)? })
    }

    /// The path of the socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.socket.path()
    }

    /// Serves until `shutdown`, then until the calls under way are answered, at most 10 s. The socket's file is gone
    /// afterwards.
    pub async fn serve(self, shutdown: CancellationToken) {
        let config = ServerConfig::builder()
            .max_connections(u32::try_from(CONNECTIONS).unwrap_or(u32::MAX))
            .max_request_body_size(MAX_MESSAGE)
            .max_response_body_size(MAX_MESSAGE)
            .set_batch_request_config(BatchRequestConfig::Limit(MAX_BATCH))
            .build();
        let builder = JsonRpc::builder().set_config(config).to_service_builder();
        let (stop, stopper) = stop_channel();
        let places = Places::new(CONNECTIONS);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = self.socket.accept() => match accepted {
                    Ok(stream) => {
                        let Some(place) = places.enter(&stream) else { continue };
                        let service = builder.clone().build(self.methods.clone(), stop.clone());
                        let stop = stop.clone();
                        connections.spawn(async move {
                            connection(stream, service, stop).await;
                            drop(place);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the admin socket can't accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
        drop(self.socket);
        // It fails only where no connection is left to hear it.
        let _ = stopper.stop();
        drop(stop);
        let drained = async { while connections.join_next().await.is_some() {} };
        if timeout(DRAIN, drained).await.is_err() {
            tracing::warn!(connections = connections.len(), "admin calls were cut off by the daemon's stop");
            connections.shutdown().await;
        }
    }
}

type RpcService = jsonrpsee::server::TowerService<tower::layer::util::Identity, tower::layer::util::Identity>;

async fn connection(stream: UnixStream, service: RpcService, stop: StopHandle) {
    let peer = match stream.peer_cred() {
        Ok(credentials) => Peer::find(credentials.uid(), credentials.pid()).await,
        Err(error) => {
            tracing::warn!(%error, "a connection of the admin socket has no credentials");
            return;
        }
    };
    let (uid, pid) = (peer.uid, peer.pid);
    let service = tower::service_fn(move |mut request: HttpRequest<hyper::body::Incoming>| {
        let claimed = request.headers().get(peer::SUDO_USER).and_then(|name| name.to_str().ok());
        let peer = peer.clone().claiming(claimed);
        request.extensions_mut().insert(peer);
        // A concrete error: the boxed one keeps the compiler from seeing that the future may move between threads.
        let answer = tower::Service::call(&mut service.clone(), request);
        async move { answer.await.map_err(io::Error::other) }
    });
    if let Err(error) = serve_with_graceful_shutdown(stream, service, stop.shutdown()).await {
        tracing::debug!(uid, pid, %error, "a connection of the admin socket ended early");
    }
}

#[cfg(test)]
mod tests;
