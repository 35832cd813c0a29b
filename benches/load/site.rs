//! A switch or many, a daemon, a network with two compute nodes.

use std::{
    fs,
    net::Ipv4Addr,
    time::{Duration, Instant, SystemTime},
};

use serde_json::{Value, json};

use crate::{
    support::{
        daemon::{Daemon, Home},
        eventually,
        rest::Rest,
        rpc::Rpc,
        tor::{Contents, Tor},
    },
    table::Sample,
    usage,
};

/// Ports of one bulk call.
const BULK: u32 = 20_000;
/// The daemon may be a debug build on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);
/// The VLAN of all connections.
const VLAN: u16 = 50;

pub(crate) struct Site {
    pub(crate) daemon: Daemon,
    pub(crate) rest: Rest,
    pub(crate) network: String,
    /// One a switch, once connected.
    pub(crate) connections: Vec<String>,
    gateways: Vec<String>,
    pub(crate) tors: Vec<Tor>,
}

/// CPU of the daemon and of all servers when something begins.
pub(crate) struct Meter {
    client: Duration,
    server: Duration,
    begun: Instant,
}

impl Site {
    /// The switches are called t0, t1, …
    pub(crate) fn new(switches: usize) -> Self {
        let tors: Vec<Tor> =
            (0..switches).map(|i| Tor::start(&format!("t{i}"), &format!("192.0.2.{}", i + 1))).collect();
        let home = tors.iter().fold(Home::new(), Home::tor);
        let daemon = home.start();
        let rest = daemon.rest();
        rest.endpoint("compute-0", "198.51.100.11");
        rest.endpoint("compute-1", "198.51.100.12");
        let network = rest.network("n");
        let gateways = tors.iter().map(|tor| rest.gateway(tor.name(), &[(tor.name(), &["Ethernet40"])])).collect();
        for tor in &tors {
            rest.wait_switch(tor.name(), "it is up", |now| now["session"]["state"] == "up");
        }
        Self { daemon, rest, network, connections: Vec::new(), gateways, tors }
    }

    /// One switch with this many rows, all right.
    pub(crate) fn loaded(rows: u32) -> Self {
        let mut site = Self::new(1);
        site.create_ports(0, rows);
        site.connect();
        site.wait_loaded(rows);
        site
    }

    pub(crate) fn tor(&self) -> &Tor {
        &self.tors[0]
    }

    pub(crate) fn pid(&mut self) -> u32 {
        self.daemon.process().pid()
    }

    pub(crate) fn port(&self, i: u32) -> Value {
        json!({"network_id": self.network, "mac_address": mac(i), "binding:host_id": format!("compute-{}", i % 2),
               "fixed_ips": [{"ip_address": ip(i).to_string()}]})
    }

    pub(crate) fn create_ports(&self, from: u32, count: u32) {
        let end = from + count;
        for first in (from..end).step_by(BULK as usize) {
            let ports: Vec<Value> = (first..end.min(first + BULK)).map(|i| self.port(i)).collect();
            self.rest.post("/v2.0/ports", &json!({"ports": ports})).expect(201);
        }
    }

    /// Connects every gateway to the network.
    pub(crate) fn connect(&mut self) {
        let connect = |gateway: &String| self.rest.connect(gateway, &self.network, VLAN);
        self.connections = self.gateways.iter().map(connect).collect();
    }

    /// Waits until the daemon says of all connections that all is there, and makes sure of it.
    pub(crate) fn wait_loaded(&self, rows: u32) {
        for (connection, tor) in self.connections.iter().zip(&self.tors) {
            eventually("the load", PATIENCE, || {
                let status = self.rest.status(connection);
                let (desired, actual) = (&status["switches"][0]["rows_desired"], &status["switches"][0]["rows_actual"]);
                let whole = status["status"] == "active" && desired == actual;
                if whole && desired.as_u64() >= Some(rows.into()) { Ok(()) } else { Err(status.to_string()) }
            });
            assert_eq!(tor.rpc().count("Ucast_Macs_Remote"), rows as usize);
        }
    }

    /// When the switch's database was last written to: the commit of its last row. To look at a busy server would slow it
    /// down.
    pub(crate) fn committed(&self) -> SystemTime {
        fs::metadata(self.tor().file()).and_then(|file| file.modified()).expect("the database's file")
    }

    pub(crate) fn meter(&mut self) -> Meter {
        usage::forget_peak(self.pid());
        let client = usage::cpu(self.pid());
        let server = self.tors.iter().map(|tor| usage::cpu(tor.pid())).sum();
        Meter { client, server, begun: Instant::now() }
    }

    /// What was used since; the wall time too, unless it is overwritten.
    pub(crate) fn sample(&mut self, meter: &Meter) -> Sample {
        let wall = meter.begun.elapsed();
        let server: Duration = self.tors.iter().map(|tor| usage::cpu(tor.pid())).sum();
        let pid = self.pid();
        Sample {
            wall,
            client_cpu: usage::cpu(pid).saturating_sub(meter.client),
            server_cpu: server.saturating_sub(meter.server),
            peak_kib: usage::peak_kib(pid),
        }
    }

    /// Waits until the daemon has said once more that a session is up, of which it had said so `before` times, and then until
    /// the first connection is as it should be. Not by asking all the time: that would cost it more than what it does.
    pub(crate) fn wait_synchronised(&mut self, before: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.sessions() == before {
            assert!(Instant::now() < deadline, "no session");
            std::thread::sleep(Duration::from_millis(2));
        }
        self.rest = self.daemon.rest();
        self.wait_active();
    }

    /// How often the daemon has said that a session is up.
    pub(crate) fn sessions(&self) -> usize {
        self.daemon.home.log().matches("the session is up").count()
    }

    /// Waits until the first connection is as it should be.
    pub(crate) fn wait_active(&self) {
        let path = format!("/v2/l2-gateway-connections/{}/status", self.connections[0]);
        eventually("the connection is active", PATIENCE, || {
            let status = self.rest.get(&path).expect(200);
            if status["status"] == "active" { Ok(()) } else { Err(status.to_string()) }
        });
    }

    /// A server that has just read its file, as it would after a reboot of the switch: without what the load left behind.
    pub(crate) fn restart_server(&mut self) {
        self.tors[0].restart(Contents::Kept);
    }

    /// One that is told of each change of the table.
    pub(crate) fn observer(&self) -> Rpc {
        let mut observer = self.tor().rpc();
        observer.monitor(&["Ucast_Macs_Remote"]);
        observer
    }
}

pub(crate) fn mac(i: u32) -> String {
    let [_, a, b, c] = i.to_be_bytes();
    format!("fa:16:3f:{a:02x}:{b:02x}:{c:02x}")
}

pub(crate) fn ip(i: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a80_0000 + i)
}
