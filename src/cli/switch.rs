//! `l2gw switch …`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Done, Output, Session, Verdict,
    connection::binding_columns,
    diff::Diff,
    output::{Column, text},
    wait::{Target, Wait},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists the switches of plumgrid.ini.
    List,
    /// Shows one switch, and each of its bindings.
    Show(One),
    /// What would be done at a switch now, and why. Nothing is sent.
    Diff(Diff),
    /// Compares everything on a switch and puts it right; with mode = observe the only way to write to it.
    Repair(Change),
    /// Holds all deletions on a switch, explained or not, until they are released.
    Hold(One),
    /// Lets deletions go that the guard, or an operator, holds.
    Release(Change),
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// Name of its section in plumgrid.ini.
    switch: String,
}

#[derive(Debug, Args)]
pub(super) struct Change {
    /// Name of its section in plumgrid.ini.
    switch: String,
    #[command(flatten)]
    wait: Wait,
}

// ===== impl Command =====

impl Command {
    pub(super) async fn run(self, session: &Session) -> Done {
        match self {
            Self::List => list(session).await,
            Self::Show(one) => show(session, &one.switch).await,
            Self::Diff(diff) => diff.run(session).await,
            Self::Repair(change) => change.run(session, "switch_repair").await,
            Self::Hold(one) => {
                let _: Value = session.call("switch_hold", &json!({"switch": one.switch})).await?;
                Ok(Verdict::Fine)
            }
            Self::Release(change) => change.run(session, "switch_release").await,
        }
    }
}

async fn list(session: &Session) -> Done {
    let answer: Value = session.call("switch_list", &json!({})).await?;
    let rows = answer["switches"].as_array().cloned().unwrap_or_default();
    let columns = [
        Column::member("name"),
        Column::made("session", |switch| text(&switch["session"]["state"])),
        Column::member("status"),
        Column::made("rows", |switch| format!("{}/{}", switch["rows_actual"], switch["rows_desired"])),
        Column::made("ports", |switch| switch["ports"].as_array().map_or(0, Vec::len).to_string()),
        Column::made("bindings", |switch| switch["bindings"].as_array().map_or(0, Vec::len).to_string()),
        Column::made("address", |switch| text(&switch["session"]["address"])),
        Column::member("reason"),
    ];
    session.output.list(&columns, &rows)?;
    Ok(Verdict::Fine)
}

async fn show(session: &Session, name: &str) -> Done {
    let switch: Value = session.call("switch_show", &json!({"switch": name})).await?;
    let of_session = |title, member: &'static str| Column::made(title, move |switch| text(&switch["session"][member]));
    let columns = [
        Column::member("name"),
        Column::member("status"),
        Column::member("reason"),
        of_session("session", "state"),
        of_session("since", "since"),
        of_session("address", "address"),
        of_session("schema_version", "schema_version"),
        of_session("lock", "lock"),
        Column::made("faults", |switch| lines(&switch["faults"])),
        Column::made("degraded", |switch| lines(&switch["degraded"])),
        Column::member("ports"),
        Column::made("rows", |switch| format!("{}/{}", switch["rows_actual"], switch["rows_desired"])),
        Column::made("last_plan", |switch| match &switch["last_plan"] {
            Value::Null => String::new(),
            plan => format!(
                "{}: {} inserted, {} updated, {} deleted",
                text(&plan["at"]),
                plan["inserts"],
                plan["updates"],
                plan["deletes"]
            ),
        }),
        Column::member("draining"),
    ];
    session.output.show(&columns, &switch)?;
    if session.output.is_table() {
        Output::text("\n")?;
        session.output.list(&binding_columns(), switch["bindings"].as_array().map_or(&[], Vec::as_slice))?;
    }
    Ok(Verdict::Fine)
}

fn lines(value: &Value) -> String {
    value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join("\n")
}

impl Change {
    async fn run(self, session: &Session, method: &str) -> Done {
        let _: Value = session.call(method, &json!({"switch": self.switch})).await?;
        if !self.wait.is_asked() {
            return Ok(Verdict::Fine);
        }
        // The wait goes by what gateways call the switch.
        let answer: Value = session.call("progress", &json!({})).await?;
        let all = answer["switches"].as_array().cloned().unwrap_or_default();
        let found = all.iter().find(|switch| switch["switch"] == *self.switch);
        let names = found.map(|switch| text(&switch["physical_switch"])).into_iter().collect();
        self.wait.follow(session, &Target::Switches(names)).await
    }
}
