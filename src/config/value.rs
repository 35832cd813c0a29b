//! Texts of plumgrid.ini as values. Errors say what is wrong and what is expected; a secret's text is not repeated.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use secrecy::SecretString;

use super::{SshSocket, Vendor, declare::Secret};
use crate::model::check_vtep;

/// `sockaddr_un.sun_path` holds 108 bytes with the closing NUL.
const LONGEST_SOCKET_PATH: usize = 107;
/// A VNI has 24 bits; 0 is no network.
const VNIS: RangeInclusive<u32> = 1..=0x00ff_ffff;
/// Beyond a hundred years a duration is a mistake.
const LONGEST_DURATION: Duration = Duration::from_hours(100 * 365 * 24);

/// Any text but an empty one.
pub(super) fn text(value: &str) -> Result<String, String> {
    if value.is_empty() { Err("the value is empty".to_owned()) } else { Ok(value.to_owned()) }
}

/// A password.
pub(super) fn secret(value: &str) -> Result<SecretString, String> {
    text(value).map(SecretString::from)
}

/// A password that is compared.
pub(super) fn hidden(value: &str) -> Result<Secret, String> {
    secret(value).map(Secret)
}

/// `vendor`: any other word is the operator's note.
pub(super) fn vendor(value: &str) -> Result<Vendor, String> {
    text(value).map(|word| Vendor::named(&word).unwrap_or_default())
}

/// As oslo.config: true/false, yes/no, on/off, 1/0.
pub(super) fn boolean(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(format!("'{value}' is neither yes nor no")),
    }
}

/// One of a few words, without regard to case.
pub(super) fn word<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&str) -> Result<T, String> {
    move |value| {
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(value)).map(|(_, meaning)| *meaning);
        found.ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            format!("'{value}' is not one of: {}", words.join(", "))
        })
    }
}

/// A whole number in a range.
pub(super) fn number<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    move |value| {
        let number = value.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("'{value}' is not a whole number from {} to {}", range.start(), range.end()))
    }
}

/// `500ms`, `3s`, `5m`, `4h`, `2d`, `1h 30m` (the grammar of the crate `humantime`); a bare number counts seconds. The command
/// line's durations are read with it, too.
///
/// # Errors
/// What is wrong, and how a duration is written.
pub fn duration(value: &str) -> Result<Duration, String> {
    let seconds = value.trim().parse::<u64>().ok().map(Duration::from_secs);
    let read = seconds.or_else(|| humantime::parse_duration(value.trim()).ok());
    read.filter(|duration| *duration <= LONGEST_DURATION)
        .ok_or_else(|| format!("'{value}' is not a duration: write 500ms, 3s, 5m or 4h (a bare number counts seconds)"))
}

/// `ADDRESS:PORT`; an IPv6 address in brackets.
pub(super) fn socket_address(value: &str) -> Result<SocketAddr, String> {
    value.parse().map_err(|_| format!("'{value}' is not ADDRESS:PORT: write 127.0.0.1:9797, 0.0.0.0:9797 or [::]:9797"))
}

/// An absolute path: the daemon's working directory is nobody's business.
pub(super) fn path(value: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(value);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(format!("'{value}' is not an absolute path (one that begins with /)"))
    }
}

/// The path of a Unix socket.
pub(super) fn socket_path(value: &str) -> Result<PathBuf, String> {
    socket_path_of(value, LONGEST_SOCKET_PATH)
}

/// The path of a socket that we make: it is made under a name that is four bytes longer, and renamed.
pub(super) fn own_socket_path(value: &str) -> Result<PathBuf, String> {
    socket_path_of(value, LONGEST_SOCKET_PATH - ".new".len())
}

