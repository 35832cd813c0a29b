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

/// `vtepd --check` says whether the daemon could work with what is there, and makes nothing.
#[test]
fn check_tries_the_store_and_the_admin_sockets_group() {
    let check = |home: &Home| {
        let before = home.log().len();
        let code = home.spawn(&["--check"]).wait(PATIENCE).code();
        (code, home.log().get(before..).unwrap_or_default().to_owned())
    };
    let home = Home::new();
    home.write_ini();
    let (code, words) = check(&home);
    assert!(code == Some(0) && words.contains("ok: it is made at the first start"), "{words}");
    assert!(!home.store().exists());
    let mut daemon = home.start();
    let holder = format!("ok: it is ours, process {} uses it", daemon.process().pid());
    let (code, words) = check(&daemon.home);
    assert!(code == Some(0) && words.contains(&holder), "{words}");
    daemon.stop();
    let (code, words) = check(&daemon.home);
    assert!(code == Some(0) && words.contains("ok: it is ours\n"), "{words}");
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES \
                 (9999, 'later', TRUE, X'00', 0)";
    made_by_hand(&daemon.home, newer);
    let (code, words) = check(&daemon.home);
    assert!(code == Some(1) && words.contains("FAILED: ") && words.contains("schema has version 9999"), "{words}");
    daemon.home.forget();
    let foreign = made_by_hand(&daemon.home, "CREATE TABLE invoices (id INTEGER)");
    let (code, words) = check(&daemon.home);
    assert!(code == Some(1) && words.contains("with the tables invoices"), "{words}");
    assert_eq!(fs::read(daemon.home.store()).expect("it is there"), foreign);
    daemon.home.forget();
    fs::create_dir(daemon.home.store()).expect("a directory in its place");
    let (code, words) = check(&daemon.home);
    assert!(code == Some(1) && words.contains("FAILED: store "), "{words}");
    fs::remove_dir(daemon.home.store()).expect("it is empty");
    daemon.start();

    let home = Home::new().env(vec![("VTEPD_ADMIN__GROUP", "nobody-has-this-group".to_owned())]);
    home.write_ini();
    let (code, words) = check(&home);
    assert!(code == Some(1) && words.contains("there is no group 'nobody-has-this-group'"), "{words}");
}
