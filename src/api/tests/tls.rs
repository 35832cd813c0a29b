use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use reqwest::{Certificate, Client};
use serde_json::Value;
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpStream, time::timeout};
use tokio_util::sync::CancellationToken;

use super::harness::{Scratch, service};
use crate::{
    api::{ApiServer, ApiTls, ApiTlsError, Readiness},
    config::{ApiConfig, Auth, TlsFiles},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Writes a new certificate and its key; the certificate.
fn issue(files: &TlsFiles) -> Certificate {
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(&files.certificate, issued.cert.pem()).unwrap();
    private(&files.private_key, &issued.signing_key.serialize_pem());
    Certificate::from_pem(issued.cert.pem().as_bytes()).unwrap()
}

fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn files(scratch: &Scratch) -> TlsFiles {
    TlsFiles { certificate: scratch.path().join("c.pem"), private_key: scratch.path().join("k.pem") }
}

async fn versions(address: SocketAddr, trusted: &Certificate) -> reqwest::Result<Value> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().tls_certs_only([trusted.clone()]).resolve("localhost", address).no_proxy();
    let url = format!("https://localhost:{}/", address.port());
    let text = client.build()?.get(url).send().await?.text().await?;
    Ok(serde_json::from_str(&text).unwrap())
}

#[tokio::test]
async fn the_api_speaks_tls_and_renews_its_certificate() {
    let scratch = Scratch::new();
    let files = files(&scratch);
    let first = issue(&files);
    let config = ApiConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        monitoring_listen: Some("127.0.0.1:0".parse().unwrap()),
        auth: Auth::None,
        token_file: scratch.path().join("token"),
        admin_roles: Vec::new(),
        tls: Some(files.clone()),
        host_token_file: None,
        max_ports_per_host: 8,
    };
    let bound = ApiServer::bind(&config, service(&scratch).await, Readiness::new(Vec::new)).unwrap();
    let (address, monitoring, tls) = (bound.local_addr(), bound.monitoring_addr().unwrap(), bound.tls().unwrap());
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(bound.serve(shutdown.clone()));

    // A client that never shakes hands is in nobody's way.
    let _mute = TcpStream::connect(address).await.unwrap();
    let document = versions(address, &first).await.unwrap();
    let link = document["versions"][0]["links"][0]["href"].as_str().unwrap();
    assert_eq!(link, format!("https://localhost:{}/v2.0/", address.port()), "clients go on by TLS");

    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, plain.read_to_end(&mut answer)).await.unwrap();
    assert!(!answer.starts_with(b"HTTP/"), "what isn't encrypted gets no answer");
    let mut probe = TcpStream::connect(monitoring).await.unwrap();
    probe.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, probe.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "));

    let second = issue(&files);
    versions(address, &first).await.expect("the files alone change nothing");
    tls.reload(&files).unwrap();
    versions(address, &second).await.expect("the new certificate is shown");
    versions(address, &first).await.expect_err("and the old one is not");
    fs::write(&files.certificate, "nonsense").unwrap();
    tls.reload(&files).unwrap_err();
    versions(address, &second).await.expect("a certificate that is no good changes nothing");

    shutdown.cancel();
    let stopping = Instant::now();
    timeout(PATIENCE, served).await.unwrap().unwrap();
    assert!(stopping.elapsed() < Duration::from_secs(5), "the mute client doesn't hold up the end");
}

#[test]
fn what_is_no_good_is_named() {
    let scratch = Scratch::new();
    let files = files(&scratch);
    assert!(matches!(ApiTls::load(&files), Err(ApiTlsError::Read { key: "tls_certificate", .. })));
    issue(&files);
    ApiTls::load(&files).unwrap();
    fs::set_permissions(&files.private_key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(ApiTls::load(&files).unwrap_err().to_string().contains("chmod o-rwx"));
    private(&files.private_key, "nonsense");
    assert!(matches!(ApiTls::load(&files), Err(ApiTlsError::Pem { key: "tls_private_key", .. })));
    let certificate = fs::read(&files.certificate).unwrap();
    issue(&files);
    fs::write(&files.certificate, certificate).unwrap();
    assert!(matches!(ApiTls::load(&files), Err(ApiTlsError::Pair { .. })), "a key of another certificate");
    fs::write(&files.certificate, "").unwrap();
    assert!(matches!(ApiTls::load(&files), Err(ApiTlsError::Pem { key: "tls_certificate", .. })));
}
