//! TLS against ovsdb-server, and against OpenSSL where ovsdb-server is too strict to be wrong.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use vtepd::ovsdb::{
    client::ClientError,
    transport::{Connected, Fingerprint, Tls, TlsError, TransportError, Verify},
};

use super::*;
use crate::support::{
    eventually,
    pki::{Identity509, Pki, Spec},
    process::{Scratch, run},
};

fn ssl(port: u16, identity: Option<&Identity509>, ca: Option<PathBuf>, verify: Verify) -> Endpoint {
    let tls = Tls {
        private_key: identity.map(|identity| identity.key.clone()),
        certificate: identity.map(|identity| identity.certificate.clone()),
        ca_cert: ca,
        verify,
    };
    Endpoint::Ssl { host: "127.0.0.1".to_owned(), port, tls }
}

async fn refused(endpoint: &Endpoint) -> TlsError {
    match dial(endpoint, PATIENCE).await {
        Err(TransportError::Tls(error)) => {
            eprintln!("{error}");
            error
        }
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("it was let in"),
    }
}

fn pin(identity: &Identity509) -> Fingerprint {
    let text = identity.fingerprint();
    let hex = text.split('=').nth(1).expect("name=digits").replace(':', "");
    let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("two digits");
    Fingerprint(std::array::from_fn(byte))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_is_verified_by_address_by_chain_and_by_fingerprint() {
    let pki = Pki::new();
    let (server, us) = (pki.issue("tor-1"), pki.issue("vtepd"));
    let tor = Tor::with_tls("tor-1", "10.0.0.1", &server);
    for (ca, verify) in
        [(Some(pki.ca()), Verify::Name), (Some(pki.ca()), Verify::Chain), (None, Verify::Pinned(pin(&server)))]
    {
        let endpoint = ssl(tor.port(), Some(&us), ca, verify);
        let Connected { stream, certificates, .. } = dial(&endpoint, PATIENCE).await.unwrap();
        let client = Client::open(stream, Limits::default());
        assert!(within(client.list_dbs()).await.unwrap().contains(&"hardware_vtep".to_owned()));
        assert_eq!(certificates.own.unwrap().common_name, "vtepd");
        let peer = certificates.peer.unwrap();
        assert_eq!((peer.common_name.as_str(), peer.fingerprint), ("tor-1", pin(&server)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_common_name_alone_needs_chain_or_a_pin() {
    let pki = Pki::new();
    let server = pki.sign(&Spec::with_names("tor-1 id:1", &[]));
    let us = pki.issue("vtepd");
    let tor = Tor::with_tls("tor-1", "10.0.0.1", &server);
    let error = refused(&ssl(tor.port(), Some(&us), Some(pki.ca()), Verify::Name)).await;
    assert!(matches!(&error, TlsError::WrongName { nameless: true, .. }), "{error}");
    dial(&ssl(tor.port(), Some(&us), Some(pki.ca()), Verify::Chain), PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_wrong_with_a_server_is_said() {
    let (pki, other) = (Pki::new(), Pki::new());
    let us = pki.issue("vtepd");
    let refused_by = async |server: &Identity509, ca: PathBuf, verify| {
        let tor = Tor::with_tls("tor-1", "10.0.0.1", server);
        refused(&ssl(tor.port(), Some(&us), Some(ca), verify)).await
    };
    let good = pki.issue("tor-1");
    let error = refused_by(&good, other.ca(), Verify::Chain).await;
    assert!(matches!(error, TlsError::WrongCa { .. }), "{error}");
    let wrong_name = pki.sign(&Spec::with_names("tor-2", &["tor-2", "10.9.9.9"]));
    let error = refused_by(&wrong_name, pki.ca(), Verify::Name).await;
    assert!(matches!(error, TlsError::WrongName { .. }), "{error}");
    let old = pki.sign(&Spec::new("old").valid((2019, 1, 1), (2020, 1, 1)));
    for verify in [Verify::Name, Verify::Chain] {
        let error = refused_by(&old, pki.ca(), verify).await;
        assert!(matches!(&error, TlsError::Expired { since, .. } if since.starts_with("2020-01-01")), "{error}");
    }
    let young = pki.sign(&Spec::new("young").valid((2089, 1, 1), (2090, 1, 1)));
    let error = refused_by(&young, pki.ca(), Verify::Name).await;
    assert!(matches!(error, TlsError::NotYetValid { .. }), "{error}");
    let error = refused_by(&good, pki.ca(), Verify::Pinned(pin(&young))).await;
    assert!(matches!(&error, TlsError::NotPinned { found, .. } if *found == pin(&good)), "{error}");
}

/// With TLS 1.3 the server's word about our certificate comes after the handshake.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_refuses_us_is_understood() {
    let (pki, other) = (Pki::new(), Pki::new());
    let server = pki.issue("tor-1");
    let stranger = other.issue("vtepd");
    let expired = pki.sign(&Spec::new("expired").valid((2019, 1, 1), (2020, 1, 1)));
    let tor = Tor::with_tls("tor-1", "10.0.0.1", &server);
    for (identity, fix) in [
        (None, "set private_key and certificate"),
        (Some(&stranger), "signed by a CA that the switch knows"),
        (Some(&expired), "renew the file"),
    ] {
        let client = Client::connect(&ssl(tor.port(), identity, Some(pki.ca()), Verify::Name), PATIENCE).await;
        let error = match client {
            Err(error) => error.to_string(),
            Ok(client) => match within(client.list_dbs()).await {
                Err(ClientError::Closed(reason)) => reason.to_string(),
                other => panic!("{other:?}"),
            },
        };
        assert!(error.contains("refused our certificate") && error.contains(fix), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn our_own_files_are_checked() {
    let pki = Pki::new();
    let (one, two) = (pki.issue("one"), pki.issue("two"));
    let server = pki.issue("tor-1");
    let tor = Tor::with_tls("tor-1", "10.0.0.1", &server);
    let crossed = Identity509 { key: two.key.clone(), ..one.clone() };
    let error = refused(&ssl(tor.port(), Some(&crossed), Some(pki.ca()), Verify::Name)).await;
    assert!(matches!(error, TlsError::Pair { .. }), "{error}");
    let swapped = Identity509 { key: one.certificate.clone(), ..one.clone() };
    let error = refused(&ssl(tor.port(), Some(&swapped), Some(pki.ca()), Verify::Name)).await;
    assert!(matches!(error, TlsError::File { key: "private_key", .. }), "{error}");
    let error = refused(&ssl(tor.port(), None, Some("/nonexistent/ca.pem".into()), Verify::Name)).await;
    assert!(matches!(error, TlsError::File { key: "ca_cert", .. }), "{error}");
    let error = refused(&ssl(tor.port(), Some(&one), None, Verify::Name)).await;
    assert!(matches!(error, TlsError::NoCa), "{error}");
}

/// PKCS#8, PKCS#1 and SEC1, by OpenSSL's hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn keys_of_all_forms_are_read() {
    let pki = Pki::new();
    let server = pki.issue("tor-1");
    let tor = Tor::with_tls("tor-1", "10.0.0.1", &server);
    let scratch = Scratch::new();
    let at = |name: &str| scratch.join(name).display().to_string();
    let openssl = |args: &str| run("openssl", &args.split(' ').collect::<Vec<_>>());
    openssl(&format!("ecparam -name prime256v1 -genkey -noout -out {}", at("sec1")));
    openssl(&format!("genrsa -traditional -out {} 2048", at("pkcs1")));
    openssl(&format!("genpkey -algorithm ed25519 -out {}", at("pkcs8")));
    for (form, begins) in
        [("sec1", "BEGIN EC PRIVATE KEY"), ("pkcs1", "BEGIN RSA PRIVATE KEY"), ("pkcs8", "BEGIN PRIVATE KEY")]
    {
        assert!(std::fs::read_to_string(at(form)).unwrap().contains(begins), "{form}");
        // A certificate of its own: the server must believe its issuer, so it is its own CA here.
        let (key, certificate) = (at(form), at(&format!("{form}.pem")));
        openssl(&format!(
            "req -x509 -key {key} -subj /CN=us -days 30 -out {certificate} -addext basicConstraints=CA:FALSE"
        ));
        let identity = Identity509 { key: key.into(), certificate: certificate.into(), ca: pki.ca() };
        let Connected { certificates, .. } =
            dial(&ssl(tor.port(), Some(&identity), Some(pki.ca()), Verify::Name), PATIENCE).await.unwrap();
        assert_eq!(certificates.own.unwrap().common_name, "us");
    }
}

/// `openssl s_server`, which takes what ovsdb-server's OpenSSL refuses to load.
struct OpenSsl(Child, u16);

impl OpenSsl {
    fn start(scratch: &Scratch, args: &[&str]) -> Self {
        let log = scratch.join("s_server.log");
        let file = std::fs::File::create(&log).expect("the log");
        let child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-cipher", "DEFAULT@SECLEVEL=0"])
            .args(args)
            // At its end of input it would end.
            .stdin(Stdio::piped())
            .stdout(file.try_clone().expect("the log"))
            .stderr(file)
            .spawn()
            .expect("openssl is installed");
        let port = eventually("openssl's start", PATIENCE, || {
            let text = std::fs::read_to_string(&log).expect("the log");
            let line = text.lines().find(|line| line.starts_with("ACCEPT")).ok_or_else(|| text.clone())?;
            line.rsplit(':').next().unwrap_or_default().trim().parse().map_err(|_| text.clone())
        });
        Self(child, port)
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_cannot_be_verified_points_to_ssh() {
    let scratch = Scratch::new();
    let at = |name: &str| scratch.join(name).display().to_string();
    let openssl = |args: String| run("openssl", &args.split(' ').collect::<Vec<_>>());
    openssl(format!(
        "req -x509 -newkey rsa:2048 -nodes -keyout {} -out {} -subj /CN=ca -days 30",
        at("cakey"),
        at("ca")
    ));
    openssl(format!("req -new -newkey rsa:2048 -nodes -keyout {} -out {} -subj /CN=tor-1", at("key"), at("csr")));
    std::fs::write(at("ext"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    let sign = |out: &str, more: String| {
        openssl(format!(
            "x509 -req -in {} -CA {} -CAkey {} -CAcreateserial -out {} -days 30{more}",
            at("csr"),
            at("ca"),
            at("cakey"),
            at(out)
        ));
    };
    sign("v1", String::new());
    sign("sha1", format!(" -sha1 -extfile {}", at("ext")));
    sign("good", format!(" -extfile {}", at("ext")));
    let key = at("key");
    for (certificate, args, word) in
        [("v1", &[][..], "version 1"), ("sha1", &[], "SHA-1"), ("good", &["-tls1_1"], "neither TLS 1.2 nor TLS 1.3")]
    {
        let file = at(certificate);
        let server = OpenSsl::start(&scratch, &[&["-cert", file.as_str(), "-key", key.as_str()], args].concat());
        let error = refused(&ssl(server.1, None, Some(at("ca").into()), Verify::Name)).await.to_string();
        assert!(error.contains(word), "{certificate}: {error}");
    }
    let tor = tor();
    let error = refused(&ssl(tor.port(), None, Some(at("ca").into()), Verify::Name)).await;
    assert!(matches!(error, TlsError::NotTls { .. } | TlsError::Broken { .. }), "{error}");
}
