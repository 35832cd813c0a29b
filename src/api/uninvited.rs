//! Calls without a good token: the first ones are logged, the others counted and summed up. 37,000
//! calls a second must not fill the disk.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::places::client;

/// Time between two sums.
pub(super) const EVERY: Duration = Duration::from_secs(10);
/// Calls that are logged one by one in that time.
const LOGGED: u64 = 20;
/// Addresses that a sum counts.
const ADDRESSES: usize = 1000;

/// Calls without a good token.
#[derive(Debug, Clone, Default)]
pub(super) struct Uninvited(Arc<Mutex<Counted>>);

/// Of the time since the last sum.
#[derive(Debug, Default)]
struct Counted {
    calls: u64,
    refused: u64,
    addresses: BTreeSet<IpAddr>,
}

/// What wasn't logged one by one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sum {
    /// Calls.
    pub(super) calls: u64,
    /// Of all calls of that time: those that were refused.
    pub(super) refused: u64,
    /// Client addresses, up to a bound.
    pub(super) addresses: usize,
}

impl Uninvited {
    /// Counts a call; whether it is to be logged.
    pub(super) fn count(&self, from: Option<IpAddr>, status: u16) -> bool {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.calls += 1;
        counted.refused += u64::from(status >= 400);
        if counted.addresses.len() < ADDRESSES {
            counted.addresses.extend(from.map(client));
        }
        counted.calls <= LOGGED
    }

    /// Begins anew; the sum, if there is more than was logged.
    pub(super) fn sum(&self) -> Option<Sum> {
        let counted = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let calls = counted.calls.checked_sub(LOGGED).filter(|calls| *calls > 0)?;
        Some(Sum { calls, refused: counted.refused, addresses: counted.addresses.len() })
    }

    /// Logs the sums, for as long as it is polled.
    pub(super) async fn log(&self) {
        loop {
            tokio::time::sleep(EVERY).await;
            if let Some(Sum { calls, refused, addresses }) = self.sum() {
                tracing::warn!(calls, refused, addresses, "further calls without a good token");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_calls_are_logged_and_the_others_summed_up() {
        let (uninvited, from) = (Uninvited::default(), |last| Some(IpAddr::from([192, 0, 2, last])));
        let logged = (0..100_000).filter(|n| uninvited.count(from(u8::try_from(n % 3).expect("small")), 401)).count();
        assert_eq!(logged as u64, LOGGED);
        assert_eq!(uninvited.sum(), Some(Sum { calls: 100_000 - LOGGED, refused: 100_000, addresses: 3 }));
        assert!(uninvited.count(None, 200));
        assert_eq!(uninvited.sum(), None, "all of them were logged");
    }
}
