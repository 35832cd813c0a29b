use proptest::{collection::vec, prelude::*};

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row(u8, u8);

impl Record for Row {
    type Id = u8;
    type Key = u8;

    fn id(&self) -> u8 {
        self.0
    }

    fn key(&self) -> u8 {
        self.1
    }
}

proptest! {
    /// Whatever comes and goes, duplicates of a key included, it holds what a list would.
    #[test]
    fn it_holds_what_a_list_would(steps in vec((any::<bool>(), 0..12_u8, 0..4_u8), 0..80)) {
        let (mut indexed, mut list) = (Indexed::<Row>::default(), Vec::<Row>::new());
        for (insert, id, key) in steps {
            let at = list.iter().position(|row| row.0 == id);
            match at {
                None if insert => {
                    indexed.insert(Row(id, key));
                    list.push(Row(id, key));
                }
                at => prop_assert_eq!(indexed.remove(id), at.map(|at| list.remove(at))),
            }
            list.sort_unstable();
            let mut all: Vec<_> = indexed.iter().copied().collect();
            all.sort_unstable();
            prop_assert_eq!(&all, &list);
            prop_assert_eq!(indexed.len(), list.len());
            prop_assert_eq!(indexed.get(id), list.iter().find(|row| row.0 == id));
            for key in 0..4 {
                let mut found: Vec<_> = indexed.with_key(key).copied().collect();
                found.sort_unstable();
                let expected: Vec<_> = list.iter().copied().filter(|row| row.1 == key).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Twin(u32);

impl Record for Twin {
    type Id = u32;
    type Key = ();

    fn id(&self) -> u32 {
        self.0
    }

    fn key(&self) {}
}

/// Seconds that this thread has had of a processor: others may keep it from running.
fn cpu() -> f64 {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    times.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).expect("nanoseconds") / 1e9
}

/// The time for this many rows of one key that come, and then go.
fn time_of_twins(rows: u32) -> f64 {
    let begun = cpu();
    let mut indexed = Indexed::default();
    (0..rows).for_each(|id| indexed.insert(Twin(id)));
    assert_eq!(indexed.with_key(()).count(), rows as usize);
    (0..rows).for_each(|id| assert!(indexed.remove(id).is_some()));
    cpu() - begun
}

/// Sixteen times the rows cost some sixteen times the time, not 256 times.
#[test]
fn rows_of_one_key_cost_no_more_than_others() {
    // The kernel counts by the millisecond.
    let (few, many) = (time_of_twins(4_000).max(0.001), time_of_twins(64_000));
    assert!(many < few * 100.0, "{few} s, {many} s");
}

/// UUIDs whose second half cancels the seed of a table that everybody knows: there, all of them have one hash.
#[test]
fn keys_that_collide_under_a_known_seed_are_spread() {
    // foldhash multiplies the two halves of 16 bytes, each combined with a seed: this is the one of `FixedState`.
    const SEED: u64 = 0x3f84_d5b5_b547_0917;
    let (known, drawn) = (foldhash::fast::FixedState::default(), Seeded::default());
    let ids = (0..10_000_u64).map(|n| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&n.to_ne_bytes());
        id[8..].copy_from_slice(&SEED.to_ne_bytes());
        uuid::Uuid::from_bytes(id)
    });
    let hashes = |state: &dyn Fn(uuid::Uuid) -> u64| ids.clone().map(state).collect::<HashSet<u64>>().len();
    assert_eq!(hashes(&|id| known.hash_one(id)), 1);
    assert_eq!(hashes(&|id| drawn.hash_one(id)), 10_000);
}

/// Two processes hash differently: what one shows says nothing of the other. Within one process all maps agree.
#[test]
fn the_seed_is_drawn_at_random() {
    let fixed = SeedableRandomState::with_seed(0, Box::leak(Box::new(SharedSeed::from_u64(0x7674_6570))));
    assert_ne!(Seeded::default().hash_one(7_u128), fixed.hash_one(7_u128));
    assert_eq!(Seeded::default().hash_one(7_u128), Seeded::default().hash_one(7_u128));
}
