use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{rows::RowIp, *};
use crate::model::{MacAddr, NetworkId, VlanId, Vni};

mod bounds;

fn id(n: u32) -> Uuid {
    Uuid::from_u128(u128::from(n))
}

fn reference(n: u32) -> Value {
    json!(["uuid", id(n).to_string()])
}

fn apply(replica: &mut Replica, updates: &Value) -> Touched {
    let mut touched = Touched::default();
    replica.apply(updates.to_string().as_bytes(), &mut touched).unwrap();
    touched
}

fn mac_row(mac: &str, ip: &str) -> Value {
    json!({"new": {"MAC": mac, "ipaddr": ip, "logical_switch": reference(1), "locator": reference(2)}})
}

#[test]
fn rows_follow_inserts_changes_and_deletions() {
    let mut replica = Replica::new(Ownership::new("vtepd", &[]));
    let network = NetworkId(id(9));
    let (row, twin, odd) = (id(10).to_string(), id(11).to_string(), id(12).to_string());
    // MACs before what they refer to: the order of an update's tables is the server's.
    let touched = apply(
        &mut replica,
        &json!({
            "Ucast_Macs_Remote": {
                &row: mac_row("02:00:00:00:00:0A", "10.0.0.1"),
                &twin: mac_row("02:00:00:00:00:0a", "nonsense"),
                &odd: mac_row("unknown-dst", ""),
            },
            "Logical_Switch": {id(1).to_string(): {"new": {
                "name": format!("vtepd-{network}"), "tunnel_key": 5001, "replication_mode": "source_node", "description": "a{\"b"}}},
            "Physical_Locator": {id(2).to_string(): {"new": {
                "dst_ip": "192.0.2.1", "encapsulation_type": "vxlan_over_ipv4", "tunnel_key": ["set", []]}}},
            "Physical_Locator_Set": {id(3).to_string(): {"new": {"locators": reference(2)}}},
            "Mcast_Macs_Remote": {id(4).to_string(): {"new": {
                "MAC": "unknown-dst", "logical_switch": reference(1), "locator_set": reference(3)}}},
            "Ucast_Macs_Local": {id(5).to_string(): {"new": {"logical_switch": reference(1)}}},
            "Physical_Port": {id(6).to_string(): {"new": {
                "name": "Ethernet40", "vlan_bindings": ["map", [[50, reference(1)]]], "port_fault_status": "UP"}}},
            "Physical_Switch": {id(7).to_string(): {"new": {
                "name": "tor", "ports": reference(6), "tunnel_ips": "192.0.2.9",
                "switch_fault_status": ["set", ["mac_table_exhaustion", "tunnel_exhaustion"]]}}},
        }),
    );
    let mac = MacAddr::new([2, 0, 0, 0, 0, 10]);
    let [index] = *replica.owned(network) else { panic!("{replica:?}") };
    assert_eq!(replica.owner(index), Owner::Ours(network));
    assert_eq!(touched.macs, [(index, mac), (index, mac)]);
    assert_eq!(replica.logical_switches_with_key(5001).collect::<Vec<_>>(), [index]);
    assert_eq!(replica.mac_count(index), 3);
    assert_eq!(replica.odd_macs_of(index).collect::<Vec<_>>(), [id(12)]);
    let mut ips: Vec<_> = replica.macs_with(index, mac).map(|row| row.ip).collect();
    ips.sort_by_key(|ip| *ip == RowIp::Other);
    assert_eq!(ips, [RowIp::V4([10, 0, 0, 1].into()), RowIp::Other]);
    let vtep = [192, 0, 2, 1].into();
    assert_eq!(replica.locator(vtep).unwrap().1, id(2));
    assert!(replica.set_equals(id(3), &[vtep]));
    assert!(!replica.set_equals(id(3), &[vtep, [192, 0, 2, 2].into()]));
    assert_eq!(replica.local_count(index), 1);
    let tor = replica.switch("tor").unwrap();
    assert_eq!(tor.faults.len(), 2);
    let (port, row_of_port) = replica.port_of(tor, "Ethernet40").unwrap();
    assert!(row_of_port.faults.is_empty(), "UP is no fault");
    assert_eq!(replica.bindings_to(index).collect::<Vec<_>>(), [(port, 50)]);
    assert!(replica.is_own_vtep([192, 0, 2, 9].into()));

    let touched = apply(
        &mut replica,
        &json!({
            "Ucast_Macs_Remote": {&twin: {"old": {"MAC": "x"}}, &odd: {"old": {}}, &row: mac_row("02:00:00:00:00:0b", "")},
            "Physical_Port": {id(6).to_string(): {"old": {}, "new": {"name": "Ethernet40", "vlan_bindings": ["map", []]}}},
            "Ucast_Macs_Local": {id(5).to_string(): {"old": {}}},
            "Logical_Switch": {id(1).to_string(): {"new": {"name": "renamed", "tunnel_key": ["set", []]}}},
            "Physical_Locator": {id(2).to_string(): {"old": {}}},
        }),
    );
    assert!(touched.logical_switches.contains(&index));
    assert_eq!(touched.ports.iter().copied().collect::<Vec<_>>(), [id(6)]);
    assert_eq!(replica.macs().map(|row| row.mac.octets()[5]).collect::<Vec<_>>(), [11]);
    assert_eq!((replica.mac_count(index), replica.local_count(index)), (1, 0));
    assert_eq!(replica.bindings_to(index).count(), 0);
    assert_eq!((replica.owned(network), replica.owner(index)), (&[][..], Owner::Foreign));
    assert_eq!(replica.owned_networks().count(), 0);
    assert_eq!(replica.logical_switches_with_key(5001).count(), 0);
    assert!(replica.locator(vtep).is_none());
    assert!(!replica.set_equals(id(3), &[vtep]), "a member is gone");
}

