use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::model::{Device, DeviceId, Interface};

fn gateway_id(n: u8) -> GatewayId {
    GatewayId(Uuid::from_u128(u128::from(n) + 1))
}

fn network_id(n: u8) -> NetworkId {
    NetworkId(Uuid::from_u128(u128::from(n) + 100))
}

/// A gateway called after its mode, on these of the switches a, b, c.
fn gateway(n: u8, mode: &str, switches: &str) -> Change {
    let interfaces = vec![Interface { name: "e1".into(), vlans: Vec::new() }];
    let device =
        |name: char| Device { id: DeviceId(Uuid::nil()), name: name.to_string(), interfaces: interfaces.clone() };
    let devices = switches.chars().map(device).collect();
    Change::GatewaySet(Gateway { id: gateway_id(n), name: mode.to_owned(), tenant_id: String::new(), devices })
}

fn connection(n: u8, gateway: u8, network: u8) -> Change {
    Change::ConnectionSet(Connection {
        id: ConnectionId(Uuid::from_u128(u128::from(n) + 1)),
        tenant_id: String::new(),
        gateway_id: gateway_id(gateway),
        network_id: network_id(network),
        port_id: String::new(),
        default_vlan: None,
    })
}

fn disconnection(n: u8) -> Change {
    Change::ConnectionRemoved(ConnectionId(Uuid::from_u128(u128::from(n) + 1)))
}

fn election(gateway: u8, network: u8, forwarder: Option<&str>) -> Change {
    Change::ElectionSet(Election {
        gateway: gateway_id(gateway),
        network: network_id(network),
        forwarder: forwarder.map(str::to_owned),
        eligible: forwarder.map(str::to_owned).into_iter().collect(),
    })
}

fn idle(gateway: u8, network: u8, left: bool) -> Change {
    Change::IdleSet(Idle { gateway: gateway_id(gateway), network: network_id(network), since_ms: 0, left })
}

fn vteps(switch: &str, network: Option<u8>, last: &[u8]) -> Change {
    let vteps = last.iter().map(|last| Ipv4Addr::new(192, 0, 2, *last)).collect();
    Change::VtepsSet(SwitchVteps { switch: switch.to_owned(), network: network.map(network_id), vteps })
}

fn policy() -> Arc<RelayConfig> {
    let of = |active_active| GatewayConfig { active_active, ..GatewayConfig::default() };
    let modes = [("alone", ActiveActive::SingleActive), ("apart", ActiveActive::Independent)];
    let gateways = modes.map(|(name, mode)| (name.to_owned(), of(mode))).into();
    Arc::new(RelayConfig { gateways, ..RelayConfig::default() })
}

fn applied(changes: &[Change]) -> (Topology, Affected) {
    let (mut topology, mut affected) = (Topology::new(policy()), Affected::default());
    for change in changes {
        topology.apply(change, &mut affected);
    }
    (topology, affected)
}

/// All that can be read of a topology, in words.
fn view(topology: &Topology) -> Vec<String> {
    let mut view = Vec::new();
    for n in 0..3 {
        let id = gateway_id(n);
        let segments: Vec<_> = topology.segments(id).iter().map(|segment| segment.switches.join("")).collect();
        view.push(format!("{n} {} {segments:?}", topology.switches(id).concat()));
        for m in 0..3 {
            let pair = (id, network_id(m));
            let connections: Vec<_> = topology.connections(pair).map(|connection| connection.id).collect();
            let is_on = topology.gateways_on(pair.1).any(|other| other == id);
            let (election, idle) = (topology.election(pair), topology.idle(pair));
            let flooded: Vec<_> = topology.roles(pair).into_iter().flat_map(|roles| roles.flooded()).collect();
            view.push(format!("{n} {m} {is_on} {connections:?} {election:?} {idle:?} {flooded:?}"));
            view.push(format!("{m} {}", topology.has_connection(pair.1)));
        }
    }
    for switch in ["a", "b", "c"] {
        let gateways: Vec<_> = topology.gateways_of_switch(switch).collect();
        let networks: BTreeSet<_> = topology.networks_of_switch(switch).collect();
        let broadcasts = (0..3).map(|m| topology.broadcasts(switch, network_id(m))).collect::<Vec<_>>();
        view.push(format!("{switch} {gateways:?} {networks:?} {:?} {broadcasts:?}", topology.tunnel_ips(switch)));
    }
    view
}

