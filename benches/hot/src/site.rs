//! A fixed data centre: one switch, one network, N ports on a hundred compute nodes. The same bytes in every run.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use uuid::Uuid;

use vtepd_core::{
    intent::{Intent, Update},
    model::{
        Change, ChangeSet, Connection, ConnectionId, Device, DeviceId, Election, EndpointId, FixedIp, Gateway,
        GatewayId, Interface, Ips, LearnedMac, MacAddr, Network, NetworkId, Port, PortId, RelayConfig, SwitchVteps,
        TunnelEndpoint, VlanId, Vni,
    },
    plan::{Desired, Extras, GuardDecision, InFlight, Planner, Policy, Section},
    vtep::{Columns, Ownership, Replica, Touched},
};

const HOSTS: u32 = 100;
/// Changes of a change set.
const CHUNK: u32 = 1000;
const VNI: i64 = 5001;
const VLAN: i64 = 50;
const SWITCH: &str = "tor";
const TWIN: &str = "twin";
const PORT: &str = "Ethernet1";

const LOGICAL_SWITCH: u128 = 1 << 64;
const PHYSICAL_SWITCH: u128 = 2 << 64;
const PHYSICAL_PORT: u128 = 3 << 64;
const LOCATOR: u128 = 4 << 64;
const SET: u128 = 5 << 64;
const FLOOD: u128 = 6 << 64;
const ROW: u128 = 7 << 64;

pub(crate) fn network() -> NetworkId {
    NetworkId(Uuid::from_u128(0xA))
}

pub(crate) fn mac(i: u32) -> MacAddr {
    let [_, a, b, c] = i.to_be_bytes();
    MacAddr::new([0xfa, 0x16, 0x3e, a, b, c])
}

/// Spread over the table as a switch's own UUIDs are.
fn row(i: u32) -> Uuid {
    Uuid::from_u128(ROW | u128::from(i.wrapping_mul(0x9e37_79b1)) << 32 | u128::from(i))
}

fn vtep(host: u32) -> Ipv4Addr {
    Ipv4Addr::from(0xC633_6400 + 1 + host)
}

fn address(i: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0A80_0000 + i)
}

// ===== what is desired =====

pub(crate) fn port(i: u32) -> Port {
    Port {
        id: PortId(Uuid::from_u128(0xF000_0000 + u128::from(i))),
        name: String::new(),
        tenant_id: String::new(),
        network_id: network(),
        mac: mac(i),
        fixed_ips: vec![FixedIp { ip: IpAddr::V4(address(i)), subnet_id: None }],
        host: Some(format!("compute-{}", i % HOSTS)),
        elsewhere: vtepd_core::model::Elsewhere::Nowhere,
        allowed_address_pairs: Vec::new(),
    }
}

/// The store's feed, in change sets as the store sends them, made as they are asked for.
pub(crate) fn feed(ports: u32) -> impl Iterator<Item = ChangeSet> {
    let (gateway, none) = (GatewayId(Uuid::from_u128(0xB)), String::new);
    let interface = Interface { name: PORT.to_owned(), vlans: vec![VlanId::try_from(VLAN).expect("a VLAN")] };
    let device = Device { id: DeviceId(Uuid::nil()), name: SWITCH.to_owned(), interfaces: vec![interface] };
    let mut changes: Vec<Change> = (0..HOSTS)
        .map(|host| {
            let id = EndpointId(Uuid::from_u128(0xE000_0000 + u128::from(host)));
            Change::EndpointSet(TunnelEndpoint { id, host: format!("compute-{host}"), ip: vtep(host) })
        })
        .collect();
    let vni = Some(Vni::try_from(VNI).expect("a VNI"));
    changes.push(Change::NetworkSet(Network { id: network(), name: "n".to_owned(), tenant_id: none(), vni }));
    changes.push(Change::GatewaySet(Gateway {
        id: gateway,
        name: "g".to_owned(),
        tenant_id: none(),
        devices: vec![device],
    }));
    changes.push(Change::ConnectionSet(Connection {
        id: ConnectionId(Uuid::from_u128(0xC)),
        tenant_id: none(),
        gateway_id: gateway,
        network_id: network(),
        port_id: none(),
        default_vlan: None,
    }));
    let ports = (0..ports.div_ceil(CHUNK)).map(move |i| i * CHUNK..ports.min((i + 1) * CHUNK));
    let ports = ports.map(|chunk| chunk.map(|i| Change::PortSet(port(i))).collect());
    std::iter::once(changes).chain(ports).map(|changes| ChangeSet { revision: 1, changes, tombstones: Vec::new() })
}

