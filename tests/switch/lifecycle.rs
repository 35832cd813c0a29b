//! Starting, stopping, reloading; what must not start says why.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::Path,
    time::Duration,
};

use super::scene::{MACHINES, Scene};
use crate::support::{daemon::Home, recorder::Recorder, tor::Tor};

const SOON: Duration = Duration::from_secs(10);

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("the file exists").permissions().mode() & 0o777
}

/// Starts a daemon that must refuse to run; what it says.
fn refuses(home: &Home, args: &[&str]) -> String {
    let before = home.log().len();
    let status = home.spawn(args).wait(SOON);
    let words = home.log().get(before..).unwrap_or_default().to_owned();
    assert!(!status.success(), "it ended with success: {words}");
    assert!(status.code().is_some(), "it was killed by a signal: {words}");
    assert!(!words.contains("panicked"), "{words}");
    words
}

#[test]
fn sigterm_ends_with_success() {
    let tor = Tor::start("t", "192.0.2.1");
    let mut scene = Scene::on(&tor);
    let good = tor.dump();
    let status = scene.daemon.stop();
    assert_eq!(status.code(), Some(0), "{status}");
    assert_eq!(tor.dump(), good, "what is on the switch stays");
    assert!(!scene.daemon.home.admin_socket().exists(), "the admin socket goes with the daemon");
}

#[test]
fn files_are_the_daemons_own() {
    let daemon = Home::new().start();
    for file in [daemon.home.store(), daemon.home.token_file()] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_second_daemon_on_one_store_refuses() {
    let daemon = Home::new().start();
    // Its admin socket would be refused as well: it has another one, and the same store.
    let other = Home::new();
    other.write_ini();
    let ini = fs::read_to_string(other.ini()).expect("plumgrid.ini");
    let shared = ini.replace(&other.store().display().to_string(), &daemon.home.store().display().to_string());
    assert_ne!(ini, shared);
    fs::write(other.ini(), shared).expect("plumgrid.ini is written");
    let words = refuses(&other, &[]);
    assert!(words.contains(&daemon.home.store().display().to_string()), "it names the store: {words}");
    daemon.rest().network("still served");
}

#[test]
fn a_live_admin_socket_is_refused_and_a_stale_one_replaced() {
    let mut daemon = Home::new().start();
    let socket = daemon.home.admin_socket();
    let other = Home::new();
    other.write_ini();
    let ini = fs::read_to_string(other.ini()).expect("plumgrid.ini");
    let shared = ini.replace(&other.admin_socket().display().to_string(), &socket.display().to_string());
    fs::write(other.ini(), shared).expect("plumgrid.ini is written");
    let words = refuses(&other, &[]);
    assert!(words.contains(&socket.display().to_string()), "it names the socket: {words}");
    UnixStream::connect(&socket).expect("the first one's socket still answers");

    daemon.kill();
    assert!(socket.exists(), "SIGKILL leaves it behind");
    UnixStream::connect(&socket).expect_err("nobody listens");
    daemon.start();
    UnixStream::connect(&socket).expect("it was replaced");
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let mut daemon = Home::new().start();
    assert!(daemon.stop().success());
    let store = daemon.home.store();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        use sqlx::Connection as _;
        let url = format!("sqlite://{}", store.display());
        let mut sqlite = sqlx::SqliteConnection::connect(&url).await.expect("the store opens");
        let insert = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                      VALUES (99999999999999, 'from the future', 1, x'00', 0)";
        sqlx::query(insert).execute(&mut sqlite).await.expect("a migration from the future");
        sqlite.close().await.expect("the store closes");
    });
    let words = refuses(&daemon.home, &[]);
    assert!(words.contains("newer"), "it says what is wrong: {words}");
}

#[test]
fn check_tries_each_switch() {
    let mut tor = Tor::start("t", "192.0.2.1");
    let home = Home::new().tor_on_unix(&tor);
    home.write_ini();
    let status = home.spawn(&["--check"]).wait(SOON);
    assert!(status.success(), "{}", home.log());
    assert!(home.log().contains('t'), "{}", home.log());
    assert!(!home.store().exists(), "a check leaves nothing behind");
    tor.kill();
    let words = refuses(&home, &["--check"]);
    assert!(words.contains(&tor.socket().display().to_string()), "it names the address: {words}");
}

