//! Where OpenStack is: `[keystone_authtoken]` and `[source]`.

use std::{path::PathBuf, time::Duration};

use secrecy::{ExposeSecret, SecretString};

use super::{error::Problem, section::Section, value};

/// The domain that Keystone has from its first start on.
const DEFAULT_DOMAIN: &str = "Default";

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

/// Reads `[keystone_authtoken]`. What is missing is an error only where it is `needed`: `auth = keystone`.
pub(super) fn keystone(section: &mut Section<'_>, needed: bool) -> Option<KeystoneConfig> {
    let auth_url = section.get("auth_url", keystone_url);
    let username = section.get("username", value::text);
    let password = section.get("password", value::secret);
    let project_name = section.get("project_name", value::text);
    let user_domain_name = section.get("user_domain_name", value::text);
    let project_domain_name = section.get("project_domain_name", value::text);
    let cafile = section.get("cafile", value::path);
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
    Some(KeystoneConfig {
        auth_url: auth_url?,
        username: username?,
        password: password?,
        project_name: project_name?,
        user_domain_name: user_domain_name.unwrap_or_else(|| DEFAULT_DOMAIN.to_owned()),
        project_domain_name: project_domain_name.unwrap_or_else(|| DEFAULT_DOMAIN.to_owned()),
        cafile,
    })
}

/// `http://HOST[:PORT][/PATH]`; the version that others write behind it (`/v3`) is taken off.
fn keystone_url(value: &str) -> Result<String, String> {
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
    /// `guard_min_rows` of `[l2gateway]`: and at least so many.
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

/// Reads `[source]`; `None`: networks and ports come through the API. With it comes whether the URL holds a password.
pub(super) fn source(section: &mut Section<'_>, guard: (u8, u32)) -> Option<(SourceConfig, bool)> {
    let neutron = section.get("driver", value::word(&[("native", false), ("neutron-db", true)])).unwrap_or(false);
    let connection = section.get("connection", |text| Ok((neutron_database(text)?, value::has_password(text))));
    let poll_interval = section.get("poll_interval", poll_interval);
    if neutron && !section.has("connection") {
        section.missing("connection", "Neutron's database, for example mysql://neutron:PASSWORD@controller/neutron");
    }
    if !neutron {
        for key in ["connection", "poll_interval"] {
            if section.has(key) {
                let why = format!(
                    "{key} of [source] needs driver = neutron-db, too: without it networks and ports come \
                                   through the API"
                );
                section.refuse(key, Problem::Conflict(why));
            }
        }
        return None;
    }
    let ((connection, shown), has_password) = connection?;
    let (guard_percent, guard_min_rows) = guard;
    let poll_interval = poll_interval.unwrap_or(Duration::from_secs(2));
    Some((SourceConfig { connection, shown, poll_interval, guard_percent, guard_min_rows }, has_password))
}

fn poll_interval(value: &str) -> Result<Duration, String> {
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
