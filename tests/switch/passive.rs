//! Switches that dial us: served by what they are, refused by what they aren't.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::scene::{MACHINES, Scene};
use crate::support::{
    PATIENCE,
    daemon::Home,
    dialler::Dialler,
    eventually,
    hostile::attacks,
    line::{Line, Quality},
    pki::{Identity509, Pki, Spec},
    rest::Rest,
    tor::Tor,
};

const PTCP: &str = "[listen]\nptcp = 127.0.0.1:0\n";

fn pssl(us: &Identity509) -> String {
    format!("[listen]\npssl = 127.0.0.1:0\n[l2gateway]\n{}", us.lines())
}

/// The strangers, once they are as `good` wants them.
fn strangers(rest: &Rest, what: &str, good: impl Fn(&Value) -> bool) -> Value {
    eventually(what, PATIENCE, || {
        let strangers = rest.get("/v2/switches").expect(200)["strangers"].clone();
        if good(&strangers) { Ok(strangers) } else { Err(strangers.to_string()) }
    })
}

#[test]
fn a_switch_that_dials_in_carries_the_example() {
    let tor = Tor::start("t", "192.0.2.1");
    let before = tor.dump();
    let home = Home::new().more(PTCP).switch("t", "transport = passive\n");
    let mut scene = Scene::begin(home, &["t"]);
    let status = scene.rest.wait_status(&scene.connection, "down");
    assert!(status.to_string().contains("waiting for the switch to dial in"), "{status}");
    let target = format!("tcp:{}", scene.daemon.listens("ptcp"));
    tor.dial(&target);
    scene.rest.wait_status(&scene.connection, "active");
    assert!(scene.is_on(&tor.dump()));
    let session = scene.rest.switch("t")["session"].clone();
    assert_eq!((&session["transport"], &session["address"]), (&"passive".into(), &"passive:t".into()));

    // A reload of what it already is changes nothing.
    scene.daemon.reload();
    // It hangs up, and comes again.
    tor.hang_up(&target);
    scene.rest.wait_switch("t", "it waits", |now| now["session"]["state"] == "connecting");
    scene.rest.disconnect(&scene.connection);
    tor.dial(&target);
    tor.wait("all of it goes", |dump| *dump == before);
    scene.rest.wait_switch("t", "it is up", |now| now["session"]["state"] == "up");
}

#[test]
fn with_tls_the_certificate_says_who_it_is() {
    let pki = Pki::new();
    let us = pki.issue("vtepd");
    // No name of an address is needed: the switch is who it is, wherever it dials from.
    let tor = Tor::with_tls("t", "192.0.2.1", &pki.sign(&Spec::with_names("t id:7", &["t"])));
    let home = Home::new().more(&pssl(&us)).switch("t", "transport = passive\n");
    let scene = Scene::begin(home, &["t"]);
    tor.dial(&format!("ssl:{}", scene.daemon.listens("pssl")));
    scene.rest.wait_status(&scene.connection, "active");
    assert!(scene.is_on(&tor.dump()));
    let session = scene.rest.switch("t")["session"].clone();
    assert_eq!(session["certificates"][1]["subject"], "CN=t id:7 (t)");
}

#[test]
fn a_certificate_of_one_switch_does_not_speak_for_another() {
    let (pki, other) = (Pki::new(), Pki::new());
    let us = pki.issue("vtepd");
    let home = Home::new().more(&pssl(&us)).switch("t", "transport = passive\n").switch("u", "transport = passive\n");
    let scene = Scene::begin(home, &["t"]);
    let target = format!("ssl:{}", scene.daemon.listens("pssl"));
    let refused = |tor: &Tor, why: &str| {
        let before = tor.dump();
        tor.dial(&target);
        let listed = strangers(&scene.rest, why, |now| now["listed"].to_string().contains(why));
        assert_eq!(tor.dump(), before);
        tor.hang_up(&target);
        let all = listed["listed"].as_array().expect("a list");
        all.iter().find(|one| one.to_string().contains(why)).expect("it is listed").clone()
    };
    let stranger = refused(&Tor::with_tls("t", "192.0.2.1", &pki.issue("u")), "is not the one of t");
    assert_eq!((&stranger["names"], &stranger["address"]), (&"t".into(), &"127.0.0.1".into()));
    assert!(stranger["certificate"].as_str().expect("a certificate").starts_with("CN=u (u, 127.0.0.1) SHA256:"));
    // An address is no name: whoever has a certificate for 127.0.0.1 is nobody in particular.
    refused(&Tor::with_tls("t", "192.0.2.1", &pki.sign(&Spec::with_names("x", &["127.0.0.1"]))), "certificate CN=x");
    refused(&Tor::with_tls("nobody", "192.0.2.1", &pki.issue("t")), "no section with transport = passive");
    let foreign = Identity509 { ca: pki.ca(), ..other.issue("t") };
    refused(&Tor::with_tls("t", "192.0.2.1", &foreign), "is not signed by a CA of");
    let expired = pki.sign(&Spec::new("t").valid((2019, 1, 1), (2020, 1, 1)));
    refused(&Tor::with_tls("t", "192.0.2.1", &expired), "expired on 2020-01-01");
    assert!(strangers(&scene.rest, "all counted", |_| true)["count"].as_u64() >= Some(5));
    assert_eq!(scene.rest.switch("t")["session"]["state"], "connecting");
    let log = scene.daemon.home.log();
    assert!(log.contains("a stranger dialled in") && !log.contains("PRIVATE KEY"), "{log}");
}

