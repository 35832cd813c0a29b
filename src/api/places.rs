//! Places for connections: bounded as a whole and of one client address, and none that a silent client can keep from
//! another.
//!
//! A connection waits until one of its calls has shown a good token; only then is its place its own. When places run out,
//! the waiting connection that came first is ended, of the address that has most of them: a client that opens thousands of
//! silent connections closes its own, and a client that connects and calls at once is served. Places beyond those are a
//! reserve, in which monitoring alone is answered.

use std::{
    collections::{BTreeSet, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use tokio_util::sync::CancellationToken;

/// Bounds of connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlaceLimits {
    /// Connections at a time.
    pub(super) all: usize,
    /// Of them those of one client address.
    pub(super) of_address: usize,
    /// Of them those with one compute node's token.
    pub(super) of_host: usize,
    /// Places beyond `all`, for monitoring.
    pub(super) reserve: usize,
}

impl Default for PlaceLimits {
    fn default() -> Self {
        Self { all: 1024, of_address: 512, of_host: 16, reserve: 32 }
    }
}

/// Who has a place.
#[derive(Debug, Clone)]
pub(super) struct Places {
    limits: PlaceLimits,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    /// Counts up; lower numbers came earlier.
    next: u64,
    seats: HashMap<u64, Seat>,
    addresses: HashMap<IpAddr, Seats>,
    /// Places with the token of each compute node.
    hosts: HashMap<String, usize>,
    /// Places in the reserve.
    reserved: BTreeSet<u64>,
}

#[derive(Debug)]
struct Seat {
    address: IpAddr,
    /// Ends the connection.
    end: CancellationToken,
    host: Option<String>,
}

/// The connections of one address.
#[derive(Debug, Default)]
struct Seats {
    all: usize,
    waiting: BTreeSet<u64>,
}

/// A place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    places: Places,
    /// Cancelled when the place is given to another connection.
    pub(super) end: CancellationToken,
    /// In the reserve: only monitoring is answered.
    pub(super) reserved: bool,
}

/// Too many connections with one compute node's token.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{limit} connections with the token of host '{host}' are open already: close one, or use one for several calls"
)]
pub(super) struct HostFull {
    host: String,
    limit: usize,
}

impl Places {
    pub(super) fn new(limits: PlaceLimits) -> Self {
        Self { limits, taken: Arc::default() }
    }

    /// A place for a connection from this address; `None`: all are taken by clients with a good token, and there is no
    /// reserve.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Place> {
        let address = client(address);
        let mut taken = self.lock();
        let of_address = taken.addresses.get(&address).map_or(0, |seats| seats.all);
        let ordinary = taken.seats.len() - taken.reserved.len();
        let full = if of_address >= self.limits.of_address {
            !taken.end_first_waiting_of(address)
        } else {
            ordinary >= self.limits.all && !taken.end_first_waiting()
        };
        if full && taken.reserved.len() >= self.limits.reserve {
            // A probe takes milliseconds: what came first has had its time.
            let first = taken.reserved.first().copied()?;
            taken.leave(first);
        }
        let (number, end) = (taken.next, CancellationToken::new());
        taken.next += 1;
        if full {
            taken.reserved.insert(number);
        }
        taken.seats.insert(number, Seat { address, end: end.clone(), host: None });
        let seats = taken.addresses.entry(address).or_default();
        seats.all += 1;
        if !full {
            seats.waiting.insert(number);
        }
        drop(taken);
        Some(Place { number, places: self.clone(), end, reserved: full })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Ends the waiting connection of an address that came first; `false`: none waits.
    fn end_first_waiting_of(&mut self, address: IpAddr) -> bool {
        let first = self.addresses.get(&address).and_then(|seats| seats.waiting.first().copied());
        first.inspect(|number| self.leave(*number)).is_some()
    }

    /// The same, of the address where most wait.
    fn end_first_waiting(&mut self) -> bool {
        let waiting = self.addresses.iter().filter(|(_, seats)| !seats.waiting.is_empty());
        let most = waiting.max_by_key(|(_, seats)| seats.waiting.len()).map(|(address, _)| *address);
        most.is_some_and(|address| self.end_first_waiting_of(address))
    }

    fn leave(&mut self, number: u64) {
        let Some(seat) = self.seats.remove(&number) else { return };
        seat.end.cancel();
        self.reserved.remove(&number);
        if let Some(seats) = self.addresses.get_mut(&seat.address) {
            seats.all -= 1;
            seats.waiting.remove(&number);
            if seats.all == 0 {
                self.addresses.remove(&seat.address);
            }
        }
        if let Some(host) = &seat.host
            && let Some(of) = self.hosts.get_mut(host)
        {
            *of -= 1;
            if *of == 0 {
                self.hosts.remove(host);
            }
        }
    }
}

