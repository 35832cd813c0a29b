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
    intent::{Announced, Behind, BoundNetwork, DesiredMac, NetworkIntent, SwitchIntent, chunks::Chunked},
    model::{ConnectionId, Ips, Vni},
    plan::{Desired, GuardDecision, InFlight, Obstacle, PlanOutcome, RowCounts, RowKey, Section, Transaction},
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
        sections: [("tor".into(), Section::new("tor".into(), Arc::new(intent)))].into(),
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

/// A switch may have learned tens of thousands, for which a compute node's MAC must not wait.
#[test]
fn an_audit_has_the_macs_that_other_switches_have_learned_apart() {
    const OWN: u8 = 5;
    const RELAYED: [u8; 3] = [100, 101, 102];
    let (mut desired, database) = (desired(OWN), tor());
    let network = Arc::make_mut(desired.networks.get_mut(&network_id(0)).unwrap());
    let announced = |m| Announced { mac: mac(m), vtep: vtep(9), gateway: 7, ips: Ips::None };
    network.behind.macs = Chunked::build(RELAYED.map(announced).to_vec());
    let (replica, policy, in_flight) = (database.replica(), policy(), InFlight::default());
    let planner = planner(&desired, &replica, &policy, &in_flight, GuardDecision::Pass);
    for rows in 1..10 {
        let mut comparison = planner.comparison(None);
        while !planner.compare_some(&mut comparison, rows) {}
        let audit = comparison.into_audit();
        assert_eq!(audit.macs, BTreeMap::from([(network_id(0), (0..OWN).map(mac).collect())]));
        assert_eq!(audit.relayed, BTreeMap::from([(network_id(0), RELAYED.map(mac).to_vec())]));
        let last: Vec<_> = audit.keys().skip(audit.keys().count() - RELAYED.len()).collect();
        assert_eq!(last, RELAYED.map(|m| RowKey::Mac(network_id(0), mac(m))));
    }
}

#[test]
fn what_makes_traffic_possible_is_one_transaction_and_comes_first() {
    let database = tor();
    let (replica, policy, in_flight) = (database.replica(), policy(), InFlight::default());
    let desired = desired(3);
    let planner = planner(&desired, &replica, &policy, &in_flight, GuardDecision::Pass);
    let mut transaction = Transaction::default();
    assert_eq!(planner.add(RowKey::Network(network_id(0)), &mut transaction), PlanOutcome::Added);
    let transaction = transaction.finish(&replica);
    let names: Vec<_> = transaction.operations.iter().map(|op| format!("{op:?}")).collect();
    let starts = ["InsertLogicalSwitch", "InsertLocator ", "InsertLocatorSet", "InsertFlood", "ExpectBindings", "Bind"];
    assert_eq!(names.len(), starts.len(), "{names:#?}");
    for (name, start) in names.iter().zip(starts) {
        assert!(name.starts_with(start), "{names:#?}");
    }
    assert_eq!(transaction.key_of(0), Some(RowKey::Network(network_id(0))));
    assert_eq!(transaction.key_of(5), Some(RowKey::Binding(port(&database, "e1"), 50)));
}

#[test]
fn a_move_is_one_transaction() {
    let mut database = tor();
    let mut desired = desired(1);
    converge(&desired, &mut database, GuardDecision::Pass, 200);
    let network = Arc::make_mut(desired.networks.get_mut(&network_id(0)).unwrap());
    network.macs = Chunked::build(vec![DesiredMac { mac: mac(0), vtep: vtep(2), ip: None }]);
    network.flood = [vtep(2)].into();
    assert_eq!(converge(&desired, &mut database, GuardDecision::Pass, 200), 1);
    assert_eq!(database.locators.values().copied().collect::<Vec<_>>(), [vtep(2)]);
}

#[test]
fn a_vlan_that_a_foreign_row_holds_is_a_conflict_and_nothing_is_written() {
    let mut database = tor();
    let theirs = foreign(&mut database, 7);
    let e1 = port(&database, "e1");
    database.ports.get_mut(&e1).unwrap().1.insert(50, theirs);
    let before = database.clone();
    assert_eq!(converge(&desired(3), &mut database, GuardDecision::Pass, 200), 0);
    assert_eq!(database, before);
    let (replica, policy, in_flight, desired) = (database.replica(), policy(), InFlight::default(), desired(3));
    let planner = planner(&desired, &replica, &policy, &in_flight, GuardDecision::Pass);
    for key in [RowKey::Network(network_id(0)), RowKey::Binding(e1, 50)] {
        assert_eq!(planner.add(key, &mut Transaction::default()), PlanOutcome::Conflict);
    }
}

#[test]
fn a_foreign_logical_switch_with_our_vni_is_a_conflict() {
    let mut database = tor();
    foreign(&mut database, 5);
    let before = database.clone();
    assert_eq!(converge(&desired(3), &mut database, GuardDecision::Pass, 200), 0);
    assert_eq!(database, before);
}

