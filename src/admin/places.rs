//! Places for connections: a share for each user, so that one member of the group can't lock the others out.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use nix::unistd::Uid;
use tokio::net::UnixStream;

/// Connections of one user.
const OF_USER: usize = 32;
/// Places that only root and the daemon's own user take.
const RESERVE: usize = 16;

/// Who is connected, by uid.
#[derive(Debug, Clone)]
pub(super) struct Places {
    all: usize,
    taken: Arc<Mutex<HashMap<u32, usize>>>,
}

/// A place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    uid: u32,
}

impl Places {
    pub(super) fn new(all: usize) -> Self {
        Self { all, taken: Arc::default() }
    }

    /// A place for a connection; `None`: there is none, and the client got an answer.
    pub(super) fn enter(&self, stream: &UnixStream) -> Option<Place> {
        let uid = match stream.peer_cred() {
            Ok(credentials) => credentials.uid(),
            Err(error) => {
                tracing::warn!(%error, "a connection of the admin socket has no credentials");
                return None;
            }
        };
        let place = self.enter_as(uid, uid == 0 || uid == Uid::effective().as_raw());
        if place.is_none() {
            tracing::debug!(uid, "all places of a user at the admin socket are taken");
            // Whether it arrives or not, the connection ends.
            let _ = stream.try_write(
                b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
        place
    }

    fn enter_as(&self, uid: u32, privileged: bool) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let of = taken.entry(uid).or_default();
        let free = if privileged { all < self.all } else { *of < OF_USER && all + RESERVE < self.all };
        if !free {
            if *of == 0 {
                taken.remove(&uid);
            }
            return None;
        }
        *of += 1;
        drop(taken);
        Some(Place { places: self.clone(), uid })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = taken.get_mut(&self.uid) {
            *of -= 1;
            if *of == 0 {
                taken.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_leaves_places_for_others_and_all_leave_some_for_root() {
        let places = Places::new(128);
        let mut held: Vec<_> = (0..OF_USER).map(|_| places.enter_as(1000, false).unwrap()).collect();
        assert!(places.enter_as(1000, false).is_none(), "the user's share is taken");
        for uid in 1001.. {
            match places.enter_as(uid, false) {
                Some(place) => held.push(place),
                None => break,
            }
        }
        assert_eq!(held.len(), 128 - RESERVE);
        for _ in 0..RESERVE {
            held.push(places.enter_as(0, true).expect("the reserve"));
        }
        assert!(places.enter_as(0, true).is_none());
        held.clear();
        assert!(places.taken.lock().unwrap().is_empty() && places.enter_as(1000, false).is_some());
    }
}
