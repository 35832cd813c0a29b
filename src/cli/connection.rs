//! `l2gw connection …`, and the specification's `l2gw l2-gateway-connection-…`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Done, Failure, Session, Verdict, gateway, network,
    output::{Column, text},
    wait::{Target, Wait},
};

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
    /// VLAN of interfaces that name none; 0: untagged.
    #[arg(long, value_name = "VLAN", value_parser = clap::value_parser!(u16).range(0..=4094))]
    default_segmentation_id: Option<u16>,
    /// The connection's port_id; generated where it is not given.
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
    /// UUID of the connection.
    connection: String,
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    /// UUIDs of connections.
    #[arg(required = true)]
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
    Ok(Verdict::Fine)
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
            return Ok(Verdict::Fine);
        }
        let network = text(&connection["network_id"]);
        let switches = switches(session, &connection).await?;
        self.wait.follow(session, &Target::Bindings { network, switches }).await
    }
}

impl Show {
    pub(super) async fn run(self, session: &Session) -> Done {
        let one = json!({"connection": self.connection});
        let connection: Value = session.call("connection_show", &one).await?;
        session.output.show(&columns(session).await?, &connection)?;
        if session.output.is_table() {
            let status: Value = session.call("connection_status", &one).await?;
            let bindings = status["switches"].as_array().cloned().unwrap_or_default();
            super::Output::text("\n")?;
            session.output.list(&binding_columns(), &bindings)?;
        }
        Ok(Verdict::Fine)
    }
}

impl Delete {
    pub(super) async fn run(self, session: &Session) -> Done {
        let mut all = Vec::new();
        for connection in &self.connection {
            let one = json!({"connection": connection});
            if self.wait.is_asked() {
                let connection: Value = session.call("connection_show", &one).await?;
                all.extend(switches(session, &connection).await?);
            }
            let _: Value = session.call("connection_delete", &one).await?;
        }
        all.sort();
        all.dedup();
        self.wait.follow(session, &Target::Switches(all)).await
    }
}

/// What the specification prints of a connection.
const MEMBERS: [&str; 6] =
    ["connection_id", "network_id", "gateway_id", "default_segmentation_id", "port_id", "tenant_id"];

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
