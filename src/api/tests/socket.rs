//! Over a real socket: what clients can make the daemon wait for or hold.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::harness::{Scratch, service};
use crate::{
    api::{
        ApiError, ApiServer, App, BodyLimits, Readiness,
        auth::{Gate, HostTokens},
        listener::{self, ConnectionLimits},
        places::PlaceLimits,
        router,
    },
    config::{ApiConfig, Auth},
};

/// Longest wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
    _scratch: Scratch,
}

async fn run(bodies: BodyLimits, limits: ConnectionLimits) -> Running {
    let scratch = Scratch::new();
    let app = App { bodies, ..App::new(service(&scratch).await, Gate::Open, HostTokens::default()) };
    let router = router(app, Some(Readiness::new(Vec::new)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(listener::serve(listener, None, router, limits, shutdown.clone()));
    Running { address, shutdown, task, _scratch: scratch }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// All that comes until the connection is closed.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the connection is closed").unwrap();
    String::from_utf8(answer).unwrap()
}

/// One answer's head and a body with a length.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = async {
        loop {
            text.push(stream.read_u8().await.unwrap());
            let so_far = String::from_utf8_lossy(&text).to_lowercase();
            if let Some(end) = so_far.find("\r\n\r\n") {
                let length = so_far.split("content-length: ").nth(1).and_then(|l| l.split("\r\n").next()).unwrap();
                if text.len() - end - 4 == length.parse::<usize>().unwrap() {
                    return;
                }
            }
        }
    };
    timeout(PATIENCE, read).await.expect("an answer");
    String::from_utf8(text).unwrap()
}

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn a_body_of_65_mib_is_413_that_the_client_can_read() {
    let api = run(BodyLimits::default(), ConnectionLimits::default()).await;
    let mib = vec![b' '; 1 << 20];

    let mut sized = api.connect().await;
    let head = format!("POST /v2.0/ports HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", 65 << 20);
    sized.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..65 {
        sized.write_all(&mib).await.unwrap();
    }
    let text = rest(&mut sized).await;
    assert!(text.starts_with("HTTP/1.1 413 ") && text.contains("HTTPRequestEntityTooLarge"), "{text}");
    assert!(text.contains("x-openstack-request-id: req-"), "{text}");

    let mut chunked = api.connect().await;
    chunked
        .write_all(b"POST /v2.0/ports HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    for _ in 0..65 {
        chunked.write_all(b"100000\r\n").await.unwrap();
        chunked.write_all(&mib).await.unwrap();
        chunked.write_all(b"\r\n").await.unwrap();
    }
    chunked.write_all(b"0\r\n\r\n").await.unwrap();
    let text = rest(&mut chunked).await;
    assert!(text.starts_with("HTTP/1.1 413 ") && text.contains("HTTPRequestEntityTooLarge"), "{text}");

    // A client that asks first is told at once.
    let mut asking = api.connect().await;
    let head = format!(
        "POST /v2.0/ports HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        65 << 20
    );
    asking.write_all(head.as_bytes()).await.unwrap();
    assert!(rest(&mut asking).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn slow_heads_and_slow_bodies_are_cut_off() {
    let bodies = BodyLimits { idle: Duration::from_millis(100), ..BodyLimits::default() };
    let limits = ConnectionLimits { head: Duration::from_millis(100), ..ConnectionLimits::default() };
    let api = run(bodies, limits).await;

    let mut silent = api.connect().await;
    assert_eq!(rest(&mut silent).await, "");
    let mut head = api.connect().await;
    head.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.unwrap();
    let text = rest(&mut head).await;
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 408 "), "{text}");

    let mut body = api.connect().await;
    body.write_all(b"POST /v2.0/ports HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{").await.unwrap();
    let text = rest(&mut body).await;
    assert!(text.starts_with("HTTP/1.1 408 ") && text.contains("HTTPRequestTimeout"), "{text}");
}

#[tokio::test]
async fn bodies_share_a_bounded_memory_and_give_it_back() {
    let memory = Arc::new(Semaphore::new(0));
    let bodies = BodyLimits { memory: memory.clone(), patience: Duration::from_millis(200), ..BodyLimits::default() };
    let api = run(bodies, ConnectionLimits::default()).await;
    let sized = b"POST /v2.0/ports HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n{\"ports\": [\"1234567\"]";
    let chunked = b"POST /v2.0/ports HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n";
    for request in [&sized[..], &chunked[..]] {
        let mut full = api.connect().await;
        full.write_all(request).await.unwrap();
        let text = rest(&mut full).await;
        assert!(text.starts_with("HTTP/1.1 503 ") && text.contains("retry-after: "), "{text}");
    }
    memory.add_permits(1);
    for _ in 0..3 {
        let mut free = api.connect().await;
        free.write_all(sized).await.unwrap();
        let text = answer(&mut free).await;
        assert!(text.starts_with("HTTP/1.1 400 "), "its share is given back: {text}");
    }
    assert_eq!(memory.available_permits(), 1);
}

/// Silent connections by the thousand: each of them may be ended, a client that calls at once is answered.
#[tokio::test]
async fn silent_connections_keep_nobody_out() {
    let places = PlaceLimits { all: 8, of_address: 6, of_host: 2, reserve: 2 };
    let api = run(BodyLimits::default(), ConnectionLimits { places, ..ConnectionLimits::default() }).await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(api.connect().await);
    }
    for call in [HEALTH, LIST] {
        for _ in 0..10 {
            let mut client = api.connect().await;
            client.write_all(call).await.unwrap();
            assert!(answer(&mut client).await.starts_with("HTTP/1.1 200 "));
        }
    }
    assert_eq!(rest(&mut silent[0]).await, "", "the first ones made room");
}

const LIST: &[u8] = b"GET /v2.0/networks HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn with_all_places_kept_monitoring_is_answered_and_others_are_told() {
    let places = PlaceLimits { all: 3, of_address: 3, of_host: 2, reserve: 1 };
    let api = run(BodyLimits::default(), ConnectionLimits { places, ..ConnectionLimits::default() }).await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut client = api.connect().await;
        client.write_all(LIST).await.unwrap();
        answer(&mut client).await;
        kept.push(client);
    }
    let mut quiet = api.connect().await;
    for _ in 0..3 {
        let mut probe = api.connect().await;
        probe.write_all(HEALTH).await.unwrap();
        assert!(rest(&mut probe).await.starts_with("HTTP/1.1 200 "), "one answer, then it is closed");
        let mut other = api.connect().await;
        other.write_all(LIST).await.unwrap();
        let text = rest(&mut other).await;
        assert!(text.starts_with("HTTP/1.1 503 ") && text.contains("all connections are taken"), "{text}");
    }
    assert_eq!(rest(&mut quiet).await, "", "silence in the reserve ends with the next probe");
    for client in &mut kept {
        client.write_all(LIST).await.unwrap();
        assert!(answer(client).await.starts_with("HTTP/1.1 200 "), "who has a place keeps it");
    }
    drop(kept);
    timeout(PATIENCE, async {
        loop {
            let mut client = api.connect().await;
            client.write_all(LIST).await.unwrap();
            if answer_or_end(&mut client).await.starts_with("HTTP/1.1 200 ") {
                return;
            }
        }
    })
    .await
    .expect("places are given back");
}

