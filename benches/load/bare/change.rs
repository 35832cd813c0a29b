//! The least that a change costs on its whole way: read an HTTP call, commit it to SQLite, answer, write the row to the switch
//! and read what it says. By one thread that does nothing else; or with the commit on another, as it has to be where others
//! are served while the disk is waited for.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{Client, SUBCOMMAND, prepare};
use crate::{
    support::{
        process::Scratch,
        rest::{Kept, Rest},
        tor::Tor,
    },
    usage,
};

/// The tables and indexes that a port's creation touches.
const SCHEMA: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    CREATE TABLE ports (id TEXT PRIMARY KEY, network TEXT, mac TEXT, host TEXT, name TEXT, body TEXT, UNIQUE (mac, network));
    CREATE INDEX network ON ports (network); CREATE INDEX host ON ports (host); CREATE INDEX name ON ports (name);
    CREATE TABLE changes (revision INTEGER PRIMARY KEY, body TEXT)";

/// Where SQLite is called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commit {
    /// On the thread that reads the call.
    InPlace,
    /// On one of its own.
    Apart,
}

/// [`Commit::Apart`] as an argument.
const APART: &str = "apart";

/// The program, where it listens, and where its database is.
pub(crate) struct Bare {
    child: Child,
    address: SocketAddr,
    _scratch: Scratch,
}

impl Bare {
    pub(crate) fn start(tor: &Tor, commit: Commit) -> Self {
        let this = std::env::current_exe().expect("this program has a path");
        let scratch = Scratch::new();
        let mut command = Command::new(this);
        let commit = if commit == Commit::Apart { APART } else { "in place" };
        command.args([SUBCOMMAND, &tor.port().to_string(), "change", commit]).arg(scratch.join("store.db"));
        command.stdout(Stdio::piped());
        let mut child = command.spawn().expect("this program runs");
        let mut address = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut address).expect("it says where it listens");
        Self { child, address: address.trim().parse().expect("an address"), _scratch: scratch }
    }

    /// The CPU of a change, of this many one after the other.
    pub(crate) fn cpu(self, changes: u32) -> Duration {
        let rest = Rest { address: self.address, token: None, described: false };
        let mut kept = Kept::open(rest).expect("it listens");
        let before = usage::cpu(self.child.id());
        for i in 0..changes {
            let body = json!({"port": {"network_id": "11111111-1111-4111-8111-111111111111", "mac_address": i.to_string(),
                                       "binding:host_id": format!("compute-{}", i % 2)}});
            assert_eq!(kept.call("POST", "/v2.0/ports", &body).expect("an answer").status, 201);
        }
        (usage::cpu(self.child.id()).saturating_sub(before)) / changes
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Commits the body of a call, as a port of this number.
type Keep = Box<dyn Fn(u32, &[u8])>;

/// The program: serves one connection.
pub(super) fn serve(mut client: Client, commit: &str, store: &Path) {
    prepare(&mut client, 0);
    let sqlite = Connection::open(store).expect("a database");
    sqlite.execute_batch(SCHEMA).expect("tables");
    let keep: Keep = if commit == APART {
        let (jobs, waiting) = mpsc::channel::<(u32, Vec<u8>)>();
        let (done, committed) = mpsc::channel();
        thread::spawn(move || {
            for (number, body) in waiting {
                insert(&sqlite, number, &body);
                done.send(()).expect("the caller waits");
            }
        });
        Box::new(move |number, body| {
            jobs.send((number, body.to_vec())).expect("the thread lives");
            committed.recv().expect("the thread lives");
        })
    } else {
        Box::new(move |number, body| insert(&sqlite, number, body))
    };

    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    let (stream, _) = listener.accept().expect("a call");
    stream.set_nodelay(true).expect("a TCP socket");
    let mut stream = BufReader::new(stream);
    for number in 0.. {
        let Some(body) = read(&mut stream) else { return };
        keep(number, &body);
        let head = format!("HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.get_mut().write_all(&[head.as_bytes(), &body].concat()).expect("the caller reads");
        let row = client.batch(number, 1);
        client.pipeline(&[row]);
    }
}

fn read(stream: &mut BufReader<std::net::TcpStream>) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().expect("a number");
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(body)
}

fn insert(sqlite: &Connection, number: u32, body: &[u8]) {
    let port: Value = serde_json::from_slice(body).expect("JSON");
    let port = &port["port"];
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        sqlite.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).expect("a statement runs");
    };
    let text = |name: &str| port[name].as_str().expect("a text").to_owned();
    let (id, body) = (uuid::Uuid::new_v4().to_string(), std::str::from_utf8(body).expect("JSON is UTF-8"));
    run("BEGIN IMMEDIATE", &[]);
    run(
        "INSERT INTO ports VALUES (?, ?, ?, ?, '', ?)",
        &[&id, &text("network_id"), &text("mac_address"), &text("binding:host_id"), &body],
    );
    run("INSERT INTO changes VALUES (?, ?)", &[&number, &body]);
    run("COMMIT", &[]);
}
