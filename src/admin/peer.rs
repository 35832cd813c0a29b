//! Who is at the other end of the socket, by the kernel's word (SO_PEERCRED), and who became root to get there.

use std::{fmt, sync::Arc};

use nix::unistd::{Uid, User};

/// Header in which `l2gw` says who called sudo.
pub(super) const SUDO_USER: &str = "x-sudo-user";

/// `/proc/PID/loginuid` of a process that nobody logged in for.
const NO_LOGIN: u32 = u32::MAX;

/// Longest name of a user (useradd(8)).
const LONGEST_NAME: usize = 32;

/// A connected process.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) uid: u32,
    pub(super) pid: Option<i32>,
    /// The user's name, where it has one.
    name: Option<Arc<str>>,
    /// Who logged in, where that is another user (the audit subsystem keeps it through su and sudo).
    login: Option<Arc<str>>,
    /// Who called sudo, by the client's own word.
    claimed: Option<Arc<str>>,
}

impl Peer {
    /// Finds the names of users, which may ask a directory service.
    pub(super) async fn find(uid: u32, pid: Option<i32>) -> Self {
        let found = tokio::task::spawn_blocking(move || {
            let login = pid.and_then(login_uid).filter(|login| *login != uid);
            (name_of(uid), login.map(|login| name_of(login).unwrap_or_else(|| format!("uid {login}").into())))
        });
        let (name, login) = found.await.unwrap_or_default();
        Self { uid, pid, name, login, claimed: None }
    }

    /// With the name that the client says called sudo. Only root's client can know; of others it is nothing.
    pub(super) fn claiming(self, name: Option<&str>) -> Self {
        let is_name = |name: &&str| {
            let usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '$' | '@');
            (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(usual)
        };
        let claimed = name.filter(|_| self.uid == 0).filter(is_name).map(Into::into);
        Self { claimed, ..self }
    }
}

fn name_of(uid: u32) -> Option<Arc<str>> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name.into())
}

/// It can't be read where processes are hidden from us (ProtectProc of systemd.exec(5)), and means nothing where nobody logged in.
fn login_uid(pid: i32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/loginuid")).ok()?;
    text.trim().parse().ok().filter(|uid| *uid != NO_LOGIN)
}

/// `root (sudo: alice) (uid 0, pid 7)`; what only the client says is marked.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { uid, pid, name, login, claimed } = self;
        if let Some(name) = name {
            write!(f, "{name} ")?;
        }
        match (login, claimed) {
            (Some(login), _) => write!(f, "(sudo: {login}) ")?,
            (None, Some(claimed)) => write!(f, "(sudo: {claimed}, as the client says) ")?,
            (None, None) => {}
        }
        match pid {
            Some(pid) => write!(f, "(uid {uid}, pid {pid})"),
            None => write!(f, "(uid {uid})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(uid: u32, name: Option<&str>, login: Option<&str>) -> Peer {
        Peer { uid, pid: Some(7), name: name.map(Into::into), login: login.map(Into::into), claimed: None }
    }

    #[test]
    fn the_user_behind_sudo_is_shown() {
        let root = || peer(0, Some("root"), None);
        for (peer, shown) in [
            (root(), "root (uid 0, pid 7)"),
            (root().claiming(Some("alice")), "root (sudo: alice, as the client says) (uid 0, pid 7)"),
            (peer(0, Some("root"), Some("bob")).claiming(Some("alice")), "root (sudo: bob) (uid 0, pid 7)"),
            (peer(1000, Some("carol"), None).claiming(Some("alice")), "carol (uid 1000, pid 7)"),
            (peer(1000, None, None), "(uid 1000, pid 7)"),
        ] {
            assert_eq!(peer.to_string(), shown);
        }
        for forged in ["", "a b", "x\n", "root) (uid 1", &"x".repeat(33)] {
            assert_eq!(root().claiming(Some(forged)).to_string(), "root (uid 0, pid 7)", "{forged:?}");
        }
    }

    #[tokio::test]
    async fn this_process_is_found() {
        let uid = Uid::current().as_raw();
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(Peer::find(uid, Some(pid)).await.to_string().ends_with(&format!("(uid {uid}, pid {pid})")));
        assert_eq!(login_uid(0), None);
    }
}
