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
    hostile::{Hostile, attacks, noisy},
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

/// A switch that gives more work than it may is read more slowly, and shown so everywhere until it calms down. Its session
/// stays.
#[test]
fn a_switch_that_is_read_more_slowly_is_degraded_for_as_long() {
    let noisy = Hostile::start(&noisy("noisy", "11111111-2222-4333-8444-555555555555"));
    let daemon = Home::new().switch("noisy", &noisy.lines()).start();
    let rest = daemon.rest();
    let says_so = |now: &serde_json::Value| now["reason"].as_str().is_some_and(|why| why.contains("20000 a second"));
    let now = rest.wait_switch("noisy", "it is degraded", |now| now["status"] == "degraded" && says_so(now));
    assert_eq!(now["session"]["state"], "up");
    let counted = |count: u32| {
        let line = format!("vtepd_problems{{kind=\"budget\"}} {count}\n");
        eventually("the metrics count it", PATIENCE, || {
            let text = String::from_utf8(rest.get("/metrics").body).expect("text");
            if text.contains(&line) { Ok(()) } else { Err(text) }
        });
    };
    counted(1);
    let problems = rest.get("/v2/problems").expect(200).to_string();
    assert!(problems.contains("\"budget\"") && problems.contains("look for what makes its rows change"), "{problems}");
    let later = rest.wait_switch("noisy", "it is over", |now| !says_so(now));
    assert_eq!(later["session"]["since"], now["session"]["since"]);
    counted(0);
    let lines = daemon.home.log().lines().filter(|line| line.contains("rows change too fast")).count();
    assert_eq!(lines, 1);
}

/// A switch with 40 MB of port names, and a port of it that is missing on many bindings: each of their reasons names some
/// ports, cut, so that whoever scrapes or lists costs little.
#[test]
fn long_names_make_no_long_answers() {
    let network = "11111111-2222-4333-8444-555555555555";
    let mut kinds = attacks("names", network, SCALE);
    kinds.retain(|attack| attack.name == "names of 40 MB");
    let hostile = Hostile::start(&kinds[0]);
    let daemon = Home::new().switch("names", &hostile.lines()).start();
    let rest = daemon.rest();
    rest.gateway("g", &[("names", &["nowhere"])]);
    for i in 0..100 {
        let network = rest.network(&format!("n{i}"));
        rest.connect("g", &network, 100 + i);
    }
    rest.wait_switch("names", "its bindings are told of", |now| {
        let bindings = now["bindings"].as_array().map_or(0, Vec::len);
        bindings == 100 && now["reason"].as_str().is_some_and(|why| why.contains("nowhere"))
    });
    for path in ["/metrics", "/readyz", "/v2/problems", "/v2/switches/names", "/v2/switches"] {
        let begun = Instant::now();
        let answer = rest.get(path);
        assert!(answer.body.len() < 1 << 19, "{path}: {} bytes", answer.body.len());
        assert!(begun.elapsed() < SOON, "{path}: {:?}", begun.elapsed());
    }
    assert!(daemon.home.log().len() < 1 << 20);
}
