//! Pieces of the hot path, each with fixed input: what is timed, and what is counted.

use std::hint::black_box;

use bytes::Bytes;

use ovsdb::{framing::Framer, json::Cursor, message, transact};
use vtepd_core::{
    intent::Update,
    model::{Change, ChangeSet},
    plan::{InFlight, RowKey, Transaction},
    vtep::{self, Touched},
};

use crate::site;

/// Rows of the switch, unless the name says otherwise.
const ROWS: u32 = 10_000;
/// What one read from the socket brings.
const READ: usize = 64 << 10;
/// Operations of one transaction.
const OPERATIONS: usize = 200;

/// Something to measure.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// What it is called in tables and files.
    pub name: &'static str,
    /// Makes its input. What is returned does the work, once.
    pub prepare: fn() -> Box<dyn FnMut()>,
}

/// All of them, in the order of the way of the data.
pub const CASES: &[Case] = &[
    Case { name: "framing: a dump's end is found", prepare: framing },
    Case { name: "message: a dump is checked", prepare: parsing },
    Case { name: "replica: a dump becomes rows", prepare: decoding },
    Case { name: "replica: a dump twice as long becomes rows, piece by piece", prepare: long_decoding },
    Case { name: "replica: an update of one row", prepare: update },
    Case { name: "intent: ports become desired rows", prepare: desired },
    Case { name: "intent: one port more", prepare: one_port },
    Case { name: "plan: an audit, all right", prepare: audit },
    Case { name: "plan: an empty switch is filled", prepare: fill },
    Case { name: "plan: one row is missing", prepare: one_row },
    Case { name: "transact: a transaction's bytes", prepare: encode },
    Case { name: "transact: a reply is read", prepare: reply },
];

fn framing() -> Box<dyn FnMut()> {
    let text = site::reply(ROWS);
    Box::new(move || {
        let mut framer = Framer::new(usize::MAX);
        let ends = text.chunks(READ).filter_map(|chunk| framer.scan(chunk).expect("JSON")).count();
        assert_eq!(ends, 1);
    })
}

fn parsing() -> Box<dyn FnMut()> {
    let text = Bytes::from(site::reply(ROWS));
    Box::new(move || {
        black_box(site::result(&text));
    })
}

fn decoding() -> Box<dyn FnMut()> {
    decoding_of(ROWS)
}

/// Long enough to be read piece by piece.
fn long_decoding() -> Box<dyn FnMut()> {
    decoding_of(2 * ROWS)
}

fn decoding_of(rows: u32) -> Box<dyn FnMut()> {
    let text = Bytes::from(site::reply(rows));
    let mut raw = Some(site::result(&text));
    drop(text);
    let mut replica = site::replica();
    Box::new(move || {
        replica.load(raw.take().expect("once").into_vec().0).expect("a reply");
        assert_eq!(replica.mac_total(), rows as usize);
    })
}

fn update() -> Box<dyn FnMut()> {
    let mut replica = site::synchronised(ROWS);
    let text = Bytes::from(site::update(ROWS));
    Box::new(move || {
        let mut framer = Framer::new(usize::MAX);
        assert_eq!(framer.scan(&text), Ok(Some(text.len())));
        let raw = match message::parse(&text).expect("a message") {
            message::Message::Incoming(message::Incoming::Update { updates, .. }) => updates,
            other => panic!("no update: {other:?}"),
        };
        replica.apply(raw.as_bytes(), &mut Touched::default()).expect("an update");
        assert_eq!(replica.mac_total(), ROWS as usize + 1);
    })
}

fn desired() -> Box<dyn FnMut()> {
    let mut feed = Some(site::feed(ROWS).collect::<Vec<_>>());
    // Kept, so that its end isn't measured.
    let mut kept = Vec::new();
    Box::new(move || {
        let (intent, updates) = site::intent(feed.take().expect("once"));
        assert_eq!(updates.len(), 2);
        kept.push((intent, updates));
    })
}

fn one_port() -> Box<dyn FnMut()> {
    let (mut intent, updates) = site::intent(site::feed(ROWS));
    let mut desired = site::desired(updates);
    let mut set =
        Some(ChangeSet { revision: 2, changes: vec![Change::PortSet(site::port(ROWS))], tombstones: Vec::new() });
    Box::new(move || {
        let updates = intent.apply(set.take().expect("once"));
        assert_eq!(site::take(&mut desired, updates), [site::mac(ROWS)]);
    })
}

