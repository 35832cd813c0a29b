//! What a switch can have us keep, and what each of its rows costs.

use std::{fmt::Write as _, time::Duration};

use proptest::{collection::vec, prelude::*};
use serde_json::json;

use super::{apply, content, id, mac_row, reference};
use crate::vtep::{Budget, BudgetExcess, Decoding, Ownership, Replica, Touched, UpdateError, budget::MAX_TEXT};

/// What is written of a row.
type RowText<'a> = &'a dyn Fn(u32) -> String;

/// `{"table": {row: update, …}}` of many rows.
fn rows(table: &str, range: std::ops::Range<u32>, row: impl Fn(u32) -> String) -> Vec<u8> {
    let mut text = format!("{{\"{table}\":{{");
    let begin = range.start;
    for n in range {
        let comma = if n == begin { "" } else { "," };
        write!(text, "{comma}\"{}\":{}", id(n), row(n)).unwrap();
    }
    text.push_str("}}");
    text.into_bytes()
}

fn excess(budget: Budget, updates: &[u8]) -> Option<BudgetExcess> {
    let mut replica = Replica::default().with_budget(budget);
    match replica.apply(updates, &mut Touched::default()) {
        Ok(()) => None,
        Err(UpdateError::Excess(excess)) => Some(excess),
        Err(error) => panic!("{error}"),
    }
}

