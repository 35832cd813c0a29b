//! The API's certificate, renewed while the daemon runs.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    process::Command,
};

use crate::support::{
    PATIENCE,
    daemon::{Daemon, Home},
    eventually,
    pki::{Identity509, Pki},
};

/// Copies a certificate and its key to where plumgrid.ini says they are.
fn install(home: &Home, identity: &Identity509) {
    let (certificate, key) = files(home);
    fs::copy(&identity.certificate, certificate).expect("the certificate is copied");
    fs::copy(&identity.key, &key).expect("the key is copied");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("the key is nobody else's");
}

fn files(home: &Home) -> (std::path::PathBuf, std::path::PathBuf) {
    (home.ini().with_file_name("api.pem"), home.ini().with_file_name("api.key"))
}

/// What curl, which believes this CA alone, gets from the daemon: the status, or its complaint.
fn call(daemon: &Daemon, ca: &Pki) -> Result<String, String> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert"])
        .arg(ca.ca())
        .arg(format!("https://{}/healthz", daemon.rest().address))
        .output()
        .expect("curl is there");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn a_reload_renews_the_certificate_and_keeps_the_old_one_where_that_fails() {
    let (first, second) = (Pki::new(), Pki::new());
    let home = Home::new();
    let (certificate, key) = files(&home);
    install(&home, &first.issue("localhost"));
    let home = home
        .api(&format!("tls_certificate = {}", certificate.display()))
        .api(&format!("tls_private_key = {}", key.display()));
    let mut daemon = home.start();
    assert_eq!(call(&daemon, &first).as_deref(), Ok("200"));
    assert!(call(&daemon, &second).is_err(), "it is the first CA's");

    // A connection that is under way is none of the reload's business.
    let mut waiting = TcpStream::connect(daemon.rest().address).expect("the API listens");
    install(&daemon.home, &second.issue("localhost"));
    assert_eq!(call(&daemon, &first).as_deref(), Ok("200"), "files alone change nothing");
    daemon.reload();
    eventually("the new certificate", PATIENCE, || call(&daemon, &second));
    assert!(call(&daemon, &first).is_err());
    waiting.write_all(b"no TLS at all\r\n\r\n").expect("it is still open");
    let _ = waiting.read_to_end(&mut Vec::new());

    // A key of another certificate: the log says so, and the API goes on with what it has.
    let foreign = first.issue("elsewhere");
    fs::copy(&foreign.key, &key).expect("the key is copied");
    daemon.reload();
    eventually("the complaint", PATIENCE, || {
        let log = daemon.home.log();
        if log.contains("the old certificate stays in force") { Ok(()) } else { Err(log) }
    });
    assert_eq!(call(&daemon, &second).as_deref(), Ok("200"));
}
