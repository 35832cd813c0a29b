//! The calendar jumps, ours or the switch's: a session goes by the monotonic clock and sees nothing of it.

use super::scene::{COMPUTE_1, Scene};
use crate::support::{PATIENCE, clock::Clock, daemon::Home, recorder::Recorder, tor::Tor};

const JUMPS: [&str; 4] = ["+400d", "-400d", "+3h", "+0"];

/// After each jump the switch is probed twice more, and a change arrives; after the last one a session that is cut comes
/// again. No session ended but that one.
fn is_not_disturbed_by(tor: &Tor, recorder: &Recorder, clock: &Clock, scene: &Scene) {
    let since = scene.rest.switch("t")["session"]["since"].clone();
    for (i, jump) in JUMPS.into_iter().enumerate() {
        let probes = recorder.count("echo");
        clock.jump(jump);
        recorder.wait("echo", probes + 2, PATIENCE);
        let mac = format!("fa:16:3e:00:09:{i:02x}");
        scene.rest.port(&scene.network, &mac, "10.0.1.1", COMPUTE_1.0);
        tor.wait(&format!("{mac} after {jump}"), |dump| dump.macs().iter().any(|row| row.address == mac));
    }
    let session = scene.rest.switch("t")["session"].clone();
    assert_eq!((&session["state"], &session["since"]), (&"up".into(), &since));
    assert_eq!(recorder.connections(), 1);
    // Between two sessions: the wait before the next one isn't the calendar's either.
    recorder.cut();
    clock.jump("-400d");
    scene.rest.port(&scene.network, "fa:16:3e:00:09:ff", "10.0.1.1", COMPUTE_1.0);
    tor.wait("a change after the cut", |dump| dump.macs().iter().any(|row| row.address == "fa:16:3e:00:09:ff"));
    assert_eq!(recorder.connections(), 1 + 1, "one before the cut, and one after it");
}

fn through(recorder: &Recorder) -> String {
    format!("management_ip = 127.0.0.1\nport = {}\ninactivity_probe = 500ms\n", recorder.port())
}

/// The years in which a log was written.
fn years(log: &str) -> usize {
    let mut years: Vec<&str> =
        log.lines().filter_map(|line| line.get(..4)).filter(|year| year.starts_with("20")).collect();
    years.sort_unstable();
    years.dedup();
    years.len()
}

#[test]
fn our_clock_jumps() {
    let (clock, tor) = (Clock::new(), Tor::start("t", "192.0.2.1"));
    let recorder = Recorder::start(tor.socket());
    let scene = Scene::with(Home::new().env(clock.env()).switch("t", &through(&recorder)), "t");
    is_not_disturbed_by(&tor, &recorder, &clock, &scene);
    assert!(years(&scene.daemon.home.log()) >= 3, "the clock did jump: {}", scene.daemon.home.log());
}

#[test]
fn the_servers_clock_jumps() {
    let clock = Clock::new();
    let tor = Tor::with_clock("t", "192.0.2.1", &clock);
    let recorder = Recorder::start(tor.socket());
    let scene = Scene::with(Home::new().switch("t", &through(&recorder)), "t");
    // The server logs who comes: with its own idea of the year.
    for jump in ["+400d", "-400d"] {
        clock.jump(jump);
        tor.log_a_line();
    }
    assert!(years(&tor.log()) >= 3, "the clock did jump: {}", tor.log());
    is_not_disturbed_by(&tor, &recorder, &clock, &scene);
}