/// A switch and its twin, of which it alone has learned this many MACs.
pub(crate) fn twins(macs: u32) -> Intent {
    let policy = Arc::new(RelayConfig::default());
    let mut intent = Intent::new(policy);
    let mut changes: Vec<Change> = feed(0).flat_map(|set| set.changes).collect();
    for change in &mut changes {
        if let Change::GatewaySet(gateway) = change {
            gateway.devices.push(Device { name: TWIN.to_owned(), ..gateway.devices[0].clone() });
        }
    }
    for (i, switch) in [SWITCH, TWIN].into_iter().enumerate() {
        let vteps = vec![vtep(HOSTS + i as u32)];
        changes.push(Change::VtepsSet(SwitchVteps { switch: switch.to_owned(), network: None, vteps }));
    }
    changes.push(Change::ElectionSet(election(SWITCH, &[SWITCH, TWIN])));
    let learned = |i| LearnedMac {
        switch: SWITCH.to_owned(),
        network: network(),
        mac: mac(i),
        vtep: vtep(HOSTS),
        ips: Ips::One(IpAddr::V4(address(i))),
        learned_ms: 1,
    };
    changes.extend((0..macs).map(|i| Change::LearnedSet(learned(i))));
    intent.apply(ChangeSet { revision: 1, changes, tombstones: Vec::new() });
    intent.loaded(1);
    intent
}

/// The twin takes over.
pub(crate) fn takeover() -> ChangeSet {
    ChangeSet { revision: 2, changes: vec![Change::ElectionSet(election(TWIN, &[TWIN]))], tombstones: Vec::new() }
}