/// Every bound of the budget: the bound is right, one row more is too many.
#[test]
fn a_database_that_holds_more_than_its_budget_is_an_error() {
    let small = Budget {
        switches: 3,
        ports: 3,
        bindings: 3,
        tunnel_ips: 3,
        logical_switches: 3,
        locators: 3,
        sets: 3,
        members: 3,
        remote_macs: 3,
        local_macs: 3,
        multicasts: 3,
        tunnels: 3,
        managers: 3,
    };
    let new = |row: serde_json::Value| json!({ "new": row }).to_string();
    let mac = |n: u32| mac_row(&format!("02:00:00:00:00:{n:02x}"), "").to_string();
    let multicast = |_| new(json!({"MAC": "unknown-dst", "logical_switch": reference(1), "locator_set": reference(2)}));
    let per_row: [(&str, &str, RowText<'_>); 15] = [
        ("Physical_Switch", "Physical_Switch", &|n| new(json!({"name": n.to_string()}))),
        ("Physical_Switch.ports", "Physical_Switch", &|n| new(json!({"name": "s", "ports": reference(n)}))),
        ("Physical_Switch.tunnel_ips", "Physical_Switch", &|n| {
            new(json!({"name": "s", "tunnel_ips": format!("192.0.2.{n}")}))
        }),
        ("Physical_Port", "Physical_Port", &|n| new(json!({"name": n.to_string()}))),
        ("Physical_Port.vlan_bindings", "Physical_Port", &|_| {
            new(json!({"name": "p", "vlan_bindings": ["map", [[7, reference(1)]]]}))
        }),
        ("Logical_Switch", "Logical_Switch", &|n| new(json!({"name": n.to_string()}))),
        ("Logical_Switch", "Ucast_Macs_Remote", &|n| {
            new(json!({"MAC": "unknown-dst", "logical_switch": reference(n)}))
        }),
        ("Physical_Locator", "Physical_Locator", &|n| {
            new(json!({"dst_ip": format!("192.0.2.{n}"), "encapsulation_type": "vxlan_over_ipv4"}))
        }),
        ("Physical_Locator_Set", "Physical_Locator_Set", &|_| new(json!({"locators": ["set", []]}))),
        ("Physical_Locator_Set.locators", "Physical_Locator_Set", &|_| new(json!({"locators": reference(1)}))),
        ("Ucast_Macs_Remote", "Ucast_Macs_Remote", &mac),
        ("Ucast_Macs_Local", "Ucast_Macs_Local", &mac),
        ("Mcast_Macs_Remote", "Mcast_Macs_Remote", &multicast),
        ("Mcast_Macs_Local", "Mcast_Macs_Local", &multicast),
        ("Manager", "Manager", &|n| new(json!({"target": n.to_string()}))),
    ];
    for (what, table, row) in per_row {
        let wide = match what {
            "Physical_Switch.ports" | "Physical_Switch.tunnel_ips" => Budget { switches: 9, ..small },
            "Physical_Port.vlan_bindings" => Budget { ports: 9, ..small },
            "Physical_Locator_Set.locators" => Budget { sets: 9, ..small },
            _ => small,
        };
        assert_eq!(excess(wide, &rows(table, 10..13, row)), None, "{what}");
        let limit = 3;
        let expected = match what.split_once('.') {
            None => BudgetExcess::Rows { table: what, limit },
            Some(_) => BudgetExcess::Values { column: what, limit },
        };
        assert_eq!(excess(wide, &rows(table, 10..14, row)), Some(expected), "{what}");
    }
    let tunnel = |_| new(json!({"local": reference(1), "remote": reference(2)}));
    assert_eq!(excess(small, &rows("Tunnel", 10..14, tunnel)), Some(BudgetExcess::Rows { table: "Tunnel", limit: 3 }));
    assert_eq!(
        BudgetExcess::Rows { table: "Tunnel", limit: 3 }.to_string(),
        "the switch's database has more than 3 rows in Tunnel"
    );
}

/// Names are keys of tables: ten thousand rows with one name must not be looked through for each.
#[test]
fn rows_that_share_a_name_are_few() {
    let budget = Budget::default();
    let port = |_| json!({"new": {"name": "p"}}).to_string();
    let expected = BudgetExcess::Namesakes { table: "Physical_Port", limit: 4096 };
    assert_eq!(excess(budget, &rows("Physical_Port", 0..5000, port)), Some(expected));
    let network = uuid::Uuid::from_u128(7);
    let ours = json!({"new": {"name": format!("vtepd-{network}")}}).to_string();
    let mut replica = Replica::new(Ownership::new("vtepd", &[]));
    let told = replica.apply(&rows("Logical_Switch", 0..100, |_| ours.clone()), &mut Touched::default());
    assert_eq!(told, Err(BudgetExcess::Namesakes { table: "Logical_Switch", limit: 64 }.into()));
}

#[test]
fn long_texts_are_cut() {
    let long = "ä".repeat(1 << 12);
    let mut replica = Replica::default();
    apply(
        &mut replica,
        &json!({
            "Physical_Switch": {id(1).to_string(): {"new": {
                "name": long, "ports": reference(2), "switch_fault_status": ["set", vec![&long; 100]]}}},
            "Physical_Port": {id(2).to_string(): {"new": {"name": long}}},
            "Logical_Switch": {id(3).to_string(): {"new": {"name": long, "description": long}}},
            "Manager": {id(4).to_string(): {"new": {"target": long}}},
            "Tunnel": {id(5).to_string(): {"new": {
                "local": reference(6), "remote": reference(6), "bfd_status": ["map", [[long, long]]]}}},
        }),
    );
    let switch = replica.switches().next().unwrap();
    let logical_switch = replica.logical_switches().next().unwrap().1;
    let tunnel = replica.tunnels().next().unwrap().1;
    let (key, value) = tunnel.bfd_status.first_key_value().unwrap();
    let texts = [&switch.name, &replica.port(id(2)).unwrap().name, &logical_switch.name, &logical_switch.description];
    let texts = texts.into_iter().chain(&switch.faults).chain([key, value]).map(String::as_str);
    for text in texts.chain(replica.managers().map(|(_, row)| row.target.as_str())) {
        assert!(text.len() <= MAX_TEXT && text.ends_with('…'), "{} bytes", text.len());
    }
    assert_eq!(switch.faults.len(), 64);
    // What 255 characters of Neutron's take is kept whole.
    let longest = "🦀".repeat(255);
    apply(
        &mut replica,
        &json!({"Logical_Switch": {id(3).to_string(): {"new": {"name": "n", "description": longest}}}}),
    );
    assert_eq!(replica.logical_switches().next().unwrap().1.description, longest);
}

/// A switch that refers to new locators and Logical_Switches for ever holds no more of them than are there.
#[test]
fn numbers_are_free_again_once_nothing_refers_to_them() {
    let budget = Budget { locators: 40, logical_switches: 40, ..Budget::default() };
    let mut replica = Replica::default().with_budget(budget);
    for round in 0..100 {
        let first = 1000 + round * 10;
        let row = |n: u32| {
            let row = json!({"MAC": format!("02:00:00:00:00:{:02x}", n % 10), "logical_switch": reference(first + n),
                             "locator": reference(first + 5000 + n), "ipaddr": ""});
            json!({ "new": row }).to_string()
        };
        for table in ["Ucast_Macs_Remote", "Ucast_Macs_Local"] {
            replica.apply(&rows(table, 0..10, row), &mut Touched::default()).unwrap();
        }
        apply(
            &mut replica,
            &json!({
                "Physical_Locator_Set": {id(1).to_string(): {"new": {"locators": reference(first + 20_000)}}},
                "Tunnel": {id(2).to_string(): {"new": {"local": reference(first + 30_000), "remote": reference(first)}}},
                "Physical_Port": {id(3).to_string(): {"new": {
                    "name": "p", "vlan_bindings": ["map", [[7, reference(first + 40_000)]]]}}},
                "Mcast_Macs_Local": {id(4).to_string(): {"new": {
                    "MAC": "unknown-dst", "logical_switch": reference(first + 50_000), "locator_set": reference(1)}}},
            }),
        );
    }
    assert_eq!(replica.macs().count(), 10);
}

/// The time that this thread has had of a processor: others may keep it from running.
fn cpu() -> Duration {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    Duration::from_nanos(times.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("nanoseconds"))
}

/// The time that this many rows take which arrive at once, and go again.
fn time(table: &str, count: u32, row: &dyn Fn(u32) -> String) -> Duration {
    let (new, gone) = (rows(table, 0..count, row), rows(table, 0..count, |_| "{\"old\":{}}".to_owned()));
    let mut replica = Replica::new(Ownership::new("vtepd", &[]));
    let begun = cpu();
    replica.apply(&new, &mut Touched::default()).unwrap();
    replica.apply(&new, &mut Touched::default()).unwrap();
    replica.apply(&gone, &mut Touched::default()).unwrap();
    cpu().saturating_sub(begun)
}

/// Sixteen times the rows cost some sixteen times the time, whatever the rows have in common; a quadratic cost would be 256
/// times.
#[test]
fn no_row_costs_more_because_there_are_many() {
    const FEW: u32 = 250;
    const MANY: u32 = FEW * 16;
    let shapes: [(&str, &dyn Fn(u32) -> String); 7] = [
        ("Ucast_Macs_Remote", &|_| mac_row("02:00:00:00:00:01", "").to_string()),
        ("Ucast_Macs_Local", &|_| mac_row("02:00:00:00:00:01", "").to_string()),
        ("Ucast_Macs_Remote", &|_| mac_row("unknown-dst", "").to_string()),
        ("Logical_Switch", &|n| json!({"new": {"name": format!("vtepd-{}", id(n)), "tunnel_key": 7}}).to_string()),
        ("Physical_Port", &|n| {
            json!({"new": {"name": format!("p{n}"), "vlan_bindings": ["map", [[7, reference(1)]]]}}).to_string()
        }),
        ("Physical_Port", &|_| json!({"new": {"name": "p"}}).to_string()),
        ("Physical_Locator", &|_| {
            json!({"new": {"dst_ip": "192.0.2.1", "encapsulation_type": "vxlan_over_ipv4"}}).to_string()
        }),
    ];
    for (table, row) in shapes {
        // The best of a few: other tests run beside this one.
        let best = |count| (0..3).map(|_| time(table, count, row)).min().unwrap();
        let (few, many) = (best(FEW).max(Duration::from_millis(1)), best(MANY));
        assert!(many < few * 100, "{table} {}: {few:?}, {many:?}", row(1));
    }
}

/// Which switch a port belongs to is found without looking through the ports.
#[test]
fn a_port_is_found_at_once() {
    let time = |count: u32| {
        let ports: Vec<_> = (0..count).map(reference).collect();
        let mut replica = Replica::default();
        apply(
            &mut replica,
            &json!({"Physical_Switch": {id(1).to_string(): {"new": {"name": "s", "ports": ["set", ports]}}}}),
        );
        let port = |n| json!({"new": {"name": format!("p{n}")}}).to_string();
        replica.apply(&rows("Physical_Port", 0..count, port), &mut Touched::default()).unwrap();
        let switch = replica.switch("s").unwrap();
        let begun = cpu();
        for n in 0..count {
            assert!(replica.is_port_of(id(n), "s") && !replica.is_port_of(id(n), "t"));
            assert_eq!(replica.port_of(switch, &format!("p{n}")).map(|(port, _)| port), Some(id(n)));
        }
        cpu().saturating_sub(begun)
    };
    let best = |count| (0..3).map(|_| time(count)).min().unwrap();
    // The kernel counts by the millisecond.
    let (few, many) = (best(1000).max(Duration::from_millis(1)), best(16_000));
    assert!(many < few * 100, "{few:?}, {many:?}");
}

proptest! {
    /// However a message is sliced and cut into pieces, the rows and what was touched are the same.
    #[test]
    fn slices_make_the_same_rows(
        macs in vec((0..30_u32, any::<bool>()), 0..40),
        size in 1..3000_usize,
        slice in 1..10_usize,
    ) {
        let mut tables = json!({
            "Logical_Switch": {id(1).to_string(): {"new": {"name": "vtepd-x", "tunnel_key": 7}}},
            "Unknown": [1, {"a": 2}],
            "Other": {"x": {"y": 1}},
            "Physical_Locator": {id(2).to_string(): {"new": {"dst_ip": "192.0.2.1", "encapsulation_type": "vxlan_over_ipv4"}}},
        });
        for (n, local) in macs {
            let table = if local { "Ucast_Macs_Local" } else { "Ucast_Macs_Remote" };
            tables[table][id(n).to_string()] = mac_row(&format!("02:00:00:00:00:{n:02x}"), "10.0.0.1");
        }
        let text = tables.to_string();
        let mut whole = Replica::default();
        let touched = apply(&mut whole, &tables);
        let (mut sliced, mut seen) = (Replica::default(), Touched::default());
        let mut decoding = Decoding::by(size, text.into_bytes());
        let mut slices = 0;
        while !sliced.decode(&mut decoding, slice, &mut seen).unwrap() {
            slices += 1;
            prop_assert!(slices < 1000);
        }
        prop_assert_eq!(content(&sliced), content(&whole));
        prop_assert_eq!(seen.count, touched.count);
        prop_assert_eq!(seen.macs.len(), touched.macs.len());
        prop_assert_eq!(seen.local_macs.len(), touched.local_macs.len());
    }
}