#[test]
fn garbage_is_an_error_and_no_panic() {
    let mut touched = Touched::default();
    for text in [
        "",
        "[]",
        "{\"Ucast_Macs_Remote\":3}",
        "{\"Logical_Switch\":{\"x\":",
        "{} {}",
        "{\"Physical_Port\":{\"00000000-0000-0000-0000-000000000001\":{\"new\":{\"name\":7}}}}",
    ] {
        assert!(Replica::default().apply(text.as_bytes(), &mut touched).is_err(), "{text}");
        assert!(Replica::default().load(text.into()).is_err(), "{text}");
    }
}

/// What two replicas should agree on, whatever the order in which they came to know it.
fn content(replica: &Replica) -> Vec<String> {
    let ls = |index| replica.logical_switch_uuid(index);
    let mac = |row: &super::rows::Unicast| {
        format!("{} {} {:?} {} {:?}", row.uuid, row.mac, row.ip, ls(row.logical_switch), replica.vtep(row.locator))
    };
    let mut all: Vec<_> = replica.macs().map(mac).collect();
    all.extend(replica.local_macs().map(mac));
    all.extend(replica.logical_switches().map(|(index, row)| format!("{} {row:?}", ls(index))));
    all.extend(replica.switches().map(|switch| format!("{switch:?}")));
    all.sort_unstable();
    all
}

