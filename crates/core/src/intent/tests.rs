use std::{collections::BTreeSet, net::Ipv4Addr};

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::model::{
    Device, DeviceId, Elsewhere, EndpointId, FixedIp, Gateway, GatewayId, Interface, Network, Port, PortId,
    TunnelEndpoint, Vni,
};

fn id(n: u8) -> Uuid {
    Uuid::from_u128(u128::from(n) + 1)
}

fn mac(n: u8) -> MacAddr {
    MacAddr::new([2, 0, 0, 0, 0, n])
}

fn port(n: u8, network: u8, last: u8, host: Option<u8>) -> Change {
    Change::PortSet(Port {
        id: PortId(id(n)),
        name: String::new(),
        tenant_id: String::new(),
        network_id: NetworkId(id(network)),
        mac: mac(last),
        fixed_ips: vec![FixedIp { ip: Ipv4Addr::new(10, 0, 0, last).into(), subnet_id: None }],
        host: host.map(|h| format!("compute-{h}")),
        elsewhere: Elsewhere::Nowhere,
        allowed_address_pairs: vec![],
    })
}

/// A port on these compute nodes too.
fn spread(mut port: Change, elsewhere: fn(Vec<String>) -> Elsewhere, hosts: &[u8]) -> Change {
    if let Change::PortSet(port) = &mut port {
        port.elsewhere = elsewhere(hosts.iter().map(|host| format!("compute-{host}")).collect());
    }
    port
}

fn network(n: u8, vni: u8) -> Change {
    Change::NetworkSet(Network {
        id: NetworkId(id(n)),
        name: format!("net{n}"),
        tenant_id: String::new(),
        vni: Vni::try_from(i64::from(vni)).ok(),
    })
}

fn endpoint(host: u8, last: u8) -> Change {
    Change::EndpointSet(TunnelEndpoint {
        id: EndpointId(id(host)),
        host: format!("compute-{host}"),
        ip: Ipv4Addr::new(192, 0, 2, last),
    })
}

fn gateway(n: u8, switches: &[u8], vlans: &[i64]) -> Change {
    let vlans: Vec<_> = vlans.iter().map(|v| VlanId::try_from(*v).unwrap()).collect();
    let device = |s: &u8| Device {
        id: DeviceId(id(*s)),
        name: format!("tor-{s}"),
        interfaces: vec![Interface { name: "e1".into(), vlans: vlans.clone() }],
    };
    Change::GatewaySet(Gateway {
        id: GatewayId(id(n)),
        name: String::new(),
        tenant_id: String::new(),
        devices: switches.iter().map(device).collect(),
    })
}

fn connection(n: u8, gateway: u8, network: u8, vlan: i64) -> Change {
    Change::ConnectionSet(Connection {
        id: ConnectionId(id(n)),
        tenant_id: String::new(),
        gateway_id: GatewayId(id(gateway)),
        network_id: NetworkId(id(network)),
        port_id: String::new(),
        default_vlan: VlanId::try_from(vlan).ok(),
    })
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => (0u8..12, 0u8..3, 0u8..10, prop::option::of(0u8..3)).prop_map(|(n, net, m, h)| port(n, net, m, h)),
        2 => (0u8..12, 0u8..3, 0u8..10, prop::option::of(0u8..3), 0u8..3, any::<bool>()).prop_map(
            |(n, net, m, h, other, migrating)| {
                let elsewhere = if migrating { Elsewhere::Migrating } else { Elsewhere::Distributed };
                spread(port(n, net, m, h), elsewhere, &[other])
            }
        ),
        3 => (0u8..12).prop_map(|n| Change::PortRemoved(PortId(id(n)))),
        2 => (0u8..3, 1u8..6).prop_map(|(h, ip)| endpoint(h, ip)),
        1 => (0u8..3).prop_map(|h| Change::EndpointRemoved(format!("compute-{h}"))),
        2 => (0u8..3, 0u8..4).prop_map(|(n, vni)| network(n, vni)),
        1 => (0u8..3).prop_map(|n| Change::NetworkRemoved(NetworkId(id(n)))),
        2 => (0u8..2, prop::collection::btree_set(0u8..3, 0..3), prop::collection::vec(0i64..3, 0..2))
            .prop_map(|(n, s, v)| gateway(n, &s.into_iter().collect::<Vec<_>>(), &v)),
        1 => (0u8..2).prop_map(|n| Change::GatewayRemoved(GatewayId(id(n)))),
        2 => (0u8..3, 0u8..2, 0u8..3, 0i64..4).prop_map(|(n, g, net, v)| connection(n, g, net, v)),
        1 => (0u8..3).prop_map(|n| Change::ConnectionRemoved(ConnectionId(id(n)))),
    ]
}