impl Place {
    /// A call on the connection has shown a good token, of this compute node or of an admin: the place is its own.
    pub(super) fn keep(&self, host: Option<&str>) -> Result<(), HostFull> {
        let mut taken = self.places.lock();
        let Taken { seats, addresses, hosts, .. } = &mut *taken;
        // One that was given away meanwhile is about to end.
        let Some(seat) = seats.get_mut(&self.number) else { return Ok(()) };
        if let Some(host) = host.filter(|host| seat.host.as_deref() != Some(host)) {
            let limit = self.places.limits.of_host;
            let of = hosts.entry(host.to_owned()).or_default();
            if *of >= limit {
                return Err(HostFull { host: host.to_owned(), limit });
            }
            *of += 1;
            if let Some(of) = seat.host.replace(host.to_owned()).and_then(|before| hosts.get_mut(&before)) {
                *of -= 1;
            }
        }
        if let Some(seats) = addresses.get_mut(&seat.address) {
            seats.waiting.remove(&self.number);
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().leave(self.number);
    }
}

/// The client that an address stands for: of IPv6 a /64, which one client has whole.
pub(super) fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        ip @ IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(all: usize, of_address: usize, reserve: usize) -> Places {
        Places::new(PlaceLimits { all, of_address, of_host: 2, reserve })
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn enter(places: &Places, last: u8) -> Place {
        places.enter(address(last)).expect("a place")
    }

    #[test]
    fn who_waits_longest_of_the_address_with_most_makes_room() {
        let places = places(4, 4, 1);
        let (one, flood) = (enter(&places, 1), [2, 2, 2].map(|last| enter(&places, last)));
        let fifth = enter(&places, 3);
        assert!(flood[0].end.is_cancelled() && !flood[1].end.is_cancelled() && !one.end.is_cancelled());
        assert!(!fifth.reserved);
    }

    #[test]
    fn an_address_that_is_full_makes_room_itself() {
        let places = places(10, 2, 0);
        let (other, first, second) = (enter(&places, 1), enter(&places, 2), enter(&places, 2));
        let third = enter(&places, 2);
        assert!(first.end.is_cancelled() && !second.end.is_cancelled() && !other.end.is_cancelled());
        for place in [&second, &third] {
            place.keep(None).expect("an admin");
        }
        assert!(places.enter(address(2)).is_none(), "both places are their own");
        drop(second);
        assert!(places.enter(address(2)).is_some());
    }

    #[test]
    fn a_kept_place_is_never_given_away_and_the_reserve_is_left() {
        let places = places(2, 10, 1);
        let kept = [enter(&places, 1), enter(&places, 2)];
        for place in &kept {
            place.keep(None).expect("an admin");
        }
        let reserved = enter(&places, 3);
        assert!(reserved.reserved && kept.iter().all(|place| !place.end.is_cancelled()));
        let next = enter(&places, 4);
        assert!(next.reserved && reserved.end.is_cancelled(), "the reserve is always had");
        drop(kept);
        assert!(!enter(&places, 5).reserved && !next.end.is_cancelled());
    }

    #[test]
    fn one_token_of_a_compute_node_keeps_a_few_places() {
        let places = places(10, 10, 0);
        let mut seats = Vec::from([1, 2, 3].map(|last| enter(&places, last)));
        assert_eq!(seats[0].keep(Some("a")), Ok(()));
        assert_eq!(seats[0].keep(Some("a")), Ok(()), "the next call of the same");
        assert_eq!(seats[1].keep(Some("a")), Ok(()));
        assert_eq!(seats[2].keep(Some("a")), Err(HostFull { host: "a".to_owned(), limit: 2 }));
        assert_eq!(seats[2].keep(Some("b")), Ok(()));
        drop(seats.remove(0));
        assert_eq!(enter(&places, 4).keep(Some("a")), Ok(()));
        drop(seats);
        assert!(places.lock().seats.is_empty() && places.lock().addresses.is_empty() && places.lock().hosts.is_empty());
    }

    #[test]
    fn ipv6_clients_are_known_by_their_network() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert_eq!(client(ip("2001:db8::1")), client(ip("2001:db8::ffff:1")));
        assert_ne!(client(ip("2001:db8::1")), client(ip("2001:db8:0:1::1")));
        assert_eq!(client(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
    }
}
