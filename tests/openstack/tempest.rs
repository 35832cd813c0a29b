//! The API tests of networking-l2gw's tempest plug-in (PyPI: networking-l2gw-tempest-plugin 0, of 2017), unchanged; what they
//! import of Neutron and tempest stands in `tempest.py`. Its scenario tests need a cloud with virtual machines.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{daemon::Home, tor::Tor};

#[test]
fn the_tempest_plug_in_of_networking_l2gw_passes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let plugin = root.join("target/openstack/tempest");
    assert!(plugin.join("setup.py").exists(), "{} is not there: run make test-openstack", plugin.display());
    let tor = Tor::start("tor-switch-1", "192.0.2.1");
    let home = Home::new().tor(&tor);
    // A compute node's token is nobody's who may call for gateways.
    let (hosts, other) = (home.ini().with_file_name("hosts"), "a-compute-nodes-token");
    fs::write(&hosts, format!("compute-1:{other}\n")).expect("the tokens are written");
    fs::set_permissions(&hosts, fs::Permissions::from_mode(0o600)).expect("they are nobody else's");
    let daemon = home.api(&format!("host_token_file = {}", hosts.display())).start();
    let admin = fs::read_to_string(daemon.home.token_file()).expect("the token");
    let output = Command::new("timeout")
        .args(["120", "python3", "-B"])
        .arg(root.join("tests/openstack/tempest.py"))
        .arg(&plugin)
        .args([format!("http://{}", daemon.rest().address).as_str(), admin.trim(), other])
        .arg("tor-switch-1::Ethernet40|50")
        .stdin(Stdio::null())
        .output()
        .expect("timeout(1) is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
