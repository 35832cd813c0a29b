//! What people and rules want to know of a certificate: who, until when, and whether it can be verified at all. webpki
//! verifies, but tells none of this. Reads DER (X.690) as far as RFC 5280 section 4.1 needs it, and trusts no length.

use std::{
    fmt,
    net::IpAddr,
    time::{Duration, SystemTime},
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

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// md5WithRSAEncryption, sha1WithRSAEncryption, ecdsa-with-SHA1, dsa-with-sha1.
const WEAK: [&[u8]; 4] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05],
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01],
    &[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x03],
];

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const BMP_STRING: u8 = 0x1e;
/// `[0]` version, `[3]` extensions of a TBSCertificate; `[2]`, `[7]` of a GeneralName.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

// ===== impl Certificate =====

impl Certificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`NotX509`]; a strange extension is skipped instead.
    pub fn parse(der: &[u8]) -> Result<Self, NotX509> {
        let digest = ring::digest::digest(&ring::digest::SHA256, der);
        let fingerprint = Fingerprint(digest.as_ref().try_into().map_err(|_| NotX509)?);
        let mut body = Der(Der(der).expect(SEQUENCE)?);
        let mut tbs = Der(body.expect(SEQUENCE)?);
        let signature = Der(body.expect(SEQUENCE)?).expect(OID)?;
        let version = match tbs.optional(VERSION)? {
            Some(version) => Der(version).expect(0x02)?.last().copied().unwrap_or(0).saturating_add(1),
            None => 1,
        };
        tbs.next()?; // serialNumber
        tbs.expect(SEQUENCE)?; // signature
        tbs.expect(SEQUENCE)?; // issuer
        let mut validity = Der(tbs.expect(SEQUENCE)?);
        validity.next()?;
        let expires = time(validity.next()?)?;
        let common_name = common_name(tbs.expect(SEQUENCE)?)?;
        tbs.expect(SEQUENCE)?; // subjectPublicKeyInfo
        let (mut dns_names, mut ip_addresses) = (Vec::new(), Vec::new());
        while let Ok((tag, value)) = tbs.next() {
            if tag == EXTENSIONS {
                let names = alternative_names(value).unwrap_or_default();
                for (tag, name) in names {
                    match tag {
                        DNS_NAME => dns_names.extend(str::from_utf8(name).ok().map(str::to_owned)),
                        IP_ADDRESS => ip_addresses.extend(ip(name)),
                        _ => {}
                    }
                }
            }
        }
        let weak_signature = WEAK.contains(&signature);
        Ok(Self { common_name, dns_names, ip_addresses, expires, version, weak_signature, fingerprint })
    }

    /// Whether the certificate is for this name: a DNS name of it, without regard to case, or its common name. Never an
    /// IP address, which says where somebody is, not who.
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

// ===== DER =====

/// What is left to read of a constructed value.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next tag and its content.
    fn next(&mut self) -> Result<(u8, &'a [u8]), NotX509> {
        let (&[tag, length], rest) = self.0.split_first_chunk::<2>().ok_or(NotX509)?;
        let (length, rest) = match length {
            0..=0x7f => (usize::from(length), rest),
            // Long form; 2^32 bytes and more are no certificate.
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f)).ok_or(NotX509)?;
                (digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit)), rest)
            }
            _ => return Err(NotX509),
        };
        let (value, rest) = rest.split_at_checked(length).ok_or(NotX509)?;
        self.0 = rest;
        Ok((tag, value))
    }

    fn expect(&mut self, wanted: u8) -> Result<&'a [u8], NotX509> {
        self.next().and_then(|(tag, value)| if tag == wanted { Ok(value) } else { Err(NotX509) })
    }

    fn optional(&mut self, wanted: u8) -> Result<Option<&'a [u8]>, NotX509> {
        if self.0.first() == Some(&wanted) { self.expect(wanted).map(Some) } else { Ok(None) }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The last common name of a `Name`, which is the most specific one.
fn common_name(name: &[u8]) -> Result<String, NotX509> {
    let (mut name, mut found) = (Der(name), String::new());
    while !name.is_empty() {
        let mut attributes = Der(name.expect(SET)?);
        while !attributes.is_empty() {
            let mut attribute = Der(attributes.expect(SEQUENCE)?);
            let kind = attribute.expect(OID)?;
            let (tag, value) = attribute.next()?;
            if kind == COMMON_NAME {
                found = text(tag, value);
            }
        }
    }
    Ok(found)
}

fn text(tag: u8, value: &[u8]) -> String {
    if tag == BMP_STRING {
        let units = value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        return char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    }
    String::from_utf8_lossy(value).into_owned()
}

/// The GeneralNames of `subjectAltName` among the extensions.
fn alternative_names(extensions: &[u8]) -> Result<Vec<(u8, &[u8])>, NotX509> {
    let mut extensions = Der(Der(extensions).expect(SEQUENCE)?);
    let mut names = Vec::new();
    while !extensions.is_empty() {
        let mut extension = Der(extensions.expect(SEQUENCE)?);
        if extension.expect(OID)? != SUBJECT_ALT_NAME {
            continue;
        }
        extension.optional(0x01)?; // critical
        let mut general = Der(Der(extension.expect(OCTETS)?).expect(SEQUENCE)?);
        while !general.is_empty() {
            names.push(general.next()?);
        }
    }
    Ok(names)
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// `UTCTime` (YYMMDDhhmmssZ, 1950 to 2049) or `GeneralizedTime` (YYYYMMDDhhmmssZ): RFC 5280 section 4.1.2.5.
fn time((tag, value): (u8, &[u8])) -> Result<SystemTime, NotX509> {
    let digits = value.strip_suffix(b"Z").ok_or(NotX509)?;
    let number =
        |part: &[u8]| part.iter().try_fold(0_i64, |sum, c| c.is_ascii_digit().then(|| sum * 10 + i64::from(c - b'0')));
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let (year, rest) = digits.split_at(2);
            let year = number(year).ok_or(NotX509)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        (GENERALIZED_TIME, 14) => {
            let (year, rest) = digits.split_at(4);
            (number(year).ok_or(NotX509)?, rest)
        }
        _ => return Err(NotX509),
    };
    let parts: Vec<i64> = rest.chunks_exact(2).map(number).collect::<Option<_>>().ok_or(NotX509)?;
    let &[month, day, hour, minute, second] = parts.as_slice() else { return Err(NotX509) };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return Err(NotX509);
    }
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    let offset = Duration::from_secs(seconds.unsigned_abs());
    let moment = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(offset)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(offset)
    };
    moment.ok_or(NotX509)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar. Years begin in March here, so that leap days come last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (century, of_century) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    century * 146_097 + of_century * 365 + of_century / 4 - of_century / 100 + day_of_year - 719_468
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
        let at = |tag, text: &str| time((tag, text.as_bytes()));
        assert_eq!(at(UTC_TIME, "700101000000Z"), Ok(SystemTime::UNIX_EPOCH));
        assert_eq!(at(UTC_TIME, "691231235959Z"), Ok(SystemTime::UNIX_EPOCH - Duration::from_secs(1)));
        assert_eq!(at(UTC_TIME, "491231235959Z"), at(GENERALIZED_TIME, "20491231235959Z"));
        assert_eq!(at(GENERALIZED_TIME, "20240229120000Z"), Ok(SystemTime::UNIX_EPOCH + Duration::from_hours(474_780)));
        for wrong in ["", "Z", "20241301000000Z", "2024022912000Z", "2024022912000aZ", "20240229120000"] {
            assert_eq!(at(GENERALIZED_TIME, wrong), Err(NotX509), "{wrong}");
        }
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
