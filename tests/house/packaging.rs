//! The systemd units, by systemd's own eyes where they are installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Each unit, and how exposed it may be, in tenths of `systemd-analyze security`: 1.4 and 1.6 when this was written.
const UNITS: [(&str, u32); 2] = [("vtepd", 15), ("vtep-hostd", 17)];

fn unit(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("packaging/systemd/{name}.service"))
}

fn systemd_analyze() -> Option<Command> {
    let there = Command::new("systemd-analyze").arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("systemd-analyze is not installed: not checked");
    }
    there.then(|| Command::new("systemd-analyze"))
}

#[test]
fn the_units_are_valid() {
    for (name, _) in UNITS {
        let Some(mut verify) = systemd_analyze() else { return };
        let directory = std::env::temp_dir().join(format!("vtepd-house-unit-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a scratch directory");
        let copy = directory.join(format!("{name}.service"));
        // The program isn't installed here; what it is called with stays.
        let text = fs::read_to_string(unit(name)).expect("the unit is there");
        let text = text.replace(&format!("/usr/bin/{name} "), "/bin/true ").replace("/usr/bin/l2gw ", "/bin/true ");
        fs::write(&copy, text).expect("the copy is written");
        let output = verify.args(["verify", "--man=no"]).arg(&copy).output();
        fs::remove_dir_all(&directory).expect("the scratch directory goes");
        let output = output.expect("systemd-analyze runs");
        let said = String::from_utf8_lossy(&output.stderr);
        let ours: Vec<&str> = said.lines().filter(|line| line.contains(name)).collect();
        assert!(ours.is_empty() && output.status.success(), "{said}");
    }
}

#[test]
fn the_units_stay_hardened() {
    for (name, most) in UNITS {
        let Some(mut security) = systemd_analyze() else { return };
        let threshold = format!("--threshold={most}");
        let output = security.args(["security", "--offline=true", &threshold]).arg(unit(name)).output();
        let output = output.expect("systemd-analyze runs");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
