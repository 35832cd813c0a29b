//! The life of a gateway as an operator of OpenStack types it, with what the switch sees of it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    clients::{Client, venv},
    support::{
        daemon::{Daemon, Home},
        dump::Dump,
        tor::Tor,
    },
};

const SWITCH: &str = "tor-switch-1";
const COMPUTE_1: &str = "198.51.100.11";
const COMPUTE_2: &str = "198.51.100.12";
const MACHINE: &str = "fa:16:3e:00:00:01";

fn start(tor: &Tor) -> Daemon {
    let daemon = Home::new().tor(tor).without_token().start();
    let rest = daemon.rest();
    rest.endpoint("compute-1", COMPUTE_1);
    rest.endpoint("compute-2", COMPUTE_2);
    daemon
}

/// VLANs of the switch's first port.
fn vlans(dump: &Dump) -> Vec<u16> {
    dump.bindings().into_keys().map(|(_, vlan)| vlan).collect()
}

/// The VTEP of each MAC.
fn vteps(dump: &Dump) -> BTreeMap<String, String> {
    dump.macs().into_iter().map(|mac| (mac.address, mac.vtep)).collect()
}

fn is(dump: &Dump, macs: &[(&str, &str)]) -> bool {
    vteps(dump) == macs.iter().map(|(mac, vtep)| ((*mac).to_owned(), (*vtep).to_owned())).collect()
}

/// A member that the clients of different years write in different cases.
fn member<'o>(object: &'o Value, name: &str) -> &'o str {
    let members = object.as_object().expect("an object");
    let found = members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.and_then(|(_, value)| value.as_str()).unwrap_or_else(|| panic!("no {name} in {object}"))
}

