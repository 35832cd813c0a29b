//! Who dialled in and was refused: counted, and the latest listed once each.

use std::{
    collections::VecDeque,
    net::IpAddr,
    time::{Duration, Instant, SystemTime},
};

use crate::{
    fleet::status::rfc3339,
    model::status::{Stranger, Strangers},
    ovsdb::transport::Certificate,
};

/// How many are listed.
const LISTED: usize = 64;
/// Longest text that is kept of what a stranger says, in characters: it says what it likes.
const LONGEST: usize = 300;
/// How many are logged within a minute: each may call itself something else each time.
const TOLD: u32 = 20;
const MINUTE: Duration = Duration::from_mins(1);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    count: u64,
    listed: VecDeque<Stranger>,
    /// Since when how many were logged.
    told: Option<(Instant, u32)>,
}

impl Registry {
    /// Counts a stranger; what is to be logged, where it is new or has a new reason, and not too much was logged already.
    pub(super) fn add(
        &mut self,
        peer: IpAddr,
        names: &[String],
        certificate: Option<&Certificate>,
        reason: &str,
    ) -> Option<Stranger> {
        self.count += 1;
        let certificate = certificate.map(|shown| format!("{shown} {}", shown.fingerprint)).unwrap_or_default();
        let mut stranger = Stranger {
            names: printable(names.iter().flat_map(|name| [", ", name.as_str()]).skip(1)),
            address: peer.to_string(),
            certificate,
            reason: printable([reason]),
            count: 1,
            last: rfc3339(SystemTime::now()),
        };
        let of = |one: &Stranger| (one.address.clone(), one.names.clone(), one.certificate.clone());
        let same = |known: &Stranger| of(known) == of(&stranger);
        let known = self.listed.iter().position(same).and_then(|at| self.listed.remove(at));
        let news = known.as_ref().is_none_or(|known| known.reason != stranger.reason);
        stranger.count += known.map_or(0, |known| known.count);
        if self.listed.len() == LISTED {
            self.listed.pop_front();
        }
        self.listed.push_back(stranger.clone());
        (news && self.may_tell(Instant::now())).then_some(stranger)
    }

    fn may_tell(&mut self, now: Instant) -> bool {
        let (since, told) = self.told.filter(|(since, _)| now.duration_since(*since) < MINUTE).unwrap_or((now, 0));
        self.told = Some((since, told + 1));
        told < TOLD
    }

    pub(super) fn status(&self) -> Strangers {
        Strangers { count: self.count, listed: self.listed.iter().rev().cloned().collect() }
    }
}

fn printable<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    parts.into_iter().flat_map(str::chars).filter(|c| !c.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_each_the_latest_first_and_bounded() {
        let mut registry = Registry::default();
        let add =
            |registry: &mut Registry, i: u8| registry.add(IpAddr::from([10, 0, 0, i]), &[], None, "why").is_some();
        assert!(add(&mut registry, 1));
        assert!(!add(&mut registry, 1), "known already");
        let long = "x".repeat(1 << 16);
        let told = registry.add(IpAddr::from([10, 0, 0, 1]), &["a\u{7}".into(), "b".into()], None, &long);
        let told = told.expect("another name");
        assert_eq!((told.names.as_str(), told.reason.len()), ("a, b", LONGEST));
        assert_eq!(registry.status().listed[0], told);
        let lines = (0..=255).filter(|i| add(&mut registry, *i)).count();
        assert_eq!(lines, TOLD as usize - 2, "no more within a minute");
        assert!(registry.may_tell(Instant::now() + MINUTE));
        let status = registry.status();
        assert_eq!((status.count, status.listed.len()), (259, LISTED));
        assert_eq!(status.listed[0].address, "10.0.0.255");
    }
}
