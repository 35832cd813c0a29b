//! `l2gw port import FILE.csv`: read line by line, staged in pieces, committed once. All ports are created, or none; those of
//! large files in parts.

use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    io::{self, BufRead, BufReader},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use super::{
    Done, Failure, Session,
    csv::{Reader, Record},
    endpoint,
    near::{counted, did_you_mean},
    terminal,
    wait::{self, Wait},
};
use crate::{admin::client::AdminClientError, model::MacAddr};

/// Ports of one piece.
const PIECE: usize = 2000;

/// What a column may be called, and what it is.
const COLUMNS: [(&str, Field); 12] = [
    ("network", Field::Network),
    ("network_id", Field::Network),
    ("mac_address", Field::Mac),
    ("mac", Field::Mac),
    ("ip_address", Field::Ips),
    ("ip", Field::Ips),
    ("fixed_ips", Field::Ips),
    ("host", Field::Host),
    ("binding:host_id", Field::Host),
    ("name", Field::Name),
    ("tenant_id", Field::Tenant),
    ("id", Field::Ignored),
];

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The file; '-': standard input. Its first line names the columns: network, mac_address, ip_address (several are
    /// separated by blanks), host, name, tenant_id; all but network may be missing.
    file: PathBuf,
    /// The network of lines that don't name one: name or UUID.
    #[arg(long)]
    network: Option<String>,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Network,
    Mac,
    Ips,
    Host,
    Name,
    Tenant,
    Ignored,
}

impl Import {
    pub(super) async fn run(self, session: &Session) -> Done {
        let (input, size) = self.open()?;
        let begun: Value = session.call("port_import_begin", &json!({})).await?;
        let id = begun["import"].clone();
        let mut staging = Staging {
            session,
            file: self.source(),
            id: id.clone(),
            network: self.network.clone(),
            networks: HashMap::new(),
            hosts: BTreeSet::new(),
            lines: Vec::new(),
            piece: Vec::new(),
            bar: bar(size),
        };
        let staged = staging.all(Reader::new(input)).await;
        if let Err(failure) = staged {
            staging.bar.finish_and_clear();
            // The first error is the one to tell; what was staged is forgotten by itself, too.
            let _: Result<Value, _> = session.call("port_import_abort", &json!({"import": id})).await;
            return Err(failure);
        }
        staging.bar.set_message(format!("{} ports are being created", staging.lines.len()));
        staging.bar.enable_steady_tick(Duration::from_millis(200));
        let commit = json!({"import": id, "source": self.source()});
        let committed: Result<Value, AdminClientError> = session.call("port_import_commit", &commit).await;
        staging.bar.finish_and_clear();
        let created = committed.map_err(|error| staging.at_fault(error))?;
        terminal::remark(&format!("{} ports were created", created["created"]));
        endpoint::remark_missing(session, std::mem::take(&mut staging.hosts)).await?;
        self.wait.follow(session, &wait::of_networks(staging.networks.values())).await
    }

    /// Where the ports come from, for the journal.
    fn source(&self) -> String {
        if self.file.as_os_str() == "-" { "standard input".to_owned() } else { self.file.display().to_string() }
    }

    fn open(&self) -> Result<(Box<dyn BufRead>, Option<u64>), Failure> {
        if self.file.as_os_str() == "-" {
            return Ok((Box::new(BufReader::new(io::stdin())), None));
        }
        let failed = |source| Failure::File { path: self.file.clone(), source };
        let file = File::open(&self.file).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        Ok((Box::new(BufReader::new(file)), Some(size)))
    }
}

/// On a terminal: how much of the file was read.
fn bar(size: Option<u64>) -> ProgressBar {
    let bar = match size {
        _ if !terminal::interactive() => ProgressBar::hidden(),
        Some(size) => ProgressBar::new(size),
        None => ProgressBar::no_length(),
    };
    // The template is ours; should it be wrong, the default does.
    let style = ProgressStyle::with_template("[{bar:30}] {bytes}/{total_bytes} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar
}

struct Staging<'s> {
    session: &'s Session,
    file: String,
    id: Value,
    /// Of lines that name none.
    network: Option<String>,
    /// UUIDs of networks by what the file calls them.
    networks: HashMap<String, Value>,
    hosts: BTreeSet<String>,
    /// The line of each port.
    lines: Vec<u64>,
    piece: Vec<Value>,
    bar: ProgressBar,
}

