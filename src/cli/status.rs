//! `l2gw status`: one screen, what is wrong and what to do.

use std::fmt::Write as _;

use clap::Args;
use serde_json::{Value, json};

use super::{
    CommandOutcome, Done, Output, Session,
    output::{Column, Format, text},
    terminal,
};
use crate::model::printable::one_line;

#[derive(Debug, Args)]
pub(super) struct Status {}

impl Status {
    pub(super) async fn run(self, session: &Session) -> Done {
        let status: Value = session.call("status", &json!({})).await?;
        let problems = status["problems"].as_array().cloned().unwrap_or_default();
        match session.output.format() {
            Format::Table => {
                Output::text(&head(&status))?;
                if problems.is_empty() {
                    Output::text(&terminal::painted("ok", "nothing is wrong\n"))?;
                }
                for problem in &problems {
                    Output::text(&print(problem))?;
                }
                if let Some(more) = status["more_problems"].as_u64().filter(|more| *more > 0) {
                    Output::text(&format!("{more} more problems are not shown: fix these first\n"))?;
                }
                for notice in status["notices"].as_array().into_iter().flatten() {
                    Output::text(&print_notice(notice))?;
                }
            }
            Format::Json | Format::Yaml => session.output.show(&[], &status)?,
            Format::Csv | Format::Name => session.output.list(&columns(), &problems)?,
        }
        Ok(if problems.is_empty() { CommandOutcome::Fine } else { CommandOutcome::Amiss })
    }
}

fn head(status: &Value) -> String {
    let switches = status["switches"].as_array().map_or(&[] as &[_], Vec::as_slice);
    let up = switches.iter().filter(|switch| switch["session"] == "up").count();
    let count = |member: &str| switches.iter().filter_map(|switch| switch[member].as_u64()).sum::<u64>();
    let connections = status["connections"].as_u64().unwrap_or(0);
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

/// A problem: status, place, what is wrong and since when; a line each for what it concerns and what to do. Names add no
/// lines.
pub(super) fn print(problem: &Value) -> String {
    let of = |member: &str| one_line(&text(&problem[member])).into_owned();
    let status = of("status");
    let since = match of("since") {
        since if since.is_empty() => since,
        since => format!(" (since {since})"),
    };
    let mut lines =
        format!("{} {}: {}{since}\n", terminal::painted(&status, &format!("{status:8}")), of("name"), of("what"));
    for (sign, member) in [("  ", "impact"), ("->", "mend")] {
        let words = of(member);
        if !words.is_empty() {
            // Writing into a String can't fail.
            let _ = writeln!(lines, "         {sign} {words}");
        }
    }
    lines
}

/// What happened, and is not wrong: as a problem, without a status.
fn print_notice(notice: &Value) -> String {
    let of = |member: &str| one_line(&text(&notice[member])).into_owned();
    format!("notice   {}: {} (at {})\n         -> {}\n", of("name"), of("what"), of("since"), of("mend"))
}

fn columns() -> [Column; 7] {
    ["status", "name", "what", "mend", "kind", "since", "impact"].map(Column::member)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_printed_with_what_is_known_of_it() {
        let problem = json!({"kind": "session", "status": "down", "name": "t", "what": "no route",
            "since": "2026-11-27T10:00:00Z", "impact": "gateway g (1 connection; no other switch carries them)",
            "mend": "check that it is reachable"});
        let printed = "down     t: no route (since 2026-11-27T10:00:00Z)\n            gateway g (1 connection; no other \
                       switch carries them)\n         -> check that it is reachable\n";
        // Without the marks of colours, which the terminal's writer turns into its sequences.
        let plain = |problem| print(problem).replace(['\u{fdd0}', '\u{fdd1}', '\u{fdd2}', '\u{fdd3}'], "");
        assert_eq!(plain(&problem), printed);
        let problem =
            json!({"status": "held", "name": "t", "what": "held", "since": "", "impact": "", "mend": "release"});
        assert_eq!(plain(&problem), "held     t: held\n         -> release\n");
        let notice = json!({"kind": "handover", "name": "gw", "what": "it moved", "since": "2026-11-27T10:00:00Z",
            "mend": "flush"});
        let printed = "notice   gw: it moved (at 2026-11-27T10:00:00Z)\n         -> flush\n";
        assert_eq!(print_notice(&notice), printed);
    }
}
