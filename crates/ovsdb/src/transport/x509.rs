//! What people and rules need to know of a certificate: whose it is, until when, and whether it can be verified at all.
//! webpki verifies, but reports none of this.

use std::{
    fmt,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use x509_parser::{
    asn1_rs::{Oid, Tag, oid},
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
    x509::X509Name,
};

/// A certificate in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The subject's common name; empty where it has none.
    pub common_name: String,
    /// `subjectAltName`: DNS names.
    pub dns_names: Vec<String>,
    /// `subjectAltName`: IP addresses.
    pub ip_addresses: Vec<IpAddr>,
    /// `notAfter`.
    pub expires: SystemTime,
    /// X.509 version: 1 or 3.
    pub version: u8,
    /// Whether its signature is by SHA-1 or MD5, which nobody should trust.
    pub weak_signature: bool,
    /// SHA-256 of the whole.
    pub fingerprint: Fingerprint,
}

/// SHA-256 of a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// The bytes are no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an X.509 certificate")]
pub struct NotX509;

/// md5WithRSAEncryption, sha1WithRSAEncryption, ecdsa-with-SHA1, dsa-with-sha1.
const WEAK: [Oid<'_>; 4] =
    [oid!(1.2.840.113549.1.1.4), oid!(1.2.840.113549.1.1.5), oid!(1.2.840.10045.4.1), oid!(1.2.840.10040.4.3)];

// ===== impl Certificate =====

impl Certificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`NotX509`]. An extension that can't be read is skipped.
    pub fn parse(der: &[u8]) -> Result<Self, NotX509> {
        let digest = ring::digest::digest(&ring::digest::SHA256, der);
        let fingerprint = Fingerprint(digest.as_ref().try_into().map_err(|_| NotX509)?);
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| NotX509)?;
        let names = certificate.subject_alternative_name().ok().flatten();
        let (mut dns_names, mut ip_addresses) = (Vec::new(), Vec::new());
        for name in names.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::DNSName(name) => dns_names.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) => ip_addresses.extend(ip(bytes)),
                _ => {}
            }
        }
        Ok(Self {
            common_name: common_name(certificate.subject()),
            dns_names,
            ip_addresses,
            expires: moment(certificate.validity().not_after.timestamp()).ok_or(NotX509)?,
            version: u8::try_from(certificate.version().0.saturating_add(1)).unwrap_or(u8::MAX),
            weak_signature: WEAK.contains(&certificate.signature_algorithm.algorithm),
            fingerprint,
        })
    }

    /// Whether the certificate is for this name: a DNS name of it, without regard to case, or its common name. Never an
    /// IP address, which says where a peer is, not which.
    #[must_use]
    pub fn is_for(&self, name: &str) -> bool {
        name.parse::<IpAddr>().is_err()
            && (self.common_name == name || self.dns_names.iter().any(|dns| dns.eq_ignore_ascii_case(name)))
    }

    /// Time left; zero where it has expired.
    #[must_use]
    pub fn time_left(&self, now: SystemTime) -> Duration {
        self.expires.duration_since(now).unwrap_or_default()
    }

    /// The names that a client could verify.
    #[must_use]
    pub fn alternative_names(&self) -> String {
        let names = self.dns_names.iter().cloned().chain(self.ip_addresses.iter().map(ToString::to_string));
        names.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CN={}", printable(&self.common_name))?;
        let names = self.alternative_names();
        if !names.is_empty() {
            write!(f, " ({})", printable(&names))?;
        }
        Ok(())
    }
}

/// What a peer calls itself, bounded and without control characters: it goes into logs.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

// ===== impl Fingerprint =====

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SHA256")?;
        self.0.iter().try_for_each(|byte| write!(f, ":{byte:02X}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The last common name of a `Name`, which is the most specific one; empty where it has none.
fn common_name(name: &X509Name<'_>) -> String {
    let Some(attribute) = name.iter_common_name().last() else { return String::new() };
    let (value, tag) = (attribute.as_slice(), attribute.attr_value().tag());
    if tag == Tag::BmpString {
        let units = value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        return char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    }
    String::from_utf8_lossy(value).into_owned()
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// Seconds from 1970 on, or before.
fn moment(seconds: i64) -> Option<SystemTime> {
    let offset = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { SystemTime::UNIX_EPOCH.checked_sub(offset) } else { SystemTime::UNIX_EPOCH.checked_add(offset) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_rcgen_wrote() {
        let mut params = rcgen::CertificateParams::new(vec!["tor-1".into(), "192.0.2.1".into()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "tor-1 id:123");
        params.not_after = rcgen::date_time_ymd(2031, 3, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = Certificate::parse(params.self_signed(&key).unwrap().der()).unwrap();
        assert_eq!(certificate.common_name, "tor-1 id:123");
        assert_eq!(certificate.to_string(), "CN=tor-1 id:123 (tor-1, 192.0.2.1)");
        assert_eq!((certificate.version, certificate.weak_signature), (3, false));
        let expires = certificate.expires.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(expires, 1_930_089_600, "date -d 2031-03-01Z +%s");
        assert!(certificate.is_for("TOR-1") && certificate.is_for("tor-1 id:123"));
        assert!(!certificate.is_for("192.0.2.1") && !certificate.is_for("tor-2") && !certificate.is_for(""));
        let text = certificate.fingerprint.to_string();
        assert!(text.starts_with("SHA256:") && text.len() == 6 + 32 * 3, "{text}");
    }

    #[test]
    fn times_on_both_sides_of_the_epoch_and_of_2049() {
        let key = rcgen::KeyPair::generate().unwrap();
        let expires = |year, month, day| {
            let mut params = rcgen::CertificateParams::new(vec!["a".into()]).unwrap();
            // From 2050 on it is a GeneralizedTime: RFC 5280 section 4.1.2.5.
            (params.not_before, params.not_after) =
                (rcgen::date_time_ymd(1960, 1, 1), rcgen::date_time_ymd(year, month, day));
            Certificate::parse(params.self_signed(&key).unwrap().der()).unwrap().expires
        };
        let days = |days: u64| Duration::from_hours(24 * days);
        assert_eq!(expires(1970, 1, 1), SystemTime::UNIX_EPOCH);
        assert_eq!(expires(1969, 12, 31), SystemTime::UNIX_EPOCH - days(1));
        assert_eq!(expires(2050, 1, 1), expires(2049, 12, 31) + days(1));
        assert_eq!(expires(2024, 2, 29), SystemTime::UNIX_EPOCH + days(19_782));
    }

    #[test]
    fn cut_anywhere_it_is_an_error_and_no_panic() {
        let key = rcgen::KeyPair::generate().unwrap();
        let whole = rcgen::CertificateParams::new(vec!["a".into()]).unwrap().self_signed(&key).unwrap();
        for end in 0..whole.der().len() {
            assert!(Certificate::parse(&whole.der()[..end]).is_err(), "{end}");
        }
        let _ = Certificate::parse(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x30]);
    }
}
