//! Every way to a switch carries the example; and whoever isn't the switch gets nothing written, no secret, and a
//! reason that tells what is wrong.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::scene::{COMPUTE_1, MACHINES, Scene};
use crate::support::{
    PATIENCE,
    daemon::Home,
    dump::Dump,
    eventually,
    line::{Line, Quality},
    pki::{Identity509, Pki, Spec},
    process::Process,
    sshd::{LogIn, PASSWORD, Sshd, USER},
    tor::Tor,
};

/// The lines of a switch behind TLS.
fn ssl(tor: &Tor, us: &Identity509) -> String {
    format!("transport = ssl\nmanagement_ip = 127.0.0.1\nport = {}\n{}", tor.port(), us.lines())
}

/// The example on a switch with these lines, and its end: all of it goes again. That no secret is in the log, which tells
/// all, the daemon's end sees to.
fn carries_the_example(home: Home, tor: &Tor) -> Value {
    let before = tor.dump();
    let scene = Scene::with(home.default("debug = yes"), tor.name());
    assert!(scene.is_on(&tor.dump()));
    let status = scene.rest.switch(tor.name());
    scene.rest.disconnect(&scene.connection);
    tor.wait("all of it goes", |dump| *dump == before);
    status
}

/// A switch `t` that is refused: the reason says `why`, the log names the switch, and nothing is written.
struct Refused<'a> {
    scene: Scene,
    tor: &'a Tor,
    before: Dump,
}

impl<'a> Refused<'a> {
    fn new(home: Home, tor: &'a Tor, why: &str) -> Self {
        let before = tor.dump();
        let scene = Scene::begin(home.default("debug = yes"), &["t"]);
        let refused = Self { scene, tor, before };
        refused.because(why);
        refused
    }

    /// Waits for the reason.
    fn because(&self, why: &str) {
        let status = self.scene.rest.wait_switch("t", why, |now| {
            let state = &now["session"]["state"];
            now["reason"].as_str().is_some_and(|reason| reason.contains(why))
                && (state == "refused" || state == "backoff")
        });
        assert_ne!(status["status"], "active");
        assert_eq!(self.tor.dump(), self.before);
        let log = self.scene.daemon.home.log();
        let line = log.lines().find(|line| line.contains(why)).unwrap_or_else(|| panic!("not in the log: {why}"));
        assert!(line.contains("switch=t "), "it names the switch: {line}");
    }

    /// Other lines for the switch, and why they don't do either.
    fn rewrite(&mut self, lines: &str, why: &str) {
        self.scene.daemon.home.rewrite("t", lines);
        self.scene.daemon.reload();
        self.because(why);
    }

    /// Other lines, with which it works.
    fn fix(mut self, lines: &str) {
        self.scene.daemon.home.rewrite("t", lines);
        self.scene.daemon.reload();
        self.scene.rest.wait_status(&self.scene.connection, "active");
        assert!(self.scene.is_on(&self.tor.dump()));
    }
}

// ===== TLS =====

#[test]
fn tls_carries_the_example() {
    let pki = Pki::new();
    let us = pki.issue("vtepd");
    let tor = Tor::with_tls("t", "192.0.2.1", &pki.issue("t"));
    let status = carries_the_example(Home::new().switch("t", &ssl(&tor, &us)), &tor);
    let session = &status["session"];
    assert_eq!((&session["transport"], &session["state"]), (&"ssl".into(), &"up".into()));
    assert_eq!(session["address"], format!("ssl:127.0.0.1:{}", tor.port()));
    assert_eq!(session["certificates"][0]["of"], "ours");
    assert_eq!(session["certificates"][1]["subject"], "CN=t (t, 127.0.0.1)");
    assert_eq!(session["certificates"][1]["expires"], "2090-01-01T00:00:00Z");
}