/// `openstack`: networks, subnets, ports, gateways, connections.
fn openstack(program: impl Into<std::path::PathBuf>) {
    let tor = Tor::start(SWITCH, "192.0.2.1");
    let daemon = start(&tor);
    let client = Client::new(program, daemon.rest().address);

    // A network, and a virtual machine on it.
    let network = client.json(&["network", "create", "blue"]);
    assert_eq!(network["provider:segmentation_id"], 1000);
    // What was typed comes as a text.
    let red = ["network", "create", "--provider-network-type", "vxlan", "--provider-segment", "5001", "red"];
    assert_eq!(client.json(&red)["provider:segmentation_id"], 5001);
    client.ok(&["network", "delete", "red"]);
    client.ok(&["network", "set", "--name", "green", "blue"]);
    assert_eq!(client.json(&["network", "list"])[0]["Name"], "green");
    client.ok(&["subnet", "create", "--network", "green", "--subnet-range", "10.0.0.0/24", "sub"]);
    assert_eq!(client.json(&["subnet", "list"])[0]["Subnet"], "10.0.0.0/24");
    let port = [
        "port",
        "create",
        "--network",
        "green",
        "--host",
        "compute-1",
        "--mac-address",
        MACHINE,
        "--fixed-ip",
        "subnet=sub,ip-address=10.0.0.7",
        "--allowed-address",
        "ip-address=10.9.0.0/16",
        "vm",
    ];
    let port = client.json(&port);
    assert_eq!(port["fixed_ips"][0]["ip_address"], "10.0.0.7");
    let allocated = client.json(&["port", "create", "--network", "green", "idle"]);
    assert_eq!(allocated["fixed_ips"][0]["ip_address"], "10.0.0.8");
    assert!(allocated["mac_address"].as_str().expect("a text").starts_with("fa:16:3e:"));
    let found = client.rows(&["port", "list", "--fixed-ip", "subnet=sub,ip-address=10.0.0.7"]);
    assert_eq!(found.iter().map(|port| &port["Name"]).collect::<Vec<_>>(), ["vm"]);

    // A gateway, connected.
    client.ok(&["l2gw", "create", "gw", "--device", "name=tor-switch-1,interface_names=Ethernet40"]);
    let own = ["l2gw", "create", "own", "--device", "name=tor-switch-1,interface_names=Ethernet41|300#301"];
    client.ok(&own);
    client.ok(&["l2gw", "connection", "create", "gw", "green", "--default-segmentation-id", "100"]);
    let bound = tor.wait("bound", |dump| vlans(dump) == [100] && is(dump, &[(MACHINE, COMPUTE_1)]));
    assert_eq!(bound.macs()[0].ip, "10.0.0.7");
    client.ok(&["l2gw", "connection", "create", "own", "green"]);
    tor.wait("both", |dump| vlans(dump) == [100, 300, 301]);
    assert_eq!(client.rows(&["l2gw", "connection", "list"]).len(), 2);

    // What OpenStack changes reaches the switch.
    client.ok(&["port", "set", "--host", "compute-2", "vm"]);
    tor.wait("moved", |dump| is(dump, &[(MACHINE, COMPUTE_2)]));
    let floating = "fa:16:3e:00:00:09";
    let pair = format!("ip-address=10.0.0.99,mac-address={floating}");
    client.ok(&["port", "set", "--allowed-address", &pair, "vm"]);
    tor.wait("a further address", |dump| is(dump, &[(MACHINE, COMPUTE_2), (floating, COMPUTE_2)]));
    let update =
        ["l2gw", "update", "own", "--name", "mine", "--device", "name=tor-switch-1,interface_names=Ethernet41|302"];
    client.ok(&update);
    tor.wait("other VLANs", |dump| vlans(dump) == [100, 302]);
    assert_eq!(member(&client.json(&["l2gw", "show", "mine"]), "name"), "mine");

    // What is in use stays, and a name that nobody bears deletes nothing.
    client.refused(&["l2gw", "delete", "gw"], "is in use");
    client.refused(&["network", "delete", "green"], "is in use");
    client.refused(&["l2gw", "connection", "delete", "nobody"], "nobody");
    assert_eq!(client.rows(&["l2gw", "connection", "list"]).len(), 2);

    // Everything goes.
    for connection in client.rows(&["l2gw", "connection", "list"]) {
        client.ok(&["l2gw", "connection", "delete", member(&connection, "id")]);
    }
    client.ok(&["l2gw", "delete", "gw", "mine"]);
    client.ok(&["port", "delete", "vm", "idle"]);
    client.ok(&["subnet", "delete", "sub"]);
    client.ok(&["network", "delete", "green"]);
    tor.wait("nothing is left", |dump| vlans(dump).is_empty() && dump.logical_switches().is_empty());
    assert_eq!(client.rows(&["network", "list"]).len(), 0);
}

#[test]
fn the_openstack_command_of_debian() {
    openstack("/usr/bin/openstack");
}

#[test]
fn the_openstack_command_of_pypi() {
    openstack(venv("openstack"));
}

#[test]
fn the_neutron_command_of_debian() {
    let tor = Tor::start(SWITCH, "192.0.2.1");
    let daemon = start(&tor);
    let rest = daemon.rest();
    let network = rest.network("blue");
    rest.port(&network, MACHINE, "10.0.0.7", "compute-1");
    let client = Client::new("/usr/bin/neutron", rest.address);

    let create = ["l2-gateway-create", "gw", "--device", "name=tor-switch-1,interface_names=Ethernet40|100"];
    client.ok(&create);
    assert_eq!(client.json(&["l2-gateway-list"])[0]["name"], "gw");
    client.ok(&["l2-gateway-connection-create", "gw", "blue"]);
    tor.wait("bound", |dump| vlans(dump) == [100] && is(dump, &[(MACHINE, COMPUTE_1)]));
    let connections = client.json(&["l2-gateway-connection-list"]);
    assert_eq!(connections[0]["network_id"], network.as_str());
    let update = ["l2-gateway-update", "gw", "--device", "name=tor-switch-1,interface_names=Ethernet40|200"];
    client.ok(&update);
    tor.wait("another VLAN", |dump| vlans(dump) == [200]);
    client.ok(&["l2-gateway-connection-delete", connections[0]["id"].as_str().expect("a text")]);
    client.ok(&["l2-gateway-delete", "gw"]);
    tor.wait("nothing is left", |dump| vlans(dump).is_empty());
}
