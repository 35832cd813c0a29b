//! Bad lines and bad peers: every change arrives in the end, what is dead is found, and nobody is dialled in a busy loop.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr},
    thread,
    time::Duration,
};

use super::scene::{COMPUTE_1, Scene};
use crate::support::{
    daemon::Home,
    door::Door,
    dump::Dump,
    line::{Line, Quality},
    tor::Tor,
};

/// Anything may take its time on a line of 1 KB/s.
const PATIENT: Duration = Duration::from_mins(1);

fn through(line: &Line) -> String {
    format!("management_ip = 127.0.0.1\nport = {}\ninactivity_probe = 1s\n", line.port())
}

fn has(mac: &str) -> impl Fn(&Dump) -> bool + '_ {
    move |dump| dump.macs().iter().any(|row| row.address == mac)
}

#[test]
fn a_line_that_delays_throttles_splits_and_is_cut_brings_every_change() {
    let tor = Tor::start("t", "192.0.2.1");
    let line = Line::to(SocketAddr::from(([127, 0, 0, 1], tor.port())));
    let scene = Scene::with(Home::new().switch("t", &through(&line)), "t");
    assert!(scene.is_on(&tor.dump()));
    let qualities = [Quality::Slow(Duration::from_millis(200)), Quality::Crumbs, Quality::Narrow(1024), Quality::Good];
    for (i, quality) in qualities.into_iter().enumerate() {
        line.set(quality);
        // A change in the middle of a session, and one after a cut: the session is set up on the bad line.
        for (j, cut) in [false, true].into_iter().enumerate() {
            if cut {
                let before = line.connections();
                line.cut();
                line.wait_connections(before, PATIENT);
            }
            let mac = format!("fa:16:3e:01:{i:02x}:{j:02x}");
            scene.rest.port(&scene.network, &mac, "10.0.1.1", COMPUTE_1.0);
            tor.wait_within(&format!("{mac} over {quality:?}"), PATIENT, has(&mac));
        }
    }
    scene.rest.disconnect(&scene.connection);
    tor.wait_within("all of it goes", PATIENT, |dump| dump.macs().is_empty() && dump.logical_switches().is_empty());
}

#[test]
fn a_line_that_is_half_closed_is_left() {
    let tor = Tor::start("t", "192.0.2.1");
    let line = Line::to(SocketAddr::from(([127, 0, 0, 1], tor.port())));
    let scene = Scene::with(Home::new().switch("t", &through(&line)), "t");
    let before = line.connections();
    line.half_close();
    line.wait_connections(before, PATIENT);
    scene.rest.port(&scene.network, "fa:16:3e:00:09:01", "10.0.1.1", COMPUTE_1.0);
    tor.wait("the change", has("fa:16:3e:00:09:01"));
    // The other half: the server hears that we are done.
    let before = line.connections();
    line.half_close_ours();
    line.wait_connections(before, PATIENT);
    scene.rest.port(&scene.network, "fa:16:3e:00:09:02", "10.0.1.1", COMPUTE_1.0);
    tor.wait("the change", has("fa:16:3e:00:09:02"));
}

/// The line dies without a word, and TCP on it lives: only the probe finds that nobody is behind it.
#[test]
fn a_dead_line_is_found_by_the_probe() {
    let tor = Tor::start("t", "192.0.2.1");
    let line = Line::to(SocketAddr::from(([127, 0, 0, 1], tor.port())));
    let scene = Scene::with(Home::new().switch("t", &through(&line)), "t");
    let before = line.connections();
    line.set(Quality::Dead);
    line.wait_connections(before, PATIENT);
    let log = scene.daemon.home.log();
    assert!(log.contains("said nothing for"), "{log}");
    line.set(Quality::Good);
    line.cut();
    scene.rest.port(&scene.network, "fa:16:3e:00:09:01", "10.0.1.1", COMPUTE_1.0);
    tor.wait_within("the change", PATIENT, has("fa:16:3e:00:09:01"));
}

/// Each connection is answered with garbage: the reason says so, and attempts keep their distance.
#[test]
fn a_switch_that_answers_garbage_is_dropped_with_a_reason_and_retried_slowly() {
    let garbage: [&[u8]; 4] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"{\"id\":0,\"result\":",
        b"]]]]",
        b"{\"id\":0,\"result\":{\"tables\":7}}",
    ];
    let mut answers = garbage.into_iter().cycle();
    let door = Door::open(move |mut stream| {
        let mut chunk = [0; 1024];
        // What it asks doesn't matter; then the connection closes.
        let _ = stream.read(&mut chunk);
        let _ = stream.write_all(answers.next().unwrap_or_default());
        // It closes orderly: a connection that is dropped with unread requests is reset, and the answer may be lost with it.
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        while stream.read(&mut chunk).is_ok_and(|length| length > 0) {}
    });
    let home = Home::new().switch("t", &format!("management_ip = 127.0.0.1\nport = {}\n", door.port()));
    let daemon = home.start();
    let rest = daemon.rest();
    for reason in ["not OVSDB", "in the middle of a message"] {
        rest.wait_switch("t", reason, |now| now["reason"].as_str().is_some_and(|text| text.contains(reason)));
    }
    let before = door.accepted();
    thread::sleep(Duration::from_secs(3));
    let more = door.accepted() - before;
    assert!(more <= 4, "{more} connections in 3 s");
}