/// Defaults of [l2gateway], a pinned certificate.
#[test]
fn tls_with_defaults_and_a_pin() {
    let pki = Pki::new();
    let (us, switch) = (pki.issue("vtepd"), pki.sign(&Spec::with_names("t id:1", &[])));
    let tor = Tor::with_tls("t", "192.0.2.1", &switch);
    let lines =
        format!("management_ip = 127.0.0.1\nport = {}\npeer_fingerprint = {}\n", tor.port(), switch.fingerprint());
    let home = Home::new().more(&format!("[l2gateway]\ntransport = ssl\n{}", us.lines())).switch("t", &lines);
    carries_the_example(home, &tor);
}

#[test]
fn tls_refuses_whoever_is_not_the_switch() {
    let (pki, other) = (Pki::new(), Pki::new());
    let us = pki.issue("vtepd");
    let tor = Tor::with_tls("t", "192.0.2.1", &pki.sign(&Spec::with_names("t", &["t.example"])));
    let lines = ssl(&tor, &us);
    let wrong_ca = lines.replace(&pki.ca().display().to_string(), &other.ca().display().to_string());
    let mut refused = Refused::new(Home::new().switch("t", &wrong_ca), &tor, "is not signed by a CA of");
    refused.rewrite(&lines, "which is not for '127.0.0.1'");
    let pin = format!("{lines}peer_fingerprint = {}\n", us.fingerprint());
    refused.rewrite(
        &pin,
        "not the pinned one: if the switch has a new certificate, compare it there and change peer_fingerprint",
    );
    let without: String = lines
        .lines()
        .filter(|line| !line.contains("key") && !line.contains("certificate"))
        .collect::<Vec<_>>()
        .join("\n");
    refused.rewrite(&format!("{without}\npeer_verify = chain\n"), "refused our certificate");
    let stranger = other.issue("vtepd");
    let strange = Identity509 { ca: pki.ca(), ..stranger };
    refused.rewrite(&format!("{}peer_verify = chain\n", ssl(&tor, &strange)), "signed by a CA that the switch knows");
    refused.fix(&format!("{lines}peer_verify = chain\n"));
}

/// An expired certificate is renewed: the files alone change, and no signal is sent.
#[test]
fn a_renewed_certificate_needs_no_signal() {
    let pki = Pki::new();
    let expired = Spec::new("vtepd").valid((2019, 1, 1), (2020, 1, 1));
    let us = pki.sign(&expired);
    let tor = Tor::with_tls("t", "192.0.2.1", &pki.issue("t"));
    let refused = Refused::new(Home::new().switch("t", &ssl(&tor, &us)), &tor, "renew the file");
    pki.sign(&Spec::new("vtepd"));
    refused.scene.rest.wait_status(&refused.scene.connection, "active");
}

#[test]
fn an_expired_switch_is_refused_and_one_that_expires_soon_is_told_of() {
    let pki = Pki::new();
    let us = pki.sign(&Spec::new("vtepd").days(10));
    let mut tor = Tor::with_tls("t", "192.0.2.1", &pki.sign(&Spec::new("t").valid((2019, 1, 1), (2020, 1, 1))));
    let refused = Refused::new(Home::new().switch("t", &ssl(&tor, &us)), &tor, "which expired on 2020-01-01");
    let scene = refused.scene;
    pki.sign(&Spec::new("t"));
    tor.restart(crate::support::tor::Contents::Kept);
    scene.rest.wait_status(&scene.connection, "active");
    let log = scene.daemon.home.log();
    let line = log.lines().find(|line| line.contains("expires soon")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("WARN") && line.contains("CN=vtepd") && line.contains("ours"), "{line}");
}

