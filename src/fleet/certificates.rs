//! Until when the certificates of a session are good: for the status, and for a warning while there is time to act.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::status::rfc3339;
use crate::{
    model::status::CertificateStatus,
    ovsdb::transport::{Certificate, Certificates, Tls, own_certificate},
};

/// A certificate with less time left is reported: in the log, and as a problem.
pub const EXPIRES_SOON: Duration = Duration::from_hours(30 * 24);
/// How often the log says so.
const REMINDER: Duration = Duration::from_hours(24);
/// How often the file of our certificate is checked for another one.
const LOOK: Duration = Duration::from_secs(5);

/// The certificates of a session. Of ours, the one in the file: a session goes on with the old one, and what has to be
/// renewed is the file.
#[derive(Debug, Default)]
pub(super) struct Shown {
    certificates: Arc<Mutex<Certificates>>,
    follower: Option<JoinHandle<()>>,
}

// ===== impl Shown =====

impl Shown {
    /// Must be called within a tokio runtime. `tls` is where ours is from.
    pub(super) fn new(certificates: Certificates, tls: Tls) -> Self {
        let follows = certificates.own.is_some();
        let certificates = Arc::new(Mutex::new(certificates));
        let follower = follows.then(|| tokio::spawn(follow(certificates.clone(), tls)));
        Self { certificates, follower }
    }

    fn now(&self) -> Certificates {
        self.certificates.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn status(&self) -> Vec<CertificateStatus> {
        let status = |(of, certificate): (&'static str, &Certificate)| CertificateStatus {
            of,
            subject: certificate.to_string(),
            expires: rfc3339(certificate.expires),
            expires_unix: certificate.expires.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs(),
            fingerprint: certificate.fingerprint.to_string(),
        };
        each(&self.now()).map(status).collect()
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(follower) = &self.follower {
            follower.abort();
        }
    }
}

fn each(certificates: &Certificates) -> impl Iterator<Item = (&'static str, &Certificate)> {
    let Certificates { own, peer } = certificates;
    own.iter().map(|own| ("ours", own)).chain(peer.iter().map(|peer| ("switch", peer)))
}

/// Reads our certificate again whenever its file changes. One that can't be read is the next session's to complain of.
async fn follow(certificates: Arc<Mutex<Certificates>>, tls: Tls) {
    let Some(path) = tls.certificate.clone() else { return };
    // What was shown may be older than what is there by now: it is read once in any case.
    let mut seen = None;
    loop {
        let stamp = stamp(&path).await;
        if stamp.is_some() && stamp != seen {
            seen = stamp;
            if let Some(own) = own_certificate(&tls).await {
                certificates.lock().unwrap_or_else(PoisonError::into_inner).own = Some(own);
            }
        }
        sleep(LOOK).await;
    }
}

/// When a file changed last, and its length.
async fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

impl Shown {
    /// Warns of certificates that expire soon, once a day. `warned` is when it last did.
    pub(super) fn warn_of_expiry(&self, switch: &str, warned: &mut Option<Instant>) {
        if warned.is_some_and(|at| at.elapsed() < REMINDER) {
            return;
        }
        // A certificate goes by the calendar.
        let now = SystemTime::now();
        for (of, certificate) in each(&self.now()) {
            let left = certificate.time_left(now);
            if left < EXPIRES_SOON {
                let days = left.as_secs() / (24 * 3600);
                tracing::warn!(
                    switch, certificate = of, subject = %certificate, expires = rfc3339(certificate.expires), days,
                    "a certificate expires soon: renew it"
                );
                *warned = Some(Instant::now());
            }
        }
    }
}
