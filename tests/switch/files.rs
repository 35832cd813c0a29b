//! The store's files under the running daemon.

use std::{
    fs,
    os::unix::fs::symlink,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;

use super::scene::Scene;
use crate::support::{PATIENCE, daemon::Home, eventually, tor::Tor};

/// The daemon says everywhere that it keeps nothing, and answers no write as if it did.
#[test]
fn a_store_that_is_gone_takes_no_writes_and_everybody_is_told() {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    let (store, aside) = (scene.daemon.home.store(), scene.daemon.home.store().with_extension("aside"));
    fs::rename(&store, &aside).expect("the file is moved");
    let moved = Instant::now();
    let ready = || scene.rest.get("/readyz");
    let reasons = eventually("/readyz says so", PATIENCE, || {
        let answer = ready();
        if answer.status == 503 { Ok(answer.json().to_string()) } else { Err(answer.json().to_string()) }
    });
    assert!(moved.elapsed() < Duration::from_secs(2), "{:?}", moved.elapsed());
    assert!(reasons.contains("vtepd.db was deleted or moved"), "{reasons}");
    assert_eq!(scene.rest.get("/healthz").status, 200);
    let answer = scene.rest.post("/v2.0/networks", &json!({"network": {"name": "x"}}));
    assert_eq!(answer.status, 503);
    assert_eq!(scene.rest.get(&format!("/v2.0/networks/{}", scene.network)).status, 200, "what is known is answered");
    let status = scene.daemon.admin("status", &json!({}));
    assert_eq!(status["ready"], false, "{status}");
    let said = Command::new(env!("CARGO_BIN_EXE_l2gw"))
        .args(["--socket", &scene.daemon.home.admin_socket().display().to_string(), "status"])
        .output()
        .expect("l2gw runs");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert_eq!(said.status.code(), Some(1), "{text}");
    assert!(text.contains("was deleted or moved") && !text.contains("free space"), "{text}");

    // The same file is back: nothing has to be started again, and the switch has kept everything.
    fs::rename(&aside, &store).expect("the file is moved back");
    eventually("/readyz", PATIENCE, || if ready().status == 200 { Ok(()) } else { Err(ready().json().to_string()) });
    scene.rest.network("later");
    scene.rest.wait_status(&scene.connection, "active");
}

/// Nothing of another program's is touched, and systemd doesn't try again.
#[test]
fn a_file_that_is_not_ours_is_refused() {
    let home = Home::new();
    home.write_ini();
    let database = made_by_hand(&home, "CREATE TABLE invoices (id INTEGER)");
    let refused = home.spawn(&[]).wait(PATIENCE);
    assert_eq!(refused.code(), Some(78));
    assert!(home.log().contains("another program's SQLite database, with the tables invoices"), "{}", home.log());
    assert_eq!(fs::read(home.store()).expect("it is there"), database);

    // A link in the place of the lock.
    fs::remove_file(home.store()).expect("it is there");
    let precious = home.store().with_extension("precious");
    fs::write(&precious, "precious").expect("a file");
    symlink(&precious, home.store().with_extension("db.lock")).expect("a link");
    assert_eq!(home.spawn(&[]).wait(PATIENCE).code(), Some(1));
    assert_eq!(fs::read_to_string(&precious).expect("it is there"), "precious");
}

/// Makes the store's file with SQLite's own program; its bytes.
fn made_by_hand(home: &Home, sql: &str) -> Vec<u8> {
    let made = Command::new("sqlite3").arg(home.store()).arg(sql).status().expect("sqlite3 is installed");
    assert!(made.success());
    fs::read(home.store()).expect("sqlite3 made it")
}
