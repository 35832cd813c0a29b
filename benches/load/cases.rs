//! The cases: what is measured, and how good is good enough.

use std::{
    cell::RefCell,
    fs::{self, File},
    io::Write as _,
    net::Ipv4Addr,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use serde_json::{Value, json};

use crate::{
    bare,
    support::{
        daemon::{Daemon, Home},
        rest::{Kept, Rest},
        rpc::Rpc,
        tor::Tor,
    },
    table::Sample,
    usage,
};

/// Ports of one bulk call.
const BULK: u32 = 20_000;
/// Single changes whose median is taken.
const SINGLES: u32 = 51;
/// The daemon may be a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_mins(5);

/// Something to measure, by both clients, each on an ovsdb-server of its own.
pub(crate) trait Case {
    fn name(&self) -> String;
    /// The largest ratio of daemon to bare client that is good enough.
    fn limit(&self) -> f64;
    fn bare(&self) -> Sample;
    fn daemon(&self) -> Sample;
}

pub(crate) fn all(rows: u32) -> Vec<Box<dyn Case>> {
    vec![
        Box::new(Load { rows }),
        Box::new(FirstSynchronisation { rows, site: RefCell::new(None) }),
        Box::new(OneMore { rows }),
    ]
}

/// All ports of a network are in the store when it is connected: from the call to the last row committed.
struct Load {
    rows: u32,
}

impl Case for Load {
    fn name(&self) -> String {
        format!("load {} MACs", self.rows)
    }

    /// At least a third of the bare client's rate.
    fn limit(&self) -> f64 {
        3.0
    }

    fn bare(&self) -> Sample {
        bare::load(&Tor::start("t", "192.0.2.1"), self.rows)
    }

    fn daemon(&self) -> Sample {
        let mut site = Site::new();
        site.create_ports(self.rows);
        let (client, server) = (usage::cpu(site.pid()), usage::cpu(site.tor.pid()));
        let begun = SystemTime::now();
        site.connect();
        let committed = site.wait_loaded(self.rows);
        Sample {
            wall: committed.duration_since(begun).unwrap_or_default(),
            client_cpu: usage::cpu(site.pid()).saturating_sub(client),
            server_cpu: usage::cpu(site.tor.pid()).saturating_sub(server),
            peak_kib: usage::peak_kib(site.pid()),
        }
    }
}

/// A switch that holds all rows already: from the moment when the daemon hears of the switch until it says that all is
/// right. The bare client reads the same rows from the same switch.
struct FirstSynchronisation {
    rows: u32,
    /// A loaded switch, made for the first run.
    site: RefCell<Option<Site>>,
}

impl FirstSynchronisation {
    fn with<T>(&self, work: impl FnOnce(&mut Site) -> T) -> T {
        let mut site = self.site.borrow_mut();
        work(site.get_or_insert_with(|| {
            let mut site = Site::new();
            site.create_ports(self.rows);
            site.connect();
            site.wait_loaded(self.rows);
            site
        }))
    }
}

impl Case for FirstSynchronisation {
    fn name(&self) -> String {
        format!("first sync, {} right rows", self.rows)
    }

    fn limit(&self) -> f64 {
        if self.rows >= 100_000 { 1.05 } else { 1.3 }
    }

    fn bare(&self) -> Sample {
        self.with(|site| bare::synchronise(&site.tor))
    }

    fn daemon(&self) -> Sample {
        self.with(|site| {
            site.daemon.home.drop_last();
            site.daemon.reload();
            crate::support::eventually("the switch is dropped", PATIENCE, || {
                match site.rest.get("/v2/switches/t").status {
                    404 => Ok(()),
                    status => Err(status.to_string()),
                }
            });
            site.daemon.home.add(&site.tor);
            let rows = site.tor.rpc().count("Ucast_Macs_Remote");
            let (client, server) = (usage::cpu(site.pid()), usage::cpu(site.tor.pid()));
            let changed = fs::metadata(site.tor.file()).and_then(|file| file.modified()).expect("the database's file");
            let begun = Instant::now();
            site.daemon.reload();
            let path = format!("/v2/l2-gateway-connections/{}/status", site.connection);
            // A pause between two looks, so that looking costs nothing that counts.
            let wall = loop {
                let answer = site.kept.call("GET", &path, &Value::Null).expect("an answer");
                let status: Value = serde_json::from_slice(&answer.body).expect("JSON");
                if status["status"] == "active" {
                    break begun.elapsed();
                }
                assert!(begun.elapsed() < PATIENCE, "{status}");
                std::thread::sleep(Duration::from_millis(2));
            };
            let after = fs::metadata(site.tor.file()).and_then(|file| file.modified()).expect("the database's file");
            assert_eq!((changed, rows), (after, self.rows as usize), "something was written");
            Sample {
                wall,
                client_cpu: usage::cpu(site.pid()).saturating_sub(client),
                server_cpu: usage::cpu(site.tor.pid()).saturating_sub(server),
                peak_kib: usage::peak_kib(site.pid()),
            }
        })
    }
}

/// One port more, from the API call to the row committed: the `bare` column is the same with an empty network, since
/// the cost of a change must not follow the state.
struct OneMore {
    rows: u32,
}

impl Case for OneMore {
    fn name(&self) -> String {
        format!("one port, {} present : first", self.rows)
    }

    /// No longer than the first did; a tenth is the noise of a median.
    fn limit(&self) -> f64 {
        1.1
    }

    fn bare(&self) -> Sample {
        self.with(0)
    }

    fn daemon(&self) -> Sample {
        self.with(self.rows)
    }
}

impl OneMore {
    fn with(&self, present: u32) -> Sample {
        let mut site = Site::new();
        site.create_ports(present);
        site.connect();
        site.wait_loaded(present);
        let (client, server) = (usage::cpu(site.pid()), usage::cpu(site.tor.pid()));
        let wall = site.one_by_one(present);
        let sample = Sample {
            wall,
            client_cpu: usage::cpu(site.pid()).saturating_sub(client),
            server_cpu: usage::cpu(site.tor.pid()).saturating_sub(server),
            peak_kib: usage::peak_kib(site.pid()),
        };
        if present == self.rows {
            let bare = bare::single(&Tor::start("t", "192.0.2.1"), present, SINGLES).wall;
            let fsync = fsync(site.daemon.home.store().parent().expect("a directory"));
            eprintln!("  one port {wall:?}; a bare client's row takes {bare:?}, one fsync {fsync:?}");
        }
        sample
    }
}

/// A switch, a daemon, a network with two compute nodes.
struct Site {
    daemon: Daemon,
    rest: Rest,
    kept: Kept,
    network: String,
    connection: String,
    tor: Tor,
}

impl Site {
    fn new() -> Self {
        let tor = Tor::start("t", "192.0.2.1");
        let daemon = Home::new().tor(&tor).start();
        let rest = daemon.rest();
        rest.endpoint("compute-0", "198.51.100.11");
        rest.endpoint("compute-1", "198.51.100.12");
        let network = rest.network("n");
        rest.gateway("g", &[("t", &["Ethernet40"])]);
        rest.wait_switch("t", "it is up", |now| now["session"]["state"] == "up");
        let kept = Kept::open(rest.clone()).expect("the API listens");
        Self { daemon, rest, kept, network, connection: String::new(), tor }
    }

    fn pid(&mut self) -> u32 {
        self.daemon.process().pid()
    }

    fn port(&self, i: u32) -> Value {
        let [_, a, b, c] = i.to_be_bytes();
        json!({"network_id": self.network, "mac_address": format!("fa:16:3f:{a:02x}:{b:02x}:{c:02x}"),
               "binding:host_id": format!("compute-{}", i % 2),
               "fixed_ips": [{"ip_address": Ipv4Addr::from(0x0a80_0000 + i).to_string()}]})
    }

    fn create_ports(&self, count: u32) {
        for first in (0..count).step_by(BULK as usize) {
            let ports: Vec<Value> = (first..count.min(first + BULK)).map(|i| self.port(i)).collect();
            self.rest.post("/v2.0/ports", &json!({"ports": ports})).expect(201);
        }
    }

    fn connect(&mut self) {
        self.connection = self.rest.connect("g", &self.network, 50);
    }

    /// Waits until the daemon says that all is there, makes sure of it, and tells when the last row was committed: the
    /// time of the database file's last change, since looking at a busy server would slow it down.
    fn wait_loaded(&self, rows: u32) -> SystemTime {
        crate::support::eventually("the load", PATIENCE, || {
            let status = self.rest.status(&self.connection);
            let (desired, actual) = (&status["switches"][0]["rows_desired"], &status["switches"][0]["rows_actual"]);
            let whole = status["status"] == "active" && desired == actual && desired.as_u64() > Some(rows.into());
            if whole || (rows == 0 && status["status"] == "active") { Ok(()) } else { Err(status.to_string()) }
        });
        assert_eq!(self.tor.rpc().count("Ucast_Macs_Remote"), rows as usize);
        fs::metadata(self.tor.file()).and_then(|file| file.modified()).expect("the database's file")
    }

    /// Ports added one after the other; the median time to the switch's notification of the row.
    fn one_by_one(&mut self, present: u32) -> Duration {
        let mut observer: Rpc = self.tor.rpc();
        observer.monitor(&["Ucast_Macs_Remote"]);
        let mut times: Vec<Duration> = (present..present + SINGLES)
            .map(|i| {
                let body = json!({"port": self.port(i)});
                let begun = Instant::now();
                let answer = self.kept.call("POST", "/v2.0/ports", &body).expect("an answer");
                assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
                assert!(observer.changed(begun + PATIENCE), "the row never came");
                begun.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[times.len() / 2]
    }
}

/// The median time of a small write made durable: what the store can't avoid.
fn fsync(directory: &Path) -> Duration {
    let path = directory.join("fsync");
    let mut file = File::create(&path).expect("a file beside the store");
    let mut times: Vec<Duration> = (0..SINGLES)
        .map(|_| {
            let begun = Instant::now();
            file.write_all(&[0; 4096]).and_then(|()| file.sync_data()).expect("the write is durable");
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}