/// The file of our certificate changes: the status and the figures go by it, and the session goes on.
#[test]
fn a_renewed_certificate_is_told_of_while_the_session_lives() {
    let pki = Pki::new();
    let us = pki.sign(&Spec::new("vtepd").days(10));
    let tor = Tor::with_tls("t", "192.0.2.1", &pki.issue("t"));
    let scene = Scene::with(Home::new().switch("t", &ssl(&tor, &us)), "t");
    let before = scene.rest.switch("t")["session"].clone();
    assert_ne!(before["certificates"][0]["expires"], "2090-01-01T00:00:00Z");
    pki.sign(&Spec::new("vtepd"));
    let expires = |now: &Value| now["session"]["certificates"][0]["expires"] == "2090-01-01T00:00:00Z";
    let after = scene.rest.wait_switch("t", "it is seen", expires)["session"].clone();
    assert_eq!((&after["since"], &after["state"]), (&before["since"], &"up".into()));
    assert_eq!(after["certificates"][1], before["certificates"][1]);
    let metrics = String::from_utf8(scene.rest.get("/metrics").body).expect("UTF-8");
    let line = "vtepd_certificate_expiry_timestamp_seconds{switch=\"t\",certificate=\"ours\"} 3786912000";
    assert!(metrics.contains(line), "{metrics}");
}

/// A handshake and a session over a line that splits, delays and throttles.
#[test]
fn tls_and_ssh_bear_a_bad_line() {
    let pki = Pki::new();
    let us = pki.issue("vtepd");
    let tor = Tor::with_tls("t", "192.0.2.1", &pki.issue("t"));
    let over = |port: u16, lines: &str, line: &Line| {
        lines.replace(&format!("port = {port}"), &format!("port = {}", line.port()))
    };
    let line = Line::to(SocketAddr::from(([127, 0, 0, 1], tor.port())));
    line.set(Quality::Crumbs);
    carries_the_example(Home::new().switch("t", &over(tor.port(), &ssl(&tor, &us), &line)), &tor);
    line.set(Quality::Slow(Duration::from_millis(50)));
    carries_the_example(Home::new().switch("t", &over(tor.port(), &ssl(&tor, &us), &line)), &tor);

    let Some(sshd) = Sshd::start(LogIn::Password) else { return };
    let line = Line::to(SocketAddr::from(([127, 0, 0, 1], sshd.port())));
    let lines = format!("{}password = {PASSWORD}\novsdb_socket = {}\n", sshd.lines(), tor.socket().display());
    line.set(Quality::Crumbs);
    carries_the_example(Home::new().switch("t", &over(sshd.port(), &lines, &line)), &tor);
}

// ===== SSH =====

/// A file with a password alone.
fn password_file(sshd: &Sshd) -> String {
    use std::os::unix::fs::OpenOptionsExt;
    let path = sshd.path().join("password");
    let file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path);
    file.and_then(|mut file| std::io::Write::write_all(&mut file, format!("{PASSWORD}\n").as_bytes()))
        .expect("a password");
    path.display().to_string()
}

#[test]
fn ssh_carries_the_example() {
    let Some(sshd) = Sshd::start(LogIn::Password) else { return };
    let tor = Tor::start("t", "192.0.2.1");
    let lines = format!("{}password = {PASSWORD}\novsdb_socket = {}\n", sshd.lines(), tor.socket().display());
    let status = carries_the_example(Home::new().switch("t", &lines), &tor);
    assert_eq!(status["session"]["transport"], "ssh");
    assert_eq!(status["session"]["address"], format!("ssh:127.0.0.1:{}:{}", sshd.port(), tor.socket().display()));
    sshd.wait_idle();
}

/// User and password of [l2gateway], known_hosts, and a port of the switch's loopback address.
#[test]
fn ssh_with_defaults_through_a_port() {
    let Some(sshd) = Sshd::start(LogIn::KeyboardInteractive) else { return };
    let tor = Tor::start("t", "192.0.2.1");
    let known_hosts = sshd.path().join("known_hosts");
    fs::write(&known_hosts, sshd.known_hosts()).expect("known_hosts");
    let defaults = format!(
        "[l2gateway]\nsw_username = {USER}\nsw_password = {PASSWORD}\ntransport = ssh\nport = {}\nknown_hosts = {}\n",
        sshd.port(),
        known_hosts.display()
    );
    let lines = format!("management_ip = 127.0.0.1\novsdb_socket = tcp:127.0.0.1:{}\n", tor.port());
    carries_the_example(Home::new().more(&defaults).switch("t", &lines), &tor);
}

