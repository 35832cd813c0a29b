//! Servers that aren't to be written, whoever holds their lock: the standby of a replicated pair, followers of a cluster,
//! relays.

use std::{env, fs, path::Path, process::Command, thread};

use serde_json::{Value, json};

use super::scene::{COMPUTE_1, Scene, many_ports};
use crate::support::{
    PATIENCE,
    cluster::{Cluster, MEMBERS, Relay},
    daemon::{Daemon, Home},
    process::Scratch,
    recorder::Recorder,
    tor::Tor,
};

fn lock(now: &Value) -> &Value {
    &now["session"]["lock"]
}

fn on_unix(socket: &Path) -> String {
    format!("transport = unix\novsdb_socket = {}\n", socket.display())
}

/// A standby is not written, and says why. Promoted, it is fenced: the lock is held, and a second daemon waits for it.
#[test]
fn a_standby_that_is_promoted_is_fenced() {
    let (active, standby) = (Tor::start("t", "192.0.2.1"), Tor::start("t", "192.0.2.1"));
    standby.appctl(&["ovsdb-server/set-active-ovsdb-server", &format!("unix:{}", active.socket().display())]);
    standby.appctl(&["ovsdb-server/connect-active-ovsdb-server"]);
    let recorder = Recorder::start(standby.socket());
    let scene = Scene::begin(Home::new().recorded(&standby, &recorder), &["t"]);
    scene.rest.post("/v2.0/ports", &many_ports(&scene.network, 37, &[COMPUTE_1.0])).expect(201);
    let now = scene.rest.wait_switch("t", "a standby", |now| lock(now) == "standby");
    let reason = now["reason"].as_str().expect("a reason");
    assert!(reason.contains("read-only") && reason.contains("management_ip"), "{now}");
    let status = scene.rest.status(&scene.connection);
    assert!(status.to_string().contains("read-only"), "{status}");
    // What the active one is told reaches the standby, and us, and is no drift.
    active.vtep_ctl(&["add-ls", "foreign"]);
    standby.wait("the active one's row", |dump| dump.logical_switches().contains_key("foreign"));
    assert_eq!(recorder.count("transact"), 0, "nothing is written meanwhile");

    standby.appctl(&["ovsdb-server/disconnect-active-ovsdb-server"]);
    scene.rest.wait_switch("t", "the lock", |now| lock(now) == "held");
    standby.wait_rows("Ucast_Macs_Remote", 40, PATIENCE);
    scene.rest.wait_status(&scene.connection, "active");
    let assert = json!({"op": "assert", "lock": "vtepd"});
    assert!(recorder.transacts().iter().all(|params| params[1] == assert), "a transaction without the lock");
    let second = Home::new().tor(&standby).start();
    let now = second.rest().wait_switch("t", "the second one waits", |now| lock(now) == "waiting");
    let reason = now["reason"].as_str().expect("a reason");
    assert!(reason.contains("deployment = vtepd"), "who may hold it, and what to do: {now}");
    assert_eq!(lock(&scene.rest.switch("t")), "held");
}

/// A relay passes transactions on, and locks not: said at once, instead of after refused transactions for ever.
#[test]
fn a_relay_is_not_written_unless_the_lock_is_off() {
    let tor = Tor::start("t", "192.0.2.1");
    let relay = Relay::to(&tor.socket());
    let mut scene = Scene::begin(Home::new().switch("t", &on_unix(&relay.socket())), &["t"]);
    let now = scene.rest.wait_switch("t", "a standby", |now| lock(now) == "standby");
    let reason = now["reason"].as_str().expect("a reason");
    assert!(reason.contains("relay") && reason.contains("lock = off") && reason.contains("behind it"), "{now}");
    assert!(tor.dump().logical_switches().is_empty());
    scene.daemon.home.rewrite("t", &format!("{}lock = off\n", on_unix(&relay.socket())));
    scene.daemon.reload();
    scene.rest.wait_status(&scene.connection, "active");
    assert!(scene.is_on(&tor.dump()), "{:#?}", tor.dump());
}

/// A cluster that holds the switch `t`.
fn cluster() -> Cluster {
    let cluster = Cluster::start();
    cluster.rpc(0).transact(&[
        json!({"op": "insert", "table": "Physical_Port", "row": {"name": "Ethernet40"}, "uuid-name": "p"}),
        json!({"op": "insert", "table": "Physical_Switch", "uuid-name": "s",
               "row": {"name": "t", "tunnel_ips": "192.0.2.1", "ports": ["named-uuid", "p"]}}),
        json!({"op": "insert", "table": "Global", "row": {"switches": ["named-uuid", "s"]}}),
    ]);
    cluster
}