/// A pinned certificate needs no CA and no name; without TLS its owner isn't let in at all.
#[test]
fn a_pinned_certificate_dials_in() {
    let (pki, other) = (Pki::new(), Pki::new());
    let us = pki.issue("vtepd");
    let own = Identity509 { ca: pki.ca(), ..other.sign(&Spec::with_names("anything", &[])) };
    let tor = Tor::with_tls("t", "192.0.2.1", &own);
    let listen = pssl(&us).replace("[listen]\n", PTCP);
    let lines = format!("transport = passive\npeer_fingerprint = {}\n", own.fingerprint());
    let scene = Scene::begin(Home::new().more(&listen).switch("t", &lines), &["t"]);
    let plain = format!("tcp:{}", scene.daemon.listens("ptcp"));
    tor.dial(&plain);
    strangers(&scene.rest, "it is refused without TLS", |now| now.to_string().contains("let it dial pssl"));
    tor.hang_up(&plain);
    tor.dial(&format!("ssl:{}", scene.daemon.listens("pssl")));
    scene.rest.wait_status(&scene.connection, "active");
}

#[test]
fn one_connection_serves_several_sections() {
    let tor = Tor::shared(&[("left", "192.0.2.1"), ("right", "192.0.2.2")]);
    let passive = "transport = passive\n";
    let home = Home::new().more(PTCP).switch("left", passive).switch("right", passive).switch("third", passive);
    let mut scene = Scene::begin(home, &["left", "right"]);
    let target = format!("tcp:{}", scene.daemon.listens("ptcp"));
    tor.dial(&target);
    scene.rest.wait_status(&scene.connection, "active");
    assert_eq!(scene.rest.switch("right")["session"]["address"], "passive:left,right");
    assert_eq!(tor.dump().bindings().len(), 1, "one port's name, of two switches");
    let since = scene.rest.switch("left")["session"]["since"].clone();
    // What others are changed to doesn't disturb it.
    scene.daemon.home.rewrite("third", "transport = passive\nlock = off\n");
    scene.daemon.reload();
    eventually("the reload", PATIENCE, || {
        let log = scene.daemon.home.log();
        if log.contains("changed=\"third\"") || log.contains("changed=third") { Ok(()) } else { Err(log) }
    });
    assert_eq!(scene.rest.switch("left")["session"]["since"], since);
    // Its half comes alone: each section goes where its switch is.
    tor.hang_up(&target);
    drop(tor);
    let right = Tor::start("right", "192.0.2.2");
    right.dial(&target);
    let now = scene.rest.wait_switch("right", "it is up alone", |now| now["session"]["state"] == "up");
    assert_eq!(now["session"]["address"], "passive:right");
    assert_eq!(scene.rest.switch("left")["session"]["address"], "passive:left");
    right.wait("its rows", |dump| dump.macs().len() == MACHINES.len());
}

