//! Where OpenStack is: `[keystone_authtoken]` and `[source]`.

use std::{path::PathBuf, time::Duration};

use secrecy::{ExposeSecret, SecretString};

use super::{
    declare::Secret,
    error::ConfigProblem,
    keys::{KeystoneKeys, SourceKeys},
    section::Section,
    value,
};

/// `[keystone_authtoken]`: where tokens are validated, and as whom.
#[derive(Debug, Clone)]
pub struct KeystoneConfig {
    /// Keystone's address up to and without its version, as `http://controller:5000`.
    pub auth_url: String,
    /// The service account.
    pub username: String,
    /// Its password.
    pub password: SecretString,
    /// The project that it has its role on.
    pub project_name: String,
    /// The domain of the account.
    pub user_domain_name: String,
    /// The domain of the project.
    pub project_domain_name: String,
    /// Certificates (PEM) that Keystone's must lead to; `None`: the system's.
    pub cafile: Option<PathBuf>,
}

impl PartialEq for KeystoneConfig {
    fn eq(&self, other: &Self) -> bool {
        let texts = |config: &Self| {
            [&config.auth_url, &config.username, &config.project_name].map(Clone::clone).into_iter().chain([
                config.user_domain_name.clone(),
                config.project_domain_name.clone(),
                config.password.expose_secret().to_owned(),
            ])
        };
        texts(self).eq(texts(other)) && self.cafile == other.cafile
    }
}

impl Eq for KeystoneConfig {}

/// `[keystone_authtoken]`. What is missing is an error only where it is `needed`: `auth = keystone`.
pub(super) fn keystone(section: &mut Section<'_>, keys: &KeystoneKeys, needed: bool) -> Option<KeystoneConfig> {
    if needed {
        for (key, why) in [
            ("auth_url", "auth = keystone needs Keystone's address, for example http://controller:5000"),
            ("username", "auth = keystone needs an account that may validate tokens, for example vtepd"),
            ("password", "auth = keystone needs the password of that account"),
            (
                "project_name",
                "auth = keystone needs the project on which the account has its role, for example service",
            ),
        ] {
            if !section.has(key) {
                section.missing(key, why);
            }
        }
    }
    let keys = keys.clone();
    Some(KeystoneConfig {
        auth_url: keys.auth_url?,
        username: keys.username?,
        password: keys.password?.0,
        project_name: keys.project_name?,
        user_domain_name: keys.user_domain_name,
        project_domain_name: keys.project_domain_name,
        cafile: keys.cafile,
    })
}

/// `http://HOST[:PORT][/PATH]`; the version that others write behind it (`/v3`) is taken off.
pub(super) fn keystone_url(value: &str) -> Result<String, String> {
    let expected = || format!("'{value}' is not Keystone's address: write http://HOST:5000 or https://HOST/identity");
    let url = reqwest::Url::parse(value).map_err(|_| expected())?;
    if !url.username().is_empty() || url.password().is_some() {
        // Not repeated: it holds a password.
        return Err("the address holds an account: write it under username and password".to_owned());
    }
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || url.query().is_some() || url.fragment().is_some()
    {
        return Err(expected());
    }
    let text = url.as_str().trim_end_matches('/');
    if text.ends_with("/v2.0") {
        return Err(format!("'{value}' is version 2.0, which Keystone no longer has: leave the version out"));
    }
    Ok(text.strip_suffix("/v3").unwrap_or(text).trim_end_matches('/').to_owned())
}

/// `[source]` with `driver = neutron-db`: Neutron's own database says which networks and ports there are.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// Its URL as sqlx takes it; it may hold a password.
    pub connection: SecretString,
    /// Where it is, for people: `mysql://controller/neutron`.
    pub shown: String,
    /// Time between two looks.
    pub poll_interval: Duration,
    /// `guard_percent` of `[l2gateway]`: more losses than this share are held.
    pub guard_percent: u8,
    /// `guard_min_rows` of `[l2gateway]`: and at least this many.
    pub guard_min_rows: u32,
}

impl PartialEq for SourceConfig {
    fn eq(&self, other: &Self) -> bool {
        self.connection.expose_secret() == other.connection.expose_secret()
            && (self.poll_interval, self.guard_percent, self.guard_min_rows)
                == (other.poll_interval, other.guard_percent, other.guard_min_rows)
    }
}

impl Eq for SourceConfig {}

