//! What systemd hears of us (sd_notify(3)). Without the feature `systemd`, or outside of systemd, nothing is.

use std::time::Duration;

/// A step of the daemon's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState<'a> {
    /// All is up; also ends [`ServiceState::Reloading`].
    Ready,
    /// The configuration is read again.
    Reloading,
    /// The end has begun.
    Stopping,
    /// One line for `systemctl status`.
    Status(&'a str),
    /// We live.
    Watchdog,
}

impl ServiceState<'_> {
    /// The variables of sd_notify(3).
    #[cfg_attr(not(feature = "systemd"), allow(dead_code, reason = "only systemd reads them"))]
    fn variables(self) -> Vec<(&'static str, String)> {
        let one = || "1".to_owned();
        match self {
            Self::Ready => vec![("READY", one())],
            Self::Reloading => vec![("RELOADING", one()), ("MONOTONIC_USEC", monotonic().to_string())],
            Self::Stopping => vec![("STOPPING", one())],
            // The variables are separated by line feeds, and NUL ends them.
            Self::Status(text) => vec![("STATUS", text.replace(['\n', '\0'], " "))],
            Self::Watchdog => vec![("WATCHDOG", one())],
        }
    }
}

/// Microseconds of the monotonic clock: tells a `Type=notify-reload` unit which reload was meant.
fn monotonic() -> u64 {
    let now = nix::time::ClockId::CLOCK_MONOTONIC.now().map(std::time::Duration::from).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

/// Notifies systemd.
#[cfg(feature = "systemd")]
pub fn notify(state: ServiceState<'_>) {
    if let Err(error) = systemd::daemon::notify(state.variables().iter()) {
        tracing::warn!(%error, ?state, "systemd can't be notified");
    }
}

/// Does nothing: built without the feature `systemd`.
#[cfg(not(feature = "systemd"))]
pub fn notify(_state: ServiceState<'_>) {}

/// How often [`ServiceState::Watchdog`] is due: every half of `WatchdogSec`. `None`: nobody watches.
#[cfg(feature = "systemd")]
pub fn watchdog_period() -> Option<Duration> {
    let microseconds = systemd::daemon::watchdog_enabled().ok().filter(|microseconds| *microseconds > 0)?;
    Some(Duration::from_micros(microseconds / 2))
}

/// Nobody watches: built without the feature `systemd`.
#[cfg(not(feature = "systemd"))]
pub fn watchdog_period() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_as_sd_notify_spells_them() {
        assert_eq!(ServiceState::Ready.variables(), [("READY", "1".to_owned())]);
        assert_eq!(ServiceState::Status("2/2\nup\0").variables(), [("STATUS", "2/2 up ".to_owned())]);
        let reloading = ServiceState::Reloading.variables();
        assert_eq!((reloading[0].0, reloading[1].0), ("RELOADING", "MONOTONIC_USEC"));
        let earlier: u64 = reloading[1].1.parse().unwrap();
        assert!(earlier > 0 && earlier <= monotonic());
    }
}
