//! OVSDB over TLS 1.2 and 1.3: whom we believe, and what we show. Files are read for every handshake, so that a renewed
//! certificate takes effect with the next session, without a signal and without a cache that could be stale.

mod accept;
mod error;
mod files;
mod verify;

use std::{
    fmt,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use rustls::{
    ClientConfig,
    crypto::{CryptoProvider, ring},
    pki_types::ServerName,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

pub use accept::{Acceptor, accept};
pub use error::TlsError;

use super::{Certificate, Fingerprint, Stream};
use verify::{Verifier, Witness};

/// Files and rules of one peer. Errors name the fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// Our private key: PEM with PKCS#8, PKCS#1 or SEC1.
    pub private_key: Option<PathBuf>,
    /// Our certificate, and what leads from it to a CA that the peer knows.
    pub certificate: Option<PathBuf>,
    /// The CAs that sign the peer's certificate.
    pub ca_cert: Option<PathBuf>,
    /// What makes the peer the right one.
    pub verify: Verify,
}

/// What makes a server's certificate the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// Signed by a CA of ours, and for the name or the address that we dialled.
    #[default]
    Name,
    /// Signed by a CA of ours, whatever its name: what ovsdb-server itself asks for.
    Chain,
    /// This one, by any CA.
    Pinned(Fingerprint),
}

/// The certificates of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Certificates {
    /// The one that we showed.
    pub own: Option<Certificate>,
    /// The one that the peer showed.
    pub peer: Option<Certificate>,
}

/// Asks a server for TLS. `host` is what was dialled.
pub(super) async fn connect(
    stream: TcpStream,
    host: &str,
    peer: &str,
    tls: &Tls,
) -> Result<(Stream, Certificates), TlsError> {
    let files = files::read(tls.clone()).await?;
    let own = files.identity.as_ref().map(|identity| identity.certificate.clone());
    let witness = Witness::default();
    let provider = provider();
    let verifier = Verifier::new(tls.verify, files.roots, &provider, witness.clone())?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Library)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match files.identity {
        Some(identity) => builder
            .with_client_auth_cert(identity.chain, identity.key)
            .map_err(|error| TlsError::own_key(tls, error))?,
        None => builder.with_no_client_auth(),
    };
    // A session that is taken up again would be one whose certificate nobody looked at.
    config.resumption = rustls::client::Resumption::disabled();
    let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::NoName(host.to_owned()))?;
    let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let stream = shaken.map_err(|error| TlsError::handshake(peer, &error, &witness.seen(), tls, host))?;
    let certificates = Certificates { own, peer: witness.seen().certificate };
    let stream = Explained { stream, peer: peer.to_owned(), showed: certificates.own.is_some() };
    Ok((Box::new(stream), certificates))
}

/// What every verifier of certificates does alike: signatures within the handshake, by the algorithms of `provider`.
macro_rules! verify_signatures {
    () => {
        $crate::transport::tls::verify_signatures!(verify_tls12_signature);
        $crate::transport::tls::verify_signatures!(verify_tls13_signature);

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            self.provider.signature_verification_algorithms.supported_schemes()
        }
    };
    ($method:ident) => {
        fn $method(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
            let algorithms = &self.provider.signature_verification_algorithms;
            rustls::crypto::$method(message, certificate, signed, algorithms)
        }
    };
}
use verify_signatures;

/// The one provider of cryptography.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Looks at our own certificate again: it may have been renewed.
pub async fn own_certificate(tls: &Tls) -> Option<Certificate> {
    files::read(tls.clone()).await.ok()?.identity.map(|identity| identity.certificate)
}

// ===== Explained =====

/// A TLS stream whose late errors are explained: with TLS 1.3, a server's word about our certificate comes after the
/// handshake.
struct Explained<S> {
    stream: S,
    peer: String,
    showed: bool,
}

impl<S> fmt::Debug for Explained<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explained").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl<S> Explained<S> {
    fn explain<T>(&self, poll: Poll<std::io::Result<T>>) -> Poll<std::io::Result<T>> {
        poll.map_err(|error| match TlsError::alert(&self.peer, &error, self.showed) {
            Some(explained) => std::io::Error::new(error.kind(), explained),
            None => error,
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Explained<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.explain(poll)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Explained<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.explain(poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        self.explain(poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