#[test]
fn a_second_connection_replaces_a_dead_one_and_disturbs_no_live_one() {
    let tor = Tor::start("t", "192.0.2.1");
    let home = Home::new().more(PTCP).switch("t", "transport = passive\n");
    let scene = Scene::begin(home, &["t"]);
    let at = scene.daemon.listens("ptcp");
    let line = Line::to(at);
    let through = format!("tcp:127.0.0.1:{}", line.port());
    tor.dial(&through);
    scene.rest.wait_status(&scene.connection, "active");
    let since = scene.rest.switch("t")["session"]["since"].clone();
    let direct = format!("tcp:{at}");
    tor.dial(&direct);
    eventually("the second is refused", PATIENCE, || {
        let log = scene.daemon.home.log();
        if log.contains("the first one lives") { Ok(()) } else { Err(log) }
    });
    let session = scene.rest.switch("t")["session"].clone();
    assert_eq!((&session["state"], &session["since"]), (&"up".into(), &since));
    // The first dies without a word: its end may be seen by TCP much later.
    line.set(Quality::Dead);
    scene.rest.wait_switch("t", "the second serves", |now| {
        now["session"]["state"] == "up" && now["session"]["peer"] != session["peer"]
    });
    scene.rest.disconnect(&scene.connection);
    tor.wait("it is served", |dump| dump.macs().is_empty());
}

/// A Physical_Switch as another one of the database of `tor`.
fn insert_switch(tor: &Tor, name: &str) {
    tor.transact(&[
        json!({"op": "insert", "table": "Physical_Port", "row": {"name": "Ethernet40"}, "uuid-name": "port"}),
        json!({"op": "insert", "table": "Physical_Switch", "uuid-name": "switch",
               "row": {"name": name, "tunnel_ips": "192.0.2.2", "ports": ["named-uuid", "port"]}}),
        json!({"op": "mutate", "table": "Global", "where": [],
               "mutations": [["switches", "insert", ["named-uuid", "switch"]]]}),
    ]);
}

fn delete_switch(tor: &Tor, name: &str) {
    let row = tor.rpc().select("Physical_Switch").into_iter().find(|row| row["name"] == name).expect("the switch");
    tor.transact(&[json!({"op": "mutate", "table": "Global", "where": [],
                          "mutations": [["switches", "delete", row["_uuid"]]]})]);
}

fn wait_up(rest: &Rest, name: &str, address: &str) {
    rest.wait_switch(name, &format!("{name} is up as {address}"), |now| {
        now["session"]["state"] == "up" && now["session"]["address"] == address && now["status"] == "active"
    });
}

/// Two switches share a session; one leaves it, while it lives, and is served where it went.
#[test]
fn a_switch_that_leaves_a_shared_session_is_served_elsewhere() {
    let tor = Tor::shared(&[("left", "192.0.2.1"), ("right", "192.0.2.2")]);
    let passive = "transport = passive\n";
    let home = Home::new().more(PTCP).switch("left", passive).switch("right", passive);
    let scene = Scene::begin(home, &["left", "right"]);
    let target = format!("tcp:{}", scene.daemon.listens("ptcp"));
    tor.dial(&target);
    wait_up(&scene.rest, "right", "passive:left,right");
    // While it is there, nobody else is it.
    let elsewhere = Tor::start("right", "192.0.2.2");
    let before = elsewhere.dump();
    elsewhere.dial(&target);
    eventually("the second is refused", PATIENCE, || {
        let log = scene.daemon.home.log();
        if log.contains("the first one lives") { Ok(()) } else { Err(log) }
    });
    assert_eq!(elsewhere.dump(), before);
    delete_switch(&tor, "right");
    wait_up(&scene.rest, "right", "passive:right");
    wait_up(&scene.rest, "left", "passive:left");
    elsewhere.wait("its rows", |dump| dump.macs().len() == MACHINES.len());
    scene.rest.port(&scene.network, "fa:16:3e:00:09:01", "10.0.1.1", "compute-1");
    for switch in [&tor, &elsewhere] {
        switch.wait("a change", |dump| dump.macs().len() == MACHINES.len() + 1);
    }
    // It comes back while it is served elsewhere: the session of the other one goes on without it.
    insert_switch(&tor, "right");
    wait_up(&scene.rest, "left", "passive:left");
    wait_up(&scene.rest, "right", "passive:right");
}

/// A database gets another Physical_Switch, before or after plumgrid.ini gets its section: both are served.
#[test]
fn a_switch_joins_a_session_that_lives() {
    let tor = Tor::start("left", "192.0.2.1");
    let passive = "transport = passive\n";
    let home = Home::new().more(PTCP).switch("left", passive).switch("right", passive);
    let mut scene = Scene::begin(home, &["left", "right"]);
    let target = format!("tcp:{}", scene.daemon.listens("ptcp"));
    tor.dial(&target);
    wait_up(&scene.rest, "left", "passive:left");
    insert_switch(&tor, "right");
    wait_up(&scene.rest, "right", "passive:left,right");
    insert_switch(&tor, "third");
    // It isn't ours yet.
    wait_up(&scene.rest, "left", "passive:left,right");
    scene.daemon.home = std::mem::replace(&mut scene.daemon.home, Home::new()).switch("third", passive);
    scene.daemon.reload();
    eventually("the reload", PATIENCE, || match scene.rest.get("/v2/switches/third").status {
        200 => Ok(()),
        status => Err(status.to_string()),
    });
    wait_up(&scene.rest, "third", "passive:left,right,third");
    wait_up(&scene.rest, "left", "passive:left,right,third");
}