#[test]
fn an_empty_desired_state_deletes_nothing_until_released() {
    let mut database = tor();
    converge(&desired(20), &mut database, GuardDecision::Pass, 200);
    let before = database.clone();
    let empty =
        Desired { sections: [("tor".into(), Section::new("tor".into(), Arc::default()))].into(), ..Desired::default() };
    assert_eq!(converge(&empty, &mut database, GuardDecision::Unknown, 200), 0, "held");
    assert_eq!(database, before);
    converge(&empty, &mut database, GuardDecision::Pass, 200);
    assert!(database.logical_switches.is_empty() && database.ucast.is_empty() && database.locators.is_empty());
}

#[test]
fn few_unexplained_deletions_pass_and_explained_ones_always() {
    let mut database = tor();
    converge(&desired(50), &mut database, GuardDecision::Pass, 200);
    let (policy, in_flight) = (policy(), InFlight::default());
    let decision = |desired: &Desired, database: &Database| {
        let replica = database.replica();
        planner(desired, &replica, &policy, &in_flight, GuardDecision::Unknown).guard_decision()
    };
    assert_eq!(decision(&desired(41), &database), GuardDecision::Pass, "9 rows are fewer than 10");
    assert_eq!(decision(&desired(40), &database), GuardDecision::Pass, "10 of 53 rows are less than 20 %");
    assert_eq!(decision(&desired(39), &database), GuardDecision::Hold, "11 of 53 rows are more than 20 %");
    let mut explained = desired(0);
    let network = Arc::make_mut(explained.networks.get_mut(&network_id(0)).unwrap());
    network.buried = Chunked::build((0..45).map(mac).collect());
    assert_eq!(decision(&explained, &database), GuardDecision::Pass, "5 rows that nothing explains");
    converge(&explained, &mut database, GuardDecision::Unknown, 200);
    assert!(database.ucast.is_empty());
}

#[test]
fn a_logical_switch_stays_until_the_switch_let_go() {
    let mut database = tor();
    converge(&desired(3), &mut database, GuardDecision::Pass, 200);
    let ls = *database.logical_switches.keys().next().unwrap();
    let learned = Uuid::new_v4();
    database.locals.insert(learned, ls);
    let mut gone = desired(0);
    let section = gone.sections.get_mut("tor").unwrap();
    let buried_networks = BTreeSet::from([network_id(0)]);
    section.set_intent(Arc::new(SwitchIntent { buried_networks, ..SwitchIntent::default() }));
    gone.forget_networks();
    converge(&gone, &mut database, GuardDecision::Unknown, 200);
    assert!(database.bound_to(ls).is_empty() && database.ucast.is_empty() && database.mcast.is_empty());
    assert!(database.logical_switches.contains_key(&ls));
    database.locals.remove(&learned);
    converge(&gone, &mut database, GuardDecision::Unknown, 200);
    assert!(database.logical_switches.is_empty());
}