fn audit() -> Box<dyn FnMut()> {
    audit_of(ROWS)
}

/// An audit of a switch with this many rows, all right.
pub fn audit_of(rows: u32) -> Box<dyn FnMut()> {
    comparison_of(rows, 0)
}

/// An audit of a switch that lacks this many of its rows.
pub fn comparison_of(rows: u32, missing: u32) -> Box<dyn FnMut()> {
    let desired = site::desired(site::intent(site::feed(rows)).1);
    let (actual, policy, in_flight) = (site::synchronised(rows - missing), site::policy(), InFlight::default());
    Box::new(move || {
        let audit = site::planner(&desired, &actual, &policy, &in_flight).audit(None);
        assert_eq!(audit.keys().count(), missing as usize);
    })
}

/// The one step in which a twin takes over this many MACs.
pub fn takeover_of(macs: u32) -> Box<dyn FnMut()> {
    let mut intent = site::twins(macs);
    let mut set = Some(site::takeover());
    // Kept, so that its end isn't measured.
    let mut kept = Vec::new();
    Box::new(move || {
        let updates = intent.apply(set.take().expect("once"));
        let moved = updates.iter().find_map(|update| match update {
            Update::Network { macs, .. } => macs.as_ref().map(|macs| macs.len()),
            _ => None,
        });
        assert_eq!(moved, Some(macs as usize));
        kept.push(updates);
    })
}

fn fill() -> Box<dyn FnMut()> {
    let desired = site::desired(site::intent(site::feed(ROWS)).1);
    let (actual, policy) = (site::synchronised(0), site::policy());
    let mut in_flight = InFlight::default();
    let mut buffer = Vec::new();
    Box::new(move || {
        let audit = site::planner(&desired, &actual, &policy, &in_flight).audit(None);
        let mut keys = audit.keys().peekable();
        let mut rows = 0;
        while keys.peek().is_some() {
            let mut transaction = Transaction::default();
            let planner = site::planner(&desired, &actual, &policy, &in_flight);
            planner.fill(OPERATIONS, &mut transaction, || keys.next(), |_, _| {});
            let transaction = transaction.finish(&actual);
            rows += transaction.operations.len();
            buffer.clear();
            vtep::encode(Some("vtepd"), &transaction.operations, &mut buffer);
            in_flight.reserve(&transaction);
        }
        assert_eq!(rows, ROWS as usize);
    })
}

fn one_row() -> Box<dyn FnMut()> {
    let desired = site::desired(site::intent(site::feed(ROWS + 1)).1);
    let (actual, policy, in_flight) = (site::synchronised(ROWS), site::policy(), InFlight::default());
    let mut buffer = Vec::new();
    Box::new(move || {
        let mut transaction = Transaction::default();
        let planner = site::planner(&desired, &actual, &policy, &in_flight);
        planner.add(RowKey::Mac(site::network(), site::mac(ROWS)), &mut transaction);
        let transaction = transaction.finish(&actual);
        assert_eq!(transaction.operations.len(), 1);
        buffer.clear();
        vtep::encode(Some("vtepd"), &transaction.operations, &mut buffer);
    })
}

fn encode() -> Box<dyn FnMut()> {
    let desired = site::desired(site::intent(site::feed(ROWS)).1);
    let (actual, policy, in_flight) = (site::synchronised(0), site::policy(), InFlight::default());
    let transactions = site::planner(&desired, &actual, &policy, &in_flight).plan(OPERATIONS);
    let transaction = transactions.into_iter().next().expect("something is missing");
    let mut buffer = Vec::new();
    Box::new(move || {
        vtep::encode(Some("vtepd"), &transaction.operations, &mut buffer);
        black_box(&buffer);
    })
}

fn reply() -> Box<dyn FnMut()> {
    let text = site::transacted(OPERATIONS as u32);
    Box::new(move || {
        let reply = transact::Reply::read(&mut Cursor::new(&text), OPERATIONS).expect("a reply");
        assert!(reply.committed());
    })
}

/// Something that is held while it is measured.
pub type Kept = Box<dyn std::any::Any>;

/// A switch's replica with this many rows.
pub fn replica(rows: u32) -> Kept {
    Box::new(site::synchronised(rows))
}

/// The desired state of this many ports, with the switch's share of it.
pub fn desired_state(ports: u32) -> Kept {
    let (intent, updates) = site::intent(site::feed(ports));
    Box::new((intent, site::desired(updates)))
}
