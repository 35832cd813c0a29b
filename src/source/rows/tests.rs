use super::*;

const ID: &str = "00000000-0000-4000-8000-000000000001";
const NETWORK: &str = "00000000-0000-4000-8000-000000000002";

fn draft() -> Draft {
    Draft::new(ID, "vm".to_owned(), "p".to_owned(), NETWORK, "FA:16:3E:00:00:01").unwrap()
}

fn bound(bindings: &[(&str, &str)], distributed: &[&str]) -> (Option<String>, Elsewhere) {
    let mut draft = draft();
    for (host, status) in bindings {
        draft.binding((*host).to_owned(), status);
    }
    for host in distributed {
        draft.distributed_binding((*host).to_owned());
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
    assert_eq!(bound(&[("", "ACTIVE")], &["b", "a"]), (None, distributed));
}

#[test]
fn lists_have_an_order_of_ours() {
    let mut one = draft();
    let mut other = draft();
    let ips = [("fd00::1", NETWORK), ("10.0.0.12", NETWORK), ("10.0.0.2", NETWORK), ("nonsense", NETWORK)];
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
    for (id, mac) in
        [("x", "fa:16:3e:00:00:01"), (ID, "01:00:5e:00:00:01"), (ID, "00:00:00:00:00:00"), (ID, "nonsense")]
    {
        assert_eq!(Draft::new(id, String::new(), String::new(), NETWORK, mac), None, "{id} {mac}");
    }
    assert_eq!(network(ID, String::new(), String::new(), Some(0)).unwrap().vni, None);
    assert_eq!(network("x", String::new(), String::new(), None), None);
}

#[test]
fn registered_vteps_go_before_what_agents_say() {
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let registered = vec![pair("a", "10.0.0.1"), pair("", "10.0.0.9"), pair("six", "fd00::1"), pair("odd", "0.0.0.0")];
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
