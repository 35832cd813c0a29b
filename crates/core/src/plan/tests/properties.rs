//! For any desired state and any database: applying what is planned reaches the desired state, planning again finds
//! nothing, foreign rows stay, and every transaction on the way keeps the references.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use uuid::Uuid;

use super::{
    database::{Database, LogicalSwitch},
    scenario::*,
};
use crate::{
    model::{NetworkId, VlanId},
    plan::{BlockedSubject, Counting, Desired, GuardDecision, InFlight, RowCounts},
    vtep::Ownership,
};

fn owner(name: &str) -> Option<NetworkId> {
    Ownership::new("vtepd", &["old".to_owned()]).owner(name).0.network()
}

/// Networks that the switch `tor` should carry, and those that only an absent switch should.
fn wanted(desired: &Desired) -> (BTreeSet<NetworkId>, BTreeSet<NetworkId>) {
    let here = desired.sections["tor"].intent.networks.clone();
    let absent = desired.sections["absent"].intent.networks.difference(&here).copied().collect();
    (here, absent)
}

fn foreign(database: &Database) -> Vec<Uuid> {
    let foreign = |(_, row): &(&Uuid, &LogicalSwitch)| owner(&row.name).is_none();
    database.logical_switches.iter().filter(foreign).map(|(uuid, _)| *uuid).collect()
}

/// The network that has a VLAN of a port: of those that want it the one that had it before, or else the first.
fn has(desired: &Desired, before: &Database, of: &(String, VlanId), port: Uuid) -> Option<NetworkId> {
    let intent = &desired.sections["tor"].intent;
    let holder = before.ports[&port].1.get(&of.1.get()).and_then(|ls| owner(&before.logical_switches[ls].name));
    let mut wanting = intent.wanting(of);
    holder.filter(|holder| intent.wanting(of).any(|network| network == *holder)).or_else(|| wanting.next())
}

