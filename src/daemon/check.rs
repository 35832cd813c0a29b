//! `vtepd --check`: tries the store, every switch of the configuration, Keystone and Neutron's database, and changes nothing
//! on any of them.

use std::{fmt, path::Path, time::Duration};

use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use crate::{
    admin::try_group,
    api::try_keystone,
    config::{AdminConfig, ApiConfig, Auth, SourceConfig, SwitchConfig},
    fleet::{advice::Advised, endpoint},
    ovsdb::{
        Endpoint,
        client::{Client, ClientError},
        json::{Cursor, JsonError},
    },
    source::try_database,
    store::try_file,
};

/// The database of RFC 7047 servers that are hardware VTEPs.
const DATABASE: &str = "hardware_vtep";
/// How long one switch may take, dialling included.
const PATIENCE: Duration = Duration::from_secs(10);
/// Switches that are tried at once.
const AT_ONCE: usize = 64;

/// What was found behind one `[switch:NAME]`.
#[derive(Debug)]
pub struct SwitchCheck {
    /// The section's name.
    pub switch: String,
    /// Its address as `tcp:192.0.2.11:6640`.
    pub address: String,
    /// What is there, or why the daemon could not work with it.
    pub found: Result<CheckedSwitch, CheckError>,
}

/// A switch that the daemon can work with.
#[derive(Debug)]
pub enum CheckedSwitch {
    /// It answered.
    Here {
        /// Version of its hardware_vtep schema.
        schema_version: String,
        /// Number of its physical ports.
        ports: usize,
    },
    /// It dials us: only a running daemon will see it.
    DialsIn,
}

/// Why the daemon could not work with a switch.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// No connection, or no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It took too long.
    #[error("no complete answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// An OVSDB server, but not of a hardware VTEP.
    #[error("the server has no database {DATABASE}, only {}: is this the address of a hardware VTEP?", list(.0))]
    NoDatabase(Vec<String>),
    /// Another switch, or another name.
    #[error(
        "it has no Physical_Switch called '{wanted}', only {}: rename the section, or set physical_switch", list(.there)
    )]
    NoSwitch {
        /// `physical_switch`.
        wanted: String,
        /// What the server has.
        there: Vec<String>,
    },
    /// An answer that makes no sense.
    #[error("the server's rows are not as RFC 7047 has them: {0}")]
    Unreadable(#[from] JsonError),
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl fmt::Display for SwitchCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { switch, address, found } = self;
        match found {
            Ok(CheckedSwitch::Here { schema_version, ports }) => {
                write!(f, "{switch}: ok: {address}, {DATABASE} {schema_version}, {ports} ports")
            }
            Ok(CheckedSwitch::DialsIn) => write!(f, "{switch}: not tried: it dials in"),
            // Names the address by itself.
            Err(CheckError::Client(ClientError::Transport(error))) => {
                write!(f, "{switch}: FAILED: {}", Advised(error))
            }
            Err(error) => write!(f, "{switch}: FAILED: {address}: {error}"),
        }
    }
}

/// Tries all switches, several at once; the reports come in the switches' order.
pub async fn check(switches: impl IntoIterator<Item = SwitchConfig>) -> Vec<SwitchCheck> {
    let places = std::sync::Arc::new(Semaphore::new(AT_ONCE));
    let mut tries = JoinSet::new();
    for (index, switch) in switches.into_iter().enumerate() {
        let places = places.clone();
        tries.spawn(async move {
            // The semaphore is never closed; without a place the try is only less patient.
            let _place = places.acquire_owned().await.ok();
            let Some(endpoint) = endpoint(&switch) else {
                let report =
                    SwitchCheck { switch: switch.name, address: String::new(), found: Ok(CheckedSwitch::DialsIn) };
                return (index, report);
            };
            let patience = PATIENCE.max(endpoint.patience());
            let found = timeout(patience, look(&endpoint, patience, &switch.physical_switch)).await;
            let found = found.unwrap_or(Err(CheckError::TimedOut(patience)));
            (index, SwitchCheck { switch: switch.name, address: endpoint.address().to_string(), found })
        });
    }
    let mut reports = tries.join_all().await;
    reports.sort_by_key(|(index, _)| *index);
    reports.into_iter().map(|(_, report)| report).collect()
}

/// What else the daemon works with: one line, and whether it can.
#[derive(Debug)]
pub struct Tried {
    /// What was found, or why it can't be worked with.
    pub line: String,
    /// It can.
    pub good: bool,
}

