//! `l2gw network …`.

use std::collections::HashMap;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    CommandOutcome, Done, Failure, Session, argument, near,
    output::{Column, text},
    terminal,
};
use crate::model::printable::one_line;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Creates a network.
    Create(Create),
    /// Lists all networks.
    List,
    /// Shows one network.
    Show(One),
    /// Renames a network, or gives it to another project.
    Update(Update),
    /// Deletes networks that have neither ports nor connections.
    Delete(Several),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Name of the network.
    #[arg(value_parser = argument::name)]
    name: String,
    /// Its VNI; without it one is allocated from vni_ranges.
    #[arg(long, conflicts_with = "no_vxlan", value_parser = clap::value_parser!(u32).range(1..=0xff_ffff))]
    vni: Option<u32>,
    /// Without a VXLAN segment, so that it can't be connected.
    #[arg(long)]
    no_vxlan: bool,
    /// The project that owns it.
    #[arg(long, value_name = "ID")]
    tenant_id: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// Name or UUID of the network.
    network: String,
}

#[derive(Debug, Args)]
pub(super) struct Several {
    /// Names or UUIDs of networks.
    #[arg(required = true)]
    network: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    /// Name or UUID of the network.
    network: String,
    /// A new name.
    #[arg(long, required_unless_present = "tenant_id", value_parser = argument::name)]
    name: Option<String>,
    /// A new project.
    #[arg(long, value_name = "ID")]
    tenant_id: Option<String>,
}

impl Command {
    pub(super) async fn run(self, session: &Session) -> Done {
        let is_named = matches!(self, Self::Create(_) | Self::Update(Update { name: Some(_), .. }));
        let network: Value = match self {
            Self::Create(Create { name, vni, no_vxlan, tenant_id }) => {
                let vxlan = no_vxlan.then_some(false);
                let params = json!({"name": name, "vni": vni, "vxlan": vxlan, "tenant_id": tenant_id});
                session.call("network_create", &params).await?
            }
            Self::List => {
                let answer: Value = session.call("network_list", &json!({})).await?;
                let rows = answer["networks"].as_array().cloned().unwrap_or_default();
                session.output.list(&columns(), &rows)?;
                return Ok(CommandOutcome::Fine);
            }
            Self::Show(One { network }) => session.call("network_show", &json!({"network": network})).await?,
            Self::Update(Update { network, name, tenant_id }) => {
                let params = json!({"network": network, "name": name, "tenant_id": tenant_id});
                session.call("network_update", &params).await?
            }
            Self::Delete(Several { network }) => {
                for network in network {
                    let _: Value = session.call("network_delete", &json!({"network": network})).await?;
                    terminal::remark(&format_args!("network {} deleted", one_line(&network)));
                }
                return Ok(CommandOutcome::Fine);
            }
        };
        session.output.show(&columns(), &network)?;
        if is_named {
            let answer: Value = session.call("network_list", &json!({})).await?;
            near::remark_same(&answer["networks"], &network, "network");
        }
        Ok(CommandOutcome::Fine)
    }
}

/// Whose a row is: the network's name for people, the UUID for programs and where the name is another's, too.
pub(super) async fn column(session: &Session) -> Result<Column, Failure> {
    if !session.output.is_table() {
        return Ok(Column::member("network_id"));
    }
    let answer: Value = session.call("network_list", &json!({})).await?;
    Ok(named("network", "network_id", &answer["networks"]))
}

/// A column of names, of which the objects have the ids.
pub(super) fn named(title: &'static str, member: &'static str, list: &Value) -> Column {
    let mut names: HashMap<String, String> = HashMap::new();
    let mut ids: HashMap<String, usize> = HashMap::new();
    for one in list.as_array().into_iter().flatten() {
        let name = text(&one["name"]);
        *ids.entry(name.clone()).or_default() += 1;
        names.insert(text(&one["id"]), one_line(&name).into_owned());
    }
    names.retain(|_, name| !name.is_empty() && ids.get(name) == Some(&1));
    Column::made(title, move |value| {
        let id = text(&value[member]);
        names.get(&id).cloned().unwrap_or(id)
    })
}

fn columns() -> [Column; 4] {
    [Column::member("id"), Column::member("name"), Column::member("vni"), Column::member("tenant_id")]
}
