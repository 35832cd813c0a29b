//! A day of work: many calls, an import, drift, a lock that is stolen, a restart. In the evening the journal explains each
//! row of both switches: which call asked for it, which plan wrote it, when; and what was put back.

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::{Value, json};

use crate::{
    l2gw::Scene,
    support::{PATIENCE, dump::Dump, eventually, rpc::Rpc, tor::Tor},
};

const IMPORTED: u32 = 40;
const BARE: &str = "02:bb:00:00:00:01";

#[test]
fn the_journal_explains_each_row_of_a_day() {
    let mut scene = Scene::new().connected();
    let network = scene.network();
    let logical_switch = format!("vtepd-{network}");
    through_rest(&scene, &network);
    let blue = format!("vtepd-{}", other_gateways(&scene));
    import(&scene);
    drift(&scene, &logical_switch);
    stolen_lock(&scene, &logical_switch);
    scene.ok(&["switch", "repair", "tor-switch-1", "--wait"]);
    scene.run(&["gateway", "delete", "vtep-gateway-1"]).expect(73);
    // What somebody does while the daemon is away is put right by the first plan after its return.
    assert!(scene.daemon.stop().success());
    scene.tors[0].vtep_ctl(&["del-ucast-remote", &logical_switch, "fa:16:3e:00:00:01"]);
    scene.daemon.start();
    scene.tors[0].wait("it is back", |dump| dump.macs().iter().any(|row| row.address == "fa:16:3e:00:00:01"));
    // A machine moves, another ends.
    let ids = scene.ok(&["port", "list", "--mac", "fa:16:3e:00:00:02", "-o", "name"]).name();
    scene.ok(&["port", "update", &ids, "--host", "compute-2", "--wait"]);
    let ids = scene.ok(&["port", "list", "--mac", "fa:16:40:00:00:00", "-o", "name"]).name();
    scene.ok(&["port", "delete", &ids, "--wait"]);

    // The journal is written behind, within a second.
    let journal = eventually("the last plans are in the journal", PATIENCE, || {
        let journal = Journal::read(&scene);
        let gone =
            |tor: &Tor| journal.plan(tor.name(), "fa:16:40:00:00:00").is_some_and(|(_, row)| row["action"] == "delete");
        if scene.tors.iter().all(gone) { Ok(journal) } else { Err(format!("{} entries", journal.0.len())) }
    });
    for tor in &scene.tors {
        let dump = tor.dump();
        let rows = dump.macs().len() + dump.bindings().len() + dump.floods().len() + dump.logical_switches().len();
        assert!(rows > 45, "{}: a day with {rows} rows", tor.name());
        journal.explains(tor.name(), &dump);
    }
    let learned = journal.plan("tor-switch-2", BARE).expect("the learned MAC").1.clone();
    assert!(learned["reason"].as_str().expect("why").contains("learned"), "{learned}");
    assert!(scene.tors[1].dump().macs().iter().any(|row| row.logical_switch == blue && row.address == BARE));
    journal.repairs_each_drift();
    let reasons: Vec<&str> =
        journal.of_kind("session").filter_map(|entry| entry["details"]["reason"].as_str()).collect();
    for words in ["the lock was taken by another controller", "the lock is ours"] {
        assert!(reasons.iter().any(|reason| reason.contains(words)), "{words}: {reasons:?}");
    }
}

/// Another front end: single calls and a bulk, one of them refused.
fn through_rest(scene: &Scene, network: &str) {
    let rest = scene.daemon.rest();
    rest.endpoint("compute-2", "198.51.100.12");
    rest.port(network, "fa:16:3e:00:00:03", "10.0.0.13", "compute-2");
    let port = |i: u32| json!({"network_id": network, "mac_address": format!("fa:16:40:00:00:{i:02x}"), "binding:host_id": "compute-2"});
    let ports: Vec<Value> = (0..3).map(port).collect();
    rest.post("/v2.0/ports", &json!({"ports": ports})).expect(201);
    rest.post("/v2.0/ports", &json!({"port": port(0)})).expect(409);
}

