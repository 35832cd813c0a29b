//! What two networks of ours want at once: a VNI, or a VLAN of a port.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

use proptest::prelude::*;
use uuid::Uuid;

use super::{database::Database, scenario::*};
use crate::{
    intent::{Behind, BoundNetwork, DesiredMac, NetworkIntent, SwitchIntent, chunks::Chunked},
    model::{ConnectionId, NetworkId, Vni},
    plan::{
        Desired, GuardDecision, InFlight, Obstacle, PlanOutcome, RowKey, Section, Transaction, TransactionStage,
        VniHolder,
    },
    vtep::Operation,
};

fn vni(vni: i64) -> Option<Vni> {
    Vni::try_from(vni).ok()
}

/// Each network with a VNI and a VLAN of e1, and those whose deletion is explained.
fn desired(networks: &[(u8, i64, u16)], buried: &[u8]) -> Desired {
    let network = |n: u8, key: i64| NetworkIntent {
        id: network_id(n),
        name: "net".into(),
        vni: vni(key),
        macs: Chunked::build(vec![DesiredMac { mac: mac(n), vtep: vtep(1), ip: None }]),
        flood: [vtep(1)].into(),
        contested: Chunked::default(),
        buried: Chunked::default(),
        more_ips: Chunked::default(),
        behind: Behind::default(),
        unreached: Arc::default(),
    };
    let mut intent = SwitchIntent {
        networks: networks.iter().map(|(n, ..)| network_id(*n)).collect(),
        buried_networks: buried.iter().map(|n| network_id(*n)).collect(),
        ..SwitchIntent::default()
    };
    for (n, _, v) in networks {
        let (of, bound) = (("e1".to_owned(), vlan(*v)), bound(*n));
        match intent.bindings.entry(of) {
            Entry::Vacant(free) => drop(free.insert(bound)),
            Entry::Occupied(taken) => intent.rivals.entry(taken.key().clone()).or_default().push(bound),
        }
    }
    Desired {
        sections: [("tor".into(), Section::new("tor".into(), Arc::new(intent)))].into(),
        networks: networks.iter().map(|(n, key, _)| (network_id(*n), Arc::new(network(*n, *key)))).collect(),
    }
}

fn bound(n: u8) -> BoundNetwork {
    BoundNetwork { network: network_id(n), connections: vec![ConnectionId(Uuid::from_u128(u128::from(n)))] }
}

fn name(n: u8) -> String {
    format!("vtepd-{}", network_id(n))
}

fn keys(database: &Database) -> BTreeMap<String, Option<i64>> {
    database.logical_switches.values().map(|row| (row.name.clone(), row.key)).collect()
}

/// Networks of the VLANs of e1.
fn bindings(database: &Database) -> BTreeMap<u16, String> {
    let (_, bindings) = database.ports.values().find(|(name, _)| name == "e1").unwrap();
    bindings.iter().map(|(vlan, ls)| (*vlan, database.logical_switches[ls].name.clone())).collect()
}

fn obstacles(desired: &Desired, database: &Database) -> Vec<Obstacle> {
    let (replica, policy, in_flight) = (database.replica(), policy(), InFlight::default());
    let blocked = planner(desired, &replica, &policy, &in_flight, GuardDecision::Unknown).blocked();
    blocked.into_iter().map(|blocked| blocked.obstacle).collect()
}

