//! What an operator does about a connection that did not come to be. The OVSDB client says what happened; which key of
//! plumgrid.ini changes it is said here.

use std::{borrow::Cow, fmt};

use crate::ovsdb::transport::{SshError, TlsError, TransportError};

/// An error with the advice on it.
#[derive(Debug)]
pub struct Advised<'e, E>(pub &'e E);

/// What can be done about an error.
pub trait Advice: fmt::Display {
    /// In the imperative; `None`: the error says it all.
    fn advice(&self) -> Option<Cow<'static, str>>;
}

impl<E: Advice> fmt::Display for Advised<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        match self.0.advice() {
            Some(advice) => write!(f, ": {advice}"),
            None => Ok(()),
        }
    }
}

impl Advice for TransportError {
    fn advice(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Tls(error) => error.advice(),
            Self::Ssh(error) => error.advice(),
            Self::Resolve { .. } | Self::Connect { .. } | Self::TimedOut { .. } => None,
        }
    }
}

impl Advice for TlsError {
    fn advice(&self) -> Option<Cow<'static, str>> {
        let advice = match self {
            Self::NoCa => "set ca_cert, or pin the switch's certificate with peer_fingerprint",
            Self::NoIdentity => "set private_key and certificate in [l2gateway]",
            Self::WrongName { nameless: true, .. } => "set peer_verify = chain, or pin it with peer_fingerprint",
            Self::WrongName { nameless: false, .. } => {
                "set management_ip to one of its names, or peer_verify = chain, or pin it with peer_fingerprint"
            }
            Self::NotPinned { .. } => {
                "if the switch has a new certificate, compare it there and change peer_fingerprint; otherwise another machine \
                 answers in its place"
            }
            Self::Unverifiable { .. } => "give the switch an X.509 v3 certificate with SHA-256, or use transport = ssh",
            Self::TooOld { .. } => "update the switch, or use transport = ssh",
            Self::NotTls { .. } => "is this a port of 'ptcp' (transport = tcp) instead of 'pssl'?",
            Self::File { .. }
            | Self::Pair { .. }
            | Self::Roots(_)
            | Self::NoName(_)
            | Self::WrongCa { .. }
            | Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::Untrusted { .. }
            | Self::NoneShown { .. }
            | Self::Refused { .. }
            | Self::Broken { .. }
            | Self::Library(_)
            | Self::Interrupted(_) => return None,
        };
        Some(advice.into())
    }
}

impl Advice for SshError {
    fn advice(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::UnknownHostKey { fingerprint, wanted, .. } => Some(
                format!(
                    "compare it on the switch, then set host_key_fingerprint = {fingerprint}, or add the key to {wanted}"
                )
                .into(),
            ),
            Self::ChangedHostKey { .. } => Some(
                "if the switch has a new key, compare it there and change host_key_fingerprint or the file of known_hosts; \
                 otherwise another machine answers in its place"
                    .into(),
            ),
            Self::Channel { .. } | Self::Neither(..) => {
                Some("set ovsdb_socket to where its ovsdb-server listens".into())
            }
            Self::KnownHosts { .. }
            | Self::PrivateKey { .. }
            | Self::Refused { .. }
            | Self::Questions { .. }
            | Self::Broken { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_the_key_that_changes_it() {
        let error = TransportError::Tls(TlsError::WrongName {
            peer: "192.0.2.1:6640".to_owned(),
            certificate: "CN=tor-1".to_owned(),
            wanted: "192.0.2.1".to_owned(),
            nameless: true,
        });
        assert_eq!(
            Advised(&error).to_string(),
            "192.0.2.1:6640 shows the certificate CN=tor-1, which is not for '192.0.2.1', because it has a common name alone: \
             set peer_verify = chain, or pin it with peer_fingerprint"
        );
        let error = TlsError::Broken { peer: "192.0.2.1:6640".to_owned(), why: "it closed the connection".to_owned() };
        assert_eq!(Advised(&error).to_string(), error.to_string());
    }
}
