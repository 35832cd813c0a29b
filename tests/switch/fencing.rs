//! Two daemons on one switch: the lock decides who writes, and whoever loses it stops.

use std::fs;

use serde_json::{Value, json};

use super::scene::{COMPUTE_1, MACHINES, Scene, mac};
use crate::support::{
    PATIENCE,
    daemon::{Daemon, Home},
    eventually,
    meddler::Meddler,
    recorder::Recorder,
    tor::Tor,
};

/// Two daemons with one desired state: the second has a copy of the first one's store.
struct Pair {
    daemons: [Daemon; 2],
    recorders: [Recorder; 2],
    tor: Tor,
    network: String,
    macs: u32,
}

impl Pair {
    fn start() -> Self {
        let tor = Tor::start("t", "192.0.2.1");
        let recorders = [Recorder::start(tor.socket()), Recorder::start(tor.socket())];
        let home = |recorder: &Recorder| Home::new().recorded(&tor, recorder);
        let mut scene = Scene::with(home(&recorders[0]), "t");
        assert!(scene.daemon.stop().success());
        let second = home(&recorders[1]);
        for suffix in ["", "-wal"] {
            // What was written last may lie beside the store.
            let of = |home: &Home| format!("{}{suffix}", home.store().display());
            if fs::exists(of(&scene.daemon.home)).expect("the directory is readable") {
                fs::copy(of(&scene.daemon.home), of(&second)).expect("the store is copied");
            }
        }
        scene.daemon.start();
        let pair = [scene.daemon, second.start()];
        Self { daemons: pair, recorders, tor, network: scene.network, macs: 0 }
    }

