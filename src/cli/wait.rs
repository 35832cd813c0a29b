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
use crate::model::printable::one_line;

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
    /// This switch, by its section's name, holds all that it should.
    Switch(String),
    /// Deletions that were held on this switch are carried out.
    Deletions(String),
    /// These switches hold what they should of these networks.
    Bindings { networks: BTreeSet<String>, switches: BTreeSet<String> },
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
    obstacles: Vec<Obstacle>,
    rows_desired: u64,
    rows_actual: u64,
    draining: BTreeSet<String>,
    bindings: Vec<Binding>,
}

/// What stands in the way of a switch as a whole.
#[derive(Debug, Deserialize)]
struct Obstacle {
    status: String,
    reason: String,
    deletions: bool,
}

#[derive(Debug, Deserialize)]
struct Binding {
    network_id: String,
    port: String,
    vlan: u16,
    status: String,
    reason: String,
    blocked: bool,
    rows_desired: u64,
    rows_actual: u64,
}

/// How far one switch is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    stage: Stage,
    status: String,
    reason: String,
    rows: (u64, u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Done,
    UnderWay,
    /// Something stands in the way, and may go by itself soon.
    Blocked,
    /// All else is done.
    BlockedForGood,
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
        let mut blocked_since: BTreeMap<String, Instant> = BTreeMap::new();
        let mut progress = first;
        loop {
            let states = states(&progress, target, revision);
            lines.draw(&states);
            let waiting: Vec<_> = states.iter().filter(|(_, state)| state.stage != Stage::Done).collect();
            if waiting.is_empty() {
                lines.end(&states);
                return Ok(CommandOutcome::Fine);
            }
            blocked_since.retain(|name, _| waiting.iter().any(|(other, state)| other == name && state.is_blocked()));
            for (name, _) in waiting.iter().filter(|(_, state)| state.is_blocked()) {
                blocked_since.entry(name.clone()).or_insert_with(Instant::now);
            }
            let stuck = |(name, state): &&(String, State)| {
                let is_patient = || blocked_since.get(name).is_some_and(|since| since.elapsed() < PATIENCE);
                state.stage == Stage::BlockedForGood || (state.is_blocked() && !is_patient())
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
    fn is_blocked(&self) -> bool {
        matches!(self.stage, Stage::Blocked | Stage::BlockedForGood)
    }

    /// `down: can't connect to …`
    fn words(&self) -> String {
        let Self { status, reason, .. } = self;
        let words = if reason.is_empty() { status.clone() } else { format!("{status}: {reason}") };
        one_line(&words).into_owned()
    }
}

fn states(progress: &Progress, target: &Target, revision: u64) -> Vec<(String, State)> {
    let of = |name: &String| {
        let switch = progress.switches.iter().find(|switch| switch.switch == *name);
        (name.clone(), switch.map_or_else(|| absent(name), |switch| state(switch, target, revision)))
    };
    match target {
        Target::Switch(name) | Target::Deletions(name) => vec![of(name)],
        Target::Bindings { switches, .. } => switches.iter().map(of).collect(),
        Target::Networks(networks) => {
            let carries = |switch: &&Switch| {
                let bound = switch.bindings.iter().map(|binding| &binding.network_id);
                bound.chain(&switch.draining).any(|network| networks.contains(network))
            };
            progress.switches.iter().filter(carries).map(|switch| of(&switch.switch)).collect()
        }
    }
}

/// Done is what is confirmed and has nothing in its way. What else is wrong on the switch doesn't concern it.
fn state(switch: &Switch, target: &Target, revision: u64) -> State {
    let confirmed = switch.confirmed.is_some_and(|confirmed| confirmed >= revision);
    let known = switch.known.is_some_and(|known| known >= revision);
    let is_meant = |network: &String| match target {
        Target::Switch(_) => true,
        Target::Deletions(_) => false,
        Target::Bindings { networks, .. } | Target::Networks(networks) => networks.contains(network),
    };
    let are_deletions_meant = matches!(target, Target::Deletions(_)) || switch.draining.iter().any(is_meant);
    let blocked = if confirmed { Stage::BlockedForGood } else { Stage::Blocked };
    let rows = (switch.rows_actual, switch.rows_desired);
    let of_binding = |stage, binding: &Binding| State {
        stage,
        status: binding.status.clone(),
        reason: match binding.reason.as_str() {
            "" => String::new(),
            reason => format!("{} VLAN {}: {reason}", binding.port, binding.vlan),
        },
        rows: (binding.rows_actual, binding.rows_desired),
    };
    let of_switch =
        |stage, status: &str, reason: &str| State { stage, status: status.to_owned(), reason: reason.to_owned(), rows };

    let mut obstacles = switch.obstacles.iter();
    if let Some(held) = obstacles.find(|obstacle| obstacle.deletions && are_deletions_meant) {
        return of_switch(blocked, &held.status, &held.reason);
    }
    let bindings: Vec<&Binding> = switch.bindings.iter().filter(|binding| is_meant(&binding.network_id)).collect();
    // What it doesn't know of yet may be what removes the obstacle.
    if let Some(binding) = bindings.iter().find(|binding| known && binding.blocked) {
        return of_binding(blocked, binding);
    }
    let is_of_switch = matches!(target, Target::Switch(_) | Target::Deletions(_));
    let is_fine = |binding: &&&Binding| matches!(binding.status.as_str(), "active" | "degraded");
    let are_fine = || known && !bindings.is_empty() && bindings.iter().all(|binding| is_fine(&binding));
    if confirmed || (!is_of_switch && are_fine()) {
        let first = bindings.iter().find(|binding| binding.status != "active").or(bindings.first());
        return match first.filter(|_| !is_of_switch) {
            Some(binding) if binding.status != "active" => of_binding(Stage::Done, binding),
            Some(binding) => State { status: "done".to_owned(), ..of_binding(Stage::Done, binding) },
            None => of_switch(Stage::Done, "done", ""),
        };
    }
    if let Some(obstacle) = switch.obstacles.iter().find(|obstacle| !obstacle.deletions) {
        return of_switch(Stage::Blocked, &obstacle.status, &obstacle.reason);
    }
    match bindings.iter().find(|binding| known && !is_fine(binding)) {
        Some(binding) => of_binding(Stage::UnderWay, binding),
        None => of_switch(Stage::UnderWay, &switch.status, &switch.reason),
    }
}

fn absent(name: &str) -> State {
    let reason = format!("no switch is configured for it: add [switch:{name}] to plumgrid.ini and reload it");
    State { stage: Stage::Blocked, status: "absent".to_owned(), reason, rows: (0, 0) }
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
                let words = state.words();
                if self.told.get(name) != Some(&words) {
                    terminal::remark(&line(name, state));
                    self.told.insert(name.clone(), words);
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

/// `tor-switch-1: 3/5 rows, pending: being written`
fn line(name: &str, state: &State) -> String {
    let (actual, desired) = state.rows;
    format!("{}: {actual}/{desired} rows, {}", one_line(name), state.words())
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
    use proptest::prelude::*;

    use super::*;
    use crate::model::printable::is_printable;

    fn progress(value: Value) -> Progress {
        serde_json::from_value(value).unwrap()
    }

    /// A switch that has heard of `known` and holds `confirmed`, with these bindings.
    fn switch(known: u64, confirmed: u64, bindings: &Value) -> Value {
        json!({"switch": "t", "known": known, "confirmed": confirmed, "status": "error", "reason": "another network",
            "obstacles": [], "rows_desired": 9, "rows_actual": 8, "draining": [], "bindings": bindings})
    }

    fn binding(network: &str, status: &str, reason: &str, blocked: bool) -> Value {
        json!({"network_id": network, "port": "e1", "vlan": 5, "status": status, "reason": reason, "blocked": blocked,
            "rows_desired": 3, "rows_actual": 3})
    }

    fn of(target: &Target, switch: &Value) -> State {
        states(&progress(json!({"revision": 7, "switches": [switch]})), target, 7).remove(0).1
    }

    fn bindings() -> Target {
        Target::Bindings { networks: BTreeSet::from(["n".to_owned()]), switches: BTreeSet::from(["t".to_owned()]) }
    }

    #[test]
    fn a_change_is_done_where_it_is_confirmed_or_its_own_bindings_are_right() {
        let stage = |known, confirmed, rows: Value| of(&bindings(), &switch(known, confirmed, &rows)).stage;
        let (right, other) = (binding("n", "active", "", false), binding("m", "error", "refused", true));
        assert_eq!(stage(7, 7, json!([])), Stage::Done);
        assert_eq!(stage(7, 6, json!([right, other])), Stage::Done);
        assert_eq!(stage(6, 6, json!([right])), Stage::UnderWay, "it doesn't know of it yet");
        assert_eq!(stage(7, 6, json!([binding("n", "pending", "being written", false)])), Stage::UnderWay);
        let missing = of(&Target::Switch("gone".to_owned()), &switch(7, 7, &json!([])));
        assert!(missing.stage == Stage::Blocked && missing.reason.contains("[switch:gone]"), "{missing:?}");
    }

    #[test]
    fn what_is_confirmed_and_blocked_is_not_done() {
        let foreign = json!([binding("n", "conflict", "bound to theirs", true)]);
        let whole = Target::Switch("t".to_owned());
        for target in [bindings(), Target::Networks(BTreeSet::from(["n".to_owned()])), whole.clone()] {
            let state = of(&target, &switch(7, 7, &foreign));
            assert_eq!(
                (state.stage, state.words().as_str()),
                (Stage::BlockedForGood, "conflict: e1 VLAN 5: bound to theirs")
            );
            assert_eq!(of(&target, &switch(7, 6, &foreign)).stage, Stage::Blocked, "it may go by itself");
        }
        // Of a switch as a whole, a loop is no obstacle: the rows are there.
        let looped = json!([binding("n", "conflict", "loop suspected", false)]);
        assert_eq!(of(&whole, &switch(7, 7, &looped)).stage, Stage::Done);
    }

    #[test]
    fn held_deletions_stand_in_the_way_of_what_deletes() {
        let mut held = switch(7, 7, &json!([binding("n", "active", "", false)]));
        held["obstacles"] = json!([{"status": "held", "reason": "an operator holds", "deletions": true}]);
        let deletions = Target::Deletions("t".to_owned());
        assert_eq!(of(&deletions, &held).stage, Stage::BlockedForGood);
        assert_eq!(of(&bindings(), &held).stage, Stage::Done, "another network's");
        held["draining"] = json!(["n"]);
        assert_eq!(of(&bindings(), &held).stage, Stage::BlockedForGood);
        assert_eq!(of(&Target::Switch("t".to_owned()), &held).stage, Stage::BlockedForGood);
    }

    proptest! {
        #[test]
        fn no_name_steers_the_terminal_while_it_is_waited(name in any::<String>()) {
            let mut blocked = binding("n", &name, &name, true);
            blocked["port"] = json!(name);
            let mut named = switch(7, 7, &json!([blocked]));
            named["switch"] = json!(name);
            let state = of(&Target::Switch(name.clone()), &named);
            // What a line says, and what a bar on a terminal does.
            for text in [line(&name, &state), state.words(), line(&name, &absent(&name))] {
                prop_assert!(text.chars().all(is_printable), "{:?}", text);
            }
        }
    }

    #[test]
    fn who_has_no_session_or_no_lock_is_waited_for_a_while() {
        let mut down = switch(7, 6, &json!([]));
        down["confirmed"] = Value::Null;
        down["obstacles"] = json!([{"status": "down", "reason": "no route", "deletions": false}]);
        let state = of(&bindings(), &down);
        assert_eq!((state.stage, state.words().as_str()), (Stage::Blocked, "down: no route"));
    }
}
