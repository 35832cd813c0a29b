//! Keystone's HTTP: `POST /v3/auth/tokens` logs the service account in, `GET /v3/auth/tokens` validates what callers
//! bring.

use std::{
    error::Error,
    fmt::Write as _,
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use axum::http::{HeaderValue, StatusCode};
use moka::{Expiry, future::Cache};
use reqwest::{Certificate, Response, redirect};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;
use tokio::{sync::Semaphore, time::timeout};

use crate::config::KeystoneConfig;

/// How long a dial may take.
const DIAL: Duration = Duration::from_secs(4);
/// How long a validation may take, logging in included. Clients wait for it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Calls to Keystone at a time.
const AT_ONCE: usize = 32;
/// Longest answer, in bytes: a token with very many roles.
const LONGEST: usize = 1 << 20;
/// The service account's token is renewed so long before its end, or when a quarter of its life is left.
const EARLY: Duration = Duration::from_mins(2);

/// Why Keystone can't be asked.
#[derive(Debug, thiserror::Error)]
pub enum KeystoneError {
    /// `cafile` can't be read.
    #[error("cafile of [keystone_authtoken]: {} can't be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `cafile` holds no certificates.
    #[error("cafile of [keystone_authtoken]: {} holds no certificates in PEM form", path.display())]
    NoCertificates {
        /// The file.
        path: PathBuf,
    },
    /// TLS can't be set up.
    #[error("the connections to Keystone can't be set up: {0}")]
    Setup(String),
    /// No connection, or it broke.
    #[error("Keystone can't be reached at {url}: {why}")]
    Unreachable {
        /// The address that was called.
        url: String,
        /// What failed, from the outside in.
        why: String,
    },
    /// Too many other tokens are asked about.
    #[error("Keystone is asked about too many other tokens: try again in a few seconds")]
    Busy,
    /// No answer in time.
    #[error("Keystone at {url} did not answer within {} s", PATIENCE.as_secs())]
    TimedOut {
        /// The address that was called.
        url: String,
    },
    /// Our account can't log in.
    #[error(
        "Keystone at {url} refuses the service account '{username}' ({status}): check username, password, project_name \
         and the domain names of [keystone_authtoken]"
    )]
    Account {
        /// The address that was called.
        url: String,
        /// `username`.
        username: String,
        /// The answer's status.
        status: StatusCode,
    },
    /// Our account may not validate.
    #[error(
        "Keystone at {url} does not let the service account '{username}' validate tokens: give it the role 'service' (or \
         'admin') on its project"
    )]
    Role {
        /// The address that was called.
        url: String,
        /// `username`.
        username: String,
    },
    /// Another answer than those of a Keystone.
    #[error("Keystone at {url} answers {status}: is this Keystone's address, and is it well?")]
    Status {
        /// The address that was called.
        url: String,
        /// The answer's status.
        status: StatusCode,
    },
    /// An answer that makes no sense.
    #[error("Keystone's answer at {url} can't be used: {why}")]
    Unreadable {
        /// The address that was called.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// An error of a log-in that several waited for.
    #[error(transparent)]
    LogIn(#[from] Arc<KeystoneError>),
}

/// What Keystone knows of a token that is valid.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Names of its roles.
    pub(super) roles: Vec<String>,
    /// Its project; empty where it has none.
    pub(super) project_id: String,
    /// Its user, `name@domain`.
    pub(super) user: String,
    /// Its end.
    pub(super) expires: SystemTime,
}

/// The service account's session with Keystone.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    /// `…/v3/auth/tokens`.
    url: String,
    config: KeystoneConfig,
    /// Our own token, by its generation: one log-in, however many wait for it. Renewed before it ends.
    own: Cache<u64, Arc<OwnToken>>,
    /// Raised when Keystone refuses our token.
    generation: AtomicU64,
    places: Semaphore,
}

