//! Tells systemd how the switches are, and that we live: as long as the runtime runs this task and the fleet's
//! supervisor answers it.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{
    fleet::Fleet,
    model::status::{SessionState, SwitchStatus},
    telemetry::notify::{State, notify, watchdog_period},
};

/// How often the status line is renewed where nobody watches.
const UNWATCHED: Duration = Duration::from_secs(15);

/// Beats until it is dropped.
pub(super) async fn beat(fleet: Fleet) {
    let watched = watchdog_period();
    let period = watched.unwrap_or(UNWATCHED);
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = String::new();
    loop {
        ticks.tick().await;
        let Ok(switches) = timeout(period, fleet.switches()).await else {
            tracing::error!(seconds = period.as_secs(), "the fleet's supervisor does not answer");
            continue;
        };
        if watched.is_some() {
            notify(State::Watchdog);
        }
        let status = status_line(&switches);
        if status != told {
            notify(State::Status(&status));
            told = status;
        }
    }
}

/// `3 of 4 switches up`
fn status_line(switches: &[SwitchStatus]) -> String {
    let up = switches.iter().filter(|switch| switch.session.state == SessionState::Up).count();
    format!("{up} of {} switches up", switches.len())
}
