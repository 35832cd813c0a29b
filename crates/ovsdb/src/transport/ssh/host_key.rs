//! Whether the SSH server is the switch: by a pinned fingerprint, or by a known_hosts file (sshd(8)).

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use russh::{
    Preferred,
    client::Handler,
    keys::{
        Algorithm, HashAlg, PublicKey, PublicKeyOrCertificate,
        ssh_key::known_hosts::{HostPatterns, KnownHosts, Marker},
    },
};

use super::SshError;

/// Longest known_hosts, in bytes.
const LONGEST: u64 = 16 << 20;

/// What makes an SSH server the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKey {
    /// The key with this fingerprint, as `ssh-keygen -l` prints it: `SHA256:…`.
    Pinned(String),
    /// A key that this file has for the host.
    Known(PathBuf),
}

/// Decides while keys are exchanged.
#[derive(Debug)]
pub(super) struct HostKeyCheck {
    rule: Rule,
    refusal: SharedRefusal,
}

#[derive(Debug)]
enum Rule {
    Pinned(String),
    Known(PathBuf, KnownKeys),
}

/// Why the key was refused; rustls and russh alike tell their caller only that it was.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedRefusal(Arc<Mutex<Option<Refusal>>>);

#[derive(Debug, Clone)]
pub(super) struct Refusal {
    fingerprint: String,
    algorithm: String,
    wanted: String,
    changed: bool,
}

impl SharedRefusal {
    pub(super) fn take(&self) -> Option<Refusal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Refusal {
    pub(super) fn into_error(self, peer: &str) -> SshError {
        let Self { fingerprint, algorithm, wanted, changed } = self;
        let peer = peer.to_owned();
        if changed {
            SshError::ChangedHostKey { peer, fingerprint, algorithm, wanted }
        } else {
            SshError::UnknownHostKey { peer, fingerprint, algorithm, wanted }
        }
    }
}

// ===== impl HostKeyCheck =====

impl HostKeyCheck {
    pub(super) async fn new(host_key: &HostKey, host: &str, port: u16) -> Result<Self, SshError> {
        let rule = match host_key {
            HostKey::Pinned(fingerprint) => Rule::Pinned(fingerprint.clone()),
            HostKey::Known(path) => {
                let (path, host) = (path.clone(), host.to_owned());
                let file = path.clone();
                let read = tokio::task::spawn_blocking(move || known(&file, &host, port)).await;
                let stops = |_| SshError::KnownHosts { path, why: "was not read: the daemon stops".to_owned() };
                read.map_err(stops)??
            }
        };
        Ok(Self { rule, refusal: SharedRefusal::default() })
    }

    pub(super) fn refusal(&self) -> SharedRefusal {
        self.refusal.clone()
    }

    /// The kinds of key that the server is asked for. It has several, and must show one that we can compare: those that
    /// the file has for the host; where there is none, or a fingerprint, all but RSA with SHA-1.
    pub(super) fn preferred(&self) -> Vec<Algorithm> {
        let of_host = match &self.rule {
            Rule::Pinned(_) => &[][..],
            Rule::Known(_, known) => known.keys.as_slice(),
        };
        let wanted: Vec<Algorithm> = of_host.iter().map(|(_, key)| key.algorithm()).collect();
        // One RSA key, signed in two ways.
        let fits = |offered: &Algorithm| {
            wanted
                .iter()
                .any(|one| one == offered || matches!((one, offered), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. })))
        };
        let safe =
            Preferred::DEFAULT.key.iter().filter(|algorithm| !matches!(algorithm, Algorithm::Rsa { hash: None }));
        let (fitting, others): (Vec<_>, Vec<_>) = safe.cloned().partition(fits);
        if fitting.is_empty() { others } else { fitting }
    }

    fn judge(&self, key: &PublicKey) -> Option<Refusal> {
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let refuse = |wanted: String, changed| {
            let algorithm = key.algorithm().to_string();
            Some(Refusal { fingerprint: fingerprint.clone(), algorithm, wanted, changed })
        };
        match &self.rule {
            Rule::Pinned(wanted) if *wanted == fingerprint => None,
            Rule::Pinned(_) => refuse("the pinned one".to_owned(), true),
            Rule::Known(path, known) if known.revoked.iter().any(|one| one.key_data() == key.key_data()) => {
                refuse(format!("one of {}, which marks it as revoked", path.display()), true)
            }
            Rule::Known(_, known) if known.keys.iter().any(|(_, one)| one.key_data() == key.key_data()) => None,
            Rule::Known(path, known) => match known.keys.first() {
                None => refuse(path.display().to_string(), false),
                Some((line, _)) => refuse(format!("the one of {} line {line}", path.display()), true),
            },
        }
    }
}

impl Handler for HostKeyCheck {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let refusal = match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.judge(key),
            // We ask for none.
            PublicKeyOrCertificate::Certificate(_) => return Ok(false),
        };
        let good = refusal.is_none();
        *self.refusal.0.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
        Ok(good)
    }
}

// ===== known_hosts =====

