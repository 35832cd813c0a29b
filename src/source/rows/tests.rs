use super::*;

const ID: &str = "00000000-0000-4000-8000-000000000001";
const NETWORK: &str = "00000000-0000-4000-8000-000000000002";

fn draft() -> Draft {
    Draft::new(ID, "vm".to_owned(), "p".to_owned(), NETWORK, "FA:16:3E:00:00:01").unwrap().unwrap()
}

fn bound(bindings: &[(&str, &str)], distributed: &[&str]) -> (Option<String>, Elsewhere) {
    let mut draft = draft();
    for (host, status) in bindings {
        let (status, vif_type) = status.split_once(' ').unwrap_or((status, "ovs"));
        draft.binding((*host).to_owned(), status, vif_type);
    }
    for host in distributed {
        let (host, vif_type) = host.split_once(' ').unwrap_or((host, "ovs"));
        draft.distributed_binding(host.to_owned(), vif_type);
    }
    let draft = draft.finish();
    assert_eq!(draft.bindings as usize, bindings.len() + distributed.len());
    (draft.port.host, draft.port.elsewhere)
}

#[test]
fn the_active_binding_is_the_host() {
    let at = |host: &str| Some(host.to_owned());
    let hosts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(bound(&[("a", "ACTIVE")], &[]), (at("a"), Elsewhere::Nowhere));
    assert_eq!(bound(&[("", "ACTIVE")], &[]), (None, Elsewhere::Nowhere), "unbound");
    assert_eq!(bound(&[], &[]), (None, Elsewhere::Nowhere));
    let migrating = Elsewhere::Migrating(hosts(&["b", "c"]));
    assert_eq!(bound(&[("c", "INACTIVE"), ("a", "ACTIVE"), ("b", "INACTIVE")], &[]), (at("a"), migrating));
    let distributed = Elsewhere::Distributed(hosts(&["a", "b"]));
    assert_eq!(bound(&[("", "ACTIVE distributed")], &["b", "a"]), (None, distributed));
}

/// The row names a host, and nothing was plugged there.
#[test]
fn a_binding_that_failed_is_on_no_host() {
    for word in ["binding_failed", "unbound"] {
        let (active, inactive) = (format!("ACTIVE {word}"), format!("INACTIVE {word}"));
        assert_eq!(bound(&[("a", &active)], &[]), (None, Elsewhere::Nowhere), "{word}");
        assert_eq!(bound(&[("a", "ACTIVE"), ("b", &inactive)], &[]), (Some("a".to_owned()), Elsewhere::Nowhere));
        let distributed = Elsewhere::Distributed(vec!["b".to_owned()]);
        assert_eq!(bound(&[], &[&format!("a {word}"), "b"]), (None, distributed), "{word}");
    }
}

/// VRRP's groups and the like are rules of a filter. What names one station stays.
#[test]
fn pairs_that_name_no_single_station_are_left_out() {
    let mut draft = draft();
    for mac in ["01:00:5e:7f:00:64", "03:bf:0a:00:00:64", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "nonsense"] {
        draft.address_pair(mac, "10.0.0.100");
    }
    for ip in ["224.0.0.18", "ff02::12", "224.0.0.0/4", "0.0.0.0", "127.0.0.1", "nonsense"] {
        draft.address_pair("00:00:5e:00:01:01", ip);
    }
    assert_eq!(draft.port.allowed_address_pairs, []);
    assert_eq!(draft.left_out.len(), 11, "{:?}", draft.left_out);
    let first = "allowed address pair: MAC 01:00:5e:7f:00:64 is a group address";
    assert!(draft.left_out[0].starts_with(first), "{:?}", draft.left_out);
    assert_eq!(draft.clone().finish().left_out.len(), NAMED, "some of it is said");
    for (mac, ip) in
        [("00:00:5e:00:01:01", "10.0.0.100"), ("fa:16:3e:00:00:01", "0.0.0.0/0"), ("fa:16:3e:00:00:01", "::/0")]
    {
        draft.address_pair(mac, ip);
    }
    assert_eq!(draft.port.allowed_address_pairs.len(), 3);
    draft.fixed_ip("224.0.0.1", NETWORK);
    assert_eq!(draft.port.fixed_ips, []);
}

