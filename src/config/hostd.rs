//! `vtep-hostd.ini`: the configuration of a compute node's half, by the same rules as plumgrid.ini; the environment's
//! variables begin with `VTEP_HOSTD_`.

#[cfg(test)]
mod tests;

use std::{
    ffi::OsString,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::SecretString;
use uuid::Uuid;

use super::{
    LogConfig, as_text,
    error::{ConfigError, ConfigErrors, ConfigProblem},
    ini::{self, SectionName},
    keys::{HostKeys, VtepdKeys},
    layers::Layers,
    read::log,
    read_file, secret_file,
    section::{Section, nearest},
};

/// Where vtep-hostd looks without `--config`.
pub const HOSTD_PATH: &str = "/etc/vtepd/vtep-hostd.ini";

/// What every variable of ours begins with.
const ENVIRONMENT: &str = "VTEP_HOSTD_";

const SECTIONS: [&str; 3] = ["default", "vtepd", "host"];

/// The whole configuration of vtep-hostd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostdConfig {
    /// The log settings of `[DEFAULT]`.
    pub log: LogConfig,
    /// `[vtepd]`.
    pub vtepd: VtepdConfig,
    /// `[host]`.
    pub host: HostConfig,
}

/// `[vtepd]`: the daemon that we follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VtepdConfig {
    /// Beginning of its API's URLs, without a slash at the end.
    pub url: String,
    /// The file of this host's token; `None`: none is sent.
    pub token_file: Option<PathBuf>,
    /// The authorities that its certificate is checked against; `None`: those of the system.
    pub ca_cert: Option<PathBuf>,
    /// Beyond so much silence the connection is given up; the daemon says something every 15 s.
    pub silence: Duration,
}

impl VtepdConfig {
    /// Reads the token, which may have been renewed since the last time.
    ///
    /// # Errors
    /// What is wrong with the file, with its path.
    pub fn token(&self) -> Result<Option<SecretString>, String> {
        let read = |path: &PathBuf| secret_file::read(path).map_err(|why| format!("{}: {why}", path.display()));
        self.token_file.as_ref().map(read).transpose()
    }
}

/// `[host]`: this compute node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostConfig {
    /// As Neutron's `binding:host_id` has it.
    pub name: String,
    /// Our VTEP.
    pub local_ip: Ipv4Addr,
    /// Underlay interface that the tunnels are tied to; `None`: the routes decide.
    pub device: Option<String>,
    /// UDP port of VXLAN.
    pub port: u16,
    /// MTU of the devices; `None`: what fits into the underlay's.
    pub mtu: Option<u32>,
    /// Whether ARP and neighbour solicitations are answered here where the answer is known.
    pub arp_proxy: bool,
    /// Networks that have their device and bridge here even without a port.
    pub networks: Vec<NetworkName>,
    /// Whether MACs that the bridges learn are reported as ports of this host.
    pub report_ports: bool,
    /// Where we note which flood entries are ours.
    pub state_file: PathBuf,
}

/// A network in a list of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkName {
    /// By its VNI.
    Vni(u32),
    /// By its UUID.
    Id(Uuid),
}

impl HostdConfig {
    /// Reads a file and lays the environment's `VTEP_HOSTD_` variables over it.
    ///
    /// # Errors
    /// All that is wrong, at once, with file and line or the variable's name.
    pub fn load<K: Into<OsString>, V: Into<OsString>>(
        path: &Path,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigErrors> {
        let (bytes, _) = read_file(path, "vtep-hostd.ini.example")?;
        Self::parse(path, &bytes, environment)
    }

    /// [`HostdConfig::load`] of a file that was read already.
    pub(super) fn parse<K: Into<OsString>, V: Into<OsString>>(
        path: &Path,
        bytes: &[u8],
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigErrors> {
        let text = as_text(path, bytes)?;
        let (layers, mut errors) = Layers::new(path, ini::parse(text), ENVIRONMENT, environment);
        names(&layers, &mut errors);
        let mut section = open(&layers, "default", &mut errors);
        let log = log(&mut section);
        section.close();
        let vtepd = vtepd(open(&layers, "vtepd", &mut errors));
        let host = host(open(&layers, "host", &mut errors));
        match (vtepd, host) {
            (Some(vtepd), Some(host)) if errors.is_empty() => Ok(Self { log, vtepd, host }),
            _ => Err(ConfigErrors::new(errors)),
        }
    }
}

fn open<'a>(layers: &Layers, word: &str, errors: &'a mut Vec<ConfigError>) -> Section<'a> {
    Section::open(layers, SectionName { word: word.to_owned(), name: None }, errors)
}