fn election(forwarder: &str, eligible: &[&str]) -> Election {
    Election {
        gateway: GatewayId(Uuid::from_u128(0xB)),
        network: network(),
        forwarder: Some(forwarder.to_owned()),
        eligible: eligible.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// The desired state of all ports.
pub(crate) fn intent(feed: impl IntoIterator<Item = ChangeSet>) -> (Intent, Vec<Update>) {
    let mut intent = Intent::new(Arc::new(RelayConfig::default()));
    for set in feed {
        intent.apply(set);
    }
    let updates = intent.loaded(1);
    (intent, updates)
}

/// What the switch's worker holds of it.
pub(crate) fn desired(updates: Vec<Update>) -> Desired {
    let mut desired = Desired::default();
    take(&mut desired, updates);
    desired
}

/// Hands updates to the worker. Answers the MACs that changed.
pub(crate) fn take(desired: &mut Desired, updates: Vec<Update>) -> Vec<MacAddr> {
    let mut changed = Vec::new();
    for update in updates {
        match update {
            Update::Switch { switch, intent, networks } => {
                let section = Section::new(switch.clone(), intent);
                desired.sections.insert(switch, section);
                desired.networks.extend(networks.into_iter().map(|network| (network.id, network)));
            }
            Update::Network { network, macs, .. } => {
                changed.extend(macs.iter().flat_map(|macs| macs.iter().copied()));
                desired.networks.insert(network.id, network);
            }
            Update::Gone(_) => {}
        }
    }
    changed
}

// ===== what is there =====

/// A monitor's reply, as ovsdb-server writes it: everything right, with this many MACs.
pub(crate) fn reply(rows: u32) -> Vec<u8> {
    let uuid = Uuid::from_u128;
    let mut text = String::with_capacity(rows as usize * 240 + 65536);
    let name = Ownership::new("vtepd", &[]).name(network());
    let mut write = |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("a string takes all");
    write(format_args!(
        r#"{{"id":1,"result":{{"Physical_Switch":{{"{}":{{"new":{{"name":"{SWITCH}","tunnel_ips":"192.0.2.1","ports":["uuid","{}"]}}}}}}"#,
        uuid(PHYSICAL_SWITCH),
        uuid(PHYSICAL_PORT)
    ));
    write(format_args!(
        r#","Physical_Port":{{"{}":{{"new":{{"name":"{PORT}","vlan_bindings":["map",[[{VLAN},["uuid","{}"]]]]}}}}}}"#,
        uuid(PHYSICAL_PORT),
        uuid(LOGICAL_SWITCH)
    ));
    write(format_args!(
        r#","Logical_Switch":{{"{}":{{"new":{{"name":"{name}","tunnel_key":{VNI},"replication_mode":"source_node","description":"n"}}}}}}"#,
        uuid(LOGICAL_SWITCH)
    ));
    write(format_args!(r#","Physical_Locator":{{"#));
    for host in 0..HOSTS {
        let comma = if host > 0 { "," } else { "" };
        write(format_args!(
            r#"{comma}"{}":{{"new":{{"encapsulation_type":"vxlan_over_ipv4","dst_ip":"{}"}}}}"#,
            uuid(LOCATOR + u128::from(host)),
            vtep(host)
        ));
    }
    write(format_args!(r#"}},"Physical_Locator_Set":{{"{}":{{"new":{{"locators":["set",["#, uuid(SET)));
    for host in 0..HOSTS {
        let comma = if host > 0 { "," } else { "" };
        write(format_args!(r#"{comma}["uuid","{}"]"#, uuid(LOCATOR + u128::from(host))));
    }
    write(format_args!(
        r#"]]}}}}}},"Mcast_Macs_Remote":{{"{}":{{"new":{{"MAC":"unknown-dst","locator_set":["uuid","{}"],"logical_switch":["uuid","{}"]}}}}}},"Ucast_Macs_Remote":{{"#,
        uuid(FLOOD),
        uuid(SET),
        uuid(LOGICAL_SWITCH)
    ));
    for i in 0..rows {
        let comma = if i > 0 { "," } else { "" };
        write(format_args!("{comma}{}", Row(i)));
    }
    write(format_args!("}}}},\"error\":null}}"));
    text.into_bytes()
}

/// The notification of one row more.
pub(crate) fn update(i: u32) -> Vec<u8> {
    format!(r#"{{"id":null,"method":"update","params":["vtepd",{{"Ucast_Macs_Remote":{{{}}}}}]}}"#, Row(i)).into_bytes()
}

struct Row(u32);

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let i = self.0;
        write!(
            f,
            r#""{}":{{"new":{{"MAC":"{}","ipaddr":"{}","locator":["uuid","{}"],"logical_switch":["uuid","{}"]}}}}"#,
            row(i),
            mac(i),
            address(i),
            Uuid::from_u128(LOCATOR + u128::from(i % HOSTS)),
            Uuid::from_u128(LOGICAL_SWITCH)
        )
    }
}

/// The reply to a transaction that inserts this many rows.
pub(crate) fn transacted(rows: u32) -> Vec<u8> {
    let outcome = |i| format!(r#"{{"uuid":["uuid","{}"]}}"#, row(i));
    format!("[{}]", (0..rows).map(outcome).collect::<Vec<_>>().join(",")).into_bytes()
}

pub(crate) fn replica() -> Replica {
    Replica::new(Ownership::new("vtepd", &[]))
}

/// The replica of a switch on which this many MACs are right.
pub(crate) fn synchronised(rows: u32) -> Replica {
    let mut replica = replica();
    let text = bytes::Bytes::from(reply(rows));
    replica.apply(result(&text).as_bytes(), &mut Touched::default()).expect("a reply");
    replica
}

/// What the reply answers.
pub(crate) fn result(text: &bytes::Bytes) -> ovsdb::message::Raw {
    use ovsdb::message::{Incoming, Message, parse};
    match parse(text) {
        Ok(Message::Incoming(Incoming::Reply { result: Ok(raw), .. } | Incoming::Update { updates: raw, .. })) => raw,
        other => panic!("no reply: {other:?}"),
    }
}

// ===== the plan =====

pub(crate) fn policy() -> Policy {
    Policy { columns: columns(), guard_percent: 20, guard_min_rows: 10, hold: false, extras: Extras::default() }
}

fn columns() -> Columns {
    const SCHEMA: [(&str, &[&str]); 9] = [
        ("Physical_Switch", &["name", "tunnel_ips", "ports"]),
        ("Physical_Port", &["name", "vlan_bindings"]),
        ("Logical_Switch", &["name", "tunnel_key", "replication_mode", "description"]),
        ("Physical_Locator", &["dst_ip", "encapsulation_type"]),
        ("Physical_Locator_Set", &["locators"]),
        ("Ucast_Macs_Remote", &["MAC", "ipaddr", "locator", "logical_switch"]),
        ("Mcast_Macs_Remote", &["MAC", "locator_set", "logical_switch"]),
        ("Ucast_Macs_Local", &["MAC", "ipaddr", "locator", "logical_switch"]),
        ("Mcast_Macs_Local", &["MAC", "locator_set", "logical_switch"]),
    ];
    let named = |(table, columns): &(&str, &[&str])| {
        ((*table).to_owned(), columns.iter().map(|column| (*column).to_owned()).collect())
    };
    Columns::intersect(&SCHEMA.iter().map(named).collect()).expect("the schema has what is needed")
}

pub(crate) fn planner<'a>(
    desired: &'a Desired,
    actual: &'a Replica,
    policy: &'a Policy,
    in_flight: &'a InFlight,
) -> Planner<'a> {
    Planner { desired, actual, policy, in_flight, quarantined: &|_| false, guard: GuardDecision::Unknown }
}