#[test]
fn a_first_reply_is_read_piece_by_piece_into_the_same_rows() {
    let macs: serde_json::Map<_, _> =
        (100..150).map(|n| (id(n).to_string(), mac_row(&format!("02:00:00:00:00:{n:02x}"), "a,\"{}\\"))).collect();
    let reply = json!({
        "Ucast_Macs_Remote": macs,
        "Ucast_Macs_Local": {},
        "Logical_Switch": {id(1).to_string(): {"new": {"name": "},\"a\":{", "tunnel_key": 5001}}},
        "Physical_Locator": {id(2).to_string(): {"new": {"dst_ip": "192.0.2.1", "encapsulation_type": "vxlan_over_ipv4"}}},
        "Physical_Switch": {id(7).to_string(): {"new": {"name": "tor", "tunnel_ips": "192.0.2.9"}}},
        "Unknown": [1, 2],
        "Another": 12,
    });
    let mut whole = Replica::new(Ownership::new("vtepd", &[]));
    apply(&mut whole, &reply);
    assert_eq!(content(&whole).len(), 52);
    for text in [reply.to_string(), serde_json::to_string_pretty(&reply).unwrap()] {
        for size in [1, 7, 100, 1000, 1 << 20] {
            let mut replica = Replica::new(Ownership::new("vtepd", &[]));
            replica.finish(Decoding::by(size, text.clone().into())).unwrap();
            assert_eq!(content(&replica), content(&whole), "pieces of {size} bytes");
        }
        // What is wrong is reported at its place in the whole.
        let wrong = text.replacen("\"192.0.2.1\"", "0192.0.2.1", 1);
        let at = wrong.find("0192").unwrap() + 1;
        let told = Replica::default().finish(Decoding::by(100, wrong.into())).unwrap_err();
        let UpdateError::Malformed(told) = told else { panic!("{told}") };
        assert!((at - 1..=at).contains(&told.offset), "{told} {at}");
    }
}

fn schema(version_1_3: bool) -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string("/usr/share/openvswitch/vtep.ovsschema").expect("package openvswitch-vtep");
    let schema: Value = serde_json::from_str(&text).unwrap();
    let tables = schema["tables"].as_object().unwrap().iter();
    let mut tables: BTreeMap<String, BTreeSet<String>> = tables
        .map(|(name, table)| (name.clone(), table["columns"].as_object().unwrap().keys().cloned().collect()))
        .collect();
    if version_1_3 {
        tables.get_mut("Logical_Switch").unwrap().remove("replication_mode");
        tables.get_mut("Physical_Locator").unwrap().remove("tunnel_key");
    }
    tables
}

#[test]
fn a_column_that_the_schema_lacks_is_not_asked_for_and_said_once() {
    let columns = Columns::intersect(&schema(false)).unwrap();
    assert!(columns.degraded.is_empty() && columns.has(Table::LogicalSwitch, "replication_mode"));

    let columns = Columns::intersect(&schema(true)).unwrap();
    let lacking: Vec<_> = columns.degraded.iter().map(|lack| (lack.table, lack.column)).collect();
    assert_eq!(lacking, [("Logical_Switch", "replication_mode"), ("Physical_Locator", "tunnel_key")]);
    let params: Value = serde_json::from_slice(&columns.monitor_params("vtepd")).unwrap();
    assert_eq!(params[0], "hardware_vtep");
    assert_eq!(params[2]["Physical_Locator"]["columns"], json!(["dst_ip", "encapsulation_type"]));

    let mut broken = schema(false);
    broken.remove("Mcast_Macs_Remote");
    let error = Columns::intersect(&broken).unwrap_err().to_string();
    assert!(error.contains("Mcast_Macs_Remote.MAC"), "{error}");
}