/// What a worker that only follows the updates knows.
#[derive(Default)]
struct Follower {
    switches: BTreeMap<String, Arc<SwitchIntent>>,
    networks: BTreeMap<NetworkId, Arc<NetworkIntent>>,
    /// Rows, kept by the MACs of the updates alone.
    rows: BTreeMap<NetworkId, BTreeMap<MacAddr, DesiredMac>>,
}

impl Follower {
    fn take(&mut self, updates: Vec<Update>) {
        for update in updates {
            match update {
                Update::Switch { switch, intent, networks } => {
                    self.switches.insert(switch, intent);
                    for network in networks {
                        self.rows.insert(network.id, network.macs.iter().map(|row| (row.mac, *row)).collect());
                        self.networks.insert(network.id, network);
                    }
                }
                // Only compute nodes hear of these.
                Update::Gone(_) => {}
                Update::Network { switches, .. } if switches.is_empty() => {}
                Update::Network { network, macs, .. } => {
                    let rows = self.rows.entry(network.id).or_default();
                    match macs {
                        None => *rows = network.macs.iter().map(|row| (row.mac, *row)).collect(),
                        Some(macs) => {
                            for mac in macs.iter() {
                                match network.macs.get(*mac) {
                                    Some(row) => rows.insert(*mac, *row),
                                    None => rows.remove(mac),
                                };
                            }
                        }
                    }
                    self.networks.insert(network.id, network);
                }
            }
        }
    }

    /// The wanted networks of all switches in a comparable form.
    fn view(&self) -> Vec<String> {
        let mut view = Vec::new();
        for (name, switch) in &self.switches {
            if switch.networks.is_empty() {
                continue;
            }
            view.push(format!("{name} {:?}", switch.bindings));
            for id in &switch.networks {
                let n = &self.networks[id];
                let rows = &self.rows[id];
                let contested: Vec<_> = n.contested.iter().collect();
                let unreached = &n.unreached;
                view.push(format!(
                    "{name} {id} {} {:?} {:?} {contested:?} {rows:?} {unreached:?}",
                    n.name, n.vni, n.flood
                ));
            }
        }
        view
    }
}

fn load(changes: Vec<Change>) -> Follower {
    let mut intent = Intent::default();
    let mut follower = Follower::default();
    assert!(intent.apply(ChangeSet { revision: 1, changes, tombstones: vec![] }).is_empty());
    follower.take(intent.loaded(1));
    follower
}

/// The rows that remain of a history, as the store would load them.
fn survivors(history: &[Change]) -> Vec<Change> {
    let mut kept: BTreeMap<String, Change> = BTreeMap::new();
    for change in history {
        match change {
            Change::NetworkSet(n) => kept.insert(format!("1{}", n.id), change.clone()),
            Change::NetworkRemoved(n) => kept.remove(&format!("1{n}")),
            Change::EndpointSet(e) => kept.insert(format!("2{}", e.host), change.clone()),
            Change::EndpointRemoved(host) => kept.remove(&format!("2{host}")),
            Change::GatewaySet(g) => kept.insert(format!("3{}", g.id), change.clone()),
            Change::GatewayRemoved(g) => kept.remove(&format!("3{g}")),
            Change::ConnectionSet(c) => kept.insert(format!("4{}", c.id), change.clone()),
            Change::ConnectionRemoved(c) => kept.remove(&format!("4{c}")),
            Change::PortSet(p) => kept.insert(format!("5{}", p.id), change.clone()),
            Change::PortRemoved(p) => kept.remove(&format!("5{p}")),
            other => unreachable!("any_change makes no {other:?}"),
        };
    }
    kept.into_values().collect()
}

proptest! {
    /// Following the updates, whatever was changed in whatever order, ends where a fresh load ends.
    #[test]
    fn following_updates_equals_loading(history in prop::collection::vec(any_change(), 0..120), split in 0usize..120) {
        let split = split.min(history.len());
        let mut intent = Intent::default();
        let mut follower = Follower::default();
        intent.apply(ChangeSet { revision: 1, changes: history[..split].to_vec(), tombstones: vec![] });
        follower.take(intent.loaded(1));
        for (i, change) in history[split..].iter().enumerate() {
            let set = ChangeSet { revision: 2 + i as u64, changes: vec![change.clone()], tombstones: vec![] };
            follower.take(intent.apply(set));
        }
        prop_assert_eq!(follower.view(), load(survivors(&history)).view());
    }
}

fn example() -> Vec<Change> {
    vec![network(0, 5), endpoint(0, 1), endpoint(1, 2), gateway(0, &[1, 2], &[]), connection(0, 0, 0, 50)]
}