/// What the file says of a host. Lines that can't be read are skipped, as ssh does.
fn known(path: &Path, host: &str, port: u16) -> Result<Rule, SshError> {
    let wrong = |why: String| SshError::KnownHosts { path: path.to_owned(), why };
    let unreadable = |error: std::io::Error| wrong(format!("can't be read: {error}"));
    let mut bytes = Vec::new();
    match fs::File::open(path) {
        // No file knows no host: the error to come then tells what to write into it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(unreadable(error)),
        Ok(file) => drop(file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?),
    }
    if bytes.len() as u64 > LONGEST {
        return Err(wrong(format!("is larger than {LONGEST} bytes")));
    }
    // A line that isn't text is one that can't be read.
    let known = KnownKeys::parse(&String::from_utf8_lossy(&bytes), host, port);
    Ok(Rule::Known(path.to_owned(), known))
}

/// What a known_hosts says of one host.
#[derive(Debug)]
pub struct KnownKeys {
    /// With the numbers of their lines.
    keys: Vec<(usize, PublicKey)>,
    revoked: Vec<PublicKey>,
}

impl KnownKeys {
    /// Reads the text of a known_hosts.
    #[must_use]
    pub fn parse(text: &str, host: &str, port: u16) -> Self {
        let name = if port == 22 { host.to_lowercase() } else { format!("[{}]:{port}", host.to_lowercase()) };
        let mut known = Self { keys: Vec::new(), revoked: Vec::new() };
        for (index, line) in text.lines().enumerate() {
            let Some(Ok(entry)) = KnownHosts::new(line).next() else { continue };
            if !matches(entry.host_patterns(), &name) {
                continue;
            }
            match entry.marker() {
                None => known.keys.push((index + 1, entry.public_key().clone())),
                Some(Marker::Revoked) => known.revoked.push(entry.public_key().clone()),
                // Certificates of hosts are not asked for.
                Some(Marker::CertAuthority) => {}
            }
        }
        known
    }

    /// How many keys it has for the host.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// How many keys of the host it says are revoked.
    #[must_use]
    pub fn revoked(&self) -> usize {
        self.revoked.len()
    }
}

fn matches(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::HashedName { salt, hash } => {
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
            ring::hmac::verify(&key, name.as_bytes(), hash).is_ok()
        }
        HostPatterns::Patterns(patterns) => {
            let mut found = false;
            for pattern in patterns {
                let pattern = pattern.to_lowercase();
                match pattern.strip_prefix('!') {
                    Some(not) if glob(not.as_bytes(), name.as_bytes()) => return false,
                    Some(_) => {}
                    None => found |= glob(pattern.as_bytes(), name.as_bytes()),
                }
            }
            found
        }
    }
}

/// `*` is any text, `?` any character. Goes back to the last star alone, so its time is at most the product of the lengths.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn rule(text: &str, host: &str, port: u16) -> (usize, usize) {
        let known = KnownKeys::parse(text, host, port);
        (known.keys(), known.revoked())
    }

    #[test]
    fn keys_are_asked_for_that_can_be_compared_and_never_with_sha_1() {
        let check = |rule| HostKeyCheck { rule, refusal: SharedRefusal::default() };
        let known = |text: &str| check(Rule::Known(PathBuf::new(), KnownKeys::parse(text, "tor-1", 22))).preferred();
        assert_eq!(known(&format!("tor-1 {KEY}\n")), [Algorithm::Ed25519]);
        let all = known("");
        assert_eq!(all, check(Rule::Pinned("SHA256:x".into())).preferred());
        assert!(all.contains(&Algorithm::Ed25519) && !all.contains(&Algorithm::Rsa { hash: None }), "{all:?}");
    }

    #[test]
    fn hosts_by_name_pattern_and_port() {
        let text = format!(
            "# ours\n\n10.0.0.1,tor-1 {KEY} admin\n[tor-2]:2222\t{KEY}\n*.lab,!bad.lab {KEY}\n@revoked tor-3 {KEY}\nnonsense\n"
        );
        assert_eq!(rule(&text, "10.0.0.1", 22), (1, 0));
        assert_eq!(rule(&text, "TOR-1", 22), (1, 0));
        assert_eq!(rule(&text, "10.0.0.1", 2222), (0, 0));
        assert_eq!(rule(&text, "good.lab", 22), (1, 0));
        assert_eq!(rule(&text, "bad.lab", 22), (0, 0));
        assert_eq!(rule(&text, "tor-3", 22), (0, 1));
        assert_eq!(rule(&text, "tor-4", 22), (0, 0));
    }

    #[test]
    fn hashed_names() {
        // ssh-keygen -H of `10.0.0.1`, with a salt of its own.
        let salt = b"01234567890123456789";
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
        let mut hash = [0; 20];
        hash.copy_from_slice(ring::hmac::sign(&key, b"10.0.0.1").as_ref());
        let patterns = HostPatterns::HashedName { salt: salt.to_vec(), hash };
        assert!(matches(&patterns, "10.0.0.1") && !matches(&patterns, "10.0.0.2"));
    }

    #[test]
    fn globs() {
        for (pattern, text, good) in [
            ("*", "", true),
            ("10.*.1", "10.2.3.1", true),
            ("10.*.1", "10.2.3.2", false),
            ("tor-?", "tor-1", true),
            ("tor-?", "tor-", false),
            ("a*b*c", "aXbXbc", true),
            ("", "a", false),
        ] {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), good, "{pattern} {text}");
        }
    }
}
