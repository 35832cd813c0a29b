//! An emulated top-of-rack switch: a real ovsdb-server with the hardware_vtep schema, and the rows that a switch
//! itself writes.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    PATIENCE,
    clock::Clock,
    dump::Dump,
    eventually,
    pki::Identity509,
    process::{Process, Scratch, run},
    rpc::Rpc,
};

/// The schema of Debian's openvswitch-vtep.
pub(crate) const SCHEMA: &str = "/usr/share/openvswitch/vtep.ovsschema";

/// A Physical_Switch: name, tunnel IP, ports.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) tunnel_ip: String,
    pub(crate) ports: Vec<String>,
}

/// What the database holds after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contents {
    /// What it held before.
    Kept,
    /// What a switch fresh from the factory says of itself.
    Factory,
}

#[derive(Debug)]
pub(crate) struct Tor {
    server: Option<Process>,
    identities: Vec<Identity>,
    schema: PathBuf,
    host: &'static str,
    port: u16,
    tls: Option<Identity509>,
    env: Vec<(&'static str, String)>,
    // Dropped last: the server's files lie in it.
    scratch: Scratch,
}

impl Tor {
    /// A switch with the ports Ethernet40 and Ethernet41.
    pub(crate) fn start(name: &str, tunnel_ip: &str) -> Self {
        Self::start_with(&[(name, tunnel_ip)], |schema| schema, "127.0.0.1")
    }

    /// A switch that listens with TLS alone, and wants to see a certificate of this CA.
    pub(crate) fn with_tls(name: &str, tunnel_ip: &str, identity: &Identity509) -> Self {
        Self::build(&[(name, tunnel_ip)], |schema| schema, "127.0.0.1", Some(identity.clone()), Vec::new())
    }

    /// A switch that goes by a clock of its own.
    pub(crate) fn with_clock(name: &str, tunnel_ip: &str, clock: &Clock) -> Self {
        Self::build(&[(name, tunnel_ip)], |schema| schema, "127.0.0.1", None, clock.env())
    }

    /// Several Physical_Switches behind one server (as Arista CVX has them).
    pub(crate) fn shared(identities: &[(&str, &str)]) -> Self {
        Self::start_with(identities, |schema| schema, "127.0.0.1")
    }

    /// A switch whose schema is another one: older, or stricter.
    pub(crate) fn with_schema(name: &str, tunnel_ip: &str, change: impl FnOnce(Value) -> Value) -> Self {
        Self::start_with(&[(name, tunnel_ip)], change, "127.0.0.1")
    }

    /// A switch that listens on the loopback address of IPv6.
    pub(crate) fn on_ipv6(name: &str, tunnel_ip: &str) -> Self {
        Self::start_with(&[(name, tunnel_ip)], |schema| schema, "[::1]")
    }

    fn start_with(identities: &[(&str, &str)], change: impl FnOnce(Value) -> Value, host: &'static str) -> Self {
        Self::build(identities, change, host, None, Vec::new())
    }

    fn build(
        identities: &[(&str, &str)],
        change: impl FnOnce(Value) -> Value,
        host: &'static str,
        tls: Option<Identity509>,
        env: Vec<(&'static str, String)>,
    ) -> Self {
        let scratch = Scratch::new();
        let text = fs::read_to_string(SCHEMA).expect("openvswitch-vtep is installed");
        let schema = change(serde_json::from_str(&text).expect("the schema is JSON"));
        let path = scratch.join("vtep.ovsschema");
        fs::write(&path, schema.to_string()).expect("the schema is written");
        let identities = identities
            .iter()
            .map(|(name, tunnel_ip)| Identity {
                name: (*name).to_owned(),
                tunnel_ip: (*tunnel_ip).to_owned(),
                ports: vec!["Ethernet40".to_owned(), "Ethernet41".to_owned()],
            })
            .collect();
        let mut tor = Self { server: None, identities, schema: path, host, port: 0, tls, env, scratch };
        tor.create();
        tor.boot();
        tor.introduce();
        tor
    }

    /// The name of the (first) Physical_Switch.
    pub(crate) fn name(&self) -> &str {
        &self.identities[0].name
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.identities.iter().map(|identity| identity.name.as_str())
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.scratch.join("db.sock")
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.scratch.join("vtep.db")
    }

    /// TCP port, the same after a restart.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Address without brackets, as plumgrid.ini has it.
    pub(crate) fn host(&self) -> &str {
        self.host.trim_matches(['[', ']'])
    }

    /// Listens on all addresses too; the port.
    pub(crate) fn everywhere(&self) -> u16 {
        let free =
            TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr()).expect("a free port").port();
        self.appctl(&["ovsdb-server/add-remote", &format!("ptcp:{free}:0.0.0.0")]);
        free
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.as_ref().expect("the server runs").pid()
    }

