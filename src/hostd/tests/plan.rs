//! Whatever is desired and whatever is there, carrying out the plan leads to the one and leaves others' alone.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::{IpAddr, Ipv4Addr},
};

use proptest::{collection, option, prelude::*};

use super::{mac, vni};
use crate::{
    hostd::{
        fdb::{Change, Event, Fdb, Kind, Listing, Network},
        kernel::{
            ALIAS, Forwarding, Index, Kernel, Link, LinkKind, Neighbour, Operation, Origin, Remote, Station,
            bridge_name, vxlan_name,
        },
        plan::{Policy, Scope, entries, links},
    },
    model::{MacAddr, NetworkId, Vni},
};

const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const BRIDGE: Index = 1;
const DEVICE: Index = 2;
const TAP: Index = 3;

fn vtep(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, n)
}

fn policy(arp_proxy: bool) -> Policy {
    Policy { local_ip: HERE, port: 4789, arp_proxy, device: None, mtu: None }
}

fn link(name: String, alias: &str, kind: LinkKind, master: Option<Index>) -> Link {
    Link { name, alias: alias.to_owned(), kind, master, mtu: 1450, up: true, suppresses: false }
}

fn vxlan(vni: Vni) -> LinkKind {
    LinkKind::Vxlan { vni: vni.get(), local: Some(HERE), port: 4789, learning: false, device: None }
}

/// A network's own interfaces, and a virtual machine's.
fn plugged() -> BTreeMap<Index, Link> {
    BTreeMap::from([
        (BRIDGE, link(bridge_name(vni(5)), ALIAS, LinkKind::Bridge, None)),
        (DEVICE, link(vxlan_name(vni(5)), ALIAS, vxlan(vni(5)), Some(BRIDGE))),
        (TAP, link("tap".to_owned(), "", LinkKind::Other, Some(BRIDGE))),
    ])
}

// ===== what may be desired, and what may be there =====

fn network() -> impl Strategy<Value = Network> {
    // Few values, so that they meet.
    let entry = (0..8_u8, 1..4_u8, collection::vec(0..4_u8, 0..3), any::<bool>());
    (collection::vec(entry, 0..12), collection::btree_set(1..6_u8, 0..5)).prop_map(|(listed, flood)| {
        let set = listed.into_iter().map(|(n, at, ips, port)| Listing {
            mac: mac(n),
            ips: ips.into_iter().map(ip).collect(),
            vtep: vtep(at).into(),
            kind: if port { Kind::Port } else { Kind::Learned },
        });
        let mut fdb = Fdb::new(HERE);
        let id = NetworkId::random();
        fdb.apply(Event::Change(Change {
            network_id: id,
            vni: Some(vni(5)),
            flood: Some(flood.into_iter().map(|n| vtep(n).into()).collect()),
            set: set.collect(),
            del: Vec::new(),
            removed: false,
        }));
        fdb.network(id).unwrap().clone()
    })
}

fn ip(n: u8) -> IpAddr {
    Ipv4Addr::new(192, 168, 0, n).into()
}

fn kernel() -> impl Strategy<Value = Kernel> {
    let remotes = collection::hash_map((0..8_u8).prop_map(mac), (2..5_u8, any::<bool>()), 0..8);
    let floods = collection::btree_set((2..8_u8).prop_map(vtep), 0..5);
    let origins = prop_oneof![Just(Origin::Learned), Just(Origin::Ours), Just(Origin::Fixed)];
    let stations = collection::hash_map((0..8_u8).prop_map(mac), (any::<bool>(), origins), 0..8);
    let neighbours = collection::hash_map((0..4_u8).prop_map(ip), (0..8_u8, any::<bool>()), 0..4);
    (remotes, floods, stations, neighbours).prop_map(|(remotes, flood, stations, neighbours)| {
        let unicast = remotes.into_iter().map(|(mac, (at, ours))| (mac, Remote { vtep: vtep(at), ours })).collect();
        let station = |(mac, (remote, origin))| {
            // On a tap, only the bridge itself learns.
            let (port, origin) = if remote { (DEVICE, origin) } else { (TAP, Origin::Learned) };
            (mac, Station { port, origin })
        };
        let neighbours = neighbours.into_iter().map(|(ip, (n, ours))| (ip, Neighbour { mac: mac(n), ours })).collect();
        Kernel {
            links: plugged(),
            underlay: None,
            forwarding: HashMap::from([(DEVICE, Forwarding { unicast, flood })]),
            stations: HashMap::from([(BRIDGE, stations.into_iter().map(station).collect())]),
            neighbours: HashMap::from([(BRIDGE, neighbours)]),
        }
    })
}