#[test]
fn duplicates_and_garbage_on_our_logical_switch_are_repaired() {
    let mut database = tor();
    converge(&desired(2), &mut database, GuardDecision::Pass, 200);
    let before = database.macs_of(*database.logical_switches.keys().next().unwrap());
    let row = database.ucast.values().next().unwrap().clone();
    database.ucast.insert(Uuid::new_v4(), Ucast { ip: "1.2.3.4".into(), ..row.clone() });
    database.ucast.insert(Uuid::new_v4(), Ucast { mac: "garbage".into(), ..row.clone() });
    database.ucast.insert(Uuid::new_v4(), Ucast { mac: mac(99).to_string(), ..row });
    converge(&desired(2), &mut database, GuardDecision::Unknown, 200);
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
        for transaction in planner(&desired, &replica, &policy, &in_flight, GuardDecision::Unknown).plan(200) {
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
    planner(&desired, &replica, &policy, &in_flight, GuardDecision::Pass)
        .add(RowKey::Network(network_id(0)), &mut first);
    let first = first.finish(&replica);
    in_flight.reserve(&first);
    let again = planner(&desired, &replica, &policy, &in_flight, GuardDecision::Pass);
    for key in first.keys.iter().copied() {
        assert_eq!(again.add(key, &mut Transaction::default()), PlanOutcome::Wait, "{key:?}");
    }
    assert!(matches!(first.operations[1], Operation::InsertLocator { .. }) && in_flight.locators.contains(&vtep(1)));
}

/// 13 networks, each on a VLAN of its own: one on Ethernet41 (`e1`), 12 on Ethernet42 (`e2`).
fn thirteen() -> Desired {
    let bound = |n: u8| BoundNetwork { network: network_id(n), connections: vec![ConnectionId(Uuid::nil())] };
    let name = |n: u8| if n == 0 { "e1" } else { "e2" }.to_owned();
    let intent = SwitchIntent {
        bindings: (0..13).map(|n| ((name(n), vlan(100 + u16::from(n))), bound(n))).collect(),
        networks: (0..13).map(network_id).collect(),
        ..SwitchIntent::default()
    };
    let template = desired(1).networks[&network_id(0)].clone();
    let network = |n: u8| {
        let (id, vni) = (network_id(n), Vni::try_from(5000 + i64::from(n)).ok());
        (id, Arc::new(NetworkIntent { id, vni, ..(*template).clone() }))
    };
    Desired {
        sections: [("tor".into(), Section::new("tor".into(), Arc::new(intent)))].into(),
        networks: (0..13).map(network).collect(),
    }
}

/// Port by name -> VLANs that are bound.
fn vlans(database: &Database) -> BTreeMap<String, Vec<u16>> {
    database.ports.values().map(|(name, bindings)| (name.clone(), bindings.keys().copied().collect())).collect()
}

fn rename(database: &mut Database, renames: &[(&str, &str)]) {
    for (name, _) in database.ports.values_mut() {
        if let Some((_, new)) = renames.iter().find(|(old, _)| old == name) {
            *name = (*new).to_owned();
        }
    }
}

#[test]
fn bindings_follow_ports_that_swap_their_names() {
    for operations in [1, 200] {
        let (mut database, desired) = (tor(), thirteen());
        converge(&desired, &mut database, GuardDecision::Unknown, 200);
        let before = vlans(&database);
        assert_eq!((before["e1"].len(), before["e2"].len()), (1, 12));
        rename(&mut database, &[("e1", "e2"), ("e2", "e1")]);
        converge(&desired, &mut database, GuardDecision::Unknown, operations);
        assert_eq!(vlans(&database), before, "the guard has nothing to hold: no network loses a binding");
    }
}

#[test]
fn a_port_that_loses_its_name_leaves_its_networks() {
    let (mut database, desired) = (tor(), thirteen());
    converge(&desired, &mut database, GuardDecision::Unknown, 200);
    rename(&mut database, &[("e2", "e99")]);
    converge(&desired, &mut database, GuardDecision::Unknown, 200);
    assert_eq!((vlans(&database)["e1"].len(), vlans(&database)["e99"].len()), (1, 0));
    let (replica, policy, in_flight) = (database.replica(), policy(), InFlight::default());
    let dry = planner(&desired, &replica, &policy, &in_flight, GuardDecision::Unknown).dry_run(200, 2, &[]);
    assert_eq!((dry.blocked_total, dry.blocked.len(), dry.row_counts), (12, 2, RowCounts::default()));
    assert_eq!(dry.blocked[0].obstacle, "no_port");
    assert_eq!(dry.blocked[0].reason, "port e2 is not on tor; its ports are: e1, e3, e99");
}

/// Bindings that the desired state lost are no move: nothing of theirs is missing elsewhere.
#[test]
fn bindings_that_the_desired_state_lost_are_held() {
    let (mut database, mut desired) = (tor(), thirteen());
    converge(&desired, &mut database, GuardDecision::Unknown, 200);
    let before = database.clone();
    let section = desired.sections.get_mut("tor").unwrap();
    let mut intent = (*section.intent).clone();
    intent.bindings.retain(|(port, _), _| port == "e1");
    section.set_intent(Arc::new(intent));
    assert_eq!(converge(&desired, &mut database, GuardDecision::Unknown, 200), 0);
    assert_eq!(database, before);
    let (replica, policy, in_flight) = (database.replica(), policy(), InFlight::default());
    let dry = planner(&desired, &replica, &policy, &in_flight, GuardDecision::Unknown).dry_run(200, 100, &[]);
    assert_eq!((dry.held.total, dry.held.networks.len()), (12, 12));
    assert_eq!(dry.held.networks[0].bindings, ["e2 VLAN 101"]);
    database.transact(&dry.held.release.operations).unwrap();
    assert_eq!(vlans(&database)["e2"], [0; 0], "the release sends it");
}

#[test]
fn a_hold_counts_no_row_that_is_wanted() {
    let mut database = tor();
    let desired = desired(20);
    converge(&desired, &mut database, GuardDecision::Pass, 200);
    let (mut policy, in_flight, replica) = (policy(), InFlight::default(), database.replica());
    policy.hold = true;
    let dry = planner(&desired, &replica, &policy, &in_flight, GuardDecision::Unknown).dry_run(200, 100, &[]);
    assert_eq!((dry.held.total, dry.held.rows.len(), dry.row_counts), (0, 0, RowCounts::default()));
}

#[test]
fn a_foreign_row_in_our_place_is_a_difference() {
    let mut database = tor();
    let desired = desired(3);
    converge(&desired, &mut database, GuardDecision::Pass, 200);
    let (theirs, e1) = (foreign(&mut database, 7), port(&database, "e1"));
    database.ports.get_mut(&e1).unwrap().1.insert(50, theirs);
    assert_eq!(converge(&desired, &mut database, GuardDecision::Unknown, 200), 0);
    let (replica, policy, in_flight) = (database.replica(), policy(), InFlight::default());
    let dry = planner(&desired, &replica, &policy, &in_flight, GuardDecision::Unknown).dry_run(200, 100, &[]);
    assert_eq!(dry.blocked_total, 1);
    let row = &dry.blocked[0];
    assert_eq!((row.table, row.row.as_str(), row.obstacle), ("Physical_Port", "e1 VLAN 50", "foreign_binding"));
    assert_eq!(row.change, format!("vtepd-{}", network_id(0)));
    assert!(row.reason.contains("'theirs'"), "{row:?}");
}

/// What a switch refused is a difference too, and no part of the transaction.
#[test]
fn a_row_that_was_refused_is_a_difference() {
    let mut database = tor();
    converge(&desired(1), &mut database, GuardDecision::Pass, 200);
    let (replica, policy, in_flight, desired) = (database.replica(), policy(), InFlight::default(), desired(3));
    let faults = [(RowKey::Mac(network_id(0), mac(1)), Obstacle::Refused("no room".to_owned()))];
    let dry = planner(&desired, &replica, &policy, &in_flight, GuardDecision::Unknown).dry_run(200, 100, &faults);
    assert_eq!((dry.row_counts.inserts, dry.rows.len()), (1, 1));
    assert_eq!(dry.rows[0].row, mac(2).to_string());
    let row = &dry.blocked[0];
    assert_eq!((row.row.clone(), row.obstacle, row.reason.as_str()), (mac(1).to_string(), "refused", "no room"));
}

/// A foreign Logical_Switch takes our VNI later: it is reported, and what stands follows the network's ports.
#[test]
fn standing_rows_follow_a_move_where_a_foreign_logical_switch_took_the_vni() {
    let mut database = tor();
    let mut desired = desired(2);
    converge(&desired, &mut database, GuardDecision::Pass, 200);
    foreign(&mut database, 5);
    let bound = vlans(&database);
    let network = Arc::make_mut(desired.networks.get_mut(&network_id(0)).unwrap());
    let row = |m| DesiredMac { mac: mac(m), vtep: vtep(2), ip: None };
    (network.macs, network.flood) = (Chunked::build([0, 2].map(row).to_vec()), [vtep(2)].into());
    network.buried = Chunked::build(vec![mac(1)]);
    assert_eq!(converge(&desired, &mut database, GuardDecision::Unknown, 200), 1);
    let ours = database.ls_named(&format!("vtepd-{}", network_id(0))).unwrap();
    let expected = BTreeMap::from([0, 2].map(|m| (mac(m), (String::new(), vtep(2)))));
    assert_eq!((database.macs_of(ours), database.flood_of(ours)), (expected, Some([vtep(2)].into())));
    assert_eq!(vlans(&database), bound);
    let (replica, policy, in_flight) = (database.replica(), policy(), InFlight::default());
    let dry = planner(&desired, &replica, &policy, &in_flight, GuardDecision::Unknown).dry_run(200, 100, &[]);
    assert_eq!((dry.blocked_total, dry.blocked[0].obstacle), (1, "foreign_vni"));
}

/// The port's new name wants a network that can't be bound: the binding of its old name moves all the same.
#[test]
fn a_binding_moves_although_the_new_name_of_its_port_wants_what_cannot_be_bound() {
    let (mut database, mut desired) = (tor(), thirteen());
    let section = desired.sections.get_mut("tor").unwrap();
    let mut intent = (*section.intent).clone();
    for vlan_of_e2 in 101..113 {
        let bound = BoundNetwork { network: network_id(13), connections: vec![ConnectionId(Uuid::nil())] };
        intent.bindings.insert(("e3".to_owned(), vlan(vlan_of_e2)), bound);
    }
    intent.networks.insert(network_id(13));
    section.set_intent(Arc::new(intent));
    let without_vni = NetworkIntent { id: network_id(13), vni: None, ..(*desired.networks[&network_id(0)]).clone() };
    desired.networks.insert(network_id(13), Arc::new(without_vni));
    converge(&desired, &mut database, GuardDecision::Unknown, 200);
    let before = vlans(&database);
    assert_eq!((before["e2"].len(), before["e3"].len()), (12, 0));
    rename(&mut database, &[("e2", "e3"), ("e3", "e2")]);
    converge(&desired, &mut database, GuardDecision::Hold, 200);
    assert_eq!(vlans(&database), before);
}
