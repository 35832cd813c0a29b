//! The limit: a client that only writes prepared bytes, two transactions in flight, and reads a monitor away.
//!
//! It runs as a process of its own (this program with another first argument), so that its CPU and memory are its own.

pub(crate) mod change;

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    support::{
        rpc::{DB, Framer},
        tor::Tor,
    },
    table::Sample,
    usage,
};

/// The first argument that makes this program the bare client.
pub(crate) const SUBCOMMAND: &str = "bare-client";

const BATCH: u32 = 200;
const IN_FLIGHT: usize = 2;

/// Columns of the tables that the daemon follows as well.
const MONITORED: [(&str, &[&str]); 5] = [
    ("Ucast_Macs_Remote", &["MAC", "logical_switch", "locator", "ipaddr"]),
    ("Mcast_Macs_Remote", &["MAC", "logical_switch", "locator_set", "ipaddr"]),
    ("Logical_Switch", &["name", "tunnel_key", "replication_mode"]),
    ("Physical_Port", &["name", "vlan_bindings"]),
    ("Physical_Locator", &["encapsulation_type", "dst_ip"]),
];

/// Loads `rows` rows of Ucast_Macs_Remote into the switch.
pub(crate) fn load(tor: &Tor, rows: u32) -> Sample {
    run(tor, &["load", &rows.to_string()])
}

/// The median of the times that `times` single rows take, on a switch that holds `rows` already.
pub(crate) fn single(tor: &Tor, rows: u32, times: u32) -> Sample {
    run(tor, &["single", &rows.to_string(), &times.to_string()])
}

/// Reads all rows that the daemon would read, once.
pub(crate) fn synchronise(tor: &Tor) -> Sample {
    run(tor, &["synchronise"])
}

/// Bare clients of many switches, in a process of their own as well: one that writes the same row to all at once.
pub(crate) struct Many {
    child: Child,
    words: BufReader<ChildStdout>,
}

impl Many {
    /// Prepares this many changes.
    pub(crate) fn new(tors: &[Tor], changes: u32) -> Self {
        let this = std::env::current_exe().expect("this program has a path");
        let ports = tors.iter().map(|tor| tor.port().to_string());
        let mut command = Command::new(this);
        command.args([SUBCOMMAND, "0", "many", &changes.to_string()]).args(ports);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("this program runs");
        let words = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut many = Self { child, words };
        many.wait();
        many
    }

    /// Makes them, one after the other; `done` returns when everybody was told. The median of their times, and the sum of
    /// the clients' CPU.
    pub(crate) fn changes(&mut self, changes: u32, mut done: impl FnMut()) -> (Duration, Duration) {
        let cpu = usage::cpu(self.child.id());
        let mut times: Vec<Duration> = (0..changes)
            .map(|_| {
                let begun = Instant::now();
                self.child.stdin.as_mut().expect("a pipe").write_all(b"\n").expect("it lives");
                self.wait();
                done();
                begun.elapsed()
            })
            .collect();
        times.sort_unstable();
        (times[times.len() / 2], usage::cpu(self.child.id()).saturating_sub(cpu))
    }

    fn wait(&mut self) {
        let mut word = String::new();
        assert_ne!(self.words.read_line(&mut word).expect("it lives"), 0, "the bare clients ended");
    }
}