fn carried_out(kernel: &Kernel, operations: &[Operation]) -> Kernel {
    let mut after = kernel.clone();
    for news in operations.iter().filter_map(Operation::effect) {
        after.apply(news);
    }
    after
}

proptest! {
    #[test]
    fn entries_become_what_is_told_and_others_stay(
        network in network(),
        before in kernel(),
        noted in collection::btree_set((2..8_u8).prop_map(vtep), 0..5),
        arp_proxy: bool,
    ) {
        let policy = policy(arp_proxy);
        let operations = entries(&network, Scope::All, &before, &policy, &noted);
        let after = carried_out(&before, &operations);
        let noted: BTreeSet<Ipv4Addr> = noted.union(&network.flood).copied().collect();
        let again = entries(&network, Scope::All, &after, &policy, &noted);
        prop_assert!(again.is_empty(), "{again:?} after {operations:?}");

        let (old, new) = (&before.forwarding[&DEVICE], &after.forwarding[&DEVICE]);
        for (mac, remote) in old.unicast.iter().filter(|(_, remote)| !remote.ours) {
            prop_assert_eq!(new.unicast.get(mac), Some(remote));
        }
        for (mac, remote) in new.unicast.iter().filter(|(_, remote)| remote.ours) {
            prop_assert_eq!(network.entries.get(mac).map(|entry| entry.vtep), Some(remote.vtep));
            prop_assert_ne!(remote.vtep, HERE);
        }
        for (mac, entry) in &network.entries {
            prop_assert!(entry.vtep == HERE || new.unicast.contains_key(mac));
        }
        for flood in &network.flood {
            prop_assert!(*flood != HERE && new.flood.contains(flood));
        }
        for flood in old.flood.difference(&noted) {
            prop_assert!(new.flood.contains(flood), "{flood} is another's");
        }
    }

    #[test]
    fn only_what_is_ours_is_answered_for(network in network(), before in kernel(), arp_proxy: bool) {
        let after = carried_out(&before, &entries(&network, Scope::All, &before, &policy(arp_proxy), &BTreeSet::new()));
        let answered = |mac: MacAddr| {
            arp_proxy && network.entries.get(&mac).is_some_and(|entry| entry.vtep != HERE && !entry.ips.is_empty())
        };
        for (ip, neighbour) in &before.neighbours[&BRIDGE] {
            prop_assert!(neighbour.ours || after.neighbours[&BRIDGE].get(ip) == Some(neighbour));
        }
        for (ip, neighbour) in after.neighbours[&BRIDGE].iter().filter(|(_, neighbour)| neighbour.ours) {
            prop_assert!(answered(neighbour.mac) && network.entries[&neighbour.mac].ips.contains(ip));
        }
        for (mac, station) in &before.stations[&BRIDGE] {
            // A machine that was heard here is here, whatever is still desired.
            prop_assert!(station.port != TAP || after.stations[&BRIDGE].get(mac) == Some(station));
        }
        for (mac, station) in &after.stations[&BRIDGE] {
            prop_assert!(station.origin != Origin::Ours || answered(*mac));
        }
    }

    /// What is done for single MACs is what would have been done for them among all.
    #[test]
    fn a_part_is_planned_like_the_whole(
        network in network(),
        before in kernel(),
        macs in collection::hash_set((0..8_u8).prop_map(mac), 0..8),
        arp_proxy: bool,
    ) {
        let noted = BTreeSet::new();
        let about = |operation: &Operation| match operation {
            Operation::Forward { mac, .. } | Operation::Forget { mac, .. } | Operation::Station { mac, .. }
            | Operation::Unstation { mac, .. } | Operation::Neighbour { mac, .. } => Some(*mac),
            Operation::Unneighbour { ip, .. } => before.neighbours[&BRIDGE].get(ip).map(|neighbour| neighbour.mac),
            _ => None,
        };
        let of = |operations: Vec<Operation>| -> HashSet<String> {
            let wanted = operations.iter().filter(|operation| about(operation).is_none_or(|mac| macs.contains(&mac)));
            wanted.map(|operation| format!("{operation:?}")).collect()
        };
        let part = entries(&network, Scope::Some(&macs), &before, &policy(arp_proxy), &noted);
        prop_assert!(part.iter().all(|operation| about(operation).is_none_or(|mac| macs.contains(&mac))));
        let whole = entries(&network, Scope::All, &before, &policy(arp_proxy), &noted);
        prop_assert_eq!(of(part), of(whole));
    }

    #[test]
    fn interfaces_become_what_is_needed_and_others_stay(
        wanted in collection::btree_set(1..6_i64, 0..5),
        there in collection::btree_map(1..6_i64, (option::of(interface(true)), option::of(interface(false))), 0..5),
        members in collection::vec(1..6_i64, 0..3),
        arp_proxy: bool,
    ) {
        let wanted: BTreeMap<Vni, NetworkId> = wanted.into_iter().map(|n| (vni(n), NetworkId::random())).collect();
        let mut before = Kernel::default();
        for (n, (bridge, device)) in there {
            for (offset, name, found) in [(0, bridge_name(vni(n)), bridge), (1, vxlan_name(vni(n)), device)] {
                if let Some(found) = found {
                    let index = Index::try_from(n * 10 + offset).unwrap();
                    before.links.insert(index, Link { name, ..found(vni(n)) });
                }
            }
        }
        for (index, n) in (100..).zip(members) {
            let master = before.find(&bridge_name(vni(n))).map(|(index, _)| index);
            before.links.insert(index, link(format!("tap{index}"), "", LinkKind::Other, master));
        }
        let policy = policy(arp_proxy);
        let mut now = before.clone();
        let mut passes = 0;
        let conflicts = loop {
            let plan = links(&wanted, &now, &policy);
            if plan.operations.is_empty() {
                break plan.conflicts;
            }
            passes += 1;
            prop_assert!(passes < 4, "{:?}", plan.operations);
            now = linked(&now, &plan.operations);
        };
        for vni in wanted.keys().filter(|vni| !conflicts.contains_key(vni)) {
            let (bridge, found) = now.find(&bridge_name(*vni)).expect("the bridge");
            prop_assert!(found.up && found.is_ours() && found.kind == LinkKind::Bridge);
            let (_, found) = now.find(&vxlan_name(*vni)).expect("the device");
            prop_assert!(found.up && found.is_ours() && found.master == Some(bridge) && found.suppresses == arp_proxy);
            prop_assert_eq!(&found.kind, &vxlan(*vni));
        }
        for (index, found) in &before.links {
            let named = found.vxlan_of().or(found.bridge_of());
            let needed = named.is_some_and(|vni| wanted.contains_key(&vni));
            prop_assert!(needed || found.is_ours() || now.links.contains_key(index), "{found:?} is another's");
            prop_assert!(found.alias.is_empty() || found.is_ours() || now.links.get(index) == Some(found));
        }
        for found in now.links.values().filter(|found| found.is_ours() && found.vxlan_of().is_some()) {
            let needed = wanted.contains_key(&found.vxlan_of().unwrap());
            prop_assert!(needed || !matches!(found.kind, LinkKind::Vxlan { .. }), "{found:?} is not needed");
        }
    }
}

