//! The REST API: two dialects over one [`Service`], `/v2` as the specification prints it and `/v2.0` as Neutron speaks.
//!
//! ```text
//! listener ─▶ trace (id, log, panics) ─┬▶ / /healthz /readyz
//!                                      └▶ auth ─▶ names without '/' and '.json' ─▶ v2 | neutron ─▶ Service
//! ```
//!
//! A handler reads its body with [`body::Json`], calls the service, and answers a shape or a [`problem::Problem`]:
//! nothing else decides a status.

mod answer;
mod audit;
mod auth;
mod body;
mod calls;
mod health;
mod list;
mod listener;
mod named;
mod neutron;
mod openapi;
mod places;
mod problem;
mod recent;
mod root;
mod tls;
mod trace;
mod uninvited;
mod v2;
mod watchers;

use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    http::{Method, StatusCode, Uri},
    middleware::{from_fn, from_fn_with_state},
};
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

pub use auth::{HostTokenError, KeystoneError, TokenError, load_or_create_token, try_keystone};
pub use health::{LISTED_WARNINGS, Readiness};
pub use tls::{ApiTls, ApiTlsError};

use self::{
    auth::{Gate, Guesses, HostTokens, Keystone},
    body::BodyLimits,
    calls::Calls,
    listener::ConnectionLimits,
    places::PlaceLimits,
    problem::Problem,
    uninvited::Uninvited,
    watchers::Watchers,
};
use crate::{
    config::{ApiConfig, Auth},
    service::Service,
};

/// Length of the kernel's queue of connections that were not accepted yet.
const BACKLOG: u32 = 1024;

