//! Tokens of Keystone: validated once in a while, remembered for a few seconds.
//!
//! ```text
//! X-Auth-Token ─▶ digest ─▶ validations (bounded in number and time) ─▶ admin? ─▶ Caller | 401 | 403
//!                              │ unknown: one call, however many wait for it
//!                              ▼
//!                           client ─▶ GET /v3/auth/tokens ─▶ Keystone | 503
//! ```
//!
//! What can't be validated is refused: a Keystone that is away, or that refuses our own account, opens no door.

mod client;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use axum::http::HeaderValue;
use moka::{Expiry, future::Cache};
use ring::digest::{SHA256, digest};
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};

pub use client::KeystoneError;
use client::{Client, Token};

use crate::{api::problem::Problem, config::KeystoneConfig, service::Caller};

/// How long a validation holds at most. A revoked token, or a role that was taken away, still counts for so long.
const REMEMBERED: Duration = Duration::from_secs(10);
/// Time between two looks at whether Keystone can be asked.
const PROBED: Duration = Duration::from_secs(15);
/// Validations that are remembered.
const VALIDATIONS: u64 = 10_000;
/// Tokens that Keystone is asked about at a time.
const ASKED: usize = 16;
/// How long a call waits until it is its turn.
const ASKED_WAIT: Duration = Duration::from_secs(10);
/// Longest token, in bytes: Keystone's have about 250 (Fernet) or 1000 (JWS).
const LONGEST: usize = 4096;

/// A token's SHA-256: the cache holds no tokens.
type Digest = [u8; 32];

/// The gate of `auth = keystone`.
#[derive(Debug)]
pub(crate) struct Keystone {
    client: Client,
    admin_roles: Vec<String>,
    validations: Cache<Digest, Arc<Validation>>,
    /// Places for questions to Keystone.
    asking: Semaphore,
    challenge: HeaderValue,
    /// Why validation fails, once it was logged.
    complaint: Mutex<Option<String>>,
    /// Since when it does.
    failing_since: Mutex<Option<SystemTime>>,
}

/// What Keystone said of a token.
#[derive(Debug)]
enum Validation {
    /// Unknown, expired or revoked.
    Invalid,
    /// Whose it is.
    Valid { caller: Caller, admin: bool, expires: SystemTime },
}

/// Whether `auth = keystone` could work: the account logs in, and may validate tokens. For `vtepd --check`.
///
/// # Errors
/// [`KeystoneError`], with the fix.
pub async fn try_keystone(config: &KeystoneConfig) -> Result<(), KeystoneError> {
    Client::new(config)?.prove().await
}

impl Keystone {
    /// Ready to validate; Keystone is not asked anything yet.
    ///
    /// # Errors
    /// [`KeystoneError`] where `cafile` can't be used.
    pub(crate) fn new(config: &KeystoneConfig, admin_roles: &[String]) -> Result<Self, KeystoneError> {
        Self::remembering(config, admin_roles, REMEMBERED)
    }

    /// As [`Keystone::new`], with another life of a validation.
    pub(crate) fn remembering(
        config: &KeystoneConfig,
        admin_roles: &[String],
        remembered: Duration,
    ) -> Result<Self, KeystoneError> {
        let challenge = format!("Keystone uri=\"{}/v3\"", config.auth_url);
        Ok(Self {
            client: Client::new(config)?,
            admin_roles: admin_roles.to_vec(),
            validations: Cache::builder().max_capacity(VALIDATIONS).expire_after(Life(remembered)).build(),
            asking: Semaphore::new(ASKED),
            // A URL is ASCII.
            challenge: HeaderValue::try_from(challenge).unwrap_or(HeaderValue::from_static("Keystone")),
            complaint: Mutex::new(None),
            failing_since: Mutex::new(None),
        })
    }

    /// `WWW-Authenticate`: where tokens are to be had.
    pub(super) fn challenge(&self) -> HeaderValue {
        self.challenge.clone()
    }

