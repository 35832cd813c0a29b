//! Recorded conversations of the daemon with real ovsdb-servers, replayed without either: messages and desired state go
//! in, the requests that were sent then have to come out.
//!
//! A line of `recordings/*.jsonl` is an object with one member: `in` (a message of the server's), `desired` (what is wanted
//! from now on), `out` (the next request), or `expect` (how the session is then). Where a request came by a timer, the
//! clock is moved on until it comes.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json, value::RawValue};

use super::*;
use crate::{
    config::Config,
    fleet::{Database, target::Settings},
    intent::{Behind, BoundNetwork, DesiredMac, NetworkIntent, SwitchIntent, chunks::Chunked},
    model::{ConnectionId, MacAddr, VlanId, Vni, event::FleetEvent},
    ovsdb::message::{self, Message},
};

fn target() -> Target {
    target_with("")
}

/// With more lines in its section.
fn target_with(lines: &str) -> Target {
    let text = format!("[switch:t]\ntransport = unix\novsdb_socket = /nonexistent\n{lines}");
    let none: [(String, String); 0] = [];
    let config = Config::parse(Path::new("plumgrid.ini"), text.as_bytes(), 0o600, none).expect("a right configuration");
    let sections: Vec<_> = config.switches.into_values().collect();
    let settings = Settings {
        database: Database::of(&sections[0]),
        sections,
        deployment: config.deployment,
        previous_prefixes: config.previous_prefixes,
        max_learned_macs: config.relay.max_learned_macs,
    };
    Target::new(settings, false, std::time::SystemTime::UNIX_EPOCH)
}

fn text<'a>(value: &'a Value, what: &str) -> &'a str {
    value.as_str().unwrap_or_else(|| panic!("{what}: {value}"))
}

fn macs(list: &Value) -> Vec<MacAddr> {
    let all = list.as_array().into_iter().flatten();
    all.map(|mac| text(mac, "a MAC").parse().expect("a MAC")).collect()
}

/// What the supervisor would deliver.
fn news(line: &Value) -> News {
    let id: NetworkId = text(&line["network"], "network").parse().expect("a UUID");
    let rows = line["macs"].as_array().expect("macs");
    let rows: Vec<DesiredMac> = rows
        .iter()
        .map(|row| DesiredMac {
            mac: text(&row[0], "a MAC").parse().expect("a MAC"),
            vtep: text(&row[1], "a VTEP").parse().expect("an address"),
            ip: Some(text(&row[2], "an IP").parse().expect("an address")),
        })
        .collect();
    let flood: BTreeSet<_> = rows.iter().map(|row| row.vtep).collect();
    let network = Arc::new(NetworkIntent {
        id,
        name: text(&line["name"], "name").into(),
        vni: Some(Vni::try_from(line["vni"].as_i64().expect("vni")).expect("a VNI")),
        macs: Chunked::build(rows),
        flood: flood.into_iter().collect(),
        contested: Chunked::default(),
        buried: Chunked::build(macs(&line["buried"])),
        more_ips: Chunked::default(),
        behind: Behind::default(),
        unreached: Arc::default(),
    });
    let (port, vlan) = (text(&line["port"], "port"), line["vlan"].as_i64().expect("vlan"));
    let vlan = VlanId::try_from(vlan).expect("a VLAN");
    let mut news = News { revision: line["revision"].as_u64(), ..News::default() };
    let intent = if line["connected"] == true {
        let changed = line["changed"].is_array().then(|| macs(&line["changed"]));
        let bound = BoundNetwork { network: id, connections: vec![ConnectionId::random()] };
        news.network(&network, Some(changed.as_deref().unwrap_or(&[])));
        if changed.is_some() {
            return news;
        }
        let bindings = [((port.to_owned(), vlan), bound)].into();
        SwitchIntent { bindings, networks: [id].into(), ..SwitchIntent::default() }
    } else {
        let (networks, bindings) = ([id].into(), [(id, port.to_owned(), vlan)].into());
        SwitchIntent { buried_networks: networks, buried_bindings: bindings, ..SwitchIntent::default() }
    };
    news.switches.insert("t".to_owned(), Arc::new(intent));
    news
}

