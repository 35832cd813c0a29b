use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use super::*;
use crate::{
    config::{ActiveActive, GatewayConfig, RelayConfig},
    model::{Change, Connection, ConnectionId, Device, DeviceId, Gateway, Interface},
    topology::Affected,
};

const GATEWAY: GatewayId = GatewayId(Uuid::from_u128(1));
const NETWORK: NetworkId = NetworkId(Uuid::from_u128(2));
const CONNECTION: ConnectionId = ConnectionId(Uuid::from_u128(3));

/// A gateway of the switches a and b on one network.
struct Scene {
    topology: Topology,
    moves: Moves,
    now_ms: u64,
}

impl Scene {
    fn new(active_active: ActiveActive) -> Self {
        let common = GatewayConfig { active_active, ..GatewayConfig::default() };
        let policy = RelayConfig { common, ..RelayConfig::default() };
        let mut scene = Self { topology: Topology::new(Arc::new(policy)), moves: Moves::default(), now_ms: 1000 };
        let interfaces = vec![Interface { name: "e1".to_owned(), vlans: Vec::new() }];
        let device =
            |name: &str| Device { id: DeviceId(Uuid::nil()), name: name.to_owned(), interfaces: interfaces.clone() };
        scene.apply(&Change::GatewaySet(Gateway {
            id: GATEWAY,
            name: "gw".to_owned(),
            tenant_id: String::new(),
            devices: ["a", "b"].map(device).to_vec(),
        }));
        scene.apply(&Change::ConnectionSet(Connection {
            id: CONNECTION,
            tenant_id: String::new(),
            gateway_id: GATEWAY,
            network_id: NETWORK,
            port_id: String::new(),
            default_vlan: None,
        }));
        scene
    }

    fn apply(&mut self, change: &Change) {
        self.topology.apply(change, &mut Affected::default());
    }

    /// Somebody is elected, or nobody; from whom to whom that moves the network.
    fn elect(&mut self, forwarder: Option<&str>, eligible: &str) -> Option<(String, String)> {
        let election = Election {
            gateway: GATEWAY,
            network: NETWORK,
            forwarder: forwarder.map(str::to_owned),
            eligible: vec![eligible.to_owned()],
        };
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
        let moved = self.moves.note(&self.topology, &election, self.now_ms, at);
        self.apply(&Change::ElectionSet(election));
        moved.map(|moved| (moved.from, moved.to))
    }

    fn shown(&mut self) -> Vec<(String, String)> {
        let shown = self.moves.shown(&self.topology, self.now_ms);
        shown.into_iter().map(|moved| (moved.from, moved.to)).collect()
    }
}

fn way(from: &str, to: &str) -> (String, String) {
    (from.to_owned(), to.to_owned())
}

#[test]
fn a_hand_over_is_noted_when_the_winner_is_elected_and_shown_for_five_minutes() {
    let mut scene = Scene::new(ActiveActive::SingleActive);
    assert_eq!(scene.elect(Some("a"), "a"), None, "the first is no move");
    assert_eq!(scene.elect(None, "a"), None, "it is asked to let go");
    assert_eq!(scene.shown(), []);
    assert_eq!(scene.elect(Some("b"), "b"), Some(way("a", "b")));
    assert_eq!(scene.shown(), [way("a", "b")]);
    scene.now_ms += 299_999;
    assert_eq!(scene.shown(), [way("a", "b")]);
    assert_eq!(scene.moves.next_ms(), Some(scene.now_ms + 1));
    // The next one begins anew.
    assert_eq!(scene.elect(Some("a"), "a"), Some(way("b", "a")), "at once, where b was unreachable");
    scene.now_ms += 1;
    assert_eq!(scene.shown(), [way("b", "a")]);
    scene.now_ms += 300_000;
    assert_eq!(scene.shown(), []);
    assert_eq!(scene.moves.next_ms(), None);
}

#[test]
fn what_moves_nothing_is_no_hand_over() {
    let mut scene = Scene::new(ActiveActive::SingleActive);
    scene.elect(Some("a"), "a");
    scene.elect(None, "a");
    assert_eq!(scene.elect(Some("a"), "a"), None, "the same one again");
    assert_eq!(scene.shown(), []);
    // Both stay bound.
    let mut bundle = Scene::new(ActiveActive::Lag);
    bundle.elect(Some("a"), "a");
    assert_eq!(bundle.elect(Some("b"), "b"), None);
    // Nobody is interested in what isn't connected any more.
    scene.elect(Some("b"), "b");
    scene.apply(&Change::ConnectionRemoved(CONNECTION));
    assert_eq!(scene.shown(), []);
}