impl Staging<'_> {
    async fn all(&mut self, mut reader: Reader<Box<dyn BufRead>>) -> Result<(), Failure> {
        let unreadable = |file: &str, why: String| Failure::Input(format!("{file}:{why}; nothing was created"));
        let Some(head) = reader.next().map_err(|why| unreadable(&self.file, why))? else {
            return Err(Failure::Input(format!("{}: is empty: its first line names the columns", self.file)));
        };
        let columns = columns(&head, self.network.is_some()).map_err(|why| self.wrong(head.line, &why))?;
        while let Some(record) = reader.next().map_err(|why| unreadable(&self.file, why))? {
            let port = self.port(&columns, &record).await?;
            self.lines.push(record.line);
            self.piece.push(port);
            if self.piece.len() >= PIECE {
                self.stage().await?;
                self.bar.set_position(reader.bytes());
                self.bar.set_message(format!("{} ports", self.lines.len()));
            }
        }
        if self.lines.is_empty() {
            return Err(Failure::Input(format!(
                "{}: has no ports: write one line for each port below the line of column names",
                self.file
            )));
        }
        self.stage().await
    }

    async fn stage(&mut self) -> Result<(), Failure> {
        let ports = std::mem::take(&mut self.piece);
        let first = self.lines.len() - ports.len();
        let staged: Result<Value, AdminClientError> =
            self.session.call("port_import_stage", &json!({"import": self.id, "ports": ports})).await;
        staged.map(drop).map_err(|error| self.at_line(first, error))
    }

    async fn port(&mut self, columns: &[Field], record: &Record) -> Result<Value, Failure> {
        let mut port = Map::new();
        if record.fields.len() != columns.len() {
            let (fields, columns) = (counted(record.fields.len(), "field"), counted(columns.len(), "column"));
            let why = format!("{fields}, but the first line names {columns}: an empty field keeps its comma");
            return Err(self.wrong(record.line, &why));
        }
        let mut network = self.network.clone();
        for (field, value) in columns.iter().zip(&record.fields).filter(|(_, value)| !value.is_empty()) {
            match field {
                Field::Network => network = Some(value.clone()),
                Field::Mac => {
                    // Said at once, not after a million lines.
                    let mac: MacAddr =
                        value.parse().map_err(|_| self.wrong(record.line, &format!("'{value}' is no MAC")))?;
                    port.insert("mac_address".to_owned(), json!(mac));
                }
                Field::Ips => {
                    let ips = value.split([' ', ';']).filter(|ip| !ip.is_empty());
                    port.insert("fixed_ips".to_owned(), ips.map(|ip| json!({"ip_address": ip})).collect());
                }
                Field::Host => {
                    if !self.hosts.contains(value) {
                        self.hosts.insert(value.clone());
                    }
                    port.insert("host".to_owned(), json!(value));
                }
                Field::Name => drop(port.insert("name".to_owned(), json!(value))),
                Field::Tenant => drop(port.insert("tenant_id".to_owned(), json!(value))),
                Field::Ignored => {}
            }
        }
        let Some(network) = network else { return Err(self.wrong(record.line, "names no network")) };
        port.insert("network".to_owned(), self.network_id(&network, record.line).await?);
        Ok(Value::Object(port))
    }

    /// Each network is asked for once.
    async fn network_id(&mut self, name: &str, line: u64) -> Result<Value, Failure> {
        if let Some(id) = self.networks.get(name) {
            return Ok(id.clone());
        }
        let found: Result<Value, AdminClientError> = self.session.call("network_show", &json!({"network": name})).await;
        let network = found.map_err(|error| self.located(line, error))?;
        self.networks.insert(name.to_owned(), network["id"].clone());
        Ok(network["id"].clone())
    }

    fn wrong(&self, line: u64, why: &str) -> Failure {
        Failure::Input(format!("{}:{line}: {why}; nothing was created", self.file))
    }

    /// The whole was refused: `ports[17].…` is a line of the file.
    fn at_fault(&self, error: AdminClientError) -> Failure {
        self.at_line(0, error)
    }

    fn at_line(&self, first: usize, error: AdminClientError) -> Failure {
        let AdminClientError::Refused { message, .. } = &error else { return error.into() };
        let place = message.split_once("ports[").and_then(|(_, rest)| rest.split_once(']'));
        let line = place.and_then(|(index, _)| self.lines.get(first + index.parse::<usize>().ok()?).copied());
        match line {
            Some(line) => self.located(line, error),
            None => self.located(0, error),
        }
    }

    fn located(&self, line: u64, error: AdminClientError) -> Failure {
        match error {
            AdminClientError::Refused { code, kind, name, message } => {
                let place = if line > 0 { format!("{}:{line}", self.file) } else { self.file.clone() };
                let created = if kind == "PartlyCreated" { "" } else { "; nothing was created" };
                let message = format!("{place}: {message}{created}");
                AdminClientError::Refused { code, kind, name, message }.into()
            }
            other => other.into(),
        }
    }
}

/// What each column is.
fn columns(head: &Record, has_network: bool) -> Result<Vec<Field>, String> {
    let known = || COLUMNS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let field = |name: &String| {
        let found = COLUMNS.iter().find(|(column, _)| column.eq_ignore_ascii_case(name.trim()));
        found.map(|(_, field)| *field).ok_or_else(|| {
            let near = did_you_mean(name, COLUMNS.iter().map(|(column, _)| *column));
            format!("there is no column '{name}'{near}; columns are: {}", known())
        })
    };
    if let [one] = head.fields.as_slice()
        && let Some(separator) = one.chars().find(|c| matches!(c, ';' | '\t' | '|'))
    {
        return Err(format!("columns are separated by ',', not by '{}'", separator.escape_default()));
    }
    let fields = head.fields.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    for (i, field) in fields.iter().enumerate() {
        if *field != Field::Ignored && fields[..i].contains(field) {
            return Err(format!("column '{}' is given twice", head.fields[i]));
        }
    }
    if !has_network && !fields.contains(&Field::Network) {
        return Err("no column names the network: add one, or give --network".to_owned());
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_any_of_their_names() {
        let head = |names: &[&str]| Record { line: 1, fields: names.iter().map(|name| (*name).to_owned()).collect() };
        assert_eq!(
            columns(&head(&["MAC", "network", "binding:host_id"]), false),
            Ok(vec![Field::Mac, Field::Network, Field::Host])
        );
        assert!(
            columns(&head(&["network", "vlan"]), false)
                .unwrap_err()
                .contains("no column 'vlan'; columns are: network,")
        );
        assert!(
            columns(&head(&["mac", "mac_address", "network"]), false)
                .unwrap_err()
                .contains("'mac_address' is given twice")
        );
        assert!(columns(&head(&["mac"]), false).unwrap_err().contains("--network"));
        assert!(columns(&head(&["mac"]), true).is_ok());
        for (text, separator) in [("network;mac", ";"), ("network\tmac", "\\t")] {
            let why = columns(&head(&[text]), false).unwrap_err();
            assert_eq!(why, format!("columns are separated by ',', not by '{separator}'"));
        }
    }
}
