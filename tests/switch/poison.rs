//! A row that the switch refuses stays alone.

use std::{thread, time::Duration};

use serde_json::json;

use super::scene::{COMPUTE_1, MACHINES, Scene, many_ports};
use crate::support::{PATIENCE, daemon::Home, meddler::Meddler, recorder::Recorder, tor::Tor};

/// A switch that takes no more than 15 characters of an IP address.
fn picky() -> Tor {
    Tor::with_schema("t", "192.0.2.1", |mut schema| {
        schema["tables"]["Ucast_Macs_Remote"]["columns"]["ipaddr"]["type"] =
            json!({"key": {"type": "string", "maxLength": 15}});
        schema
    })
}

const REFUSED: (&str, &str) = ("fa:16:3e:66:66:66", "2001:db8:ffff:ffff:ffff:ffff:ffff:6666");

/// In the middle of a bulk: everything else arrives, the refused row is named, and its removal heals.
#[test]
fn a_refused_row_is_quarantined() {
    let tor = picky();
    let scene = Scene::on(&tor);
    let mut ports = many_ports(&scene.network, 500, &[COMPUTE_1.0]);
    let bad = json!({"network_id": scene.network, "mac_address": REFUSED.0, "binding:host_id": COMPUTE_1.0,
                     "fixed_ips": [{"ip_address": REFUSED.1}]});
    ports["ports"].as_array_mut().expect("ports").insert(250, bad);
    let created = scene.rest.post("/v2.0/ports", &ports).expect(201);
    tor.wait_rows("Ucast_Macs_Remote", 503, PATIENCE);
    let status = scene.rest.wait_status(&scene.connection, "error");
    let reason = status["switches"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains(REFUSED.0) && reason.contains("constraint violation"), "{status}");

    // Work goes on beside it.
    scene.rest.port(&scene.network, "fa:16:3e:00:00:04", "10.0.0.14", COMPUTE_1.0);
    tor.wait_rows("Ucast_Macs_Remote", 504, PATIENCE);

    let bad = created["ports"].as_array().expect("ports").iter().find(|port| port["mac_address"] == REFUSED.0);
    let bad = bad.expect("the refused port")["id"].as_str().expect("its id").to_owned();
    scene.rest.delete(&format!("/v2.0/ports/{bad}")).expect(204);
    scene.rest.wait_status(&scene.connection, "active");
    assert_eq!(tor.rpc().count("Ucast_Macs_Remote"), 504);
}

/// The refused row is tried again with backoff, not in a loop: other work is not drowned by it.
#[test]
fn a_refused_row_is_not_hammered() {
    let tor = picky();
    let recorder = Recorder::start(tor.socket());
    let scene = Scene::with(Home::new().recorded(&tor, &recorder), "t");
    scene.rest.port(&scene.network, REFUSED.0, REFUSED.1, COMPUTE_1.0);
    scene.rest.wait_status(&scene.connection, "error");
    for i in 0..20 {
        scene.rest.port(&scene.network, &format!("fa:16:3e:00:02:{i:02x}"), "10.0.0.14", COMPUTE_1.0);
        tor.wait_rows("Ucast_Macs_Remote", 4 + i, PATIENCE);
    }
    let tries = recorder.transacts().iter().filter(|sent| sent.to_string().contains(REFUSED.0)).count();
    assert!((1..=6).contains(&tries), "{tries} transactions carried the refused row");
}

/// A switch that has no room for more rows in a table: the server refuses at commit, and no operation is at fault.
fn full(table: &str, rows: u32) -> Tor {
    Tor::with_schema("t", "192.0.2.1", |mut schema| {
        schema["tables"][table]["maxRows"] = json!(rows);
        schema
    })
}

/// How many transactions are sent while nothing changes.
fn sent_in_vain(recorder: &Recorder) -> usize {
    // The refused rows are isolated first, which takes a few transactions more: until there is a pause, or for 4 s.
    for _ in 0..10 {
        let seen = recorder.count("transact");
        thread::sleep(Duration::from_millis(400));
        if recorder.count("transact") == seen {
            break;
        }
    }
    let before = recorder.count("transact");
    thread::sleep(Duration::from_secs(4));
    recorder.count("transact") - before
}

