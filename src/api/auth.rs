//! Who may call: the admin token, Keystone's tokens, and the guard of `auth = none`.

mod guesses;
mod hosts;
mod keystone;
mod token_file;

use std::{
    net::IpAddr,
    time::{Instant, SystemTime},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

pub(crate) use guesses::Guesses;
pub use hosts::HostTokenError;
pub(crate) use hosts::HostTokens;
pub(crate) use keystone::Keystone;
pub use keystone::{KeystoneError, try_keystone};
pub use token_file::{TokenError, load_or_create_token};

use guesses::Cost;

use super::{
    App, audit, body,
    listener::{Peer, Seat},
    problem::Problem,
    trace::Admitted,
};
use crate::service::Caller;

/// What is asked of a call.
#[derive(Debug)]
pub(crate) enum Gate {
    /// `X-Auth-Token` with this value.
    Token(SecretString),
    /// `X-Auth-Token` of Keystone's, with an admin role.
    Keystone(Box<Keystone>),
    /// Nothing: the address is loopback.
    Open,
}

impl Gate {
    async fn check(&self, guesses: &Guesses, peer: Option<IpAddr>, head: &Head<'_>) -> Result<Caller, Problem> {
        let headers = head.headers;
        match self {
            Self::Token(expected) => {
                let given = token(headers, "the admin token")?;
                // The right one is never delayed, even if others guess from the same address.
                if bool::from(given.as_bytes().ct_eq(expected.expose_secret().as_bytes())) {
                    return Ok(Caller::default());
                }
                pay(guesses, peer).await?;
                wrong(guesses, peer);
                Err(Problem::unauthorized("the value of X-Auth-Token is not the admin token"))
            }
            Self::Keystone(keystone) => {
                let checked = async {
                    let token = token(headers, "a token of Keystone's")?;
                    if !keystone.is_known(token) {
                        pay(guesses, peer).await?;
                    }
                    let checked = keystone.check(token).await;
                    if checked.as_ref().is_err_and(Problem::is_unauthorized) {
                        wrong(guesses, peer);
                    }
                    checked
                };
                checked.await.map_err(|problem| problem.challenging(keystone.challenge()))
            }
            // Without a token, a web page that the operator visits could call us: browsers say so with `Origin`.
            Self::Open if headers.contains_key(header::ORIGIN) => {
                let message = "with auth = none the API takes no calls from web pages (header Origin)";
                Err(Problem::new(StatusCode::FORBIDDEN, "Forbidden", message))
            }
            // A page of another site whose name its owner points at 127.0.0.1 sends no `Origin` when it reads: the name
            // that the browser called is then the only sign (DNS rebinding).
            Self::Open if !head.is_local() => {
                let message = "with auth = none the API is called as localhost or by a loopback address (header Host)";
                Err(Problem::new(StatusCode::FORBIDDEN, "Forbidden", message))
            }
            Self::Open => Ok(Caller::default()),
        }
    }

    /// Looks at what the gate depends on, for as long as it is polled.
    pub(super) async fn watch(&self) {
        match self {
            Self::Keystone(keystone) => keystone.watch().await,
            Self::Token(_) | Self::Open => std::future::pending().await,
        }
    }

    /// Why nobody is let in now, though the daemon does its work.
    pub(super) fn complaint(&self) -> Option<String> {
        match self {
            Self::Keystone(keystone) => keystone.complaint(),
            Self::Token(_) | Self::Open => None,
        }
    }

    /// Since when that is so.
    pub(super) fn failing_since(&self) -> Option<SystemTime> {
        match self {
            Self::Keystone(keystone) => keystone.failing_since(),
            Self::Token(_) | Self::Open => None,
        }
    }
}

/// What of a request says who calls.
struct Head<'r> {
    headers: &'r HeaderMap,
    uri: &'r Uri,
}

impl Head<'_> {
    /// Whether it was sent to this machine by a name that no site can have.
    fn is_local(&self) -> bool {
        let host = self.headers.get(header::HOST).map(|host| Authority::try_from(host.as_bytes()));
        let host = match host {
            Some(Ok(host)) => Some(host),
            Some(Err(_)) => return false,
            // HTTP/1.0 has none; no browser speaks it.
            None => None,
        };
        host.iter().chain(self.uri.authority()).all(|authority| is_loopback(authority.host()))
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) || host.eq_ignore_ascii_case("localhost")
}

/// Lets a call of an address that has shown many wrong tokens wait, or refuses it.
async fn pay(guesses: &Guesses, peer: Option<IpAddr>) -> Result<(), Problem> {
    /// Gives the place among those who wait back, also where the client goes away.
    struct Waiting<'g>(&'g Guesses, IpAddr);

    impl Drop for Waiting<'_> {
        fn drop(&mut self) {
            self.0.waited(self.1);
        }
    }

    let Some(peer) = peer else { return Ok(()) };
    match guesses.cost(peer, Instant::now()) {
        Cost::Nothing => {}
        Cost::Wait(delay) => {
            let _waiting = Waiting(guesses, peer);
            tokio::time::sleep(delay).await;
        }
        Cost::Refused => {
            return Err(Problem::too_many_requests("too many wrong tokens came from this address: try again later"));
        }
    }
    Ok(())
}

fn wrong(guesses: &Guesses, peer: Option<IpAddr>) {
    if let Some(peer) = peer {
        guesses.wrong(peer, Instant::now());
    }
}

fn token<'a>(headers: &'a HeaderMap, what: &str) -> Result<&'a HeaderValue, Problem> {
    headers
        .get("x-auth-token")
        .ok_or_else(|| Problem::unauthorized(format!("this call needs {what} in the header X-Auth-Token")))
}

/// Middleware: lets a call through, with its [`Caller`] as an extension, or answers 401.
pub(super) async fn require(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    let head = Head { headers: request.headers(), uri: request.uri() };
    let checked = match app.hosts.host(request.headers()) {
        Some(host) => {
            let caller = Caller { host: Some(host.to_owned()), ..Caller::default() };
            hosts::may(host, request.method(), request.uri().path()).map(|()| caller)
        }
        None => app.gate.check(&app.guesses, peer, &head).await,
    };
    let kept = checked.and_then(|caller| match request.extensions().get::<Seat>() {
        None => Ok(caller),
        Some(Seat(place)) => match place.keep(caller.host.as_deref()) {
            Ok(()) => Ok(caller),
            Err(full) => Err(Problem::unavailable(full.to_string()).closing()),
        },
    });
    match kept {
        Ok(caller) => {
            request.extensions_mut().insert(caller.clone());
            // The body's share of the memory is given back when the call is answered.
            let share = body::Share::default();
            request.extensions_mut().insert(share.clone());
            let mut response = audit::through(&app.service, &caller, request, next).await;
            drop(share);
            response.extensions_mut().insert(Admitted);
            response
        }
        Err(problem) => {
            let (head, unread) = request.into_parts();
            body::discard(&head.headers, unread).await;
            problem.into_response()
        }
    }
}
