//! Runs `l2gw`, and the scene that most tests begin with.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::support::{
    PATIENCE,
    daemon::{Daemon, Home},
    eventually,
    tor::Tor,
};

pub(crate) const L2GW: &str = env!("CARGO_BIN_EXE_l2gw");

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// # Panics
    /// Where it ended otherwise.
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Standard output, a line of names each.
    pub(crate) fn name(&self) -> String {
        self.out.trim().to_owned()
    }
}

/// `l2gw` without a daemon.
pub(crate) fn alone(args: &[&str]) -> Said {
    said(Command::new(L2GW).args(args))
}

fn said(command: &mut Command) -> Said {
    let output = command.env_remove("NO_COLOR").stdin(Stdio::null()).output().expect("l2gw runs");
    Said {
        code: output.status.code().expect("it ends by itself"),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Machines of [`Scene::furnished`]: MAC and IP.
pub(crate) const MACHINES: [(&str, &str); 2] = [("fa:16:3e:00:00:01", "10.0.0.11"), ("fa:16:3e:00:00:02", "10.0.0.12")];

/// The daemon, and two switches with the ports Ethernet40 and Ethernet41.
pub(crate) struct Scene {
    pub(crate) daemon: Daemon,
    pub(crate) tors: [Tor; 2],
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With these lines in the first switch's section.
    pub(crate) fn with(lines: &str) -> Self {
        Self::on(lines, "")
    }

    /// With further sections of plumgrid.ini.
    pub(crate) fn with_more(sections: &str) -> Self {
        Self::on("", sections)
    }

    fn on(lines: &str, sections: &str) -> Self {
        let tors = [Tor::start("tor-switch-1", "192.0.2.1"), Tor::start("tor-switch-2", "192.0.2.2")];
        let section =
            |tor: &Tor, lines: &str| format!("management_ip = {}\nport = {}\n{lines}\n", tor.host(), tor.port());
        let home = Home::new()
            .switch("tor-switch-1", &section(&tors[0], lines))
            .switch("tor-switch-2", &section(&tors[1], ""))
            .more(sections);
        Self { daemon: home.start(), tors }
    }

    /// With network1, a compute node with the [`MACHINES`], and vtep-gateway-1 on Ethernet40 of both switches.
    pub(crate) fn furnished(self) -> Self {
        self.ok(&["network", "create", "network1"]);
        self.ok(&["endpoint", "create", "compute-1", "198.51.100.11"]);
        for (mac, ip) in MACHINES {
            self.ok(&["port", "create", "network1", "--mac", mac, "--ip-address", ip, "--host", "compute-1"]);
        }
        let device = |tor: &Tor| format!("name={},interface_names=Ethernet40", tor.name());
        let devices = self.tors.each_ref().map(device);
        self.ok(&["gateway", "create", "vtep-gateway-1", "--device", &devices[0], "--device", &devices[1]]);
        self
    }

    /// … and connected, VLAN 50.
    pub(crate) fn connected(self) -> Self {
        let scene = self.furnished();
        let create =
            ["connection", "create", "vtep-gateway-1", "network1", "--default-segmentation-id", "50", "--wait"];
        scene.ok(&create);
        scene
    }

    pub(crate) fn socket(&self) -> String {
        self.daemon.home.admin_socket().display().to_string()
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        said(Command::new(L2GW).arg("--socket").arg(self.daemon.home.admin_socket()).args(args))
    }

    /// # Panics
    /// Where it fails.
    pub(crate) fn ok(&self, args: &[&str]) -> Said {
        self.run(args).expect(0)
    }

    /// The network1's UUID.
    pub(crate) fn network(&self) -> String {
        self.ok(&["network", "show", "network1", "-o", "json"]).json()["id"].as_str().expect("its id").to_owned()
    }

    /// A file in the daemon's directory.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.daemon.home.store().with_file_name(name);
        std::fs::write(&path, text).expect("the file is written");
        path.display().to_string()
    }
}

/// Runs a shell's line with `L2GW` and `SOCKET` in its environment.
pub(crate) fn shell(socket: &str, script: &str) -> Said {
    let directory = Path::new(L2GW).parent().expect("it lies in a directory");
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap_or_default());
    said(Command::new("bash").args(["-c", script]).env("PATH", path).env("L2GW", L2GW).env("SOCKET", socket))
}

/// What `l2gw watch` prints while networks are created, until it has printed so many events.
pub(crate) fn watched(scene: &Scene, count: usize) -> Vec<Value> {
    let (socket, number) = (scene.socket(), count.to_string());
    let watch = ["--socket", &socket, "watch", "--kind", "call", "--count", &number, "-o", "json"];
    let child =
        Command::new(L2GW).args(watch).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("l2gw runs");
    let pid = child.id();
    let waiting = std::thread::spawn(move || child.wait_with_output().expect("it ends"));
    // The subscription can't be seen from here: calls go on until it has heard of enough.
    eventually("it has heard enough", PATIENCE, || {
        scene.ok(&["network", "create", "x"]);
        if waiting.is_finished() { Ok(()) } else { Err(format!("{pid} still listens")) }
    });
    let output = waiting.join().expect("it ended");
    let text = String::from_utf8_lossy(&output.stdout);
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(events.len(), count, "{text}");
    events
}
