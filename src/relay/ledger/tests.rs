use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const SWITCHES: [&str; 2] = ["a", "b"];

type Table = BTreeMap<(&'static str, u8), u8>;

#[derive(Debug, Clone)]
enum Step {
    /// A switch has a MAC at a VTEP, or none.
    Change(usize, u8, Option<u8>),
    /// A session begins, tells all, and ends so.
    Sync(usize),
    /// A session begins, tells half, and is lost.
    Break(usize),
    Write,
}

fn name(i: usize) -> Arc<str> {
    SWITCHES[i].into()
}

fn key(mac: u8) -> Key {
    (NetworkId(Uuid::nil()), MacAddr::new([2, 0, 0, 0, 0, mac]))
}

fn places(i: usize, vtep: Option<u8>) -> Vec<Place> {
    let place = |vtep| Place { switch: name(i), vtep: Ipv4Addr::new(192, 0, 2, vtep), ips: Ips::None };
    vtep.map(place).into_iter().collect()
}

/// Applies writes to a store.
fn store(stored: &mut Table, writes: Vec<Learned>) {
    let switch = |name: &str| SWITCHES[usize::from(name == "b")];
    for write in writes {
        match write {
            Learned::Set(row) => stored.insert((switch(&row.switch), row.mac.octets()[5]), row.vtep.octets()[3]),
            Learned::Removed { switch: name, mac, .. } => stored.remove(&(switch(&name), mac.octets()[5])),
        };
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0usize..2, 0u8..6, prop::option::of(1u8..3)).prop_map(|(i, mac, vtep)| Step::Change(i, mac, vtep)),
        1 => (0usize..2).prop_map(Step::Sync),
        1 => (0usize..2).prop_map(Step::Break),
        3 => Just(Step::Write),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    /// However sessions break: what a switch has not withdrawn stays, and in the end the store has what the switches have.
    #[test]
    fn the_store_follows_the_switches(steps in steps()) {
        let mut ledger = Ledger::new(1000);
        let (mut actual, mut stored) = (Table::new(), Table::new());
        let mut connected = [true; 2];
        let mut now = 1_000_000;
        for step in steps {
            now += 1000;
            match step {
                Step::Change(i, mac, vtep) => {
                    match vtep {
                        Some(vtep) => actual.insert((SWITCHES[i], mac), vtep),
                        None => actual.remove(&(SWITCHES[i], mac)),
                    };
                    if connected[i] {
                        ledger.hear(&[name(i)], key(mac), places(i, vtep), now);
                    }
                }
                Step::Sync(i) => {
                    connected[i] = true;
                    ledger.begin(&[name(i)]);
                    for ((_, mac), vtep) in actual.iter().filter(|((switch, _), _)| *switch == SWITCHES[i]) {
                        ledger.hear(&[name(i)], key(*mac), places(i, Some(*vtep)), now);
                    }
                    ledger.complete(&[name(i)], now);
                }
                Step::Break(i) => {
                    connected[i] = false;
                    store(&mut stored, ledger.take(now));
                    let before: Vec<_> = stored.keys().filter(|(switch, _)| *switch == SWITCHES[i]).copied().collect();
                    ledger.begin(&[name(i)]);
                    // Of what it spoke of it has all; of the rest nobody knows.
                    let spoken = actual.iter().filter(|((switch, mac), _)| *switch == SWITCHES[i] && mac % 2 == 0);
                    for ((_, mac), vtep) in spoken {
                        ledger.hear(&[name(i)], key(*mac), places(i, Some(*vtep)), now);
                    }
                    store(&mut stored, ledger.take(now));
                    prop_assert!(before.iter().all(|row| stored.contains_key(row)), "nothing goes that wasn't withdrawn");
                }
                Step::Write => store(&mut stored, ledger.take(now)),
            }
        }
        for (i, own) in SWITCHES.iter().enumerate() {
            ledger.begin(&[name(i)]);
            for ((_, mac), vtep) in actual.iter().filter(|((switch, _), _)| switch == own) {
                ledger.hear(&[name(i)], key(*mac), places(i, Some(*vtep)), now);
            }
            ledger.complete(&[name(i)], now);
        }
        // What is held passes when it has been quiet.
        for _ in 0..5 {
            store(&mut stored, ledger.take(now));
            now += 200_000;
        }
        prop_assert_eq!(&stored, &actual);
        for (i, switch) in SWITCHES.iter().enumerate() {
            let own = actual.keys().filter(|(name, _)| name == switch).count();
            prop_assert_eq!(ledger.count(&name(i), key(0).0), own);
        }
        prop_assert!(!ledger.has_news() && ledger.next_ms().is_none());
    }

    /// A switch never has more than its limit in the store, and always as many as it may.
    #[test]
    fn a_switch_is_cut_off_at_its_limit(steps in steps(), most in 1usize..4) {
        let mut ledger = Ledger::new(most);
        let (mut actual, mut stored) = (Table::new(), Table::new());
        let mut now = 1_000_000;
        for step in steps {
            now += 60_000;
            if let Step::Change(i, mac, vtep) = step {
                match vtep {
                    Some(vtep) => actual.insert((SWITCHES[i], mac), vtep),
                    None => actual.remove(&(SWITCHES[i], mac)),
                };
                ledger.hear(&[name(i)], key(mac), places(i, vtep), now);
            }
            store(&mut stored, ledger.take(now));
            for switch in SWITCHES {
                prop_assert!(stored.keys().filter(|(name, _)| *name == switch).count() <= most);
            }
        }
        prop_assert!(stored.iter().all(|(row, vtep)| actual.get(row) == Some(vtep) || ledger.next_ms().is_some()));
    }
}
