//! TLS of the API: a certificate that can be renewed while connections live.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ServerConfig,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{config::TlsFiles, ovsdb::transport::Certificate};

/// Longest file, in bytes: a chain has a few KiB.
const LONGEST: u64 = 1 << 20;

/// The certificate or its key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ApiTlsError {
    /// A file can't be read.
    #[error("{key} of [api]: {} can't be read: {source}", path.display())]
    Read {
        /// `tls_certificate` or `tls_private_key`.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{key} of [api]: {} holds no {wanted} in PEM form: {why}", path.display())]
    Pem {
        /// `tls_certificate` or `tls_private_key`.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What should be there.
        wanted: &'static str,
        /// What is there instead.
        why: String,
    },
    /// Others may read the key.
    #[error("tls_private_key of [api]: {} can be read by everybody (mode {mode:04o}): chmod o-rwx it, and renew the key", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The two don't fit, or rustls knows no such key.
    #[error("tls_certificate {} and tls_private_key {} of [api] can't be used together: {source}", files.certificate.display(), files.private_key.display())]
    Pair {
        /// The files.
        files: TlsFiles,
        /// Why.
        source: rustls::Error,
    },
}

/// The API's certificate and key: cheap to clone, and all clones renew together.
#[derive(Debug, Clone)]
pub struct ApiTls(Arc<RwLock<Loaded>>);

/// What was read from the files.
#[derive(Debug, Clone)]
struct Loaded {
    config: Arc<ServerConfig>,
    /// The certificate in words; `None`: rustls takes it, and we can't read it.
    certificate: Option<Certificate>,
}

impl ApiTls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// [`ApiTlsError`] where a file can't be read or used, or everybody can read the key.
    pub fn load(files: &TlsFiles) -> Result<Self, ApiTlsError> {
        Ok(Self(Arc::new(RwLock::new(read(files)?))))
    }

    /// Reads the files again, for the connections to come.
    ///
    /// # Errors
    /// As [`ApiTls::load`]; the old certificate then stays.
    pub fn reload(&self, files: &TlsFiles) -> Result<(), ApiTlsError> {
        let new = read(files)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// The certificate that is in force.
    pub(super) fn certificate(&self) -> Option<Certificate> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).certificate.clone()
    }

    /// The server's side of a handshake. Cancel it to bound it.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = self.0.read().unwrap_or_else(PoisonError::into_inner).config.clone();
        TlsAcceptor::from(config).accept(stream).await
    }
}

fn read(files: &TlsFiles) -> Result<Loaded, ApiTlsError> {
    let (path, pem) = (&files.certificate, contents("tls_certificate", &files.certificate)?);
    let no_chain =
        |why: String| ApiTlsError::Pem { key: "tls_certificate", path: path.clone(), wanted: "certificate", why };
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, pem::Error>>();
    let chain = chain.map_err(|error| no_chain(error.to_string()))?;
    if chain.is_empty() {
        return Err(no_chain("there is no BEGIN CERTIFICATE".to_owned()));
    }
    let certificate = chain.first().and_then(|own| Certificate::parse(own).ok());
    let (path, pem) = (&files.private_key, contents("tls_private_key", &files.private_key)?);
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| ApiTlsError::Pem {
        key: "tls_private_key",
        path: path.clone(),
        wanted: "private key",
        why: error.to_string(),
    })?;
    let unfit = |source| ApiTlsError::Pair { files: files.clone(), source };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Loaded { config: Arc::new(config), certificate })
}

fn contents(key: &'static str, path: &Path) -> Result<Vec<u8>, ApiTlsError> {
    let unreadable = |source| ApiTlsError::Read { key, path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o777;
    if key == "tls_private_key" && mode & 0o006 != 0 {
        return Err(ApiTlsError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text).map_err(unreadable)?;
    Ok(text)
}
