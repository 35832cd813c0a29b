//! Why there is no SSH with a switch, in an operator's words. No secret is among them.

use std::path::PathBuf;

/// No channel came to be. What concerns the peer names it.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// Nobody has said that this is the switch's key.
    #[error("{peer} has the host key {fingerprint} ({algorithm}), which is not confirmed")]
    UnknownHostKey {
        /// The peer.
        peer: String,
        /// As `ssh-keygen -l` prints it.
        fingerprint: String,
        /// `ssh-ed25519`…
        algorithm: String,
        /// Where it was looked for.
        wanted: String,
    },
    /// Another key than the one that was confirmed.
    #[error("{peer} has the host key {fingerprint} ({algorithm}), which is not {wanted}")]
    ChangedHostKey {
        /// The peer.
        peer: String,
        /// As `ssh-keygen -l` prints it.
        fingerprint: String,
        /// `ssh-ed25519`…
        algorithm: String,
        /// The one that was confirmed.
        wanted: String,
    },
    /// `known_hosts` can't be used.
    #[error("known_hosts {}: {why}", .path.display())]
    KnownHosts {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// `private_key` can't be used.
    #[error("private_key {} {why}", .path.display())]
    PrivateKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The log-in failed.
    #[error("{peer} refused the {with} of the user '{username}'{}", methods(.offered))]
    Refused {
        /// The peer.
        peer: String,
        /// The user.
        username: String,
        /// What was tried.
        with: &'static str,
        /// What the server would take.
        offered: String,
    },
    /// Keyboard-interactive with more than the password.
    #[error("{peer} asks more than for a password: let the user log in with a password or a key alone")]
    Questions {
        /// The peer.
        peer: String,
    },
    /// The channel was refused.
    #[error("{peer} let us in, but opened no channel to {remote}: {why}")]
    Channel {
        /// The peer.
        peer: String,
        /// The socket.
        remote: String,
        /// Why.
        why: String,
    },
    /// Both usual places were refused.
    #[error("{0}; {1}")]
    Neither(Box<SshError>, Box<SshError>),
    /// The connection broke.
    #[error("SSH with {peer} failed: {why}")]
    Broken {
        /// The peer.
        peer: String,
        /// Why.
        why: String,
    },
}

fn methods(methods: &str) -> String {
    if methods.is_empty() { String::new() } else { format!(" (it takes: {methods})") }
}

impl SshError {
    /// Whether it will be the same until an operator changes a file, a key or the switch.
    pub fn is_refusal(&self) -> bool {
        !matches!(self, Self::Broken { .. } | Self::Channel { .. } | Self::Neither(..))
    }

    /// Whether another attempt brings the account nearer to being locked.
    pub fn is_log_in(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Questions { .. })
    }
}
