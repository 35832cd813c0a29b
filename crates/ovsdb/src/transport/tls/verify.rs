//! Verifiers. A witness keeps what was seen, so that a refusal can be explained in words: rustls gives a code.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{
    CertificateError, Error, RootCertStore,
    client::{
        WebPkiServerVerifier,
        danger::{ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::{TlsError, Verify};
use crate::transport::{Certificate, Fingerprint};

/// What a handshake saw of the peer.
#[derive(Debug, Clone, Default)]
pub(super) struct Witness(Arc<Mutex<Seen>>);

#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) certificate: Option<Certificate>,
    pub(super) refused: Option<Refused>,
}

/// What rustls has no code for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// X.509 v1.
    Version,
    /// Signed with SHA-1 or MD5.
    Weak,
    /// Not the pinned one.
    NotPinned,
}

impl Witness {
    pub(super) fn seen(&self) -> Seen {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a certificate, and refuses what can't be verified, by any CA.
    pub(super) fn look(&self, leaf: &CertificateDer<'_>, pinned: bool) -> Result<Fingerprint, Error> {
        let certificate =
            Certificate::parse(leaf).map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let fingerprint = certificate.fingerprint;
        let refused = match &certificate {
            c if c.version < 3 => Some(Refused::Version),
            c if c.weak_signature && !pinned => Some(Refused::Weak),
            _ => None,
        };
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Seen { certificate: Some(certificate), refused };
        if refused.is_some() { Err(unverified()) } else { Ok(fingerprint) }
    }

    pub(super) fn refuse(&self, refused: Refused) -> Error {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).refused = Some(refused);
        unverified()
    }
}

fn unverified() -> Error {
    Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

/// Verifies a server.
#[derive(Debug)]
pub(super) struct Verifier {
    verify: Verify,
    /// Not there for a pinned certificate.
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    witness: Witness,
}

impl Verifier {
    pub(super) fn new(
        verify: Verify,
        roots: Option<RootCertStore>,
        provider: &Arc<CryptoProvider>,
        witness: Witness,
    ) -> Result<Self, TlsError> {
        let chain = match (verify, roots) {
            (Verify::Pinned(_), _) => None,
            (_, None) => return Err(TlsError::NoCa),
            (_, Some(roots)) => {
                let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
                Some(builder.build().map_err(|error| TlsError::Roots(error.to_string()))?)
            }
        };
        Ok(Self { verify, chain, provider: provider.clone(), witness })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pinned = matches!(self.verify, Verify::Pinned(_));
        let fingerprint = self.witness.look(leaf, pinned)?;
        let verified = || match &self.chain {
            Some(chain) => chain.verify_server_cert(leaf, intermediates, name, ocsp, now),
            None => Err(unverified()),
        };
        match self.verify {
            Verify::Pinned(wanted) if wanted == fingerprint => Ok(ServerCertVerified::assertion()),
            Verify::Pinned(_) => Err(self.witness.refuse(Refused::NotPinned)),
            Verify::Name => verified(),
            // The chain is verified before the name is.
            Verify::Chain => match verified() {
                Err(Error::InvalidCertificate(
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                )) => Ok(ServerCertVerified::assertion()),
                other => other,
            },
        }
    }

    super::verify_signatures!();
}