struct Replay<'t> {
    session: Session<'t>,
    now: Moment,
    sent: VecDeque<Value>,
    drift: usize,
    plans: usize,
}

impl<'t> Replay<'t> {
    fn begin(target: &'t mut Target) -> Self {
        let now = Moment { at: Instant::now(), date: std::time::SystemTime::UNIX_EPOCH };
        Self { session: Session::new(target, now), now, sent: VecDeque::new(), drift: 0, plans: 0 }
    }

    /// A session that has just sent its first transaction.
    fn at_the_first_transaction(target: &'t mut Target) -> Self {
        let mut replay = Self::begin(target);
        for (kind, text) in read(&recording("first_sync.jsonl")) {
            match kind.as_str() {
                "desired" => replay.handle(Input::Desired(news(&json(&text)))),
                "in" => replay.handle(Input::Message(incoming(text.get()))),
                "out" if json(&text)["method"] == "transact" => break,
                _ => {}
            }
        }
        replay.sent.retain(|sent| sent["method"] == "transact");
        replay
    }

    fn handle(&mut self, input: Input) {
        self.now.at += Duration::from_millis(1);
        self.session.handle(input, self.now).expect("the session goes on");
        loop {
            let more = self.session.advance().expect("the session goes on");
            let actions = self.session.actions();
            for (request, params) in actions.requests() {
                let params: Value = serde_json::from_slice(params).expect("parameters are JSON");
                self.sent.push_back(json!({"method": request.method, "params": params}));
            }
            actions.clear_requests();
            for event in actions.events.drain(..) {
                match event {
                    FleetEvent::Drifted(_) => self.drift += 1,
                    FleetEvent::Applied(_) => self.plans += 1,
                    FleetEvent::Session { .. } => {}
                }
            }
            if !more {
                break;
            }
        }
    }

    /// The next request; where none is there yet, the next timer brings it.
    fn next_request(&mut self) -> Option<Value> {
        for _ in 0..10 {
            if !self.sent.is_empty() {
                break;
            }
            self.now.at = self.session.deadline();
            self.handle(Input::Timer { received: 0 });
        }
        self.sent.pop_front()
    }

    fn expect(&self, expected: &Value, place: &str) {
        let view = self.session.view();
        let is = json!({
            "lock": view.lock.word(),
            "drift": self.drift,
            "plans": self.plans,
            "faults": view.faults.iter().count(),
            "outstanding": view.outstanding.values().sum::<u64>(),
        });
        for (what, value) in expected.as_object().expect("an object") {
            assert_eq!(is[what], *value, "{place}: {what}");
        }
    }
}

/// As text: the order of a server's rows counts.
fn incoming(message: &str) -> Incoming {
    match message::parse(&Bytes::from(message.to_owned())) {
        Ok(Message::Incoming(message)) => message,
        other => panic!("{message}: {other:?}"),
    }
}

fn recording(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/fleet/session/recordings").join(name)
}

/// The lines: what each is, and its text.
fn read(path: &Path) -> Vec<(String, Box<RawValue>)> {
    let text = fs::read_to_string(path).expect("the recording is readable");
    let line = |line| serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(line).expect("a line is an object");
    text.lines().map(|text| line(text).pop_first().expect("a line has a member")).collect()
}

fn json(text: &RawValue) -> Value {
    serde_json::from_str(text.get()).expect("it is JSON")
}

fn replay(path: &Path) {
    let mut target = target();
    let mut replay = Replay::begin(&mut target);
    for (number, (kind, text)) in read(path).iter().enumerate() {
        let place = format!("{}:{}", path.display(), number + 1);
        match kind.as_str() {
            "recorded" => {}
            "desired" => replay.handle(Input::Desired(news(&json(text)))),
            "in" => replay.handle(Input::Message(incoming(text.get()))),
            "out" => assert_eq!(replay.next_request(), Some(json(text)), "{place}"),
            "expect" => replay.expect(&json(text), &place),
            other => panic!("{place}: what is '{other}'?"),
        }
    }
    assert!(replay.sent.is_empty(), "{}: more was sent: {:#?}", path.display(), replay.sent);
}