    fn create(&self) {
        let _ = fs::remove_file(self.file());
        run("ovsdb-tool", &["create".as_ref(), self.file().as_os_str(), self.schema.as_os_str()]);
    }

    fn boot(&mut self) {
        let log = self.scratch.join("ovsdb.log");
        let _ = fs::remove_file(&log);
        let _ = fs::remove_file(self.socket());
        let method = if self.tls.is_some() { "pssl" } else { "ptcp" };
        let mut args = vec![
            self.file().display().to_string(),
            format!("--remote=punix:{}", self.socket().display()),
            format!("--remote={method}:{}:{}", self.port, self.host),
            format!("--unixctl={}", self.scratch.join("ctl").display()),
            "--no-chdir".to_owned(),
            "-vconsole:info".to_owned(),
            "-vsyslog:off".to_owned(),
        ];
        if let Some(Identity509 { key, certificate, ca }) = &self.tls {
            args.push(format!("--private-key={}", key.display()));
            args.push(format!("--certificate={}", certificate.display()));
            args.push(format!("--ca-cert={}", ca.display()));
        }
        let env: Vec<_> = self.env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.server = Some(Process::start("ovsdb-server", &args, &env, &log));
        self.port = eventually("ovsdb-server's start", PATIENCE, || {
            let text = fs::read_to_string(&log).map_err(|e| e.to_string())?;
            let port = if self.port == 0 { port_in_log(&text) } else { Some(self.port) };
            let reachable = Rpc::connect(&self.socket()).is_ok();
            if let (Some(port), true) = (port, reachable) { Ok(port) } else { Err(text) }
        });
    }

    /// Writes what a switch says of itself: Global, Physical_Switch, Physical_Port.
    fn introduce(&self) {
        let mut operations = Vec::new();
        let mut switches = Vec::new();
        for (i, identity) in self.identities.iter().enumerate() {
            let mut ports = Vec::new();
            for (j, port) in identity.ports.iter().enumerate() {
                let name = format!("port_{i}_{j}");
                operations
                    .push(json!({"op": "insert", "table": "Physical_Port", "row": {"name": port}, "uuid-name": name}));
                ports.push(json!(["named-uuid", name]));
            }
            let row = json!({"name": identity.name, "tunnel_ips": identity.tunnel_ip,
                             "management_ips": self.host(), "ports": ["set", ports]});
            let name = format!("switch_{i}");
            operations.push(json!({"op": "insert", "table": "Physical_Switch", "row": row, "uuid-name": name}));
            switches.push(json!(["named-uuid", name]));
        }
        operations.push(json!({"op": "insert", "table": "Global", "row": {"switches": ["set", switches]}}));
        self.rpc().transact(&operations);
    }

    /// Dials somebody who listens, as `ovs-vsctl set-manager` would make it: `tcp:127.0.0.1:6640`.
    pub(crate) fn dial(&self, target: &str) {
        self.appctl(&["ovsdb-server/add-remote", target]);
    }

    pub(crate) fn hang_up(&self, target: &str) {
        self.appctl(&["ovsdb-server/remove-remote", target]);
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.scratch.join("ovsdb.log")).unwrap_or_default()
    }

    /// Has the server write something into its log.
    pub(crate) fn log_a_line(&self) {
        let before = self.log().len();
        self.appctl(&["vlog/set", "console:dbg"]);
        eventually("a line of the server's log", PATIENCE, || {
            // What it does with this is a line.
            self.rpc().call("echo", &json!([]));
            if self.log().len() > before { Ok(()) } else { Err("nothing".to_owned()) }
        });
        self.appctl(&["vlog/set", "console:info"]);
    }

    /// ovs-appctl on this server.
    pub(crate) fn appctl(&self, args: &[&str]) {
        let target = self.scratch.join("ctl").display().to_string();
        let mut all = vec!["-t", target.as_str()];
        all.extend_from_slice(args);
        run("ovs-appctl", &all);
    }

