//! What compute nodes read: `/v2/fdb`, its stream of changes, and the tokens of hosts.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use serde_json::json;

use super::scene::{COMPUTE_1, COMPUTE_2, MACHINES, Scene};
use crate::support::{
    daemon::Home,
    rest::Rest,
    tor::Tor,
    watch::{Watch, fdb},
};

#[test]
fn a_gateway_is_in_the_flood_list_while_its_connection_exists() {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    let mut watch = Watch::open(&scene.rest, "", None);
    watch.until(&scene.network, "the switch's VTEP", |known| known.flood == ["192.0.2.1"]);
    assert_eq!(fdb(&scene.rest, &scene.network, "").flood, ["192.0.2.1"]);
    assert_eq!(fdb(&scene.rest, "network1", "?scope=gateway").entries.len(), 0, "a network has its name, too");

    let answer = scene.rest.get(&format!("/v2/fdb/{}?scope=all", scene.network)).expect(200);
    assert_eq!(answer["vni"], json!(scene.vni()));
    assert_eq!(answer["network_id"], json!(scene.network));
    assert_eq!(answer["flood"], json!(["192.0.2.1", COMPUTE_1.1, COMPUTE_2.1]));
    let machine = json!({"mac": MACHINES[0].0, "ips": [MACHINES[0].1], "vtep": COMPUTE_1.1, "kind": "port"});
    assert_eq!(answer["entries"][0], machine);
    assert_eq!(answer["entries"].as_array().unwrap().len(), MACHINES.len());
    let all = scene.rest.get("/v2/fdb?scope=all").expect(200);
    assert_eq!(all["networks"], json!([answer]));
    assert_eq!(all["revision"], answer["revision"]);

    scene.rest.disconnect(&scene.connection);
    let event = watch.event();
    assert_eq!((event.kind.as_str(), &event.data["removed"]), ("change", &json!(true)), "{event:?}");
    let answer = scene.rest.get(&format!("/v2/fdb/{}", scene.network)).expect(200);
    assert_eq!((&answer["flood"], &answer["entries"]), (&json!([]), &json!([])));
    assert_eq!(scene.rest.get("/v2/fdb").expect(200)["networks"], json!([]));
    assert_eq!(fdb(&scene.rest, &scene.network, "?scope=all").flood, [COMPUTE_1.1, COMPUTE_2.1]);
}

#[test]
fn a_switch_that_is_away_keeps_its_place_over_a_restart() {
    let mut tor = Tor::start("t", "192.0.2.1");
    let mut scene = Scene::on(&tor);
    Watch::open(&scene.rest, "", None).until(&scene.network, "its VTEP", |known| known.flood == ["192.0.2.1"]);
    tor.kill();
    scene.daemon.kill();
    scene.daemon.start();
    assert_eq!(fdb(&scene.daemon.rest(), &scene.network, "").flood, ["192.0.2.1"]);
}

#[test]
fn changes_follow_the_snapshot_and_can_be_resumed() {
    let home = Home::new();
    let mut daemon = home.start();
    let rest = daemon.rest();
    let network = rest.network("n");
    rest.endpoint(COMPUTE_1.0, COMPUTE_1.1);
    let mut watch = Watch::open(&rest, "?scope=all", None);
    let snapshot = watch.event();
    assert_eq!((snapshot.kind.as_str(), snapshot.data["networks"].as_array().unwrap().len()), ("snapshot", 1));
    assert_eq!(snapshot.id.unwrap(), snapshot.data["revision"].to_string());

    let machine = rest.port(&network, MACHINES[0].0, MACHINES[0].1, COMPUTE_1.0);
    let change = watch.event();
    let entry = json!({"mac": MACHINES[0].0, "ips": [MACHINES[0].1], "vtep": COMPUTE_1.1, "kind": "port"});
    assert_eq!(change.data["set"], json!([entry]));
    assert_eq!((&change.data["flood"], &change.data["del"]), (&json!([COMPUTE_1.1]), &json!([])));
    assert_eq!((&change.data["removed"], &change.data["network_id"]), (&json!(false), &json!(network)));
    let seen = change.id.unwrap();

    // Missed meanwhile: a second network with a machine, and the first machine's end.
    rest.delete(&format!("/v2.0/ports/{machine}")).expect(204);
    let other = rest.network("other");
    rest.port(&other, MACHINES[1].0, MACHINES[1].1, COMPUTE_1.0);
    let mut resumed = Watch::open(&rest, &format!("?scope=all&since={seen}"), None);
    let gone = resumed.event();
    assert_eq!((gone.kind.as_str(), &gone.data["del"]), ("change", &json!([MACHINES[0].0])));
    assert_eq!(gone.data["flood"], json!([]));
    resumed.until(&other, "the second network", |known| known.entries.contains_key(MACHINES[1].0));
    assert_eq!(resumed.seen.get("snapshot"), None);
    let last = resumed.last.clone().unwrap();

    // The header says more than the address that is repeated.
    let mut again = Watch::open(&rest, "?scope=all&since=0", Some(&last));
    rest.delete(&format!("/v2.0/networks/{network}")).expect(204);
    let removed = again.event();
    assert_eq!((&removed.data["network_id"], &removed.data["removed"]), (&json!(network), &json!(true)));
    let last = again.last.clone().unwrap();

    // A restart forgets what led to where it begins, but not where that is.
    daemon.kill();
    daemon.start();
    let rest = daemon.rest();
    let mut now = Watch::open(&rest, "?scope=all", Some(&last));
    rest.port(&other, MACHINES[2].0, MACHINES[2].1, COMPUTE_1.0);
    assert_eq!(now.event().kind, "change");
    assert_eq!(Watch::open(&rest, "?scope=all&since=1", None).event().kind, "snapshot");
    assert_eq!(Watch::open(&rest, "?scope=all&since=999999", None).event().kind, "snapshot");
    for bad in ["?since=x", "?scope=some", "?whatever=1"] {
        rest.get(&format!("/v2/fdb/watch{bad}")).expect(400);
    }
    rest.get("/v2/fdb?since=1").expect(400);
    rest.get("/v2/fdb/nowhere").expect(404);
    // A stream doesn't hold up the daemon's end.
    let begun = std::time::Instant::now();
    assert!(daemon.stop().success());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(now.event_within(Duration::from_secs(5)).is_err());
}

