//! Where OpenStack is: `[keystone_authtoken]`.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::{section::Section, value};

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
