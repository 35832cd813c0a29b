//! `l2gw status`: one screen, what is wrong and what to do.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use super::{
    Done, Output, Session, Verdict,
    output::{Column, Format, text},
    terminal,
};
use crate::telemetry::printable::one_line;

#[derive(Debug, Args)]
pub(super) struct Status {}

/// Something that is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    status: String,
    place: String,
    what: String,
    mend: String,
}

impl Status {
    pub(super) async fn run(self, session: &Session) -> Done {
        let status: Value = session.call("status", &json!({})).await?;
        let switches: Value = session.call("switch_list", &json!({})).await?;
        let switches = switches["switches"].as_array().cloned().unwrap_or_default();
        let connections: Value = session.call("connection_list", &json!({})).await?;
        let connections = connections["l2_gateway_connections"].as_array().map_or(0, Vec::len);
        let problems = problems(&status, &switches);
        let rows: Vec<Value> = problems.iter().map(Problem::json).collect();
        match session.output.format() {
            Format::Table => {
                Output::text(&head(&status, &switches, connections))?;
                if problems.is_empty() {
                    Output::text(&terminal::painted("ok", "nothing is wrong\n"))?;
                }
                for problem in &problems {
                    Output::text(&problem.print())?;
                }
            }
            Format::Json | Format::Yaml => {
                let mut whole = status;
                whole["connections"] = json!(connections);
                whole["problems"] = json!(rows);
                session.output.show(&[], &whole)?;
            }
            Format::Csv | Format::Name => session.output.list(&columns(), &rows)?,
        }
        Ok(if problems.is_empty() { Verdict::Fine } else { Verdict::Amiss })
    }
}

fn head(status: &Value, switches: &[Value], connections: usize) -> String {
    let up = switches.iter().filter(|switch| switch["session"]["state"] == "up").count();
    let count = |member: &str| switches.iter().filter_map(|switch| switch[member].as_u64()).sum::<u64>();
    let store = if status["ready"] == true { "the store takes writes" } else { "THE STORE TAKES NO WRITES" };
    format!(
        "vtepd {}: {up} of {} switches up, {connections} connection{}, {} of {} rows on the switches, revision {}, {store}\n",
        text(&status["version"]),
        switches.len(),
        if connections == 1 { "" } else { "s" },
        count("rows_actual"),
        count("rows_desired"),
        status["revision"],
    )
}

fn problems(status: &Value, switches: &[Value]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for reason in status["reasons"].as_array().into_iter().flatten() {
        problems.push(Problem::new("error", "store", text(reason), "it is tried again every second"));
    }
    for name in status["holds"].as_array().into_iter().flatten().map(text) {
        let mend = format!("l2gw switch release {name}");
        problems.push(Problem::new("held", &name, "an operator holds its deletions".to_owned(), &mend));
    }
    problems.extend(of_source(&status["source"]));
    for switch in switches {
        problems.extend(of_switch(switch));
    }
    problems
}

/// What is wrong with Neutron's database, where networks and ports come from it.
fn of_source(source: &Value) -> Option<Problem> {
    let place = text(&source["connection"]);
    let reason = text(&source["reason"]);
    match source["state"].as_str()? {
        "following" if reason.is_empty() => None,
        "following" => {
            Some(Problem::new("held", &place, reason, "look at 'l2gw source show', then 'l2gw source release'"))
        }
        "connecting" => Some(Problem::new("pending", &place, reason, "it is being read for the first time")),
        _ => Some(Problem::new("error", &place, reason, "try it with 'vtepd --check'; it is dialled again by itself")),
    }
}

