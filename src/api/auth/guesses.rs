//! Tokens that are guessed: after a few wrong ones, each further one of a client address costs it time.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::api::places::client;

/// Wrong tokens of one address that are answered at once.
const FREE: u32 = 10;
/// After so long without a further one, one is forgiven.
const FORGIVEN: Duration = Duration::from_secs(5);
/// What each further one costs.
const DELAY: Duration = Duration::from_secs(1);
/// Calls of one address that may wait at a time.
const WAITING: u32 = 8;
/// Addresses that are remembered.
const ADDRESSES: usize = 4096;

/// Wrong tokens, by client address.
#[derive(Debug, Default)]
pub(crate) struct Guesses(Mutex<HashMap<IpAddr, Guesser>>);

#[derive(Debug)]
struct Guesser {
    wrong: u32,
    since: Instant,
    waiting: u32,
}

/// What a call has to do before its token is checked, or its refusal is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// Nothing.
    Nothing,
    /// It waits so long, then calls [`Guesses::waited`].
    Wait(Duration),
    /// Too many of its address wait: it is refused.
    Refused,
}

impl Guesses {
    /// A token was wrong.
    pub(super) fn wrong(&self, address: IpAddr, now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ADDRESSES {
            all.retain(|_, guesser| guesser.waiting > 0 || guesser.left(now) > 0);
        }
        let address = client(address);
        if all.len() >= ADDRESSES && !all.contains_key(&address) {
            // Those whose last wrong token is longest ago give way: an address that goes on guessing stays.
            let oldest = all.iter().filter(|(_, one)| one.waiting == 0).min_by_key(|(_, one)| one.since);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                all.remove(&oldest);
            }
        }
        let guesser = all.entry(address).or_insert(Guesser { wrong: 0, since: now, waiting: 0 });
        guesser.wrong = guesser.left(now).saturating_add(1).min(2 * FREE);
        guesser.since = now;
    }

    /// What a token that isn't known to be right costs this address.
    pub(super) fn cost(&self, address: IpAddr, now: Instant) -> Cost {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(&client(address)) {
            Some(guesser) if guesser.left(now) >= FREE => {
                if guesser.waiting >= WAITING {
                    return Cost::Refused;
                }
                guesser.waiting += 1;
                Cost::Wait(DELAY)
            }
            _ => Cost::Nothing,
        }
    }

    /// A call has waited, or its client went away.
    pub(super) fn waited(&self, address: IpAddr) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(guesser) = all.get_mut(&client(address)) {
            guesser.waiting = guesser.waiting.saturating_sub(1);
        }
    }
}

impl Guesser {
    /// Wrong tokens that aren't forgiven yet.
    fn left(&self, now: Instant) -> u32 {
        let forgiven = now.saturating_duration_since(self.since).as_secs() / FORGIVEN.as_secs();
        self.wrong.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_tokens_cost_their_address_time_and_are_forgiven() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        let (bad, good) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for _ in 0..FREE {
            assert_eq!(guesses.cost(bad, now), Cost::Nothing);
            guesses.wrong(bad, now);
        }
        for _ in 0..WAITING {
            assert_eq!(guesses.cost(bad, now), Cost::Wait(DELAY));
        }
        assert_eq!(guesses.cost(bad, now), Cost::Refused);
        assert_eq!(guesses.cost(good, now), Cost::Nothing, "another address pays nothing");
        guesses.waited(bad);
        assert_eq!(guesses.cost(bad, now), Cost::Wait(DELAY));
        assert_eq!(guesses.cost(bad, now + FORGIVEN), Cost::Nothing);
        // However many there were, it ends.
        for _ in 0..1000 {
            guesses.wrong(bad, now);
        }
        assert_eq!(guesses.cost(bad, now + FORGIVEN * (FREE + 1)), Cost::Nothing);
    }

    #[test]
    fn so_many_addresses_are_remembered_and_no_more() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        for number in 0..u32::try_from(ADDRESSES).expect("it is small") + 100 {
            guesses.wrong(IpAddr::from(number.to_be_bytes()), now);
        }
        assert_eq!(guesses.0.lock().expect("it is whole").len(), ADDRESSES);
    }
}
