//! One switch, whatever it sends, harms no other: all attacks at once, beside a good switch. The bench `hostile` measures each
//! by itself.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use super::scene::{COMPUTE_1, mac};
use crate::support::{
    daemon::Home,
    eventually,
    hostile::{Hostile, attacks},
    tor::Tor,
};

/// Of what is measured by the bench: this is a debug build, beside other tests.
const SCALE: u64 = 20;
const PATIENCE: Duration = Duration::from_secs(40);
/// How long a change may take on its way to the good switch.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_hostile_switch_harms_no_other() {
    let good = Tor::start("good", "192.0.2.1");
    let network = "11111111-2222-4333-8444-555555555555";
    let kinds = attacks("t0", network, SCALE);
    let hostile: Vec<(String, Hostile, Option<&str>)> = (0..kinds.len())
        .map(|i| {
            let name = format!("t{i}");
            let attack = attacks(&name, network, SCALE).swap_remove(i);
            (name, Hostile::start(&attack), attack.ends)
        })
        .collect();
    let home =
        hostile.iter().fold(Home::new().tor(&good), |home, (name, hostile, _)| home.switch(name, &hostile.lines()));
    let daemon = home.start();
    let rest = daemon.rest();
    rest.endpoint(COMPUTE_1.0, COMPUTE_1.1);
    let body = json!({"network": {"id": network, "name": "n"}});
    let network = match rest.post("/v2.0/networks", &body) {
        created if created.status == 201 => created.json()["network"]["id"].as_str().expect("an id").to_owned(),
        _ => rest.network("n"),
    };
    rest.gateway("g", &[("good", &["Ethernet40"])]);
    let connection = rest.connect("g", &network, 50);
    rest.wait_status(&connection, "active");
    let until = Instant::now() + Duration::from_secs(5);
    let mut changes = 0;
    while Instant::now() < until {
        let begun = Instant::now();
        rest.port(&network, &mac(changes), "10.0.0.1", COMPUTE_1.0);
        changes += 1;
        good.wait_rows("Ucast_Macs_Remote", changes as usize, SOON);
        assert_eq!(rest.get("/healthz").status, 200);
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        thread::sleep(Duration::from_millis(100));
    }
    for (name, _, ends) in &hostile {
        let Some(reason) = ends else { continue };
        eventually(&format!("{name} is cut off"), PATIENCE, || {
            let status = rest.get(&format!("/v2/switches/{name}")).json();
            let told = status["reason"].as_str().unwrap_or_default();
            if told.contains(reason) { Ok(()) } else { Err(status.to_string()) }
        });
    }
    let metrics = String::from_utf8(rest.get("/metrics").body).expect("text");
    let sessions = metrics.lines().find(|line| line.starts_with("vtepd_switch_sessions_total{switch=\"good\"}"));
    assert_eq!(sessions, Some("vtepd_switch_sessions_total{switch=\"good\"} 1"), "{metrics}");
    let log = daemon.home.log();
    assert!(log.len() < 1 << 20, "{} bytes of log", log.len());
    assert!(log.lines().all(|line| line.len() < 20_000), "a line without end");
}