/// The API can't start.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// An address is taken, or is not ours.
    #[error("{key} of [api]: can't listen on {address}: {source}")]
    Listen {
        /// `listen` or `monitoring_listen`.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Everybody could call.
    #[error("auth = none of [api] needs a loopback address, and {0} is none: use auth = token")]
    Exposed(SocketAddr),
    /// The admin token can't be had.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The compute nodes' tokens can't be had.
    #[error(transparent)]
    HostTokens(#[from] HostTokenError),
    /// Keystone's `cafile` can't be used.
    #[error(transparent)]
    Keystone(#[from] KeystoneError),
    /// The certificate or its key can't be used.
    #[error(transparent)]
    Tls(#[from] ApiTlsError),
}

/// What every call needs.
#[derive(Debug, Clone)]
struct App {
    service: Service,
    gate: Arc<Gate>,
    hosts: Arc<HostTokens>,
    bodies: BodyLimits,
    watchers: Watchers,
    guesses: Arc<Guesses>,
    uninvited: Uninvited,
}

impl App {
    fn new(service: Service, gate: Gate, hosts: HostTokens) -> Self {
        let (gate, hosts) = (Arc::new(gate), Arc::new(hosts));
        Self {
            service,
            gate,
            hosts,
            bodies: BodyLimits::default(),
            watchers: Watchers::default(),
            guesses: Arc::default(),
            uninvited: Uninvited::default(),
        }
    }
}

/// The API's listeners, bound and ready to serve.
#[derive(Debug)]
pub struct ApiServer {
    listener: TcpListener,
    router: Router,
    gate: Arc<Gate>,
    tls: Option<ApiTls>,
    monitoring: Option<(TcpListener, Router)>,
    limits: ConnectionLimits,
    address: SocketAddr,
    uninvited: Uninvited,
}

impl ApiServer {
    /// Binds the addresses, and reads or generates the admin token. Until [`ApiServer::serve`], clients wait.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn bind(config: &ApiConfig, service: Service, ready: Readiness) -> Result<Self, ApiError> {
        let gate = match &config.auth {
            Auth::None if config.listen.ip().is_loopback() => Gate::Open,
            Auth::None => return Err(ApiError::Exposed(config.listen)),
            Auth::Token => Gate::Token(load_or_create_token(&config.token_file)?),
            Auth::Keystone(keystone) => Gate::Keystone(Keystone::new(keystone, &config.admin_roles)?.into()),
        };
        let tls = config.tls.as_ref().map(ApiTls::load).transpose()?;
        let listener = listen("listen", config.listen)?;
        let address = listener.local_addr().map_err(|source| ApiError::Listen {
            key: "listen",
            address: config.listen,
            source,
        })?;
        let hosts = config.host_token_file.as_deref().map(HostTokens::load).transpose()?.unwrap_or_default();
        let app = App::new(service, gate, hosts);
        let gate = app.gate.clone();
        app.service.watch_part({
            let gate = gate.clone();
            move || gate.complaint().map(|why| health::authentication(why, gate.failing_since()))
        });
        let uninvited = app.uninvited.clone();
        if let Some(tls) = tls.clone() {
            app.service.watch_part(move || tls.certificate().and_then(|shown| health::expiry(&shown)));
        }
        let (router, monitoring) = match config.monitoring_listen {
            None => (router(app, Some(ready)), None),
            Some(apart) => {
                let monitoring = surrounded(health::router(ready).fallback(no_route), &uninvited);
                (router(app, None), Some((listen("monitoring_listen", apart)?, monitoring)))
            }
        };
        Ok(Self { listener, router, gate, tls, monitoring, limits: ConnectionLimits::default(), address, uninvited })
    }

    /// The certificate, to renew it while the API serves; `None`: plain HTTP.
    #[must_use]
    pub fn tls(&self) -> Option<ApiTls> {
        self.tls.clone()
    }

    /// The address that the API listens on (its port where the configuration says 0).
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The address of the monitoring calls, where they have one of their own.
    #[must_use]
    pub fn monitoring_addr(&self) -> Option<SocketAddr> {
        self.monitoring.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// Serves until `shutdown`, then until the requests under way are answered, at most 10 s.
    pub async fn serve(self, shutdown: CancellationToken) {
        let api = listener::serve(self.listener, self.tls, self.router, self.limits.clone(), shutdown.clone());
        let monitoring = async {
            if let Some((listener, router)) = self.monitoring {
                // Without TLS: it is for probes of this machine or its own network, and tells no secrets.
                let places = PlaceLimits { all: 64, of_address: 32, ..self.limits.places };
                let limits = ConnectionLimits { places, ..self.limits };
                listener::serve(listener, None, router, limits, shutdown.clone()).await;
            }
        };
        let watch = shutdown.run_until_cancelled(self.gate.watch());
        let sums = shutdown.run_until_cancelled(self.uninvited.log());
        tokio::join!(api, monitoring, watch, sums);
    }
}

fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, ApiError> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() };
    let bound = socket.and_then(|socket| {
        // A restart must not wait for connections of the last run to time out.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    });
    bound.map_err(|source| ApiError::Listen { key, address, source })
}

/// The calls of both dialects.
fn calls() -> Calls {
    let mut calls = Calls::default();
    v2::calls(&mut calls);
    neutron::calls(&mut calls);
    calls
}

/// The whole API; the monitoring calls too, unless they have a listener of their own.
fn router(app: App, ready: Option<Readiness>) -> Router {
    let guarded = Router::new()
        .merge(calls().into_router())
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .with_state(app.clone());
    // Names are trimmed before the routes see them, so this router stands around theirs.
    let uninvited = app.uninvited.clone();
    let guarded = Router::new()
        .fallback_service(guarded)
        .layer(from_fn(named::trim))
        .layer(from_fn_with_state(app, auth::require));
    let mut open = root::router();
    if let Some(ready) = ready {
        open = open.merge(health::router(ready));
    }
    surrounded(open.method_not_allowed_fallback(no_method).fallback_service(guarded), &uninvited)
}

/// The layers of every call.
fn surrounded(router: Router, uninvited: &Uninvited) -> Router {
    router.layer(CatchPanicLayer::custom(trace::panicked)).layer(from_fn_with_state(uninvited.clone(), trace::call))
}

async fn no_route(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at {}", uri.path()))
}

async fn no_method(method: Method, uri: Uri) -> Problem {
    let message = format!("{method} is not possible at {}: the header Allow says what is", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "HTTPMethodNotAllowed", message)
}

#[cfg(test)]
pub(crate) mod tests;
