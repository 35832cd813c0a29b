//! `l2gw gateway …`, and the specification's `l2gw l2-gateway-…`.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    CommandOutcome, Done, Failure, Session, argument,
    device::{self, Device, Interface},
    edits::Edits,
    near,
    output::{Column, text},
    terminal,
    wait::{self, Wait},
};
use crate::model::printable::one_line;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Creates a gateway of one switch, or of two (active/active).
    Create(Create),
    /// Adds and removes interfaces, or renames.
    Update(Update),
    /// Deletes gateways that have no connections.
    Delete(Delete),
    /// Lists all gateways.
    List,
    /// Shows one gateway.
    Show(Show),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Name of the gateway.
    #[arg(value_parser = argument::name)]
    name: String,
    /// A switch and its ports: name=SWITCH,interface_names=PORT:VLAN,VLAN;PORT, or a JSON object. \: is a colon in a
    /// port's name.
    #[arg(long, required = true, value_name = "DEVICE", value_parser = Device::parse)]
    device: Vec<Device>,
    /// The project that owns it.
    #[arg(long, value_name = "ID")]
    tenant_id: Option<String>,
    /// Accepts ports that a switch doesn't have (yet).
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    /// Name or UUID of the gateway.
    gateway: String,
    #[command(flatten)]
    edits: Edits,
    /// A new name.
    #[arg(long, value_parser = argument::name)]
    name: Option<String>,
    /// A new project.
    #[arg(long, value_name = "ID")]
    tenant_id: Option<String>,
    /// Accepts ports that a switch doesn't have (yet).
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    /// Names or UUIDs of gateways.
    #[arg(required = true)]
    gateway: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Name or UUID of the gateway.
    gateway: String,
}

// ===== impl Command =====

impl Command {
    pub(super) async fn run(self, session: &Session) -> Done {
        match self {
            Self::Create(create) => create.run(session).await,
            Self::Update(update) => update.run(session).await,
            Self::Delete(delete) => delete.run(session).await,
            Self::List => list(session).await,
            Self::Show(show) => show.run(session).await,
        }
    }
}

pub(super) async fn list(session: &Session) -> Done {
    let answer: Value = session.call("gateway_list", &json!({})).await?;
    let rows = answer["l2_gateways"].as_array().cloned().unwrap_or_default();
    session.output.list(&columns(), &rows)?;
    Ok(CommandOutcome::Fine)
}

impl Create {
    pub(super) async fn run(self, session: &Session) -> Done {
        if !self.force {
            for device in &self.device {
                check_ports(session, &device.name, &device.interfaces).await?;
            }
        }
        let devices: Vec<Value> = self.device.iter().map(Device::json).collect();
        let mut gateway = json!({"name": self.name, "devices": devices});
        if let Some(tenant) = self.tenant_id {
            gateway["tenant_id"] = json!(tenant);
        }
        let answer: Value = session.call("gateway_create", &json!({"l2_gateway": gateway})).await?;
        session.output.show(&columns(), &answer["l2_gateway"])?;
        remark_same_name(session, &answer["l2_gateway"]).await?;
        Ok(CommandOutcome::Fine)
    }
}

impl Update {
    pub(super) async fn run(self, session: &Session) -> Done {
        if self.edits.is_empty() && self.name.is_none() && self.tenant_id.is_none() {
            return Err(Failure::Usage(
                "nothing to change: give --add-interface, --remove-interface, --name or --tenant-id".to_owned(),
            ));
        }
        let old: Value = session.call("gateway_show", &json!({"gateway": self.gateway})).await?;
        let there = devices(&old["l2_gateway"]);
        let missing = self.edits.devices().find(|name| !there.iter().any(|device| device == name));
        if let Some(missing) = missing {
            let near = near::did_you_mean(missing, &there);
            let choices = near::choices(&there, "device", "l2gw gateway show");
            let message = format!("gateway '{}' has no device '{missing}'{near}; {choices}", self.gateway);
            return Err(Failure::Missing(message));
        }
        if !self.force {
            for (device, added) in self.edits.added(&there) {
                check_ports(session, device, added).await?;
            }
        }
        let mut body = self.edits.json(&there);
        for (name, value) in [("name", self.name), ("tenant_id", self.tenant_id)] {
            if let Some(value) = value {
                body[name] = json!(value);
            }
        }
        let id = text(&old["l2_gateway"]["id"]);
        let answer: Value = session.call("gateway_update", &json!({"gateway": id, "l2_gateway": body})).await?;
        session.output.show(&columns(), &answer["l2_gateway"])?;
        remark_same_name(session, &answer["l2_gateway"]).await?;
        if !self.wait.is_asked() {
            return Ok(CommandOutcome::Fine);
        }
        let networks = connected(session, &id).await?;
        self.wait.follow(session, &wait::Target::Bindings { networks, switches: there.into_iter().collect() }).await
    }
}

