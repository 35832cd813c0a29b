//! Certificate authorities and certificates of a test's own, as PEM files.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};

use super::process::Scratch;

/// Files of one end: its key and certificate, and the CA that it believes.
#[derive(Clone, Debug)]
pub(crate) struct Identity509 {
    pub(crate) key: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) ca: PathBuf,
}

/// A certificate to be.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) common_name: String,
    pub(crate) names: Vec<String>,
    /// `notBefore` and `notAfter`: year, month, day.
    pub(crate) valid: [(i32, u8, u8); 2],
    /// Days from now on, instead of `notAfter`.
    pub(crate) days: Option<u32>,
}

impl Spec {
    /// For this DNS name and 127.0.0.1, valid for long.
    pub(crate) fn new(name: &str) -> Self {
        Self::with_names(name, &[name, "127.0.0.1"])
    }

    pub(crate) fn with_names(common_name: &str, names: &[&str]) -> Self {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Self { common_name: common_name.to_owned(), names, valid: [(2020, 1, 1), (2090, 1, 1)], days: None }
    }

    pub(crate) fn valid(self, from: (i32, u8, u8), until: (i32, u8, u8)) -> Self {
        Self { valid: [from, until], ..self }
    }

    pub(crate) fn days(self, days: u32) -> Self {
        Self { days: Some(days), ..self }
    }
}

/// A CA with a directory for all that it signs.
#[derive(Debug)]
pub(crate) struct Pki {
    issuer: CertifiedIssuer<'static, KeyPair>,
    scratch: Scratch,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let name = format!("test CA {:02x?}", &key.public_key_raw()[1..5]);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a CA signs itself");
        let scratch = Scratch::new();
        fs::write(scratch.join("ca.pem"), issuer.pem()).expect("the CA is written");
        Self { issuer, scratch }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.scratch.join("ca.pem")
    }

    pub(crate) fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// A certificate for this name and 127.0.0.1.
    pub(crate) fn issue(&self, name: &str) -> Identity509 {
        self.sign(&Spec::new(name))
    }

    /// Signs; a second certificate of one common name replaces the first in its files.
    pub(crate) fn sign(&self, spec: &Spec) -> Identity509 {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, spec.common_name.as_str());
        params.subject_alt_names = spec
            .names
            .iter()
            .map(|name| match name.parse() {
                Ok(ip) => SanType::IpAddress(ip),
                Err(_) => SanType::DnsName(name.as_str().try_into().expect("a DNS name")),
            })
            .collect();
        let [from, until] = spec.valid.map(|(year, month, day)| rcgen::date_time_ymd(year, month, day));
        let in_days = |days: u32| (SystemTime::now() + Duration::from_hours(24) * days).into();
        (params.not_before, params.not_after) = (from, spec.days.map_or(until, in_days));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("the CA signs");
        let file = |what: &str| self.scratch.join(format!("{}-{what}.pem", spec.common_name));
        let identity = Identity509 { key: file("key"), certificate: file("cert"), ca: self.ca() };
        fs::write(&identity.key, key.serialize_pem()).expect("the key is written");
        fs::write(&identity.certificate, certificate.pem()).expect("the certificate is written");
        identity
    }
}

impl Identity509 {
    /// The keys of plumgrid.ini.
    pub(crate) fn lines(&self) -> String {
        format!(
            "private_key = {}\ncertificate = {}\nca_cert = {}\n",
            self.key.display(),
            self.certificate.display(),
            self.ca.display()
        )
    }

    /// SHA-256 as OpenSSL prints it.
    pub(crate) fn fingerprint(&self) -> String {
        let file = self.certificate.display().to_string();
        let text = super::process::run("openssl", &["x509", "-noout", "-fingerprint", "-sha256", "-in", &file]);
        text.trim().to_owned()
    }
}