fn of_switch(switch: &Value) -> Vec<Problem> {
    let (name, status, reason) = (text(&switch["name"]), text(&switch["status"]), text(&switch["reason"]));
    let mut problems = Vec::new();
    // One line for the switch as a whole where its session, or the guard, is the cause.
    let session = text(&switch["session"]["state"]);
    if session != "up" || status == "held" {
        let mend = match (session.as_str(), status.as_str()) {
            (_, "held") => {
                format!("look at 'l2gw switch diff {name}', then restore the store or 'l2gw switch release {name}'")
            }
            ("refused", _) => format!("correct [switch:{name}] in plumgrid.ini, then 'l2gw reload'"),
            _ => format!("is it reachable at {}? It is dialled again by itself", text(&switch["session"]["address"])),
        };
        problems.push(Problem::new(&status, &name, reason.clone(), &mend));
        if session != "up" {
            return problems;
        }
    }
    // Bindings with one and the same trouble are one line.
    let mut groups: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for binding in switch["bindings"].as_array().into_iter().flatten() {
        let (status, reason) = (text(&binding["status"]), text(&binding["reason"]));
        if status != "active" && status != "held" {
            let place = format!("{} VLAN {}", text(&binding["port"]), binding["vlan"]);
            groups.entry((status, reason)).or_default().push(place);
        }
    }
    for ((status, reason), places) in groups {
        let place = match places.as_slice() {
            [one] => format!("{name} {one}"),
            [first, rest @ ..] => format!("{name} {first} and {} more", rest.len()),
            [] => name.clone(),
        };
        problems.push(Problem::new(&status, &place, reason.clone(), &mend(&name, &status, &reason)));
    }
    let told = problems.iter().any(|problem| problem.status == status);
    if status != "active" && !told {
        problems.push(Problem::new(&status, &name, reason.clone(), &mend(&name, &status, &reason)));
    }
    problems
}

/// What to do about a status; its reason says the rest.
fn mend(switch: &str, status: &str, reason: &str) -> String {
    match status {
        "pending" if reason.starts_with("mode = observe") => format!("l2gw switch repair {switch}"),
        "pending" | "draining" => "it is being worked on: look again".to_owned(),
        "degraded" => "what the switch reports is to be mended there".to_owned(),
        "conflict" if reason.contains("keeps changing") => {
            format!(
                "find out who else writes to the switch (l2gw audit --kind drift --switch {switch}), then 'l2gw switch repair {switch}'"
            )
        }
        "conflict" => "remove it with the tool that made it, or take another VLAN or VNI".to_owned(),
        "error" if reason.contains("its ports are") => "correct the gateway: l2gw gateway update".to_owned(),
        "error" => format!("see 'l2gw switch show {switch}'; it is tried again by itself"),
        _ => format!("see 'l2gw switch show {switch}'"),
    }
}

fn columns() -> [Column; 4] {
    ["status", "name", "what", "mend"].map(Column::member)
}

// ===== impl Problem =====

impl Problem {
    fn new(status: &str, place: &str, what: String, mend: &str) -> Self {
        Self { status: status.to_owned(), place: place.to_owned(), what, mend: mend.to_owned() }
    }

    fn json(&self) -> Value {
        json!({"status": self.status, "name": self.place, "what": self.what, "mend": self.mend})
    }

    /// Two lines, whatever names they hold.
    fn print(&self) -> String {
        let Self { status, place, what, mend } = self;
        let [place, what, mend] = [place, what, mend].map(|text| one_line(text));
        format!("{} {place}: {what}\n         -> {mend}\n", terminal::painted(status, &format!("{status:8}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_once_and_with_its_mend() {
        let binding = |port: &str, status: &str, reason: &str| json!({"port": port, "vlan": 5, "status": status, "reason": reason});
        let switch = json!({"name": "t", "status": "error", "reason": "port e9 is not on t; its ports are: e1",
            "session": {"state": "up"}, "bindings": [binding("e1", "active", ""), binding("e9", "error", "port e9 is not on t; its ports are: e1"),
            binding("e2", "conflict", "Logical_Switch 'x'"), binding("e3", "conflict", "Logical_Switch 'x'")]});
        let found = of_switch(&switch);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].place.as_str(), found[0].status.as_str()), ("t e2 VLAN 5 and 1 more", "conflict"));
        assert!(found[1].mend.contains("gateway update"));
        let down = json!({"name": "t", "status": "down", "reason": "no route", "session": {"state": "backoff", "address": "tcp:192.0.2.1:6640"}, "bindings": []});
        let found = of_switch(&down);
        assert_eq!(found.len(), 1);
        assert!(found[0].mend.contains("tcp:192.0.2.1:6640"));
    }
}