impl Drop for Many {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// For each line that comes in: one row to each switch, all at once.
fn many(changes: u32, ports: &[String]) {
    let mut clients: Vec<(Client, Vec<Vec<u8>>)> = ports
        .iter()
        .map(|port| {
            let mut client = Client::connect(port.parse().expect("a port"));
            prepare(&mut client, 0);
            let rows = (0..changes).map(|i| client.batch(i, 1)).collect();
            (client, rows)
        })
        .collect();
    println!("ready");
    for (i, _) in (0..changes as usize).zip(std::io::stdin().lines()) {
        for (client, rows) in &mut clients {
            client.writer.write_all(&rows[i]).expect("the server reads");
        }
        for (client, _) in &clients {
            client.reply();
        }
        println!("done");
    }
}

fn run(tor: &Tor, what: &[&str]) -> Sample {
    let before = usage::cpu(tor.pid());
    let this = std::env::current_exe().expect("this program has a path");
    let port = tor.port().to_string();
    let output = Command::new(this).args([SUBCOMMAND, &port]).args(what).output().expect("this program runs");
    assert!(output.status.success(), "the bare client failed: {}", String::from_utf8_lossy(&output.stderr));
    let mut sample: Sample = serde_json::from_slice(&output.stdout).expect("the bare client reports");
    sample.server_cpu = usage::cpu(tor.pid()).saturating_sub(before);
    sample
}

/// The bare client: prints a [`Sample`] as JSON.
pub(crate) fn main(args: &[String]) {
    let number = |i: usize| args.get(i).and_then(|arg| arg.parse::<u32>().ok()).expect("a number");
    let port = u16::try_from(number(0)).expect("a port");
    if args[1] == "many" {
        return many(number(2), &args[3..]);
    }
    if args[1] == "change" {
        return change::serve(Client::connect(port), &args[2], args[3].as_ref());
    }
    if args[1] == "synchronise" {
        let cpu = usage::cpu(std::process::id());
        let begun = Instant::now();
        Client::connect(port).monitor();
        return report(begun.elapsed(), cpu);
    }
    let mut client = Client::connect(port);
    let rows = number(2);
    let prepared = prepare(&mut client, rows);
    let cpu = usage::cpu(std::process::id());
    let begun = Instant::now();
    client.pipeline(&prepared);
    let mut wall = begun.elapsed();
    if args[1] == "single" {
        let mut times: Vec<Duration> = (0..number(3))
            .map(|i| {
                let message = client.batch(rows + i, 1);
                let begun = Instant::now();
                client.pipeline(&[message]);
                begun.elapsed()
            })
            .collect();
        times.sort_unstable();
        wall = times[times.len() / 2];
    }
    report(wall, cpu);
}

fn report(wall: Duration, cpu: Duration) {
    let sample = Sample {
        wall,
        client_cpu: usage::cpu(std::process::id()).saturating_sub(cpu),
        server_cpu: Duration::ZERO,
        peak_kib: usage::peak_kib(std::process::id()),
    };
    println!("{}", serde_json::to_string(&sample).expect("a sample is JSON"));
}

/// What every row refers to, written before the clock starts; and the bytes of all batches.
fn prepare(client: &mut Client, rows: u32) -> Vec<Vec<u8>> {
    let locators = ["l0", "l1"];
    let mut operations: Vec<Value> = vec![
        json!({"op": "insert", "table": "Logical_Switch", "uuid-name": "ls", "row": {"name": "bare", "tunnel_key": 1}}),
    ];
    for (i, name) in locators.iter().enumerate() {
        let row = json!({"encapsulation_type": "vxlan_over_ipv4", "dst_ip": format!("198.51.100.{}", 11 + i)});
        operations.push(json!({"op": "insert", "table": "Physical_Locator", "uuid-name": name, "row": row}));
    }
    let members: Vec<Value> = locators.iter().map(|name| json!(["named-uuid", name])).collect();
    operations.push(json!({"op": "insert", "table": "Physical_Locator_Set", "uuid-name": "set",
                           "row": {"locators": ["set", members]}}));
    operations.push(json!({"op": "insert", "table": "Mcast_Macs_Remote", "row": {"MAC": "unknown-dst", "ipaddr": "",
        "locator_set": ["named-uuid", "set"], "logical_switch": ["named-uuid", "ls"]}}));
    let mut params = vec![json!(DB)];
    params.append(&mut operations);
    let reply = client.request(&json!({"id": "prepare", "method": "transact", "params": params}));
    client.references = (0..3).map(|i| reply["result"][i]["uuid"].clone()).collect();

    client.monitor();
    (0..rows.div_ceil(BATCH)).map(|i| client.batch(i * BATCH, BATCH.min(rows - i * BATCH))).collect()
}

#[derive(Debug)]
struct Client {
    writer: TcpStream,
    /// Replies to `transact`: the reader throws everything else away.
    replies: mpsc::Receiver<Result<(), String>>,
    /// Replies to everything else, as they came.
    answers: mpsc::Receiver<Vec<u8>>,
    /// Logical_Switch and two locators: `["uuid", …]`.
    references: Vec<Value>,
}

/// The only member of a message that the reader looks at.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    id: Option<&'a serde_json::value::RawValue>,
}

