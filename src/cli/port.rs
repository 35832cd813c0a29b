//! `l2gw port …`.

use std::{collections::BTreeSet, net::IpAddr};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    CommandOutcome, Done, Failure, Session, endpoint,
    import::Import,
    near, network,
    output::{Column, Format, json, text},
    terminal,
    wait::{self, Wait},
};

/// Ports that are asked for at once.
const PAGE: usize = 2000;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Creates a port.
    Create(Create),
    /// Lists ports.
    List(List),
    /// Shows one port.
    Show(One),
    /// Changes a port: what is given replaces what was.
    Update(Update),
    /// Deletes ports.
    Delete(Several),
    /// Creates all ports of a CSV file, or none.
    Import(Import),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Name or UUID of the network.
    network: String,
    #[command(flatten)]
    content: Content,
    /// The project that owns it.
    #[arg(long, value_name = "ID")]
    tenant_id: Option<String>,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Debug, Args)]
struct Content {
    /// Name of the port.
    #[arg(long)]
    name: Option<String>,
    /// Its MAC; a new port without one gets a random MAC.
    #[arg(long = "mac-address", alias = "mac", value_name = "MAC")]
    mac_address: Option<String>,
    /// Its IP address; repeat the option for more.
    #[arg(long = "ip-address", alias = "fixed-ip", value_name = "IP")]
    ip_address: Vec<IpAddr>,
    /// Compute node that hosts it; '' unbinds the port.
    #[arg(long)]
    host: Option<String>,
    /// An additional address or prefix that it may use: IP, IP/LENGTH, or either followed by ,MAC; repeat the option for more.
    #[arg(long, value_name = "PAIR", value_parser = pair)]
    allowed_address: Vec<Value>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only ports of this network: name or UUID.
    #[arg(long)]
    network: Option<String>,
    /// Only ports on this compute node; '': unbound ones.
    #[arg(long)]
    host: Option<String>,
    /// Only ports with this MAC.
    #[arg(long = "mac-address", alias = "mac", value_name = "MAC")]
    mac_address: Option<String>,
    /// The number of ports at most.
    #[arg(long)]
    limit: Option<usize>,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// UUID of the port.
    port: String,
}

#[derive(Debug, Args)]
pub(super) struct Several {
    /// UUIDs of ports.
    #[arg(required = true)]
    port: Vec<String>,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    /// UUID of the port.
    port: String,
    #[command(flatten)]
    content: Content,
    #[command(flatten)]
    wait: Wait,
}

impl Command {
    pub(super) async fn run(self, session: &Session) -> Done {
        match self {
            Self::Create(Create { network, content, tenant_id, wait }) => {
                let mut params = content.params();
                params["network"] = json!(network);
                params["tenant_id"] = json!(tenant_id);
                let port: Value = session.call("port_create", &params).await?;
                session.output.show(&columns(session).await?, &port)?;
                endpoint::remark_missing(session, [text(&port["host"])]).await?;
                wait.follow(session, &wait::of_network(&port["network_id"])).await
            }
            Self::List(list) => list.run(session).await,
            Self::Show(One { port }) => {
                let port: Value = session.call("port_show", &json!({"port": port})).await?;
                session.output.show(&columns(session).await?, &port)?;
                Ok(CommandOutcome::Fine)
            }
            Self::Update(Update { port, content, wait }) => {
                let mut params = content.params();
                if params.as_object().is_none_or(serde_json::Map::is_empty) {
                    return Err(Failure::Usage(
                        "nothing to change: give --name, --mac-address, --ip-address, --host or --allowed-address"
                            .to_owned(),
                    ));
                }
                params["port"] = json!(port);
                let port: Value = session.call("port_update", &params).await?;
                session.output.show(&columns(session).await?, &port)?;
                endpoint::remark_missing(session, [text(&port["host"])]).await?;
                wait.follow(session, &wait::of_network(&port["network_id"])).await
            }
            Self::Delete(Several { port, wait }) => {
                let (mut networks, mut deleted) = (Vec::new(), 0);
                for port in port {
                    let one = json!({"port": port});
                    // Afterwards nobody knows where it was.
                    let shown: Value = session.call("port_show", &one).await?;
                    networks.push(shown["network_id"].clone());
                    let _: Value = session.call("port_delete", &one).await?;
                    deleted += 1;
                }
                terminal::remark(&format_args!("{} deleted", near::counted(deleted, "port")));
                wait.follow(session, &wait::of_networks(&networks)).await
            }
            Self::Import(import) => import.run(session).await,
        }
    }
}

impl List {
    /// Page by page, so that a million ports are no more than a page in memory.
    async fn run(self, session: &Session) -> Done {
        let mut params = json!({"network": self.network, "host": self.host, "mac_address": self.mac_address});
        let mut left = self.limit.unwrap_or(usize::MAX);
        let mut pages = Pages::new(session).await?;
        while left > 0 {
            params["limit"] = json!(left.min(PAGE));
            let answer: Value = session.call("port_list", &params).await?;
            let rows = answer["ports"].as_array().cloned().unwrap_or_default();
            let (full, last) = (rows.len() == left.min(PAGE), rows.last().map(|port| port["id"].clone()));
            left -= rows.len();
            pages.put(rows)?;
            match last.filter(|_| full) {
                Some(last) => params["after"] = last,
                None => break,
            }
        }
        if !pages.any && pages.rows.is_empty() {
            known_host(session, self.host.as_deref()).await?;
        }
        pages.end()
    }
}

