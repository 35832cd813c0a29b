//! Beside OVN's controller for the same switches, which reads its ports from a southbound database.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant, SystemTime},
};

use serde_json::{Value, json};

use super::Case;
use crate::{
    site::{PATIENCE, Site, ip, mac},
    support::{
        eventually,
        process::{Process, Scratch, run},
        rest::Kept,
        rpc::Rpc,
        tor::{Contents, Tor},
    },
    table::{Sample, Target, wall_ratio},
    usage,
};

const CONTROLLER: &str = "ovn-controller-vtep";
const SCHEMA: &str = "/usr/share/ovn/ovn-sb.ovsschema";
const DB: &str = "OVN_Southbound";
/// Ports of one datapath: OVN's tunnel keys end at 32767.
const OF_ONE: u32 = 10_000;
/// Single changes whose median is taken.
const CHANGES: u32 = 21;
/// The database is complete when it wasn't written to for so long.
const SETTLED: Duration = Duration::from_secs(3);

pub(crate) fn is_installed() -> bool {
    fs::exists(SCHEMA).unwrap_or(false) && Command::new(CONTROLLER).arg("--version").output().is_ok()
}

/// From the start of the controller to the last row on an empty switch, its ports known before.
pub(crate) struct Cold {
    pub(crate) ports: u32,
}

impl Case for Cold {
    fn name(&self) -> String {
        format!("cold start, {} ports, an empty switch", self.ports)
    }

    fn reference(&self) -> &'static str {
        CONTROLLER
    }

    fn targets(&self) -> Vec<Target> {
        vec![
            Target { what: "wall, times ovn-controller-vtep's", limit: 1.0, figure: wall_ratio },
            Target { what: "CPU, times ovn-controller-vtep's", limit: 1.0, figure: cpu_ratio },
        ]
    }

    fn run(&self) -> (Sample, Sample) {
        let mut ovn = Ovn::new(self.ports);
        (ovn.cold(), cold(self.ports))
    }
}

/// One port more, from its row in the southbound database, or the API call, to the row on the switch.
pub(crate) struct OnePort {
    pub(crate) ports: u32,
}

impl Case for OnePort {
    fn name(&self) -> String {
        format!("one port more, {} present, beside OVN", self.ports)
    }

    fn reference(&self) -> &'static str {
        CONTROLLER
    }

    fn targets(&self) -> Vec<Target> {
        vec![
            Target { what: "wall, times ovn-controller-vtep's", limit: 0.02, figure: wall_ratio },
            Target { what: "CPU, times ovn-controller-vtep's", limit: 1.0, figure: cpu_ratio },
        ]
    }

    fn run(&self) -> (Sample, Sample) {
        let mut ovn = Ovn::new(self.ports);
        ovn.cold();
        (ovn.one_by_one(), one_by_one(self.ports))
    }
}

fn cpu_ratio(reference: &Sample, daemon: &Sample) -> f64 {
    daemon.client_cpu.as_secs_f64() / reference.client_cpu.as_secs_f64()
}

// ===== the daemon =====

fn cold(ports: u32) -> Sample {
    let mut site = Site::loaded(ports);
    site.daemon.kill();
    site.tors[0].restart(Contents::Factory);
    let server = usage::cpu(site.tor().pid());
    let begun = SystemTime::now();
    site.daemon.start();
    site.rest = site.daemon.rest();
    site.wait_loaded(ports);
    let wall = site.committed().duration_since(begun).unwrap_or_default();
    let pid = site.pid();
    let server_cpu = usage::cpu(site.tor().pid()).saturating_sub(server);
    Sample { wall, client_cpu: usage::cpu(pid), server_cpu, peak_kib: usage::peak_kib(pid) }
}

fn one_by_one(ports: u32) -> Sample {
    let mut site = Site::loaded(ports);
    let mut observer = site.observer();
    let mut kept = Kept::open(site.rest.clone()).expect("the API listens");
    let meter = site.meter();
    let wall = median(|i| {
        let body = json!({"port": site.port(ports + i)});
        assert_eq!(kept.call("POST", "/v2.0/ports", &body).expect("an answer").status, 201);
        assert!(observer.changed(Instant::now() + PATIENCE), "the row never came");
    });
    Sample { wall, ..site.sample(&meter) }
}