/// Sections that nothing reads.
fn names(layers: &Layers, errors: &mut Vec<ConfigError>) {
    for section in layers.sections() {
        let known = SECTIONS.into_iter().find(|word| **word == section.word);
        let problem = match (known, &section.name) {
            (Some(_), None) => continue,
            (Some(word), Some(_)) => ConfigProblem::SectionWithName { word },
            (None, _) => {
                let hint = nearest(&section.word, SECTIONS.into_iter())
                    .map(|word| SectionName { word: word.to_owned(), name: None }.to_string());
                ConfigProblem::UnknownSection { title: section.to_string(), hint }
            }
        };
        errors.push(ConfigError { place: layers.place(section), problem });
    }
}

fn vtepd(mut section: Section<'_>) -> Option<VtepdConfig> {
    let VtepdKeys { url, token_file, ca_cert, silence } = VtepdKeys::read(&mut section);
    if !section.has("url") {
        section.missing("url", "where vtepd's API is, for example http://192.0.2.1:9797");
    }
    if ca_cert.is_some() && url.as_ref().is_some_and(|url| url.starts_with("http:")) {
        section.refuse_value("ca_cert", "is used by https:// only: remove it, or change url".to_owned());
    }
    if silence < Duration::from_secs(20) {
        section.refuse_value("silence", "must be 20s at least: the daemon says something every 15s".to_owned());
    }
    let config = url.map(|url| VtepdConfig { url, token_file, ca_cert, silence });
    if let Some(Err(why)) = config.as_ref().map(VtepdConfig::token) {
        section.refuse_value("token_file", why);
    }
    section.close();
    config
}

fn host(mut section: Section<'_>) -> Option<HostConfig> {
    let keys = HostKeys::read(&mut section);
    let name = keys.name.or_else(host_name);
    if name.is_none() {
        section.missing("name", "this machine has no host name; it is what Neutron calls binding:host_id");
    }
    if !section.has("local_ip") {
        section.missing("local_ip", "this host's VTEP, as in its tunnel endpoint, for example 198.51.100.11");
    }
    section.close();
    Some(HostConfig {
        name: name?,
        local_ip: keys.local_ip?,
        device: keys.device,
        port: keys.port,
        mtu: keys.mtu,
        arp_proxy: keys.arp_proxy,
        networks: keys.networks,
        report_ports: keys.report_ports,
        state_file: keys.state_file,
    })
}

fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

pub(super) fn url(text: &str) -> Result<String, String> {
    let expected = "write http://ADDRESS:PORT or https://NAME:PORT";
    let url = reqwest::Url::parse(text).map_err(|error| format!("'{text}' is not a URL ({error}): {expected}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("'{}:' is not spoken here: {expected}", url.scheme()));
    }
    if url.has_host() && url.username().is_empty() && url.password().is_none() && url.query().is_none() {
        return Ok(url.as_str().trim_end_matches('/').to_owned());
    }
    Err(format!("the URL must hold a host, and neither user, password nor parameters: {expected}"))
}

/// A name that the kernel takes for an interface.
pub(super) fn interface(text: &str) -> Result<String, String> {
    let wrong = |c: char| c == '/' || c == ':' || c.is_whitespace();
    if text.is_empty() || text.len() > 15 || text.contains(wrong) {
        return Err(format!("'{text}' is not the name of an interface: 1 to 15 characters, as in eth0"));
    }
    Ok(text.to_owned())
}

pub(super) fn network(text: &str) -> Result<NetworkName, String> {
    let vni = text.parse().ok().filter(|vni| (1..=0x00ff_ffff).contains(vni)).map(NetworkName::Vni);
    let id = || text.parse().ok().map(NetworkName::Id);
    vni.or_else(id).ok_or_else(|| format!("'{text}' is neither a VNI (1 to 16777215) nor a network's UUID"))
}
