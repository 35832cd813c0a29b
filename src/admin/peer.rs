//! Who is at the other end of the socket, by the kernel's word (SO_PEERCRED).

use std::{fmt, sync::Arc};

use nix::unistd::{Uid, User};

/// A connected process.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) uid: u32,
    pub(super) pid: Option<i32>,
    /// The user's name, where it has one.
    name: Option<Arc<str>>,
}

impl Peer {
    /// Finds the user's name, which may ask a directory service.
    pub(super) async fn find(uid: u32, pid: Option<i32>) -> Self {
        let found = tokio::task::spawn_blocking(move || User::from_uid(Uid::from_raw(uid))).await;
        let name = found.ok().and_then(Result::ok).flatten().map(|user| user.name.into());
        Self { uid, pid, name }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} (uid {}", self.uid)?,
            None => write!(f, "uid {} (", self.uid)?,
        }
        match (self.pid, &self.name) {
            (Some(pid), Some(_)) => write!(f, ", pid {pid})"),
            (Some(pid), None) => write!(f, "pid {pid})"),
            (None, _) => f.write_str(")"),
        }
    }
}
