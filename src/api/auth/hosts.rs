//! The compute nodes' own tokens: they read the FDB and write the ports of their host, and nothing else.

use std::{
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use axum::http::{HeaderMap, Method};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::token_file::open_regular;
use crate::api::problem::Problem;

/// Longest `host_token_file`, in bytes: some 10,000 hosts.
const MAX_FILE: u64 = 4 << 20;
/// Shortest token: what is shorter can be guessed.
const MIN_TOKEN: usize = 16;

/// `host_token_file` can't be used.
#[derive(Debug, thiserror::Error)]
pub enum HostTokenError {
    /// It can't be read.
    #[error("host_token_file {path}: {source}: it needs one line 'host:token' a compute node, mode 0600")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read it.
    #[error("host_token_file {path} can be read by everybody (mode {mode:04o}): chmod 600 it, and change the tokens")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A line is none.
    #[error("host_token_file {path}:{line}: {problem}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it; the token itself is never shown.
        problem: &'static str,
    },
}

/// The tokens of compute nodes.
#[derive(Debug, Default)]
pub(crate) struct HostTokens(Vec<(String, SecretString)>);

// ===== impl HostTokens =====

impl HostTokens {
    /// Reads `host_token_file`.
    pub(crate) fn load(path: &Path) -> Result<Self, HostTokenError> {
        let unreadable = |source| HostTokenError::Read { path: path.to_owned(), source };
        let file = open_regular(path).map_err(unreadable)?;
        let file = file.ok_or_else(|| unreadable(io::Error::other("it is no regular file")))?;
        let mode = file.metadata().map_err(unreadable)?.mode() & 0o777;
        if mode & 0o007 != 0 {
            return Err(HostTokenError::Exposed { path: path.to_owned(), mode });
        }
        let mut text = String::new();
        file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > MAX_FILE {
            return Err(unreadable(io::Error::other("it is longer than 4 MiB")));
        }
        Self::parse(&text).map_err(|(line, problem)| HostTokenError::Line { path: path.to_owned(), line, problem })
    }

    fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let mut tokens: Vec<(String, SecretString)> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // A token holds no colon; the name of a host may.
            let (host, token) = line.rsplit_once(':').ok_or((number, "write 'host:token'"))?;
            let (host, token) = (host.trim(), token.trim());
            let problem = if host.is_empty() {
                Some("the host's name is missing before the colon")
            } else if token.len() < MIN_TOKEN {
                Some("the token is shorter than 16 characters: take a random one (openssl rand -hex 32)")
            } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                Some("a token is printable ASCII without spaces")
            } else if tokens.iter().any(|(known, _)| known == host) {
                Some("the host has a token already: one line a host")
            } else if tokens.iter().any(|(_, known)| known.expose_secret() == token) {
                Some("another host has the same token: each needs its own")
            } else {
                None
            };
            if let Some(problem) = problem {
                return Err((number, problem));
            }
            tokens.push((host.to_owned(), SecretString::from(token)));
        }
        Ok(Self(tokens))
    }

    /// The host whose token the call bears.
    pub(crate) fn host(&self, headers: &HeaderMap) -> Option<&str> {
        let given = headers.get("x-auth-token")?.as_bytes();
        // All are compared, so that the time tells nothing.
        let mut found = None;
        for (host, token) in &self.0 {
            if bool::from(given.ct_eq(token.expose_secret().as_bytes())) {
                found = Some(host.as_str());
            }
        }
        found
    }
}

/// What a host's token is good for: the FDB, and ports, where the service sees to it that they are the host's own.
pub(super) fn may(host: &str, method: &Method, path: &str) -> Result<(), Problem> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let below =
        |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.']));
    if (method == Method::GET && below("/v2/fdb")) || below("/v2.0/ports") {
        return Ok(());
    }
    let message = format!("the token of host '{host}' reads /v2/fdb and writes its own /v2.0/ports, and nothing else");
    Err(Problem::forbidden(message))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    #[test]
    fn lines_are_read_and_mistakes_named() {
        let good = format!("# compute nodes\n\n compute-1 : {TOKEN} \nrack:2:a{TOKEN}\n");
        let tokens = HostTokens::parse(&good).unwrap();
        let headers = |token: &str| HeaderMap::from_iter([("x-auth-token".parse().unwrap(), token.parse().unwrap())]);
        assert_eq!(tokens.host(&headers(TOKEN)), Some("compute-1"));
        assert_eq!(tokens.host(&headers(&format!("a{TOKEN}"))), Some("rack:2"));
        assert_eq!(tokens.host(&headers("0123456789abcdeF")), None);
        assert_eq!(tokens.host(&HeaderMap::new()), None);
        assert!(!format!("{tokens:?}").contains(TOKEN));
        for (text, line, word) in [
            ("compute-1", 1, "host:token"),
            ("a:0123456789abcdef\nb:short", 2, "shorter"),
            (":0123456789abcdef", 1, "missing"),
            ("a:0123456789abcdef\na:0123456789abcdeg", 2, "one line a host"),
            ("a:0123456789abcdef\nb:0123456789abcdef", 2, "its own"),
            ("a:0123456789abcdéf", 1, "ASCII"),
        ] {
            let (at, problem) = HostTokens::parse(text).unwrap_err();
            assert!(at == line && problem.contains(word), "{text}: {at}: {problem}");
        }
    }

    /// A pipe would be waited for, a device would have no end; and others must not read it.
    #[test]
    fn the_file_is_a_regular_one_that_nobody_else_reads() {
        let directory = std::env::temp_dir().join(format!("vtepd-hosts-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&directory).unwrap();
        let path = |name: &str| directory.join(name);
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("zero")).unwrap();
        for name in ["pipe", "zero", "."] {
            let error = HostTokens::load(&path(name)).unwrap_err().to_string();
            assert!(error.contains("no regular file"), "{name}: {error}");
        }
        let file = path("tokens");
        fs::write(&file, format!("compute-1:{TOKEN}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
        let error = HostTokens::load(&file).unwrap_err().to_string();
        assert!(error.contains("0604") && !error.contains(TOKEN), "{error}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(HostTokens::load(&file).unwrap().0.len(), 1);
        fs::write(&file, format!("compute-1:{}\n", &TOKEN[1..])).unwrap();
        let error = HostTokens::load(&file).unwrap_err().to_string();
        assert!(
            error.contains("tokens:1") && error.contains("16 characters") && !error.contains(&TOKEN[1..]),
            "{error}"
        );
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_host_reads_the_fdb_and_writes_ports() {
        for (method, path, good) in [
            (Method::GET, "/v2/fdb", true),
            (Method::GET, "/v2/fdb/", true),
            (Method::GET, "/v2/fdb/watch", true),
            (Method::POST, "/v2/fdb", false),
            (Method::GET, "/v2/fdbs", false),
            (Method::POST, "/v2.0/ports", true),
            (Method::DELETE, "/v2.0/ports/x.json", true),
            (Method::GET, "/v2.0/ports.json", true),
            (Method::GET, "/v2.0/portsmouth", false),
            (Method::GET, "/v2/switches", false),
            (Method::GET, "/v2.0/networks", false),
        ] {
            assert_eq!(may("h", &method, path).is_ok(), good, "{method} {path}");
        }
    }
}
