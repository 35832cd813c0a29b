use std::path::Path;

use super::*;

fn config(text: &str) -> Config {
    let path = std::env::temp_dir().join(format!("vtepd-daemon-{}-{:x}.ini", std::process::id(), text.len()));
    std::fs::write(&path, text).unwrap();
    let none: [(&str, &str); 0] = [];
    let config = Config::load(&path, none);
    std::fs::remove_file(&path).unwrap();
    config.unwrap()
}

#[test]
fn a_reload_concerns_only_the_switches_that_differ() {
    let old = config(
        "[switch:same]\nmanagement_ip = ::1\n[switch:moved]\nmanagement_ip = ::2\n[switch:gone]\nmanagement_ip = ::3\n",
    );
    let new = config(
        "[switch:new]\nmanagement_ip = ::4\n[switch:moved]\nmanagement_ip = ::5\n# a note\n[switch:same]\nmanagement_ip = ::1\n",
    );
    let changes = Changes::between(&old, &new);
    assert_eq!(changes.added, ["new"]);
    assert_eq!(changes.changed, ["moved"]);
    assert_eq!(changes.dropped, ["gone"]);
    assert!(Changes::between(&old, &old).is_empty());
}

#[test]
fn switches_behind_one_server_are_one_database() {
    let switches = config(
        "[switch:a]\nmanagement_ip = ::1\n[switch:b]\nmanagement_ip = ::1\n[switch:c]\ntransport = unix\novsdb_socket = /s\n",
    );
    let switches: Vec<SwitchConfig> = switches.switches.into_values().collect();
    assert_eq!(database_names(&switches), ["tcp:[::1]:6640", "unix:/s"]);
}

#[test]
fn exit_codes_say_whether_to_try_again() {
    use crate::{admin::AdminError, store::StoreError};
    let code = |error: DaemonError| format!("{:?}", error.exit_code());
    let expected = |code: u8| format!("{:?}", std::process::ExitCode::from(code));
    let locked = StoreError::Locked { path: "/s".into(), holder: "process 1".to_owned() };
    assert_eq!(code(locked.into()), expected(EXIT_TEMPORARY));
    assert_eq!(code(AdminError::Live("/s".into()).into()), expected(EXIT_TEMPORARY));
    let newer = StoreError::NewerSchema { path: Path::new("/s").into(), found: 9, known: 1 };
    assert_eq!(code(newer.into()), expected(EXIT_CONFIG));
    assert_eq!(code(DaemonError::Deadline), expected(EXIT_FAILURE));
}