/// The status line, if there is an answer.
async fn answer_or_end(stream: &mut TcpStream) -> String {
    let mut text = vec![0; 64];
    let length = stream.read(&mut text).await.unwrap_or(0);
    text.truncate(length);
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn without_authentication_only_local_names_are_answered() {
    let api = run(BodyLimits::default(), ConnectionLimits::default()).await;
    for (host, status) in [
        ("localhost", 200),
        ("LOCALHOST.:9797", 200),
        ("127.0.0.1:9797", 200),
        ("[::1]:9797", 200),
        ("evil.example", 403),
        ("localhost.evil.example:9797", 403),
        ("192.0.2.1", 403),
        ("127.0.0.1.evil.example", 403),
        ("", 403),
    ] {
        let mut client = api.connect().await;
        client.write_all(format!("GET /v2.0/networks HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await.unwrap();
        let text = answer(&mut client).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {text}");
    }
}

#[tokio::test]
async fn a_stop_finishes_what_is_under_way_within_its_deadline() {
    let limits = ConnectionLimits { drain: Duration::from_millis(200), ..ConnectionLimits::default() };
    let api = run(BodyLimits::default(), limits).await;
    let mut idle = api.connect().await;
    idle.write_all(HEALTH).await.unwrap();
    answer(&mut idle).await;
    let mut stuck = api.connect().await;
    stuck.write_all(HEALTH).await.unwrap();
    answer(&mut stuck).await;
    stuck.write_all(b"POST /v2.0/ports HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{").await.unwrap();

    api.shutdown.cancel();
    assert_eq!(rest(&mut idle).await, "", "an idle connection is closed");
    timeout(PATIENCE, api.task).await.expect("the deadline holds").unwrap();
    assert!(TcpStream::connect(api.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn monitoring_has_a_listener_of_its_own() {
    let scratch = Scratch::new();
    let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let config = ApiConfig {
        listen: loopback,
        monitoring_listen: Some(loopback),
        auth: Auth::Token,
        token_file: scratch.path().join("token"),
        admin_roles: Vec::new(),
        tls: None,
        host_token_file: None,
        max_ports_per_host: 8,
    };
    let bound = ApiServer::bind(&config, service(&scratch).await, Readiness::new(Vec::new)).unwrap();
    let (api, monitoring) = (bound.local_addr(), bound.monitoring_addr().unwrap());
    let taken = ApiConfig { listen: api, ..config.clone() };
    let refused = ApiServer::bind(&taken, service(&Scratch::new()).await, Readiness::new(Vec::new));
    assert!(matches!(refused, Err(ApiError::Listen { key: "listen", .. })), "{refused:?}");

    let shutdown = CancellationToken::new();
    let served = tokio::spawn(bound.serve(shutdown.clone()));
    for (address, path, status) in
        [(monitoring, "/readyz", 200), (monitoring, "/v2/switches", 404), (api, "/readyz", 401), (api, "/", 200)]
    {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
        let text = answer(&mut stream).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {text}");
    }
    shutdown.cancel();
    timeout(PATIENCE, served).await.unwrap().unwrap();
}

#[tokio::test]
async fn without_authentication_only_loopback_is_served() {
    let scratch = Scratch::new();
    let config = ApiConfig {
        listen: "0.0.0.0:0".parse().unwrap(),
        monitoring_listen: None,
        auth: Auth::None,
        token_file: scratch.path().join("token"),
        admin_roles: Vec::new(),
        tls: None,
        host_token_file: None,
        max_ports_per_host: 8,
    };
    let refused = ApiServer::bind(&config, service(&scratch).await, Readiness::new(Vec::new));
    assert!(matches!(refused, Err(ApiError::Exposed(_))), "{refused:?}");
    assert!(!config.token_file.exists());
}