#[test]
fn names_are_taken_as_they_are_within_a_bound() {
    let odd = "\u{1b}[31m\u{202e}名前\n";
    let named =
        |name: String| Draft::new(ID, name, String::new(), NETWORK, "fa:16:3e:00:00:01").unwrap().unwrap().port.name;
    assert_eq!(named(odd.to_owned()), odd);
    assert_eq!(named("名".repeat(400)), "名".repeat(255));
    assert_eq!(network(ID, "x".repeat(300), String::new(), None).unwrap().name.len(), 255);
}

#[test]
fn lists_have_an_order_of_ours() {
    let mut one = draft();
    let mut other = draft();
    let ips = [
        ("fd00::1", NETWORK),
        ("10.0.0.12", NETWORK),
        ("10.0.0.2", NETWORK),
        ("nonsense", NETWORK),
        ("::ffff:10.0.0.1", NETWORK),
    ];
    let pairs = [("fa:16:3e:00:00:02", "10.0.0.0/24"), ("FA:16:3E:00:00:01", "10.0.0.9")];
    for (ip, subnet) in &ips {
        one.fixed_ip(ip, subnet);
    }
    for (ip, subnet) in ips.iter().rev() {
        other.fixed_ip(ip, subnet);
    }
    for (mac, ip) in &pairs {
        one.address_pair(mac, ip);
    }
    for (mac, ip) in pairs.iter().rev() {
        other.address_pair(mac, ip);
    }
    let (one, other) = (one.finish(), other.finish());
    assert_eq!(one, other);
    let ips: Vec<_> = one.port.fixed_ips.iter().map(|fixed| fixed.ip.to_string()).collect();
    assert_eq!(ips, ["10.0.0.2", "10.0.0.12", "fd00::1"]);
    assert_eq!(one.port.allowed_address_pairs[0].mac, one.port.mac);
    assert_eq!(one.port.allowed_address_pairs[0].ip.prefix(), 32);
}

#[test]
fn what_no_switch_could_hold_is_left_out() {
    let new = |id: &str, mac: &str| Draft::new(id, String::new(), String::new(), NETWORK, mac);
    assert_eq!(new("x", "fa:16:3e:00:00:01"), None);
    for (mac, why) in [
        (
            "01:00:5e:00:00:01",
            "MAC 01:00:5e:00:00:01 is a group address (multicast or broadcast), not the address of one station",
        ),
        ("00:00:00:00:00:00", "MAC 00:00:00:00:00:00 is all zeros, which is no station's address"),
        ("non\u{1b}sense", "'non\\u{1b}sense' is no MAC"),
    ] {
        let left_out = new(ID, mac).unwrap().unwrap_err();
        assert_eq!((left_out.port.to_string().as_str(), left_out.why.as_str()), (ID, why));
    }
    assert_eq!(network(ID, String::new(), String::new(), Some(0)).unwrap().vni, None);
    assert_eq!(network("x", String::new(), String::new(), None), None);
}

#[test]
fn registered_vteps_go_before_what_agents_say() {
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let registered = vec![
        pair("a", "10.0.0.1"),
        pair("", "10.0.0.9"),
        pair("six", "fd00::1"),
        pair("odd", "0.0.0.0"),
        pair("own", "127.0.0.1"),
    ];
    let agents = vec![
        pair("a", r#"{"tunneling_ip": "10.0.0.7", "tunnel_types": ["vxlan"]}"#),
        pair("b", r#"{"tunneling_ip": "10.0.0.2", "tunnel_types": ["gre", "vxlan"]}"#),
        pair("c", r#"{"tunneling_ip": "10.0.0.3", "tunnel_types": ["geneve"]}"#),
        pair("d", r#"{"tunneling_ip": "10.0.0.4"}"#),
        pair("e", r#"{"tunneling_ip": null}"#),
        pair("f", "nonsense"),
    ];
    let found: Vec<_> = endpoints(registered, agents).into_iter().map(|(host, ip)| format!("{host} {ip}")).collect();
    assert_eq!(found, ["a 10.0.0.1", "b 10.0.0.2", "d 10.0.0.4"]);
}