#[test]
fn ssh_with_a_password_file_at_the_usual_socket_and_with_a_key() {
    let Some(sshd) = Sshd::start(LogIn::Password) else { return };
    let tor = Tor::start("t", "192.0.2.1");
    std::os::unix::fs::symlink(tor.socket(), sshd.usual_socket()).expect("the usual socket");
    let lines = format!("{}password_file = {}\n", sshd.lines(), password_file(&sshd));
    carries_the_example(Home::new().switch("t", &lines), &tor);

    let Some(sshd) = Sshd::start(LogIn::Key) else { return };
    let key = sshd.client_key();
    let socket = tor.socket();
    let lines = format!("{}private_key = {}\novsdb_socket = {}\n", sshd.lines(), key.display(), socket.display());
    carries_the_example(Home::new().switch("t", &lines), &tor);
}

#[test]
fn ssh_refuses_whoever_is_not_the_switch() {
    let Some(sshd) = Sshd::start(LogIn::Password) else { return };
    let tor = Tor::start("t", "192.0.2.1");
    let log_in = format!("password = {PASSWORD}\novsdb_socket = {}\n", tor.socket().display());
    let lines = format!("{}{log_in}", sshd.lines());
    let unpinned: String = lines.lines().filter(|line| !line.starts_with("host_key")).collect::<Vec<_>>().join("\n");
    let nobody = format!("{unpinned}\nknown_hosts = {}\n", sshd.path().join("nobody").display());
    let pin = format!("set host_key_fingerprint = {}", sshd.fingerprint());
    let mut refused = Refused::new(Home::new().switch("t", &nobody), &tor, &pin);
    let changed = lines.replace(&sshd.fingerprint(), &format!("SHA256:{}", "A".repeat(43)));
    refused.rewrite(
        &changed,
        "is not the pinned one: if the switch has a new key, compare it there and change host_key_fingerprint",
    );
    // Nobody was asked for a password before the key was right.
    assert!(!sshd.log().contains("password"), "{}", sshd.log());
    refused.rewrite(&lines.replace(PASSWORD, "wr0ng-Pw#geheim"), "refused the password of the user 'labsw'");
    assert!(!refused.scene.daemon.home.log().contains("wr0ng-Pw#geheim"));
    refused.rewrite(&lines.replace(USER, "nobody"), "refused the password of the user 'nobody'");
    let nowhere = lines.replace(&tor.socket().display().to_string(), "/nonexistent.sock");
    refused.rewrite(&nowhere, "opened no channel to /nonexistent.sock");
    refused.fix(&lines);
}

/// The account of [l2gateway], or a switch's own instead: what is wrong is corrected, and takes effect with a reload.
#[test]
fn the_account_of_all_switches_is_changed() {
    let Some(sshd) = Sshd::start(LogIn::Password) else { return };
    let file = password_file(&sshd);
    for own in [false, true] {
        let tor = Tor::start("t", "192.0.2.1");
        let lines = format!("{}ovsdb_socket = {}\n", sshd.lines(), tor.socket().display());
        let lines: Vec<&str> = lines.lines().filter(|line| !line.starts_with("username")).collect();
        let account = "[l2gateway]\nsw_username = nobody\nsw_password = wr0ng-Pw#geheim\n";
        let home = Home::new().more(account).switch("t", &format!("{}\n", lines.join("\n")));
        let mut refused = Refused::new(home, &tor, "refused the password of the user 'nobody'");
        let ini = fs::read_to_string(refused.scene.daemon.home.ini()).expect("plumgrid.ini");
        let named = ini.replace("sw_username = nobody", &format!("sw_username = {USER}"));
        refused.scene.daemon.home.whole(named.clone());
        refused.scene.daemon.reload();
        let right = if own {
            ini.replace("[switch:t]", &format!("[switch:t]\nusername = {USER}\npassword_file = {file}"))
        } else {
            named.replace("wr0ng-Pw#geheim", PASSWORD)
        };
        refused.because("refused the password of the user 'labsw'");
        refused.scene.daemon.home.whole(right);
        refused.scene.daemon.reload();
        refused.scene.rest.wait_status(&refused.scene.connection, "active");
    }
}