#[test]
fn recordings() {
    let mut paths: Vec<_> = fs::read_dir(recording(""))
        .expect("the recordings are there")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 6, "{paths:?}");
    for path in paths {
        replay(&path);
    }
}

/// A database that is out of resources for ever is asked ever more rarely, and says so once.
#[test]
fn a_database_in_trouble_is_tried_with_backoff() {
    let mut target = target();
    let mut replay = Replay::at_the_first_transaction(&mut target);
    let (mut waits, mut before) = (Vec::new(), replay.now.at);
    for id in 4..12 {
        assert_eq!(replay.sent.len(), 1, "one transaction at a time");
        replay.sent.clear();
        let answer = json!({"id": id, "error": null, "result": [{}, {"error": "resources exhausted"}]});
        replay.handle(Input::Message(incoming(&answer.to_string())));
        assert!(replay.sent.is_empty());
        let request = replay.next_request().expect("it is tried again");
        replay.sent.push_back(request);
        waits.push((replay.now.at - before).as_secs());
        before = replay.now.at;
        let trouble = replay.session.view().target.trouble.clone().expect("the reason");
        assert!(trouble.why.to_string().contains("resources exhausted"), "{trouble:?}");
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
}

/// A transaction that stays without an answer ends the session: soon where nothing else comes, and in the end whatever else
/// does, however often, or whether at all, the switch is probed.
#[test]
fn an_unanswered_transaction_is_given_up() {
    let (default, never, rarely) = ("", "inactivity_probe = 0\n", "inactivity_probe = 1h\n");
    for (lines, chatty, limits) in [
        (default, false, 30..32),
        (default, true, 300..310),
        (never, false, 30..32),
        (never, true, 300..310),
        (rarely, false, 300..302),
    ] {
        let mut target = target_with(lines);
        let mut replay = Replay::at_the_first_transaction(&mut target);
        let sent = replay.now.at;
        let ended = loop {
            if chatty {
                let noise = json!({"id": null, "method": "locked", "params": ["another"]});
                replay.now.at += Duration::from_secs(1);
                replay.handle(Input::Message(incoming(&noise.to_string())));
            } else {
                replay.now.at = replay.session.deadline();
            }
            if let Err(ended) = replay.session.handle(Input::Timer { received: 0 }, replay.now) {
                break ended;
            }
        };
        let waited = (replay.now.at - sent).as_secs();
        assert!(limits.contains(&waited), "{lines}: {waited} s");
        assert!(matches!(ended, Ended::Unanswered { what: "a transaction", .. }), "{ended:?}");
        assert!(!ended.rest().is_zero(), "{ended:?}");
        assert!(target.trouble.is_some(), "it is told");
    }
}

/// A lock that is asked for, and never answered, ends the session likewise.
#[test]
fn an_unanswered_request_for_the_lock_is_given_up() {
    let mut target = target_with("inactivity_probe = 0\n");
    let mut replay = Replay::begin(&mut target);
    for (kind, text) in read(&recording("first_sync.jsonl")) {
        let is_lock = kind == "in" && json(&text)["result"]["locked"].is_boolean();
        match kind.as_str() {
            "desired" => replay.handle(Input::Desired(news(&json(&text)))),
            "in" if !is_lock => replay.handle(Input::Message(incoming(text.get()))),
            "out" if json(&text)["method"] == "transact" => break,
            _ => {}
        }
    }
    let sent = replay.now.at;
    let ended = loop {
        replay.now.at = replay.session.deadline();
        if let Err(ended) = replay.session.handle(Input::Timer { received: 0 }, replay.now) {
            break ended;
        }
    };
    assert!((29..32).contains(&(replay.now.at - sent).as_secs()), "{ended:?}");
    assert!(ended.to_string().contains("its lock unanswered for"), "{ended}");
}