/// Tries the store's file and directory, and the group of the admin socket.
pub fn check_here(database: &Path, admin: &AdminConfig) -> Vec<Tried> {
    let mut tried = vec![Tried::new(
        &format!("[database] {}", database.display()),
        try_file(database).map(|found| format!("ok: {found}")),
    )];
    if let Some(group) = &admin.group {
        tried.push(Tried::new(&format!("[admin] group {group}"), try_group(group).map(|()| "ok".to_owned())));
    }
    tried
}

/// Tries Keystone and Neutron's database, where they are asked for.
pub async fn check_openstack(api: &ApiConfig, source: Option<&SourceConfig>) -> Vec<Tried> {
    let mut tried = Vec::new();
    if let Auth::Keystone(keystone) = &api.auth {
        let found = try_keystone(keystone).await;
        let found = found.map(|()| format!("ok: '{}' may validate tokens", keystone.username));
        tried.push(Tried::new(&format!("[keystone_authtoken] {}", keystone.auth_url), found));
    }
    if let Some(source) = source {
        let found = try_database(source).await.map(|found| {
            let (networks, ports, vteps) = (found.networks, found.ports, found.tunnel_endpoints);
            format!("ok: {networks} networks, {ports} ports, {vteps} tunnel endpoints")
        });
        tried.push(Tried::new(&format!("[source] {}", source.shown), found));
    }
    tried
}

impl Tried {
    fn new(what: &str, found: Result<String, impl fmt::Display>) -> Self {
        match found {
            Ok(text) => Self { line: format!("{what}: {text}"), good: true },
            Err(error) => Self { line: format!("{what}: FAILED: {error}"), good: false },
        }
    }
}

async fn look(endpoint: &Endpoint, patience: Duration, wanted: &str) -> Result<CheckedSwitch, CheckError> {
    let client = Client::connect(endpoint, patience).await?;
    let databases = client.list_dbs().await?;
    if !databases.iter().any(|name| name == DATABASE) {
        return Err(CheckError::NoDatabase(databases));
    }
    let schema = client.get_schema(DATABASE).await?;
    let columns = br#"{"Physical_Switch":{"columns":["name","ports"],"select":{"initial":true}}}"#;
    let (rows, _updates) = client.monitor(DATABASE, columns).await?;
    let mut there = Vec::new();
    for (name, ports) in physical_switches(&mut rows.cursor())? {
        if name == wanted {
            return Ok(CheckedSwitch::Here { schema_version: schema.version, ports });
        }
        there.push(name);
    }
    Err(CheckError::NoSwitch { wanted: wanted.to_owned(), there })
}

/// Name and number of ports of each row in a monitor's first answer (RFC 7047 section 4.1.6).
fn physical_switches(updates: &mut Cursor<'_>) -> Result<Vec<(String, usize)>, JsonError> {
    let mut switches = Vec::new();
    updates.object(|_table, rows| {
        rows.object(|_uuid, row| {
            row.object(|version, columns| {
                if version != "new" {
                    return columns.skip();
                }
                let (mut name, mut ports) = (String::new(), 0);
                columns.object(|column, value| {
                    match column {
                        "name" => name = value.string()?.into_owned(),
                        "ports" => value.set(|port| {
                            ports += 1;
                            port.uuid().map(drop)
                        })?,
                        _ => value.skip()?,
                    }
                    Ok(())
                })?;
                switches.push((name, ports));
                Ok(())
            })
        })
    })?;
    Ok(switches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Transport;

    #[test]
    fn rows_of_a_monitor() {
        let port = r#"["uuid","00000000-0000-4000-8000-000000000001"]"#;
        let text = format!(
            r#"{{"Physical_Switch":{{"a":{{"new":{{"name":"one","ports":["set",[{port},{port}]]}}}},
               "b":{{"new":{{"ports":{port},"name":"two"}}}},"c":{{"new":{{"name":"three","ports":["set",[]]}}}}}}}}"#
        );
        let found = physical_switches(&mut Cursor::new(text.as_bytes())).unwrap();
        assert_eq!(found, [("one".to_owned(), 2), ("two".to_owned(), 1), ("three".to_owned(), 0)]);
        assert!(physical_switches(&mut Cursor::new(br#"{"Physical_Switch":{"a":{"new":{"name":7}}}}"#)).is_err());
    }

    #[tokio::test]
    async fn a_switch_that_is_not_there_is_one_line() {
        let path = std::env::temp_dir().join(format!("vtepd-no-socket-{}", std::process::id()));
        let config = SwitchConfig::new("tor", Transport::Unix(path.clone()));
        let reports = check([config]).await;
        let line = reports[0].to_string();
        assert!(line.starts_with(&format!("tor: FAILED: can't connect to unix:{}: ", path.display())), "{line}");
        assert!(!line.contains('\n'));
    }
}