/// `ovsdb_socket`: a path, or `tcp:HOST:PORT` behind SSH.
pub(super) fn ssh_socket(value: &str) -> Result<SshSocket, String> {
    let Some(rest) = value.strip_prefix("tcp:") else { return socket_path(value).map(SshSocket::Path) };
    let wrong = || format!("'{value}' is not tcp:HOST:PORT");
    let (name, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
    Ok(SshSocket::Port(host(name)?, number(1..=u16::MAX)(port).map_err(|_| wrong())?))
}

/// SHA-256 of a certificate as OpenSSL prints it: hexadecimal, with or without colons and `SHA256:` or
/// `sha256 Fingerprint=` before it.
pub(super) fn certificate_fingerprint(value: &str) -> Result<[u8; 32], String> {
    let lower = value.to_ascii_lowercase();
    let hex = lower.strip_prefix("sha256 fingerprint=").or_else(|| lower.strip_prefix("sha256:")).unwrap_or(&lower);
    let digits: Vec<u8> = hex.bytes().filter(|byte| *byte != b':').collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    let bytes: Option<Vec<u8>> = if digits.len() == 64 { digits.chunks_exact(2).map(pair).collect() } else { None };
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| {
        format!("'{value}' is not the SHA-256 of a certificate: take it from openssl x509 -noout -fingerprint -sha256")
    })
}

/// SHA-256 of a host key as `ssh-keygen -l` prints it.
pub(super) fn host_key_fingerprint(value: &str) -> Result<String, String> {
    let digest = value.strip_prefix("SHA256:").map(|digest| digest.trim_end_matches('='));
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    match digest {
        Some(digest) if digest.len() == 43 && digest.chars().all(known) => Ok(format!("SHA256:{digest}")),
        _ => Err(format!("'{value}' is not SHA256: and 43 characters: take it from ssh-keygen -lf, on the switch")),
    }
}

fn socket_path_of(value: &str, longest: usize) -> Result<PathBuf, String> {
    if value.len() > longest {
        return Err(format!("the socket's path may have {longest} bytes, this one has {}", value.len()));
    }
    path(value)
}

/// An IPv4 address of one host: what `vxlan_over_ipv4` can reach.
pub(super) fn ipv4(value: &str) -> Result<Ipv4Addr, String> {
    let ip: Ipv4Addr = value.parse().map_err(|_| format!("'{value}' is not an IPv4 address: write 198.51.100.11"))?;
    check_vtep(ip.into()).map_err(|why| format!("'{ip}' {why}: write the address of one host, as 198.51.100.11"))
}

/// A MAC address, as OVSDB writes it.
pub(super) fn mac(value: &str) -> Result<String, String> {
    let pairs: Vec<&str> = value.split(':').collect();
    let is_pair = |pair: &&str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
    if pairs.len() == 6 && pairs.iter().all(is_pair) {
        Ok(value.to_ascii_lowercase())
    } else {
        Err(format!("'{value}' is not a MAC address: write 00:23:20:00:00:01"))
    }
}

/// A duration that BFD can keep to: in milliseconds, at least one.
pub(super) fn interval(value: &str) -> Result<Duration, String> {
    let longest = Duration::from_mins(1);
    duration(value).and_then(|duration| match duration {
        Duration::ZERO => Err(format!("'{value}' is no interval: write 100ms, or 1s")),
        duration if duration > longest => Err(format!("'{value}' is longer than a minute")),
        duration => Ok(duration),
    })
}

/// `target` of hardware_vtep's table Manager.
pub(super) fn manager_target(value: &str) -> Result<String, String> {
    let (method, rest) = value.split_once(':').unwrap_or((value, ""));
    let good = match method {
        "tcp" | "ssl" => {
            let address = rest.parse::<SocketAddr>().is_ok() || rest.parse::<Ipv4Addr>().is_ok();
            let bracketed = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            address || bracketed.is_some_and(|inside| inside.parse::<Ipv6Addr>().is_ok())
        }
        "ptcp" | "pssl" => {
            let (port, _address) = rest.split_once(':').unwrap_or((rest, ""));
            port.is_empty() || port.parse::<u16>().is_ok()
        }
        _ => false,
    };
    if good {
        Ok(value.to_owned())
    } else {
        Err(format!(
            "'{value}' is no target of a Manager: write ssl:ADDRESS:PORT, tcp:ADDRESS:PORT, pssl:PORT or ptcp:PORT"
        ))
    }
}

/// A host name, an IPv4 address, or an IPv6 address with or without brackets. Without a port.
pub(super) fn host(value: &str) -> Result<String, String> {
    let bare = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(value);
    let address = bare.split_once('%').map_or(bare, |(address, _zone)| address);
    if bare.parse::<IpAddr>().is_ok() || address.parse::<Ipv6Addr>().is_ok() {
        return Ok(bare.to_owned());
    }
    if value.parse::<SocketAddr>().is_ok() || value.rsplit_once(':').is_some_and(|(name, _)| is_host_name(name)) {
        return Err(format!("'{value}' holds a port: write it under the key 'port'"));
    }
    if is_host_name(value) {
        Ok(value.to_owned())
    } else {
        Err(format!("'{value}' is neither an IP address nor a host name"))
    }
}

