//! `l2gw audit`: what happened, and why.

use std::time::SystemTime;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{
    CommandOutcome, Done, Failure, Output, Session, argument, near,
    output::{Column, escaped, text},
    terminal,
};

#[derive(Debug, Args)]
pub(super) struct Audit {
    /// Only entries of this kind; repeat the option for more.
    #[arg(long, value_enum)]
    kind: Vec<Kind>,
    /// Only entries about this switch.
    #[arg(long, value_name = "SWITCH", conflicts_with = "call")]
    switch: Option<String>,
    /// Only calls of this method: gateway_create, or 'POST /v2.0/networks'.
    #[arg(long, value_name = "METHOD")]
    call: Option<String>,
    /// Only entries whose details contain this text: a MAC, a UUID, a VLAN ('VLAN 50').
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
    /// Only entries since then: a time (2026-11-24T10:00:00Z), or a duration before now (2h).
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<String>,
    /// The number of entries, the latest.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Shows each row of the plans.
    #[arg(long)]
    rows: bool,
}

/// Kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Who called what.
    Call,
    /// Which plan was carried out at which switch.
    Plan,
    /// Which row another client changed, and when it was put back.
    Drift,
    /// Sessions that came and went.
    Session,
    /// Networks that moved from one switch of a gateway to the other (single-active).
    Handover,
    /// Entries that could not be kept.
    Loss,
}

impl Audit {
    pub(super) async fn run(self, session: &Session) -> Done {
        let (switch, call) = (self.switch.clone(), self.call.clone());
        let params = json!({
            "kinds": words(&self.kind),
            "subject": self.switch.or(self.call),
            "contains": self.contains,
            "since": self.since,
            "limit": self.limit,
        });
        let answer: Value = session.call("audit", &params).await?;
        let rows = answer["entries"].as_array().cloned().unwrap_or_default();
        if rows.is_empty() {
            // The journal remembers switches that are gone: only a name that it doesn't know either can be a slip.
            known_switch(session, switch.as_deref()).await?;
            known_method(session, call.as_deref()).await?;
        }
        if session.output.is_table() && !rows.is_empty() {
            rows.iter().try_for_each(|entry| Output::text(&line(entry, self.rows)))?;
        } else {
            session.output.list(&columns(self.rows), &rows)?;
        }
        Ok(CommandOutcome::Fine)
    }
}

async fn known_switch(session: &Session, name: Option<&str>) -> Result<(), Failure> {
    let Some(name) = name else { return Ok(()) };
    let answer: Value = session.call("switch_list", &json!({})).await?;
    let known: Vec<String> =
        answer["switches"].as_array().into_iter().flatten().map(|one| text(&one["name"])).collect();
    if known.iter().any(|one| one == name) {
        return Ok(());
    }
    let near = near::did_you_mean(name, &known);
    let choices = near::choices(&known, "switch", "l2gw switch list");
    Err(Failure::Missing(format!("no switch of that name: '{name}' has no section, and no entry{near} ({choices})")))
}

async fn known_method(session: &Session, name: Option<&str>) -> Result<(), Failure> {
    // A REST call is its method and path.
    let Some(name) = name.filter(|name| !name.contains(' ')) else { return Ok(()) };
    let schema: Value = session.call("schema", &json!({})).await?;
    let known: Vec<String> = schema["methods"].as_array().into_iter().flatten().map(|one| text(&one["name"])).collect();
    if known.iter().any(|one| one == name) {
        return Ok(());
    }
    let near = near::did_you_mean(name, &known);
    Err(Failure::Missing(format!(
        "there is no method '{name}'{near} ('l2gw schema' lists them; a REST call is written 'POST /v2.0/networks')"
    )))
}

pub(super) fn words(kinds: &[Kind]) -> Vec<String> {
    let word = |kind: &Kind| kind.to_possible_value().map(|value| value.get_name().to_owned());
    kinds.iter().filter_map(word).collect()
}