/// `connection` of `[source]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NeutronUrl {
    /// As sqlx takes it.
    url: Secret,
    /// Without account and parameters.
    shown: String,
    pub(super) has_password: bool,
}

/// Reads the text of `connection`.
pub(super) fn neutron_url(text: &str) -> Result<NeutronUrl, String> {
    let (url, shown) = neutron_database(text)?;
    Ok(NeutronUrl { url: Secret(url), shown, has_password: value::has_password(text) })
}

/// `[source]`; `None`: networks and ports come through the API.
pub(super) fn source(section: &mut Section<'_>, keys: &SourceKeys, guard: (u8, u32)) -> Option<SourceConfig> {
    if !keys.driver {
        for key in ["connection", "poll_interval"] {
            if section.has(key) {
                let why = format!(
                    "{key} of [source] needs driver = neutron-db, too: without it networks and ports come \
                                   through the API"
                );
                section.refuse(key, ConfigProblem::Conflict(why));
            }
        }
        return None;
    }
    if !section.has("connection") {
        section.missing("connection", "Neutron's database, for example mysql://neutron:PASSWORD@controller/neutron");
    }
    let NeutronUrl { url, shown, .. } = keys.connection.clone()?;
    let (guard_percent, guard_min_rows) = guard;
    Some(SourceConfig { connection: url.0, shown, poll_interval: keys.poll_interval, guard_percent, guard_min_rows })
}

pub(super) fn poll_interval(value: &str) -> Result<Duration, String> {
    let interval = value::duration(value)?;
    if (Duration::from_millis(100)..=Duration::from_mins(1)).contains(&interval) {
        return Ok(interval);
    }
    Err(format!("'{value}' is not between 100ms and 1m"))
}

/// Neutron's `[database] connection` as SQLAlchemy writes it, or as sqlx does: sqlx's URL, and one without account and
/// parameters. Errors don't repeat the text: it may hold a password.
fn neutron_database(value: &str) -> Result<(SecretString, String), String> {
    let expected =
        || "expected mysql://USER:PASSWORD@HOST/neutron or postgresql://USER:PASSWORD@HOST/neutron".to_owned();
    let (scheme, rest) = value.split_once("://").ok_or_else(expected)?;
    // SQLAlchemy's `dialect+driver`.
    let mysql = match scheme.split('+').next().unwrap_or(scheme).to_ascii_lowercase().as_str() {
        "mysql" | "mariadb" => true,
        "postgresql" | "postgres" => false,
        _ => return Err(expected()),
    };
    let scheme = if mysql { "mysql" } else { "postgresql" };
    // With a socket among the parameters, the host may be missing.
    let (authority, path) = rest.split_once('/').ok_or_else(expected)?;
    let missing = if authority.is_empty() || authority.ends_with('@') { "localhost" } else { "" };
    let mut url = reqwest::Url::parse(&format!("{scheme}://{authority}{missing}/{path}")).map_err(|_| expected())?;
    if url.path().trim_matches('/').is_empty() {
        return Err(format!("the database's name is missing: {}", expected()));
    }
    let parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    url.set_query(None);
    for (key, value) in &parameters {
        let key = match (mysql, key.as_str()) {
            // Ours is UTF-8 anyway.
            (true, "charset") | (false, "client_encoding") => continue,
            (true, "unix_socket" | "socket") => "socket",
            (true, "ssl_ca" | "ssl-ca") => "ssl-ca",
            (true, "ssl_cert" | "ssl-cert") => "ssl-cert",
            (true, "ssl_key" | "ssl-key") => "ssl-key",
            (true, "ssl-mode") => "ssl-mode",
            (false, "host" | "sslmode" | "sslrootcert" | "sslcert" | "sslkey") => key,
            _ => return Err(format!("its parameter '{key}' is not known: {}", expected())),
        };
        url.query_pairs_mut().append_pair(key, value);
    }
    // Where SQLAlchemy is given the authority, it checks the server against it.
    let has = |name: &str| url.query_pairs().any(|(key, _)| key == name);
    if mysql && has("ssl-ca") && !has("ssl-mode") {
        url.query_pairs_mut().append_pair("ssl-mode", "VERIFY_IDENTITY");
    }
    let host = url.host_str().unwrap_or("localhost");
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let shown = format!("{scheme}://{host}{port}{}", url.path());
    Ok((SecretString::from(url.as_str()), shown))
}