/// A network is deleted while the switch still reports a MAC of it, and another one gets its VNI.
#[test]
fn a_network_waits_for_the_vni_that_another_one_of_ours_still_has() {
    let (mut database, policy, in_flight) = (tor(), policy(), InFlight::default());
    converge(&desired(&[(0, 5050, 50)], &[]), &mut database, GuardDecision::Unknown, 200);
    let (ls, learned) = (database.ls_named(&name(0)).unwrap(), Uuid::new_v4());
    database.locals.insert(learned, ls);
    let later = desired(&[(1, 5050, 50)], &[0]);
    converge(&later, &mut database, GuardDecision::Unknown, 200);
    assert_eq!(keys(&database), [(name(0), Some(5050))].into());
    assert_eq!(bindings(&database), BTreeMap::new());
    let replica = database.replica();
    let planner = planner(&later, &replica, &policy, &in_flight, GuardDecision::Unknown);
    let intent = &later.networks[&network_id(1)];
    assert_eq!(planner.vni_conflict(intent), Some(VniHolder::Ours(network_id(0), &name(0))));
    assert_eq!(planner.add(RowKey::Network(network_id(1)), &mut Transaction::default()), PlanOutcome::Conflict);
    assert_eq!(planner.add(RowKey::Mac(network_id(1), mac(1)), &mut Transaction::default()), PlanOutcome::Conflict);
    let waits = Obstacle::OwnVni { vni: vni(5050).unwrap(), network: network_id(0), logical_switch: name(0) };
    assert_eq!(planner.blocked().into_iter().map(|blocked| blocked.obstacle).collect::<Vec<_>>(), [waits]);
    // The switch lets go.
    database.locals.remove(&learned);
    converge(&later, &mut database, GuardDecision::Unknown, 200);
    assert_eq!(keys(&database), [(name(1), Some(5050))].into());
    assert_eq!(bindings(&database), [(50, name(1))].into());
    assert_eq!(obstacles(&later, &database), []);
}

/// Both come with one comparison: the tear-down is under way when the other one is looked at.
#[test]
fn a_vni_is_free_only_when_its_logical_switch_is_gone_from_the_replica() {
    let (mut database, policy) = (tor(), policy());
    converge(&desired(&[(0, 5050, 50)], &[]), &mut database, GuardDecision::Unknown, 200);
    let later = desired(&[(1, 5050, 50)], &[0]);
    let mut seen = BTreeSet::new();
    for _ in 0..10 {
        let replica = database.replica();
        let mut in_flight = InFlight::default();
        loop {
            // All that can be sent with nothing answered.
            let planner = planner(&later, &replica, &policy, &in_flight, GuardDecision::Unknown);
            let Some(first) = planner.plan(200).into_iter().next() else { break };
            in_flight.reserve(&first);
            let shared = database.shared_vnis();
            database.transact(&first.operations).unwrap();
            assert!(database.shared_vnis().is_subset(&shared));
            seen.extend(keys(&database).into_keys());
        }
    }
    assert_eq!(keys(&database), [(name(1), Some(5050))].into());
    assert_eq!(seen, [name(0), name(1)].into());
}

#[test]
fn networks_exchange_their_vnis_in_one_transaction() {
    for ring in [2, 3, 4] {
        let mut database = tor();
        let at = |shift: u8| {
            (0..ring).map(|n| (n, 5 + i64::from((n + shift) % ring), 50 + u16::from(n))).collect::<Vec<_>>()
        };
        converge(&desired(&at(0), &[]), &mut database, GuardDecision::Unknown, 200);
        let bound = bindings(&database);
        let later = desired(&at(1), &[]);
        assert_eq!(obstacles(&later, &database), [], "it can be done");
        assert_eq!(converge(&later, &mut database, GuardDecision::Unknown, 1), 1, "{ring} networks");
        let expected = at(1).into_iter().map(|(n, key, _)| (name(n), Some(key))).collect();
        assert_eq!((keys(&database), bindings(&database)), (expected, bound));
    }
}

/// The last of a chain takes a VNI that nobody has: all move, whichever is looked at first.
#[test]
fn a_chain_of_vnis_moves_along() {
    let mut database = tor();
    converge(&desired(&[(0, 5, 50), (1, 6, 51), (2, 7, 52)], &[]), &mut database, GuardDecision::Unknown, 200);
    let later = desired(&[(0, 6, 50), (1, 7, 51), (2, 8, 52)], &[]);
    assert_eq!(converge(&later, &mut database, GuardDecision::Unknown, 200), 1);
    assert_eq!(keys(&database), [(name(0), Some(6)), (name(1), Some(7)), (name(2), Some(8))].into());
}

