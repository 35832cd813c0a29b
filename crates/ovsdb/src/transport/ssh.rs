//! OVSDB through SSH: for switches whose ovsdb-server listens on no network port. We log in and open a channel to its
//! socket; the host key is checked before any secret leaves.

mod error;
mod host_key;

use std::{
    fmt, io,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use russh::{
    ChannelStream, MethodKind,
    client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse, Msg},
    keys::{PrivateKeyWithHashAlg, load_secret_key},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

pub use error::SshError;
pub use host_key::{HostKey, KnownKeys};

use super::Stream;
use host_key::HostKeyCheck;

/// Where ovsdb-server's socket usually is.
pub const USUAL_SOCKET: &str = "/var/run/openvswitch/db.sock";
/// Where it usually listens, on the switch itself.
const USUAL_PORT: (&str, u32) = ("127.0.0.1", super::DEFAULT_PORT as u32);

/// Where [`Ssh::keep_alive`] is zero.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How often the SSH server may leave such a question unanswered.
const KEEP_ALIVES: usize = 4;
/// Bytes that may be under way to us: a dump has tens of MiB.
const WINDOW: u32 = 8 << 20;

/// How to log in, and where the switch's database is behind the log-in.
#[derive(Clone)]
pub struct Ssh {
    /// The user.
    pub username: String,
    /// Its password; also the passphrase of `private_key`.
    pub password: Option<SecretString>,
    /// A key of the user's, in OpenSSH's form or PKCS#8.
    pub private_key: Option<PathBuf>,
    /// What makes the server the right one.
    pub host_key: HostKey,
    /// Where the database is, as the switch sees it.
    pub remote: Remote,
    /// After so much silence the SSH server is asked for a sign of life, and again; after the fifth time the session is
    /// dead. It answers also while its ovsdb-server compacts a big database. Zero: every ten seconds.
    pub keep_alive: Duration,
}

/// Where an ovsdb-server is, as its own machine sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Remote {
    /// [`USUAL_SOCKET`]; where that can't be opened, port 6640 of the loopback address.
    Usual,
    /// A Unix socket.
    Socket(PathBuf),
    /// A TCP port.
    Port(String, u16),
}

// ===== impl Ssh =====

