use std::net::SocketAddr;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use super::{tcp::HOST_SILENCE, *};

const SOON: Duration = Duration::from_secs(5);

fn tcp(host: &str, port: u16) -> Address {
    Address::Tcp { host: host.to_owned(), port }
}

fn to(host: &str, port: u16) -> Endpoint {
    Endpoint::Tcp { host: host.to_owned(), port }
}

#[test]
fn addresses_are_read_and_written() {
    for (text, address, canonical) in [
        ("tcp:10.0.0.1:6640", tcp("10.0.0.1", 6640), "tcp:10.0.0.1:6640"),
        ("tcp:tor-1.example:6632", tcp("tor-1.example", 6632), "tcp:tor-1.example:6632"),
        ("tcp:tor-1", tcp("tor-1", 6640), "tcp:tor-1:6640"),
        ("tcp:[::1]:6640", tcp("::1", 6640), "tcp:[::1]:6640"),
        ("tcp:[fe80::1%eth0]", tcp("fe80::1%eth0", 6640), "tcp:[fe80::1%eth0]:6640"),
        ("ssl:[::1]", Address::Ssl { host: "::1".into(), port: 6640 }, "ssl:[::1]:6640"),
        ("ssl:tor-1:6632", Address::Ssl { host: "tor-1".into(), port: 6632 }, "ssl:tor-1:6632"),
        ("unix:/var/run/db.sock", Address::Unix("/var/run/db.sock".into()), "unix:/var/run/db.sock"),
    ] {
        let parsed: Address = text.parse().unwrap();
        assert_eq!(parsed, address);
        assert_eq!(parsed.to_string(), canonical);
        assert_eq!(canonical.parse(), Ok(parsed));
    }
}

#[test]
fn wrong_addresses_say_what_is_wrong() {
    let error = |text: &str| text.parse::<Address>().unwrap_err();
    for text in ["", "10.0.0.1:6640", "http://x", "tcp"] {
        assert_eq!(error(text), AddressError::Unknown(text.into()));
    }
    for text in ["tcp:", "tcp::6640", "tcp:::1:6640", "tcp:[10.0.0.1]:6640", "tcp:[::1", "tcp:[::1]6640", "tcp:a b:1"] {
        assert_eq!(error(text), AddressError::Host(text.into()), "{text}");
    }
    for text in ["tcp:h:", "tcp:h:0", "tcp:h:65536", "tcp:h:http", "tcp:[::1]:x"] {
        assert_eq!(error(text), AddressError::Port(text.into()), "{text}");
    }
    assert_eq!(error("unix:"), AddressError::Path("unix:".into()));
    assert_eq!(error("ssh:10.0.0.1:22"), AddressError::Unsupported("ssh:10.0.0.1:22".into(), "ssh".into()));
}

#[tokio::test]
async fn tcp_options_are_set() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    tune(&stream).unwrap();
    let socket = SockRef::from(&stream);
    assert!(stream.nodelay().unwrap());
    assert!(socket.keepalive().unwrap());
    assert_eq!(socket.tcp_user_timeout().unwrap(), Some(HOST_SILENCE));
}

#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    // 'localhost' has ::1 before 127.0.0.1 in many places; the server listens at the latter only.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let Connected { peer, .. } = dial(&to("localhost", port), SOON).await.unwrap();
    assert_eq!(peer, format!("127.0.0.1:{port}"));
}

#[tokio::test]
async fn ipv6_is_dialled() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else { return };
    let port = listener.local_addr().unwrap().port();
    let Connected { peer, .. } = dial(&to("::1", port), SOON).await.unwrap();
    assert_eq!(peer, format!("[::1]:{port}"));
}

#[tokio::test]
async fn failures_name_the_peer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let Err(error) = dial(&to("127.0.0.1", port), SOON).await else { panic!("connected to a closed port") };
    assert!(error.to_string().starts_with(&format!("can't connect to 127.0.0.1:{port}: ")), "{error}");
    let Err(error) = dial(&Endpoint::Unix("/nonexistent/db.sock".into()), SOON).await else { panic!("connected") };
    assert!(error.to_string().starts_with("can't connect to unix:/nonexistent/db.sock: "), "{error}");
}

#[tokio::test]
async fn a_peer_that_does_not_answer_costs_no_more_than_the_timeout() {
    // A listener whose backlog is full drops further attempts without a word.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let _first = TcpStream::connect(address).await.unwrap();
    let timeout = Duration::from_millis(300);
    let Err(error) = dial(&to("127.0.0.1", address.port()), timeout).await else { panic!("connected") };
    assert!(matches!(error, TransportError::TimedOut { .. }), "{error}");
}