/// A daemon that wants one network on the switch `t`; with the connection.
fn wanting(lines: &str) -> (Daemon, String) {
    let daemon = Home::new().switch("t", lines).start();
    let rest = daemon.rest();
    let network = rest.network_with_vni("network1", 5000);
    let gateway = rest.gateway("vtep-gateway-1", &[("t", &["Ethernet40"])]);
    let connection = rest.connect(&gateway, &network, 50);
    (daemon, connection)
}

/// A daemon on a member of the cluster, which wants one network there.
fn on_member(cluster: &Cluster, member: usize) -> (Daemon, Recorder, String) {
    let recorder = Recorder::start(cluster.socket(member));
    let lines = format!("management_ip = 127.0.0.1\nport = {}\n", recorder.port());
    let (daemon, connection) = wanting(&lines);
    (daemon, recorder, connection)
}

/// The members' locks are their own: a daemon on each of them, and only the leader's writes. With the next leader, the
/// next daemon does.
#[test]
fn only_the_leader_of_a_cluster_is_written() {
    let mut cluster = cluster();
    let daemons: Vec<_> = (0..MEMBERS).map(|member| on_member(&cluster, member)).collect();
    let mut alive: Vec<usize> = (0..MEMBERS).collect();
    for round in 0..2 {
        let leader = cluster.wait_leader();
        for &member in &alive {
            let expected = if member == leader { "held" } else { "standby" };
            let (daemon, recorder, _) = &daemons[member];
            let now = daemon.rest().wait_switch("t", expected, |now| lock(now) == expected);
            if member != leader {
                assert!(now["reason"].as_str().is_some_and(|reason| reason.contains("RAFT")), "{now}");
                assert_eq!(recorder.count("transact"), 0, "member {member} in round {round}");
            }
        }
        let (daemon, _, connection) = &daemons[leader];
        daemon.rest().wait_status(connection, "active");
        if round == 0 {
            cluster.kill(leader);
            alive.retain(|member| *member != leader);
        }
    }
}

/// A follower passes transactions on to its leader: where the operator says that nobody else writes, it is written.
#[test]
fn a_follower_is_written_where_the_lock_is_off() {
    let cluster = cluster();
    let leader = cluster.wait_leader();
    let follower = (leader + 1) % MEMBERS;
    let (daemon, connection) = wanting(&format!("{}lock = off\n", on_unix(&cluster.socket(follower))));
    daemon.rest().wait_status(&connection, "active");
    assert_eq!(lock(&daemon.rest().switch("t")), "off");
    assert_eq!(cluster.rpc(leader).select("Logical_Switch").len(), 1);
}

/// A name with the addresses of all members: the leader is found among them, and the next one after it.
#[test]
fn the_leader_is_found_among_the_addresses_of_a_name() {
    with_hosts("127.0.0.1 cluster\n127.0.0.2 cluster\n127.0.0.3 cluster\n", || {
        let mut cluster = cluster();
        let port = cluster.listen();
        let (daemon, connection) = wanting(&format!("management_ip = cluster\nport = {port}\n"));
        let rest = daemon.rest();
        for round in 0..2 {
            let leader = cluster.wait_leader();
            let peer = format!("127.0.0.{}:{port}", leader + 1);
            rest.wait_switch("t", &format!("the leader in round {round}"), |now| {
                now["session"]["state"] == "up" && now["session"]["peer"] == peer.as_str() && lock(now) == "held"
            });
            rest.wait_status(&connection, "active");
            if round == 0 {
                cluster.kill(leader);
            }
        }
    });
}

/// Runs `body` where the file of hosts has these lines: the test runs itself again in a mount namespace of its own.
fn with_hosts(lines: &str, body: impl FnOnce()) {
    const MARK: &str = "VTEPD_TEST_HOSTS";
    if env::var_os(MARK).is_some() {
        return body();
    }
    let root = nix::unistd::Uid::effective().is_root();
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(if root { &["--mount"][..] } else { &["--map-root-user", "--mount"] });
        command
    };
    if !unshare().arg("true").status().is_ok_and(|status| status.success()) {
        assert!(env::var_os("CI").is_none(), "no mount namespace");
        eprintln!("SKIPPED: this machine gives no mount namespace");
        return;
    }
    let scratch = Scratch::new();
    let hosts = scratch.join("hosts");
    fs::write(&hosts, format!("127.0.0.1 localhost\n{lines}")).expect("a file of hosts");
    let name = thread::current().name().expect("libtest names a test's thread after it").to_owned();
    let mut again = unshare();
    again.args(["sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""]);
    again.arg(hosts).arg(env::current_exe().expect("the test knows itself"));
    let status = again.args(["--exact", &name, "--nocapture"]).env(MARK, "1").status();
    assert!(status.expect("unshare runs").success(), "inside");
}
