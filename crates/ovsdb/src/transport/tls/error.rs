//! Why there is no TLS with a peer, in an operator's words. Files and settings have the names of the fields of [`Tls`].

use std::{
    io,
    path::{Path, PathBuf},
};

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use super::{
    Tls, Verify,
    verify::{Refused, Seen},
};
use crate::transport::{Certificate, Fingerprint};

/// No TLS came to be. What concerns the peer names it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of ours.
    #[error("{key} {}: {why}", .path.display())]
    File {
        /// The field of [`Tls`].
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Key and certificate of ours.
    #[error("private_key and certificate {path}: {why}", path = .path.display())]
    Pair {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Nothing to verify a peer with.
    #[error("there is neither a ca_cert to verify the peer with nor a pinned certificate")]
    NoCa,
    /// Nothing to show.
    #[error("TLS with peers that dial in needs a private_key and a certificate")]
    NoIdentity,
    /// The CAs can't be used.
    #[error("ca_cert can't be used: {0}")]
    Roots(String),
    /// No certificate could be for it.
    #[error("'{0}' is no name that a certificate could be for: use an IP address or a DNS name")]
    NoName(String),
    /// Signed by another CA.
    #[error("{peer} shows the certificate {certificate}, which is not signed by a CA of {ca}")]
    WrongCa {
        /// The peer.
        peer: String,
        /// Its certificate.
        certificate: String,
        /// `ca_cert`.
        ca: String,
    },
    /// For another name.
    #[error(
        "{peer} shows the certificate {certificate}, which is not for '{wanted}'{}",
        if *.nameless { ", because it has a common name alone" } else { "" }
    )]
    WrongName {
        /// The peer.
        peer: String,
        /// Its certificate.
        certificate: String,
        /// What was dialled.
        wanted: String,
        /// It has a common name alone, which counts for nothing.
        nameless: bool,
    },
    /// Too old.
    #[error("{peer} shows the certificate {certificate}, which expired on {since}: renew it on the switch")]
    Expired {
        /// The peer.
        peer: String,
        /// Its certificate.
        certificate: String,
        /// `notAfter`.
        since: String,
    },
    /// Too young.
    #[error("{peer} shows the certificate {certificate}, which is not valid yet: is the clock right, here and there?")]
    NotYetValid {
        /// The peer.
        peer: String,
        /// Its certificate.
        certificate: String,
    },
    /// Not the one that was pinned.
    #[error("{peer} shows the certificate {certificate} with the fingerprint {found}, not the pinned one")]
    NotPinned {
        /// The peer.
        peer: String,
        /// Its certificate.
        certificate: String,
        /// Its fingerprint.
        found: Fingerprint,
    },
    /// A kind of certificate that we can't verify.
    #[error("{peer} shows the certificate {certificate}, which is {what}, and that can't be verified")]
    Unverifiable {
        /// The peer.
        peer: String,
        /// Its certificate.
        certificate: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Another reason of rustls.
    #[error("{peer} shows the certificate {certificate}, which can't be trusted: {why}")]
    Untrusted {
        /// The peer.
        peer: String,
        /// Its certificate.
        certificate: String,
        /// rustls' words.
        why: String,
    },
    /// The peer showed none.
    #[error("{peer} shows no certificate: set private_key and certificate in its OVSDB settings")]
    NoneShown {
        /// The peer.
        peer: String,
    },
    /// No version or no cipher in common.
    #[error("{peer} speaks neither TLS 1.2 nor TLS 1.3 ({why})")]
    TooOld {
        /// The peer.
        peer: String,
        /// rustls' words.
        why: String,
    },
    /// Something else listens there.
    #[error("{peer} answers, but not with TLS")]
    NotTls {
        /// The peer.
        peer: String,
    },
    /// The peer refused us.
    #[error("{peer} refused our certificate ({alert}): {fix}")]
    Refused {
        /// The peer.
        peer: String,
        /// The alert's name.
        alert: String,
        /// What to do.
        fix: &'static str,
    },
    /// The connection broke.
    #[error("the TLS handshake with {peer} failed: {why}")]
    Broken {
        /// The peer.
        peer: String,
        /// Why.
        why: String,
    },
    /// rustls would not even start.
    #[error("TLS can't be set up: {0}")]
    Library(Error),
    /// The runtime ends.
    #[error("the files of TLS were not read: {0}")]
    Interrupted(String),
}