#[test]
fn a_full_table_of_macs_is_filled_reported_and_not_hammered() {
    const ROOM: u32 = 50;
    const TOO_MANY: u32 = 70;
    // With the machines of the example.
    let ports = ROOM + TOO_MANY - u32::try_from(MACHINES.len()).expect("few machines");
    let room = ROOM as usize;
    let tor = full("Ucast_Macs_Remote", ROOM);
    let recorder = Recorder::start(tor.socket());
    let scene = Scene::with(Home::new().recorded(&tor, &recorder), "t");
    let created = scene.rest.post("/v2.0/ports", &many_ports(&scene.network, ports, &[COMPUTE_1.0])).expect(201);
    tor.wait_rows("Ucast_Macs_Remote", room, PATIENCE);
    let status = scene.rest.wait_status(&scene.connection, "error");
    let reason = status["switches"][0]["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("Ucast_Macs_Remote") && reason.contains(&format!("{ROOM} row")),
        "the switch's words: {status}"
    );
    let sent = sent_in_vain(&recorder);
    assert!(sent <= 8, "{sent} transactions in 4 s");
    // What changes or is deleted is done beside that, and makes room.
    for port in &created["ports"].as_array().expect("ports")[..TOO_MANY as usize] {
        scene.rest.delete(&format!("/v2.0/ports/{}", port["id"].as_str().expect("its id"))).expect(204);
    }
    scene.rest.wait_status(&scene.connection, "active");
    assert_eq!(tor.rpc().count("Ucast_Macs_Remote"), room);
}

#[test]
fn a_full_table_of_logical_switches_takes_the_next_when_there_is_room() {
    let tor = full("Logical_Switch", 1);
    let recorder = Recorder::start(tor.socket());
    let scene = Scene::with(Home::new().recorded(&tor, &recorder), "t");
    let connections: Vec<String> = [51, 52]
        .map(|vlan| {
            let network = scene.rest.network(&format!("network{vlan}"));
            scene.rest.connect(&scene.gateway, &network, vlan)
        })
        .into();
    for connection in &connections {
        let status = scene.rest.wait_status(connection, "error");
        assert!(status.to_string().contains("Logical_Switch"), "the switch's words: {status}");
    }
    let sent = sent_in_vain(&recorder);
    assert!(sent <= 8, "{sent} transactions in 4 s");
    scene.rest.wait_status(&scene.connection, "active");
    scene.rest.disconnect(&connections[1]);
    scene.rest.disconnect(&scene.connection);
    scene.rest.wait_status(&connections[0], "active");
}

/// Transactions that are taken and never answered: given up, reported, tried again ever more rarely, and healed.
#[test]
fn a_transaction_that_is_never_answered_is_given_up() {
    let tor = Tor::start("t", "192.0.2.1");
    let meddler = Meddler::start(tor.socket());
    meddler.hold("transact");
    let home = Home::new().switch("t", &format!("{}inactivity_probe = 500ms\n", meddler.lines()));
    let scene = Scene::begin(home, &["t"]);
    let told = |now: &serde_json::Value| now["reason"].as_str().is_some_and(|reason| reason.contains("unanswered"));
    scene.rest.wait_switch("t", "a reason without a session", |now| told(now) && now["session"]["state"] == "backoff");
    scene
        .rest
        .wait_switch("t", "the reason while it is tried again", |now| told(now) && now["session"]["state"] == "up");
    let journal = scene.daemon.admin("audit", &json!({"kinds": ["session"]}));
    assert!(journal.to_string().contains("unanswered"), "{journal}");
    assert!(tor.dump().logical_switches().is_empty());
    meddler.forget();
    scene.rest.wait_status(&scene.connection, "active");
    assert!(scene.is_on(&tor.dump()));
}
