//! `make demo`'s script: it tells its story, waits, and leaves nothing behind.

use std::{fs, path::Path, time::Duration};

use crate::support::{
    eventually,
    process::{Process, Scratch},
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/demo/demo.sh");

#[test]
fn the_demo_runs_until_it_is_interrupted_and_cleans_up() {
    let scratch = Scratch::new();
    let (log, tmp) = (scratch.join("demo.log"), scratch.join("t"));
    fs::create_dir(&tmp).expect("a directory for the demo");
    // Where the tests run in the background, SIGINT is ignored, and bash can't trap what was ignored.
    let args = ["--default-signal=INT", "bash", SCRIPT, env!("CARGO_BIN_EXE_vtepd")];
    let tmpdir = tmp.display().to_string();
    let mut demo = Process::start("env", &args, &[("TMPDIR", &tmpdir), ("NO_COLOR", "1")], &log);
    let words = || fs::read_to_string(&log).unwrap_or_default();
    eventually("the demo is up", Duration::from_secs(30), || {
        assert!(demo.ended().is_none(), "the demo ended:\n{}", words());
        if words().contains("until Ctrl-C") { Ok(()) } else { Err(words()) }
    });
    let story = words();
    for name in ["tor-switch-1", "tor-switch-2"] {
        let (_, shown) = story.rsplit_once(&format!("\n  {name}\n")).expect("the switch's rows are shown");
        let expected = [
            "binding          Ethernet40, VLAN 50 -> vtepd-",
            "MAC              fa:16:3e:00:00:01 10.0.0.11 behind VTEP 198.51.100.11",
            "MAC              fa:16:3e:00:00:03 10.0.0.13 behind VTEP 198.51.100.12",
            "flood list       unknown-dst -> VTEPs 198.51.100.11 198.51.100.12",
        ];
        for line in expected {
            assert!(shown.contains(line), "no '{line}' in:\n{story}");
        }
    }
    assert!(!processes_of(&tmp).is_empty(), "its processes can be seen");

    demo.signal("INT");
    let status = demo.wait(Duration::from_secs(20));
    assert!(status.success(), "{status}:\n{}", words());
    assert_eq!(processes_of(&tmp), [""; 0]);
    assert_eq!(fs::read_dir(&tmp).expect("the directory").count(), 0, "its scratch directory is gone");
}

/// Command lines that name the directory.
fn processes_of(directory: &Path) -> Vec<String> {
    let directory = directory.display().to_string();
    let all = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    all.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok())
        .filter(|line| line.contains(&directory))
        .collect()
}