impl Client {
    fn connect(port: u16) -> Self {
        let writer = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        writer.set_nodelay(true).expect("a TCP socket");
        let reader = writer.try_clone().expect("the socket is cloned");
        let (done, replies) = mpsc::channel();
        let (answered, answers) = mpsc::channel();
        thread::spawn(move || read(reader, &done, &answered));
        Self { writer, replies, answers, references: Vec::new() }
    }

    fn request(&mut self, message: &Value) -> Value {
        self.send(message);
        serde_json::from_slice(&self.answers.recv().expect("the server answers")).expect("JSON")
    }

    /// Follows the tables; returns when their first dump was read, without looking into it.
    fn monitor(&mut self) {
        let tables: BTreeMap<&str, Value> =
            MONITORED.iter().map(|(table, columns)| (*table, json!([{"columns": columns}]))).collect();
        self.send(&json!({"id": "monitor", "method": "monitor_cond", "params": [DB, "bare", tables]}));
        self.answers.recv().expect("the server answers");
    }

    fn send(&mut self, message: &Value) {
        self.writer.write_all(message.to_string().as_bytes()).expect("the server reads");
    }

    /// A transaction that inserts the MACs from `first` on.
    fn batch(&self, first: u32, count: u32) -> Vec<u8> {
        let mut params = vec![json!(DB)];
        for i in first..first + count {
            let [_, a, b, c] = i.to_be_bytes();
            let row = json!({"MAC": format!("fa:16:3f:{a:02x}:{b:02x}:{c:02x}"),
                             "ipaddr": Ipv4Addr::from(0x0a80_0000 + i).to_string(),
                             "logical_switch": self.references[0], "locator": self.references[1 + (i % 2) as usize]});
            params.push(json!({"op": "insert", "table": "Ucast_Macs_Remote", "row": row}));
        }
        json!({"id": first, "method": "transact", "params": params}).to_string().into_bytes()
    }

    /// Writes the messages, two in flight, and returns when the last one is answered.
    fn pipeline(&mut self, messages: &[Vec<u8>]) {
        let mut in_flight = 0;
        for message in messages {
            if in_flight == IN_FLIGHT {
                self.reply();
                in_flight -= 1;
            }
            self.writer.write_all(message).expect("the server reads");
            in_flight += 1;
        }
        (0..in_flight).for_each(|_| self.reply());
    }

    fn reply(&self) {
        self.replies.recv().expect("the server replies").expect("no transaction fails");
    }
}

fn read(mut reader: TcpStream, done: &mpsc::Sender<Result<(), String>>, answered: &mpsc::Sender<Vec<u8>>) {
    let mut framer = Framer::default();
    let mut chunk = vec![0; 256 * 1024];
    while let Ok(n @ 1..) = reader.read(&mut chunk) {
        framer.push(&chunk[..n]);
        while let Some(frame) = framer.next() {
            let head: Head<'_> = serde_json::from_slice(&frame).expect("JSON");
            let id = head.id.map_or("null", serde_json::value::RawValue::get);
            let sent = match id.as_bytes() {
                [b'0'..=b'9', ..] => {
                    // An error anywhere in the reply ends the measurement: it would be measured as speed.
                    let failed = frame.windows(8).any(|window| window == br#"{"error""#);
                    let text = || Err(String::from_utf8_lossy(&frame).into_owned());
                    done.send(if failed { text() } else { Ok(()) }).is_ok()
                }
                br#""prepare""# | br#""monitor""# => answered.send(frame).is_ok(),
                // Updates (and an echo, which the few seconds of a run don't need) are thrown away.
                _ => true,
            };
            if !sent {
                return;
            }
        }
    }
}