#[test]
fn a_mac_that_two_hosts_claim_is_flooded() {
    let mut changes = example();
    changes.extend([port(0, 0, 7, Some(0)), port(1, 0, 7, Some(1)), port(2, 0, 8, Some(0)), port(3, 0, 8, Some(0))]);
    let follower = load(changes);
    let network = &follower.networks[&NetworkId(id(0))];
    assert_eq!(network.contested.iter().copied().collect::<Vec<_>>(), [mac(7)]);
    assert_eq!(network.macs.iter().map(|row| row.mac).collect::<Vec<_>>(), [mac(8)]);
    assert_eq!(*network.flood, [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)]);
}

#[test]
fn a_migrating_port_has_one_row_and_all_its_hosts_are_flooded() {
    let vtep = |last| Ipv4Addr::new(192, 0, 2, last);
    let mut changes = example();
    changes.push(spread(port(0, 0, 7, Some(0)), Elsewhere::Migrating, &[1]));
    let mut intent = Intent::default();
    let mut follower = Follower::default();
    intent.apply(ChangeSet { revision: 1, changes, tombstones: vec![] });
    follower.take(intent.loaded(1));
    let id = NetworkId(id(0));
    assert_eq!(follower.networks[&id].macs.get(mac(7)).unwrap().vtep, vtep(1));
    assert_eq!(*follower.networks[&id].flood, [vtep(1), vtep(2)]);

    let arrived = vec![port(0, 0, 7, Some(1))];
    follower.take(intent.apply(ChangeSet { revision: 2, changes: arrived, tombstones: vec![] }));
    assert_eq!(follower.networks[&id].macs.get(mac(7)).unwrap().vtep, vtep(2));
    assert_eq!(*follower.networks[&id].flood, [vtep(2)]);
}

#[test]
fn a_distributed_routers_mac_is_flooded_to_all_its_hosts() {
    let mut changes = example();
    changes.push(spread(port(0, 0, 7, None), Elsewhere::Distributed, &[0, 1]));
    changes.push(spread(port(1, 0, 8, None), Elsewhere::Distributed, &[1]));
    let follower = load(changes);
    let network = &follower.networks[&NetworkId(id(0))];
    assert_eq!(network.contested.iter().copied().collect::<Vec<_>>(), [mac(7)]);
    assert_eq!(network.macs.iter().map(|row| row.mac).collect::<Vec<_>>(), [mac(8)], "on one host it is no riddle");
    assert_eq!(*network.flood, [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)]);
}

#[test]
fn a_host_without_endpoint_gets_neither_row_nor_flood_until_it_has_one() {
    let mut changes = example();
    changes.push(port(0, 0, 7, Some(9)));
    let mut intent = Intent::default();
    intent.apply(ChangeSet { revision: 1, changes, tombstones: vec![] });
    intent.loaded(1);
    let updates = intent.apply(ChangeSet { revision: 2, changes: vec![endpoint(9, 9)], tombstones: vec![] });
    let [Update::Network { switches, network, macs: Some(macs) }] = updates.as_slice() else {
        panic!("{updates:?}");
    };
    assert_eq!(**switches, BTreeSet::from(["tor-1".to_owned(), "tor-2".to_owned()]));
    assert_eq!(**macs, [mac(7)]);
    assert_eq!(network.macs.get(mac(7)).unwrap().vtep, Ipv4Addr::new(192, 0, 2, 9));
    assert_eq!(network.flood.len(), 1);
}

#[test]
fn ports_on_a_host_without_endpoint_are_counted_unless_they_are_bare_metal() {
    let unreached = |intent: &Intent| {
        let network = intent.networks.intent(NetworkId(id(0))).unwrap();
        network.unreached.listed.iter().map(|(host, ports)| format!("{host} {ports}")).collect::<Vec<_>>()
    };
    let mut intent = Intent::default();
    let mut changes = example();
    changes.extend([port(0, 0, 7, Some(9)), port(1, 0, 8, Some(9)), port(2, 0, 9, Some(0))]);
    intent.apply(ChangeSet { revision: 1, changes, tombstones: vec![] });
    intent.loaded(1);
    assert_eq!(unreached(&intent), ["compute-9 2"]);
    let follow = |intent: &mut Intent, changes: Vec<Change>| {
        let revision = intent.revision() + 1;
        intent.apply(ChangeSet { revision, changes, tombstones: vec![] });
    };
    let (switch, network) = ("tor-1".to_owned(), NetworkId(id(0)));
    let learned = Change::LearnedSet(crate::model::LearnedMac {
        switch: switch.clone(),
        network,
        mac: mac(7),
        vtep: Ipv4Addr::new(192, 0, 2, 1),
        ips: crate::model::Ips::None,
        learned_ms: 1,
    });
    follow(&mut intent, vec![learned]);
    assert_eq!(unreached(&intent), ["compute-9 1"]);
    follow(&mut intent, vec![Change::LearnedRemoved { switch, network, mac: mac(7) }]);
    assert_eq!(unreached(&intent), ["compute-9 2"]);
    follow(&mut intent, vec![Change::PortRemoved(PortId(id(1)))]);
    assert_eq!(unreached(&intent), ["compute-9 1"]);
    follow(&mut intent, vec![endpoint(9, 9)]);
    assert!(unreached(&intent).is_empty());
    follow(&mut intent, vec![Change::EndpointRemoved("compute-9".to_owned())]);
    assert_eq!(unreached(&intent), ["compute-9 1"]);
}

