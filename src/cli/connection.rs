//! `l2gw connection …`, and the specification's `l2gw l2-gateway-connection-…`.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    CommandOutcome, Done, Failure, Session, argument, gateway, near, network,
    output::{Column, text},
    terminal,
    wait::{Target, Wait},
};
use crate::model::text::natural_order;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Connects a gateway with a network.
    Create(Create),
    /// Lists all connections.
    List,
    /// Shows one connection, and each of its bindings.
    Show(Show),
    /// Deletes connections.
    Delete(Delete),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Name or UUID of the gateway.
    gateway: String,
    /// Name or UUID of the network.
    network: String,
    /// VLAN of interfaces that have none of their own; 0: untagged.
    #[arg(long, value_name = "VLAN", value_parser = argument::vlan)]
    default_segmentation_id: Option<u16>,
    /// The connection's port_id; generated if it is not given.
    #[arg(long, value_name = "ID")]
    port_id: Option<String>,
    /// The project that owns it.
    #[arg(long, value_name = "ID")]
    tenant_id: Option<String>,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// UUID of the connection, or GATEWAY NETWORK.
    #[arg(required = true, num_args = 1..=2, value_name = "CONNECTION")]
    connection: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    /// UUIDs of connections, or GATEWAY NETWORK.
    #[arg(required = true, value_name = "CONNECTION")]
    connection: Vec<String>,
    #[command(flatten)]
    wait: Wait,
}

// ===== impl Command =====

impl Command {
    pub(super) async fn run(self, session: &Session) -> Done {
        match self {
            Self::Create(create) => create.run(session).await,
            Self::List => list(session).await,
            Self::Show(show) => show.run(session).await,
            Self::Delete(delete) => delete.run(session).await,
        }
    }
}

pub(super) async fn list(session: &Session) -> Done {
    let answer: Value = session.call("connection_list", &json!({})).await?;
    let rows = answer["l2_gateway_connections"].as_array().cloned().unwrap_or_default();
    session.output.list(&columns(session).await?, &rows)?;
    Ok(CommandOutcome::Fine)
}

impl Create {
    pub(super) async fn run(self, session: &Session) -> Done {
        let mut body = json!({"gateway_id": self.gateway, "network_id": self.network});
        if let Some(vlan) = self.default_segmentation_id {
            body["default_segmentation_id"] = json!(vlan);
        }
        for (name, value) in [("port_id", self.port_id), ("tenant_id", self.tenant_id)] {
            if let Some(value) = value {
                body[name] = json!(value);
            }
        }
        let connection: Value = session.call("connection_create", &body).await?;
        // The specification's response: the three UUIDs, for people too.
        session.output.show(&MEMBERS.map(Column::member), &connection)?;
        if !self.wait.is_asked() {
            return Ok(CommandOutcome::Fine);
        }
        let networks = BTreeSet::from([text(&connection["network_id"])]);
        let switches = switches(session, &connection).await?.into_iter().collect();
        self.wait.follow(session, &Target::Bindings { networks, switches }).await
    }
}

impl Show {
    pub(super) async fn run(self, session: &Session) -> Done {
        let all = named(session, &self.connection).await?;
        let [connection] = all.as_slice() else {
            return Err(Failure::Usage("give one connection: its UUID, or GATEWAY NETWORK".to_owned()));
        };
        session.output.show(&columns(session).await?, connection)?;
        if session.output.is_table() {
            super::Output::text("\n")?;
            session.output.list(&binding_columns(), &bindings(session, connection).await?)?;
        }
        Ok(CommandOutcome::Fine)
    }
}

impl Delete {
    pub(super) async fn run(self, session: &Session) -> Done {
        let (mut networks, mut on_switches) = (BTreeSet::new(), BTreeSet::new());
        for connection in named(session, &self.connection).await? {
            if self.wait.is_asked() {
                networks.insert(text(&connection["network_id"]));
                on_switches.extend(switches(session, &connection).await?);
            }
            // Afterwards nobody knows what it bound.
            let bound = bindings(session, &connection).await?;
            let id = &connection["connection_id"];
            let _: Value = session.call("connection_delete", &json!({"connection": id})).await?;
            let ports: BTreeSet<(String, String)> =
                bound.iter().map(|row| (text(&row["switch"]), text(&row["port"]))).collect();
            let on: BTreeSet<&String> = ports.iter().map(|(switch, _)| switch).collect();
            terminal::remark(&format_args!(
                "connection {} deleted: {} on {} withdrawn",
                text(id),
                near::counted(ports.len(), "port"),
                near::counted(on.len(), "switch")
            ));
        }
        self.wait.follow(session, &Target::Bindings { networks, switches: on_switches }).await
    }
}

/// What the specification prints of a connection.
const MEMBERS: [&str; 6] =
    ["connection_id", "network_id", "gateway_id", "default_segmentation_id", "port_id", "tenant_id"];

/// The bindings of a connection, with their status, in their natural order.
async fn bindings(session: &Session, connection: &Value) -> Result<Vec<Value>, Failure> {
    let one = json!({"connection": connection["connection_id"]});
    let status: Value = session.call("connection_status", &one).await?;
    Ok(in_order(&status["switches"]))
}

