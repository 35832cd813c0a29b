//! The peer is a test at the other end of an in-memory stream; time is tokio's, and stands still where it is paused.

use std::{fmt::Write as _, time::Duration};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::Incoming;

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
async fn the_peers_echo_is_answered_while_the_owner_waits() {
    let (_connection, mut inbox, mut peer) = open(Limits::default());
    let asked = async {
        peer.write_all(br#"{"id":"echo","method":"echo","params":[1]}"#).await.unwrap();
        assert_eq!(read(&mut peer).await, r#"{"id":"echo","result":[1],"error":null}"#);
        peer.write_all(br#"{"id":"x","method":"steal_me","params":[]}"#).await.unwrap();
        assert_eq!(read(&mut peer).await, r#"{"id":"x","result":null,"error":"unknown method"}"#);
    };
    tokio::select! {
        message = inbox.recv() => panic!("{message:?}, {:?}", inbox.close_reason()),
        () = asked => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_probed_then_dead() {
    let limits = Limits { probe: 5 * SECOND, patience: 10 * SECOND, ..Limits::default() };
    let (_connection, mut inbox, mut peer) = open(limits);
    let start = tokio::time::Instant::now();
    let answered = async {
        for _ in 0..3 {
            assert_eq!(read(&mut peer).await, r#"{"id":"echo","method":"echo","params":[]}"#);
            peer.write_all(br#"{"id":"whatever","result":[],"error":null}"#).await.unwrap();
        }
        assert_eq!(start.elapsed().as_secs(), 15);
    };
    assert_eq!(tokio::join!(inbox.recv(), answered).0, None);
    assert_eq!(start.elapsed().as_secs(), 30);
    assert_eq!(inbox.close_reason(), Some(CloseReason::Silent(15 * SECOND)));
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn patience_can_be_raised_and_lowered_while_the_peer_is_frozen() {
    let limits = Limits { probe: 5 * SECOND, patience: 10 * SECOND, ..Limits::default() };
    let (connection, mut inbox, _peer) = open(limits);
    for (patience, wait) in [(10 * SECOND, 12 * SECOND), (600 * SECOND, 100 * SECOND)] {
        connection.set_patience(patience);
        let waited = tokio::time::timeout(wait, inbox.recv()).await;
        assert!(waited.is_err(), "{waited:?}, {:?}", inbox.close_reason());
    }
    connection.set_patience(SECOND);
    assert_eq!(inbox.recv().await, None);
    assert!(matches!(inbox.close_reason(), Some(CloseReason::Silent(silence)) if silence.as_secs() == 112));
}

#[tokio::test(start_paused = true)]
async fn a_slow_owner_stops_the_reading_but_kills_nobody() {
    let limits = Limits { probe: SECOND, patience: SECOND, ..Limits::default() };
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

/// The first half of a peer's probe came, and then the owner was busy for longer than the peer's silence may last.
#[tokio::test(start_paused = true)]
async fn bytes_that_waited_for_a_busy_owner_speak_for_the_peer() {
    let limits = Limits { probe: SECOND, patience: SECOND, ..Limits::default() };
    let (_connection, mut inbox, mut peer) = open(limits);
    let probed = tokio::time::timeout(SECOND + SECOND / 2, inbox.recv()).await;
    assert!(probed.is_err(), "{probed:?}");
    peer.write_all(br#"{"id":"echo","result":[],"error":null}"#).await.unwrap();
    tokio::time::sleep(60 * SECOND).await;
    peer.write_all(br#"{"id":7,"result":[],"error":null}"#).await.unwrap();
    assert_eq!(reply_text(&mut inbox).await.0, 7);
}

#[tokio::test]
async fn what_the_socket_does_not_take_at_once_follows_in_order() {
    let (mut connection, mut inbox, mut peer) = open(Limits::default());
    // More than the pipe takes, in pieces of many sizes.
    let sent: Vec<String> = (0..60).map(|i| format!("[\"{}\"]", "x".repeat(i * 300))).collect();
    let mut expected = String::new();
    for (id, params) in sent.iter().enumerate() {
        write!(expected, r#"{{"id":{id},"method":"echo","params":{params}}}"#).unwrap();
    }
    for params in &sent {
        connection.request("echo", params.as_bytes()).unwrap();
    }
    assert!(expected.len() > 1 << 18 && connection.queued() > 0);
    let received = async {
        let mut received = String::new();
        while received.len() < expected.len() {
            received += &read(&mut peer).await;
        }
        assert_eq!(received, expected);
    };
    tokio::select! {
        message = inbox.recv() => panic!("{message:?}"),
        () = received => {}
    }
    connection.flushed().await;
    assert_eq!(connection.queued(), 0);
}

#[tokio::test]
async fn the_queue_is_bounded() {
    let limits = Limits { queue_messages: 3, queue_bytes: 1000, ..Limits::default() };
    let (mut connection, _inbox, _peer) = open(limits);
    // One request that is longer than the bound may pass where nothing waits; the pipe doesn't take all of it.
    let long = format!("[\"{}\"]", "x".repeat(1 << 17));
    connection.request("echo", long.as_bytes()).unwrap();
    assert!(matches!(connection.request("echo", b"[]"), Err(RequestError::QueueFull { messages: 0, .. })));

    let (mut connection, inbox, mut peer) =
        open(Limits { queue_messages: 3, queue_bytes: 1 << 20, ..Limits::default() });
    let first = connection.request("echo", long.as_bytes()).unwrap();
    for _ in 0..3 {
        connection.request("echo", b"[]").unwrap();
    }
    assert!(matches!(connection.request("echo", b"[]"), Err(RequestError::QueueFull { messages: 3, .. })));
    let rest = tokio::spawn(async move {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.unwrap();
    });
    connection.flushed().await;
    assert_eq!(connection.request("echo", b"[]").unwrap(), first + 4, "a refused request uses up no id");
    drop((connection, inbox));
    rest.await.unwrap();
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
    assert!(reason.contains("a message of more than 100 bytes"), "{reason}");
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
    let asked = async { while peer.write_all(request.as_bytes()).await.is_ok() {} };
    assert_eq!(tokio::join!(inbox.recv(), asked).0, None);
    assert!(matches!(inbox.close_reason(), Some(CloseReason::Excess(Excess::Answers { .. }))));
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

// ===== budgets =====

/// A reply of this many bytes to the request 0, in two parts.
fn long_reply(length: usize) -> (Vec<u8>, Vec<u8>) {
    let mut text = br#"{"id":0,"error":null,"result":""#.to_vec();
    text.resize(length - 2, b'x');
    text.extend_from_slice(b"\"}");
    let rest = text.split_off(length / 2);
    (text, rest)
}

#[tokio::test]
async fn the_longest_message_is_the_owners_to_choose() {
    let (connection, mut inbox, mut peer) = open(Limits::default());
    let (one, two) = long_reply(2000);
    for limit in [2000, 1999] {
        connection.set_max_message(limit);
        peer.write_all(&[one.as_slice(), &two].concat()).await.unwrap();
        assert_eq!(inbox.recv().await.is_some(), limit == 2000);
    }
    let reason = inbox.close_reason().unwrap();
    assert_eq!(reason, Excess::Message { limit: 1999 }.into());
    assert_eq!(reason.to_string(), "the server sent a message of more than 1999 bytes");
}

#[tokio::test(start_paused = true)]
async fn long_messages_of_all_connections_share_their_memory() {
    const MIB: usize = 1 << 20;
    let memory = Memory::new(32 * MIB);
    let limits = || Limits { memory: memory.clone(), probe: Duration::ZERO, ..Limits::default() };
    let (_one, mut first, mut slow) = open(limits());
    let (_two, mut second, mut peer) = open(limits());
    let (begun, rest) = long_reply(24 * MIB);
    let first = tokio::spawn(async move { (first.recv().await, first) });
    slow.write_all(&begun).await.unwrap();
    // The first holds more than half of the memory: the second waits, and isn't read from any more.
    let whole = long_reply(16 * MIB);
    let writing = tokio::spawn(async move { peer.write_all(&[whole.0, whole.1].concat()).await });
    let begun = tokio::time::Instant::now();
    assert_eq!(second.recv().await, None);
    assert_eq!(second.close_reason(), Some(Excess::Memory { limit: 32 * MIB }.into()));
    assert!(begun.elapsed() >= memory::PATIENCE, "{:?}", begun.elapsed());
    drop(second);
    writing.abort();
    // With the first's end there is room.
    slow.write_all(&rest).await.unwrap();
    let (message, first) = first.await.unwrap();
    let Some(Incoming::Reply { result: Ok(raw), .. }) = message else { panic!("{:?}", first.close_reason()) };
    let open_again = |wait| {
        let limits = limits();
        async move {
            let (_connection, mut inbox, mut peer) = open(limits);
            let whole = long_reply(16 * MIB);
            let writing = tokio::spawn(async move { peer.write_all(&[whole.0, whole.1].concat()).await });
            let message = tokio::time::timeout(wait, inbox.recv()).await;
            writing.abort();
            message.is_ok_and(|message| message.is_some())
        }
    };
    assert!(!open_again(5 * SECOND).await, "the text is still held");
    drop(raw);
    assert!(open_again(5 * SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_slow_message_makes_room_for_those_who_wait() {
    const MIB: usize = 1 << 20;
    let limits = Limits { memory: Memory::new(16 * MIB), probe: Duration::ZERO, ..Limits::default() };
    let (_one, mut first, mut slow) = open(limits.clone());
    let trickle = tokio::spawn(async move {
        slow.write_all(&long_reply(16 * MIB).0).await.unwrap();
        while slow.write_all(b"x").await.is_ok() {
            tokio::time::sleep(SECOND).await;
        }
    });
    let first = tokio::spawn(async move { (first.recv().await, first.close_reason()) });
    // Alone it may be as slow as it likes.
    tokio::time::sleep(100 * SECOND).await;
    assert!(!first.is_finished());
    let (_two, mut second, mut peer) = open(limits);
    let whole = long_reply(10 * MIB);
    let writing = tokio::spawn(async move { peer.write_all(&[whole.0, whole.1].concat()).await });
    assert!(second.recv().await.is_some(), "{:?}", second.close_reason());
    let (message, reason) = first.await.unwrap();
    assert_eq!(message, None);
    assert!(matches!(reason, Some(CloseReason::Excess(Excess::Slow { .. }))), "{reason:?}");
    trickle.await.unwrap();
    writing.await.unwrap().unwrap();
}

/// What nobody asked for costs; what answers us doesn't.
#[tokio::test(start_paused = true)]
async fn a_peer_that_gives_too_much_work_waits() {
    let limits = Limits { rate: 100, burst: 100, ..Limits::default() };
    let (mut connection, mut inbox, mut peer) = open(limits);
    let begun = tokio::time::Instant::now();
    for id in 0..50 {
        connection.request("echo", b"[]").unwrap();
        peer.write_all(format!(r#"{{"id":{id},"result":[],"error":null}}"#).as_bytes()).await.unwrap();
        assert!(inbox.recv().await.is_some());
    }
    assert_eq!((begun.elapsed(), connection.throttled()), (Duration::ZERO, Duration::ZERO));
    for _ in 0..50 {
        peer.write_all(br#"{"id":null,"method":"stolen","params":["vtepd"]}"#).await.unwrap();
        assert_eq!(inbox.recv().await, Some(Incoming::Stolen("vtepd".into())));
    }
    // 50 messages of 200, at 100 a second; the debt of the last one isn't paid yet.
    let took = begun.elapsed();
    assert!((90 * SECOND..=100 * SECOND).contains(&took), "{took:?}");
    assert!(connection.throttled() <= took && connection.throttled() >= 90 * SECOND);
    // Rows of updates are counted by the owner; what is far too much is forgiven after half a minute.
    let begun = tokio::time::Instant::now();
    connection.charge(1_000_000);
    peer.write_all(br#"{"id":null,"method":"locked","params":["vtepd"]}"#).await.unwrap();
    assert!(inbox.recv().await.is_some());
    assert!((30 * SECOND..31 * SECOND).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(inbox.close_reason(), None);
}