/// An entry for people: a line, which the terminal may break where it likes, as it does with those of a log.
pub(super) fn line(entry: &Value, with_rows: bool) -> String {
    let entry = escaped(entry);
    let entry = &*entry;
    let member = |name: &str| text(&entry[name]);
    let (kind, result) = (member("kind"), member("result"));
    let word = match kind.as_str() {
        "drift" | "loss" => "pending",
        "session" => &result,
        _ => "",
    };
    let kind = terminal::painted(word, &format!("{kind:8}"));
    let by = match member("who") {
        who if who.is_empty() => who,
        who => format!(" by {who}"),
    };
    let revision = match &entry["revision"] {
        Value::Null => String::new(),
        revision => format!(", revision {revision}"),
    };
    let details = match details(entry, with_rows) {
        details if details.is_empty() => details,
        details if with_rows && entry["kind"] == "plan" => format!("\n    {}", details.replace('\n', "\n    ")),
        details => format!(": {details}"),
    };
    format!("{} {kind} {}{by}: {result}{revision}{details}\n", member("at"), member("subject"))
}

fn columns(with_rows: bool) -> [Column; 7] {
    [
        Column::member("at"),
        Column::member("kind"),
        Column::member("who"),
        Column::made("what", |entry| text(&entry["subject"])),
        Column::member("revision"),
        Column::member("result"),
        Column::made("details", move |entry| details(entry, with_rows)),
    ]
}

/// The details of an entry in a line, or (`with_rows`) a line a row.
pub(super) fn details(entry: &Value, with_rows: bool) -> String {
    let details = &entry["details"];
    match entry["kind"].as_str().unwrap_or_default() {
        "call" => match &details["params"] {
            Value::Null => String::new(),
            params => given(params).to_string(),
        },
        "plan" => {
            let rows = details["rows"].as_array().map_or(&[][..], Vec::as_slice);
            let all: u64 = ["inserts", "updates", "deletes"].iter().filter_map(|kind| details[kind].as_u64()).sum();
            if with_rows {
                let mut lines: Vec<String> = rows.iter().map(row).collect();
                let untold = all.saturating_sub(rows.len() as u64);
                lines.extend((untold > 0).then(|| format!("and {untold} more rows, which were not kept")));
                return lines.join("\n");
            }
            let drifted = match details["drifted"].as_u64() {
                Some(drifted) if drifted > 0 => format!(" (and {drifted} put back)"),
                _ => String::new(),
            };
            match rows {
                [] => String::new(),
                [first, ..] => match all.saturating_sub(1) {
                    0 => format!("{}{drifted}", row(first)),
                    more => format!("{} and {more} more rows{drifted}", row(first)),
                },
            }
        }
        "drift" => {
            let seen = text(&details["seen"]);
            let back = match details["put_back"].as_str() {
                Some(back) => format!(", put back {back}"),
                None => String::new(),
            };
            format!("changed {seen}{back}: {}", row(&details["repair"]))
        }
        "session" => text(&details["reason"]),
        "handover" => format!("network {} of gateway {}", text(&details["network_id"]), text(&details["gateway_id"])),
        _ => String::new(),
    }
}

/// What a call was given, without what was left out; of a REST call its body.
fn given(params: &Value) -> Value {
    let params = params.get("body").unwrap_or(params);
    let Some(members) = params.as_object() else { return params.clone() };
    let said = members.iter().filter(|(name, value)| !value.is_null() && *name != "path");
    said.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// `update Ucast_Macs_Remote fa:16:3e:00:00:01: 10.9.9.9 at … -> 10.0.0.11 at …`
fn row(row: &Value) -> String {
    let change = text(&row["change"]);
    let change = if change.is_empty() { text(&row["reason"]) } else { change };
    format!("{} {} {}: {change}", text(&row["action"]), text(&row["table"]), text(&row["row"]))
}

/// A time as the daemon reads it.
fn since(text: &str) -> Result<String, String> {
    let at = if let Ok(at) = humantime::parse_rfc3339_weak(text) {
        at
    } else {
        let ago = argument::duration(text)
            .map_err(|_| format!("'{text}' is neither a time (2026-11-24T10:00:00Z) nor a duration before now (2h)"))?;
        SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    Ok(humantime::format_rfc3339_millis(at).to_string())
}
