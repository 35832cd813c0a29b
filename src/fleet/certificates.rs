//! Until when the certificates of a session are good: for the status, and for a warning while there is time to act.

use std::time::{Duration, SystemTime};

use super::{status::rfc3339, worker::Worker};
use crate::{
    model::status::CertificateStatus,
    ovsdb::transport::{Certificate, Certificates},
};

/// Who has so little time left is told to act.
const SOON: Duration = Duration::from_hours(30 * 24);
/// How often somebody is told.
const REMINDER: Duration = Duration::from_hours(24);

/// The certificates of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    certificates: Certificates,
}

// ===== impl Shown =====

impl Shown {
    pub(super) fn new(certificates: Certificates) -> Self {
        Self { certificates }
    }

    fn each(&self) -> impl Iterator<Item = (&'static str, &Certificate)> {
        let Certificates { own, peer } = &self.certificates;
        own.iter().map(|own| ("ours", own)).chain(peer.iter().map(|peer| ("switch", peer)))
    }

    pub(super) fn status(&self) -> Vec<CertificateStatus> {
        let status = |(of, certificate): (&'static str, &Certificate)| CertificateStatus {
            of,
            subject: certificate.to_string(),
            expires: rfc3339(certificate.expires),
            expires_unix: certificate.expires.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs(),
            fingerprint: certificate.fingerprint.to_string(),
        };
        self.each().map(status).collect()
    }
}

// ===== impl Worker =====

impl Worker {
    /// Warns of certificates that expire soon, once a day.
    pub(super) fn warn_of_expiry(&mut self) {
        let now = SystemTime::now();
        if self.warned.is_some_and(|at| now.duration_since(at).is_ok_and(|passed| passed < REMINDER)) {
            return;
        }
        for (of, certificate) in self.session.certificates.each() {
            let left = certificate.time_left(now);
            if left < SOON {
                let days = left.as_secs() / (24 * 3600);
                tracing::warn!(
                    switch = %self.names(), certificate = of, subject = %certificate, expires = rfc3339(certificate.expires), days,
                    "a certificate expires soon: renew it"
                );
                self.warned = Some(now);
            }
        }
    }
}