/// A network behind a gateway of each switch alone: what one learns, the other is told. The network's UUID.
fn other_gateways(scene: &Scene) -> String {
    let blue = scene.ok(&["network", "create", "blue", "-o", "json"]).json()["id"].as_str().expect("its id").to_owned();
    for (gateway, switch) in [("left", "tor-switch-1"), ("right", "tor-switch-2")] {
        let device = format!("name={switch},interface_names=Ethernet41:60");
        scene.ok(&["gateway", "create", gateway, "--device", &device]);
        scene.ok(&["connection", "create", gateway, "blue", "--wait"]);
    }
    scene.tors[0].learn(&format!("vtepd-{blue}"), BARE, "10.0.0.77");
    scene.tors[1].wait("the learned MAC", |dump| dump.macs().iter().any(|row| row.address == BARE));
    blue
}

fn import(scene: &Scene) {
    let mut csv = "network,mac,ip,host\n".to_owned();
    for i in 0..IMPORTED {
        let _ = writeln!(csv, "network1,fa:16:3f:00:00:{i:02x},10.0.1.{i},compute-1");
    }
    scene.ok(&["port", "import", &scene.file("morning.csv", &csv), "--wait"]);
}

/// Rows that somebody changes by hand, and that are put back.
fn drift(scene: &Scene, logical_switch: &str) {
    for tor in &scene.tors {
        let good = tor.dump();
        tor.vtep_ctl(&["del-ucast-remote", logical_switch, "fa:16:3f:00:00:01"]);
        tor.wait("it is put back", |dump| dump.macs() == good.macs());
        tor.vtep_ctl(&["unbind-ls", tor.name(), "Ethernet40", "50"]);
        tor.wait("it is put back", |dump| dump.bindings() == good.bindings());
        tor.vtep_ctl(&["del-mcast-remote", logical_switch, "unknown-dst", "198.51.100.11"]);
        tor.wait("it is put back", |dump| dump.floods() == good.floods());
    }
}

/// Another daemon takes the first switch's lock, meddles, and goes again.
fn stolen_lock(scene: &Scene, logical_switch: &str) {
    let tor = &scene.tors[0];
    let mut thief = Rpc::connect(&tor.socket()).expect("the server listens");
    thief.call("steal", &json!(["vtepd"]));
    let rest = scene.daemon.rest();
    rest.wait_switch(tor.name(), "its lock is another's", |switch| switch["session"]["lock"] == "waiting");
    tor.vtep_ctl(&["del-ucast-remote", logical_switch, "fa:16:3f:00:00:02"]);
    let create = ["port", "create", "network1", "--mac", "fa:16:3e:00:00:04", "--host", "compute-1"];
    scene.ok(&create);
    scene.tors[1]
        .wait("the other switch follows", |dump| dump.macs().iter().any(|row| row.address == "fa:16:3e:00:00:04"));
    assert!(
        !tor.dump().macs().iter().any(|row| row.address == "fa:16:3e:00:00:04"),
        "nothing is written without the lock"
    );
    drop(thief);
    tor.wait("it follows, and what was taken is back", |dump| {
        let there = |mac: &str| dump.macs().iter().any(|row| row.address == mac);
        there("fa:16:3e:00:00:04") && there("fa:16:3f:00:00:02")
    });
}

/// All entries, oldest first.
struct Journal(Vec<Value>);

impl Journal {
    fn read(scene: &Scene) -> Self {
        let entries = scene.ok(&["audit", "--limit", "10000", "-o", "json"]).json();
        Self(entries.as_array().expect("entries").clone())
    }

    fn of_kind<'j>(&'j self, kind: &'j str) -> impl DoubleEndedIterator<Item = &'j Value> {
        self.0.iter().filter(move |entry| entry["kind"] == kind)
    }

    /// The last plan that did something to a row of a switch, and what.
    fn plan(&self, switch: &str, row: &str) -> Option<(&Value, &Value)> {
        self.of_kind("plan").rev().filter(|plan| plan["subject"] == switch).find_map(|plan| {
            let rows = plan["details"]["rows"].as_array().expect("rows");
            rows.iter().rev().find(|told| told["row"] == row).map(|told| (plan, told))
        })
    }