impl TlsError {
    /// Whether it will be the same until an operator changes a file, a key or the switch.
    pub fn is_refusal(&self) -> bool {
        !matches!(self, Self::Broken { .. } | Self::Interrupted(_))
    }

    pub(super) fn own_key(tls: &Tls, error: Error) -> Self {
        let path = tls.certificate.clone().unwrap_or_default();
        let why = match error {
            Error::InconsistentKeys(_) => "the key is not the certificate's".to_owned(),
            error => error.to_string(),
        };
        Self::Pair { path, why }
    }

    /// From the error of a handshake.
    pub(super) fn handshake(peer: &str, error: &io::Error, seen: &Seen, tls: &Tls, wanted: &str) -> Self {
        let peer = peer.to_owned();
        if let Some(explained) = Self::alert(&peer, error, tls.certificate.is_some()) {
            return explained;
        }
        let broken = |why: String| Self::Broken { peer: peer.clone(), why };
        let Some(tls_error) = inner(error) else {
            return match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    broken("it closed the connection; does it listen with TLS (pssl, not ptcp)?".to_owned())
                }
                _ => broken(error.to_string()),
            };
        };
        match tls_error {
            Error::InvalidCertificate(why) => Self::certificate(peer, why, seen, tls, wanted),
            Error::NoCertificatesPresented => Self::NoneShown { peer },
            Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => Self::NotTls { peer },
            Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::SupportedVersionsExtensionRequired,
            ) => Self::TooOld { peer, why: tls_error.to_string() },
            _ => broken(tls_error.to_string()),
        }
    }

    fn certificate(peer: String, why: &CertificateError, seen: &Seen, tls: &Tls, wanted: &str) -> Self {
        let Some(shown) = &seen.certificate else {
            return Self::Unverifiable { peer, certificate: "?".to_owned(), what: "not X.509" };
        };
        let certificate = shown.to_string();
        match (seen.refused, why) {
            (Some(Refused::Version), _) => Self::Unverifiable { peer, certificate, what: "of X.509 version 1" },
            (Some(Refused::Weak), _) => Self::Unverifiable { peer, certificate, what: "signed with SHA-1 or MD5" },
            (Some(Refused::NotPinned), _) => Self::NotPinned { peer, certificate, found: shown.fingerprint },
            (None, CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
                let since = humantime::format_rfc3339_seconds(shown.expires).to_string();
                Self::Expired { peer, certificate, since }
            }
            (None, CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
                Self::NotYetValid { peer, certificate }
            }
            (None, CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
                Self::WrongCa { peer, certificate, ca: name(tls.ca_cert.as_deref()) }
            }
            (None, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
                Self::WrongName {
                    peer,
                    certificate,
                    wanted: wanted.to_owned(),
                    nameless: is_nameless(shown, tls.verify),
                }
            }
            (
                None,
                CertificateError::UnsupportedSignatureAlgorithmContext { .. }
                | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
            ) => Self::Unverifiable { peer, certificate, what: "signed with an algorithm that is too old" },
            (None, why) => Self::Untrusted { peer, certificate, why: format!("{why:?}") },
        }
    }

    /// From the peer's word about us, which TLS 1.3 has after the handshake.
    pub(super) fn alert(peer: &str, error: &io::Error, showed: bool) -> Option<Self> {
        let Some(Error::AlertReceived(alert)) = inner(error) else { return None };
        let peer = peer.to_owned();
        let fix = match alert {
            AlertDescription::ProtocolVersion => {
                return Some(Self::TooOld { peer, why: "it says so itself".to_owned() });
            }
            _ if !showed => "set private_key and certificate: the switch wants to see one",
            AlertDescription::CertificateRequired => "set private_key and certificate: the switch wants to see one",
            AlertDescription::CertificateExpired => "renew the file of the key 'certificate'",
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError => "it must be signed by a CA that the switch knows (its ca-cert)",
            AlertDescription::HandshakeFailure
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRevoked => "it must be one that the switch accepts",
            _ => return None,
        };
        Some(Self::Refused { peer, alert: format!("{alert:?}"), fix })
    }
}

fn inner(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref::<Error>()
}

fn name(path: Option<&Path>) -> String {
    path.map_or_else(|| "ours".to_owned(), |path| path.display().to_string())
}

fn is_nameless(shown: &Certificate, verify: Verify) -> bool {
    verify == Verify::Name && shown.dns_names.is_empty() && shown.ip_addresses.is_empty()
}
