//! `--wait`: follows a change until every switch has it, with a line a switch, and the reason where one can't.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use clap::Args;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{CommandOutcome, Done, Failure, Session, argument, terminal};
use crate::telemetry::printable::one_line;

/// How often the daemon is asked.
const PERIOD: Duration = Duration::from_millis(150);
/// How long a switch that can't follow is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Wait {
    /// Waits until the switches have the change.
    #[arg(long)]
    wait: bool,
    /// The longest time to wait.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = argument::duration, requires = "wait")]
    timeout: Duration,
}

/// What is waited for.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// These switches (by `Physical_Switch.name`) hold all that was asked for.
    Switches(Vec<String>),
    /// The bindings of a network on these switches are as they should be.
    Bindings { network: String, switches: Vec<String> },
    /// The switches that carry one of these networks hold all of it.
    Networks(BTreeSet<String>),
}

#[derive(Debug, Deserialize)]
struct Progress {
    revision: u64,
    switches: Vec<Switch>,
}

// The names are the daemon's.
#[allow(clippy::struct_field_names)]
#[derive(Debug, Deserialize)]
struct Switch {
    switch: String,
    known: Option<u64>,
    confirmed: Option<u64>,
    status: String,
    reason: String,
    rows_desired: u64,
    rows_actual: u64,
    networks: BTreeSet<String>,
    bindings: Vec<Binding>,
}

#[derive(Debug, Deserialize)]
struct Binding {
    network_id: String,
    port: String,
    vlan: u16,
    status: String,
    reason: String,
    rows_desired: u64,
    rows_actual: u64,
}

/// How far one switch is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    done: bool,
    status: String,
    reason: String,
    rows: (u64, u64),
}

// ===== impl Wait =====

impl Wait {
    pub(super) fn is_asked(self) -> bool {
        self.wait
    }

    /// Follows the change that was just made.
    pub(super) async fn follow(self, session: &Session, target: &Target) -> Done {
        if !self.wait {
            return Ok(CommandOutcome::Fine);
        }
        let begun = Instant::now();
        let first: Progress = session.call("progress", &json!({})).await?;
        let revision = first.revision;
        let mut lines = Lines::new();
        let mut since: BTreeMap<String, (String, Instant)> = BTreeMap::new();
        let mut progress = first;
        loop {
            let states = states(&progress, target, revision);
            lines.draw(&states);
            let waiting: Vec<_> = states.iter().filter(|(_, state)| !state.done).collect();
            if waiting.is_empty() {
                lines.end(&states);
                return Ok(CommandOutcome::Fine);
            }
            for (name, state) in &states {
                let entry = since.entry(name.clone()).or_insert_with(|| (state.status.clone(), Instant::now()));
                if entry.0 != state.status {
                    *entry = (state.status.clone(), Instant::now());
                }
            }
            let stuck = |(name, state): &&(String, State)| {
                cannot(state) && since.get(name).is_some_and(|(_, since)| since.elapsed() >= PATIENCE)
            };
            let names = || {
                waiting
                    .iter()
                    .map(|(name, state)| format!("{} ({})", one_line(name), state.words()))
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            if waiting.iter().all(stuck) {
                lines.end(&states);
                terminal::remark(&format!(
                    "l2gw: not waiting any longer for {}: the change is kept, and written there as soon as that is possible; \
                     'l2gw status' shows how to fix it",
                    names()
                ));
                return Ok(CommandOutcome::Amiss);
            }
            if begun.elapsed() >= self.timeout {
                lines.end(&states);
                let timeout = humantime::format_duration(self.timeout);
                return Err(Failure::Late(format!(
                    "not done within {timeout}: {}; vtepd goes on with it, 'l2gw status' shows how far it is",
                    names()
                )));
            }
            tokio::time::sleep(PERIOD).await;
            progress = session.call("progress", &json!({})).await?;
        }
    }
}

impl State {
    /// `down: can't connect to …`
    fn words(&self) -> String {
        let Self { status, reason, .. } = self;
        let words = if reason.is_empty() { status.clone() } else { format!("{status}: {reason}") };
        one_line(&words).into_owned()
    }
}

/// Whether nothing will come of it without help, or for a while.
fn cannot(state: &State) -> bool {
    matches!(state.status.as_str(), "down" | "conflict" | "error" | "held" | "absent")
        || state.reason.contains("mode = observe")
}

fn states(progress: &Progress, target: &Target, revision: u64) -> Vec<(String, State)> {
    let by_name = |names: &[String]| -> Vec<(String, State)> {
        let state = |name: &String| {
            let switch = progress.switches.iter().find(|switch| switch.switch == *name);
            (name.clone(), switch.map_or_else(|| absent(name), |switch| state(switch, target, revision)))
        };
        names.iter().map(state).collect()
    };
    let all = |wanted: &dyn Fn(&Switch) -> bool| {
        let switches = progress.switches.iter().filter(|switch| wanted(switch));
        switches.map(|switch| (switch.switch.clone(), state(switch, target, revision))).collect()
    };
    match target {
        Target::Switches(names) | Target::Bindings { switches: names, .. } => by_name(names),
        Target::Networks(networks) => all(&|switch| switch.networks.iter().any(|network| networks.contains(network))),
    }
}

fn state(switch: &Switch, target: &Target, revision: u64) -> State {
    let confirmed = switch.confirmed.is_some_and(|confirmed| confirmed >= revision);
    let known = switch.known.is_some_and(|known| known >= revision);
    let whole = State {
        done: confirmed,
        status: if confirmed { "done".to_owned() } else { switch.status.clone() },
        reason: if confirmed { String::new() } else { switch.reason.clone() },
        rows: (switch.rows_actual, switch.rows_desired),
    };
    let concerns = |binding: &&Binding| match target {
        Target::Bindings { network, .. } => binding.network_id == *network,
        Target::Networks(networks) => networks.contains(&binding.network_id),
        Target::Switches(_) => false,
    };
    let bindings: Vec<&Binding> = switch.bindings.iter().filter(concerns).collect();
    if !known || bindings.is_empty() {
        return State { done: confirmed, ..whole };
    }
    // What else is wrong on the switch doesn't concern this network.
    let fine = |binding: &&&Binding| matches!(binding.status.as_str(), "active" | "degraded");
    let worst = bindings.iter().find(|binding| !fine(binding)).or_else(|| bindings.first());
    let done = confirmed || bindings.iter().all(|binding| fine(&binding));
    worst.map_or(whole, |worst| State {
        done,
        status: if done && worst.status == "active" { "done".to_owned() } else { worst.status.clone() },
        reason: match worst.reason.as_str() {
            "" => String::new(),
            reason if done => reason.to_owned(),
            reason => format!("{} VLAN {}: {reason}", worst.port, worst.vlan),
        },
        rows: (worst.rows_actual, worst.rows_desired),
    })
}

fn absent(name: &str) -> State {
    let reason = format!("no switch is configured for it: add [switch:{name}] to plumgrid.ini and reload it");
    State { done: false, status: "absent".to_owned(), reason, rows: (0, 0) }
}

// ===== the lines =====

/// A line a switch: redrawn on a terminal, else printed when it changes.
struct Lines {
    bars: Option<MultiProgress>,
    of: BTreeMap<String, ProgressBar>,
    told: BTreeMap<String, String>,
}

impl Lines {
    fn new() -> Self {
        let bars =
            terminal::interactive().then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
        Self { bars, of: BTreeMap::new(), told: BTreeMap::new() }
    }

