//! `l2gw fdb`: what compute nodes get: which MAC is behind which VTEP.

use clap::Args;
use serde_json::{Value, json};

use super::{
    CommandOutcome, Done, Failure, Session, network,
    output::{Column, Format},
};

#[derive(Debug, Args)]
pub(super) struct Fdb {
    /// Name or UUID of a network; all, where none is given.
    network: Option<String>,
    /// Ports of virtual machines and compute nodes, too, not only what is behind gateways.
    #[arg(long)]
    all: bool,
}

impl Fdb {
    pub(super) async fn run(self, session: &Session) -> Done {
        let scope = if self.all { "all" } else { "gateway" };
        let answer: Value = session.call("fdb", &json!({"network": self.network, "scope": scope})).await?;
        match session.output.format() {
            Format::Json | Format::Yaml => session.output.show(&[], &answer)?,
            _ => {
                let networks = match &answer["networks"] {
                    Value::Array(networks) => networks.clone(),
                    _ => vec![answer],
                };
                let mut rows: Vec<Value> = networks.iter().flat_map(rows).collect();
                if session.output.format() == Format::Name {
                    rows.retain(|row| row["kind"] != "flood");
                }
                session.output.list(&columns(session).await?, &rows)?;
            }
        }
        Ok(CommandOutcome::Fine)
    }
}

/// A row a MAC, and one for each member of the flood list.
fn rows(network: &Value) -> Vec<Value> {
    let (id, vni) = (&network["network_id"], &network["vni"]);
    let mut rows = Vec::new();
    for vtep in network["flood"].as_array().into_iter().flatten() {
        rows.push(json!({"network_id": id, "vni": vni, "mac": "(flood)", "ips": [], "vtep": vtep, "kind": "flood"}));
    }
    for entry in network["entries"].as_array().into_iter().flatten() {
        let mut row = entry.clone();
        row["network_id"] = id.clone();
        row["vni"] = vni.clone();
        rows.push(row);
    }
    rows
}

async fn columns(session: &Session) -> Result<[Column; 6], Failure> {
    Ok([
        network::column(session).await?,
        Column::member("vni"),
        Column::member("mac"),
        Column::member("ips"),
        Column::member("vtep"),
        Column::member("kind"),
    ])
}