/// The switch's SSH server freezes, and its kernel answers for it: the keep-alive finds it, in five times inactivity_probe.
#[test]
fn a_half_open_ssh_session_is_found_and_replaced() {
    let Some(sshd) = Sshd::start(LogIn::Password) else { return };
    let tor = Tor::start("t", "192.0.2.1");
    let socket = tor.socket();
    let lines =
        format!("{}password = {PASSWORD}\novsdb_socket = {}\ninactivity_probe = 1s\n", sshd.lines(), socket.display());
    let scene = Scene::with(Home::new().switch("t", &lines), "t");
    let frozen = sshd.freeze_sessions();
    let since = Instant::now();
    eventually("it is found", Duration::from_secs(15), || {
        let log = scene.daemon.home.log();
        if log.contains("its SSH server gives no sign of life any more") { Ok(()) } else { Err(log) }
    });
    assert!(since.elapsed() >= Duration::from_secs(3), "{:?}", since.elapsed());
    // To the ovsdb-server, on whose Unix socket the frozen process sits, the old session lives, with its lock: it is taken.
    scene.rest.port(&scene.network, "fa:16:3e:00:09:01", "10.0.1.1", COMPUTE_1.0);
    tor.wait("the change", |dump| dump.macs().len() == MACHINES.len() + 1);
    scene.rest.wait_status(&scene.connection, "active");
    drop(frozen);
}

#[test]
fn check_speaks_every_transport() {
    let pki = Pki::new();
    let us = pki.issue("vtepd");
    let tls = Tor::with_tls("a", "192.0.2.1", &pki.issue("a"));
    let plain = Tor::start("b", "192.0.2.2");
    let mut home = Home::new().switch("a", &ssl(&tls, &us));
    let sshd = Sshd::start(LogIn::Password);
    if let Some(sshd) = &sshd {
        let lines = format!("{}password = {PASSWORD}\novsdb_socket = {}\n", sshd.lines(), plain.socket().display());
        home =
            home.switch("b", &lines).switch("c", &lines.replace(PASSWORD, "wrong").replace("[switch:b]", "[switch:c]"));
    }
    // Two sections of one database can't log in in two ways; so the third has a database of its own.
    home.write_ini();
    let mut process: Process = home.spawn(&["--check"]);
    process.wait(PATIENCE);
    let log = home.log();
    if sshd.is_some() {
        assert!(log.contains("must be the same"), "{log}");
        home.rewrite(
            "c",
            &format!("transport = ssl\nmanagement_ip = 127.0.0.1\nport = {}\n{}", plain.port(), us.lines()),
        );
        home.write_ini();
        home.spawn(&["--check"]).wait(PATIENCE);
    }
    let log = eventually("the report", PATIENCE, || {
        let log = home.log();
        if log.contains("a: ok: ssl:127.0.0.1:") { Ok(log) } else { Err(log) }
    });
    if sshd.is_some() {
        assert!(log.contains("b: ok: ssh:127.0.0.1:"), "{log}");
        assert!(log.contains("c: FAILED: ") && log.contains("not ptcp"), "{log}");
    }
    assert!(!log.contains(PASSWORD) && Path::new(&us.key).exists());
}
