//! `l2gw endpoint …`: where each compute node's tunnels end.

use std::net::IpAddr;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Done, Session, Verdict,
    output::Column,
    wait::{Target, Wait},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Tells the VTEP address of a compute node.
    Create(Located),
    /// Lists all tunnel endpoints.
    List,
    /// Shows the tunnel endpoint of one compute node.
    Show(One),
    /// Changes the VTEP address of a compute node.
    Update(Located),
    /// Deletes tunnel endpoints: their hosts' ports leave the switches.
    Delete(Several),
}

#[derive(Debug, Args)]
pub(super) struct Located {
    /// The compute node, as ports name it (binding:host_id).
    host: String,
    /// Its VTEP address, IPv4.
    ip_address: IpAddr,
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
        let (endpoint, wait): (Value, Option<Wait>) = match self {
            Self::Create(Located { host, ip_address, wait }) => {
                let params = json!({"host": host, "ip_address": ip_address});
                (session.call("endpoint_create", &params).await?, Some(wait))
            }
            Self::List => {
                let answer: Value = session.call("endpoint_list", &json!({})).await?;
                let rows = answer["tunnel_endpoints"].as_array().cloned().unwrap_or_default();
                session.output.list(&columns(), &rows)?;
                return Ok(Verdict::Fine);
            }
            Self::Show(One { host }) => (session.call("endpoint_show", &json!({"endpoint": host})).await?, None),
            Self::Update(Located { host, ip_address, wait }) => {
                let params = json!({"endpoint": host, "ip_address": ip_address});
                (session.call("endpoint_update", &params).await?, Some(wait))
            }
            Self::Delete(Several { host, wait }) => {
                for host in host {
                    let _: Value = session.call("endpoint_delete", &json!({"endpoint": host})).await?;
                }
                return wait.follow(session, &Target::All).await;
            }
        };
        session.output.show(&columns(), &endpoint)?;
        match wait {
            Some(wait) => wait.follow(session, &Target::All).await,
            None => Ok(Verdict::Fine),
        }
    }
}

fn columns() -> [Column; 3] {
    [Column::member("id"), Column::member("host"), Column::member("ip_address")]
}
