//! `l2gw plan`: against saved files, without a daemon and without a network.

use crate::l2gw::{Scene, alone};

/// What one gateway's switch has learned stands at the other's: it is no surplus.
#[test]
fn learned_macs_are_known_without_the_daemon() {
    let mut scene = Scene::new();
    scene.ok(&["network", "create", "blue"]);
    for (gateway, switch) in [("left", "tor-switch-1"), ("right", "tor-switch-2")] {
        let device = format!("name={switch},interface_names=Ethernet41:60");
        scene.ok(&["gateway", "create", gateway, "--device", &device]);
        scene.ok(&["connection", "create", gateway, "blue", "--wait"]);
    }
    let blue = scene.ok(&["network", "show", "blue", "-o", "json"]).json()["id"].as_str().expect("its id").to_owned();
    scene.tors[0].learn(&format!("vtepd-{blue}"), "02:bb:00:00:00:01", "10.0.0.77");
    scene.tors[1].wait("it is told", |dump| dump.macs().iter().any(|row| row.ip == "10.0.0.77"));
    scene.daemon.stop();
    let paths = [scene.daemon.home.store(), scene.daemon.home.ini()].map(|path| path.display().to_string());
    for (tor, more) in scene.tors.iter().zip([&[][..], &["--rows", "5"]]) {
        let file = tor.file().display().to_string();
        let mut args = vec!["plan", "--database", &paths[0], "--config", &paths[1], "--switch-dump", &file];
        args.extend_from_slice(more);
        assert_eq!(alone(&args).expect(0).out, format!("{}: nothing differs\n", tor.name()));
    }
    scene.tors[1].vtep_ctl(&["del-ucast-remote", &format!("vtepd-{blue}"), "02:bb:00:00:00:01"]);
    let file = scene.tors[1].file().display().to_string();
    let args = ["plan", "--database", &paths[0], "--config", &paths[1], "--switch-dump", &file];
    let said = alone(&args).expect(1);
    assert!(said.out.contains("10.0.0.77 at 192.0.2.1") && said.out.contains("learned behind another"), "{}", said.out);
}

#[test]
fn a_saved_switch_is_planned_against() {
    let mut scene = Scene::new().connected();
    let logical_switch = format!("vtepd-{}", scene.network());
    scene.daemon.stop();
    let paths = [scene.daemon.home.store(), scene.daemon.home.ini()].map(|path| path.display().to_string());
    let plan = |dump: &str, more: &[&str]| {
        let mut args = vec!["plan", "--database", &paths[0], "--config", &paths[1], "--switch-dump", dump];
        args.extend_from_slice(more);
        alone(&args)
    };
    // The three ways to save one.
    let server = format!("unix:{}", scene.tors[0].socket().display());
    let file = scene.tors[0].file().display().to_string();
    let save = |name: &str, args: &[&str]| {
        let output = std::process::Command::new("ovsdb-client").args(args).output().expect("ovsdb-client runs");
        assert!(output.status.success());
        scene.file(name, &String::from_utf8_lossy(&output.stdout))
    };
    let backup = save("backup", &["backup", &server, "hardware_vtep"]);
    let dump = save("dump", &["dump", "--format=json", &server, "hardware_vtep"]);
    for saved in [&file, &backup, &dump] {
        assert_eq!(plan(saved, &[]).expect(0).out, "tor-switch-1: nothing differs\n", "{saved}");
    }
    scene.tors[0].vtep_ctl(&["del-ucast-remote", &logical_switch, "fa:16:3e:00:00:01"]);
    scene.tors[0].vtep_ctl(&["unbind-ls", "tor-switch-1", "Ethernet40", "50"]);
    let dump = save("dump", &["dump", "--format=json", &server, "hardware_vtep"]);
    for saved in [&file, &dump] {
        let said = plan(saved, &[]).expect(1);
        for words in ["tor-switch-1: 1 to insert, 1 to update, 0 to delete", "Ethernet40 VLAN 50", "fa:16:3e:00:00:01"]
        {
            assert!(said.out.contains(words), "{words}: {}", said.out);
        }
    }
    let exact = plan(&dump, &["-o", "json"]).expect(1).out;
    scene.tors[0].ovsdb_client("transact", &[exact.trim()]);
    assert_eq!(plan(&file, &[]).expect(0).out, "tor-switch-1: nothing differs\n");

    // Mistakes.
    assert!(plan("/nonexistent", &[]).expect(66).err.contains("/nonexistent"));
    assert!(plan(&paths[1], &[]).expect(65).err.contains("is neither an OVSDB file nor"));
    let missing = ["plan", "--database", "/nonexistent", "--config", &paths[1], "--switch-dump", &file];
    assert!(alone(&missing).expect(66).err.contains("/nonexistent"));
    let other = scene.file("other.ini", "[switch:leaf]\nmanagement_ip = 192.0.2.9\n");
    let args = ["plan", "--database", &paths[0], "--config", &other, "--switch-dump", &file];
    let said = alone(&args).expect(66);
    assert!(said.err.contains("add [switch:NAME]") && said.err.contains("tor-switch-1"), "{}", said.err);
    let wrong = scene.file("wrong.ini", "[switch:leaf]\nmanagement_ip = \n");
    let args = ["plan", "--database", &paths[0], "--config", &wrong, "--switch-dump", &file];
    assert!(alone(&args).expect(78).err.contains("wrong.ini:2"));
}
