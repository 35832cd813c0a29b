//! Single rules of the architecture, each on the smallest example that shows it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use uuid::Uuid;

use super::{
    database::{Database, LogicalSwitch, Ucast},
    scenario::*,
};
use crate::{
    intent::{Behind, BoundNetwork, DesiredMac, NetworkIntent, SwitchIntent, chunks::Chunked},
    model::{ConnectionId, Vni},
    plan::{Desired, Guard, InFlight, Key, Section, Transaction, Verdict},
    vtep::{Operation, Ownership},
};

/// Network 0 with VNI 5 on port e1, VLAN 50; MACs 0.. on VTEP 192.0.2.1.
fn desired(macs: u8) -> Desired {
    let row = |m| DesiredMac { mac: mac(m), vtep: vtep(1), ip: None };
    let network = NetworkIntent {
        id: network_id(0),
        name: "net".into(),
        vni: Vni::try_from(5).ok(),
        macs: Chunked::build((0..macs).map(row).collect()),
        flood: [vtep(1)].into(),
        contested: Chunked::default(),
        buried: Chunked::default(),
        more_ips: Chunked::default(),
        behind: Behind::default(),
        unreached: std::sync::Arc::default(),
    };
    let bound = BoundNetwork { network: network.id, connections: vec![ConnectionId(Uuid::nil())] };
    let intent = SwitchIntent {
        bindings: BTreeMap::from([(("e1".to_owned(), vlan(50)), bound)]),
        networks: BTreeSet::from([network.id]),
        ..SwitchIntent::default()
    };
    Desired {
        sections: [("tor".into(), Section { physical_switch: "tor".into(), intent: Arc::new(intent) })].into(),
        networks: [(network.id, Arc::new(network))].into_iter().collect(),
    }
}

fn port(database: &Database, name: &str) -> Uuid {
    *database.ports.iter().find(|(_, (n, _))| n == name).unwrap().0
}

fn foreign(database: &mut Database, key: i64) -> Uuid {
    let ls = Uuid::new_v4();
    let row = LogicalSwitch { name: "theirs".into(), key: Some(key), mode: None, description: String::new() };
    database.logical_switches.insert(ls, row);
    ls
}

#[test]
fn what_makes_traffic_possible_is_one_transaction_and_comes_first() {
    let database = tor();
    let (replica, policy, in_flight) = (database.replica(), policy(), InFlight::default());
    let desired = desired(3);
    let planner = planner(&desired, &replica, &policy, &in_flight, Guard::Pass);
    let mut transaction = Transaction::default();
    assert_eq!(planner.add(Key::Network(network_id(0)), &mut transaction), Verdict::Added);
    let transaction = transaction.finish(&replica);
    let names: Vec<_> = transaction.operations.iter().map(|op| format!("{op:?}")).collect();
    let starts = ["InsertLogicalSwitch", "InsertLocator ", "InsertLocatorSet", "InsertFlood", "ExpectBindings", "Bind"];
    assert_eq!(names.len(), starts.len(), "{names:#?}");
    for (name, start) in names.iter().zip(starts) {
        assert!(name.starts_with(start), "{names:#?}");
    }
    assert_eq!(transaction.key_of(0), Some(Key::Network(network_id(0))));
    assert_eq!(transaction.key_of(5), Some(Key::Binding(port(&database, "e1"), 50)));
}

#[test]
fn a_move_is_one_transaction() {
    let mut database = tor();
    let mut desired = desired(1);
    converge(&desired, &mut database, Guard::Pass, 200);
    let network = Arc::make_mut(desired.networks.get_mut(&network_id(0)).unwrap());
    network.macs = Chunked::build(vec![DesiredMac { mac: mac(0), vtep: vtep(2), ip: None }]);
    network.flood = [vtep(2)].into();
    assert_eq!(converge(&desired, &mut database, Guard::Pass, 200), 1);
    assert_eq!(database.locators.values().copied().collect::<Vec<_>>(), [vtep(2)]);
}

#[test]
fn a_vlan_that_a_foreign_row_holds_is_a_conflict_and_nothing_is_written() {
    let mut database = tor();
    let theirs = foreign(&mut database, 7);
    let e1 = port(&database, "e1");
    database.ports.get_mut(&e1).unwrap().1.insert(50, theirs);
    let before = database.clone();
    assert_eq!(converge(&desired(3), &mut database, Guard::Pass, 200), 0);
    assert_eq!(database, before);
    let (replica, policy, in_flight, desired) = (database.replica(), policy(), InFlight::default(), desired(3));
    let planner = planner(&desired, &replica, &policy, &in_flight, Guard::Pass);
    for key in [Key::Network(network_id(0)), Key::Binding(e1, 50)] {
        assert_eq!(planner.add(key, &mut Transaction::default()), Verdict::Conflict);
    }
}

#[test]
fn a_foreign_logical_switch_with_our_vni_is_a_conflict() {
    let mut database = tor();
    foreign(&mut database, 5);
    let before = database.clone();
    assert_eq!(converge(&desired(3), &mut database, Guard::Pass, 200), 0);
    assert_eq!(database, before);
}