#[test]
fn a_quiet_stream_says_that_it_lives() {
    let daemon = Home::new().start();
    let mut watch = Watch::open(&daemon.rest(), "", None);
    assert_eq!(watch.event().kind, "snapshot");
    assert_eq!(watch.comment(), "keep-alive");
}

#[test]
fn a_hosts_token_reads_the_fdb_and_writes_its_own_ports_alone() {
    let (one, two) = ("compute-1-secret-compute-1", "compute-2-secret-compute-2");
    let home = Home::new();
    let tokens = home.token_file().with_file_name("host-tokens");
    fs::write(&tokens, format!("compute-1:{one}\ncompute-2:{two}\n")).unwrap();
    fs::set_permissions(&tokens, fs::Permissions::from_mode(0o600)).unwrap();
    let daemon = home.api(&format!("host_token_file = {}", tokens.display())).start();
    let admin = daemon.rest();
    let network = admin.network("n");
    let vm = admin.port(&network, MACHINES[1].0, MACHINES[1].1, "compute-2");
    let host = |token: &str| Rest { token: Some(token.to_owned()), ..admin.clone() };
    let (one, two) = (host(one), host(two));
    assert_eq!(fdb(&one, &network, "?scope=all").entries.len(), 0);
    assert_eq!(Watch::open(&one, "?scope=all", None).event().kind, "snapshot");
    host("compute-3-secret-compute-3").get("/v2/fdb").expect(401);

    for (method, path) in [
        ("GET", "/v2/switches"),
        ("GET", "/v2.0/networks"),
        ("POST", "/v2.0/networks"),
        ("GET", "/v2.0/tunnel-endpoints"),
        ("DELETE", "/v2/l2-gateways/x"),
        ("GET", "/v2/nowhere"),
    ] {
        let answer = one.call(method, path, &json!(null));
        assert_eq!((answer.status, answer.error_type().as_str()), (403, "PolicyNotAuthorized"), "{method} {path}");
    }

    // Its own ports, whether it names itself or not.
    let port = |mac: &str, host: Option<&str>| {
        let mut port = json!({"network_id": network, "mac_address": mac});
        if let Some(host) = host {
            port["binding:host_id"] = json!(host);
        }
        json!({ "port": port })
    };
    let macs = ["02:00:00:00:00:01", "02:00:00:00:00:02"];
    let own = one.post("/v2.0/ports", &port(macs[0], None)).expect(201);
    assert_eq!(own["port"]["binding:host_id"], "compute-1");
    one.post("/v2.0/ports", &port(macs[1], Some("compute-1"))).expect(201);
    one.post("/v2.0/ports", &port("02:00:00:00:00:03", Some("compute-2"))).expect(403);
    one.post("/v2.0/ports", &port("02:00:00:00:00:03", Some(""))).expect(403);
    let mixed = json!({"ports": [port("02:00:00:00:00:04", None)["port"], port("02:00:00:00:00:05", Some("compute-2"))["port"]]});
    one.post("/v2.0/ports", &mixed).expect(403);
    let ports = one.get("/v2.0/ports").expect(200);
    assert_eq!(ports["ports"].as_array().unwrap().len(), macs.len(), "{ports}");
    assert_eq!(one.get("/v2.0/ports?binding:host_id=compute-2").expect(200)["ports"], json!([]));
    // Those of others don't exist for it.
    one.get(&format!("/v2.0/ports/{vm}")).expect(404);
    one.put(&format!("/v2.0/ports/{vm}"), &json!({"port": {"name": "mine"}})).expect(404);
    one.put(&format!("/v2.0/ports/{vm}"), &json!({"port": {"binding:host_id": "compute-1"}})).expect(404);
    one.delete(&format!("/v2.0/ports/{vm}")).expect(404);
    let own = format!("/v2.0/ports/{}", own["port"]["id"].as_str().unwrap());
    one.put(&own, &json!({"port": {"binding:host_id": "compute-2"}})).expect(403);
    one.put(&own, &json!({"port": {"name": "mine"}})).expect(200);
    two.get(&own).expect(404);
    two.delete(&own).expect(404);
    one.delete(&own).expect(204);
    // One of its own is left, and the other host's.
    let left = macs[1..].len() + 1;
    assert_eq!(admin.get("/v2.0/ports").expect(200)["ports"].as_array().unwrap().len(), left);
}
