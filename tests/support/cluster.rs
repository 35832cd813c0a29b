//! A switch database as a RAFT cluster of three ovsdb-servers, and an OVSDB relay in front of a server.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
};

use super::{
    PATIENCE, eventually,
    process::{Process, Scratch, run},
    rpc::Rpc,
    tor::SCHEMA,
};

/// Members of a cluster.
pub(crate) const MEMBERS: usize = 3;

#[derive(Debug)]
pub(crate) struct Cluster {
    members: Vec<Option<Process>>,
    // Dropped last: the servers' files lie in it.
    scratch: Scratch,
}

impl Cluster {
    /// Three members with one leader, and an empty database.
    pub(crate) fn start() -> Self {
        let scratch = Scratch::new();
        let path = |name: String| scratch.join(name).display().to_string();
        let raft = |i: usize| format!("unix:{}", path(format!("{i}.raft")));
        run("ovsdb-tool", &["create-cluster", &path("0.db".to_owned()), SCHEMA, &raft(0)]);
        for i in 1..MEMBERS {
            run("ovsdb-tool", &["join-cluster", &path(format!("{i}.db")), "hardware_vtep", &raft(i), &raft(0)]);
        }
        let members = (0..MEMBERS).map(|i| Some(serve(&scratch, i, &path(format!("{i}.db"))))).collect();
        let cluster = Self { members, scratch };
        cluster.wait_leader();
        for i in 0..MEMBERS {
            eventually("a member that joined", PATIENCE, || match cluster.says(i, "connected") {
                Some(true) => Ok(()),
                says => Err(format!("member {i}: {says:?}")),
            });
        }
        cluster
    }

    pub(crate) fn socket(&self, member: usize) -> PathBuf {
        socket(&self.scratch, member)
    }

    /// Has member N listen at 127.0.0.(N + 1) too, all of them at the port that is returned.
    pub(crate) fn listen(&self) -> u16 {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        for member in 0..MEMBERS {
            let control = self.scratch.join(format!("{member}.ctl")).display().to_string();
            let target = format!("ptcp:{port}:127.0.0.{}", member + 1);
            run("ovs-appctl", &["-t", &control, "ovsdb-server/add-remote", &target]);
        }
        port
    }

    /// Waits until there is a leader, and says which.
    pub(crate) fn wait_leader(&self) -> usize {
        eventually("a leader", PATIENCE, || {
            let leads = |i: &usize| self.members[*i].is_some() && self.says(*i, "leader") == Some(true);
            (0..MEMBERS).find(leads).ok_or_else(|| "none".to_owned())
        })
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, member: usize) {
        self.members[member] = None;
    }

    pub(crate) fn rpc(&self, member: usize) -> Rpc {
        Rpc::connect(&self.socket(member)).expect("the server listens")
    }

    /// A column of the row that `_Server` has of the database.
    fn says(&self, member: usize, column: &str) -> Option<bool> {
        let mut rpc = Rpc::connect(&self.socket(member)).ok()?;
        let select =
            serde_json::json!({"op": "select", "table": "Database", "where": [["name", "==", "hardware_vtep"]]});
        let reply = rpc.call("transact", &serde_json::json!(["_Server", select]));
        reply[0]["rows"][0][column].as_bool()
    }
}

/// An OVSDB relay in front of a server.
#[derive(Debug)]
pub(crate) struct Relay {
    _server: Process,
    scratch: Scratch,
}

impl Relay {
    pub(crate) fn to(server: &Path) -> Self {
        let scratch = Scratch::new();
        let source = format!("relay:hardware_vtep:unix:{}", server.display());
        let relay = Self { _server: serve(&scratch, 0, &source), scratch };
        eventually("a relay that is connected", PATIENCE, || {
            let mut rpc = Rpc::connect(&relay.socket()).map_err(|error| error.to_string())?;
            let select =
                serde_json::json!({"op": "select", "table": "Database", "where": [["name", "==", "hardware_vtep"]]});
            let reply = rpc.call("transact", &serde_json::json!(["_Server", select]));
            if reply[0]["rows"][0]["connected"] == true { Ok(()) } else { Err(reply.to_string()) }
        });
        relay
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket(&self.scratch, 0)
    }
}

fn socket(scratch: &Scratch, member: usize) -> PathBuf {
    scratch.join(format!("{member}.sock"))
}

fn serve(scratch: &Scratch, member: usize, database: &str) -> Process {
    let log = scratch.join(format!("{member}.log"));
    let args = [
        database.to_owned(),
        format!("--remote=punix:{}", socket(scratch, member).display()),
        format!("--unixctl={}", scratch.join(format!("{member}.ctl")).display()),
        "--no-chdir".to_owned(),
        "-vconsole:info".to_owned(),
        "-vsyslog:off".to_owned(),
    ];
    let server = Process::start("ovsdb-server", &args, &[], &log);
    eventually("an ovsdb-server", PATIENCE, || {
        Rpc::connect(&socket(scratch, member)).map(drop).map_err(|error| error.to_string())
    });
    server
}
