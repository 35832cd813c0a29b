//! HTTP towards vtepd.

use std::{fs, path::PathBuf, time::Duration};

use reqwest::{Certificate, Client, Method, RequestBuilder, Response, StatusCode, Url, redirect::Policy};
use secrecy::{ExposeSecret, SecretString};

use crate::config::VtepdConfig;

const CONNECT: Duration = Duration::from_secs(5);
/// Longest text of an answer that is repeated in an error, in characters.
const LONGEST_WORDS: usize = 200;

/// Why vtepd couldn't be asked.
#[derive(Debug, thiserror::Error)]
pub enum VtepdClientError {
    /// The authorities' file.
    #[error("{path}: {why} ([vtepd] ca_cert)", path = .path.display())]
    CaCert {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The library's own.
    #[error("the HTTP client can't be set up: {0}")]
    Setup(String),
    /// The token's file.
    #[error("{0} ([vtepd] token_file)")]
    Token(String),
    /// No connection, or it broke.
    #[error("{0}")]
    Http(String),
    /// An answer that is no good.
    #[error("vtepd answers {status}: {words}{fix}")]
    Status {
        /// The status.
        status: StatusCode,
        /// Its own words.
        words: String,
        /// What to do.
        fix: &'static str,
    },
}

/// Asks vtepd.
#[derive(Debug, Clone)]
pub(super) struct Api {
    client: Client,
    config: VtepdConfig,
}

impl Api {
    pub(super) fn new(config: &VtepdConfig) -> Result<Self, VtepdClientError> {
        // It fails where one is there already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder().connect_timeout(CONNECT).redirect(Policy::none()).tcp_nodelay(true);
        if let Some(path) = &config.ca_cert {
            let wrong = |why: String| VtepdClientError::CaCert { path: path.clone(), why };
            let pem = fs::read(path).map_err(|error| wrong(error.to_string()))?;
            let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(words(&error)))?;
            if authorities.is_empty() {
                return Err(wrong("holds no certificate in PEM".to_owned()));
            }
            builder = builder.tls_certs_only(authorities);
        }
        let client = builder.build().map_err(|error| VtepdClientError::Setup(words(&error)))?;
        Ok(Self { client, config: config.clone() })
    }

    pub(super) fn silence(&self) -> Duration {
        self.config.silence
    }

    /// A request with this host's token.
    pub(super) fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, VtepdClientError> {
        self.with_parameters(method, path, &[])
    }

    /// As [`Api::request`], with parameters in the URL.
    pub(super) fn with_parameters(
        &self,
        method: Method,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<RequestBuilder, VtepdClientError> {
        let mut url = Url::parse(&format!("{}{path}", self.config.url))
            .map_err(|error| VtepdClientError::Setup(format!("{}: {error}", self.config.url)))?;
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let request = self.client.request(method, url);
        let token: Option<SecretString> = self.config.token().map_err(VtepdClientError::Token)?;
        Ok(match token {
            Some(token) => request.header("X-Auth-Token", token.expose_secret()),
            None => request,
        })
    }
}

/// Sends a request; an answer other than 2xx is an error.
pub(super) async fn send(request: RequestBuilder) -> Result<Response, VtepdClientError> {
    let response = request.send().await.map_err(|error| VtepdClientError::Http(words(&error)))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let fix = match status {
        StatusCode::UNAUTHORIZED => {
            "; is this host's token in vtepd's host_token_file, and in [vtepd] token_file here?"
        }
        StatusCode::FORBIDDEN => "; is [host] name the name that vtepd's host_token_file has for this token?",
        StatusCode::NOT_FOUND => "; is [vtepd] url the address of vtepd's API?",
        _ => "",
    };
    let text = response.text().await.unwrap_or_default();
    Err(VtepdClientError::Status { status, words: said(&text), fix })
}

/// The message of an answer in Neutron's or Keystone's form; else its first words, in one line.
fn said(body: &str) -> String {
    let json: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let message =
        json.as_ref().and_then(|json| json.pointer("/NeutronError/message").or(json.pointer("/error/message")));
    let text = message.and_then(serde_json::Value::as_str).unwrap_or(body);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(LONGEST_WORDS).collect()
}

/// Where it failed and the innermost cause: the library's own layers say nothing to an operator.
pub(super) fn words(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match error.url() {
        Some(url) => format!("{}: {cause}", url.origin().ascii_serialization()),
        None => cause.to_string(),
    }
}