fn median(mut change: impl FnMut(u32)) -> Duration {
    let mut times: Vec<Duration> = (0..CHANGES)
        .map(|i| {
            let begun = Instant::now();
            change(i);
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

// ===== OVN =====

struct Ovn {
    ports: u32,
    controller: Option<Process>,
    tor: Tor,
    southbound: Southbound,
}

/// The southbound database.
struct Southbound {
    _server: Process,
    rpc: Rpc,
    /// Datapath_Binding and Chassis: `["uuid", …]`.
    datapaths: Vec<Value>,
    chassis: Vec<Value>,
    socket: PathBuf,
    scratch: Scratch,
}

impl Ovn {
    fn new(ports: u32) -> Self {
        let datapaths = ports.div_ceil(OF_ONE);
        let tor = Tor::start("t", "192.0.2.1");
        // What its operator does: a Logical_Switch and a binding for each network.
        let database = format!("--db=unix:{}", tor.socket().display());
        for i in 0..datapaths {
            let (switch, vlan) = (format!("ls{i}"), (50 + i).to_string());
            run("vtep-ctl", &[&database, "add-ls", &switch, "--", "bind-ls", "t", "Ethernet40", &vlan, &switch]);
        }
        let mut southbound = Southbound::start();
        southbound.fill(datapaths, ports);
        Self { ports, controller: None, tor, southbound }
    }

    fn cold(&mut self) -> Sample {
        let log = self.southbound.scratch.join("controller.log");
        let args = [
            format!("--vtep-db=unix:{}", self.tor.socket().display()),
            format!("--ovnsb-db=unix:{}", self.southbound.socket.display()),
            "-vsyslog:off".to_owned(),
            "-vconsole:warn".to_owned(),
        ];
        let server = usage::cpu(self.tor.pid());
        let begun = SystemTime::now();
        // Its control socket has no option of its own.
        let home = self.southbound.scratch.path().display().to_string();
        let controller = Process::start(CONTROLLER, &args, &[("OVN_RUNDIR", &home)], &log);
        let deadline = Instant::now() + PATIENCE;
        let wall = loop {
            let written = fs::metadata(self.tor.file()).and_then(|file| file.modified()).expect("the database's file");
            if written > begun && written.elapsed().unwrap_or_default() > SETTLED {
                break written.duration_since(begun).unwrap_or_default();
            }
            assert!(Instant::now() < deadline, "{CONTROLLER}: {}", fs::read_to_string(&log).unwrap_or_default());
            thread::sleep(Duration::from_millis(50));
        };
        assert_eq!(self.tor.rpc().count("Ucast_Macs_Remote"), self.ports as usize, "{CONTROLLER} wrote something else");
        let pid = controller.pid();
        self.controller = Some(controller);
        let server_cpu = usage::cpu(self.tor.pid()).saturating_sub(server);
        Sample { wall, client_cpu: usage::cpu(pid), server_cpu, peak_kib: usage::peak_kib(pid) }
    }

    fn one_by_one(&mut self) -> Sample {
        let pid = self.controller.as_ref().expect("it runs").pid();
        let (client, server) = (usage::cpu(pid), usage::cpu(self.tor.pid()));
        let mut observer = self.tor.rpc();
        observer.monitor(&["Ucast_Macs_Remote"]);
        let (southbound, ports) = (&mut self.southbound, self.ports);
        let wall = median(|i| {
            let port = southbound.port(ports + i, 0, OF_ONE + i);
            southbound.transact(&[port]);
            assert!(observer.changed(Instant::now() + PATIENCE), "the row never came");
        });
        Sample {
            wall,
            client_cpu: usage::cpu(pid).saturating_sub(client),
            server_cpu: usage::cpu(self.tor.pid()).saturating_sub(server),
            peak_kib: usage::peak_kib(pid),
        }
    }
}

impl Southbound {
    fn start() -> Self {
        let scratch = Scratch::new();
        let (file, socket) = (scratch.join("sb.db"), scratch.join("sb.sock"));
        run("ovsdb-tool", &["create".as_ref(), file.as_os_str(), SCHEMA.as_ref()]);
        let args = [
            file.display().to_string(),
            format!("--remote=punix:{}", socket.display()),
            format!("--unixctl={}", scratch.join("sbctl").display()),
            "--no-chdir".to_owned(),
            "-vsyslog:off".to_owned(),
        ];
        let server = Process::start("ovsdb-server", &args, &[], &scratch.join("sb.log"));
        let rpc = eventually("the southbound database", PATIENCE, || Rpc::connect(&socket).map_err(|e| e.to_string()));
        Self { _server: server, rpc, datapaths: Vec::new(), chassis: Vec::new(), socket, scratch }
    }

    fn transact(&mut self, operations: &[Value]) -> Value {
        let mut params = vec![json!(DB)];
        params.extend_from_slice(operations);
        let results = self.rpc.call("transact", &Value::Array(params));
        let failed = results.as_array().into_iter().flatten().find(|result| result.get("error").is_some());
        assert_eq!(failed, None);
        results
    }

    fn fill(&mut self, datapaths: u32, ports: u32) {
        let mut operations = Vec::new();
        for i in 0..datapaths {
            operations.push(json!({"op": "insert", "table": "Datapath_Binding", "row": {"tunnel_key": 5000 + i}}));
        }
        for i in 0..2 {
            let (name, encap) = (format!("compute-{i}"), format!("encap{i}"));
            let row = json!({"type": "vxlan", "ip": format!("198.51.100.{}", 11 + i), "chassis_name": name});
            operations.push(json!({"op": "insert", "table": "Encap", "uuid-name": encap, "row": row}));
            let row = json!({"name": name, "hostname": name, "encaps": ["named-uuid", encap]});
            operations.push(json!({"op": "insert", "table": "Chassis", "row": row}));
        }
        let results = self.transact(&operations);
        let made = |at: u32| results[at as usize]["uuid"].clone();
        self.datapaths = (0..datapaths).map(made).collect();
        self.chassis = vec![made(datapaths + 1), made(datapaths + 3)];
        let gateways: Vec<Value> = (0..datapaths)
            .map(|i| {
                let options =
                    json!(["map", [["vtep-physical-switch", "t"], ["vtep-logical-switch", format!("ls{i}")]]]);
                let row = json!({"logical_port": format!("gateway{i}"), "type": "vtep", "options": options,
                                 "tunnel_key": 32_000, "datapath": self.datapaths[i as usize]});
                json!({"op": "insert", "table": "Port_Binding", "row": row})
            })
            .collect();
        self.transact(&gateways);
        let rows: Vec<Value> = (0..ports).map(|i| self.port(i, i / OF_ONE, i % OF_ONE)).collect();
        rows.chunks(5_000).for_each(|rows| drop(self.transact(rows)));
    }

    fn port(&self, i: u32, datapath: u32, key: u32) -> Value {
        let row = json!({"logical_port": format!("p{i}"), "tunnel_key": key + 1, "mac": format!("{} {}", mac(i), ip(i)),
                         "datapath": self.datapaths[datapath as usize], "chassis": self.chassis[(i % 2) as usize]});
        json!({"op": "insert", "table": "Port_Binding", "row": row})
    }
}
