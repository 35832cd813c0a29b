//! Neutron's own database says which networks and ports there are: real schemas, on real servers, and a real switch's
//! database at the other end.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use crate::{
    database::Kind,
    neutron::{LATEST, Neutron, ZED, ZED_ON_POSTGRESQL},
    support::{
        PATIENCE,
        daemon::{Daemon, Home},
        eventually,
        rest::Rest,
        tor::Tor,
    },
};

pub(crate) const VTEP_1: &str = "198.51.100.11";
pub(crate) const VTEP_2: &str = "198.51.100.12";
/// A whole comparison is due once a minute.
pub(crate) const WHOLE: Duration = Duration::from_secs(90);

/// A cloud with two compute nodes, a switch, and the daemon between them.
pub(crate) struct Cloud {
    pub(crate) neutron: Neutron,
    pub(crate) tor: Tor,
    pub(crate) daemon: Daemon,
    pub(crate) rest: Rest,
}

impl Cloud {
    /// `fill` is there before the daemon starts.
    pub(crate) fn start(schema: (Kind, &'static str), fill: impl FnOnce(&Neutron)) -> Self {
        let neutron = Neutron::start(schema);
        neutron.endpoint("compute-1", VTEP_1);
        // Where both speak, the type driver's word counts; compute-2 has an agent alone.
        neutron.agent("compute-1", "192.0.2.99");
        neutron.agent("compute-2", VTEP_2);
        fill(&neutron);
        let tor = Tor::start("tor-switch-1", "203.0.113.1");
        let source = format!("[source]\ndriver = neutron-db\nconnection = {}\n", neutron.server.url());
        let daemon = Home::new().tor(&tor).more(&source).start();
        let rest = daemon.rest();
        ready(&rest);
        Self { neutron, tor, daemon, rest }
    }

    /// A gateway on the switch's first port, connected with a network on this VLAN.
    pub(crate) fn connect(&self, network: &str, vlan: u16) -> String {
        let gateway = self.rest.gateway(&format!("gateway-{vlan}"), &[("tor-switch-1", &["Ethernet40"])]);
        let connection = self.rest.connect(&gateway, network, vlan);
        self.rest.wait_status(&connection, "active");
        connection
    }

    /// Waits until the switch holds these MACs (MAC, address, VTEP) and this flood list for the network.
    pub(crate) fn wait_rows(&self, what: &str, timeout: Duration, macs: &[(&str, &str, &str)], flood: &[&str]) {
        let wanted: BTreeSet<_> =
            macs.iter().map(|(mac, ip, vtep)| ((*mac).to_owned(), (*ip).to_owned(), (*vtep).to_owned())).collect();
        let flood: Vec<BTreeSet<String>> = match flood {
            [] => vec![],
            hosts => vec![hosts.iter().map(|ip| (*ip).to_owned()).collect()],
        };
        self.tor.wait_within(what, timeout, |dump| {
            let macs: BTreeSet<_> = dump.macs().into_iter().map(|mac| (mac.address, mac.ip, mac.vtep)).collect();
            let floods: Vec<_> = dump.floods().into_iter().map(|(_, ips)| ips).collect();
            macs == wanted && floods == flood
        });
    }

    pub(crate) fn source(&self) -> Value {
        self.rest.get("/v2/source").expect(200)
    }

    pub(crate) fn wait_source(&self, what: &str, good: impl Fn(&Value) -> bool) -> Value {
        eventually(what, WHOLE, || {
            let now = self.source();
            if good(&now) { Ok(now) } else { Err(now.to_string()) }
        })
    }
}

fn ready(rest: &Rest) {
    eventually("readiness", WHOLE, || match rest.get("/readyz") {
        answer if answer.status == 200 => Ok(()),
        answer => Err(answer.json().to_string()),
    });
}

/// Networks, ports and VTEPs as the API shows them.
fn what_is_read(cloud: &Cloud, net: &str, vm: &str) {
    let rest = &cloud.rest;
    let networks = rest.get("/v2.0/networks").expect(200);
    let shown = |name: &str| {
        let all = networks["networks"].as_array().expect("networks");
        all.iter().find(|network| network["name"] == name).unwrap_or_else(|| panic!("{networks}")).clone()
    };
    assert_eq!((&shown("network1")["id"], &shown("network1")["project_id"]), (&json!(net), &json!("p1")));
    assert_eq!(shown("network1")["provider:segmentation_id"], 5001);
    assert_eq!(shown("flat")["provider:segmentation_id"], Value::Null);
    let port = rest.get(&format!("/v2.0/ports/{vm}")).expect(200)["port"].clone();
    assert_eq!((&port["binding:host_id"], &port["mac_address"]), (&json!("compute-1"), &json!("fa:16:3e:00:00:01")));
    assert_eq!(rest.get("/v2.0/ports").expect(200)["ports"].as_array().map(Vec::len), Some(5));
    let endpoints = rest.get("/v2.0/tunnel-endpoints").expect(200)["tunnel_endpoints"].clone();
    let mut endpoints: Vec<_> =
        endpoints.as_array().expect("endpoints").iter().map(|e| e["ip_address"].clone()).collect();
    endpoints.sort_by_key(ToString::to_string);
    assert_eq!(endpoints, [VTEP_1, VTEP_2]);
    assert_eq!(cloud.source()["state"], "following");

    let refused = rest.post("/v2/l2-gateway-connections", &{
        rest.gateway("g", &[("tor-switch-1", &["Ethernet41"])]);
        json!({"gateway_id": "g", "network_id": "flat", "default_segmentation_id": 9})
    });
    assert_eq!((refused.status, refused.error_type().as_str()), (404, "VxlanSegmentationIDNotFound"));
}

/// What one network looks like from the outside, and how its changes travel.
fn life(schema: (Kind, &'static str)) {
    let (mut net, mut vm, mut twins, mut migrating, mut router) = Default::default();
    let cloud = Cloud::start(schema, |neutron| {
        net = neutron.network("network1", &[("vlan", 7), ("vxlan", 5001)]);
        neutron.network("flat", &[("flat", 0)]);
        vm = neutron.port(&net, "fa:16:3e:00:00:01", &["fd00::5", "10.0.0.11"], "compute-1");
        twins = neutron.port(&net, "fa:16:3e:00:00:02", &["10.0.0.12"], "compute-2");
        neutron.address_pair(&twins, "00:00:5e:00:01:01", "10.0.0.100");
        neutron.port(&net, "fa:16:3e:00:00:03", &["10.0.0.13"], "");
        migrating = neutron.port(&net, "fa:16:3e:00:00:04", &["10.0.0.14"], "compute-1");
        router = neutron.port(&net, "fa:16:3e:00:00:05", &["10.0.0.1"], "");
        neutron.bind_distributed(&router, "compute-1");
        neutron.bind_distributed(&router, "compute-2");
    });
    let (neutron, rest) = (&cloud.neutron, &cloud.rest);

    what_is_read(&cloud, &net, &vm);

    // ----- on the switch -----
    let connection = cloud.connect(&net, 50);
    let one = ("fa:16:3e:00:00:01", "10.0.0.11", VTEP_1);
    let two = ("fa:16:3e:00:00:02", "10.0.0.12", VTEP_2);
    let pair = ("00:00:5e:00:01:01", "10.0.0.100", VTEP_2);
    let four = ("fa:16:3e:00:00:04", "10.0.0.14", VTEP_1);
    cloud.wait_rows("the first rows", PATIENCE, &[one, two, pair, four], &[VTEP_1, VTEP_2]);

    // ----- nobody else writes -----
    let body = json!({"network": {"name": "x"}});
    for refused in [
        rest.post("/v2.0/networks", &body),
        rest.put(&format!("/v2.0/networks/{net}"), &body),
        rest.delete(&format!("/v2.0/networks/{net}")),
        rest.post("/v2.0/ports", &json!({"port": {"network_id": net}})),
        rest.put(&format!("/v2.0/ports/{vm}"), &json!({"port": {"name": "x"}})),
        rest.delete(&format!("/v2.0/ports/{vm}")),
    ] {
        assert_eq!(refused.status, 403);
        let text = refused.json().to_string();
        assert!(
            text.contains("belong to Neutron") && text.contains("mysql://") | text.contains("postgresql://"),
            "{text}"
        );
    }

    // ----- increments -----
    neutron.server.sql(&format!(
        "UPDATE ml2_port_bindings SET host = 'compute-2' WHERE port_id = '{vm}';\n{}",
        neutron.revise(&vm)
    ));
    let moved = ("fa:16:3e:00:00:01", "10.0.0.11", VTEP_2);
    cloud.wait_rows("a port that moved", PATIENCE, &[moved, two, pair, four], &[VTEP_1, VTEP_2]);
    let late = neutron.port(&net, "fa:16:3e:00:00:06", &["10.0.0.16"], "compute-1");
    let six = ("fa:16:3e:00:00:06", "10.0.0.16", VTEP_1);
    cloud.wait_rows("a new port", PATIENCE, &[moved, two, pair, four, six], &[VTEP_1, VTEP_2]);
    neutron.delete_port(&late);
    cloud.wait_rows("a deleted port", PATIENCE, &[moved, two, pair, four], &[VTEP_1, VTEP_2]);

    // ----- a live migration: the target is flooded first, and gets the row when its binding is the active one -----
    neutron.delete_port(&router);
    neutron.delete_port(&twins);
    neutron.delete_port(&vm);
    cloud.wait_rows("one port on one host", PATIENCE, &[four], &[VTEP_1]);
    neutron.bind(&migrating, "compute-2", "INACTIVE");
    cloud.wait_rows("a prepared migration", PATIENCE, &[four], &[VTEP_1, VTEP_2]);
    neutron.server.sql(&format!(
        "UPDATE ml2_port_bindings SET status = 'INACTIVE' WHERE port_id = '{migrating}' AND host = 'compute-1';\n\
         UPDATE ml2_port_bindings SET status = 'ACTIVE' WHERE port_id = '{migrating}' AND host = 'compute-2';\n\
         DELETE FROM ml2_port_bindings WHERE port_id = '{migrating}' AND host = 'compute-1'"
    ));
    let arrived = ("fa:16:3e:00:00:04", "10.0.0.14", VTEP_2);
    cloud.wait_rows("a finished migration", PATIENCE, &[arrived], &[VTEP_2]);

    // ----- a connected network vanishes -----
    neutron.delete_network(&net);
    let status = eventually("the unbinding", PATIENCE, || {
        let status = rest.status(&connection);
        if status["status"] == "error" { Ok(status) } else { Err(status.to_string()) }
    });
    assert!(status.to_string().contains("Neutron deleted network"), "{status}");
    cloud.tor.wait("the network's end", |dump| dump.logical_switches().is_empty() && dump.bindings().is_empty());
    assert_eq!(rest.get(&format!("/v2.0/networks/{net}")).status, 404);
    // Its VLAN is free for another network, and the gateway can be changed.
    let successor = neutron.network("network2", &[("vxlan", 5001)]);
    eventually("the next network", PATIENCE, || {
        let answer = rest.get(&format!("/v2.0/networks/{successor}"));
        let vni = answer.json()["network"]["provider:segmentation_id"].clone();
        if vni == 5001 { Ok(()) } else { Err(vni.to_string()) }
    });
    let gateway = rest.gateway("gateway-next", &[("tor-switch-1", &["Ethernet40"])]);
    let other = rest.connect(&gateway, &successor, 50);
    rest.wait_status(&other, "active");
    rest.disconnect(&connection);
    assert_eq!(rest.get(&format!("/v2/l2-gateway-connections/{connection}")).status, 404);
}

#[test]
fn zed_on_mariadb() {
    life(ZED);
}

#[test]
fn the_newest_on_mariadb() {
    life(LATEST);
}

#[test]
fn zed_on_postgresql() {
    life(ZED_ON_POSTGRESQL);
}

/// What no revision and no count betrays is found by the whole comparison.
#[test]
fn a_binding_that_only_changes_its_status_is_found_within_a_minute() {
    let (mut net, mut port) = Default::default();
    let cloud = Cloud::start(LATEST, |neutron| {
        net = neutron.network("network1", &[("vxlan", 5001)]);
        port = neutron.port(&net, "fa:16:3e:00:00:01", &["10.0.0.11"], "compute-1");
        neutron.bind(&port, "compute-2", "INACTIVE");
        // Long ago: no increment shows them.
        neutron.server.sql("UPDATE standardattributes SET created_at = '2026-01-01', updated_at = '2026-01-01'");
    });
    cloud.connect(&net, 50);
    let row = ("fa:16:3e:00:00:01", "10.0.0.11", VTEP_1);
    cloud.wait_rows("the port", PATIENCE, &[row], &[VTEP_1, VTEP_2]);
    cloud
        .neutron
        .server
        .sql("UPDATE ml2_port_bindings SET status = CASE WHEN status = 'ACTIVE' THEN 'INACTIVE' ELSE 'ACTIVE' END");
    let row = ("fa:16:3e:00:00:01", "10.0.0.11", VTEP_2);
    cloud.wait_rows("the switched binding", WHOLE, &[row], &[VTEP_1, VTEP_2]);
}

/// A database that was emptied takes nothing away until somebody says so; what is new goes on.
#[test]
fn mass_deletions_are_held_until_they_are_released() {
    const PORTS: u32 = 40;
    let (mut net, mut empty) = Default::default();
    let mut cloud = Cloud::start(ZED, |neutron| {
        net = neutron.network("network1", &[("vxlan", 5001)]);
        empty = neutron.network("network2", &[("vxlan", 5002)]);
        neutron.ports(&net, 1, PORTS, "compute-1");
    });
    cloud.connect(&net, 50);
    cloud.tor.wait("the ports", |dump| dump.macs().len() == PORTS as usize);
    let saved = "CREATE TABLE saved AS SELECT * FROM ml2_port_bindings";
    cloud.neutron.server.sql(saved);

    // Half of the ports lose their hosts: that takes as much from switches as if they were deleted.
    cloud.neutron.server.sql("UPDATE ml2_port_bindings SET host = '', vif_type = 'unbound'");
    cloud.neutron.server.sql(&format!("UPDATE standardattributes SET updated_at = {}", cloud.neutron.server.now()));
    let held = cloud.wait_source("the hold of unbound ports", |source| source["held"]["ports"] == PORTS);
    assert!(held["reason"].as_str().is_some_and(|reason| reason.contains("release")), "{held}");
    assert_eq!(cloud.tor.dump().macs().len(), PORTS as usize);
    cloud.neutron.server.sql("DELETE FROM ml2_port_bindings; INSERT INTO ml2_port_bindings SELECT * FROM saved");
    cloud.wait_source("the end of the hold", |source| source["held"]["ports"] == 0);

    cloud.neutron.delete_network(&net);
    cloud.wait_source("the hold of deleted ports", |source| source["held"]["ports"] == PORTS);
    assert_eq!(cloud.rest.get("/readyz").status, 200, "it is an operator's matter, not the daemon's health");
    // What is new goes on, and few losses beside many don't slip through.
    let new = cloud.neutron.network("network3", &[("vxlan", 5003)]);
    eventually("a new network", PATIENCE, || {
        let answer = cloud.rest.get(&format!("/v2.0/networks/{new}"));
        if answer.status == 200 { Ok(()) } else { Err(answer.status.to_string()) }
    });
    cloud.neutron.delete_network(&empty);
    cloud.wait_source("the hold of a second network", |source| source["held"]["networks"] == 2);
    // A restart changes nothing.
    cloud.daemon.stop();
    cloud.daemon.start();
    cloud.rest = cloud.daemon.rest();
    ready(&cloud.rest);
    cloud.wait_source("the hold after a restart", |source| source["held"]["ports"] == PORTS);
    assert_eq!(cloud.tor.dump().macs().len(), PORTS as usize);

    // What an operator sees and does: `l2gw source show`, `l2gw source release`.
    let shown = cloud.daemon.admin("source_show", &json!({}));
    assert_eq!((&shown["held"]["ports"], &shown["driver"]), (&json!(PORTS), &json!("neutron-db")));
    assert_eq!(cloud.daemon.admin("status", &json!({}))["source"]["held"], shown["held"]);
    assert_eq!(cloud.daemon.admin("source_release", &json!({})), Value::Null);
    cloud.tor.wait("the released end", |dump| dump.logical_switches().is_empty() && dump.macs().is_empty());
    let source = cloud.wait_source("nothing is held", |source| source["held"]["ports"] == 0);
    assert_eq!(source["networks"], 1, "{source}");
}

/// While a network has no segment, another one may take its VLAN: when it comes back, one of the two waits and says why.
#[test]
fn a_segment_that_comes_back_too_late_is_a_conflict_until_the_vlan_is_free() {
    let mut nets = Vec::new();
    let cloud = Cloud::start(ZED, |neutron| {
        nets.extend((0..2).map(|n| neutron.network(&format!("network{n}"), &[("vxlan", 5001 + n)])));
    });
    let early = cloud.connect(&nets[0], 50);
    cloud.neutron.segment(&format!("'{}'", nets[0]), "geneve");
    cloud.rest.wait_status(&early, "error");
    let gateway = cloud.rest.gateway("late", &[("tor-switch-1", &["Ethernet40"])]);
    let late = cloud.rest.connect(&gateway, &nets[1], 50);
    cloud.rest.wait_status(&late, "active");

    cloud.neutron.segment(&format!("'{}'", nets[0]), "vxlan");
    let (holder, waits) = eventually("the conflict", PATIENCE, || {
        let [(early_is, told), (late_is, other)] = [&early, &late].map(|connection| {
            let status = cloud.rest.status(connection);
            (status["status"].clone(), status.to_string())
        });
        match (early_is.as_str(), late_is.as_str()) {
            (Some("active"), Some("conflict")) if other.contains(&early) => Ok((&early, &late)),
            (Some("conflict"), Some("active")) if told.contains(&late) => Ok((&late, &early)),
            _ => Err(format!("{told} {other}")),
        }
    });
    assert_eq!(cloud.rest.delete(&format!("/v2/l2-gateway-connections/{holder}")).status, 204);
    cloud.rest.wait_status(waits, "active");
}

/// A network that loses its VXLAN segment is to its switches as if it were deleted; the guard has a say in it.
#[test]
fn a_segment_that_is_taken_away_unbinds_its_network() {
    const NETWORKS: u32 = 12;
    const PORTS: u32 = 20;
    let mut nets = Vec::new();
    let cloud = Cloud::start(ZED, |neutron| {
        nets.extend((0..NETWORKS).map(|n| neutron.network(&format!("network{n}"), &[("vxlan", 5001 + n)])));
        neutron.ports(&nets[0], 1, PORTS, "compute-1");
    });
    let (neutron, net) = (&cloud.neutron, &nets[0]);
    let connection = cloud.connect(net, 50);
    cloud.tor.wait("the ports", |dump| dump.macs().len() == PORTS as usize);

    neutron.segment(&format!("'{net}'"), "geneve");
    let status = eventually("the unbinding", PATIENCE, || {
        let status = cloud.rest.status(&connection);
        if status["status"] == "error" { Ok(status) } else { Err(status.to_string()) }
    });
    assert!(status.to_string().contains("no VXLAN segment"), "{status}");
    cloud.tor.wait("its rows' end", |dump| dump.logical_switches().is_empty() && dump.macs().is_empty());
    let shown = cloud.rest.get(&format!("/v2.0/networks/{net}")).expect(200);
    assert_eq!(shown["network"]["provider:network_type"], "local");

    neutron.segment(&format!("'{net}'"), "vxlan");
    cloud.rest.wait_status(&connection, "active");
    cloud.tor.wait("the ports again", |dump| dump.macs().len() == PORTS as usize);

    // Many at once are held.
    let all = nets.iter().map(|net| format!("'{net}'")).collect::<Vec<_>>().join(",");
    neutron.segment(&all, "geneve");
    cloud.wait_source("the hold", |source| source["held"]["networks"] == NETWORKS);
    assert_eq!(cloud.tor.dump().macs().len(), PORTS as usize);
    assert_eq!(cloud.rest.status(&connection)["status"], "active");
    neutron.segment(&all, "vxlan");
    cloud.wait_source("the end of the hold", |source| source["held"]["networks"] == 0);
}

/// Two daemons, one store: one of them polls and writes. The other takes over when it has the store.
#[test]
fn one_daemon_polls_and_the_next_one_takes_over() {
    let mut net = String::new();
    let mut cloud = Cloud::start(LATEST, |neutron| net = neutron.network("network1", &[("vxlan", 5001)]));
    cloud.connect(&net, 50);
    let before = cloud.daemon.home.log().len();
    let refused = cloud.daemon.home.spawn(&[]).wait(PATIENCE);
    assert_eq!(refused.code(), Some(75), "it may go well later");
    let words = cloud.daemon.home.log().get(before..).unwrap_or_default().to_owned();
    let holder = format!("process {} uses it", cloud.daemon.process().pid());
    assert!(words.contains(&holder) && !words.contains("following"), "{words}");

    cloud.daemon.kill();
    cloud.neutron.port(&net, "fa:16:3e:00:00:01", &["10.0.0.11"], "compute-1");
    cloud.daemon.start();
    cloud.rest = cloud.daemon.rest();
    let row = ("fa:16:3e:00:00:01", "10.0.0.11", VTEP_1);
    cloud.wait_rows("what the next daemon read", PATIENCE, &[row], &[VTEP_1]);
}

/// `vtepd --check` reads what a look reads.
#[test]
fn check_tries_the_database() {
    let mut cloud = Cloud::start(ZED_ON_POSTGRESQL, |neutron| {
        let net = neutron.network("network1", &[("vxlan", 5001)]);
        neutron.port(&net, "fa:16:3e:00:00:01", &["10.0.0.11"], "compute-1");
    });
    cloud.daemon.stop();
    let check = |home: &Home| {
        let before = home.log().len();
        let status = home.spawn(&["--check"]).wait(PATIENCE);
        (status.code(), home.log().get(before..).unwrap_or_default().to_owned())
    };
    let (code, words) = check(&cloud.daemon.home);
    assert!(words.contains("postgresql://localhost/neutron: ok: 1 networks, 1 ports, 2 tunnel endpoints"), "{words}");
    assert_eq!(code, Some(0));
    cloud.neutron.server.sql("ALTER TABLE ml2_port_bindings RENAME TO elsewhere");
    let (code, words) = check(&cloud.daemon.home);
    assert!(
        words.contains("[source] postgresql://localhost/neutron: FAILED: ") && words.contains("ml2_port_bindings"),
        "{words}"
    );
    assert_eq!(code, Some(1));
    cloud.neutron.server.stop();
    let (code, words) = check(&cloud.daemon.home);
    assert!(words.contains("can't be connected to"), "{words}");
    assert_eq!(code, Some(1));
    cloud.neutron.server.resume();
    cloud.neutron.server.sql("ALTER TABLE elsewhere RENAME TO ml2_port_bindings");
    cloud.daemon.start();
}

/// What was read last stays in force; what happened meanwhile is found.
#[test]
fn a_database_that_is_away_changes_nothing() {
    let mut net = String::new();
    let mut cloud = Cloud::start(LATEST, |neutron| {
        net = neutron.network("network1", &[("vxlan", 5001)]);
        neutron.port(&net, "fa:16:3e:00:00:01", &["10.0.0.11"], "compute-1");
    });
    let connection = cloud.connect(&net, 50);
    cloud.neutron.server.stop();
    let reasons = eventually("/readyz says so", PATIENCE, || {
        let answer = cloud.rest.get("/readyz");
        if answer.status == 503 { Ok(answer.json().to_string()) } else { Err(answer.json().to_string()) }
    });
    assert!(reasons.contains("mysql://localhost/neutron") && reasons.contains("stays in force"), "{reasons}");
    assert_eq!(cloud.rest.get("/healthz").status, 200);
    cloud.daemon.stop();
    cloud.daemon.start();
    cloud.rest = cloud.daemon.rest();
    cloud.rest.wait_status(&connection, "active");
    assert_eq!(cloud.rest.get("/readyz").status, 503);
    assert_eq!(cloud.rest.post("/v2.0/networks", &json!({"network": {"name": "x"}})).status, 403, "still Neutron's");
    let row = ("fa:16:3e:00:00:01", "10.0.0.11", VTEP_1);
    cloud.wait_rows("what was read last", PATIENCE, &[row], &[VTEP_1]);

    cloud.neutron.server.resume();
    cloud.neutron.port(&net, "fa:16:3e:00:00:02", &["10.0.0.12"], "compute-2");
    ready(&cloud.rest);
    let late = ("fa:16:3e:00:00:02", "10.0.0.12", VTEP_2);
    cloud.wait_rows("what came meanwhile", PATIENCE, &[row, late], &[VTEP_1, VTEP_2]);
}

/// Two rows may not have one VNI or one MAC at a time with us, but may follow each other at once in Neutron.
#[test]
fn a_mac_and_a_vni_can_be_used_again_at_once() {
    let (mut net, mut port, mut other) = Default::default();
    let cloud = Cloud::start(ZED, |neutron| {
        net = neutron.network("network1", &[("vxlan", 5001)]);
        other = neutron.network("network2", &[("vxlan", 5002)]);
        port = neutron.port(&net, "fa:16:3e:00:00:01", &["10.0.0.11"], "compute-1");
    });
    cloud.connect(&net, 50);
    cloud.neutron.delete_port(&port);
    cloud.neutron.port(&net, "fa:16:3e:00:00:01", &["10.0.0.21"], "compute-2");
    let row = ("fa:16:3e:00:00:01", "10.0.0.21", VTEP_2);
    cloud.wait_rows("the same MAC again", WHOLE, &[row], &[VTEP_2]);

    cloud.neutron.delete_network(&other);
    let third = cloud.neutron.network("network3", &[("vxlan", 5002)]);
    eventually("the same VNI again", WHOLE, || {
        let vni =
            cloud.rest.get(&format!("/v2.0/networks/{third}")).json()["network"]["provider:segmentation_id"].clone();
        if vni == 5002 { Ok(()) } else { Err(vni.to_string()) }
    });
    // A VTEP that only we know is left to us; Neutron's are Neutron's.
    let ours = cloud.rest.endpoint("appliance", "198.51.100.77");
    let all = cloud.rest.get("/v2.0/tunnel-endpoints").expect(200);
    let theirs = all["tunnel_endpoints"].as_array().expect("a list").iter().find(|e| e["host"] == "compute-1");
    let theirs = theirs.expect("compute-1")["id"].as_str().expect("an id").to_owned();
    assert_eq!(cloud.rest.delete(&format!("/v2.0/tunnel-endpoints/{theirs}")).status, 403);
    assert_eq!(cloud.rest.delete(&format!("/v2.0/tunnel-endpoints/{ours}")).status, 204);
}