    /// Each row that is there was written by a plan which says so, and asked for by a call of somebody's.
    fn explains(&self, switch: &str, dump: &Dump) {
        let written = |row: &str, content: &str| {
            let (plan, told) = self.plan(switch, row).unwrap_or_else(|| panic!("{switch}: no plan tells of {row}"));
            assert_ne!(told["action"], "delete", "{switch} {row}: {told}");
            let change = told["change"].as_str().expect("what it is now");
            assert!(change.ends_with(content), "{switch} {row} is '{content}', and the plan says '{change}'");
            assert!(!told["reason"].as_str().expect("why").is_empty(), "{told}");
            assert!(plan["at"].as_str().expect("when") > "2026", "{plan}");
            plan["revision"].as_u64().unwrap_or_else(|| panic!("a plan that was carried out: {plan}"))
        };
        for row in dump.macs() {
            let place =
                if row.ip.is_empty() { format!("at {}", row.vtep) } else { format!("{} at {}", row.ip, row.vtep) };
            let revision = written(&row.address, &place);
            if row.address != BARE {
                self.called(revision, &row.address);
            }
        }
        for ((port, vlan), logical_switch) in dump.bindings() {
            let revision = written(&format!("{port} VLAN {vlan}"), &logical_switch);
            self.called(
                revision,
                if vlan == 50 { "\"default_segmentation_id\":50" } else { "\"segmentation-id\":[60]" },
            );
        }
        for (name, vni) in dump.logical_switches() {
            let revision = written(&name, &format!("VNI {}", vni.expect("a VNI")));
            let connected =
                self.of_kind("call").any(|call| call["subject"] == "connection_create" && at_most(call, revision));
            assert!(connected, "{name}");
        }
        for (name, members) in dump.floods() {
            written(&format!("unknown-dst of {name}"), &Vec::from_iter(members).join(", "));
        }
    }

    /// Somebody asked for it, not later than it was written: in a call that says so, or in the import of a file that does.
    fn called(&self, revision: u64, what: &str) {
        let says = |call: &&Value| {
            let details = call["details"].to_string();
            let imported = what.starts_with("fa:16:3f") && details.contains("morning.csv");
            at_most(call, revision) && (details.contains(what) || imported)
        };
        let call = self.of_kind("call").find(says).unwrap_or_else(|| panic!("who asked for {what}?"));
        let (who, result) = (call["who"].as_str().expect("who"), call["result"].as_str().expect("what came of it"));
        assert!(who.contains("uid ") || who.contains("127.0.0.1"), "{call}");
        assert!(["ok", "ok: 40 ports", "201", "200"].contains(&result), "{call}");
    }

    /// Each row that was changed behind our back was put back, by a plan that says so.
    fn repairs_each_drift(&self) {
        let mut rows = BTreeSet::new();
        for drift in self.of_kind("drift") {
            assert_eq!(drift["result"], "put back", "{drift}");
            let (details, repair) = (&drift["details"], &drift["details"]["repair"]);
            assert!(details["put_back"].as_str() >= details["seen"].as_str(), "{drift}");
            let repairs = |plan: &&Value| {
                let told = plan["details"]["rows"].as_array().expect("rows");
                plan["subject"] == drift["subject"]
                    && plan["at"].as_str() >= details["put_back"].as_str()
                    && plan["details"]["drifted"].as_u64() > Some(0)
                    && told.contains(repair)
            };
            assert!(self.of_kind("plan").any(|plan| repairs(&plan)), "no plan repairs {drift}");
            rows.insert((drift["subject"].to_string(), repair["row"].to_string()));
        }
        assert!(rows.len() >= 7, "three rows a switch, and one without the lock: {rows:?}");
    }
}

fn at_most(call: &Value, revision: u64) -> bool {
    call["revision"].as_u64().is_some_and(|made| made <= revision)
}
