//! PEM files: our key and certificate, the CAs.

use std::path::Path;

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::{Tls, TlsError};
use crate::transport::Certificate;

/// Longest PEM file, in bytes: a bundle of all public CAs has a quarter of it.
const LONGEST: u64 = 1 << 20;

/// What the files held.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) identity: Option<Identity>,
    pub(super) roots: Option<RootCertStore>,
}

/// What we show.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) certificate: Certificate,
}

/// Reads all files of a peer, off the runtime.
pub(super) async fn read(tls: Tls) -> Result<Files, TlsError> {
    match tokio::task::spawn_blocking(move || read_now(&tls)).await {
        Ok(files) => files,
        // The runtime ends.
        Err(error) => Err(TlsError::Interrupted(error.to_string())),
    }
}

fn read_now(tls: &Tls) -> Result<Files, TlsError> {
    let identity = match (&tls.certificate, &tls.private_key) {
        (Some(certificate), Some(key)) => Some(identity(certificate, key)?),
        _ => None,
    };
    Ok(Files { identity, roots: tls.ca_cert.as_deref().map(roots).transpose()? })
}

fn identity(certificate: &Path, key: &Path) -> Result<Identity, TlsError> {
    let chain = certificates("certificate", certificate)?;
    let wrong = |why: String| TlsError::File { key: "certificate", path: certificate.to_owned(), why };
    let first = chain.first().ok_or_else(|| wrong("holds no certificate in PEM".to_owned()))?;
    let parsed = Certificate::parse(first).map_err(|error| wrong(error.to_string()))?;
    let pem = contents("private_key", key)?;
    // The parser's own words may quote the file: they stay here.
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| TlsError::File {
        key: "private_key",
        path: key.to_owned(),
        why: "holds no private key in PEM (PKCS#8, PKCS#1 or SEC1, without a passphrase)".to_owned(),
    })?;
    Ok(Identity { chain, key, certificate: parsed })
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let wrong = |why: String| TlsError::File { key: "ca_cert", path: path.to_owned(), why };
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca_cert", path)? {
        roots.add(certificate).map_err(|error| wrong(format!("holds a certificate that can't be used: {error}")))?;
    }
    if roots.is_empty() { Err(wrong("holds no certificate in PEM".to_owned())) } else { Ok(roots) }
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = contents(key, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    found.map_err(|_| TlsError::File { key, path: path.to_owned(), why: "is not a PEM file".to_owned() })
}

fn contents(key: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    use std::io::Read;
    let wrong = |why: String| TlsError::File { key, path: path.to_owned(), why };
    let unreadable = |error: std::io::Error| wrong(format!("can't be read: {error}"));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST { Err(wrong(format!("is larger than {LONGEST} bytes"))) } else { Ok(bytes) }
}