#[test]
fn an_empty_desired_state_deletes_nothing_until_released() {
    let mut database = tor();
    converge(&desired(20), &mut database, Guard::Pass, 200);
    let before = database.clone();
    let empty = Desired {
        sections: [("tor".into(), Section { physical_switch: "tor".into(), ..Section::default() })].into(),
        ..Desired::default()
    };
    assert_eq!(converge(&empty, &mut database, Guard::Unknown, 200), 0, "held");
    assert_eq!(database, before);
    converge(&empty, &mut database, Guard::Pass, 200);
    assert!(database.logical_switches.is_empty() && database.ucast.is_empty() && database.locators.is_empty());
}

#[test]
fn few_unexplained_deletions_pass_and_explained_ones_always() {
    let mut database = tor();
    converge(&desired(50), &mut database, Guard::Pass, 200);
    let (policy, in_flight) = (policy(), InFlight::default());
    let verdict = |desired: &Desired, database: &Database| {
        let replica = database.replica();
        planner(desired, &replica, &policy, &in_flight, Guard::Unknown).guard_verdict()
    };
    assert_eq!(verdict(&desired(41), &database), Guard::Pass, "9 rows are fewer than 10");
    assert_eq!(verdict(&desired(40), &database), Guard::Pass, "10 of 53 rows are less than 20 %");
    assert_eq!(verdict(&desired(39), &database), Guard::Hold, "11 of 53 rows are more than 20 %");
    let mut explained = desired(0);
    let network = Arc::make_mut(explained.networks.get_mut(&network_id(0)).unwrap());
    network.buried = Chunked::build((0..45).map(mac).collect());
    assert_eq!(verdict(&explained, &database), Guard::Pass, "5 rows that nothing explains");
    converge(&explained, &mut database, Guard::Unknown, 200);
    assert!(database.ucast.is_empty());
}

#[test]
fn a_logical_switch_stays_until_the_switch_let_go() {
    let mut database = tor();
    converge(&desired(3), &mut database, Guard::Pass, 200);
    let ls = *database.logical_switches.keys().next().unwrap();
    let learned = Uuid::new_v4();
    database.locals.insert(learned, ls);
    let mut gone = desired(0);
    let section = gone.sections.get_mut("tor").unwrap();
    let buried_networks = BTreeSet::from([network_id(0)]);
    section.intent = Arc::new(SwitchIntent { buried_networks, ..SwitchIntent::default() });
    gone.forget_networks();
    converge(&gone, &mut database, Guard::Unknown, 200);
    assert!(database.bound_to(ls).is_empty() && database.ucast.is_empty() && database.mcast.is_empty());
    assert!(database.logical_switches.contains_key(&ls));
    database.locals.remove(&learned);
    converge(&gone, &mut database, Guard::Unknown, 200);
    assert!(database.logical_switches.is_empty());
}

#[test]
fn duplicates_and_garbage_on_our_logical_switch_are_repaired() {
    let mut database = tor();
    converge(&desired(2), &mut database, Guard::Pass, 200);
    let before = database.macs_of(*database.logical_switches.keys().next().unwrap());
    let row = database.ucast.values().next().unwrap().clone();
    database.ucast.insert(Uuid::new_v4(), Ucast { ip: "1.2.3.4".into(), ..row.clone() });
    database.ucast.insert(Uuid::new_v4(), Ucast { mac: "garbage".into(), ..row.clone() });
    database.ucast.insert(Uuid::new_v4(), Ucast { mac: mac(99).to_string(), ..row });
    converge(&desired(2), &mut database, Guard::Unknown, 200);
    assert_eq!(database.ucast.len(), 2);
    assert_eq!(database.macs_of(*database.logical_switches.keys().next().unwrap()), before);
}

#[test]
fn bare_uuids_are_adopted_only_of_networks_that_are_known() {
    let mut database = tor();
    for n in [0, 9] {
        let name = network_id(n).to_string();
        let row = LogicalSwitch { name, key: Some(5 + i64::from(n)), mode: None, description: String::new() };
        database.logical_switches.insert(Uuid::new_v4(), row);
    }
    let (policy, in_flight, desired) = (policy(), InFlight::default(), desired(1));
    for _ in 0..3 {
        let replica = database.replica_of(Ownership::new("vtepd", &[String::new()]));
        for transaction in planner(&desired, &replica, &policy, &in_flight, Guard::Unknown).plan(200) {
            database.transact(&transaction.operations).unwrap();
        }
    }
    let names: BTreeSet<_> = database.logical_switches.values().map(|row| row.name.clone()).collect();
    assert_eq!(names, BTreeSet::from([network_id(0).to_string(), network_id(9).to_string()]), "adopted under its name");
    assert_eq!(database.macs_of(database.ls_named(&network_id(0).to_string()).unwrap()).len(), 1);
    assert_eq!(database.hanging_on(database.ls_named(&network_id(9).to_string()).unwrap()).1.len(), 0);
}

#[test]
fn what_is_under_way_is_not_planned_again() {
    let database = tor();
    let (replica, policy, desired) = (database.replica(), policy(), desired(1));
    let mut in_flight = InFlight::default();
    let mut first = Transaction::default();
    planner(&desired, &replica, &policy, &in_flight, Guard::Pass).add(Key::Network(network_id(0)), &mut first);
    let first = first.finish(&replica);
    in_flight.reserve(&first);
    let again = planner(&desired, &replica, &policy, &in_flight, Guard::Pass);
    for key in first.keys.iter().copied() {
        assert_eq!(again.add(key, &mut Transaction::default()), Verdict::Wait, "{key:?}");
    }
    assert!(matches!(first.operations[1], Operation::InsertLocator { .. }) && in_flight.locators.contains(&vtep(1)));
}
