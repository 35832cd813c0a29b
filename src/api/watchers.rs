//! Places for clients that follow the FDB: bounded as a whole, of one compute node, and of all that have no token of
//! their own.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

/// Clients that may follow the FDB at a time: fewer than connections, so that others are answered.
const ALL: usize = 768;
/// Of them those with one compute node's token: one that reconnects may have a place still.
const OF_HOST: usize = 4;
/// Of them those with an admin's token.
const OF_ADMINS: usize = 256;

/// Who follows the FDB.
#[derive(Debug, Clone, Default)]
pub(super) struct Watchers(Arc<Mutex<HashMap<Option<String>, usize>>>);

/// A place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    watchers: Watchers,
    host: Option<String>,
}

/// Why there is no place.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Full {
    /// All are taken.
    #[error("{ALL} clients follow the FDB: try again when one of them has gone")]
    All,
    /// Those of this host.
    #[error("{OF_HOST} clients with the token of host '{0}' follow the FDB already: end one of them")]
    Host(String),
    /// Those of admins.
    #[error("{OF_ADMINS} clients with an admin's token follow the FDB already: give compute nodes tokens of their own")]
    Admins,
}

impl Watchers {
    /// A place for a client with the token of this host; `None`: an admin's.
    pub(super) fn enter(&self, host: Option<&str>) -> Result<Place, Full> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= ALL {
            return Err(Full::All);
        }
        let of = taken.entry(host.map(str::to_owned)).or_default();
        match host {
            Some(host) if *of >= OF_HOST => return Err(Full::Host(host.to_owned())),
            None if *of >= OF_ADMINS => return Err(Full::Admins),
            _ => *of += 1,
        }
        drop(taken);
        Ok(Place { watchers: self.clone(), host: host.map(str::to_owned) })
    }

    /// Hosts that follow with their own tokens.
    pub(super) fn hosts(&self) -> BTreeSet<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().flatten().cloned().collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.watchers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = taken.get_mut(&self.host) {
            *of -= 1;
            if *of == 0 {
                taken.remove(&self.host);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_takes_a_few_places_and_gives_them_back() {
        let watchers = Watchers::default();
        let mut places: Vec<_> = (0..OF_HOST).map(|_| watchers.enter(Some("a")).unwrap()).collect();
        assert_eq!(watchers.enter(Some("a")).unwrap_err(), Full::Host("a".to_owned()));
        places.push(watchers.enter(Some("b")).unwrap());
        let admins: Vec<_> = (0..OF_ADMINS).map(|_| watchers.enter(None).unwrap()).collect();
        assert_eq!(watchers.enter(None).unwrap_err(), Full::Admins);
        assert_eq!(watchers.hosts(), BTreeSet::from(["a".to_owned(), "b".to_owned()]));
        places.remove(0);
        places.push(watchers.enter(Some("a")).unwrap());
        let mut hosts = 0..;
        while let Some(Ok(place)) = hosts.next().map(|n| watchers.enter(Some(&format!("host-{n}")))) {
            places.push(place);
        }
        assert_eq!(places.len() + admins.len(), ALL);
        drop((places, admins));
        assert!(watchers.hosts().is_empty() && watchers.enter(Some("a")).is_ok());
    }
}
