//! What happens to a connection when its server probes, freezes, dies or was none.

use std::time::Duration;

use tokio::net::TcpListener;
use vtepd::ovsdb::{CloseReason, RequestError, transport::Connected};

use super::*;
use crate::support::tor::Contents;

const SECOND: Duration = Duration::from_secs(1);

/// ovsdb-server probes after 5 s and drops a client that says nothing for 10.
#[tokio::test]
async fn an_idle_session_lives_by_answering_the_servers_probes() {
    let tor = tor();
    let limits = Limits { probe: Duration::ZERO, ..Limits::default() };
    let (mut connection, mut inbox) = connection(&tor, limits).await;
    let quiet = tokio::time::timeout(12 * SECOND, inbox.recv()).await;
    assert!(quiet.is_err(), "{quiet:?}, {:?}", inbox.close_reason());
    let echo = connection.request("echo", b"[]").unwrap();
    reply(&mut inbox, echo).await.unwrap();
}

#[tokio::test]
async fn a_frozen_server_is_given_up_after_probe_and_patience() {
    let tor = tor();
    for address in [unix(&tor), tcp(&tor)] {
        let limits = Limits { probe: SECOND / 5, patience: SECOND / 5, ..Limits::default() };
        let (mut connection, mut inbox) = Connection::open(stream(&address).await, limits);
        let echo = connection.request("echo", b"[]").unwrap();
        reply(&mut inbox, echo).await.unwrap();
        tor.freeze();
        assert_eq!(within(inbox.recv()).await, None);
        assert!(matches!(inbox.close_reason(), Some(CloseReason::Silent(_))), "{:?}", inbox.close_reason());
        assert!(matches!(connection.request("echo", b"[]"), Err(RequestError::Closed(CloseReason::Silent(_)))));
        tor.thaw();
    }
}

/// A compaction looks like this: nothing for a while, then everything at once. Its kernel acknowledges what it has room
/// for, and says so when it has none: that is no wire that was cut.
#[tokio::test]
async fn a_frozen_server_is_waited_for_with_patience() {
    let tor = tor();
    let limits = Limits { probe: SECOND / 10, patience: SECOND / 10, ..Limits::default() };
    let Connected { stream, wire, .. } = dial(&tcp(&tor), PATIENCE).await.unwrap();
    assert!(wire.is_some());
    let (mut connection, mut inbox) = Connection::watched(stream, wire, limits);
    connection.set_patience(PATIENCE);
    tor.freeze();
    // More than fits into the server's receive buffer.
    let params = format!("[\"{}\"]", "x".repeat(10_000));
    let sent: Vec<u64> = (0..800).map(|_| connection.request("echo", params.as_bytes()).unwrap()).collect();
    let silent = tokio::time::timeout(5 * SECOND, inbox.recv()).await;
    assert!(silent.is_err(), "{silent:?}, {:?}", inbox.close_reason());
    assert!(connection.queued() > 0);
    tor.thaw();
    for id in sent {
        reply(&mut inbox, id).await.unwrap();
    }
}

#[tokio::test]
async fn a_probe_keeps_an_idle_session_and_nobody_sees_it() {
    let tor = tor();
    let limits = Limits { probe: SECOND / 20, patience: PATIENCE, ..Limits::default() };
    let (_connection, mut inbox) = connection(&tor, limits).await;
    let quiet = tokio::time::timeout(SECOND, inbox.recv()).await;
    assert!(quiet.is_err(), "{quiet:?}, {:?}", inbox.close_reason());
}

#[tokio::test]
async fn a_killed_server_ends_the_session_and_the_next_one_finds_it_again() {
    let mut tor = tor();
    let (_connection, mut inbox) = Connection::open(stream(&tcp(&tor)).await, Limits::default());
    tor.kill();
    assert_eq!(within(inbox.recv()).await, None);
    let reason = inbox.close_reason();
    assert!(matches!(reason, Some(CloseReason::Ended { .. } | CloseReason::Io(_))), "{reason:?}");
    assert!(dial(&tcp(&tor), SECOND).await.is_err());
    tor.restart(Contents::Kept);
    let client = Client::connect(&tcp(&tor), PATIENCE).await.unwrap();
    within(client.echo()).await.unwrap();
}

#[tokio::test]
async fn a_peer_that_is_no_ovsdb_server_is_named() {
    use tokio::io::AsyncWriteExt;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Endpoint::Tcp { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
    let (_connection, mut inbox) = Connection::open(stream(&address).await, Limits::default());
    let (mut peer, _) = listener.accept().await.unwrap();
    peer.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n").await.unwrap();
    assert_eq!(within(inbox.recv()).await, None);
    let reason = inbox.close_reason().unwrap().to_string();
    assert!(reason.contains("is the peer an OVSDB server?") && reason.contains("SSH-2.0-OpenSSH_9.2p1"), "{reason}");
}
