use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const SWITCHES: [&str; 2] = ["a", "b"];
/// Long enough for every damper to pass.
const QUIET_MS: u64 = 200_000;

/// By switch and MAC: the VTEP.
type Table = BTreeMap<(&'static str, u8), u8>;

#[derive(Debug, Clone)]
enum Step {
    /// A switch has a MAC at a VTEP, or none.
    Change(usize, u8, Option<u8>),
    /// A session begins, reports all, and ends so.
    Sync(usize),
    /// A session begins, reports half, and is lost.
    Break(usize),
    Write,
}

/// A ledger, the store that it writes to, and what the switches have.
struct World {
    ledger: Ledger,
    actual: Table,
    stored: Table,
    now: u64,
    /// What the date says, which nothing must depend on.
    calendar: u64,
}

impl World {
    fn new(most: usize) -> Self {
        let (actual, stored) = (Table::new(), Table::new());
        Self { ledger: Ledger::new(most), actual, stored, now: 1_000_000, calendar: 1_700_000_000_000 }
    }

    fn change(&mut self, i: usize, mac: u8, vtep: Option<u8>) {
        match vtep {
            Some(vtep) => self.actual.insert((SWITCHES[i], mac), vtep),
            None => self.actual.remove(&(SWITCHES[i], mac)),
        };
    }

    fn hear(&mut self, i: usize, mac: u8, vtep: Option<u8>) {
        self.ledger.hear(&[name(i)], key(mac), places(i, vtep), self.now, self.calendar);
    }

    /// The MACs of a switch that `of` chooses are reported.
    fn report(&mut self, i: usize, of: impl Fn(u8) -> bool) {
        for ((switch, mac), vtep) in self.actual.clone() {
            if switch == SWITCHES[i] && of(mac) {
                self.hear(i, mac, Some(vtep));
            }
        }
    }

    fn sync(&mut self, i: usize) {
        self.ledger.begin(&[name(i)]);
        self.report(i, |_| true);
        self.ledger.complete(&[name(i)], self.now);
    }

    fn write(&mut self) {
        let switch = |name: &str| SWITCHES[usize::from(name == "b")];
        for write in self.ledger.take(self.now) {
            match write {
                Learned::Set(row) => {
                    self.stored.insert((switch(&row.switch), row.mac.octets()[5]), row.vtep.octets()[3]);
                }
                Learned::Removed { switch: name, mac, .. } => {
                    let old = self.stored.remove(&(switch(&name), mac.octets()[5]));
                    assert!(old.is_some(), "what isn't there is not removed");
                }
            }
        }
    }

    /// Whether everything that is announced is at a switch that has it now.
    fn announces_what_is_there(&self) -> bool {
        self.stored.iter().all(|(row, vtep)| self.actual.get(row) == Some(vtep))
    }
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

fn change() -> impl Strategy<Value = Step> {
    (0usize..2, 0u8..6, prop::option::of(1u8..3)).prop_map(|(i, mac, vtep)| Step::Change(i, mac, vtep))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => change(),
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
        let mut world = World::new(1000);
        let mut connected = [true; 2];
        for step in steps {
            // Slow enough that no MAC flaps.
            world.now += 60_000;
            match step {
                Step::Change(i, mac, vtep) => {
                    world.change(i, mac, vtep);
                    if connected[i] {
                        world.hear(i, mac, vtep);
                    }
                }
                Step::Sync(i) => {
                    connected[i] = true;
                    world.sync(i);
                }
                Step::Break(i) => {
                    connected[i] = false;
                    world.write();
                    let before: Vec<_> = world.stored.keys().filter(|(name, _)| *name == SWITCHES[i]).copied().collect();
                    world.ledger.begin(&[name(i)]);
                    // Of what it spoke of it has all; of the rest nobody knows.
                    world.report(i, |mac| mac % 2 == 0);
                    world.write();
                    let stays = before.iter().all(|row| world.stored.contains_key(row));
                    prop_assert!(stays, "nothing goes that wasn't withdrawn");
                }
                Step::Write => world.write(),
            }
        }
        (0..2).for_each(|i| world.sync(i));
        for _ in 0..5 {
            world.write();
            world.now += QUIET_MS;
        }
        prop_assert_eq!(&world.stored, &world.actual);
        for (i, switch) in SWITCHES.iter().enumerate() {
            let has = world.actual.keys().any(|(name, _)| name == switch);
            prop_assert_eq!(world.ledger.has_any(&name(i), key(0).0), has);
        }
        prop_assert_eq!(world.ledger.next_ms(), None);
    }

    /// Whatever is learned, withdrawn and moved at whatever pace, and whatever the calendar says: a MAC that is announced is
    /// at a switch that has it now, and once it is quiet each MAC is announced where it was learned last.
    #[test]
    fn an_announced_mac_is_at_a_switch_that_has_it_now(
        steps in prop::collection::vec((change(), 0u64..3000, any::<bool>(), 0u64..4_000_000_000_000), 0..300),
    ) {
        let mut world = World::new(1000);
        let mut latest: BTreeMap<u8, usize> = BTreeMap::new();
        for (step, gap, write, calendar) in steps {
            (world.now, world.calendar) = (world.now + gap, calendar);
            if let Step::Change(i, mac, vtep) = step {
                let moves = vtep.is_some() && world.actual.get(&(SWITCHES[i], mac)).copied() != vtep;
                world.change(i, mac, vtep);
                world.hear(i, mac, vtep);
                if moves {
                    latest.insert(mac, i);
                }
            }
            if write {
                world.write();
                prop_assert!(world.announces_what_is_there(), "{:?} of {:?}", world.stored, world.actual);
            }
        }
        let before: Vec<_> = world.ledger.flapping().collect();
        for _ in 0..3 {
            world.now += QUIET_MS;
            world.write();
        }
        prop_assert_eq!(&world.stored, &world.actual, "held before: {:?}", before);
        let stamp = |i: usize, mac: u8| match &world.ledger.switches[&name(i)].rows[&key(mac)].stored {
            Some(seen) => seen.stamp,
            None => 0,
        };
        for (mac, i) in latest {
            let there = |i: usize| world.actual.contains_key(&(SWITCHES[i], mac));
            if there(0) && there(1) {
                prop_assert!(stamp(i, mac) > stamp(1 - i, mac), "the last one has it");
            }
        }
        prop_assert_eq!(world.ledger.flapping().count(), 0);
    }

    /// A switch never has more than its limit in the store or in memory, and always as many as it may.
    #[test]
    fn a_switch_is_cut_off_at_its_limit(steps in steps(), most in 1usize..4) {
        let mut world = World::new(most);
        // Beyond twice as many, a switch is known to have more, but not which.
        let mut forgot = [false; 2];
        for step in steps {
            world.now += 60_000;
            if let Step::Change(i, mac, vtep) = step {
                world.change(i, mac, vtep);
                world.hear(i, mac, vtep);
            }
            world.write();
            for (i, switch) in SWITCHES.into_iter().enumerate() {
                let has = |table: &Table| table.keys().filter(|(name, _)| *name == switch).count();
                forgot[i] |= has(&world.actual) > 2 * most;
                let is_full = has(&world.stored) == has(&world.actual).min(most);
                prop_assert!(is_full || forgot[i] && has(&world.stored) <= most);
                let overflows = world.ledger.overflowing().any(|(name, _)| **name == *switch);
                prop_assert_eq!(overflows, forgot[i] || has(&world.actual) > most);
                if let Some(switch) = world.ledger.switches.get(switch) {
                    prop_assert!(switch.rows.len() <= most && switch.refused.len() <= most);
                }
            }
            prop_assert!(world.announces_what_is_there());
        }
    }
}

/// A host that moves back and forth is held; then it is plugged in behind the other switch and stays there.
#[test]
fn a_mac_that_flaps_is_announced_nowhere_until_it_is_quiet() {
    let mut world = World::new(1000);
    for i in 0..20 {
        world.now += 1000;
        world.change(i % 2, 7, None);
        world.hear(i % 2, 7, None);
        world.write();
        world.change((i + 1) % 2, 7, Some(1));
        world.hear((i + 1) % 2, 7, Some(1));
        world.write();
        assert!(world.announces_what_is_there());
    }
    assert!(world.stored.is_empty(), "{:?}", world.stored);
    let [(held, switches)] = world.ledger.flapping().collect::<Vec<_>>().try_into().expect("one MAC");
    assert_eq!(held, key(7));
    assert!(switches.contains(&name(0)), "{switches:?}");
    assert!(world.ledger.has_any("a", key(7).0), "a gateway whose only MAC flaps is not idle");
    world.now = world.ledger.next_ms().expect("it passes");
    world.write();
    assert_eq!(world.stored, Table::from([(("a", 7), 1)]));
    assert_eq!(world.ledger.flapping().count(), 0);
}

/// A switch that invents MACs and forgets them at once takes neither memory nor the store from the other.
#[test]
fn churn_is_bounded_and_delays_no_other_switch() {
    const MOST: usize = 5000;
    let mut ledger = Ledger::new(MOST);
    let mac = |n: u32| {
        let octets = n.to_be_bytes();
        (NetworkId(Uuid::nil()), MacAddr::new([2, 0, octets[0], octets[1], octets[2], octets[3]]))
    };
    let (mut next, mut written, mut now) = (0, 0, 1_000_000);
    for second in 0..10 {
        for slice in 0..10 {
            // 2,000 new ones, while those of a moment ago are withdrawn.
            for n in next..next + 2000 {
                ledger.hear(&[name(0)], mac(n), places(0, Some(1)), now, 0);
            }
            for n in next.saturating_sub(2000)..next {
                ledger.hear(&[name(0)], mac(n), Vec::new(), now, 0);
            }
            next += 2000;
            ledger.hear(&[name(1)], mac(u32::MAX - second * 10 - slice), places(1, Some(2)), now, 0);
            let writes = ledger.take(now);
            let others = writes.iter().filter(|write| matches!(write, Learned::Set(row) if row.switch == "b")).count();
            assert_eq!(others, 1, "in the very next write");
            written += writes.len() - others;
            now += 100;
            let switch = &ledger.switches["a"];
            assert!(switch.rows.len() <= MOST && switch.refused.len() <= MOST && switch.dirty.len() <= MOST);
        }
    }
    let budget = MOST + usize::try_from(10 * super::super::budget::RATE).unwrap_or(0);
    assert!(written <= budget, "{written} of {budget}");
    assert_eq!(ledger.throttled(now), BTreeSet::from([name(0)]));
    // It is quiet again: what is left is written, and the switch recovers.
    while let Some(at) = ledger.next_ms().filter(|at| *at < now + 60_000) {
        now = now.max(at);
        ledger.take(now);
        ledger.throttled(now);
    }
    assert!(ledger.throttled(now).is_empty());
}
