//! For any desired state and any database: applying what is planned reaches the desired state, planning again finds
//! nothing, foreign rows stay, and every transaction on the way keeps the references.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use uuid::Uuid;

use super::{database::Database, scenario::*};
use crate::{
    model::NetworkId,
    plan::{Desired, Guard, InFlight},
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
    let foreign = |(_, row): &(&Uuid, &super::database::LogicalSwitch)| owner(&row.name).is_none();
    database.logical_switches.iter().filter(foreign).map(|(uuid, _)| *uuid).collect()
}

fn check_end(desired: &Desired, before: &Database, end: &Database) {
    let (here, absent) = wanted(desired);
    let foreign = foreign(before);
    for ls in &foreign {
        assert_eq!(end.hanging_on(*ls), before.hanging_on(*ls), "a foreign Logical_Switch was touched");
    }
    let foreign_keys: BTreeSet<i64> = foreign.iter().filter_map(|ls| before.logical_switches[ls].key).collect();
    let ports: BTreeMap<&str, Uuid> = end.ports.iter().map(|(uuid, (name, _))| (name.as_str(), *uuid)).collect();
    let conflicts = |id: &NetworkId| {
        let vni = desired.networks[id].vni.map(|vni| i64::from(vni.get()));
        vni.is_none_or(|vni| foreign_keys.contains(&vni))
    };

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

    for id in here.iter().filter(|id| !conflicts(id)) {
        let intent = &desired.networks[id];
        let bound = desired.sections["tor"].intent.bindings.iter().filter(|(_, bound)| bound.network == *id);
        let bound: Vec<(Uuid, u16)> =
            bound.filter_map(|((port, vlan), _)| Some((*ports.get(port.as_str())?, vlan.get()))).collect();
        let free = |(port, vlan): &(Uuid, u16)| before.ports[port].1.get(vlan).is_none_or(|ls| !foreign.contains(ls));
        let rightful: BTreeSet<_> = bound.iter().copied().filter(free).collect();
        let names = ["vtepd", "old"].map(|prefix| format!("{prefix}-{id}"));
        let found: Vec<_> = names.iter().filter_map(|name| end.ls_named(name)).collect();
        if found.is_empty() {
            assert!(!bound.is_empty() && rightful.is_empty(), "{id} is not there");
            continue;
        }
        let (ls, surplus) = (found[0], &found[1..]);
        for ls in surplus {
            assert!(end.locals.values().any(|local| local == ls), "a Logical_Switch of an earlier prefix is left over");
        }
        let row = &end.logical_switches[&ls];
        assert_eq!((row.key, row.mode), (intent.vni.map(|vni| i64::from(vni.get())), Some("source_node")));
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
        assert_eq!(held, rightful, "bindings of {id}");
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
        converge(&desired, &mut database, Guard::Pass, operations);
        check_end(&desired, &before, &database);
        let replica = database.replica();
        let (policy, in_flight) = (policy(), InFlight::default());
        let again = planner(&desired, &replica, &policy, &in_flight, Guard::Pass).plan(200);
        prop_assert!(again.is_empty(), "{again:#?}");
        let left = planner(&desired, &replica, &policy, &in_flight, Guard::Pass).count_unexplained().total();
        prop_assert!(left <= database.locals.len(), "only what the switch itself holds on to");
    }

    /// From one desired state to another, as gateways and connections change.
    #[test]
    fn any_desired_state_follows_any_other(first in any_desired(), second in any_desired()) {
        let mut database = tor();
        converge(&first, &mut database, Guard::Pass, 200);
        let between = database.clone();
        converge(&second, &mut database, Guard::Pass, 200);
        check_end(&second, &between, &database);
    }

    /// What the guard holds is exactly what nothing explains: with everything held, no unexplained row goes.
    #[test]
    fn held_deletions_are_not_sent(desired in any_desired(), before in any_database()) {
        let mut database = before.clone();
        let (policy, in_flight) = (policy(), InFlight::default());
        let replica = before.replica();
        let count = planner(&desired, &replica, &policy, &in_flight, Guard::Unknown).count_unexplained();
        converge(&desired, &mut database, Guard::Hold, 50);
        let replica = database.replica();
        let after = planner(&desired, &replica, &policy, &in_flight, Guard::Unknown).count_unexplained();
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
