//! `l2gw endpoint …`: where each compute node's tunnels end.

use std::{collections::BTreeSet, net::IpAddr};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    CommandOutcome, Done, Failure, Session, near,
    output::{Column, text},
    port, terminal,
    wait::{Target, Wait},
};
use crate::model::printable::one_line;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Creates the tunnel endpoint of a compute node: its VTEP address.
    Create(Located),
    /// Lists all tunnel endpoints.
    List,
    /// Shows the tunnel endpoint of one compute node.
    Show(One),
    /// Changes the VTEP address of a compute node.
    Update(Located),
    /// Deletes tunnel endpoints: the ports of their hosts are removed from the switches.
    Delete(Several),
}

#[derive(Debug, Args)]
pub(super) struct Located {
    /// The compute node, as ports name it (binding:host_id).
    host: String,
    /// Its VTEP address, IPv4.
    #[arg(value_name = "ADDRESS")]
    ip_address: String,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// The compute node, or the UUID of its endpoint.
    host: String,
}

#[derive(Debug, Args)]
pub(super) struct Several {
    /// Compute nodes, or UUIDs of their endpoints.
    #[arg(required = true)]
    host: Vec<String>,
    #[command(flatten)]
    wait: Wait,
}

impl Command {
    pub(super) async fn run(self, session: &Session) -> Done {
        match self {
            Self::Create(located) => located.run(session, "endpoint_create", "host").await,
            Self::Update(located) => located.run(session, "endpoint_update", "endpoint").await,
            Self::List => {
                let answer: Value = session.call("endpoint_list", &json!({})).await?;
                let rows = answer["tunnel_endpoints"].as_array().cloned().unwrap_or_default();
                session.output.list(&columns(), &rows)?;
                Ok(CommandOutcome::Fine)
            }
            Self::Show(One { host }) => {
                let endpoint: Value = session.call("endpoint_show", &json!({"endpoint": host})).await?;
                session.output.show(&columns(), &endpoint)?;
                Ok(CommandOutcome::Fine)
            }
            Self::Delete(Several { host, wait }) => {
                let mut hosts = Vec::new();
                for host in host {
                    let one = json!({"endpoint": host});
                    // It may be named by its UUID.
                    let shown: Value = session.call("endpoint_show", &one).await?;
                    let _: Value = session.call("endpoint_delete", &one).await?;
                    let host = text(&shown["host"]);
                    terminal::remark(&format_args!("tunnel endpoint of {} deleted", one_line(&host)));
                    hosts.push(host);
                }
                follow(session, wait, &hosts).await
            }
        }
    }
}

impl Located {
    fn address(&self) -> Result<IpAddr, String> {
        let Self { host, ip_address, .. } = self;
        match (ip_address.parse(), host.parse::<IpAddr>()) {
            (Ok(address), _) => Ok(address),
            (Err(_), Ok(address)) => Err(format!("HOST comes first, then ADDRESS: {ip_address} {address}")),
            (Err(_), Err(_)) => Err(format!("'{ip_address}' is not an IP address: write 198.51.100.11")),
        }
    }

    async fn run(self, session: &Session, method: &str, name: &str) -> Done {
        let address = self.address().map_err(Failure::Usage)?;
        let params = json!({name: self.host, "ip_address": address});
        let endpoint: Value = session.call(method, &params).await?;
        session.output.show(&columns(), &endpoint)?;
        remark_same_address(session, &endpoint).await?;
        follow(session, self.wait, &[text(&endpoint["host"])]).await
    }
}

/// Notes that another compute node has the address, too: its tunnels would end at one of them.
async fn remark_same_address(session: &Session, endpoint: &Value) -> Result<(), Failure> {
    let answer: Value = session.call("endpoint_list", &json!({})).await?;
    let all = answer["tunnel_endpoints"].as_array().into_iter().flatten();
    let same = all.filter(|one| one["ip_address"] == endpoint["ip_address"] && one["id"] != endpoint["id"]);
    let hosts: Vec<String> = same.map(|one| text(&one["host"])).collect();
    if !hosts.is_empty() {
        terminal::remark(&format_args!(
            "l2gw: note: {} has the address {}, too",
            one_line(&hosts.join(", ")),
            text(&endpoint["ip_address"])
        ));
    }
    Ok(())
}

/// Waits for the switches that carry a network of these compute nodes.
async fn follow(session: &Session, wait: Wait, hosts: &[String]) -> Done {
    if !wait.is_asked() {
        return Ok(CommandOutcome::Fine);
    }
    wait.follow(session, &Target::Networks(port::networks_of(session, hosts).await?)).await
}

/// Notes compute nodes that no switch can send to yet: a slip in the name, perhaps.
pub(super) async fn remark_missing(session: &Session, hosts: impl IntoIterator<Item = String>) -> Result<(), Failure> {
    let mut hosts: BTreeSet<String> = hosts.into_iter().filter(|host| !host.is_empty()).collect();
    if hosts.is_empty() {
        return Ok(());
    }
    let answer: Value = session.call("endpoint_list", &json!({})).await?;
    let known: Vec<String> =
        answer["tunnel_endpoints"].as_array().into_iter().flatten().map(|endpoint| text(&endpoint["host"])).collect();
    for host in &known {
        hosts.remove(host);
    }
    for host in hosts {
        let (near, host) = (near::did_you_mean(&host, &known), one_line(&host).into_owned());
        terminal::remark(&format!(
            "l2gw: note: '{host}' has no tunnel endpoint{}: until 'l2gw endpoint create {host} ADDRESS' its ports are on no \
             switch",
            one_line(&near)
        ));
    }
    Ok(())
}

fn columns() -> [Column; 3] {
    [Column::member("id"), Column::member("host"), Column::member("ip_address")]
}
