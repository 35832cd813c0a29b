//! TLS with a switch that dialled us: it must show a certificate. Which switch it may speak for is decided later, when it
//! has said who it is.

use std::sync::Arc;

use rustls::{
    DistinguishedName, Error, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{Certificates, Explained, Tls, TlsError, Verify, files, provider, verify::Witness};
use crate::transport::{Certificate, Fingerprint, Stream};

/// What a listener for switches needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptor {
    /// Our key and certificate, and the CAs of the switches.
    pub tls: Tls,
    /// Certificates that are believed by any CA.
    pub pinned: Vec<Fingerprint>,
}

/// Answers a switch that dialled us. What it showed is reported in any case.
pub async fn accept(
    stream: TcpStream,
    peer: &str,
    acceptor: &Acceptor,
) -> Result<(Stream, Certificates), (TlsError, Option<Certificate>)> {
    let witness = Witness::default();
    let shaken = shake(stream, peer, acceptor, &witness).await;
    shaken.map_err(|error| (error, witness.seen().certificate))
}

async fn shake(
    stream: TcpStream,
    peer: &str,
    acceptor: &Acceptor,
    witness: &Witness,
) -> Result<(Stream, Certificates), TlsError> {
    let tls = &acceptor.tls;
    let files = files::read(tls.clone()).await?;
    let identity = files.identity.ok_or(TlsError::NoIdentity)?;
    let provider = provider();
    let chain = match files.roots {
        None => None,
        Some(roots) => {
            let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
            Some(builder.build().map_err(|error| TlsError::Roots(error.to_string()))?)
        }
    };
    let hints = chain.as_ref().map(|chain| chain.root_hint_subjects().to_vec()).unwrap_or_default();
    let pinned = acceptor.pinned.clone();
    let verifier = Verifier { chain, hints, pinned, provider: provider.clone(), witness: witness.clone() };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Library)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(identity.chain, identity.key)
        .map_err(|error| TlsError::own_key(tls, error))?;
    // A ticket would let a switch in again without its certificate being looked at.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    let shaken = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
    let rules = Tls { verify: Verify::Chain, ..tls.clone() };
    let stream = shaken.map_err(|error| TlsError::handshake(peer, &error, &witness.seen(), &rules, peer))?;
    let certificates = Certificates { own: Some(identity.certificate), peer: witness.seen().certificate };
    Ok((Box::new(Explained { stream, peer: peer.to_owned(), showed: true }), certificates))
}

#[derive(Debug)]
struct Verifier {
    chain: Option<Arc<dyn ClientCertVerifier>>,
    hints: Vec<DistinguishedName>,
    pinned: Vec<Fingerprint>,
    provider: Arc<CryptoProvider>,
    witness: Witness,
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // A switch with a pinned certificate of its own finds no CA of its own among them.
        if self.pinned.is_empty() { &self.hints } else { &[] }
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let pinned = Certificate::parse(leaf).is_ok_and(|leaf| self.pinned.contains(&leaf.fingerprint));
        self.witness.look(leaf, pinned)?;
        match &self.chain {
            _ if pinned => Ok(ClientCertVerified::assertion()),
            Some(chain) => chain.verify_client_cert(leaf, intermediates, now),
            None => Err(self.witness.refuse(super::verify::Refused::NotPinned)),
        }
    }

    super::verify_signatures!();
}
