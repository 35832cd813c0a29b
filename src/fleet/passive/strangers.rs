//! Who dialled in and was refused: counted, and the latest listed once each.

use std::{collections::VecDeque, net::IpAddr, time::SystemTime};

use crate::{
    fleet::status::rfc3339,
    model::status::{Stranger, Strangers},
    ovsdb::transport::Certificate,
};

/// How many are listed.
const LISTED: usize = 64;
/// Longest list of names that is shown, in characters: a stranger says what it likes.
const LONGEST: usize = 200;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    count: u64,
    listed: VecDeque<Stranger>,
}

impl Registry {
    /// Counts a stranger; true where it is new, or has a new reason.
    pub(super) fn add(
        &mut self,
        peer: IpAddr,
        names: &[String],
        certificate: Option<&Certificate>,
        reason: &str,
    ) -> bool {
        self.count += 1;
        let (address, last) = (peer.to_string(), rfc3339(SystemTime::now()));
        let names: String = names.join(", ").chars().filter(|c| !c.is_control()).take(LONGEST).collect();
        let certificate = certificate.map(|shown| format!("{shown} {}", shown.fingerprint)).unwrap_or_default();
        let same =
            |known: &Stranger| (&known.address, &known.names, &known.certificate) == (&address, &names, &certificate);
        if let Some(at) = self.listed.iter().position(same)
            && let Some(mut known) = self.listed.remove(at)
        {
            let news = known.reason != reason;
            known.count += 1;
            known.last = last;
            reason.clone_into(&mut known.reason);
            self.listed.push_back(known);
            return news;
        }
        if self.listed.len() == LISTED {
            self.listed.pop_front();
        }
        self.listed.push_back(Stranger { names, address, certificate, reason: reason.to_owned(), count: 1, last });
        true
    }

    pub(super) fn status(&self) -> Strangers {
        Strangers { count: self.count, listed: self.listed.iter().rev().cloned().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_each_the_latest_first_and_bounded() {
        let mut registry = Registry::default();
        let add = |registry: &mut Registry, i: u8| registry.add(IpAddr::from([10, 0, 0, i]), &[], None, "why");
        assert!(add(&mut registry, 1));
        assert!(!add(&mut registry, 1), "known already");
        assert!(registry.add(IpAddr::from([10, 0, 0, 1]), &["a\u{7}".into()], None, "why"));
        assert_eq!(registry.status().listed[0].names, "a");
        for i in 0..=255 {
            add(&mut registry, i);
        }
        let status = registry.status();
        assert_eq!((status.count, status.listed.len()), (259, LISTED));
        assert_eq!(status.listed[0].address, "10.0.0.255");
    }
}