    fn lock(&self, which: usize) -> String {
        self.daemons[which].rest().switch("t")["session"]["lock"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until one of them holds the lock, and says which.
    fn owner(&self) -> usize {
        eventually("an owner", PATIENCE, || {
            let locks = [self.lock(0), self.lock(1)];
            locks.iter().position(|lock| lock == "held").ok_or_else(|| format!("{locks:?}"))
        })
    }

    /// One more MAC for both; it arrives, by whoever may write.
    fn change(&mut self) {
        let mac = mac(self.macs);
        self.macs += 1;
        for daemon in &self.daemons {
            daemon.rest().port(&self.network, &mac, "10.0.1.1", COMPUTE_1.0);
        }
        self.tor
            .wait(&format!("{mac} of round {}", self.macs), |dump| dump.macs().iter().any(|row| row.address == mac));
    }

    /// Ends the owner as a power cut would; the standby takes over, and the other one comes back.
    fn kill_the_owner(&mut self) {
        let owner = self.owner();
        self.daemons[owner].kill();
        let other = 1 - owner;
        eventually("the standby takes over", PATIENCE, || match self.lock(other) {
            lock if lock == "held" => Ok(()),
            lock => Err(lock),
        });
        self.daemons[owner].start();
    }

    /// Somebody steals the lock, keeps it for a moment, and goes.
    fn steal(&mut self) {
        let owner = self.owner();
        let mut thief = self.tor.rpc();
        thief.call("steal", &json!(["vtepd"]));
        eventually("the owner stops", PATIENCE, || match self.lock(owner) {
            lock if lock == "waiting" => Ok(()),
            lock => Err(lock),
        });
        // Nobody writes while neither of them has it.
        let before = self.tor.dump();
        let mac = mac(self.macs);
        self.macs += 1;
        let sent = self.recorders.each_ref().map(|recorder| recorder.count("transact"));
        for daemon in &self.daemons {
            daemon.rest().port(&self.network, &mac, "10.0.1.1", COMPUTE_1.0);
        }
        for which in [0, 1] {
            assert_eq!(self.lock(which), "waiting", "daemon {which}");
        }
        assert_eq!(self.tor.dump(), before);
        assert_eq!(self.recorders.each_ref().map(|recorder| recorder.count("transact")), sent);
        drop(thief);
        self.tor.wait(&format!("{mac} after the theft"), |dump| dump.macs().iter().any(|row| row.address == mac));
    }

    fn alternate(&mut self, rounds: u32) {
        for round in 0..rounds {
            if round % 2 == 0 {
                self.kill_the_owner();
            } else {
                self.steal();
            }
            self.change();
        }
        let dump = self.tor.dump();
        assert_eq!(dump.macs().len(), MACHINES.len() + self.macs as usize, "exactly the desired rows");
        assert_eq!((dump.logical_switches().len(), dump.floods().len(), dump.bindings().len()), (1, 1, 1));
        // Whatever was sent asserts the lock first: the server itself lets no other write through.
        let assert = json!({"op": "assert", "lock": "vtepd"});
        for recorder in &self.recorders {
            let sent: Vec<Value> = recorder.transacts();
            assert!(sent.iter().all(|params| params[1] == assert), "a transaction without the lock");
        }
    }
}

#[test]
fn two_daemons_take_turns() {
    Pair::start().alternate(20);
}

#[test]
#[ignore = "minutes; `make soak`"]
fn two_daemons_take_turns_for_long() {
    Pair::start().alternate(200);
}

/// A transaction is on its way when the lock is stolen. It fails with 'not owner', is not taken for done, and comes again
/// once the lock is ours.
#[test]
fn a_transaction_under_way_at_a_theft_is_neither_done_nor_lost() {
    let tor = Tor::start("t", "192.0.2.1");
    let meddler = Meddler::start(tor.socket());
    let scene = Scene::with(Home::new().switch("t", &meddler.lines()), "t");
    let before = tor.dump();
    let planned = scene.rest.switch("t")["last_plan"].clone();
    meddler.hold("transact");
    scene.rest.port(&scene.network, "fa:16:3e:00:09:01", "10.0.1.1", COMPUTE_1.0);
    meddler.wait_held(1, PATIENCE);
    let mut thief = tor.rpc();
    thief.call("steal", &json!(["vtepd"]));
    scene.rest.wait_switch("t", "it stops", |now| now["session"]["lock"] == "waiting");
    meddler.release();
    eventually("the server's refusal", PATIENCE, || match meddler.errors().as_slice() {
        [error] if error == "not owner" => Ok(()),
        errors => Err(format!("{errors:?}")),
    });
    let switch = scene.rest.wait_switch("t", "it waits with it", |now| now["rows_desired"] != now["rows_actual"]);
    assert_eq!((&switch["last_plan"], &switch["session"]["lock"]), (&planned, &"waiting".into()), "{switch}");
    let status = scene.rest.status(&scene.connection);
    assert!(status.to_string().contains("another controller holds the switch's lock"), "{status}");
    assert_eq!(tor.dump(), before);
    drop(thief);
    tor.wait("the row comes", |dump| dump.macs().len() == MACHINES.len() + 1);
    scene.rest.wait_status(&scene.connection, "active");
    assert_eq!((meddler.errors().len(), meddler.connections()), (1, 1), "once, and in one session");
}

/// The server says 'not owner', and never said that it took the lock away: the session begins anew, with a new question.
#[test]
fn a_lock_that_is_lost_without_a_word_is_asked_for_again() {
    let tor = Tor::start("t", "192.0.2.1");
    let meddler = Meddler::start(tor.socket());
    let scene = Scene::with(Home::new().switch("t", &meddler.lines()), "t");
    meddler.hold("transact");
    scene.rest.port(&scene.network, "fa:16:3e:00:09:01", "10.0.1.1", COMPUTE_1.0);
    meddler.wait_held(1, PATIENCE);
    // A lock that nobody holds: as if the daemon had unlocked it. The server tells no one.
    meddler.unlock("vtepd");
    meddler.release();
    tor.wait("the row comes", |dump| dump.macs().len() == MACHINES.len() + 1);
    scene.rest.wait_status(&scene.connection, "active");
    assert_eq!(meddler.errors(), ["not owner"]);
    assert_eq!(scene.rest.switch("t")["session"]["lock"], "held");
    let log = scene.daemon.home.log();
    assert!(log.contains("asking for it anew"), "{log}");
}

/// A switch without locks is written to without; one that has them, and refuses a theft, is not.
#[test]
fn a_refused_theft_is_no_lack_of_locks() {
    let tor = Tor::start("t", "192.0.2.1");
    let meddler = Meddler::start(tor.socket());
    let scene = Scene::with(Home::new().switch("t", &format!("{}inactivity_probe = 500ms\n", meddler.lines())), "t");
    // The session dies without a word; somebody else gets the lock, and keeps it.
    let mut other = tor.rpc();
    other.call("lock", &json!(["vtepd"]));
    meddler.refuse("steal", &json!("not now"));
    meddler.reset();
    scene.rest.wait_switch("t", "it waits", |now| now["session"]["lock"] == "waiting");
    scene.rest.port(&scene.network, "fa:16:3e:00:09:01", "10.0.1.1", COMPUTE_1.0);
    eventually("the theft is refused", PATIENCE, || {
        let log = scene.daemon.home.log();
        if log.contains("refused us its lock") && log.contains("not now") { Ok(()) } else { Err(log) }
    });
    let switch = scene.rest.wait_switch("t", "it waits again", |now| now["session"]["lock"] == "waiting");
    assert_eq!(tor.dump().macs().len(), MACHINES.len(), "{switch}");
    drop(other);
    tor.wait("the row comes", |dump| dump.macs().len() == MACHINES.len() + 1);
}

/// A server that is frozen at the moment: which of the two it reads first is its own business.
#[test]
fn a_theft_at_a_frozen_server_loses_nothing() {
    let tor = Tor::start("t", "192.0.2.1");
    let recorder = Recorder::start(tor.socket());
    let scene = Scene::with(Home::new().recorded(&tor, &recorder), "t");
    for round in 1..=5 {
        let mut thief = tor.rpc();
        let sent = recorder.count("transact");
        tor.freeze();
        scene.rest.port(&scene.network, &mac(round), "10.0.1.1", COMPUTE_1.0);
        recorder.wait("transact", sent + 1, PATIENCE);
        let stealing = std::thread::spawn(move || {
            thief.call("steal", &json!(["vtepd"]));
            thief
        });
        tor.thaw();
        drop(stealing.join().expect("it stole"));
        tor.wait(&mac(round), |dump| dump.macs().len() == MACHINES.len() + round as usize);
        scene.rest.wait_status(&scene.connection, "active");
    }
    assert_eq!(recorder.connections(), 1);
}

/// `lock = required`, and `off`: with it nothing is asked for, and nothing asserted.
#[test]
fn without_the_lock_nothing_is_asserted() {
    let tor = Tor::start("t", "192.0.2.1");
    let recorder = Recorder::start(tor.socket());
    let mut holder = tor.rpc();
    holder.call("lock", &json!(["vtepd"]));
    let lines = |lock: &str| format!("management_ip = 127.0.0.1\nport = {}\nlock = {lock}\n", recorder.port());
    let mut scene = Scene::begin(Home::new().switch("t", &lines("required")), &["t"]);
    scene.rest.wait_switch("t", "it waits", |now| now["session"]["lock"] == "waiting");
    let status = scene.rest.status(&scene.connection);
    assert!(status.to_string().contains("another controller holds the switch's lock"), "{status}");
    assert_eq!(recorder.count("transact"), 0);
    scene.daemon.home.rewrite("t", &lines("off"));
    scene.daemon.reload();
    scene.rest.wait_status(&scene.connection, "active");
    assert_eq!(scene.rest.switch("t")["session"]["lock"], "off");
    assert!(recorder.transacts().iter().all(|params| params[1]["op"] != "assert"));
}
