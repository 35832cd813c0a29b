//! Random operations, faults and drift, against an oracle of a few lines: whatever happened, the switches end up with
//! exactly what was asked for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::scene::{logical_switch, macs};
use crate::support::{
    daemon::{Daemon, Home},
    dump::{Dump, Mac},
    tor::{Contents, Tor},
};

const SWITCHES: [&str; 2] = ["t0", "t1"];
const HOSTS: [(&str, &str); 4] =
    [("c0", "198.51.100.10"), ("c1", "198.51.100.11"), ("c2", "198.51.100.12"), ("homeless", "")];

/// xorshift64*: the seed tells the whole story.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).expect("31 bits") % sides
    }
}

#[derive(Debug)]
struct Machine {
    id: String,
    network: usize,
    mac: String,
    ip: String,
    host: usize,
}

/// What was asked for.
#[derive(Debug, Default)]
struct Model {
    /// Id, VNI. Network i is bound to VLAN 100 + i everywhere.
    networks: Vec<(String, u64)>,
    machines: Vec<Machine>,
    /// Interfaces of each gateway: (switch, port).
    gateways: Vec<BTreeSet<(usize, &'static str)>>,
    /// (gateway, network) -> connection.
    connections: BTreeMap<(usize, usize), String>,
    machines_ever: u32,
}

/// What a switch should hold: Logical_Switches, bindings, MACs, flood lists.
type Holding =
    (BTreeMap<String, Option<u64>>, BTreeMap<(String, u16), String>, Vec<Mac>, Vec<(String, BTreeSet<String>)>);

fn holding(dump: &Dump) -> Holding {
    (dump.logical_switches(), dump.bindings(), dump.macs(), dump.floods())
}

impl Model {
    fn on(&self, switch: usize) -> Holding {
        let mut wanted = Holding::default();
        for &(gateway, network) in self.connections.keys() {
            let (id, vni) = &self.networks[network];
            let name = logical_switch(id);
            let vlan = 100 + u16::try_from(network).expect("few networks");
            for (_, port) in self.gateways[gateway].iter().filter(|(s, _)| *s == switch) {
                wanted.1.insert(((*port).to_owned(), vlan), name.clone());
                wanted.0.insert(name.clone(), Some(*vni));
            }
        }
        for (network, (id, _)) in self.networks.iter().enumerate() {
            let name = logical_switch(id);
            if !wanted.0.contains_key(&name) {
                continue;
            }
            let here = self.machines.iter().filter(|machine| machine.network == network);
            let reachable: Vec<_> = here.filter(|machine| !HOSTS[machine.host].1.is_empty()).collect();
            let rows: Vec<_> = reachable.iter().map(|m| (m.mac.as_str(), m.ip.as_str(), HOSTS[m.host].1)).collect();
            wanted.2.extend(macs(&name, &rows));
            let flood: BTreeSet<String> = reachable.iter().map(|machine| HOSTS[machine.host].1.to_owned()).collect();
            if !flood.is_empty() {
                wanted.3.push((name, flood));
            }
        }
        wanted.2.sort();
        wanted.3.sort();
        wanted
    }
}

struct World {
    tors: Vec<Tor>,
    daemon: Daemon,
    model: Model,
    dice: Dice,
    story: Vec<String>,
    seed: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let tors: Vec<Tor> = SWITCHES.iter().map(|name| Tor::start(name, "192.0.2.1")).collect();
        let daemon = Home::new().tor_on_unix(&tors[0]).tor_on_unix(&tors[1]).start();
        let mut world = Self { tors, daemon, model: Model::default(), dice: Dice(seed | 1), story: Vec::new(), seed };
        let rest = world.daemon.rest();
        for (host, ip) in HOSTS.iter().filter(|(_, ip)| !ip.is_empty()) {
            rest.endpoint(host, ip);
        }
        for (i, vni) in (0..3).zip(7000..) {
            world.model.networks.push((rest.network_with_vni(&format!("n{i}"), vni), vni.into()));
        }
        // One gateway on each switch alone, and one on both.
        for devices in [[0].as_slice(), &[1], &[0, 1]] {
            let named: Vec<(&str, &[&str])> =
                devices.iter().map(|i| (SWITCHES[*i], ["Ethernet40"].as_slice())).collect();
            rest.gateway(&format!("g{}", world.model.gateways.len()), &named);
            world.model.gateways.push(devices.iter().map(|i| (*i, "Ethernet40")).collect());
        }
        world
    }

    fn step(&mut self) {
        let told = match self.dice.roll(24) {
            0..=5 => Some(self.add_machine()),
            6..=8 => self.move_machine(),
            9..=10 => self.remove_machine(),
            11..=15 => self.connect(),
            16..=17 => self.disconnect(),
            18..=19 => self.toggle_interface(),
            20 => Some(self.restart_daemon()),
            21 => Some(self.restart_switch()),
            22 => Some(self.drift()),
            _ => {
                self.daemon.reload();
                Some("reload".to_owned())
            }
        };
        self.story.extend(told);
    }

