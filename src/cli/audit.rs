//! `l2gw audit`: what happened, and why.

use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{
    Done, Session, Verdict,
    output::{Column, text},
};

#[derive(Debug, Args)]
pub(super) struct Audit {
    /// Only entries of this kind; more than one are given one by one.
    #[arg(long, value_enum)]
    kind: Vec<Kind>,
    /// About this switch.
    #[arg(long, value_name = "SWITCH", conflicts_with = "call")]
    switch: Option<String>,
    /// Calls of this method (gateway_create), or of this REST path.
    #[arg(long, value_name = "METHOD")]
    call: Option<String>,
    /// Whose details hold this text: a MAC, a UUID, a VLAN ('VLAN 50').
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
    /// Not before: a time (2026-11-24T10:00:00Z), or so long ago (2h).
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<String>,
    /// The last so many.
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
    /// Which row somebody else changed, and when it was put back.
    Drift,
    /// Sessions that came and went.
    Session,
    /// Entries that could not be kept.
    Loss,
}

impl Audit {
    pub(super) async fn run(self, session: &Session) -> Done {
        let params = json!({
            "kinds": words(&self.kind),
            "subject": self.switch.or(self.call),
            "contains": self.contains,
            "since": self.since,
            "limit": self.limit,
        });
        let answer: Value = session.call("audit", &params).await?;
        let rows = answer["entries"].as_array().cloned().unwrap_or_default();
        session.output.list(&columns(self.rows), &rows)?;
        Ok(Verdict::Fine)
    }
}

pub(super) fn words(kinds: &[Kind]) -> Vec<String> {
    let word = |kind: &Kind| kind.to_possible_value().map(|value| value.get_name().to_owned());
    kinds.iter().filter_map(word).collect()
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
            params => params.to_string(),
        },
        "plan" => {
            let rows = details["rows"].as_array().map_or(&[][..], Vec::as_slice);
            if with_rows {
                return rows.iter().map(row).collect::<Vec<_>>().join("\n");
            }
            let drifted = match details["drifted"].as_u64() {
                Some(drifted) if drifted > 0 => format!(" (and {drifted} put back)"),
                _ => String::new(),
            };
            match rows {
                [] => String::new(),
                [one] => format!("{}{drifted}", row(one)),
                [first, rest @ ..] => format!("{} and {} more rows{drifted}", row(first), rest.len()),
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
        _ => String::new(),
    }
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
        let ago: Duration = humantime::parse_duration(text)
            .map_err(|_| format!("'{text}' is neither a time (2026-11-24T10:00:00Z) nor so long ago (2h)"))?;
        SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    Ok(humantime::format_rfc3339_millis(at).to_string())
}
