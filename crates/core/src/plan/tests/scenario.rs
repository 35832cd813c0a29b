//! Random desired states and random databases that hold some of them, garbage, and foreign rows.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use proptest::{collection, prelude::*};
use uuid::Uuid;

use super::database::{Database, LogicalSwitch, Mcast, Ucast};
use crate::{
    intent::{Behind, BoundNetwork, DesiredMac, NetworkIntent, SwitchIntent, chunks::Chunked},
    model::{ConnectionId, MacAddr, NetworkId, VlanId, Vni},
    plan::{Desired, Extras, GuardDecision, InFlight, Planner, Policy, Section},
    vtep::{Columns, Replica},
};

pub(super) const NETWORKS: u8 = 4;
/// The switch `tor` has all of them but the last.
pub(super) const PORTS: [&str; 4] = ["e1", "e2", "e3", "gone"];

pub(super) fn network_id(n: u8) -> NetworkId {
    NetworkId(Uuid::from_u128(0xaaaa_0000 + u128::from(n)))
}

pub(super) fn mac(n: u8) -> MacAddr {
    MacAddr::new([2, 0, 0, 0, 0, n])
}

pub(super) fn vtep(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, n)
}

pub(super) fn vlan(n: u16) -> VlanId {
    VlanId::try_from(i64::from(n)).unwrap()
}

pub(super) fn columns() -> Columns {
    let tables = ["Physical_Switch", "Physical_Port", "Logical_Switch", "Physical_Locator", "Physical_Locator_Set"];
    let more = ["Ucast_Macs_Remote", "Mcast_Macs_Remote", "Ucast_Macs_Local", "Mcast_Macs_Local"];
    let columns = [
        "name",
        "tunnel_ips",
        "ports",
        "vlan_bindings",
        "tunnel_key",
        "dst_ip",
        "encapsulation_type",
        "locators",
        "MAC",
        "logical_switch",
        "locator",
        "locator_set",
        "ipaddr",
        "replication_mode",
        "description",
    ];
    let columns: BTreeSet<String> = columns.iter().map(|c| (*c).to_owned()).collect();
    Columns::intersect(&tables.iter().chain(&more).map(|t| ((*t).to_owned(), columns.clone())).collect()).unwrap()
}

pub(super) fn policy() -> Policy {
    Policy { columns: columns(), guard_percent: 20, guard_min_rows: 10, hold: false, extras: Extras::default() }
}

pub(super) fn planner<'a>(
    desired: &'a Desired,
    actual: &'a Replica,
    policy: &'a Policy,
    in_flight: &'a InFlight,
    guard: GuardDecision,
) -> Planner<'a> {
    Planner { desired, actual, policy, in_flight, quarantined: &|_| false, guard }
}

/// Plans, applies and plans again until nothing is left. Panics where a transaction that may not fail does, or where it
/// doesn't come to an end. Returns the number of transactions.
pub(super) fn converge(desired: &Desired, database: &mut Database, guard: GuardDecision, operations: usize) -> usize {
    let (policy, in_flight) = (policy(), InFlight::default());
    let mut sent = 0;
    for _ in 0..200 {
        let replica = database.replica();
        let transactions = planner(desired, &replica, &policy, &in_flight, guard).plan(operations);
        if transactions.is_empty() {
            return sent;
        }
        for (i, transaction) in transactions.iter().enumerate() {
            let shared = database.shared_vnis();
            match database.transact(&transaction.operations) {
                Ok(()) => {
                    sent += 1;
                    let now = database.shared_vnis();
                    assert!(now.is_subset(&shared), "one VNI twice: {transaction:#?}\n{database:#?}");
                }
                // A transaction before it dropped the last reference to a locator: the worker plans again.
                Err(error) if i > 0 && error.contains("Physical_Locator") => break,
                Err(error) => panic!("transaction {i}: {error}\n{transaction:#?}\n{database:#?}"),
            }
        }
    }
    panic!("no end after 200 rounds: {desired:#?}\n{database:#?}");
}

// ===== desired states =====

