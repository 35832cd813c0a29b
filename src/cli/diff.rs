//! `l2gw switch diff`: a dry run. By row for people; with `-o json` the parameters of `transact` exactly as they would be
//! sent, which `ovsdb-client transact` takes.

use std::fmt::Write as _;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    CommandOutcome, Done, Output, Session,
    near::counted,
    output::{Column, Format, escaped, json, text},
    terminal,
};

#[derive(Debug, Args)]
pub(super) struct Diff {
    /// Name of its section in plumgrid.ini.
    switch: String,
    /// Number of rows to show.
    #[arg(long, default_value_t = 1000)]
    rows: u32,
}

/// A plan as the daemon sends it.
#[derive(Debug, Deserialize)]
pub(super) struct Plan {
    pub(super) switch: String,
    pub(super) observe: bool,
    pub(super) inserts: u64,
    pub(super) updates: u64,
    pub(super) deletes: u64,
    pub(super) rows: Vec<Value>,
    pub(super) transaction: Box<RawValue>,
    pub(super) more: bool,
    pub(super) later: Vec<Later>,
    /// Wanted rows that can't be written: the first ones, and their number.
    pub(super) blocked: Vec<Value>,
    pub(super) blocked_total: u64,
    /// Deletions that are held: their number, and by network.
    pub(super) held: u64,
    pub(super) held_networks: Vec<Value>,
    /// What a release would send first.
    pub(super) release: Box<RawValue>,
}

/// What goes once its bindings have gone.
#[derive(Debug, Deserialize)]
pub(super) struct Later {
    pub(super) logical_switch: String,
    pub(super) rows: u64,
}

impl Diff {
    pub(super) async fn run(self, session: &Session) -> Done {
        let plan: Plan = session.call("switch_diff", &json!({"switch": self.switch, "rows": self.rows})).await?;
        print(session.output, &plan)
    }
}

/// Prints a plan; fine is one that does nothing.
pub(super) fn print(output: Output, plan: &Plan) -> Done {
    let total = plan.inserts + plan.updates + plan.deletes;
    let same = total == 0 && plan.blocked_total == 0 && plan.held == 0 && plan.later.is_empty();
    match output.format() {
        Format::Json if total == 0 && plan.held > 0 => {
            terminal::programs(&json(&format!("{}\n", plan.release)))?;
            terminal::remark(&"l2gw: note: these deletions are held: this is what a release sends");
        }
        Format::Json => terminal::programs(&json(&format!("{}\n", plan.transaction)))?,
        Format::Table if same => Output::text(&format!("{}: nothing differs\n", plan.switch))?,
        Format::Table => table(output, plan, total)?,
        _ => output.list(&columns(), &plan.rows)?,
    }
    if output.format() == Format::Json && plan.more {
        terminal::remark(&"l2gw: note: more follows once this is committed: run it again");
    }
    Ok(if same { CommandOutcome::Fine } else { CommandOutcome::Amiss })
}

fn table(output: Output, plan: &Plan, total: u64) -> Result<(), super::Failure> {
    if !plan.rows.is_empty() {
        output.list(&columns(), &plan.rows)?;
        Output::text("\n")?;
    }
    let Plan { switch, inserts, updates, deletes, .. } = plan;
    let mut text = format!("{switch}: {inserts} to insert, {updates} to update, {deletes} to delete\n");
    let hidden = total.saturating_sub(plan.rows.len() as u64);
    if hidden > 0 {
        let _ = writeln!(text, "{hidden} more rows are not shown: --rows {total} shows them");
    }
    if plan.blocked_total > 0 {
        let rows = counted(usize::try_from(plan.blocked_total).unwrap_or(usize::MAX), "row");
        let _ = writeln!(text, "{rows} can't be written:");
    }
    for row in &plan.blocked {
        let row = escaped(row);
        let [table, row, reason] = ["table", "row", "reason"].map(|member| self::text(&row[member]));
        let _ = writeln!(text, "  {table} {row}: {reason}");
    }
    for Later { logical_switch, rows } in &plan.later {
        let _ = writeln!(text, "then {logical_switch} goes, with {rows} rows, once its bindings have gone");
    }
    if plan.held > 0 {
        let held = plan.held;
        let _ = writeln!(text, "{held} deletions are held: 'l2gw switch release {switch}' lets them go");
    }
    for network in &plan.held_networks {
        let network = escaped(network);
        let bindings: Vec<String> = network["bindings"].as_array().into_iter().flatten().map(self::text).collect();
        let [id, rows, macs] = ["network_id", "rows", "macs"].map(|member| self::text(&network[member]));
        let _ = writeln!(text, "  network {id}: {rows} rows, {macs} of them MACs; bindings: {}", list(&bindings));
    }
    if plan.observe {
        let _ = writeln!(text, "mode = observe: nothing is sent; 'l2gw switch repair {switch}' applies it");
    }
    Output::text(&text)
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn columns() -> [Column; 5] {
    [
        Column::member("action"),
        Column::member("table"),
        Column::member("row"),
        Column::member("change"),
        Column::made("why", |row| text(&row["reason"])),
    ]
}