fn any_change() -> impl Strategy<Value = Change> {
    let switch = prop_oneof![Just("a"), Just("b"), Just("c")];
    let mode = prop_oneof![Just("bundle"), Just("alone"), Just("apart")];
    let switches = prop_oneof![Just("a"), Just("b"), Just("ab"), Just("bc")];
    prop_oneof![
        2 => (0u8..3, mode, switches).prop_map(|(n, mode, switches)| gateway(n, mode, switches)),
        1 => (0u8..3).prop_map(|n| Change::GatewayRemoved(gateway_id(n))),
        3 => (0u8..4, 0u8..3, 0u8..3).prop_map(|(n, g, m)| connection(n, g, m)),
        2 => (0u8..4).prop_map(disconnection),
        2 => (0u8..3, 0u8..3, prop::option::of(Just("a"))).prop_map(|(g, m, of)| election(g, m, of)),
        1 => (0u8..3, 0u8..3).prop_map(|(g, m)| Change::ElectionRemoved(gateway_id(g), network_id(m))),
        1 => (0u8..3, 0u8..3, any::<bool>()).prop_map(|(g, m, left)| idle(g, m, left)),
        1 => (0u8..3, 0u8..3).prop_map(|(g, m)| Change::IdleRemoved(gateway_id(g), network_id(m))),
        2 => (switch, prop::option::of(0u8..3), prop::collection::vec(1u8..4, 0..3))
            .prop_map(|(name, network, last)| vteps(name, network, &last)),
    ]
}

/// What remains of a history, as the store would load it.
fn survivors(history: &[Change]) -> Vec<Change> {
    let mut kept: BTreeMap<String, Change> = BTreeMap::new();
    for change in history {
        match change {
            Change::GatewaySet(gateway) => kept.insert(format!("1{}", gateway.id), change.clone()),
            Change::GatewayRemoved(id) => kept.remove(&format!("1{id}")),
            Change::ConnectionSet(connection) => kept.insert(format!("2{}", connection.id), change.clone()),
            Change::ConnectionRemoved(id) => kept.remove(&format!("2{id}")),
            Change::VtepsSet(row) => kept.insert(format!("3{}{:?}", row.switch, row.network), change.clone()),
            Change::ElectionSet(of) => kept.insert(format!("4{}{}", of.gateway, of.network), change.clone()),
            Change::ElectionRemoved(gateway, network) => kept.remove(&format!("4{gateway}{network}")),
            Change::IdleSet(of) => kept.insert(format!("5{}{}", of.gateway, of.network), change.clone()),
            Change::IdleRemoved(gateway, network) => kept.remove(&format!("5{gateway}{network}")),
            other => unreachable!("any_change makes no {other:?}"),
        };
    }
    kept.into_values().collect()
}

