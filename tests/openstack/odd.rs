//! Rows of Neutron's that no switch can hold as they stand: left out, said once, and everything else is read.

use crate::{
    neutron::{ZED, ZED_ON_POSTGRESQL},
    source::{Cloud, VTEP_1, VTEP_2, WHOLE},
    support::{PATIENCE, eventually},
};

/// Lines of the log with these words.
fn said(cloud: &Cloud, words: &[&str]) -> usize {
    let log = cloud.daemon.home.log();
    log.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
}

#[test]
fn groups_and_failed_bindings_have_no_row() {
    let (mut net, mut vm, mut failed) = Default::default();
    let cloud = Cloud::start(ZED, |neutron| {
        net = neutron.network("network1", &[("vxlan", 5001)]);
        vm = neutron.port(&net, "fa:16:3e:00:00:01", &["10.0.0.11"], "compute-1");
        for mac in ["01:00:5e:7f:00:64", "03:bf:0a:00:00:64", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"] {
            neutron.address_pair(&vm, mac, "10.0.0.100");
        }
        for ip in ["224.0.0.18", "ff02::12"] {
            neutron.address_pair(&vm, "00:00:5e:00:01:01", ip);
        }
        // What belongs to one station stays.
        neutron.address_pair(&vm, "00:00:5e:00:01:02", "10.0.0.102");
        failed = neutron.port(&net, "fa:16:3e:00:00:02", &["10.0.0.12"], "compute-2");
        let unbound = neutron.port(&net, "fa:16:3e:00:00:03", &["10.0.0.13"], "compute-2");
        for (port, word) in [(&failed, "binding_failed"), (&unbound, "unbound")] {
            neutron.server.sql(&format!("UPDATE ml2_port_bindings SET vif_type = '{word}' WHERE port_id = '{port}'"));
        }
        neutron.port(&net, "33:33:00:00:00:01", &["10.0.0.14"], "compute-2");
    });
    cloud.connect(&net, 50);
    let rows = [("fa:16:3e:00:00:01", "10.0.0.11", VTEP_1), ("00:00:5e:00:01:02", "10.0.0.102", VTEP_1)];
    cloud.wait_rows("what single stations have", PATIENCE, &rows, &[VTEP_1]);
    let fdb = cloud.rest.get(&format!("/v2/fdb/{net}?scope=all")).expect(200).to_string();
    for odd in ["01:00:5e", "03:bf", "ff:ff", "00:00:00:00:00:00", "00:00:5e:00:01:01", "224.0.0.18", "ff02", VTEP_2] {
        assert!(!fdb.contains(odd), "{odd} in {fdb}");
    }
    // Said once, whatever is checked again.
    assert_eq!(cloud.source()["refused"], 2, "the port with the pairs, and the one with a group's MAC");
    let seen = cloud.source()["compared_at"].clone();
    cloud.wait_source("a whole comparison", |source| source["compared_at"] != seen);
    cloud.neutron.server.sql(&cloud.neutron.revise(&vm));
    let later = cloud.neutron.port(&net, "fa:16:3e:00:00:05", &["10.0.0.15"], "compute-1");
    let more = ("fa:16:3e:00:00:05", "10.0.0.15", VTEP_1);
    cloud.wait_rows("a later port", PATIENCE, &[rows[0], rows[1], more], &[VTEP_1]);
    assert_eq!(said(&cloud, &[&vm, "allowed address pair", "is a group address"]), 1, "{}", cloud.daemon.home.log());
    assert_eq!(said(&cloud, &["MAC 33:33:00:00:00:01 is a group address"]), 1);

    // It is bound after all; and one that was bound fails.
    cloud.neutron.server.sql(&format!(
        "UPDATE ml2_port_bindings SET vif_type = 'ovs' WHERE port_id = '{failed}';\n\
         UPDATE ml2_port_bindings SET vif_type = 'binding_failed' WHERE port_id = '{later}';\n{};\n{}",
        cloud.neutron.revise(&failed),
        cloud.neutron.revise(&later),
    ));
    let bound = ("fa:16:3e:00:00:02", "10.0.0.12", VTEP_2);
    cloud.wait_rows("the bound one", PATIENCE, &[rows[0], rows[1], bound], &[VTEP_1, VTEP_2]);
}

/// To PostgreSQL these are two MACs.
#[test]
fn two_ports_whose_macs_differ_in_case_are_named_and_all_else_is_read() {
    let (mut net, mut ports) = (String::new(), Vec::new());
    let cloud = Cloud::start(ZED_ON_POSTGRESQL, |neutron| {
        net = neutron.network("network1", &[("vxlan", 5001)]);
        ports.push(neutron.port(&net, "fa:16:3e:00:00:0a", &["10.0.0.11"], "compute-1"));
        ports.push(neutron.port(&net, "FA:16:3E:00:00:0A", &["10.0.0.12"], "compute-2"));
        neutron.port(&net, "fa:16:3e:00:00:0b", &["10.0.0.13"], "compute-2");
    });
    cloud.connect(&net, 50);
    let first = ("fa:16:3e:00:00:0a", "10.0.0.11", VTEP_1);
    let other = ("fa:16:3e:00:00:0b", "10.0.0.13", VTEP_2);
    cloud.wait_rows("the first of the two, and the third", PATIENCE, &[first, other], &[VTEP_1, VTEP_2]);
    assert_eq!(cloud.source()["refused"], 1);
    let both = [ports[0].as_str(), ports[1].as_str(), "has its MAC fa:16:3e:00:00:0a already"];
    assert_eq!(said(&cloud, &both), 1, "{}", cloud.daemon.home.log());

    // The first leaves: the second is taken.
    cloud.neutron.delete_port(&ports[0]);
    let second = ("fa:16:3e:00:00:0a", "10.0.0.12", VTEP_2);
    cloud.wait_rows("the second", WHOLE, &[second, other], &[VTEP_2]);
    eventually("nothing is left out", WHOLE, || match cloud.source()["refused"].as_u64() {
        Some(0) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}
