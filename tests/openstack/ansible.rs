//! Ansible's modules for OpenStack: what they are told stays as it is, so that a second run finds nothing to change.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::daemon::Home;

/// Applies the playbook; how many of its tasks were in order, and how many changed something.
fn apply(address: SocketAddr) -> (u32, u32) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = root.join("target/openstack/ansible");
    let program = home.join("bin/ansible-playbook");
    assert!(program.exists(), "{} is not there: run make test-openstack", program.display());
    let output = Command::new("timeout")
        .arg("300")
        .arg(program)
        .args(["-i", "localhost,", "-c", "local"])
        .arg("-e")
        .arg(format!("ansible_python_interpreter={}", home.join("bin/python3").display()))
        .arg(root.join("tests/openstack/ansible.yml"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", std::env::temp_dir())
        .env("LC_ALL", "C.UTF-8")
        .env("ANSIBLE_COLLECTIONS_PATH", home.join("collections"))
        .env("ANSIBLE_NOCOLOR", "1")
        .env("OS_AUTH_TYPE", "none")
        .env("OS_ENDPOINT", format!("http://{address}"))
        .stdin(Stdio::null())
        .output()
        .expect("timeout(1) is there");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let recap = text.lines().last().filter(|line| !line.is_empty()).or_else(|| text.trim_end().lines().last());
    let count = |name: &str| {
        let word = recap.and_then(|line| line.split_whitespace().find_map(|word| word.strip_prefix(name)));
        word.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
    };
    (count("ok="), count("changed="))
}

#[test]
fn a_second_run_of_ansible_changes_nothing() {
    let daemon = Home::new().without_token().start();
    let address = daemon.rest().address;
    assert_eq!(apply(address), (3, 3), "a network, a subnet and a port are made");
    let before = ["networks", "subnets", "ports"].map(|list| daemon.rest().get(&format!("/v2.0/{list}")).expect(200));
    assert_eq!(apply(address), (3, 0));
    let after = ["networks", "subnets", "ports"].map(|list| daemon.rest().get(&format!("/v2.0/{list}")).expect(200));
    assert_eq!(before, after);
}