proptest! {
    /// Whatever changed in whatever order, it ends where a fresh load ends, and what is different was said to be affected.
    #[test]
    fn following_equals_loading(history in prop::collection::vec(any_change(), 0..80), last in any_change()) {
        let (mut topology, _) = applied(&history);
        let loaded = applied(&survivors(&history)).0;
        prop_assert_eq!(view(&topology), view(&loaded));
        let flooded = |topology: &Topology, m: u8| {
            let all = topology.gateways_on(network_id(m)).filter_map(|id| topology.roles((id, network_id(m))));
            all.map(|roles| roles.flooded().map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        let bound = |topology: &Topology, switch: &str| {
            let gateways: Vec<_> = topology.gateways_of_switch(switch).collect();
            let pairs = gateways.into_iter().flat_map(|id| topology.pairs_of(id)).collect::<Vec<_>>();
            let binds = |pair: &Pair| topology.roles(*pair).is_some_and(|roles| roles.binds(switch));
            pairs.into_iter().map(|pair| (pair, binds(&pair), topology.connections(pair).count())).collect::<Vec<_>>()
        };
        let flooded_before: Vec<_> = (0..3).map(|m| flooded(&topology, m)).collect();
        let bound_before: Vec<_> = ["a", "b", "c"].iter().map(|switch| bound(&topology, switch)).collect();
        let mut affected = Affected::default();
        topology.apply(&last, &mut affected);
        for (m, before) in (0..3).zip(flooded_before) {
            prop_assert!(before == flooded(&topology, m) || affected.announced.contains(&network_id(m)));
        }
        for (switch, before) in ["a", "b", "c"].into_iter().zip(bound_before) {
            prop_assert!(before == bound(&topology, switch) || affected.switches.contains(switch));
        }
    }
}

#[test]
fn what_a_change_affects() {
    let of = |change: Change| {
        let before = [
            gateway(0, "bundle", "ab"),
            gateway(1, "alone", "bc"),
            connection(0, 0, 0),
            connection(1, 1, 1),
            idle(0, 0, false),
        ];
        let mut topology = applied(&before).0;
        let mut affected = Affected::default();
        topology.apply(&change, &mut affected);
        let networks = |networks: BTreeSet<NetworkId>| {
            (0..3).filter(|m| networks.contains(&network_id(*m))).map(|m| m.to_string()).collect::<String>()
        };
        let pairs = affected.pairs.iter().map(|pair| pair.1).collect();
        let switches = affected.switches.into_iter().collect::<String>();
        [switches, networks(affected.connected), networks(affected.announced), networks(pairs)]
    };
    // Switches, connected, announced, pairs.
    assert_eq!(of(gateway(0, "bundle", "ac")), ["abc", "", "0", "0"]);
    assert_eq!(of(Change::GatewayRemoved(gateway_id(1))), ["bc", "", "1", "1"]);
    assert_eq!(of(connection(2, 0, 2)), ["ab", "2", "2", "2"]);
    assert_eq!(of(connection(0, 1, 2)), ["abc", "02", "02", "02"]);
    assert_eq!(of(disconnection(0)), ["ab", "0", "0", "0"]);
    assert_eq!(of(election(0, 0, Some("a"))), ["", "", "0", "0"], "in a bundle all are bound");
    assert_eq!(of(election(1, 1, Some("b"))), ["bc", "", "1", "1"]);
    assert_eq!(of(idle(0, 0, false)), ["", "", "", "0"], "it stays in the flood lists");
    assert_eq!(of(idle(0, 0, true)), ["", "", "0", "0"]);
    assert_eq!(of(Change::IdleRemoved(gateway_id(0), network_id(0))), ["", "", "", "0"]);
    assert_eq!(of(vteps("b", None, &[1])), ["", "", "01", ""]);
    assert_eq!(of(vteps("b", Some(2), &[1])), ["", "", "2", ""]);
}

#[test]
fn a_segment_keeps_its_number_and_independent_switches_have_one_each() {
    let (mut topology, mut affected) = applied(&[gateway(0, "bundle", "ab"), gateway(1, "apart", "ab")]);
    let numbers = |topology: &Topology| {
        let all = (0..2).flat_map(|n| topology.segments(gateway_id(n)));
        all.map(|segment| (segment.number, segment.switches.concat())).collect::<Vec<_>>()
    };
    let first = numbers(&topology);
    assert_eq!(first, [(0, "ab".into()), (1, "a".into()), (2, "b".into())]);
    topology.apply(&Change::GatewayRemoved(gateway_id(1)), &mut affected);
    topology.apply(&gateway(1, "apart", "ab"), &mut affected);
    assert_eq!(numbers(&topology), first);
}

#[test]
fn what_is_no_vtep_is_none() {
    let strange = ["0.0.0.0", "127.0.0.1", "224.0.0.1", "239.1.1.1", "255.255.255.255", "192.0.2.7"];
    let vteps = strange.map(|ip| ip.parse().expect("an address")).to_vec();
    let row = |network| Change::VtepsSet(SwitchVteps { switch: "a".to_owned(), network, vteps: vteps.clone() });
    let (topology, _) = applied(&[row(None), row(Some(network_id(0)))]);
    let good = Ipv4Addr::new(192, 0, 2, 7);
    assert_eq!((topology.tunnel_ips("a"), topology.broadcasts("a", network_id(0))), (&[good][..], &[good][..]));
}