    /// SIGKILL, as a power cut would be.
    pub(crate) fn kill(&mut self) {
        self.server = None;
    }

    /// Starts the server again, at the same addresses.
    pub(crate) fn restart(&mut self, contents: Contents) {
        self.kill();
        if contents == Contents::Factory {
            self.create();
        }
        self.boot();
        if contents == Contents::Factory {
            self.introduce();
        }
    }

    /// Freezes the server: connections stay open, and nothing is answered.
    pub(crate) fn freeze(&self) {
        self.server.as_ref().expect("the server runs").signal("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.server.as_ref().expect("the server runs").signal("CONT");
    }

    /// A connection of the test's own.
    pub(crate) fn rpc(&self) -> Rpc {
        Rpc::connect(&self.socket()).expect("the server listens")
    }

    /// Operations in one transaction, as another controller, or an operator, would send them.
    pub(crate) fn transact(&self, operations: &[Value]) -> Vec<Value> {
        self.rpc().transact(operations)
    }

    /// vtep-ctl on this switch's database; stdout, trimmed.
    pub(crate) fn vtep_ctl(&self, args: &[&str]) -> String {
        let db = format!("--db=unix:{}", self.socket().display());
        let mut all = vec![db.as_str(), "--timeout=10"];
        all.extend_from_slice(args);
        run("vtep-ctl", &all).trim().to_owned()
    }

    /// ovsdb-client's words for the same file.
    pub(crate) fn ovsdb_client(&self, command: &str, args: &[&str]) -> String {
        let target = format!("unix:{}", self.socket().display());
        let mut all = vec![command, target.as_str()];
        all.extend_from_slice(args);
        run("ovsdb-client", &all)
    }

    pub(crate) fn dump(&self) -> Dump {
        Dump::read(&mut self.rpc())
    }

    /// Waits until the database is as `good` wants it: looks again whenever the server reports a change.
    pub(crate) fn wait(&self, what: &str, good: impl Fn(&Dump) -> bool) -> Dump {
        self.wait_within(what, PATIENCE, good)
    }

    /// # Panics
    /// At the deadline, with what the database holds then.
    pub(crate) fn wait_within(&self, what: &str, timeout: Duration, good: impl Fn(&Dump) -> bool) -> Dump {
        let deadline = Instant::now() + timeout;
        let mut rpc = self.rpc();
        rpc.monitor(&[
            "Physical_Switch",
            "Physical_Port",
            "Logical_Switch",
            "Ucast_Macs_Remote",
            "Mcast_Macs_Remote",
            "Physical_Locator_Set",
            "Physical_Locator",
        ]);
        loop {
            let dump = Dump::read(&mut rpc);
            if good(&dump) {
                return dump;
            }
            assert!(rpc.changed(deadline), "{}: {what}: not within {timeout:?}; it holds {:#?}", self.name(), dump.0);
        }
    }

    /// Waits until a table has this many rows: for tables too large to be dumped at each change.
    pub(crate) fn wait_rows(&self, table: &str, rows: usize, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let mut rpc = self.rpc();
        rpc.monitor(&[table]);
        loop {
            let count = rpc.count(table);
            if count == rows {
                return;
            }
            assert!(rpc.changed(deadline), "{}: {count} rows in {table}, not {rows}, after {timeout:?}", self.name());
        }
    }

    /// The switch has learned a MAC on its ports (`Ucast_Macs_Local`), behind its own VTEP.
    pub(crate) fn learn(&self, logical_switch: &str, mac: &str, ip: &str) {
        let vtep = self.identities[0].tunnel_ip.clone();
        self.vtep_ctl(&["add-ucast-local", logical_switch, mac, &vtep]);
        if !ip.is_empty() {
            self.transact(&[json!({"op": "update", "table": "Ucast_Macs_Local", "where": [["MAC", "==", mac]],
                                   "row": {"ipaddr": ip}})]);
        }
    }

    /// It has forgotten it.
    pub(crate) fn unlearn(&self, logical_switch: &str, mac: &str) {
        self.vtep_ctl(&["del-ucast-local", logical_switch, mac]);
    }

    pub(crate) fn path(&self) -> &Path {
        self.scratch.path()
    }
}

fn port_in_log(log: &str) -> Option<u16> {
    let (_, tail) = log.split_once("listening on port ")?;
    tail.split_whitespace().next()?.parse().ok()
}
