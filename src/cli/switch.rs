//! `l2gw switch …`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    CommandOutcome, Done, Failure, Output, Session,
    connection::{binding_columns, in_order},
    diff::Diff,
    near,
    output::{Column, text},
    terminal,
    wait::{Target, Wait},
};
use crate::model::{printable::one_line, text::natural_order};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists the switches of plumgrid.ini.
    List,
    /// Shows one switch, and each of its bindings.
    Show(One),
    /// Shows what would be written to a switch now, and why. Nothing is sent.
    Diff(Diff),
    /// Compares everything on a switch and repairs it; with mode = observe this is the only way to write to it.
    Repair(Change),
    /// Holds all deletions on a switch, explained or not, until they are released.
    Hold(One),
    /// Releases the deletions that the guard or an operator holds.
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
            Self::Repair(change) => change.repair(session).await,
            Self::Hold(one) => {
                let _: Value = session.call("switch_hold", &json!({"switch": one.switch})).await?;
                let name = one_line(&one.switch);
                terminal::remark(&format_args!("deletions on {name} are held until 'l2gw switch release {name}'"));
                Ok(CommandOutcome::Fine)
            }
            Self::Release(change) => {
                // Afterwards nobody knows how many were held.
                let held = held(session, &change.switch).await;
                let _: Value = session.call("switch_release", &json!({"switch": change.switch})).await?;
                match held {
                    Ok(held) => terminal::remark(&format_args!("released {}", near::counted(held, "deletion"))),
                    Err(why) => {
                        terminal::remark(&format_args!("released; the number of deletions is not known: {why}"));
                    }
                }
                let target = Target::Deletions(change.switch);
                change.wait.follow(session, &target).await
            }
        }
    }
}

async fn list(session: &Session) -> Done {
    let answer: Value = session.call("switch_list", &json!({})).await?;
    let mut rows = answer["switches"].as_array().cloned().unwrap_or_default();
    rows.sort_by(|a, b| natural_order(&text(&a["name"]), &text(&b["name"])));
    let columns = [
        Column::member("name"),
        Column::made("session", |switch| text(&switch["session"]["state"])),
        Column::member("status"),
        Column::made("rows", |switch| format!("{}/{}", switch["rows_actual"], switch["rows_desired"])),
        Column::made("ports", |switch| {
            let listed = switch["ports"].as_array().map_or(0, Vec::len) as u64;
            (listed + switch["more_ports"].as_u64().unwrap_or(0)).to_string()
        }),
        Column::made("bindings", |switch| switch["bindings"].as_array().map_or(0, Vec::len).to_string()),
        Column::made("address", |switch| text(&switch["session"]["address"])),
        Column::member("reason"),
    ];
    session.output.list(&columns, &rows)?;
    Ok(CommandOutcome::Fine)
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
        Column::made("ports", |switch| {
            let mut ports: Vec<String> = switch["ports"].as_array().into_iter().flatten().map(text).collect();
            ports.sort_by(|a, b| natural_order(a, b));
            match switch["more_ports"].as_u64() {
                Some(more) if more > 0 => format!("{} and {more} more", ports.join(", ")),
                _ => ports.join(", "),
            }
        }),
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
        if switch["session"]["transport"] == "passive" && switch["session"]["state"] != "up" {
            show_refused(session).await?;
        }
        Output::text("\n")?;
        session.output.list(&binding_columns(), &in_order(&switch["bindings"]))?;
    }
    Ok(CommandOutcome::Fine)
}

/// Peers that dialled in and were refused: one of them may be the switch that is missing.
async fn show_refused(session: &Session) -> Result<(), Failure> {
    let status: Value = session.call("status", &json!({})).await?;
    let peers = status["strangers"]["listed"].as_array().cloned().unwrap_or_default();
    if !peers.is_empty() {
        Output::text("\nPeers that dialled in and were refused:\n")?;
        let columns = ["names", "address", "certificate", "reason", "count", "last"].map(Column::member);
        session.output.list(&columns, &peers)?;
    }
    Ok(())
}

fn lines(value: &Value) -> String {
    value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join("\n")
}

/// How many deletions are held at a switch.
async fn held(session: &Session, switch: &str) -> Result<usize, String> {
    let plan: Result<Value, _> = session.call("switch_diff", &json!({"switch": switch, "rows": 0})).await;
    let plan = plan.map_err(|error| one_line(&error.to_string()).into_owned())?;
    Ok(plan["held"].as_u64().and_then(|held| usize::try_from(held).ok()).unwrap_or_default())
}

impl Change {
    /// With `--wait`, what a repair can't remove is no success.
    async fn repair(self, session: &Session) -> Done {
        let one = json!({"switch": self.switch});
        let _: Value = session.call("switch_repair", &one).await?;
        if !self.wait.is_asked() {
            return Ok(CommandOutcome::Fine);
        }
        let name = self.switch;
        let done = self.wait.follow(session, &Target::Switch(name.clone())).await?;
        if done == CommandOutcome::Amiss {
            return Ok(done);
        }
        // Rows of no binding may be blocked, too.
        let plan: Value = session.call("switch_diff", &json!({"switch": name, "rows": 0})).await?;
        let count =
            |member: &str| plan[member].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or_default();
        let (blocked, held) = (count("blocked_total"), count("held"));
        if blocked + held == 0 {
            return Ok(CommandOutcome::Fine);
        }
        terminal::remark(&format_args!(
            "l2gw: not repaired: {} can't be written, {} held; 'l2gw switch diff {}' shows why",
            near::counted(blocked, "row"),
            if held == 1 { "1 deletion is".to_owned() } else { format!("{held} deletions are") },
            one_line(&name)
        ));
        Ok(CommandOutcome::Amiss)
    }
}