fn check_end(desired: &Desired, before: &Database, end: &Database) {
    let (here, absent) = wanted(desired);
    let foreign = foreign(before);
    for ls in &foreign {
        assert_eq!(end.hanging_on(*ls), before.hanging_on(*ls), "a foreign Logical_Switch was touched");
    }
    let foreign_keys: BTreeSet<i64> = foreign.iter().filter_map(|ls| before.logical_switches[ls].key).collect();
    let ports: BTreeMap<&str, Uuid> = end.ports.iter().map(|(uuid, (name, _))| (name.as_str(), *uuid)).collect();
    let vni = |id: &NetworkId| desired.networks.get(id)?.vni.map(|vni| i64::from(vni.get()));
    let is_foreign = |id: &NetworkId| vni(id).is_some_and(|vni| foreign_keys.contains(&vni));
    let chosen = |id: &NetworkId| ["vtepd", "old"].iter().find_map(|prefix| end.ls_named(&format!("{prefix}-{id}")));
    // Others of ours that have the VNI at the end: the network waits for them.
    let holders = |id: &NetworkId| -> Vec<Uuid> {
        let of = |(ls, row): &(&Uuid, &LogicalSwitch)| {
            vni(id).is_some() && row.key == vni(id) && Some(**ls) != chosen(id) && owner(&row.name).is_some()
        };
        end.logical_switches.iter().filter(of).map(|(ls, _)| *ls).collect()
    };
    for id in &here {
        for ls in holders(id) {
            let holder = owner(&end.logical_switches[&ls].name).unwrap();
            // Who isn't wanted here is judged below.
            let is_wanted = here.contains(&holder) && chosen(&holder) == Some(ls) && vni(&holder).is_some();
            let keeps = vni(&holder) == vni(id) || is_foreign(&holder) || !holders(&holder).is_empty();
            assert!(!is_wanted || keeps, "{holder} keeps the VNI of {id} without a reason");
        }
    }
    let is_blocked = |id: &NetworkId| is_foreign(id) || !holders(id).is_empty();
    let conflicts = |id: &NetworkId| vni(id).is_none() || is_blocked(id);

    for (ls, row) in &end.logical_switches {
        let Some(network) = owner(&row.name) else { continue };
        if here.contains(&network) && !conflicts(&network) {
            continue;
        }
        if absent.contains(&network) || here.contains(&network) {
            let is_there = before.logical_switches.contains_key(ls);
            assert!(is_there, "written although the switch is absent, or the VNI is somebody else's");
            continue;
        }
        let learned = end.locals.values().any(|local| local == ls);
        assert!(learned, "{} is left over", row.name);
        assert!(end.bound_to(*ls).is_empty() && end.macs_of(*ls).is_empty() && end.flood_of(*ls).is_none());
    }

    for id in here.iter().filter(|id| vni(id).is_some()) {
        let intent = &desired.networks[id];
        let bound: Vec<(Uuid, u16)> = desired.sections["tor"]
            .bindings_of(*id)
            .iter()
            .filter_map(|of| Some((of, *ports.get(of.0.as_str())?)))
            .filter(|(of, port)| has(desired, before, of, *port) == Some(*id))
            .map(|((_, vlan), port)| (port, vlan.get()))
            .collect();
        let free = |(port, vlan): &(Uuid, u16)| before.ports[port].1.get(vlan).is_none_or(|ls| !foreign.contains(ls));
        let rightful: BTreeSet<_> = bound.iter().copied().filter(free).collect();
        let names = ["vtepd", "old"].map(|prefix| format!("{prefix}-{id}"));
        let found: Vec<_> = names.iter().filter_map(|name| end.ls_named(name)).collect();
        if found.is_empty() && is_blocked(id) {
            continue;
        }
        if found.is_empty() {
            assert!(!bound.is_empty() && rightful.is_empty(), "{id} is not there");
            continue;
        }
        let (ls, surplus) = (found[0], &found[1..]);
        for ls in surplus {
            assert!(end.locals.values().any(|local| local == ls), "a Logical_Switch of an earlier prefix is left over");
        }
        let row = &end.logical_switches[&ls];
        assert_eq!(row.mode, Some("source_node"));
        assert_eq!(row.description, *intent.name);
        // 192.0.2.5 is the switch itself.
        let flood: BTreeSet<_> = intent.flood.iter().copied().filter(|ip| *ip != vtep(5)).collect();
        assert_eq!(end.flood_of(ls).unwrap_or_default(), flood);
        let macs = intent.macs.iter().filter(|row| row.vtep != vtep(5));
        let macs: BTreeMap<_, _> =
            macs.map(|row| (row.mac, (row.ip.map(|ip| ip.to_string()).unwrap_or_default(), row.vtep))).collect();
        assert_eq!(end.macs_of(ls), macs);
        assert_eq!(end.ucast.values().filter(|row| row.ls == ls).count(), macs.len(), "a duplicate is left over");
        let held: BTreeSet<_> = end.bound_to(ls);
        if is_blocked(id) {
            // What stands stays, and follows the network's ports; nothing new is bound to a VNI that two have.
            assert_eq!(row.key, before.logical_switches[&ls].key);
            let stood = names.iter().filter_map(|name| before.ls_named(name)).flat_map(|ls| before.bound_to(ls));
            let stood: BTreeSet<_> = stood.filter(|binding| rightful.contains(binding)).collect();
            // While nobody had the VNI yet, more may have been bound.
            let is_right =
                if is_foreign(id) { held == stood } else { held.is_superset(&stood) && held.is_subset(&rightful) };
            assert!(is_right, "bindings of {id}: {held:?}, not {stood:?}");
        } else {
            assert_eq!(row.key, vni(id));
            assert_eq!(held, rightful, "bindings of {id}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_database_reaches_any_desired_state(
        desired in any_desired(),
        before in any_database(),
        operations in prop::sample::select(vec![1usize, 7, 200]),
    ) {
        let mut database = before.clone();
        converge(&desired, &mut database, GuardDecision::Pass, operations);
        check_end(&desired, &before, &database);
        let replica = database.replica();
        let (policy, in_flight) = (policy(), InFlight::default());
        let again = planner(&desired, &replica, &policy, &in_flight, GuardDecision::Pass).plan(200);
        prop_assert!(again.is_empty(), "{again:#?}");
        let left = planner(&desired, &replica, &policy, &in_flight, GuardDecision::Pass).count_unexplained().total();
        prop_assert!(left <= database.locals.len(), "only what the switch itself holds on to");
    }

    /// From one desired state to another, as gateways and connections change.
    #[test]
    fn any_desired_state_follows_any_other(first in any_desired(), second in any_desired()) {
        let mut database = tor();
        converge(&first, &mut database, GuardDecision::Pass, 200);
        let between = database.clone();
        converge(&second, &mut database, GuardDecision::Pass, 200);
        check_end(&second, &between, &database);
    }

    /// Ports are renamed on the switch: bindings follow the names, and no port stays in a network that its name doesn't have.
    /// The guard holds nothing of it, not even where it holds everything that nothing explains.
    #[test]
    fn bindings_follow_the_names_of_ports(
        desired in any_desired(),
        names in Just(["e1", "e2", "e3", "gone", "new"]).prop_shuffle(),
        operations in prop::sample::select(vec![1usize, 3, 200]),
    ) {
        let mut database = tor();
        converge(&desired, &mut database, GuardDecision::Pass, 200);
        for ((name, _), new) in database.ports.values_mut().zip(names) {
            *name = new.to_owned();
        }
        let between = database.clone();
        converge(&desired, &mut database, GuardDecision::Hold, operations);
        check_end(&desired, &between, &database);
    }

    /// What isn't on the switch when nothing is left to be done is reported, and nothing else is.
    #[test]
    fn what_stays_different_is_blocked(desired in any_desired(), before in any_database()) {
        let mut database = before.clone();
        converge(&desired, &mut database, GuardDecision::Pass, 200);
        let (replica, policy, in_flight) = (database.replica(), policy(), InFlight::default());
        let planner = planner(&desired, &replica, &policy, &in_flight, GuardDecision::Pass);
        let blocked: BTreeSet<_> = planner.blocked().into_iter().map(|blocked| blocked.subject).collect();
        let dry = planner.dry_run(200, 1000, &[]);
        prop_assert_eq!((dry.row_counts, dry.blocked_total), (RowCounts::default(), blocked.len()));
        let section = &desired.sections["tor"];
        for of @ (port, vlan) in section.intent.bindings.keys() {
            let found = database.ports.iter().find(|(_, (name, _))| name == port);
            let network = found.map_or(section.intent.bindings[of].network, |(uuid, _)| has(&desired, &database, of, *uuid).unwrap());
            let port_row = found.map(|(_, row)| row);
            let holder = port_row.and_then(|(_, bindings)| bindings.get(&vlan.get()));
            let is_right = holder.is_some_and(|ls| owner(&database.logical_switches[ls].name) == Some(network));
            let subject = BlockedSubject::Binding { switch: "tor".to_owned(), port: port.clone(), vlan: *vlan, network };
            let is_told = blocked.contains(&subject) || blocked.contains(&BlockedSubject::Network(network));
            prop_assert!(!is_right || !blocked.contains(&subject), "{subject:?}: {blocked:?}");
            prop_assert!(is_right || is_told, "{subject:?}: {blocked:?}");
        }
        let absent = &desired.sections["absent"].intent.networks;
        prop_assert_eq!(blocked.contains(&BlockedSubject::Switch("absent".to_owned())), !absent.is_empty());
        prop_assert!(!blocked.contains(&BlockedSubject::Switch("tor".to_owned())));
    }

    /// An operator's hold holds deletions, never a row that is wanted; and a release sends what was held.
    #[test]
    fn a_hold_lists_what_a_release_sends(desired in any_desired(), before in any_database()) {
        let mut database = before.clone();
        let (mut policy, in_flight) = (policy(), InFlight::default());
        policy.hold = true;
        for _ in 0..50 {
            let replica = database.replica();
            let planner = planner(&desired, &replica, &policy, &in_flight, GuardDecision::Unknown);
            let transactions = planner.plan(200);
            let Some(first) = transactions.first() else { break };
            database.transact(&first.operations).unwrap();
        }
        let replica = database.replica();
        let planner = planner(&desired, &replica, &policy, &in_flight, GuardDecision::Unknown);
        let dry = planner.dry_run(200, 10_000, &[]);
        prop_assert_eq!(dry.row_counts, RowCounts::default());
        prop_assert_eq!(dry.held.total, dry.held.rows.len());
        prop_assert_eq!(dry.held.total, dry.held.networks.iter().map(|network| network.rows).sum::<usize>());
        let Some(last) = replica.logical_switches().count().checked_sub(1) else { return Ok(()) };
        // A Logical_Switch that the switch itself keeps is held, and a release can't delete it.
        let kept = database.locals.len();
        if dry.held.total > last + kept {
            prop_assert!(!dry.held.release.operations.is_empty(), "{dry:#?}");
        }
        for row in dry.held.rows.iter().filter(|row| row.table == "Ucast_Macs_Remote") {
            let network = row.network_id.unwrap();
            let wanted = desired.sections["tor"].intent.networks.contains(&network);
            let mac = row.row.parse().ok();
            let has = |mac| desired.networks.get(&network).is_some_and(|intent| planner.desired_mac(intent, mac).is_some());
            prop_assert!(!wanted || !mac.is_some_and(has), "{row:?} is wanted");
        }
        database.transact(&dry.held.release.operations).unwrap();
    }

    /// What is compared and counted a slice at a time finds the same as at once.
    #[test]
    fn slices_find_the_same(desired in any_desired(), before in any_database(), rows in 1..9_usize) {
        let (policy, in_flight, replica) = (policy(), InFlight::default(), before.replica());
        let planner = planner(&desired, &replica, &policy, &in_flight, GuardDecision::Unknown);
        let some: BTreeSet<_> = desired.networks.keys().copied().take(2).collect();
        for only in [None, Some(&some)] {
            let mut comparison = planner.comparison(only);
            while !planner.compare_some(&mut comparison, rows) {}
            prop_assert_eq!(comparison.into_audit(), planner.audit(only));
        }
        let mut counting = Counting::default();
        while !planner.count_some(&mut counting, rows) {}
        prop_assert_eq!(counting.into_count(), planner.count_unexplained());
    }

    /// What the guard holds is exactly what nothing explains: with everything held, no unexplained row goes.
    #[test]
    fn held_deletions_are_not_sent(desired in any_desired(), before in any_database()) {
        let mut database = before.clone();
        let (policy, in_flight) = (policy(), InFlight::default());
        let replica = before.replica();
        let count = planner(&desired, &replica, &policy, &in_flight, GuardDecision::Unknown).count_unexplained();
        converge(&desired, &mut database, GuardDecision::Hold, 50);
        let replica = database.replica();
        let after = planner(&desired, &replica, &policy, &in_flight, GuardDecision::Unknown).count_unexplained();
        prop_assert!(after.total() >= count.total().min(1), "{count:?} {after:?}");
        for (ls, row) in &before.logical_switches {
            let Some(network) = owner(&row.name) else { continue };
            let gone = desired.sections.values().all(|s| !s.intent.networks.contains(&network));
            let explained = desired.sections.values().any(|s| s.intent.buried_networks.contains(&network));
            if gone && !explained {
                let (was, is) = (before.hanging_on(*ls), database.hanging_on(*ls));
                prop_assert_eq!((is.0, is.1, is.2), (was.0, was.1, was.2));
            }
        }
    }
}