impl fmt::Debug for Ssh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ssh")
            .field("username", &self.username)
            .field("private_key", &self.private_key)
            .field("host_key", &self.host_key)
            .field("remote", &self.remote)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual => write!(f, "{USUAL_SOCKET}"),
            Self::Socket(path) => write!(f, "{}", path.display()),
            Self::Port(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

/// Logs in and opens the channel. `host` and `port` are what was dialled: known_hosts has them.
pub(super) async fn connect(
    stream: TcpStream,
    host: &str,
    port: u16,
    peer: &str,
    ssh: &Ssh,
) -> Result<Stream, SshError> {
    let check = HostKeyCheck::new(&ssh.host_key, host, port).await?;
    let mut config = client::Config {
        keepalive_interval: Some(if ssh.keep_alive.is_zero() { KEEP_ALIVE } else { ssh.keep_alive }),
        keepalive_max: KEEP_ALIVES,
        window_size: WINDOW,
        nodelay: true,
        ..client::Config::default()
    };
    config.preferred.key = check.preferred().into();
    let refusal = check.refusal();
    let connected = client::connect_stream(Arc::new(config), stream, check).await;
    let mut session = match (connected, refusal.take()) {
        (_, Some(refused)) => return Err(refused.into_error(peer)),
        (Err(error), None) => return Err(SshError::Broken { peer: peer.to_owned(), why: error.to_string() }),
        (Ok(session), None) => session,
    };
    log_in(&mut session, peer, ssh).await?;
    let channel = open(&session, peer, &ssh.remote).await?;
    Ok(Box::new(Tunnel { channel, session: Session::new(session, peer) }))
}

async fn log_in(session: &mut Handle<HostKeyCheck>, peer: &str, ssh: &Ssh) -> Result<(), SshError> {
    let broken = |error: russh::Error| SshError::Broken { peer: peer.to_owned(), why: error.to_string() };
    let mut offered = None;
    if let Some(path) = &ssh.private_key {
        let key = private_key(path, ssh.password.as_ref()).await?;
        match session.authenticate_publickey(&ssh.username, key).await.map_err(broken)? {
            AuthResult::Success => return Ok(()),
            AuthResult::Failure { remaining_methods, .. } => offered = Some(remaining_methods),
        }
    }
    if let Some(password) = &ssh.password {
        let password = password.expose_secret();
        match session.authenticate_password(&ssh.username, password).await.map_err(broken)? {
            AuthResult::Success => return Ok(()),
            // Where both are offered, the password itself was wrong: asking twice only gets us locked out sooner.
            AuthResult::Failure { remaining_methods, .. }
                if remaining_methods.contains(&MethodKind::KeyboardInteractive)
                    && !remaining_methods.contains(&MethodKind::Password) =>
            {
                if interactively(session, peer, &ssh.username, password).await? {
                    return Ok(());
                }
                offered = Some(remaining_methods);
            }
            AuthResult::Failure { remaining_methods, .. } => offered = Some(remaining_methods),
        }
    }
    let offered = offered.iter().flat_map(|methods| methods.iter()).map(Into::into).collect::<Vec<&'static str>>();
    Err(SshError::Refused {
        peer: peer.to_owned(),
        username: ssh.username.clone(),
        with: match (&ssh.private_key, &ssh.password) {
            (Some(_), Some(_)) => "private_key and password",
            (Some(_), None) => "private_key",
            _ => "password",
        },
        offered: offered.join(", "),
    })
}

/// Answers the one question for the password (RFC 4256).
async fn interactively(
    session: &mut Handle<HostKeyCheck>,
    peer: &str,
    username: &str,
    password: &str,
) -> Result<bool, SshError> {
    let broken = |error: russh::Error| SshError::Broken { peer: peer.to_owned(), why: error.to_string() };
    let mut answered = false;
    let mut answer = session.authenticate_keyboard_interactive_start(username, None).await.map_err(broken)?;
    // A server asks once, and perhaps says something without a question before or after.
    for _ in 0..4 {
        let prompts = match answer {
            KeyboardInteractiveAuthResponse::Success => return Ok(true),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => prompts,
        };
        let answers = match prompts.len() {
            0 => Vec::new(),
            1 if !answered => {
                answered = true;
                vec![password.to_owned()]
            }
            _ => break,
        };
        answer = session.authenticate_keyboard_interactive_respond(answers).await.map_err(broken)?;
    }
    Err(SshError::Questions { peer: peer.to_owned() })
}

async fn private_key(
    path: &std::path::Path,
    passphrase: Option<&SecretString>,
) -> Result<PrivateKeyWithHashAlg, SshError> {
    let wrong = |why: &str| SshError::PrivateKey { path: path.to_owned(), why: why.to_owned() };
    let (file, passphrase) = (path.to_owned(), passphrase.cloned());
    let read = tokio::task::spawn_blocking(move || {
        let text = std::fs::File::open(&file).map(drop);
        text.map(|()| {
            load_secret_key(&file, None).or_else(|error| {
                passphrase.map_or(Err(error), |word| load_secret_key(&file, Some(word.expose_secret())))
            })
        })
    });
    let key = match read.await {
        Err(_) => return Err(wrong("was not read: the daemon stops")),
        Ok(Err(error)) => return Err(wrong(&format!("can't be read: {error}"))),
        // The parser's own words may quote the file.
        Ok(Ok(Err(_))) => {
            return Err(wrong("holds no private key that we can read (a passphrase is taken from 'password')"));
        }
        Ok(Ok(Ok(key))) => key,
    };
    // Signing with RSA leaks the key by its time (RUSTSEC-2023-0071).
    if key.algorithm().is_rsa() {
        return Err(wrong("is an RSA key, which is not used for log-ins: make one with ssh-keygen -t ed25519"));
    }
    Ok(PrivateKeyWithHashAlg::new(Arc::new(key), None))
}

async fn open(session: &Handle<HostKeyCheck>, peer: &str, remote: &Remote) -> Result<ChannelStream<Msg>, SshError> {
    let refused = |remote: &dyn fmt::Display, error: russh::Error| SshError::Channel {
        peer: peer.to_owned(),
        remote: remote.to_string(),
        why: match error {
            russh::Error::ChannelOpenFailure(russh::ChannelOpenFailure::AdministrativelyProhibited) => {
                "its SSH server forbids it (AllowTcpForwarding, AllowStreamLocalForwarding, PermitOpen)".to_owned()
            }
            russh::Error::ChannelOpenFailure(russh::ChannelOpenFailure::ConnectFailed) => {
                "nothing listens there, or the user may not open it".to_owned()
            }
            error => error.to_string(),
        },
    };
    let socket = |path: String| async move {
        let opened = session.channel_open_direct_streamlocal(path.clone()).await;
        opened.map_err(|error| refused(&path, error))
    };
    let port = |host: String, port: u32| async move {
        let opened = session.channel_open_direct_tcpip(host.clone(), port, "127.0.0.1", 0).await;
        opened.map_err(|error| refused(&format_args!("{host}:{port}"), error))
    };
    let channel = match remote {
        Remote::Socket(path) => socket(path.to_string_lossy().into_owned()).await?,
        Remote::Port(host, number) => port(host.clone(), u32::from(*number)).await?,
        Remote::Usual => match socket(USUAL_SOCKET.to_owned()).await {
            Ok(channel) => channel,
            Err(first) => {
                let second = port(USUAL_PORT.0.to_owned(), USUAL_PORT.1).await;
                second.map_err(|second| SshError::Neither(Box::new(first), Box::new(second)))?
            }
        },
    };
    Ok(channel.into_stream())
}

// ===== Tunnel =====

/// How long the session's own end may come after the channel's.
const GRACE: Duration = Duration::from_millis(200);

/// The channel, and the session that it needs.
struct Tunnel {
    channel: ChannelStream<Msg>,
    session: Session,
}

/// Tells why the channel ended, where the whole session did.
struct Session {
    /// `None`: it ended, and has told why.
    handle: Option<Handle<HostKeyCheck>>,
    grace: Option<Pin<Box<Sleep>>>,
    peer: String,
}

impl Session {
    fn new(handle: Handle<HostKeyCheck>, peer: &str) -> Self {
        Self { handle: Some(handle), grace: None, peer: peer.to_owned() }
    }

    /// The channel's end: an error where the session failed.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(handle) = self.handle.as_mut() else { return Poll::Ready(Ok(())) };
        match Pin::new(handle).poll(cx) {
            Poll::Ready(ended) => {
                self.handle = None;
                Poll::Ready(ended.map_err(|error| self.failed(&error)))
            }
            Poll::Pending => self.grace.get_or_insert_with(|| Box::pin(sleep(GRACE))).as_mut().poll(cx).map(Ok),
        }
    }

    fn failed(&self, error: &russh::Error) -> io::Error {
        let why = match error {
            russh::Error::KeepaliveTimeout => "its SSH server gives no sign of life any more".to_owned(),
            error => error.to_string(),
        };
        io::Error::other(SshError::Broken { peer: self.peer.clone(), why })
    }
}

impl Tunnel {
    /// What the channel said; its failure in the session's words, where that has any.
    fn explain<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let Poll::Ready(Err(error)) = poll else { return poll };
        Poll::Ready(Err(ready!(self.session.poll_end(cx)).err().unwrap_or(error)))
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.channel).poll_read(cx, buf);
        ready!(self.explain(cx, poll))?;
        if buf.filled().len() == before { self.session.poll_end(cx) } else { Poll::Ready(Ok(())) }
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.channel).poll_write(cx, buf);
        self.explain(cx, poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.channel).poll_flush(cx);
        self.explain(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.channel).poll_shutdown(cx)
    }
}
