//! Reports to systemd: one line on how the daemon is, at once and with each change, and that it lives.
//!
//! The watchdog is fed while the fleet's supervisor answers and every worker does. A worker that says nothing for
//! [`SILENT`] is stuck for good, because its work comes in slices of milliseconds: only a restart helps, and a restart
//! loses nothing.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    path::Path,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{broadcast, watch},
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use crate::{
    fleet::Fleet,
    model::{
        problem::{Problem, ProblemKind},
        status::{SessionState, Status, SwitchStatus},
        text,
    },
    service::journal::Journal,
    source::Source,
    store::{JournalKind, Store},
    telemetry::notify::{ServiceState, notify, watchdog_period},
};

/// How often the line is renewed at least.
const AT_LEAST: Duration = Duration::from_secs(15);
/// How often what costs nothing is checked: the store, the source, the last reload.
const LOOK: Duration = Duration::from_millis(500);
/// How long a worker may say nothing before the watchdog isn't fed any more.
const SILENT: Duration = Duration::from_mins(2);
/// Longest status line, in characters.
const LONGEST: usize = 300;

/// What the daemon has to say of its configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Configured {
    /// The names of all switches.
    pub(super) switches: BTreeSet<String>,
    /// The last reload, if it failed.
    pub(super) failed_reload: Option<FailedReload>,
}

/// plumgrid.ini has errors since it was read last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FailedReload {
    /// The first error.
    pub(super) why: String,
    /// Since when reloads fail.
    pub(super) since: SystemTime,
}

impl FailedReload {
    /// What an operator reads of it.
    pub(super) fn problem(&self, path: &Path) -> Problem {
        Problem {
            kind: ProblemKind::Configuration,
            status: Status::Degraded,
            name: text::name(&path.display().to_string()),
            reason: self.to_string(),
            since: humantime::format_rfc3339_seconds(self.since).to_string(),
            impact: "the next start may fail".to_owned(),
            fix: "correct it ('vtepd --check' shows all errors), then 'l2gw reload'".to_owned(),
        }
    }
}

impl fmt::Display for FailedReload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the last reload failed, the old configuration is in force: {}", text::sentence(&self.why))
    }
}

/// What is checked.
#[derive(Debug)]
pub(super) struct Pulse {
    pub(super) fleet: Fleet,
    pub(super) store: Store,
    pub(super) source: Option<Source>,
    pub(super) configured: watch::Receiver<Configured>,
    /// Sessions come and go here.
    pub(super) journal: Journal,
}

impl Pulse {
    /// Beats until it is dropped.
    pub(super) async fn beat(self) {
        let watched = watchdog_period();
        let mut whole = interval(watched.unwrap_or(AT_LEAST).min(AT_LEAST));
        whole.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut events = self.journal.watch();
        let (mut workers, mut sessions, mut told) = (Workers::default(), String::new(), String::new());
        loop {
            // Whether the sessions are to be counted, and whether we are to live on.
            let (count, feed) = tokio::select! {
                _ = whole.tick() => (true, watched.is_some()),
                _ = look.tick() => (false, false),
                changed = session_changed(&mut events) => (changed, false),
            };
            if count {
                let configured = self.configured.borrow().switches.clone();
                match timeout(AT_LEAST, self.fleet.switches()).await {
                    Ok(switches) => {
                        sessions = counted(&switches, configured.len());
                        let answered = answering(&switches);
                        if workers.answer(&configured, &answered, Instant::now()) && feed {
                            notify(ServiceState::Watchdog);
                        }
                    }
                    Err(_) => {
                        tracing::error!(seconds = AT_LEAST.as_secs(), "the fleet's supervisor does not answer");
                    }
                }
            }
            let line = self.line(&sessions);
            if line != told {
                notify(ServiceState::Status(&line));
                told = line;
            }
        }
    }

