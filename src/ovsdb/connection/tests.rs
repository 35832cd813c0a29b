//! The peer is a test at the other end of an in-memory stream; time is tokio's, and stands still where it is paused.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn open(limits: Limits) -> (Connection, Inbox, DuplexStream) {
    let (ours, theirs) = duplex(1 << 16);
    let (connection, inbox) = Connection::open(Box::new(ours), limits);
    (connection, inbox, theirs)
}

async fn read(peer: &mut DuplexStream) -> String {
    let mut buffer = vec![0; 1 << 16];
    let n = peer.read(&mut buffer).await.unwrap();
    String::from_utf8(buffer[..n].to_vec()).unwrap()
}

async fn reply_text(inbox: &mut Inbox) -> (u64, String) {
    match inbox.recv().await {
        Some(Incoming::Reply { id, result }) => (id, String::from_utf8(result.unwrap().as_bytes().to_vec()).unwrap()),
        other => panic!("{other:?}, {:?}", inbox.close_reason()),
    }
}

#[tokio::test]
async fn requests_go_out_together_and_replies_come_back() {
    let (mut connection, mut inbox, mut peer) = open(Limits::default());
    let first = connection.request("list_dbs", b"[]").unwrap();
    let second = connection.request("get_schema", b"[\"x\"]").unwrap();
    let expected = format!(
        r#"{{"id":{first},"method":"list_dbs","params":[]}}{{"id":{second},"method":"get_schema","params":["x"]}}"#
    );
    assert_eq!(read(&mut peer).await, expected);
    connection.flushed().await;
    assert_eq!(connection.queued(), 0);
    let answer = format!(r#"{{"id":{second},"result":2,"error":null}} {{"id":{first},"result":1,"error":null}}"#);
    peer.write_all(answer.as_bytes()).await.unwrap();
    assert_eq!(reply_text(&mut inbox).await, (second, "2".into()));
    assert_eq!(reply_text(&mut inbox).await, (first, "1".into()));
}

#[tokio::test]
async fn the_peers_echo_is_answered_without_the_owner() {
    let (_connection, _inbox, mut peer) = open(Limits::default());
    peer.write_all(br#"{"id":"echo","method":"echo","params":[1]}"#).await.unwrap();
    assert_eq!(read(&mut peer).await, r#"{"id":"echo","result":[1],"error":null}"#);
    peer.write_all(br#"{"id":"x","method":"steal_me","params":[]}"#).await.unwrap();
    assert_eq!(read(&mut peer).await, r#"{"id":"x","result":null,"error":"unknown method"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_probed_then_dead() {
    let limits = Limits { probe: 5 * SECOND, patience: 10 * SECOND, ..Limits::default() };
    let (_connection, mut inbox, mut peer) = open(limits);
    let start = tokio::time::Instant::now();
    for _ in 0..3 {
        assert_eq!(read(&mut peer).await, r#"{"id":"echo","method":"echo","params":[]}"#);
        peer.write_all(br#"{"id":"whatever","result":[],"error":null}"#).await.unwrap();
    }
    assert_eq!(start.elapsed().as_secs(), 15);
    assert_eq!(inbox.recv().await, None);
    assert_eq!(start.elapsed().as_secs(), 30);
    assert_eq!(inbox.close_reason(), Some(CloseReason::Silent(15 * SECOND)));
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn patience_can_be_raised_and_lowered_while_the_peer_is_frozen() {
    let limits = Limits { probe: 5 * SECOND, patience: 10 * SECOND, ..Limits::default() };
    let (connection, mut inbox, _peer) = open(limits);
    tokio::time::sleep(12 * SECOND).await;
    connection.set_patience(600 * SECOND);
    tokio::time::sleep(100 * SECOND).await;
    assert!(!connection.is_closed());
    connection.set_patience(SECOND);
    assert_eq!(inbox.recv().await, None);
    assert!(matches!(inbox.close_reason(), Some(CloseReason::Silent(silence)) if silence.as_secs() == 112));
}

#[tokio::test(start_paused = true)]
async fn a_slow_owner_stops_the_reading_but_kills_nobody() {
    let limits = Limits { probe: SECOND, patience: SECOND, inbox_messages: 4, ..Limits::default() };
    let (_connection, mut inbox, mut peer) = open(limits);
    let sent = 10_000;
    let writer = tokio::spawn(async move {
        for id in 0..sent {
            peer.write_all(format!(r#"{{"id":{id},"result":[],"error":null}}"#).as_bytes()).await.unwrap();
        }
        peer
    });
    // An hour in which we don't look; the peer can't write all of it.
    tokio::time::sleep(3600 * SECOND).await;
    assert!(!writer.is_finished());
    assert_eq!(inbox.close_reason(), None);
    for id in 0..sent {
        assert_eq!(reply_text(&mut inbox).await.0, id);
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn the_inbox_is_bounded_in_bytes() {
    let limits = Limits { inbox_bytes: 8 << 10, ..Limits::default() };
    let (_connection, mut inbox, mut peer) = open(limits);
    let big = "x".repeat(20 << 10);
    for id in 0..3 {
        peer.write_all(format!(r#"{{"id":{id},"result":"{big}","error":null}}"#).as_bytes()).await.unwrap();
    }
    // One alone may be longer than the bound; the next waits until it was read.
    for id in 0..3 {
        assert_eq!(reply_text(&mut inbox).await.0, id);
    }
}

#[tokio::test]
async fn the_queue_is_bounded() {
    let limits = Limits { queue_messages: 3, queue_bytes: 1000, ..Limits::default() };
    let (mut connection, _inbox, _peer) = open(limits.clone());
    for _ in 0..3 {
        connection.request("echo", b"[]").unwrap();
    }
    assert!(matches!(connection.request("echo", b"[]"), Err(RequestError::QueueFull { messages: 3, .. })));

    let (mut connection, _inbox, _peer) = open(limits);
    let long = format!("[\"{}\"]", "x".repeat(2000));
    let first = connection.request("echo", long.as_bytes()).unwrap();
    assert!(matches!(connection.request("echo", b"[]"), Err(RequestError::QueueFull { messages: 1, .. })));
    connection.flushed().await;
    assert_eq!(connection.request("echo", b"[]").unwrap(), first + 1, "a refused request uses up no id");
}

#[tokio::test]
async fn garbage_closes_with_its_place_and_an_excerpt() {
    for (garbage, expected) in [
        (
            &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
            "byte 0 of the message can't begin JSON: is the peer an OVSDB server?): SSH-2.0-OpenSSH_9.2··",
        ),
        (br#"{"id":[}}"#, r#"at byte 7: expected a value, found '}'): {"id":[}}"#),
        (br#"{"id":1,"resu\lt":[]}"#, r#"at byte 14: expected an escape, found 'l'): {"id":1,"resu\lt":[]}"#),
    ] {
        let (mut connection, mut inbox, mut peer) = open(Limits::default());
        peer.write_all(garbage).await.unwrap();
        assert_eq!(inbox.recv().await, None);
        let reason = inbox.close_reason().unwrap().to_string();
        assert_eq!(reason, format!("the server sent something that is not OVSDB ({expected}"));
        assert!(matches!(connection.request("echo", b"[]"), Err(RequestError::Closed(CloseReason::Malformed { .. }))));
    }
}

#[tokio::test]
async fn a_message_over_the_bound_closes() {
    let (_connection, mut inbox, mut peer) = open(Limits { max_message: 100, ..Limits::default() });
    peer.write_all(format!("[\"{}\"]", "x".repeat(200)).as_bytes()).await.unwrap();
    assert_eq!(inbox.recv().await, None);
    let reason = inbox.close_reason().unwrap().to_string();
    assert!(reason.contains("the message is longer than 100 bytes"), "{reason}");
}

#[tokio::test]
async fn messages_before_the_end_are_delivered() {
    for (text, within_message) in [("", false), (r#"{"id":"#, true)] {
        let (mut connection, mut inbox, mut peer) = open(Limits::default());
        peer.write_all(format!(r#"{{"id":1,"result":[],"error":null}}{text}"#).as_bytes()).await.unwrap();
        drop(peer);
        assert_eq!(reply_text(&mut inbox).await.0, 1);
        assert_eq!(inbox.recv().await, None);
        assert_eq!(inbox.recv().await, None);
        assert_eq!(inbox.close_reason(), Some(CloseReason::Ended { within_message }));
        connection.flushed().await;
        assert!(connection.is_closed());
        assert!(connection.request("echo", b"[]").is_err());
    }
}

#[tokio::test]
async fn dropping_the_connection_closes_the_stream() {
    let (connection, mut inbox, mut peer) = open(Limits::default());
    drop(connection);
    assert_eq!(inbox.recv().await, None);
    assert_eq!(inbox.close_reason(), Some(CloseReason::Dropped));
    assert_eq!(peer.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn an_owner_that_dropped_its_inbox_ends_the_connection() {
    let (connection, inbox, mut peer) = open(Limits::default());
    drop(inbox);
    peer.write_all(br#"{"id":1,"result":[],"error":null}"#).await.unwrap();
    assert_eq!(peer.read(&mut [0; 8]).await.unwrap(), 0);
    assert!(connection.is_closed());
}

#[tokio::test]
async fn a_peer_that_asks_without_reading_is_cut_off() {
    let (_connection, mut inbox, mut peer) = open(Limits::default());
    let request = format!(r#"{{"id":"x","method":"echo","params":["{}"]}}"#, "x".repeat(1000));
    while peer.write_all(request.as_bytes()).await.is_ok() {}
    assert_eq!(inbox.recv().await, None);
    assert!(matches!(inbox.close_reason(), Some(CloseReason::Flooded(_))));
}

#[tokio::test]
async fn a_message_longer_than_the_pipe_arrives_whole() {
    let (_connection, mut inbox, mut peer) = open(Limits::default());
    let long = "0123456789".repeat(500_000);
    let text = format!(r#"{{"id":1,"result":"{long}","error":null}}{{"id":2,"result":[],"error":null}}"#);
    let writer = tokio::spawn(async move {
        peer.write_all(text.as_bytes()).await.unwrap();
        peer
    });
    let (id, result) = reply_text(&mut inbox).await;
    assert_eq!((id, result.len()), (1, long.len() + 2));
    assert_eq!(reply_text(&mut inbox).await, (2, "[]".into()));
    writer.await.unwrap();
}
