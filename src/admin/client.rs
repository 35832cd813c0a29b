//! The other end of the socket: what `l2gw` speaks. WebSocket, so that one connection serves calls and events.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use jsonrpsee::{
    client_transport::ws::{HeaderMap, HeaderValue, Url, WsTransportClientBuilder},
    core::{
        client::{Client as JsonRpc, ClientBuilder, ClientT, Error, Subscription, SubscriptionClientT},
        params::ObjectParams,
        traits::ToRpcParams,
    },
};
use serde::de::DeserializeOwned;
use serde_json::{Value, value::RawValue};
use tokio::{net::UnixStream, time::timeout};

use super::{MAX_MESSAGE, peer::SUDO_USER};

/// How long the daemon may take to take the connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a call may take: a commit of a million ports takes a while.
const CALL: Duration = Duration::from_mins(10);
/// Events that wait for a watcher.
const EVENTS: usize = 1024;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum AdminClientError {
    /// There is no socket.
    #[error(
        "there is no admin socket {}: is vtepd running (systemctl status vtepd)? Another path is given with --socket",
        _0.display()
    )]
    Absent(PathBuf),
    /// Nobody listens.
    #[error("nobody listens on {}: vtepd ended without removing it; start it again (systemctl restart vtepd)", _0.display())]
    Deserted(PathBuf),
    /// It is a file, a directory.
    #[error("{} is no socket: give vtepd's admin socket with --socket ([admin] socket of plumgrid.ini)", _0.display())]
    NotASocket(PathBuf),
    /// Another server's socket.
    #[error("{} is not vtepd's admin socket: what listens there does not speak its protocol ({why})", path.display())]
    NotOurs {
        /// The socket.
        path: PathBuf,
        /// What it did.
        why: String,
    },
    /// The socket is not ours to open.
    #[error("{} may not be opened by this user: become a member of its group ({group}), or use sudo", path.display())]
    Forbidden {
        /// The socket.
        path: PathBuf,
        /// Whose members may.
        group: String,
    },
    /// Something else.
    #[error("the admin socket {}: {why}", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What.
        why: String,
    },
    /// The daemon answered that it refuses.
    #[error("{message}")]
    Refused {
        /// JSON-RPC's code: see [`super::fault`].
        code: i32,
        /// The type of the error.
        kind: String,
        /// What was named and isn't there.
        name: Option<String>,
        /// Why, and what to do.
        message: String,
    },
    /// The daemon did not answer.
    #[error("vtepd did not answer within {} s", CALL.as_secs())]
    Silent,
    /// The connection broke.
    #[error("the connection to vtepd broke ({0}): its log says why (journalctl -u vtepd)")]
    Lost(String),
}

/// A connection with the daemon.
#[derive(Debug)]
pub struct AdminClient {
    rpc: JsonRpc,
    path: PathBuf,
}

/// Parameters that are an object already.
struct Given(Option<Box<RawValue>>);

impl ToRpcParams for Given {
    fn to_rpc_params(self) -> Result<Option<Box<RawValue>>, serde_json::Error> {
        Ok(self.0)
    }
}

// ===== impl AdminClient =====

impl AdminClient {
    /// Connects.
    ///
    /// # Errors
    /// [`AdminClientError`].
    pub async fn connect(path: &Path) -> Result<Self, AdminClientError> {
        let broken = |why: String| AdminClientError::Broken { path: path.to_owned(), why };
        let stream = UnixStream::connect(path).await.map_err(|error| unreachable(path, &error))?;
        // The host is only a formality of the handshake.
        let url = Url::parse("ws://localhost/").map_err(|error| broken(error.to_string()))?;
        let transport = WsTransportClientBuilder::default()
            .max_request_size(MAX_MESSAGE)
            .max_response_size(MAX_MESSAGE)
            .set_headers(headers())
            .build_with_stream(url, stream);
        let (sender, receiver) = timeout(CONNECT, transport)
            .await
            .map_err(|_| {
                broken(format!("no answer within {} s: vtepd serves as many connections as it can", CONNECT.as_secs()))
            })?
            .map_err(|error| AdminClientError::NotOurs { path: path.to_owned(), why: error.to_string() })?;
        let rpc = ClientBuilder::default()
            .request_timeout(CALL)
            .max_buffer_capacity_per_subscription(EVENTS)
            .build_with_tokio(sender, receiver);
        Ok(Self { rpc, path: path.to_owned() })
    }

    /// The path of the socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Calls a method with parameters by name.
    ///
    /// # Errors
    /// [`AdminClientError`].
    pub async fn call<T: DeserializeOwned>(&self, method: &str, params: &Value) -> Result<T, AdminClientError> {
        self.rpc.request(method, given(params)?).await.map_err(failed)
    }

    /// What happens from now on, of these kinds (none: of all).
    ///
    /// # Errors
    /// [`AdminClientError`].
    pub async fn watch(&self, kinds: &[String]) -> Result<Subscription<Value>, AdminClientError> {
        let mut params = ObjectParams::new();
        params.insert("kinds", kinds).map_err(|error| AdminClientError::Lost(error.to_string()))?;
        self.rpc.subscribe("watch", params, "unwatch").await.map_err(failed)
    }
}

/// Who called sudo: the daemon can't always see it.
fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let name = std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty());
    if let Some(value) = name.and_then(|name| HeaderValue::from_str(&name).ok()) {
        headers.insert(SUDO_USER, value);
    }
    headers
}

fn given(params: &Value) -> Result<Given, AdminClientError> {
    let raw = serde_json::value::to_raw_value(params).map_err(|error| AdminClientError::Lost(error.to_string()))?;
    Ok(Given(Some(raw)))
}

fn failed(error: Error) -> AdminClientError {
    match error {
        Error::Call(refusal) => {
            let data = refusal.data().and_then(|data| serde_json::from_str::<Value>(data.get()).ok());
            let member = |name: &str| data.as_ref().and_then(|data| data[name].as_str()).map(str::to_owned);
            let (kind, name) = (member("type").unwrap_or_default(), member("name"));
            AdminClientError::Refused { code: refusal.code(), kind, name, message: refusal.message().to_owned() }
        }
        Error::RequestTimeout => AdminClientError::Silent,
        other => AdminClientError::Lost(other.to_string()),
    }
}

fn unreachable(path: &Path, error: &io::Error) -> AdminClientError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound => AdminClientError::Absent(path),
        io::ErrorKind::ConnectionRefused if !is_socket(&path) => AdminClientError::NotASocket(path),
        io::ErrorKind::ConnectionRefused => AdminClientError::Deserted(path),
        io::ErrorKind::PermissionDenied => {
            let group = group_of(&path);
            AdminClientError::Forbidden { path, group }
        }
        _ => AdminClientError::Broken { why: error.to_string(), path },
    }
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    // What can't be looked at is taken for one: the error of connecting to it says more.
    std::fs::metadata(path).map_or(true, |metadata| metadata.file_type().is_socket())
}

fn group_of(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(metadata) = std::fs::metadata(path) else { return "see plumgrid.ini, [admin] group".to_owned() };
    let found = nix::unistd::Group::from_gid(nix::unistd::Gid::from_raw(metadata.gid())).ok().flatten();
    found.map_or_else(|| metadata.gid().to_string(), |group| group.name)
}