#[derive(Debug)]
struct OwnToken {
    /// Marked as sensitive: it isn't printed.
    header: HeaderValue,
    /// How long it is used.
    life: Duration,
}

impl Client {
    /// Reads `cafile`; calls nobody.
    pub(super) fn new(config: &KeystoneConfig) -> Result<Self, KeystoneError> {
        // reqwest takes the process's provider. Where one is installed already, it is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            .connect_timeout(DIAL)
            .timeout(PATIENCE)
            // A token must not follow a redirect to another server, nor pass a proxy.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("vtepd/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &config.cafile {
            let pem = fs::read(path).map_err(|source| KeystoneError::Read { path: path.clone(), source })?;
            let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
            if certificates.is_empty() {
                return Err(KeystoneError::NoCertificates { path: path.clone() });
            }
            http = http.tls_certs_only(certificates);
        }
        Ok(Self {
            http: http.build().map_err(|error| KeystoneError::Setup(chain(&error)))?,
            url: format!("{}/v3/auth/tokens", config.auth_url),
            config: config.clone(),
            own: Cache::builder().max_capacity(2).expire_after(Life).build(),
            generation: AtomicU64::new(0),
            places: Semaphore::new(AT_ONCE),
        })
    }

    /// What Keystone says of a token; `None`: it is not valid (any more).
    pub(super) async fn validate(&self, token: &HeaderValue) -> Result<Option<Token>, KeystoneError> {
        let validated = timeout(PATIENCE, async {
            // Never closed.
            let _place = self.places.acquire().await.ok();
            let mut refused = None;
            loop {
                let generation = self.generation.load(Ordering::Acquire);
                let own = self.own_token(generation).await?;
                match self.look_up(&own.header, token).await? {
                    Some(answer) => return Ok(answer),
                    None if refused.is_some() => return Err(self.account(StatusCode::UNAUTHORIZED)),
                    None => refused = Some(generation),
                }
                // Of those whom it refused with this token, one lets it be renewed.
                let _ =
                    self.generation.compare_exchange(generation, generation + 1, Ordering::AcqRel, Ordering::Acquire);
            }
        });
        validated.await.unwrap_or_else(|_| Err(KeystoneError::TimedOut { url: self.url.clone() }))
    }

    /// Whether tokens could be validated now: our account logs in, and may ask of a token, its own.
    pub(super) async fn prove(&self) -> Result<(), KeystoneError> {
        let own = timeout(PATIENCE, self.own_token(self.generation.load(Ordering::Acquire)));
        let own = own.await.unwrap_or_else(|_| Err(KeystoneError::TimedOut { url: self.url.clone() }))?;
        self.validate(&own.header).await.map(drop)
    }

    /// `None`: our own token was refused.
    async fn look_up(&self, own: &HeaderValue, token: &HeaderValue) -> Result<Option<Option<Token>>, KeystoneError> {
        let mut subject = token.clone();
        subject.set_sensitive(true);
        let request = self
            .http
            .get(format!("{}?nocatalog", self.url))
            .header("x-auth-token", own)
            .header("x-subject-token", subject);
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        match response.status() {
            StatusCode::OK => {
                let token: TokenBody = self.read(response).await?;
                let expires = self.time(&token.expires_at)?;
                let roles = token.roles.into_iter().map(|role| role.name).collect();
                let project_id = token.project.map(|project| project.id).unwrap_or_default();
                let user = token.user.map(User::name).unwrap_or_default();
                Ok(Some(Some(Token { roles, project_id, user, expires })))
            }
            StatusCode::NOT_FOUND => Ok(Some(None)),
            StatusCode::UNAUTHORIZED => Ok(None),
            StatusCode::FORBIDDEN => {
                Err(KeystoneError::Role { url: self.url.clone(), username: self.config.username.clone() })
            }
            status => Err(KeystoneError::Status { url: self.url.clone(), status }),
        }
    }

    async fn own_token(&self, generation: u64) -> Result<Arc<OwnToken>, KeystoneError> {
        let log_in = async { self.log_in().await.map(Arc::new) };
        Ok(self.own.try_get_with(generation, log_in).await?)
    }

    async fn log_in(&self) -> Result<OwnToken, KeystoneError> {
        let KeystoneConfig { username, password, project_name, user_domain_name, project_domain_name, .. } =
            &self.config;
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": username, "domain": {"name": user_domain_name}, "password": password.expose_secret()}}},
            "scope": {"project": {"name": project_name, "domain": {"name": project_domain_name}}},
        }});
        let request = self.http.post(format!("{}?nocatalog", self.url)).json(&body);
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        match response.status() {
            StatusCode::CREATED => {}
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => return Err(self.account(status)),
            status => return Err(KeystoneError::Status { url: self.url.clone(), status }),
        }
        let header = response.headers().get("x-subject-token").cloned();
        let mut header = header.ok_or_else(|| self.unreadable("the header X-Subject-Token is missing"))?;
        header.set_sensitive(true);
        let token: TokenBody = self.read(response).await?;
        let left = self.time(&token.expires_at)?.duration_since(SystemTime::now()).unwrap_or_default();
        let life = left.saturating_sub(EARLY.min(left / 4));
        tracing::debug!(seconds = life.as_secs(), "logged in to Keystone");
        Ok(OwnToken { header, life })
    }

    /// The body of an answer, up to [`LONGEST`].
    async fn read(&self, mut response: Response) -> Result<TokenBody, KeystoneError> {
        let mut text = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            if text.len() + part.len() > LONGEST {
                return Err(self.unreadable(format!("it is longer than {LONGEST} bytes")));
            }
            text.extend_from_slice(&part);
        }
        let body: Body = serde_json::from_slice(&text).map_err(|error| self.unreadable(error))?;
        Ok(body.token)
    }

    fn time(&self, text: &str) -> Result<SystemTime, KeystoneError> {
        humantime::parse_rfc3339(text).map_err(|error| self.unreadable(format!("expires_at '{text}': {error}")))
    }

    // By value: it is what `map_err` gives.
    #[allow(clippy::needless_pass_by_value)]
    fn unreachable(&self, error: reqwest::Error) -> KeystoneError {
        if error.is_timeout() && !error.is_connect() {
            return KeystoneError::TimedOut { url: self.url.clone() };
        }
        KeystoneError::Unreachable { url: self.url.clone(), why: chain(&error.without_url()) }
    }

    // Likewise.
    #[allow(clippy::needless_pass_by_value)]
    fn unreadable(&self, why: impl ToString) -> KeystoneError {
        KeystoneError::Unreadable { url: self.url.clone(), why: why.to_string() }
    }

    fn account(&self, status: StatusCode) -> KeystoneError {
        KeystoneError::Account { url: self.url.clone(), username: self.config.username.clone(), status }
    }
}

/// An error and what lies under it: reqwest's own words alone say only that it failed.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // Writing into a String can't fail.
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

#[derive(Deserialize)]
struct Body {
    token: TokenBody,
}

#[derive(Deserialize)]
struct TokenBody {
    expires_at: String,
    #[serde(default)]
    roles: Vec<Role>,
    project: Option<Project>,
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    name: String,
    domain: Option<Domain>,
}

#[derive(Deserialize)]
struct Domain {
    name: Option<String>,
}

impl User {
    fn name(self) -> String {
        match self.domain.and_then(|domain| domain.name) {
            Some(domain) => format!("{}@{domain}", self.name),
            None => self.name,
        }
    }
}

#[derive(Deserialize)]
struct Role {
    name: String,
}

#[derive(Deserialize)]
struct Project {
    id: String,
}

/// Our own token's life in the cache.
struct Life;

impl Expiry<u64, Arc<OwnToken>> for Life {
    fn expire_after_create(&self, _: &u64, token: &Arc<OwnToken>, _: Instant) -> Option<Duration> {
        Some(token.life)
    }
}