type Interface = fn(Vni) -> Link;

/// An interface with one of our names, in various states.
fn interface(bridge: bool) -> impl Strategy<Value = Interface> {
    let right: Interface = if bridge {
        |_| link(String::new(), ALIAS, LinkKind::Bridge, None)
    } else {
        |vni| link(String::new(), ALIAS, vxlan(vni), None)
    };
    prop_oneof![
        Just(right),
        Just((|_| link(String::new(), "", LinkKind::Bridge, None)) as Interface),
        Just((|vni| link(String::new(), "", vxlan(vni), None)) as Interface),
        Just((|_| link(String::new(), "somebody", LinkKind::Other, None)) as Interface),
        Just(
            (|vni: Vni| {
                let kind = LinkKind::Vxlan { vni: vni.get(), local: None, port: 8472, learning: true, device: Some(9) };
                link(String::new(), ALIAS, kind, None)
            }) as Interface
        ),
    ]
}

/// What the kernel's interfaces are after these operations.
fn linked(kernel: &Kernel, operations: &[Operation]) -> Kernel {
    let mut after = carried_out(kernel, operations);
    let mut next = after.links.keys().max().copied().unwrap_or_default().max(1000);
    for operation in operations {
        let made = match operation {
            Operation::AddBridge { vni, .. } => Some((bridge_name(*vni), LinkKind::Bridge)),
            Operation::AddVxlan { vni, .. } => Some((vxlan_name(*vni), vxlan(*vni))),
            Operation::SetBridge { bridge, mtu } => {
                let link = after.links.get_mut(bridge).expect("it is there");
                (link.up, link.alias, link.mtu) = (true, ALIAS.to_owned(), *mtu);
                None
            }
            Operation::SetVxlan { device, bridge, mtu, suppress } => {
                let link = after.links.get_mut(device).expect("it is there");
                (link.up, link.alias, link.mtu, link.master) = (true, ALIAS.to_owned(), *mtu, Some(*bridge));
                link.suppresses = suppress.unwrap_or(link.suppresses);
                None
            }
            _ => None,
        };
        if let Some((name, kind)) = made {
            assert!(after.find(&name).is_none(), "{name} is there already");
            next += 1;
            after.links.insert(next, Link { up: false, ..link(name, "", kind, None) });
        }
    }
    after
}