    fn draw(&mut self, states: &[(String, State)]) {
        let width = states.iter().map(|(name, _)| one_line(name).chars().count()).max().unwrap_or(0);
        for (name, state) in states {
            let name = &one_line(name).into_owned();
            let (actual, desired) = state.rows;
            if let Some(bars) = &self.bars {
                let bar = self.of.entry(name.clone()).or_insert_with(|| {
                    let bar = bars.add(ProgressBar::new(1));
                    // The template is ours; should it be wrong, the default does.
                    let style = ProgressStyle::with_template("{prefix} [{bar:20}] {pos}/{len} {wide_msg}");
                    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
                    bar
                });
                bar.set_prefix(format!("{name:width$}"));
                bar.set_length(desired.max(actual));
                bar.set_position(actual);
                bar.set_message(state.words());
                bar.tick();
            } else {
                let line = state.words();
                if self.told.get(name) != Some(&line) {
                    terminal::remark(&format!("{name}: {actual}/{desired} rows, {line}"));
                    self.told.insert(name.clone(), line);
                }
            }
        }
    }

    /// Leaves the last state of each line on the screen.
    fn end(&mut self, states: &[(String, State)]) {
        self.draw(states);
        if states.is_empty() {
            terminal::remark(&"no switch carries it: nothing to wait for");
        }
        for bar in self.of.values() {
            bar.abandon();
        }
    }
}

/// What a change of a port waits for.
pub(super) fn of_network(id: &Value) -> Target {
    of_networks([id])
}

/// What a change waits for that concerns several networks.
pub(super) fn of_networks<'v>(ids: impl IntoIterator<Item = &'v Value>) -> Target {
    Target::Networks(ids.into_iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(value: Value) -> Progress {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_change_is_done_where_it_is_confirmed_or_its_own_bindings_are_right() {
        let binding = |network: &str, status: &str| json!({"network_id": network, "port": "e1", "vlan": 5, "status": status, "reason": "", "rows_desired": 3, "rows_actual": 3});
        let switch = |known: u64, confirmed: u64, bindings: Value| {
            progress(json!({"revision": 7, "switches": [{"switch": "t", "known": known, "confirmed": confirmed,
                "status": "error", "reason": "another network", "rows_desired": 9, "rows_actual": 8, "networks": ["n"],
                "bindings": bindings}]}))
        };
        let target = Target::Bindings { network: "n".to_owned(), switches: vec!["t".to_owned()] };
        let done = |progress: &Progress| states(progress, &target, 7)[0].1.done;
        assert!(done(&switch(7, 7, json!([]))));
        assert!(done(&switch(7, 6, json!([binding("n", "active"), binding("m", "error")]))));
        assert!(!done(&switch(6, 6, json!([binding("n", "active")]))), "it doesn't know of it yet");
        assert!(!done(&switch(7, 6, json!([binding("n", "pending")]))));
        let missing = Target::Switches(vec!["gone".to_owned()]);
        let (_, state) = states(&switch(7, 7, json!([])), &missing, 7).remove(0);
        assert!(cannot(&state) && state.reason.contains("[switch:gone]"));
    }
}