    fn add_machine(&mut self) -> String {
        let i = self.model.machines_ever;
        self.model.machines_ever += 1;
        let (network, host) = (self.dice.roll(self.model.networks.len()), self.dice.roll(HOSTS.len()));
        let (mac, ip) = (super::scene::mac(i), format!("10.0.{}.{}", i / 250, i % 250 + 1));
        let id = self.daemon.rest().port(&self.model.networks[network].0, &mac, &ip, HOSTS[host].0);
        let told = format!("add {mac} to n{network} on {}", HOSTS[host].0);
        self.model.machines.push(Machine { id, network, mac, ip, host });
        told
    }

    fn pick_machine(&mut self) -> Option<usize> {
        let count = self.model.machines.len();
        (count > 0).then(|| self.dice.roll(count))
    }

    fn move_machine(&mut self) -> Option<String> {
        let picked = self.pick_machine()?;
        let host = self.dice.roll(HOSTS.len());
        let machine = &mut self.model.machines[picked];
        machine.host = host;
        let path = format!("/v2.0/ports/{}", machine.id);
        self.daemon.rest().put(&path, &json!({"port": {"binding:host_id": HOSTS[host].0}})).expect(200);
        Some(format!("move {} to {}", machine.mac, HOSTS[host].0))
    }

    fn remove_machine(&mut self) -> Option<String> {
        let picked = self.pick_machine()?;
        let machine = self.model.machines.swap_remove(picked);
        self.daemon.rest().delete(&format!("/v2.0/ports/{}", machine.id)).expect(204);
        Some(format!("remove {}", machine.mac))
    }

    fn connect(&mut self) -> Option<String> {
        let pair = (self.dice.roll(self.model.gateways.len()), self.dice.roll(self.model.networks.len()));
        if self.model.connections.contains_key(&pair) {
            return None;
        }
        let vlan = 100 + u16::try_from(pair.1).expect("few networks");
        let id = self.daemon.rest().connect(&format!("g{}", pair.0), &self.model.networks[pair.1].0, vlan);
        self.model.connections.insert(pair, id);
        Some(format!("connect g{} with n{}", pair.0, pair.1))
    }

    fn disconnect(&mut self) -> Option<String> {
        let count = self.model.connections.len();
        let pair = *self.model.connections.keys().nth(self.dice.roll(count.max(1)))?;
        let id = self.model.connections.remove(&pair)?;
        self.daemon.rest().disconnect(&id);
        Some(format!("disconnect g{} from n{}", pair.0, pair.1))
    }

    fn toggle_interface(&mut self) -> Option<String> {
        let picked = self.dice.roll(self.model.gateways.len());
        let gateway = &mut self.model.gateways[picked];
        let switch = gateway.iter().next()?.0;
        let verb = if gateway.remove(&(switch, "Ethernet41")) {
            "deleted_interfaces"
        } else {
            gateway.insert((switch, "Ethernet41"));
            "new_interfaces"
        };
        let device = json!({"device_name": SWITCHES[switch], verb: [{"name": "Ethernet41"}]});
        let body = json!({"l2_gateway": {"name": format!("g{picked}"), "devices": [device]}});
        self.daemon.rest().post("/v2/l2-gateways", &body).expect(200);
        Some(format!("g{picked}: {verb} {}/Ethernet41", SWITCHES[switch]))
    }

    fn restart_daemon(&mut self) -> String {
        self.daemon.kill();
        self.daemon.start();
        "kill the daemon".to_owned()
    }

    fn restart_switch(&mut self) -> String {
        let (switch, contents) =
            (self.dice.roll(SWITCHES.len()), [Contents::Kept, Contents::Factory][self.dice.roll(2)]);
        self.tors[switch].restart(contents);
        format!("restart {} with its contents {contents:?}", SWITCHES[switch])
    }

    fn drift(&mut self) -> String {
        let switch = self.dice.roll(SWITCHES.len());
        let operation = match self.dice.roll(3) {
            0 => json!({"op": "delete", "table": "Ucast_Macs_Remote", "where": []}),
            1 => json!({"op": "delete", "table": "Mcast_Macs_Remote", "where": []}),
            _ => json!({"op": "update", "table": "Physical_Port", "where": [], "row": {"vlan_bindings": ["map", []]}}),
        };
        self.tors[switch].transact(std::slice::from_ref(&operation));
        format!("drift on {}: {operation}", SWITCHES[switch])
    }

    fn settle(&self) {
        for (i, tor) in self.tors.iter().enumerate() {
            let wanted = self.model.on(i);
            let what = format!("seed {}: {:#?}\nwanted: {wanted:#?}", self.seed, self.story);
            tor.wait(&what, |dump| holding(dump) == wanted);
        }
    }
}

fn live(seed: u64, rounds: usize) {
    let mut world = World::new(seed);
    let factory: Vec<Dump> = world.tors.iter().map(Tor::dump).collect();
    for _ in 0..rounds {
        (0..12).for_each(|_| world.step());
        world.settle();
    }
    while world.disconnect().is_some() {}
    for (tor, factory) in world.tors.iter().zip(&factory) {
        tor.wait(&format!("seed {}: all of it goes: {:#?}", world.seed, world.story), |dump| dump == factory);
    }
}

#[test]
fn a_random_life() {
    live(0x5eed_0001, 4);
}

#[test]
fn another_random_life() {
    live(0x5eed_0002, 4);
}

/// `make soak`: lives that nobody has seen before; the seed is in the message.
#[test]
#[ignore = "takes minutes"]
fn many_random_lives() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    for i in 0..40 {
        live(now.as_secs() + i, 6);
    }
}