#[test]
fn what_stands_in_the_way_is_named() {
    let mut kernel = Kernel::default();
    kernel.links.insert(1, link("vxlan0".to_owned(), "", vxlan(vni(5)), None));
    kernel.links.insert(2, link("vtbr-6".to_owned(), "", LinkKind::Other, None));
    kernel.links.insert(3, link("vtep-7".to_owned(), "frr", vxlan(vni(7)), None));
    let wanted = [5, 6, 7].map(|n| (vni(n), NetworkId::random())).into();
    let conflicts = links(&wanted, &kernel, &policy(false)).conflicts;
    assert_eq!(
        conflicts.into_values().collect::<Vec<_>>(),
        [
            "the VXLAN device vxlan0 has VNI 5 already: remove it",
            "the interface vtbr-6 is no bridge: rename or remove it",
            "the interface vtep-7 belongs to 'frr' (its alias): rename or remove it",
        ]
    );
}

/// Every key of `[host]` that shapes interfaces reaches those that exist already.
#[test]
fn what_is_configured_otherwise_is_changed_on_interfaces_that_are_there() {
    const ETH: Index = 9;
    let mut kernel = Kernel { links: plugged(), underlay: Some(ETH), ..Kernel::default() };
    kernel.links.insert(ETH, Link { mtu: 1500, ..link("eth1".to_owned(), "", LinkKind::Other, None) });
    let wanted = [(vni(5), NetworkId::random())].into();
    let planned = |kernel: &Kernel, policy: &Policy| links(&wanted, kernel, policy).operations;
    let same = policy(false);
    assert_eq!(planned(&kernel, &same), []);
    let set = |mtu| {
        [
            Operation::SetBridge { bridge: BRIDGE, mtu },
            Operation::SetVxlan { device: DEVICE, bridge: BRIDGE, mtu, suppress: None },
        ]
    };
    assert_eq!(planned(&kernel, &Policy { mtu: Some(1400), ..same.clone() }), set(1400));
    assert_eq!(planned(&kernel, &Policy { mtu: Some(9000), ..same.clone() }), set(9000), "only a device bounds it");
    kernel.links.get_mut(&ETH).unwrap().mtu = 9000;
    assert_eq!(planned(&kernel, &same), set(8950), "the underlay has grown");
    kernel.links.get_mut(&ETH).unwrap().mtu = 1500;
    let again = |underlay| {
        let add = Operation::AddVxlan { vni: vni(5), mtu: 1450, underlay };
        [Operation::Delete { index: DEVICE, name: vxlan_name(vni(5)) }, add]
    };
    let tied = Policy { device: Some("eth1".to_owned()), mtu: Some(9000), ..same.clone() };
    assert_eq!(planned(&kernel, &tied), again(Some(ETH)), "the kernel gives it no larger MTU than fits");
    assert_eq!(planned(&kernel, &Policy { port: 8472, ..same.clone() }), again(None));
    assert_eq!(planned(&kernel, &Policy { local_ip: vtep(7), ..same.clone() }), again(None));
    let proxy = Operation::SetVxlan { device: DEVICE, bridge: BRIDGE, mtu: 1450, suppress: Some(true) };
    assert_eq!(planned(&kernel, &policy(true)), [proxy]);
    let elsewhere = links(&wanted, &kernel, &Policy { device: Some("eth7".to_owned()), ..same });
    assert_eq!(elsewhere.operations, [], "what is there stays");
    assert_eq!(
        elsewhere.obstacle.as_deref(),
        Some("the interface eth7 ([host] device) is not there: create it, or correct the configuration")
    );
}
