//! OVSDB through OpenSSH's sshd.

use secrecy::SecretString;
use vtepd::ovsdb::transport::{HostKey, Remote, Ssh, SshError, TransportError};

use super::*;
use crate::support::{
    process::run,
    sshd::{LogIn, PASSWORD, Sshd, USER},
};

fn log_in(sshd: &Sshd, remote: Remote) -> Ssh {
    Ssh {
        username: USER.to_owned(),
        password: Some(SecretString::from(PASSWORD)),
        private_key: None,
        host_key: HostKey::Pinned(sshd.fingerprint()),
        remote,
        keep_alive: std::time::Duration::from_secs(1),
    }
}

fn endpoint(sshd: &Sshd, ssh: Ssh) -> Endpoint {
    Endpoint::Ssh { host: "127.0.0.1".to_owned(), port: sshd.port(), ssh }
}

async fn databases(endpoint: &Endpoint) -> Vec<String> {
    let client = Client::connect(endpoint, PATIENCE).await.unwrap_or_else(|error| panic!("{error}"));
    let mut names = within(client.list_dbs()).await.expect("an answer");
    names.sort_unstable();
    names
}

async fn refused(endpoint: &Endpoint) -> SshError {
    match dial(endpoint, PATIENCE).await {
        Err(TransportError::Ssh(error)) => {
            eprintln!("{error}");
            assert!(!error.to_string().contains(PASSWORD));
            error
        }
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("it was let in"),
    }
}

const DATABASES: [&str; 2] = ["_Server", "hardware_vtep"];

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_password_opens_a_socket_a_port_and_the_usual_place() {
    let Some(sshd) = Sshd::start(LogIn::Password) else { return };
    let tor = tor();
    let port = Remote::Port("127.0.0.1".to_owned(), tor.port());
    for remote in [Remote::Socket(tor.socket()), port] {
        assert_eq!(databases(&endpoint(&sshd, log_in(&sshd, remote))).await, DATABASES);
    }
    std::os::unix::fs::symlink(tor.socket(), sshd.usual_socket()).unwrap();
    assert_eq!(databases(&endpoint(&sshd, log_in(&sshd, Remote::Usual))).await, DATABASES);
    // With the last handle the whole SSH session is gone.
    sshd.wait_idle();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn keyboard_interactive_answers_one_question() {
    let Some(sshd) = Sshd::start(LogIn::KeyboardInteractive) else { return };
    let tor = tor();
    assert_eq!(databases(&endpoint(&sshd, log_in(&sshd, Remote::Socket(tor.socket())))).await, DATABASES);
    let wrong = Ssh { password: Some(SecretString::from("wrong")), ..log_in(&sshd, Remote::Usual) };
    let error = refused(&endpoint(&sshd, wrong)).await;
    assert!(matches!(error, SshError::Refused { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_private_key_logs_in_with_a_passphrase_too() {
    let Some(sshd) = Sshd::start(LogIn::Key) else { return };
    let tor = tor();
    let with_key =
        Ssh { password: None, private_key: Some(sshd.client_key()), ..log_in(&sshd, Remote::Socket(tor.socket())) };
    assert_eq!(databases(&endpoint(&sshd, with_key.clone())).await, DATABASES);
    let file = sshd.client_key().display().to_string();
    run("ssh-keygen", &["-q", "-p", "-P", "", "-N", PASSWORD, "-f", file.as_str()]);
    let with_passphrase = Ssh { password: Some(SecretString::from(PASSWORD)), ..with_key.clone() };
    assert_eq!(databases(&endpoint(&sshd, with_passphrase)).await, DATABASES);
    let error = refused(&endpoint(&sshd, with_key.clone())).await;
    assert!(matches!(error, SshError::PrivateKey { .. }), "without the passphrase: {error}");
    let rsa = sshd.path().join("rsa").display().to_string();
    run("ssh-keygen", &["-q", "-t", "rsa", "-N", "", "-f", rsa.as_str()]);
    let error = refused(&endpoint(&sshd, Ssh { private_key: Some(rsa.into()), ..with_key })).await;
    assert!(error.to_string().contains("RSA"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_wrong_is_said() {
    let Some(sshd) = Sshd::start(LogIn::Password) else { return };
    let with = |host_key| Ssh { host_key, ..log_in(&sshd, Remote::Usual) };
    let wrong = Ssh { password: Some(SecretString::from("wrong")), ..log_in(&sshd, Remote::Usual) };
    let error = refused(&endpoint(&sshd, wrong)).await;
    assert!(matches!(&error, SshError::Refused { offered, .. } if offered == "password"), "{error}");

    let fingerprint = sshd.fingerprint();
    let other = HostKey::Pinned(format!("SHA256:{}", "A".repeat(43)));
    let error = refused(&endpoint(&sshd, with(other))).await;
    assert!(matches!(&error, SshError::ChangedHostKey { fingerprint: f, .. } if *f == fingerprint), "{error}");

    let error = refused(&endpoint(&sshd, log_in(&sshd, Remote::Socket("/nonexistent".into())))).await;
    assert!(matches!(error, SshError::Channel { .. }), "{error}");
    let error = refused(&endpoint(&sshd, log_in(&sshd, Remote::Port("127.0.0.1".into(), 1)))).await;
    assert!(matches!(error, SshError::Channel { .. }), "{error}");
    let error = refused(&endpoint(&sshd, log_in(&sshd, Remote::Usual))).await;
    assert!(matches!(error, SshError::Neither(..)), "{error}");

    // Nothing of what was refused hangs about; and a server that isn't one of SSH is one line.
    sshd.wait_idle();
    let tor = tor();
    let nowhere = Endpoint::Ssh { host: "127.0.0.1".into(), port: tor.port(), ssh: log_in(&sshd, Remote::Usual) };
    assert!(dial(&nowhere, std::time::Duration::from_secs(2)).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn known_hosts_decides() {
    let Some(sshd) = Sshd::start(LogIn::Password) else { return };
    let tor = tor();
    let file = sshd.path().join("known_hosts");
    let with_file = || {
        let ssh = log_in(&sshd, Remote::Socket(tor.socket()));
        endpoint(&sshd, Ssh { host_key: HostKey::Known(file.clone()), ..ssh })
    };
    let fingerprint = sshd.fingerprint();
    for unknown in
        [None, Some("10.9.9.9 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ\n")]
    {
        if let Some(text) = unknown {
            std::fs::write(&file, text).unwrap();
        }
        let error = refused(&with_file()).await;
        let is_shown = matches!(&error, SshError::UnknownHostKey { fingerprint: shown, wanted, .. }
            if *shown == fingerprint && *wanted == file.display().to_string());
        assert!(is_shown, "{error}");
    }
    std::fs::write(&file, sshd.known_hosts()).unwrap();
    assert_eq!(databases(&with_file()).await, DATABASES);
    run("ssh-keygen", &["-q", "-H", "-f", file.display().to_string().as_str()]);
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("|1|"));
    assert_eq!(databases(&with_file()).await, DATABASES);
    let changed = sshd.known_hosts().replace("AAAAI", "AAAAJ");
    std::fs::write(&file, changed).unwrap();
    let error = refused(&with_file()).await;
    assert!(matches!(error, SshError::ChangedHostKey { .. } | SshError::UnknownHostKey { .. }), "{error}");
}
