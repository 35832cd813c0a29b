//! How many may stand in the door: connections that haven't said who they are, in all and from one address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// In all.
const PLACES: usize = 256;
/// From one address, or one /64 of IPv6, which is one network's: a machine may hold several switches (Arista CVX has one connection for all of its).
const FROM_ONE: usize = 16;

/// Counts who stands in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Door(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A place in the door; dropped, it is free.
#[derive(Debug)]
pub(crate) struct Place {
    door: Door,
    peer: IpAddr,
}

impl Door {
    /// A place, if there is one.
    pub(super) fn enter(&self, peer: IpAddr) -> Option<Place> {
        let peer = match peer {
            IpAddr::V4(_) => peer,
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
        };
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.values().sum::<usize>() >= PLACES || inside.get(&peer).copied().unwrap_or(0) >= FROM_ONE {
            return None;
        }
        *inside.entry(peer).or_default() += 1;
        Some(Place { door: self.clone(), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.door.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = inside.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                inside.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_come_free() {
        let (door, one) = (Door::default(), IpAddr::from([192, 0, 2, 1]));
        let mut places: Vec<_> = (0..FROM_ONE).map(|_| door.enter(one).unwrap()).collect();
        assert!(door.enter(one).is_none());
        places.pop();
        places.push(door.enter(one).unwrap());
        let others = (0_u8..=255).map(|i| IpAddr::from([10, 0, 0, i]));
        places.extend(others.filter_map(|peer| door.enter(peer)));
        assert_eq!(places.len(), PLACES);
        places.clear();
        let of_one_network: Vec<_> =
            (0..=FROM_ONE as u128).map(|host| Ipv6Addr::from_bits(0x2001_0db8 << 96 | host)).collect();
        places.extend(of_one_network.iter().filter_map(|ip| door.enter(IpAddr::V6(*ip))));
        assert_eq!(places.len(), FROM_ONE);
        places.clear();
        assert!(door.0.lock().unwrap().is_empty());
    }
}
