//! The systemd unit, by systemd's own eyes where they are installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn unit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd/vtepd.service")
}

fn systemd_analyze() -> Option<Command> {
    let there = Command::new("systemd-analyze").arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("systemd-analyze is not installed: not checked");
    }
    there.then(|| Command::new("systemd-analyze"))
}

#[test]
fn the_unit_is_valid() {
    let Some(mut verify) = systemd_analyze() else { return };
    let directory = std::env::temp_dir().join(format!("vtepd-house-unit-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a scratch directory");
    let copy = directory.join("vtepd.service");
    // The daemon isn't installed here; what it is called with stays.
    let text = fs::read_to_string(unit()).expect("the unit is there").replace("/usr/bin/vtepd", "/bin/true");
    fs::write(&copy, text).expect("the copy is written");
    let output = verify.args(["verify", "--man=no"]).arg(&copy).output();
    fs::remove_dir_all(&directory).expect("the scratch directory goes");
    let output = output.expect("systemd-analyze runs");
    let said = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("vtepd")).collect();
    assert!(ours.is_empty() && output.status.success(), "{said}");
}

#[test]
fn the_unit_stays_hardened() {
    let Some(mut security) = systemd_analyze() else { return };
    // In tenths; 1.4 when this was written.
    let output = security.args(["security", "--offline=true", "--threshold=15"]).arg(unit()).output();
    let output = output.expect("systemd-analyze runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