impl Delete {
    pub(super) async fn run(self, session: &Session) -> Done {
        for gateway in &self.gateway {
            let _: Value = session.call("gateway_delete", &json!({"gateway": gateway})).await?;
            terminal::remark(&format_args!("gateway {} deleted", one_line(gateway)));
        }
        Ok(CommandOutcome::Fine)
    }
}

impl Show {
    pub(super) async fn run(self, session: &Session) -> Done {
        let answer: Value = session.call("gateway_show", &json!({"gateway": self.gateway})).await?;
        session.output.show(&columns(), &answer["l2_gateway"])?;
        Ok(CommandOutcome::Fine)
    }
}

fn columns() -> [Column; 4] {
    [
        Column::member("id"),
        Column::member("name"),
        Column::member("tenant_id"),
        Column::made("devices", |gateway| {
            let devices = gateway["devices"].as_array().into_iter().flatten();
            devices.map(shown).collect::<Vec<_>>().join("\n")
        }),
    ]
}

/// `tor-switch-1: Ethernet40:50; Ethernet41:51,52`, as `--device` takes interfaces.
fn shown(device: &Value) -> String {
    let interfaces = device["interfaces"].as_array().into_iter().flatten();
    let interfaces = interfaces.map(|interface| {
        let name = device::escaped(&text(&interface["name"]));
        let vlans = interface["segmentation-id"].as_array().into_iter().flatten().map(Value::to_string);
        let vlans = vlans.collect::<Vec<_>>().join(",");
        if vlans.is_empty() { name } else { format!("{name}:{vlans}") }
    });
    format!("{}: {}", text(&device["device_name"]), interfaces.collect::<Vec<_>>().join("; "))
}

/// Names of a gateway's devices.
pub(super) fn devices(gateway: &Value) -> Vec<String> {
    let devices = gateway["devices"].as_array().into_iter().flatten();
    devices.map(|device| text(&device["device_name"])).collect()
}

/// The networks that a gateway connects.
async fn connected(session: &Session, gateway: &str) -> Result<BTreeSet<String>, Failure> {
    let answer: Value = session.call("connection_list", &json!({})).await?;
    let all = answer["l2_gateway_connections"].as_array().into_iter().flatten();
    Ok(all.filter(|one| one["gateway_id"] == gateway).map(|one| text(&one["network_id"])).collect())
}

/// Notes that a name is another gateway's, too: from now on only UUIDs tell them apart.
async fn remark_same_name(session: &Session, gateway: &Value) -> Result<(), Failure> {
    let answer: Value = session.call("gateway_list", &json!({})).await?;
    near::remark_same(&answer["l2_gateways"], gateway, "gateway");
    Ok(())
}

/// A slip in the name of a switch or of a port is found now, not when nothing arrives.
async fn check_ports(session: &Session, device: &str, interfaces: &[Interface]) -> Result<(), Failure> {
    let answer: Value = session.call("progress", &json!({})).await?;
    let all = answer["switches"].as_array().cloned().unwrap_or_default();
    let Some(switch) = all.iter().find(|switch| switch["switch"] == device) else {
        if let Some(section) = all.iter().find(|switch| switch["physical_switch"] == device) {
            let section = text(&section["switch"]);
            return Err(Failure::Missing(format!(
                "'{device}' is the physical_switch of [switch:{section}]: a gateway names the section, '{section}' (--force takes it \
                 as it is)"
            )));
        }
        let known = all.iter().map(|switch| text(&switch["switch"]));
        if let Some(near) = near::nearest(device, known) {
            let message = format!("no switch is called '{device}'; did you mean '{near}'? (--force takes it as it is)");
            return Err(Failure::Missing(message));
        }
        terminal::remark(&format!(
            "l2gw: note: no switch is configured for device '{0}' yet: add [switch:{0}] to plumgrid.ini and reload it",
            one_line(device)
        ));
        return Ok(());
    };
    let shown: Value = session.call("switch_show", &json!({"switch": switch["switch"]})).await?;
    let ports: Vec<String> = shown["ports"].as_array().into_iter().flatten().map(text).collect();
    // Without a session nothing is known of its ports, and of very many not all are listed.
    let is_known = !ports.is_empty() && shown["more_ports"] == 0;
    let unknown = interfaces.iter().find(|interface| is_known && !ports.contains(&interface.name));
    let Some(Interface { name, .. }) = unknown else { return Ok(()) };
    let near = near::did_you_mean(name, &ports);
    let choices = near::choices(&ports, "port", &format!("l2gw switch show {}", text(&switch["switch"])));
    Err(Failure::Input(format!(
        "interface {name} is not on {device}{near} ({choices}; --force takes the name as it is)"
    )))
}
