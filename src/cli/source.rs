//! `l2gw source …`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{CommandOutcome, Done, Session, output::Column};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Shows where networks and ports come from, and the state of it.
    Show,
    /// Releases the losses of Neutron's database that the guard holds.
    Release,
}

// ===== impl Command =====

impl Command {
    pub(super) async fn run(self, session: &Session) -> Done {
        match self {
            Self::Show => show(session).await,
            Self::Release => {
                let _: Value = session.call("source_release", &json!({})).await?;
                Ok(CommandOutcome::Fine)
            }
        }
    }
}

async fn show(session: &Session) -> Done {
    let source: Value = session.call("source_show", &json!({})).await?;
    let held = |title, member: &'static str| Column::made(title, move |source| source["held"][member].to_string());
    let mut columns = vec![Column::member("driver")];
    // What comes through the API has no more to be said of it.
    if source["driver"] != "native" {
        columns.extend(
            [
                "connection",
                "state",
                "since",
                "reason",
                "compared_at",
                "networks",
                "ports",
                "tunnel_endpoints",
                "refused",
            ]
            .map(Column::member),
        );
        columns.extend([
            held("held_networks", "networks"),
            held("held_ports", "ports"),
            held("held_tunnel_endpoints", "tunnel_endpoints"),
        ]);
    }
    session.output.show(&columns, &source)?;
    Ok(CommandOutcome::Fine)
}