/// A compute node without ports and without a tunnel endpoint is a slip, rather.
async fn known_host(session: &Session, host: Option<&str>) -> Result<(), Failure> {
    let Some(host) = host.filter(|host| !host.is_empty()) else { return Ok(()) };
    let answer: Value = session.call("endpoint_list", &json!({})).await?;
    let known: Vec<String> =
        answer["tunnel_endpoints"].as_array().into_iter().flatten().map(|one| text(&one["host"])).collect();
    if known.iter().any(|one| one == host) {
        return Ok(());
    }
    // It may have ports that the other conditions leave out.
    let answer: Value = session.call("port_list", &json!({"host": host, "limit": 1})).await?;
    if answer["ports"].as_array().is_some_and(|ports| !ports.is_empty()) {
        return Ok(());
    }
    let near = near::did_you_mean(host, &known);
    let choices = near::choices(&known, "host", "l2gw endpoint list");
    Err(Failure::Missing(format!(
        "no compute node of that name: '{host}' has no port and no tunnel endpoint{near} ({choices})"
    )))
}

/// The networks that have ports at these compute nodes.
pub(super) async fn networks_of(session: &Session, hosts: &[String]) -> Result<BTreeSet<String>, Failure> {
    let mut networks = BTreeSet::new();
    for host in hosts {
        let mut params = json!({"host": host});
        loop {
            let answer: Value = session.call("port_list", &params).await?;
            let rows = answer["ports"].as_array().map_or(&[][..], Vec::as_slice);
            networks.extend(rows.iter().map(|port| text(&port["network_id"])));
            let Some(last) = rows.last() else { break };
            params["after"] = last["id"].clone();
        }
    }
    Ok(networks)
}

/// Prints pages of a list as one.
struct Pages<'s> {
    session: &'s Session,
    columns: Vec<Column>,
    /// What has to be printed as a whole.
    rows: Vec<Value>,
    any: bool,
}

impl<'s> Pages<'s> {
    async fn new(session: &'s Session) -> Result<Self, Failure> {
        Ok(Self { session, columns: columns(session).await?, rows: Vec::new(), any: false })
    }

    fn put(&mut self, rows: Vec<Value>) -> Result<(), Failure> {
        match self.session.output.format() {
            // A line a row: nothing to wait for.
            Format::Name => {
                self.any |= !rows.is_empty();
                self.session.output.list(&self.columns, &rows)
            }
            Format::Json => {
                for row in rows {
                    let begin = if self.any { ",\n" } else { "[\n" };
                    terminal::programs(&json(&format!("{begin}{row}")))?;
                    self.any = true;
                }
                Ok(())
            }
            _ => {
                self.rows.extend(rows);
                Ok(())
            }
        }
    }

    fn end(self) -> Done {
        match self.session.output.format() {
            Format::Name => {}
            Format::Json => terminal::programs(if self.any { "\n]\n" } else { "[]\n" })?,
            _ => self.session.output.list(&self.columns, &self.rows)?,
        }
        Ok(CommandOutcome::Fine)
    }
}

impl Content {
    /// What was given.
    fn params(self) -> Value {
        let mut params = json!({});
        for (name, value) in [("name", self.name), ("mac_address", self.mac_address), ("host", self.host)] {
            if let Some(value) = value {
                params[name] = json!(value);
            }
        }
        if !self.ip_address.is_empty() {
            let ips = self.ip_address.iter().map(|ip| json!({"ip_address": ip}));
            params["fixed_ips"] = ips.collect();
        }
        if !self.allowed_address.is_empty() {
            params["allowed_address_pairs"] = json!(self.allowed_address);
        }
        params
    }
}

fn pair(text: &str) -> Result<Value, String> {
    let (ip, mac) = text.split_once(',').map_or((text, None), |(ip, mac)| (ip, Some(mac)));
    if ip.parse::<ipnetwork::IpNetwork>().is_err() {
        return Err(format!("'{ip}' is neither an address nor a prefix: write IP[/LENGTH][,MAC]"));
    }
    let mut pair = json!({"ip_address": ip});
    if let Some(mac) = mac {
        pair["mac_address"] = json!(mac);
    }
    Ok(pair)
}

async fn columns(session: &Session) -> Result<Vec<Column>, Failure> {
    Ok(vec![
        Column::member("id"),
        Column::member("name"),
        Column::member("mac_address"),
        Column::made("ip_address", |port| {
            let ips = port["fixed_ips"].as_array().into_iter().flatten();
            ips.map(|fixed| text(&fixed["ip_address"])).collect::<Vec<_>>().join(" ")
        }),
        Column::member("host"),
        network::column(session).await?,
        Column::made("allowed_addresses", |port| {
            let pairs = port["allowed_address_pairs"].as_array().into_iter().flatten();
            pairs
                .map(|pair| format!("{},{}", text(&pair["ip_address"]), text(&pair["mac_address"])))
                .collect::<Vec<_>>()
                .join("\n")
        })
        .only_alone(),
        Column::member("tenant_id").only_alone(),
    ])
}
