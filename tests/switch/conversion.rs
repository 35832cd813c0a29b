//! A switch whose software is upgraded, or downgraded, converts its database while the session lives.

use std::fs;

use serde_json::{Value, json};

use super::scene::{COMPUTE_1, MACHINES, Scene};
use crate::support::{
    daemon::Home,
    meddler::Meddler,
    tor::{SCHEMA, Tor},
    vintage::vintage,
};

/// One more MAC arrives, and all that was there is still there.
fn changes(scene: &Scene, tor: &Tor, last: u8) {
    let mac = format!("fa:16:3e:00:09:{last:02x}");
    scene.rest.port(&scene.network, &mac, "10.0.1.1", COMPUTE_1.0);
    tor.wait(&mac, |dump| dump.macs().len() == MACHINES.len() + usize::from(last));
    assert_eq!(
        (tor.dump().logical_switches().len(), tor.dump().floods().len(), tor.dump().bindings().len()),
        (1, 1, 1)
    );
}

/// `monitor` without `set_db_change_aware`: the server closes the connection, and the next session finds the new schema.
#[test]
fn a_conversion_and_the_way_back_are_followed() {
    let tor = Tor::with_schema("t", "192.0.2.1", vintage("1.3.0"));
    let old = tor.path().join("vtep.ovsschema").display().to_string();
    let scene = Scene::begin(Home::new().tor(&tor), &["t"]);
    scene.rest.wait_status(&scene.connection, "degraded");
    assert_eq!(scene.rest.switch("t")["session"]["schema_version"], "1.3.0");
    changes(&scene, &tor, 1);

    tor.ovsdb_client("convert", &[SCHEMA]);
    scene.rest.wait_status(&scene.connection, "active");
    let switch = scene.rest.switch("t");
    assert_eq!((&switch["session"]["schema_version"], &switch["degraded"]), (&"1.7.0".into(), &json!([])));
    // What the old schema couldn't hold is there now.
    // (vtep-ctl itself goes by what the server's own table says of the schema, which is the old one.)
    let row = tor.rpc().select("Logical_Switch").remove(0);
    assert_eq!(row["replication_mode"], "source_node");
    changes(&scene, &tor, 2);

    tor.ovsdb_client("convert", &[&old]);
    scene.rest.wait_status(&scene.connection, "degraded");
    assert_eq!(scene.rest.switch("t")["session"]["schema_version"], "1.3.0");
    changes(&scene, &tor, 3);
}

/// A conversion that takes away what we can't do without, and its end.
#[test]
fn a_conversion_to_a_schema_that_can_not_be_used_is_refused_until_it_can() {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    let text = fs::read_to_string(SCHEMA).expect("the schema");
    let mut schema: Value = serde_json::from_str(&text).expect("JSON");
    schema["tables"]["Physical_Switch"]["columns"].as_object_mut().expect("columns").remove("tunnel_ips");
    let crippled = tor.path().join("crippled.ovsschema");
    fs::write(&crippled, schema.to_string()).expect("it is written");
    tor.ovsdb_client("convert", &[&crippled.display().to_string()]);
    let status = scene.rest.wait_switch("t", "it is refused", |now| now["session"]["state"] == "refused");
    assert!(status["reason"].to_string().contains("no Physical_Switch.tunnel_ips"), "{status}");
    tor.ovsdb_client("convert", &[SCHEMA]);
    // The column lost the switch's address: nothing reaches the switch until it sets the address again.
    scene.rest.wait_status(&scene.connection, "degraded");
    tor.vtep_ctl(&["set", "Physical_Switch", "t", "tunnel_ips=192.0.2.1"]);
    scene.rest.wait_status(&scene.connection, "active");
    assert!(scene.is_on(&tor.dump()));
}

/// What ovsdb-server says to clients that asked for it, and others perhaps to all: after a canceled monitor the session begins
/// anew; a canceled transaction is sent again.
#[test]
fn a_canceled_monitor_begins_anew_and_a_canceled_transaction_is_sent_again() {
    let tor = Tor::start("t", "192.0.2.1");
    let meddler = Meddler::start(tor.socket());
    let scene = Scene::with(Home::new().switch("t", &meddler.lines()), "t");
    assert_eq!(meddler.connections(), 1);
    // Of a monitor that isn't ours: nothing happens.
    meddler.say(&json!({"id": null, "method": "monitor_canceled", "params": ["another"]}));
    changes(&scene, &tor, 1);
    assert_eq!(meddler.connections(), 1);

    meddler.say(&json!({"id": null, "method": "monitor_canceled", "params": ["vtepd"]}));
    scene.rest.wait_switch("t", "it says so", |now| now["reason"].to_string().contains("was converted or removed"));
    changes(&scene, &tor, 2);
    let again = 1 + 1;
    assert_eq!(meddler.connections(), again, "a second session");

    meddler.refuse("transact", &json!({"error": "canceled"}));
    changes(&scene, &tor, 3);
    assert_eq!(meddler.connections(), again);
    let log = scene.daemon.home.log();
    assert!(log.contains("canceled"), "{log}");

    scene.rest.wait_status(&scene.connection, "active");
}