#[test]
fn operations_are_the_json_of_rfc_7047() {
    let vlan = |n| VlanId::try_from(n).unwrap();
    let ip = [192, 0, 2, 1].into();
    let operations = [
        Operation::InsertLogicalSwitch {
            new: 1,
            name: "vtepd-x".into(),
            vni: Vni::try_from(50).unwrap(),
            replication_mode: Some(ReplicationMode::SourceNode),
            description: Some("{\"\u{1}".into()),
        },
        Operation::UpdateLogicalSwitch { row: id(1), vni: None, replication_mode: None, description: Some("d".into()) },
        Operation::InsertLocator { ip },
        Operation::InsertLocatorSet { new: 2, locators: vec![LocatorRef::New(ip), LocatorRef::Row(id(2))] },
        Operation::InsertFlood { logical_switch: LogicalSwitchRef::New(1), set: 2 },
        Operation::UpdateFlood { row: id(3), set: 2 },
        Operation::ExpectBindings { port: id(4), bindings: BTreeMap::from([(7, id(5))]) },
        Operation::Bind { port: id(4), delete: vec![7], insert: vec![(vlan(0), LogicalSwitchRef::New(1))] },
        Operation::InsertMac {
            logical_switch: LogicalSwitchRef::Row(id(1)),
            mac: MacAddr::new([2, 0, 0, 0, 0, 10]),
            ip: Some("2001:db8::1".parse().unwrap()),
            locator: LocatorRef::New(ip),
        },
        Operation::UpdateMac { row: id(6), ip: None, locator: LocatorRef::Row(id(2)) },
        Operation::DeleteMac { row: id(6) },
        Operation::DeleteMulticast { row: id(6) },
        Operation::DeleteLogicalSwitch { row: id(1) },
    ];
    let mut text = Vec::new();
    encode(Some("vtepd"), &operations, &mut text);
    let at = |n| json!([["_uuid", "==", reference(n)]]);
    let found: Value = serde_json::from_slice(&text).unwrap();
    let expected = json!([
        "hardware_vtep",
        {"op": "assert", "lock": "vtepd"},
        {"op": "insert", "table": "Logical_Switch", "uuid-name": "ls1", "row": {
            "name": "vtepd-x", "tunnel_key": 50, "replication_mode": "source_node", "description": "{\"\u{1}"}},
        {"op": "update", "table": "Logical_Switch", "where": at(1), "row": {"description": "d"}},
        {"op": "insert", "table": "Physical_Locator", "uuid-name": "vtep_192_0_2_1", "row": {
            "encapsulation_type": "vxlan_over_ipv4", "dst_ip": "192.0.2.1"}},
        {"op": "insert", "table": "Physical_Locator_Set", "uuid-name": "set2", "row": {
            "locators": ["set", [["named-uuid", "vtep_192_0_2_1"], reference(2)]]}},
        {"op": "insert", "table": "Mcast_Macs_Remote", "row": {
            "MAC": "unknown-dst", "logical_switch": ["named-uuid", "ls1"], "locator_set": ["named-uuid", "set2"]}},
        {"op": "update", "table": "Mcast_Macs_Remote", "where": at(3), "row": {"locator_set": ["named-uuid", "set2"]}},
        {"op": "wait", "table": "Physical_Port", "where": at(4), "columns": ["vlan_bindings"], "until": "==",
         "rows": [{"vlan_bindings": ["map", [[7, reference(5)]]]}], "timeout": 0},
        {"op": "mutate", "table": "Physical_Port", "where": at(4), "mutations": [
            ["vlan_bindings", "delete", ["set", [7]]],
            ["vlan_bindings", "insert", ["map", [[0, ["named-uuid", "ls1"]]]]]]},
        {"op": "insert", "table": "Ucast_Macs_Remote", "row": {
            "MAC": "02:00:00:00:00:0a", "logical_switch": reference(1), "ipaddr": "2001:db8::1",
            "locator": ["named-uuid", "vtep_192_0_2_1"]}},
        {"op": "update", "table": "Ucast_Macs_Remote", "where": at(6), "row": {"ipaddr": "", "locator": reference(2)}},
        {"op": "delete", "table": "Ucast_Macs_Remote", "where": at(6)},
        {"op": "delete", "table": "Mcast_Macs_Remote", "where": at(6)},
        {"op": "delete", "table": "Logical_Switch", "where": at(1)},
    ]);
    assert_eq!(found, expected);
}

proptest::proptest! {
    /// The column is read as the standard library reads addresses, whatever it holds.
    #[test]
    fn addresses_are_read_as_the_standard_library_does(text in "([0-9]{0,4}\\.){0,4}[0-9]{0,4}|[0-9a-f:]{0,12}|.{0,8}") {
        let expected = match text.parse::<std::net::IpAddr>() {
            Ok(ip) => RowIp::from(Some(ip)),
            Err(_) if text.is_empty() => RowIp::None,
            Err(_) => RowIp::Other,
        };
        proptest::prop_assert_eq!(RowIp::parse(text.as_bytes()), expected);
    }
}
