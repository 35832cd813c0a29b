use uuid::Uuid;

use super::*;
use crate::{
    intent::Intent,
    model::{
        ActiveActive, ChangeSet, Connection, ConnectionId, Device, DeviceId, Election, Gateway, GatewayConfig,
        RelayConfig, SwitchVteps,
    },
};

const NETWORK: NetworkId = NetworkId(Uuid::from_u128(7));

fn mac(n: u8) -> MacAddr {
    MacAddr::new([2, 0, 0, 0, 0, n])
}

fn learned(switch: &str, n: u8, vtep: &str, learned_ms: u64) -> Change {
    let (vtep, switch) = (vtep.parse().expect("an address"), switch.to_owned());
    Change::LearnedSet(LearnedMac { switch, network: NETWORK, mac: mac(n), vtep, ips: Ips::None, learned_ms })
}

fn forgotten(switch: &str, n: u8) -> Change {
    Change::LearnedRemoved { switch: switch.to_owned(), network: NETWORK, mac: mac(n) }
}

fn tunnel_ips(switch: &str, vteps: &[&str]) -> Change {
    let vteps = vteps.iter().map(|ip| ip.parse().expect("an address")).collect();
    Change::VtepsSet(SwitchVteps { switch: switch.to_owned(), network: None, vteps })
}

/// The switches `a` and `b` of one gateway, connected; `c` is another gateway's.
fn intent(mode: ActiveActive) -> Intent {
    let common = GatewayConfig { active_active: mode, ..GatewayConfig::default() };
    let mut intent = Intent::new(Arc::new(RelayConfig { common, ..RelayConfig::default() }));
    let device = |name: char| Device { id: DeviceId(Uuid::nil()), name: name.to_string(), interfaces: Vec::new() };
    let mut changes = Vec::new();
    for (n, switches) in [(1, "ab"), (2, "c")] {
        let id = GatewayId(Uuid::from_u128(n));
        let (name, tenant_id) = (String::new(), String::new());
        changes.push(Change::GatewaySet(Gateway {
            id,
            name,
            tenant_id,
            devices: switches.chars().map(device).collect(),
        }));
        changes.push(Change::ConnectionSet(Connection {
            id: ConnectionId(Uuid::from_u128(n)),
            tenant_id: String::new(),
            gateway_id: id,
            network_id: NETWORK,
            port_id: String::new(),
            default_vlan: None,
        }));
    }
    changes
        .extend([("a", "192.0.2.1"), ("b", "192.0.2.2"), ("c", "192.0.2.3")].map(|(name, ip)| tunnel_ips(name, &[ip])));
    apply(&mut intent, changes);
    intent.loaded(1);
    intent
}

fn apply(intent: &mut Intent, changes: Vec<Change>) {
    intent.apply(ChangeSet { revision: intent.revision() + 1, changes, tombstones: Vec::new() });
}

/// What a switch gets of what is behind gateways: its flood list, and its MACs with their VTEPs.
fn told(intent: &Intent, switch: &str) -> (Vec<String>, Vec<(u8, String)>) {
    let network = intent.networks.intent(NETWORK).expect("it is connected");
    let own = network.behind.own_gateways(|name| name == switch);
    let macs = network.behind.macs.iter().filter(|row| !own.contains(&row.gateway));
    let macs = macs.map(|row| (row.mac.octets()[5], row.vtep.to_string())).collect();
    (network.behind.flood(&own).map(|vtep| vtep.to_string()).collect(), macs)
}

fn row(n: u8, vtep: &str) -> (u8, String) {
    (n, vtep.to_owned())
}