#[test]
fn check_tells_a_wrong_switch() {
    let tor = Tor::start("somebody-else", "192.0.2.1");
    let home = Home::new().switch("t", &format!("management_ip = 127.0.0.1\nport = {}\n", tor.port()));
    home.write_ini();
    let words = refuses(&home, &["--check"]);
    assert!(words.contains("somebody-else"), "it names who is there: {words}");
}

#[test]
fn a_wrong_key_names_file_and_line() {
    let home = Home::new().switch("t", "management_ip = 127.0.0.1\nporrt = 6640\n");
    home.write_ini();
    let ini = fs::read_to_string(home.ini()).expect("plumgrid.ini");
    let line = ini.lines().position(|line| line.starts_with("porrt")).expect("the line") + 1;
    for args in [[].as_slice(), &["--check"]] {
        let words = refuses(&home, args);
        assert!(words.contains(&format!("{}:{line}", home.ini().display())), "{words}");
        assert!(words.contains("porrt"), "{words}");
    }
}

#[test]
fn no_token_for_an_address_that_others_reach_is_refused() {
    let home = Home::new().without_token();
    home.write_ini();
    let ini = fs::read_to_string(home.ini()).expect("plumgrid.ini");
    fs::write(home.ini(), ini.replace("listen = 127.0.0.1:0", "listen = 0.0.0.0:0")).expect("plumgrid.ini is written");
    let words = refuses(&home, &[]);
    assert!(words.contains("loopback"), "{words}");
}

#[test]
fn without_a_token_on_loopback() {
    let daemon = Home::new().without_token().start();
    daemon.rest().network("n");
    assert!(!daemon.home.token_file().exists());
}

/// SIGHUP: a switch comes and goes without a touch to the other's session.
#[test]
fn sighup_adds_and_drops_switches() {
    let (first, second) = (Tor::start("first", "192.0.2.1"), Tor::start("second", "192.0.2.2"));
    let recorder = Recorder::start(first.socket());
    let mut scene = Scene::begin(Home::new().recorded(&first, &recorder), &["first", "second"]);
    scene.rest.wait_switch("first", "it is active", |now| now["status"] == "active");
    first.wait("the example is on the first", |dump| scene.is_on(dump));
    let since = scene.rest.switch("first")["session"]["since"].clone();
    scene.rest.get("/v2/switches/second").expect(404);

    scene.daemon.home.add(&second);
    scene.daemon.reload();
    second.wait("the example is on the second", |dump| scene.is_on(dump));
    scene.rest.wait_status(&scene.connection, "active");

    scene.daemon.home.drop_last();
    scene.daemon.reload();
    crate::support::eventually("the second is dropped", SOON, || match scene.rest.get("/v2/switches/second").status {
        404 => Ok(()),
        status => Err(status.to_string()),
    });
    assert!(scene.is_on(&second.dump()), "what is on it stays");
    assert_eq!(recorder.connections(), 1);
    assert_eq!(scene.rest.switch("first")["session"]["since"], since);
}

/// A broken file at SIGHUP changes nothing, and is told.
#[test]
fn sighup_with_a_broken_file_changes_nothing() {
    let tor = Tor::start("t", "192.0.2.1");
    let mut scene = Scene::on(&tor);
    let ini = scene.daemon.home.ini();
    fs::write(&ini, "[nonsense\n").expect("plumgrid.ini is written");
    scene.daemon.process().signal("HUP");
    crate::support::eventually("the log tells it", SOON, || {
        let log = scene.daemon.home.log();
        if log.contains(&ini.display().to_string()) { Ok(()) } else { Err(log) }
    });
    scene.rest.port(&scene.network, "fa:16:3e:00:00:04", "10.0.0.14", "compute-1");
    tor.wait("the daemon still works", |dump| dump.macs().len() == MACHINES.len() + 1);
}