/// A chain ends at a network that keeps its VNI: everyone waits, and says for whom.
#[test]
fn a_chain_of_vnis_waits_for_its_end() {
    let mut database = tor();
    converge(&desired(&[(0, 5, 50), (1, 6, 51)], &[]), &mut database, GuardDecision::Unknown, 200);
    let ls = database.ls_named(&name(1)).unwrap();
    let learned = Uuid::new_v4();
    database.locals.insert(learned, ls);
    let later = desired(&[(0, 6, 50), (2, 5, 52)], &[1]);
    converge(&later, &mut database, GuardDecision::Unknown, 200);
    assert_eq!(keys(&database), [(name(0), Some(5)), (name(1), Some(6))].into());
    let holders: Vec<_> = obstacles(&later, &database)
        .into_iter()
        .map(|obstacle| match obstacle {
            Obstacle::OwnVni { network, .. } => network,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(holders, [network_id(1), network_id(0)], "each names the one that has its VNI");
    assert_eq!(bindings(&database), [(50, name(0))].into(), "what stands stays");
    database.locals.remove(&learned);
    converge(&later, &mut database, GuardDecision::Unknown, 200);
    assert_eq!(keys(&database), [(name(0), Some(6)), (name(2), Some(5))].into());
}

/// Two networks want one VNI that nobody has: what is under way counts as well.
#[test]
fn of_two_networks_with_one_vni_one_gets_it() {
    let (mut database, policy) = (tor(), policy());
    let both = desired(&[(0, 5, 50), (1, 5, 51)], &[]);
    let (replica, mut in_flight) = (database.replica(), InFlight::default());
    let second = RowKey::Network(network_id(1));
    let mut transaction = Transaction::default();
    {
        let planner = planner(&both, &replica, &policy, &in_flight, GuardDecision::Pass);
        assert_eq!(planner.add(RowKey::Network(network_id(0)), &mut transaction), PlanOutcome::Added);
        assert_eq!(planner.add(second, &mut transaction), PlanOutcome::Wait, "in one transaction");
    }
    let first = transaction.finish(&replica);
    in_flight.reserve(&first);
    let add = |in_flight: &InFlight| {
        planner(&both, &replica, &policy, in_flight, GuardDecision::Pass).add(second, &mut Transaction::default())
    };
    assert_eq!(add(&in_flight), PlanOutcome::Wait, "not answered");
    in_flight.release(&first);
    in_flight.keys.insert(RowKey::Network(network_id(0)), TransactionStage::Answered);
    assert_eq!(add(&in_flight), PlanOutcome::Wait, "answered, and the replica doesn't show it");
    in_flight.keys.remove(&RowKey::Network(network_id(0)));
    assert_eq!(add(&in_flight), PlanOutcome::Added, "it was refused");
    database.transact(&first.operations).unwrap();
    converge(&both, &mut database, GuardDecision::Unknown, 200);
    assert_eq!(keys(&database), [(name(0), Some(5))].into());
}

/// The switch refuses the one update: neither network takes the other's VNI without it.
#[test]
fn an_exchange_waits_while_one_of_its_rows_is_quarantined() {
    let (mut database, policy, in_flight) = (tor(), policy(), InFlight::default());
    converge(&desired(&[(0, 5, 50), (1, 6, 51)], &[]), &mut database, GuardDecision::Unknown, 200);
    let later = desired(&[(0, 6, 50), (1, 5, 51)], &[]);
    let replica = database.replica();
    let refused = |key: &RowKey| *key == RowKey::Network(network_id(1));
    let planner = crate::plan::Planner {
        quarantined: &refused,
        ..planner(&later, &replica, &policy, &in_flight, GuardDecision::Pass)
    };
    let mut transaction = Transaction::default();
    assert_eq!(planner.add(RowKey::Network(network_id(0)), &mut transaction), PlanOutcome::Conflict);
    assert!(transaction.is_empty(), "{transaction:?}");
}

/// The network with the lower gateway returns: it does not take the VLAN from the one that uses it.
#[test]
fn a_network_that_returns_does_not_take_a_vlan_in_use() {
    let mut database = tor();
    converge(&desired(&[(1, 6, 50)], &[]), &mut database, GuardDecision::Unknown, 200);
    let both = desired(&[(0, 5, 50), (1, 6, 50)], &[]);
    assert_eq!(both.sections["tor"].intent.bindings.values().next().unwrap().network, network_id(0));
    for _ in 0..2 {
        converge(&both, &mut database, GuardDecision::Unknown, 200);
        assert_eq!(bindings(&database), [(50, name(1))].into());
    }
    let replica = database.replica();
    let port = database.ports.iter().find(|(_, (name, _))| name == "e1").unwrap().0;
    assert_eq!(both.binding(&replica, *port, 50), Some(&bound(1)), "the status reads the same");
    // The one that used it leaves.
    let left = desired(&[(0, 5, 50)], &[1]);
    converge(&left, &mut database, GuardDecision::Unknown, 200);
    assert_eq!(bindings(&database), [(50, name(0))].into());
}

/// Where nobody uses the VLAN the order of gateways and connections decides, the same on an empty switch each time.
#[test]
fn a_vlan_that_nobody_uses_is_given_by_order() {
    for already in [None, Some(7)] {
        let mut database = tor();
        if already.is_some() {
            // Bound to one that wants it no more.
            converge(&desired(&[(2, 7, 50)], &[]), &mut database, GuardDecision::Unknown, 200);
        }
        let both = desired(&[(0, 5, 50), (1, 6, 50)], &[2]);
        converge(&both, &mut database, GuardDecision::Unknown, 200);
        assert_eq!(bindings(&database), [(50, name(0))].into());
    }
}

fn any_step() -> impl Strategy<Value = Vec<(u8, i64, u16)>> {
    let network = (0u8..4, 5i64..9, 50u16..53);
    proptest::collection::vec(network, 0..5).prop_map(|networks| {
        // A network is there once; several may want one VNI, or one VLAN.
        networks.into_iter().map(|of| (of.0, of)).collect::<BTreeMap<_, _>>().into_values().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Networks come, go and change their VNIs, while the switch keeps some: `converge` sees after each transaction that no two
    /// Logical_Switches of ours have one VNI. In the end each network that is alone with its VNI has it.
    #[test]
    fn no_transaction_leads_to_two_logical_switches_with_one_vni(
        steps in proptest::collection::vec((any_step(), proptest::collection::btree_set(0u8..4, 0..2)), 1..6),
        operations in prop::sample::select(vec![1usize, 4, 200]),
    ) {
        let (mut database, mut last) = (tor(), Vec::new());
        for (networks, kept) in steps {
            let learned: BTreeMap<Uuid, Uuid> =
                kept.iter().filter_map(|n| Some((Uuid::new_v4(), database.ls_named(&name(*n))?))).collect();
            database.locals.clone_from(&learned);
            let all: Vec<u8> = (0..4).collect();
            converge(&desired(&networks, &all), &mut database, GuardDecision::Unknown, operations);
            prop_assert!(database.shared_vnis().is_empty());
            last = networks;
        }
        database.locals.clear();
        let all: Vec<u8> = (0..4).collect();
        converge(&desired(&last, &all), &mut database, GuardDecision::Unknown, operations);
        for (n, key, _) in &last {
            let alone = last.iter().filter(|(_, other, _)| other == key).count() == 1;
            // One that another waits for may wait itself, where two want one VNI.
            let unique = last.iter().map(|(_, key, _)| key).collect::<BTreeSet<_>>().len() == last.len();
            if alone && unique {
                prop_assert_eq!(keys(&database).remove(&name(*n)), Some(Some(*key)));
            }
        }
        prop_assert!(keys(&database).len() <= last.len());
    }
}

/// A key of the update names the Logical_Switch that moves along, for the blame.
#[test]
fn the_update_that_moves_along_is_blamed_on_its_own_network() {
    let (mut database, policy, in_flight) = (tor(), policy(), InFlight::default());
    converge(&desired(&[(0, 5, 50), (1, 6, 51)], &[]), &mut database, GuardDecision::Unknown, 200);
    let later = desired(&[(0, 6, 50), (1, 5, 51)], &[]);
    let replica = database.replica();
    let mut transaction = Transaction::default();
    let planner = planner(&later, &replica, &policy, &in_flight, GuardDecision::Pass);
    assert_eq!(planner.add(RowKey::Network(network_id(0)), &mut transaction), PlanOutcome::Added);
    assert_eq!(planner.add(RowKey::Network(network_id(1)), &mut transaction), PlanOutcome::Right, "it is served along");
    let blamed: Vec<(NetworkId, i64)> = (0..transaction.operations.len())
        .filter_map(|i| match (&transaction.operations[i], transaction.key_of(i)?) {
            (Operation::UpdateLogicalSwitch { vni: Some(vni), .. }, RowKey::Network(network)) => {
                Some((network, vni.get().into()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(blamed, [(network_id(1), 5), (network_id(0), 6)]);
}