/// Bindings by switch, port and VLAN.
pub(super) fn in_order(bindings: &Value) -> Vec<Value> {
    let mut rows = bindings.as_array().cloned().unwrap_or_default();
    rows.sort_by(|a, b| {
        let by = |member: &str| natural_order(&text(&a[member]), &text(&b[member]));
        by("switch").then_with(|| by("port")).then_with(|| a["vlan"].as_u64().cmp(&b["vlan"].as_u64()))
    });
    rows
}

/// The connections that are meant: by their UUIDs, or one by its gateway and its network.
async fn named(session: &Session, words: &[String]) -> Result<Vec<Value>, Failure> {
    let answer: Value = session.call("connection_list", &json!({})).await?;
    let all = answer["l2_gateway_connections"].as_array().cloned().unwrap_or_default();
    let by_id = |word: &String| all.iter().find(|connection| connection["connection_id"] == **word);
    match words {
        [gateway, network] if by_id(gateway).is_none() && by_id(network).is_none() => {
            Ok(vec![between(session, &all, gateway, network).await?])
        }
        _ => {
            let mut found = Vec::new();
            for word in words {
                match by_id(word) {
                    Some(connection) => found.push(connection.clone()),
                    None => return Err(not_a_connection(session, &all, word).await),
                }
            }
            Ok(found)
        }
    }
}

/// The connection of a gateway with a network, each by name or UUID.
async fn between(session: &Session, all: &[Value], gateway: &str, network: &str) -> Result<Value, Failure> {
    let answer: Value = session.call("gateway_show", &json!({"gateway": gateway})).await?;
    let of: Value = session.call("network_show", &json!({"network": network})).await?;
    let joins = |one: &&Value| one["gateway_id"] == answer["l2_gateway"]["id"] && one["network_id"] == of["id"];
    let found = all.iter().find(joins).cloned();
    found.ok_or_else(|| {
        Failure::Missing(format!(
            "gateway '{gateway}' has no connection with network '{network}' ('l2gw connection list')"
        ))
    })
}

/// Why a word names no connection: often it names what one joins.
async fn not_a_connection(session: &Session, all: &[Value], word: &str) -> Failure {
    let gateways: Result<Value, _> = session.call("gateway_list", &json!({})).await;
    let networks: Result<Value, _> = session.call("network_list", &json!({})).await;
    let (gateways, networks) = match (gateways, networks) {
        (Ok(gateways), Ok(networks)) => (gateways["l2_gateways"].clone(), networks["networks"].clone()),
        (Err(error), _) | (_, Err(error)) => return error.into(),
    };
    let sides = [
        ("gateway", &gateways, "gateway_id", network::named("network", "network_id", &networks)),
        ("network", &networks, "network_id", network::named("gateway", "gateway_id", &gateways)),
    ];
    for (what, list, member, other) in sides {
        let mut called = list.as_array().into_iter().flatten().filter(|one| one["name"] == word || one["id"] == word);
        let Some(one) = called.next() else { continue };
        let its: Vec<String> = all
            .iter()
            .filter(|connection| connection[member] == one["id"])
            .map(|connection| format!("{} ({})", text(&connection["connection_id"]), other.shown(connection)))
            .collect();
        return Failure::Missing(if its.is_empty() {
            format!("'{word}' is a {what}, and has no connection")
        } else {
            format!("'{word}' is a {what}; its connections: {}; give the UUID, or GATEWAY NETWORK", its.join(", "))
        });
    }
    let known = all.iter().map(|connection| text(&connection["connection_id"]));
    let near = near::did_you_mean(word, known);
    Failure::Missing(format!(
        "there is no L2 gateway connection '{word}'{near} ('l2gw connection list' shows what there is)"
    ))
}

/// The switches of a connection's gateway.
async fn switches(session: &Session, connection: &Value) -> Result<Vec<String>, Failure> {
    let answer: Value = session.call("gateway_show", &json!({"gateway": connection["gateway_id"]})).await?;
    Ok(gateway::devices(&answer["l2_gateway"]))
}

/// With the names of gateways and networks for people; programs get the ids.
async fn columns(session: &Session) -> Result<Vec<Column>, Failure> {
    let gateway = if session.output.is_table() {
        let answer: Value = session.call("gateway_list", &json!({})).await?;
        network::named("gateway", "gateway_id", &answer["l2_gateways"])
    } else {
        Column::member("gateway_id")
    };
    Ok(vec![
        Column::member("connection_id"),
        network::column(session).await?,
        gateway,
        Column::member("default_segmentation_id"),
        Column::member("port_id").only_alone(),
        Column::member("tenant_id").only_alone(),
    ])
}

/// A binding of a connection or of a switch.
pub(super) fn binding_columns() -> [Column; 6] {
    [
        Column::member("switch"),
        Column::member("port"),
        Column::member("vlan"),
        Column::member("status"),
        Column::made("rows", |row| format!("{}/{}", row["rows_actual"], row["rows_desired"])),
        Column::member("reason"),
    ]
}