    /// `3 of 4 switches up`, and what is wrong.
    fn line(&self, sessions: &str) -> String {
        let store = self.store.health().err().map(|error| error.to_string());
        let source = self.source.as_ref().and_then(Source::unready);
        let reload = self.configured.borrow().failed_reload.as_ref().map(ToString::to_string);
        let parts = [Some(sessions.to_owned()), store, reload, source];
        let line: String = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
        line.chars().take(LONGEST).collect()
    }
}

/// Waits for an event of the journal; whether a session came or went.
async fn session_changed(events: &mut broadcast::Receiver<std::sync::Arc<crate::store::JournalEntry>>) -> bool {
    match events.recv().await {
        Ok(entry) => entry.kind == JournalKind::Session,
        // Some were missed: sessions may be among them.
        Err(broadcast::error::RecvError::Lagged(_)) => true,
        // The journal has ended, and soon so do we.
        Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
    }
}

/// The switches whose workers have answered, and not what they had published before.
fn answering(switches: &[SwitchStatus]) -> BTreeSet<String> {
    switches.iter().filter(|switch| !switch.is_of_busy_worker()).map(|switch| switch.name.clone()).collect()
}

/// `3 of 4 switches up`
fn counted(switches: &[SwitchStatus], configured: usize) -> String {
    let up = switches.iter().filter(|switch| switch.session.state == SessionState::Up).count();
    format!("{up} of {configured} switches up")
}

/// Which workers say nothing, and since when. A switch that is down answers, too: its worker does.
#[derive(Debug, Default)]
struct Workers {
    silent: HashMap<String, Instant>,
}

impl Workers {
    /// Takes the answers; whether every worker has answered lately.
    fn answer(&mut self, configured: &BTreeSet<String>, answered: &BTreeSet<String>, now: Instant) -> bool {
        self.silent.retain(|name, _| configured.contains(name) && !answered.contains(name));
        for name in configured.difference(answered) {
            let since = *self.silent.entry(name.clone()).or_insert(now);
            if now.duration_since(since) >= SILENT {
                tracing::error!(
                    switch = name,
                    seconds = SILENT.as_secs(),
                    "the switch's worker says nothing: this is a bug, please report it; the watchdog is not fed"
                );
            }
        }
        self.silent.values().all(|since| now.duration_since(*since) < SILENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reason::Reason;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_watchdog_is_fed_while_every_worker_answers() {
        let (mut workers, begun) = (Workers::default(), Instant::now());
        let at = |seconds| begun + Duration::from_secs(seconds);
        let both = names(&["a", "b"]);
        assert!(workers.answer(&both, &names(&["a", "b"]), at(0)));
        assert!(workers.answer(&both, &names(&["a"]), at(10)), "it may be busy");
        assert!(workers.answer(&both, &names(&["a"]), at(129)));
        assert!(!workers.answer(&both, &names(&["a"]), at(130)), "two minutes are too long");
        assert!(workers.answer(&both, &names(&["a", "b"]), at(140)), "it came back");
        assert!(workers.answer(&both, &names(&[]), at(150)));
        assert!(workers.answer(&names(&["a"]), &names(&["a"]), at(400)), "its section is gone");
        assert!(workers.answer(&both, &names(&["a"]), at(410)), "and comes again");
        assert!(workers.answer(&names(&[]), &names(&[]), at(1000)));
    }

    /// What a busy worker published before is shown, and is no sign of its life.
    #[test]
    fn a_worker_that_stays_busy_is_stuck() {
        let mut busy = SwitchStatus::example("b");
        busy.add(Reason::Busy { at: String::new() });
        let (both, all) = (names(&["a", "b"]), [SwitchStatus::example("a"), busy]);
        assert_eq!(counted(&all, 2), "2 of 2 switches up", "it is shown");
        let answered = answering(&all);
        assert_eq!(answered, names(&["a"]));
        let (mut workers, begun) = (Workers::default(), Instant::now());
        assert!(workers.answer(&both, &answered, begun));
        assert!(workers.answer(&both, &answered, begun + SILENT - Duration::from_secs(1)), "it may be busy");
        assert!(!workers.answer(&both, &answered, begun + SILENT), "not for ever");
    }
}