#[test]
fn what_does_not_matter_to_a_switch_is_not_told() {
    let mut changes = example();
    changes.push(port(0, 0, 7, Some(0)));
    let mut intent = Intent::default();
    intent.apply(ChangeSet { revision: 1, changes, tombstones: vec![] });
    intent.loaded(1);
    // The same port again, a port of a network without connection, an unbound port.
    let same = vec![port(0, 0, 7, Some(0)), port(5, 2, 9, Some(0)), port(6, 0, 9, None)];
    let updates = intent.apply(ChangeSet { revision: 2, changes: same, tombstones: vec![] });
    assert!(updates.is_empty(), "{updates:?}");
}

#[test]
fn tombstones_explain_until_confirmed_or_revived() {
    let mut changes = example();
    changes.push(port(0, 0, 7, Some(0)));
    let mut intent = Intent::default();
    intent.apply(ChangeSet { revision: 1, changes, tombstones: vec![] });
    intent.loaded(1);
    let network = NetworkId(id(0));
    let gone = ChangeSet {
        revision: 2,
        changes: vec![Change::PortRemoved(PortId(id(0)))],
        tombstones: vec![Tombstone::Mac { network, mac: mac(7) }],
    };
    let mut follower = Follower::default();
    follower.take(intent.apply(gone));
    assert!(follower.networks[&network].buried.get(mac(7)).is_some());
    intent.confirmed(1);
    follower.take(intent.apply(ChangeSet { revision: 3, changes: vec![port(3, 0, 8, Some(0))], tombstones: vec![] }));
    assert!(follower.networks[&network].buried.get(mac(7)).is_some(), "revision 2 isn't confirmed yet");
    intent.confirmed(2);
    follower.take(intent.apply(ChangeSet { revision: 4, changes: vec![port(4, 0, 9, Some(0))], tombstones: vec![] }));
    assert!(follower.networks[&network].buried.get(mac(7)).is_none());

    let tombstones =
        vec![Tombstone::Network { network, switch: "tor-1".into() }, Tombstone::Mac { network, mac: mac(8) }];
    let set = ChangeSet { revision: 5, changes: vec![Change::ConnectionRemoved(ConnectionId(id(0)))], tombstones };
    follower.take(intent.apply(set));
    assert!(follower.switches["tor-1"].buried_networks.contains(&network));
    assert!(!follower.switches["tor-2"].buried_networks.contains(&network));
}

#[test]
fn a_deletion_is_explained_by_its_own_tombstone_not_by_an_earlier_one_of_the_same_row() {
    let mut intent = Intent::default();
    intent.apply(ChangeSet { revision: 1, changes: example(), tombstones: vec![] });
    intent.loaded(1);
    let network = NetworkId(id(0));
    let mut follower = Follower::default();
    let mut apply = |intent: &mut Intent, revision, change, dead: bool| {
        let tombstones = dead.then_some(Tombstone::Mac { network, mac: mac(7) }).into_iter().collect();
        follower.take(intent.apply(ChangeSet { revision, changes: vec![change], tombstones }));
        follower.networks[&network].buried.get(mac(7)).is_some()
    };
    assert!(!apply(&mut intent, 2, port(0, 0, 7, Some(0)), false));
    assert!(apply(&mut intent, 3, Change::PortRemoved(PortId(id(0))), true));
    assert!(!apply(&mut intent, 4, port(1, 0, 7, Some(0)), false), "it is alive again");
    assert!(apply(&mut intent, 5, Change::PortRemoved(PortId(id(1))), true));
    // Every switch has seen the first deletion, none the second.
    intent.confirmed(4);
    assert!(apply(&mut intent, 6, port(2, 0, 8, Some(0)), false));
    intent.confirmed(5);
    assert!(!apply(&mut intent, 7, port(3, 0, 9, Some(0)), false));
}

#[test]
fn a_binding_is_counted_over_connections() {
    let follower = load(vec![
        network(0, 5),
        gateway(0, &[1], &[50]),
        gateway(1, &[1], &[50]),
        connection(0, 0, 0, 0),
        connection(1, 1, 0, 0),
    ]);
    let bound = &follower.switches["tor-1"].bindings[&("e1".to_owned(), VlanId::try_from(50).unwrap())];
    assert_eq!(bound.connections, [ConnectionId(id(0)), ConnectionId(id(1))]);
}