    /// Whose token this is, if it is an admin's.
    pub(super) async fn check(&self, token: &HeaderValue) -> Result<Caller, Problem> {
        let invalid =
            || Problem::unauthorized("the token in X-Auth-Token is unknown, expired or revoked: get a new one");
        if token.is_empty() || token.len() > LONGEST || !token.as_bytes().iter().all(u8::is_ascii_graphic) {
            return Err(invalid());
        }
        let validate = async {
            // Unknown tokens are all alike until Keystone was asked: few are asked about at a time.
            let asked = timeout(ASKED_WAIT, self.asking.acquire()).await;
            let Ok(Ok(_place)) = asked else { return Err(KeystoneError::Busy) };
            let validated = self.client.validate(token).await;
            // Here: a validation that is remembered says nothing of how Keystone is now.
            self.note(validated.as_ref().err());
            validated.map(|token| Arc::new(self.judge(token)))
        };
        let validation = self.validations.try_get_with(sha256(token.as_bytes()), validate).await;
        match validation.as_deref() {
            Err(_) => Err(Problem::unavailable(
                "the token can't be validated: Keystone gives vtepd no answer; vtepd's log says why",
            )),
            Ok(Validation::Valid { caller, admin, expires }) if *expires > SystemTime::now() => {
                if *admin {
                    return Ok(caller.clone());
                }
                let roles = self.admin_roles.join(", ");
                Err(Problem::forbidden(format!("this API is for admins: the token's user needs a role of: {roles}")))
            }
            Ok(_) => Err(invalid()),
        }
    }

    /// Whether a validation on the token is remembered.
    pub(super) fn is_known(&self, token: &HeaderValue) -> bool {
        self.validations.contains_key(&sha256(token.as_bytes()))
    }

    /// Asks Keystone now and then, so that what is wrong with it, or with our account, shows before anybody calls.
    pub(super) async fn watch(&self) {
        loop {
            let proved = self.client.prove().await;
            self.note(proved.as_ref().err());
            sleep(PROBED).await;
        }
    }

    /// Why tokens can't be validated; `None`: they could the last time.
    pub(super) fn complaint(&self) -> Option<String> {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Since when tokens can't be validated.
    pub(super) fn failing_since(&self) -> Option<SystemTime> {
        *self.failing_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(&self, token: Option<Token>) -> Validation {
        let Some(token) = token else { return Validation::Invalid };
        // Keystone compares the names of roles without regard to case, too.
        let is_admin = |role: &String| self.admin_roles.iter().any(|admin| admin.eq_ignore_ascii_case(role));
        Validation::Valid {
            admin: token.roles.iter().any(is_admin),
            caller: Caller { project_id: token.project_id, user: token.user, host: None },
            expires: token.expires,
        }
    }

    /// Logs a failure once, and its end.
    fn note(&self, error: Option<&KeystoneError>) {
        let now = error.map(ToString::to_string);
        let mut logged = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        if *logged == now {
            return;
        }
        if let Some(error) = &now {
            tracing::error!(%error, "tokens can't be validated: calls are answered 503");
        } else {
            tracing::info!("tokens can be validated again");
        }
        let mut since = self.failing_since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = now.is_some().then(|| since.unwrap_or_else(SystemTime::now));
        *logged = now;
    }
}

fn sha256(token: &[u8]) -> Digest {
    let mut sum = Digest::default();
    sum.copy_from_slice(digest(&SHA256, token).as_ref());
    sum
}

/// A validation's life: never longer than the token's.
struct Life(Duration);

impl Expiry<Digest, Arc<Validation>> for Life {
    fn expire_after_create(&self, _: &Digest, validation: &Arc<Validation>, _: Instant) -> Option<Duration> {
        Some(match **validation {
            Validation::Invalid => self.0,
            Validation::Valid { expires, .. } => {
                self.0.min(expires.duration_since(SystemTime::now()).unwrap_or_default())
            }
        })
    }
}

#[cfg(test)]
mod tests;