#[test]
fn independent_switches_of_a_gateway_hear_of_each_other_and_twins_do_not() {
    let both = vec![learned("a", 1, "192.0.2.1", 1), learned("b", 2, "192.0.2.2", 2)];
    let mut apart = intent(ActiveActive::Independent);
    apply(&mut apart, both.clone());
    assert_eq!(told(&apart, "a"), (vec!["192.0.2.2".into(), "192.0.2.3".into()], vec![row(2, "192.0.2.2")]));
    assert_eq!(told(&apart, "b"), (vec!["192.0.2.1".into(), "192.0.2.3".into()], vec![row(1, "192.0.2.1")]));
    let all = vec![row(1, "192.0.2.1"), row(2, "192.0.2.2")];
    assert_eq!(told(&apart, "c"), (vec!["192.0.2.1".into(), "192.0.2.2".into()], all.clone()));
    // It moves from one to the other.
    apply(&mut apart, vec![learned("b", 1, "192.0.2.2", 3)]);
    assert_eq!(told(&apart, "a").1, [row(1, "192.0.2.2"), row(2, "192.0.2.2")]);
    assert_eq!(told(&apart, "b").1, []);

    let mut bundle = intent(ActiveActive::Lag);
    apply(&mut bundle, both);
    for twin in ["a", "b"] {
        assert_eq!(told(&bundle, twin), (vec!["192.0.2.3".into()], vec![]));
    }
    assert_eq!(told(&bundle, "c").1, all);
    assert_eq!(told(&bundle, "c").0.len(), 1, "one of the two gets the broadcasts");
}

#[test]
fn broadcasts_go_where_the_switch_learns_macs() {
    let mut intent = intent(ActiveActive::Independent);
    apply(&mut intent, vec![tunnel_ips("a", &["10.0.0.1", "10.99.0.11"])]);
    let flood = |intent: &Intent| told(intent, "c").0[0].clone();
    assert_eq!(flood(&intent), "10.0.0.1", "nothing is known of either");
    apply(&mut intent, vec![learned("a", 1, "10.99.0.11", 1)]);
    assert_eq!(flood(&intent), "10.99.0.11");
    apply(&mut intent, vec![learned("a", 2, "10.99.0.11", 2), forgotten("a", 1)]);
    assert_eq!(flood(&intent), "10.99.0.11");
    apply(&mut intent, vec![learned("a", 2, "10.0.0.1", 3)]);
    assert_eq!(flood(&intent), "10.0.0.1");
    // What the switch says of the network's broadcasts itself counts first.
    let own = SwitchVteps { switch: "a".into(), network: Some(NETWORK), vteps: vec![Ipv4Addr::new(10, 99, 0, 12)] };
    apply(&mut intent, vec![Change::VtepsSet(own)]);
    assert_eq!(flood(&intent), "10.99.0.12");
}

#[test]
fn what_no_station_has_is_announced_nowhere() {
    let mut intent = intent(ActiveActive::Lag);
    let group = LearnedMac {
        switch: "a".into(),
        network: NETWORK,
        mac: MacAddr::new([1, 0, 0x5e, 0, 0, 1]),
        vtep: Ipv4Addr::new(192, 0, 2, 1),
        ips: Ips::None,
        learned_ms: 1,
    };
    let zero = LearnedMac { mac: MacAddr::new([0; 6]), ..group.clone() };
    let strange = ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"];
    let mut changes: Vec<Change> = strange.iter().map(|vtep| learned("a", 1, vtep, 1)).collect();
    changes.extend([Change::LearnedSet(group), Change::LearnedSet(zero), learned("a", 9, "192.0.2.1", 1)]);
    apply(&mut intent, changes);
    assert_eq!(told(&intent, "c").1, [row(9, "192.0.2.1")]);
}

/// A switch that is cut off: its MACs are announced at its twin, and are the first's again when it is back.
#[test]
fn a_twin_stands_in_for_one_that_is_not_eligible() {
    let mut intent = intent(ActiveActive::Lag);
    apply(&mut intent, vec![learned("a", 1, "192.0.2.1", 1)]);
    let eligible = |names: &[&str]| {
        Change::ElectionSet(Election {
            gateway: GatewayId(Uuid::from_u128(1)),
            network: NETWORK,
            forwarder: names.first().map(|name| (*name).to_owned()),
            eligible: names.iter().map(|name| (*name).to_owned()).collect(),
        })
    };
    for (names, vtep) in [(&["a", "b"][..], "192.0.2.1"), (&["b"], "192.0.2.2"), (&["a"], "192.0.2.1")] {
        apply(&mut intent, vec![eligible(names)]);
        assert_eq!(told(&intent, "c").1, [row(1, vtep)], "{names:?}");
    }
}
