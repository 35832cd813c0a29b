//! Who may call: the admin token, Keystone's tokens, and the guard of `auth = none`.

mod hosts;
mod keystone;
mod token_file;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

pub use hosts::HostTokenError;
pub(crate) use hosts::HostTokens;
pub(crate) use keystone::Keystone;
pub use keystone::{ClientError as KeystoneError, try_keystone};
pub use token_file::{TokenError, load_or_create_token};

use super::{App, audit, body, problem::Problem};
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
    async fn check(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        match self {
            Self::Token(expected) => {
                let given = token(headers, "the admin token")?;
                if bool::from(given.as_bytes().ct_eq(expected.expose_secret().as_bytes())) {
                    return Ok(Caller::default());
                }
                Err(Problem::unauthorized("the value of X-Auth-Token is not the admin token"))
            }
            Self::Keystone(keystone) => {
                let checked = match token(headers, "a token of Keystone's") {
                    Ok(token) => keystone.check(token).await,
                    Err(problem) => Err(problem),
                };
                checked.map_err(|problem| problem.challenging(keystone.challenge()))
            }
            // Without a token, a web page that the operator visits could call us: browsers say so with `Origin`.
            Self::Open if headers.contains_key(header::ORIGIN) => {
                let message = "with auth = none the API takes no calls from web pages (header Origin)";
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
}

fn token<'a>(headers: &'a HeaderMap, what: &str) -> Result<&'a HeaderValue, Problem> {
    headers
        .get("x-auth-token")
        .ok_or_else(|| Problem::unauthorized(format!("this call needs {what} in the header X-Auth-Token")))
}

/// Middleware: lets a call through, with its [`Caller`] as an extension, or answers 401.
pub(super) async fn require(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let checked = match app.hosts.host(request.headers()) {
        Some(host) => {
            let caller = Caller { host: Some(host.to_owned()), ..Caller::default() };
            hosts::may(host, request.method(), request.uri().path()).map(|()| caller)
        }
        None => app.gate.check(request.headers()).await,
    };
    match checked {
        Ok(caller) => {
            request.extensions_mut().insert(caller.clone());
            audit::through(&app.service, &caller, request, next).await
        }
        Err(problem) => {
            let (head, unread) = request.into_parts();
            body::discard(&head.headers, unread).await;
            problem.into_response()
        }
    }
}