#[derive(Debug, Clone)]
pub(super) struct AnyNetwork {
    vni: Option<u8>,
    macs: BTreeMap<u8, (u8, Option<u8>)>,
    flood: BTreeSet<u8>,
    buried: BTreeSet<u8>,
}

fn any_network() -> impl Strategy<Value = AnyNetwork> {
    let macs = collection::btree_map(0u8..12, (1u8..5, prop::option::of(1u8..4)), 0..10);
    (
        prop::option::weighted(0.9, 1u8..6),
        macs,
        collection::btree_set(1u8..6, 0..4),
        collection::btree_set(0u8..12, 0..3),
    )
        .prop_map(|(vni, macs, flood, buried)| AnyNetwork { vni, macs, flood, buried })
}

pub(super) fn intent(n: u8, network: &AnyNetwork) -> NetworkIntent {
    let row = |(m, (v, ip)): (&u8, &(u8, Option<u8>))| DesiredMac {
        mac: mac(*m),
        vtep: vtep(*v),
        ip: ip.map(|ip| Ipv4Addr::new(10, 0, 0, ip).into()),
    };
    NetworkIntent {
        id: network_id(n),
        name: format!("net{n}").into(),
        vni: network.vni.and_then(|vni| Vni::try_from(i64::from(vni)).ok()),
        macs: Chunked::build(network.macs.iter().map(row).collect()),
        flood: network.flood.iter().map(|v| vtep(*v)).collect(),
        contested: Chunked::default(),
        buried: Chunked::build(network.buried.iter().map(|m| mac(*m)).collect()),
        more_ips: Chunked::default(),
        behind: Behind::default(),
        unreached: std::sync::Arc::default(),
    }
}

/// The network that wants a VLAN of a port, all by number.
type Wishes = BTreeMap<(usize, u16), u8>;

/// Two sections: `tor` is in the database, `absent` isn't. A network number for a port and VLAN, or none.
pub(super) fn any_desired() -> impl Strategy<Value = Desired> {
    let bindings = collection::btree_map((0usize..PORTS.len(), 0u16..4), 0u8..NETWORKS, 0..6);
    let rivals = collection::btree_map((0usize..PORTS.len(), 0u16..4), 0u8..NETWORKS, 0..6);
    let bindings = (bindings, rivals);
    let networks = collection::btree_map(0u8..NETWORKS, any_network(), 0..NETWORKS as usize + 1);
    let buried = collection::btree_set(0u8..NETWORKS, 0..3);
    (bindings.clone(), bindings, networks, buried).prop_map(|(here, absent, networks, buried)| {
        let section = |name: &str, (bindings, rivals): (Wishes, Wishes)| {
            let bound = |n| BoundNetwork { network: network_id(n), connections: vec![ConnectionId(Uuid::nil())] };
            let key = |(p, v): (usize, u16)| (PORTS[p].to_owned(), vlan(v));
            let known: BTreeMap<_, _> = bindings.into_iter().filter(|(_, n)| networks.contains_key(n)).collect();
            let is_rival = |(of, n): &((usize, u16), u8)| {
                networks.contains_key(n) && known.get(of).is_some_and(|bound| bound != n)
            };
            let rivals: BTreeMap<_, _> = rivals.into_iter().filter(is_rival).collect();
            let intent = SwitchIntent {
                networks: known.values().chain(rivals.values()).map(|n| network_id(*n)).collect(),
                rivals: rivals.into_iter().map(|(of, n)| (key(of), vec![bound(n)])).collect(),
                bindings: known.into_iter().map(|(of, n)| (key(of), bound(n))).collect(),
                buried_networks: buried.iter().map(|n| network_id(*n)).collect(),
                buried_bindings: BTreeSet::new(),
            };
            (name.to_owned(), Section::new(name.to_owned(), Arc::new(intent)))
        };
        let mut desired = Desired {
            sections: [section("tor", here), section("absent", absent)].into(),
            networks: networks.iter().map(|(n, net)| (network_id(*n), Arc::new(intent(*n, net)))).collect(),
        };
        desired.forget_networks();
        desired
    })
}