/// Neither silence, nor garbage, nor many at once cost anything but a line in the list.
#[test]
fn the_door_is_bounded() {
    let home = Home::new().more(PTCP).switch("t", "transport = passive\n");
    let daemon = home.start();
    let rest = daemon.rest();
    let at: SocketAddr = daemon.listens("ptcp");
    let mut garbage = TcpStream::connect(at).expect("it listens");
    garbage.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").expect("it reads");
    strangers(&rest, "garbage", |now| now.to_string().contains("not OVSDB"));
    let silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(at).expect("it listens")).collect();
    strangers(&rest, "too many", |now| now.to_string().contains("too many connections"));
    strangers(&rest, "silence", |now| now.to_string().contains("didn't say who it is within 10 s"));
    for mut stream in silent {
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        let mut said = Vec::new();
        // It was asked, or it was one too many; in the end all are closed.
        let _ = stream.read_to_end(&mut said);
        assert!(said.is_empty() || String::from_utf8_lossy(&said).contains("\"select\""));
    }
    // There is place again.
    let tor = Tor::start("t", "192.0.2.1");
    tor.dial(&format!("tcp:{at}"));
    rest.wait_switch("t", "it is served", |now| now["session"]["state"] == "up");
}

/// A switch that was cut off rests, though it dials in again at once: it is closed before a session costs anything. Another
/// switch of the same listener is not disturbed.
#[test]
fn a_switch_that_was_cut_off_rests() {
    let good = Tor::start("good", "192.0.2.1");
    let home = Home::new().more(PTCP).switch("good", "transport = passive\n").switch("bad", "transport = passive\n");
    let scene = Scene::begin(home, &["good"]);
    let at = scene.daemon.listens("ptcp");
    good.dial(&format!("tcp:{at}"));
    scene.rest.wait_status(&scene.connection, "active");
    let mut kinds = attacks("bad", "11111111-2222-4333-8444-555555555555", 1);
    kinds.retain(|attack| attack.name == "400,000 ports");
    let bad = Dialler::start(at, &kinds[0]);
    let now = scene.rest.wait_switch("bad", "it is cut off", |now| {
        now["session"]["state"] == "backoff" && now["reason"].as_str().is_some_and(|why| why.contains("65536 rows"))
    });
    let since = now["session"]["since"].clone();
    // It dials again and again, and gets no session, nor another reason.
    let (dialled, sessions) = (bad.dialled(), bad.sessions());
    assert_eq!(sessions, 1, "{now}");
    eventually("it dials", PATIENCE, || match bad.dialled() - dialled {
        0..50 => Err(bad.dialled().to_string()),
        _ => Ok(()),
    });
    let now = scene.rest.switch("bad");
    assert_eq!((bad.sessions(), &now["session"]["since"]), (sessions, &since), "{now}");
    assert!(now["reason"].as_str().is_some_and(|why| why.contains("65536 rows")), "{now}");
    assert_eq!(scene.rest.switch("good")["session"]["state"], "up");
    let lines = scene.daemon.home.log().lines().filter(|line| line.contains("its database rests")).count();
    assert!((1..=10).contains(&lines), "{lines} lines of {} connections", bad.dialled());
}

/// An honest one that hangs up is kept for a moment, unread, and served without dialling again.
#[test]
fn a_switch_that_hung_up_is_served_after_a_moment() {
    let tor = Tor::start("t", "192.0.2.1");
    let home = Home::new().more(PTCP).switch("t", "transport = passive\n");
    let scene = Scene::begin(home, &["t"]);
    let at = scene.daemon.listens("ptcp");
    let line = Line::to(at);
    tor.dial(&format!("tcp:127.0.0.1:{}", line.port()));
    scene.rest.wait_status(&scene.connection, "active");
    let before = line.connections();
    line.cut();
    let begun = Instant::now();
    scene.rest.wait_switch("t", "it is down", |now| now["session"]["state"] != "up");
    scene.rest.wait_switch("t", "it is up again", |now| now["session"]["state"] == "up");
    assert_eq!(line.connections(), before + 1, "one connection was enough");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
