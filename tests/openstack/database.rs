//! Database servers of a test's own: on a Unix socket in its scratch directory, gone with it.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::chown,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{
    PATIENCE, eventually,
    process::{Process, Scratch, run},
};

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    MariaDb,
    PostgreSql,
}

/// A server with one database, `neutron`.
#[derive(Debug)]
pub(crate) struct Server {
    kind: Kind,
    process: Option<Process>,
    scratch: Scratch,
}

fn is_root() -> bool {
    run("id", &["-u"]).trim() == "0"
}

/// The first directory of PostgreSQL's programs, which lie beside the path on Debian.
fn postgres_program(name: &str) -> String {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let mut found: Vec<_> = versions.map(|entry| entry.expect("a version").path().join("bin").join(name)).collect();
    found.sort();
    found.pop().expect("a version of PostgreSQL").display().to_string()
}

/// Runs as `postgres` where we are root, which PostgreSQL refuses.
fn as_postgres(program: &str, args: &[&str]) -> Vec<String> {
    // The change of user makes the kernel forget who has to die with us: it is told again.
    let privileges = ["setpriv", "--pdeathsig=KILL", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"];
    let privileges = if is_root() { privileges.as_slice() } else { &[] };
    privileges.iter().copied().chain([program]).chain(args.iter().copied()).map(str::to_owned).collect()
}

impl Server {
    /// Starts it with the schema of `target/openstack/<schema>`.
    pub(crate) fn start(kind: Kind, schema: &str) -> Self {
        let mut server = Self { kind, process: None, scratch: Scratch::new() };
        let data = server.scratch.join("data").display().to_string();
        match kind {
            Kind::MariaDb => {
                let datadir = format!("--datadir={data}");
                let mut args = vec!["--no-defaults", datadir.as_str(), "--auth-root-authentication-method=normal"];
                // A starting server deletes what others have left in theirs.
                let tmpdir = format!("--tmpdir={}", server.scratch.path().display());
                args.extend(["--skip-test-db", tmpdir.as_str()]);
                if is_root() {
                    args.push("--user=root");
                }
                run("mariadb-install-db", &args);
            }
            Kind::PostgreSql => {
                if is_root() {
                    let postgres: u32 = run("id", &["-u", "postgres"]).trim().parse().expect("a number");
                    chown(server.scratch.path(), Some(postgres), None).expect("the directory is given away");
                }
                let command = as_postgres(&postgres_program("initdb"), &["-D", &data, "-A", "trust", "-U", "postgres"]);
                run(&command[0], &command[1..]);
            }
        }
        server.resume();
        let create = match kind {
            Kind::MariaDb => "CREATE DATABASE neutron CHARACTER SET utf8mb3",
            Kind::PostgreSql => "CREATE DATABASE neutron",
        };
        server.client(None, create.as_bytes()).expect("the database is created");
        let dump = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/openstack").join(schema);
        let dump = fs::read(&dump).unwrap_or_else(|e| panic!("{}: {e}: run tests/run.sh openstack", dump.display()));
        server.client(Some("neutron"), &dump).expect("the schema is loaded");
        server
    }

    /// Starts it (again), and waits until it answers.
    pub(crate) fn resume(&mut self) {
        let (data, log) = (self.scratch.join("data").display().to_string(), self.scratch.join("server.log"));
        let socket = self.scratch.join("my.sock").display().to_string();
        let command = match self.kind {
            Kind::MariaDb => {
                let mut args = vec!["mariadbd".to_owned(), "--no-defaults".to_owned(), "--skip-networking".to_owned()];
                // A commit must survive that the server is killed.
                args.push("--innodb-flush-log-at-trx-commit=2".to_owned());
                let tmpdir = format!("--tmpdir={}", self.scratch.path().display());
                args.extend([format!("--datadir={data}"), format!("--socket={socket}"), tmpdir]);
                if is_root() {
                    args.push("--user=root".to_owned());
                }
                args
            }
            Kind::PostgreSql => {
                let directory = self.scratch.path().display().to_string();
                let args = ["-D", &data, "-k", &directory, "-c", "listen_addresses=", "-c", "fsync=off"];
                as_postgres(&postgres_program("postgres"), &args)
            }
        };
        self.process = Some(Process::start(&command[0], &command[1..], &[], &log));
        eventually("the database server", PATIENCE * 3, || self.client(None, b"SELECT 1"));
    }

    /// Kills it.
    pub(crate) fn stop(&mut self) {
        self.process = None;
        if self.kind == Kind::PostgreSql {
            // Its children notice by themselves; the next start waits for their end.
            let _ = fs::remove_file(self.scratch.join("data/postmaster.pid"));
        }
    }

    /// `connection` of `[source]`, as Neutron writes it.
    pub(crate) fn url(&self) -> String {
        let directory = self.scratch.path().display();
        match self.kind {
            Kind::MariaDb => {
                format!("mysql+pymysql://root@localhost/neutron?unix_socket={directory}/my.sock&charset=utf8")
            }
            Kind::PostgreSql => format!("postgresql+psycopg2://postgres@/neutron?host={directory}"),
        }
    }

    /// Runs statements in one transaction.
    #[track_caller]
    pub(crate) fn sql(&self, statements: &str) {
        let text = format!("BEGIN;\n{statements};\nCOMMIT;\n");
        if let Err(error) = self.client(Some("neutron"), text.as_bytes()) {
            panic!("{error}:\n{statements}");
        }
    }

    /// What Neutron calls now: UTC, in whole seconds.
    pub(crate) fn now(&self) -> &'static str {
        match self.kind {
            Kind::MariaDb => "UTC_TIMESTAMP()",
            Kind::PostgreSql => "DATE_TRUNC('second', NOW() AT TIME ZONE 'UTC')",
        }
    }

    fn client(&self, database: Option<&str>, input: &[u8]) -> Result<(), String> {
        let mut command = match self.kind {
            Kind::MariaDb => {
                let mut command = Command::new("mariadb");
                let socket = format!("--socket={}", self.scratch.join("my.sock").display());
                command.args(["--no-defaults", &socket, "-u", "root"]).args(database);
                command
            }
            Kind::PostgreSql => {
                let mut command = Command::new("psql");
                command.args(["-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"]).arg(self.scratch.path());
                command.arg(database.unwrap_or("postgres"));
                command
            }
        };
        let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("the database's client can't be run: {e}"))?;
        // Where it ends early, its words say why.
        let _ = child.stdin.take().expect("its input").write_all(input);
        let output = child.wait_with_output().map_err(|e| e.to_string())?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }
}