/// RFC 1123, with the underscore that some networks use; a name whose last label is a number is a mistyped address.
fn is_host_name(name: &str) -> bool {
    let labels: Vec<&str> = name.trim_end_matches('.').split('.').collect();
    name.len() <= 253
        && labels.last().is_some_and(|label| !label.bytes().all(|byte| byte.is_ascii_digit()))
        && labels.iter().all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}

/// The name of an OVSDB lock is an RFC 7047 `<id>`: letters, digits and underscores, no digit first.
pub(super) fn deployment(value: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if value.is_empty()
        || value.len() > 64
        || !value.chars().all(known)
        || value.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err(format!(
            "'{value}' must be 1 to 64 letters, digits and underscores, no digit first (it names a lock)"
        ));
    }
    Ok(value.to_owned())
}

/// A prefix of Logical_Switch names; `""` for none.
pub(super) fn prefix(value: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if value.len() > 64 || !value.chars().all(known) {
        return Err(format!(
            "'{value}' is not a list of prefixes (letters, digits, '_', '-', '.'), \"\" for the empty one"
        ));
    }
    Ok(value.to_owned())
}

/// `FIRST:LAST`, or one VNI.
pub(super) fn vni_range(value: &str) -> Result<RangeInclusive<u32>, String> {
    let (first, last) = value.split_once(':').unwrap_or((value, value));
    let vni = |text: &str| text.trim().parse().ok().filter(|vni| VNIS.contains(vni));
    match vni(first).zip(vni(last)) {
        Some((first, last)) if first <= last => Ok(first..=last),
        _ => Err(format!(
            "'{value}' is not a range of VNIs: write FIRST:LAST, 1 to {}, for example 1000:65535",
            VNIS.end()
        )),
    }
}

/// The SQLite file of `[database] connection`; `Ok(None)`: a database that isn't built yet. The text may hold a
/// password and is not repeated.
pub(super) fn database(value: &str) -> Result<Option<PathBuf>, String> {
    let expected = "expected sqlite:///ABSOLUTE/PATH";
    let Some((scheme, rest)) = value.split_once(':') else { return Err(expected.to_owned()) };
    // SQLAlchemy's `dialect+driver` is accepted.
    match scheme.split('+').next().unwrap_or(scheme).to_ascii_lowercase().as_str() {
        "postgresql" | "postgres" | "mysql" | "mariadb" => Ok(None),
        "sqlite" => match rest.strip_prefix("//") {
            Some(path) if path.contains(['?', '#']) => Err(format!("{expected}, without parameters")),
            // SQLAlchemy writes an absolute path with a fourth slash.
            Some(path) if path.starts_with('/') && !path.ends_with('/') => {
                Ok(Some(PathBuf::from(format!("/{}", path.trim_start_matches('/')))))
            }
            _ => Err(format!("{expected}, with three slashes")),
        },
        _ => Err(format!("{expected} (postgresql:// and mysql:// are not built yet)")),
    }
}

/// Whether a database's URL carries a password: `scheme://user:password@host`.
pub(super) fn has_password(url: &str) -> bool {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or(""));
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) || url.contains("password=")
}

/// `TARGET=LEVEL` of oslo's `default_log_levels`, as a directive of tracing's filter.
pub(super) fn log_target(value: &str) -> Result<String, String> {
    let (target, level) = value.split_once('=').ok_or_else(|| format!("'{value}' is not TARGET=LEVEL"))?;
    let (target, level) = (target.trim(), log_level(level.trim())?);
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-' | '.');
    if target.is_empty() || !target.chars().all(known) {
        return Err(format!("'{target}' is not the name of a module"));
    }
    Ok(format!("{target}={level}"))
}

/// A level in oslo's or tracing's words.
pub(super) fn log_level(value: &str) -> Result<&'static str, String> {
    word(&[
        ("error", "error"),
        ("critical", "error"),
        ("warn", "warn"),
        ("warning", "warn"),
        ("info", "info"),
        ("debug", "debug"),
        ("trace", "trace"),
    ])(value)
}
