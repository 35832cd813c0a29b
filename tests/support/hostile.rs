//! A switch that is broken, or not its owner's any more: it speaks OVSDB, and sends what no honest one would.

use std::{
    fs,
    io::{self, Read as _, Write},
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

use super::{
    door::{Door, with},
    rpc::{DB, Framer},
    tor::SCHEMA,
};

/// Writes a text of any length.
type Text = Arc<dyn Fn(&mut dyn Write) -> io::Result<()> + Send + Sync>;
/// Sends messages, until the connection ends.
type Flood = Arc<dyn Fn(&mut dyn FnMut(&str) -> io::Result<()>) -> io::Result<()> + Send + Sync>;

/// What a switch does.
#[derive(Clone)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// What the reason of its status says in the end; `None`: its session stays.
    pub(crate) ends: Option<&'static str>,
    /// `Physical_Switch.name`, which it says when it dials in.
    switch: String,
    schema: Option<Text>,
    rows: Text,
    flood: Flood,
}

/// See the module. Dropped, it closes.
pub(crate) struct Hostile {
    door: Door,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Hostile {
    pub(crate) fn start(attack: &Attack) -> Self {
        let streams = Arc::new(Mutex::new(Vec::new()));
        let (kept, attack) = (Arc::clone(&streams), attack.clone());
        let door = Door::open(move |stream| {
            if let Ok(stream) = stream.try_clone() {
                with(&kept, |streams: &mut Vec<TcpStream>| streams.push(stream));
            }
            let attack = attack.clone();
            // Ends with the connection.
            thread::spawn(move || drop(serve(&stream, &attack, |_| {})));
        });
        Self { door, streams }
    }

    /// The keys of plumgrid.ini.
    pub(crate) fn lines(&self) -> String {
        format!("management_ip = 127.0.0.1\nport = {}\n", self.door.port())
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.door.close();
        for stream in with(&self.streams, std::mem::take) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Speaks OVSDB as its attack says, and tells each request that comes.
pub(super) fn serve(stream: &TcpStream, attack: &Attack, asked: impl Fn(&str)) -> io::Result<()> {
    let output = Arc::new(Mutex::new(io::BufWriter::with_capacity(1 << 16, stream.try_clone()?)));
    let mut framer = Framer::default();
    let (mut input, mut chunk) = (stream, vec![0; 1 << 16]);
    loop {
        match input.read(&mut chunk)? {
            0 => return Ok(()),
            n => framer.push(chunk.get(..n).unwrap_or_default()),
        }
        while let Some(frame) = framer.next() {
            let message: Value = serde_json::from_slice(&frame)?;
            let (id, method) = (&message["id"], message["method"].as_str().unwrap_or_default());
            asked(method);
            let answer = |result: &dyn Fn(&mut dyn Write) -> io::Result<()>| {
                with(&output, |output| {
                    write!(output, "{{\"id\":{id},\"error\":null,\"result\":")?;
                    result(output)?;
                    output.write_all(b"}")?;
                    output.flush()
                })
            };
            let plain = |result: Value| answer(&|output| write!(output, "{result}"));
            let database = message["params"][0].as_str().unwrap_or(DB);
            match method {
                "get_schema" | "monitor" | "transact" if database != DB => with(&output, |output| {
                    write!(output, "{{\"id\":{id},\"result\":null,\"error\":{{\"error\":\"unknown database\"}}}}")?;
                    output.flush()
                })?,
                "get_schema" => match &attack.schema {
                    Some(schema) => answer(&**schema)?,
                    None => answer(&|output| output.write_all(fs::read_to_string(SCHEMA)?.as_bytes()))?,
                },
                "monitor" => {
                    answer(&*attack.rows)?;
                    let (output, flood) = (Arc::clone(&output), Arc::clone(&attack.flood));
                    thread::spawn(move || {
                        let mut send = |message: &str| {
                            with(&output, |output| {
                                output.write_all(message.as_bytes())?;
                                output.flush()
                            })
                        };
                        // Ends with the connection.
                        drop(flood(&mut send));
                    });
                }
                "lock" | "steal" => plain(json!({"locked": true}))?,
                "transact" if message["params"][1]["op"] == "select" => {
                    plain(json!([{"rows": [{"name": attack.switch}]}]))?;
                }
                "transact" => {
                    let operations = message["params"].as_array().map_or(1, Vec::len) - 1;
                    plain(Value::Array(vec![json!({"count": 1}); operations]))?;
                }
                "echo" => plain(message["params"].clone())?,
                "" => {}
                _ => plain(json!({}))?,
            }
        }
    }
}

// ===== what it sends =====

/// The UUID of a row: of one kind, with a number.
pub(crate) fn uuid(kind: u32, n: u64) -> String {
    format!("{kind:08x}-0000-4000-8000-{n:012x}")
}

fn reference(kind: u32, n: u64) -> String {
    format!("[\"uuid\",\"{}\"]", uuid(kind, n))
}

const SWITCH: u32 = 1;
const PORT: u32 = 2;
const LOGICAL_SWITCH: u32 = 3;
const LOCATOR: u32 = 4;
const MAC: u32 = 5;

/// `"uuid":row,…`
fn each(out: &mut dyn Write, kind: u32, range: std::ops::Range<u64>, row: &dyn Fn(u64) -> String) -> io::Result<()> {
    let begin = range.start;
    for n in range {
        let comma = if n == begin { "" } else { "," };
        write!(out, "{comma}\"{}\":{}", uuid(kind, n), row(n))?;
    }
    Ok(())
}

fn update(table: &str, kind: u32, range: std::ops::Range<u64>, row: &dyn Fn(u64) -> String) -> String {
    let mut text = format!("{{\"id\":null,\"method\":\"update\",\"params\":[\"vtepd\",{{\"{table}\":{{").into_bytes();
    each(&mut text, kind, range, row).expect("memory");
    text.extend_from_slice(b"}}]}");
    String::from_utf8(text).expect("ASCII")
}

fn mac(n: u64) -> String {
    let (logical_switch, locator) = (reference(LOGICAL_SWITCH, 0), reference(LOCATOR, 0));
    let octets = format!("{:08x}", n & 0xffff_ffff);
    let pair = |at: usize| octets.get(at..at + 2).unwrap_or_default();
    format!(
        "{{\"new\":{{\"MAC\":\"02:66:{}:{}:{}:{}\",\"ipaddr\":\"\",\"logical_switch\":{logical_switch},\
         \"locator\":{locator}}}}}",
        pair(0),
        pair(2),
        pair(4),
        pair(6)
    )
}

fn port(n: u64) -> String {
    format!("{{\"new\":{{\"name\":\"p{n}\",\"vlan_bindings\":[\"map\",[]]}}}}")
}

const GONE: &str = "{\"old\":{}}";

/// The tables of an honest switch called `name`, with this many ports, on which a network is, and more tables behind them.
fn tables(
    name: &str,
    network: &str,
    ports: u64,
    more: impl Fn(&mut dyn Write) -> io::Result<()> + Send + Sync + 'static,
) -> Text {
    let (name, network) = (name.to_owned(), network.to_owned());
    Arc::new(move |out| {
        write!(out, "{{\"Physical_Switch\":{{\"{}\":{}}},\"Physical_Port\":{{", uuid(SWITCH, 0), switch(&name, ports))?;
        each(out, PORT, 0..ports, &port)?;
        write!(
            out,
            "}},\"Logical_Switch\":{{\"{}\":{{\"new\":{{\"name\":\"vtepd-{network}\",\"tunnel_key\":7}}}}}},\
             \"Physical_Locator\":{{\"{}\":{{\"new\":{{\"dst_ip\":\"192.0.2.66\",\
             \"encapsulation_type\":\"vxlan_over_ipv4\"}}}}}}",
            uuid(LOGICAL_SWITCH, 0),
            uuid(LOCATOR, 0)
        )?;
        more(out)?;
        write!(out, "}}")
    })
}

fn switch(name: &str, ports: u64) -> String {
    let ports: Vec<String> = (0..ports).map(|n| reference(PORT, n)).collect();
    format!(
        "{{\"new\":{{\"name\":\"{name}\",\"tunnel_ips\":\"192.0.2.66\",\"ports\":[\"set\",[{}]]}}}}",
        ports.join(",")
    )
}

/// One that says more within a moment than it may say in four seconds, and nothing afterwards.
pub(crate) fn noisy(name: &str, network: &str) -> Attack {
    let of = |method| format!("{{\"id\":null,\"method\":\"{method}\",\"params\":[\"vtepd\"]}}");
    // Each costs 200 of 20,000 a second, and of 200,000 at once.
    let noise = format!("{}{}", of("stolen"), of("locked")).repeat(700);
    Attack {
        name: "noise that ends",
        ends: None,
        switch: name.to_owned(),
        schema: None,
        rows: tables(name, network, 2, |_| Ok(())),
        flood: Arc::new(move |send| send(&noise)),
    }
}

/// All that a switch of this name can do to us, with a network of ours on it; the first replies at `scale` in 1 to 1000, where
/// 1000 is what was seen to stop a daemon.
#[allow(clippy::too_many_lines)] // One attack after the other.
pub(crate) fn attacks(name: &str, network: &str, scale: u64) -> Vec<Attack> {
    let honest = || tables(name, network, 2, |_| Ok(()));
    let quiet: Flood = Arc::new(|_| Ok(()));
    let owner = name.to_owned();
    let named = || owner.clone();
    let attack = |name, rows, flood| Attack { name, ends: None, switch: named(), schema: None, rows, flood };
    let ends =
        |name, ends, rows| Attack { name, ends: Some(ends), switch: named(), schema: None, rows, flood: quiet.clone() };
    // Under a known seed all of these would have one hash: the second half of each is the seed of `FixedState`.
    let colliding = |n: u64| {
        let half = format!("{n:016x}");
        let part = |range| half.get(range).unwrap_or_default();
        format!("{}-{}-{}-1709-47b5b5d5843f", part(0..8), part(8..12), part(12..16))
    };
    let mut all = vec![
        attack("an update that touches 60,000 ports", tables(name, network, 60 * scale, |_| Ok(())), {
            Arc::new(move |send| {
                loop {
                    send(&update("Physical_Port", PORT, 0..60 * scale, &port))?;
                }
            })
        }),
        Attack {
            ends: Some("65536 rows in Physical_Port"),
            ..attack("an update that touches 300,000 ports", honest(), {
                Arc::new(move |send| {
                    loop {
                        send(&update("Physical_Port", PORT, 0..(300 * scale).max(70_000), &port))?;
                    }
                })
            })
        },
        ends(
            "400,000 ports",
            "65536 rows in Physical_Port",
            tables(name, network, 2, move |out| {
                write!(out, ",\"Physical_Port\":{{")?;
                // At a small scale too there are more than may be.
                each(out, PORT, 2..(400 * scale).max(70_000), &port)?;
                write!(out, "}}")
            }),
        ),
        ends(
            "3,000,000 local MACs in the first reply",
            "more than",
            tables(name, network, 2, move |out| {
                write!(out, ",\"Ucast_Macs_Local\":{{")?;
                each(out, MAC, 0..3000 * scale, &mac)?;
                write!(out, "}}")
            }),
        ),
        attack("new local MACs for ever", honest(), {
            Arc::new(move |send| {
                for first in (0..).step_by(1000) {
                    send(&update("Ucast_Macs_Local", MAC, first..first + 1000, &mac))?;
                }
                Ok(())
            })
        }),
        attack("local MACs that come and go", honest(), {
            Arc::new(move |send| {
                loop {
                    send(&update("Ucast_Macs_Local", MAC, 0..1000, &mac))?;
                    send(&update("Ucast_Macs_Local", MAC, 0..1000, &|_| GONE.to_owned()))?;
                }
            })
        }),
        attack("a Physical_Switch row that flaps, 2,000 ports", tables(name, network, 2000, |_| Ok(())), {
            let name = owner.clone();
            Arc::new(move |send| {
                loop {
                    send(&update("Physical_Switch", SWITCH, 0..1, &|_| switch(&name, 1999)))?;
                    send(&update("Physical_Switch", SWITCH, 0..1, &|_| switch(&name, 2000)))?;
                }
            })
        }),
        ends(
            "100,000 Physical_Switch rows",
            "1024 rows in Physical_Switch",
            tables(name, network, 2, move |out| {
                write!(out, ",\"Physical_Switch\":{{")?;
                each(out, SWITCH, 1..100 * scale.max(20), &|n| format!("{{\"new\":{{\"name\":\"s{n}\"}}}}"))?;
                write!(out, "}}")
            }),
        ),
        attack("new locators for ever", honest(), {
            Arc::new(move |send| {
                let locator = |n: u64| {
                    format!(
                        "{{\"new\":{{\"dst_ip\":\"10.0.{}.{}\",\"encapsulation_type\":\"vxlan_over_ipv4\"}}}}",
                        n >> 8 & 255,
                        n & 255
                    )
                };
                for first in (1..).step_by(1000) {
                    send(&update("Physical_Locator", LOCATOR, first..first + 1000, &locator))?;
                    send(&update("Physical_Locator", LOCATOR, first..first + 1000, &|_| GONE.to_owned()))?;
                }
                Ok(())
            })
        }),
        attack(
            "names of 40 MB",
            tables(name, network, 2, move |out| {
                write!(out, ",\"Physical_Port\":{{\"{}\":{{\"new\":{{\"name\":\"", uuid(PORT, 9))?;
                for _ in 0..40 * scale {
                    out.write_all(&[b'x'; 1000])?;
                }
                write!(out, "\",\"vlan_bindings\":[\"map\",[]]}}}}}}")
            }),
            quiet.clone(),
        ),
        attack(
            "300,000 UUIDs that collide",
            tables(name, network, 2, move |out| {
                write!(out, ",\"Ucast_Macs_Local\":{{")?;
                for n in 0..300 * scale {
                    let comma = if n == 0 { "" } else { "," };
                    write!(out, "{comma}\"{}\":{}", colliding(n), mac(n))?;
                }
                write!(out, "}}")
            }),
            quiet.clone(),
        ),
        attack(
            "300,000 rows of one MAC",
            tables(name, network, 2, move |out| {
                write!(out, ",\"Ucast_Macs_Local\":{{")?;
                each(out, MAC, 0..300 * scale, &|_| mac(0))?;
                write!(out, "}}")
            }),
            quiet.clone(),
        ),
        Attack {
            schema: Some(Arc::new(|out| {
                write!(out, "{{\"name\":\"hardware_vtep\",\"tables\":{{")?;
                loop {
                    write!(out, "\"t\":{{\"columns\":{{}}}},")?;
                }
            })),
            ..ends("a schema without end", "a message of more than", honest())
        },
        attack("'locked' and 'stolen' at full speed", honest(), {
            Arc::new(|send| {
                let of = |method| format!("{{\"id\":null,\"method\":\"{method}\",\"params\":[\"vtepd\"]}}");
                let both = format!("{}{}", of("stolen"), of("locked")).repeat(100);
                loop {
                    send(&both)?;
                }
            })
        }),
        attack("probes at full speed", honest(), {
            Arc::new(|send| {
                let probes = "{\"id\":\"echo\",\"method\":\"echo\",\"params\":[]}".repeat(100);
                loop {
                    send(&probes)?;
                }
            })
        }),
    ];
    // A million rows are needed to see anything.
    all.retain(|attack| scale >= 400 || !attack.name.starts_with("3,000,000"));
    all
}