// ===== databases =====

#[derive(Debug, Clone)]
struct AnyLogicalSwitch {
    name: u8,
    key: Option<i64>,
    mode: Option<&'static str>,
    macs: Vec<(u8, u8, u8)>,
    floods: Vec<(bool, BTreeSet<u8>)>,
    bindings: BTreeSet<(usize, u16)>,
    local: bool,
}

fn any_logical_switch() -> impl Strategy<Value = AnyLogicalSwitch> {
    let macs = collection::vec((0u8..14, 0u8..4, 1u8..6), 0..12);
    let floods = collection::vec((prop::bool::weighted(0.8), collection::btree_set(1u8..6, 1..4)), 0..3);
    let bindings = collection::btree_set((0usize..3, 0u16..4), 0..4);
    let mode = prop::sample::select(vec![None, Some("source_node"), Some("service_node")]);
    (0u8..NETWORKS * 2 + 2, prop::option::of(1i64..8), mode, macs, floods, bindings, prop::bool::weighted(0.1))
        .prop_map(|(name, key, mode, macs, floods, bindings, local)| AnyLogicalSwitch {
            name,
            key,
            mode,
            macs,
            floods,
            bindings,
            local,
        })
}

/// A switch `tor` with three ports, VTEP 192.0.2.5, and Logical_Switches of ours, of an earlier prefix, and foreign ones.
pub(super) fn any_database() -> impl Strategy<Value = Database> {
    collection::vec(any_logical_switch(), 0..6).prop_map(|logical_switches| {
        let mut database = tor();
        let ports: Vec<Uuid> = database.ports.keys().copied().collect();
        for any in logical_switches {
            let name = match any.name {
                n if n < NETWORKS => format!("vtepd-{}", network_id(n)),
                n if n < NETWORKS * 2 => format!("old-{}", network_id(n - NETWORKS)),
                n => format!("foreign-{n}"),
            };
            if database.ls_named(&name).is_some() {
                continue;
            }
            let ls = Uuid::new_v4();
            let row = LogicalSwitch { name, key: any.key, mode: any.mode, description: String::new() };
            database.logical_switches.insert(ls, row);
            for (m, ip, v) in any.macs {
                let locator = locator(&mut database, v);
                // 12 and 13 are no MACs; duplicates are welcome.
                let mac = if m < 12 { mac(m).to_string() } else { "garbage".into() };
                let ip = if ip == 0 { "nonsense".into() } else { format!("10.0.0.{ip}") };
                database.ucast.insert(Uuid::new_v4(), Ucast { mac, ip, ls, locator });
            }
            for (unknown_dst, members) in any.floods {
                let members = members.into_iter().map(|v| locator(&mut database, v)).collect();
                let set = Uuid::new_v4();
                database.sets.insert(set, members);
                let mac = if unknown_dst { "unknown-dst" } else { "01:00:5e:00:00:01" };
                database.mcast.insert(Uuid::new_v4(), Mcast { mac: mac.into(), ls, set });
            }
            for (port, vlan) in any.bindings {
                database.ports.get_mut(&ports[port]).unwrap().1.entry(vlan).or_insert(ls);
            }
            if any.local {
                database.locals.insert(Uuid::new_v4(), ls);
            }
        }
        database
    })
}

/// A switch with nothing on it.
pub(super) fn tor() -> Database {
    let mut database = Database::default();
    for name in &PORTS[..3] {
        database.ports.insert(Uuid::new_v4(), ((*name).to_owned(), BTreeMap::new()));
    }
    let ports = database.ports.keys().copied().collect();
    database.switches.insert(Uuid::new_v4(), ("tor".into(), vtep(5), ports));
    database
}

pub(super) fn locator(database: &mut Database, v: u8) -> Uuid {
    let ip = vtep(v);
    let known = database.locators.iter().find(|(_, other)| **other == ip).map(|(uuid, _)| *uuid);
    known.unwrap_or_else(|| {
        let uuid = Uuid::new_v4();
        database.locators.insert(uuid, ip);
        uuid
    })
}
