//! Requests and their replies.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vtepd::ovsdb::{Schema, client::ClientError, json::write_string};

use super::*;

#[tokio::test]
async fn databases_and_schema() {
    let tor = tor();
    for address in [unix(&tor), tcp(&tor)] {
        let client = Client::connect(&address, PATIENCE).await.unwrap();
        let databases = within(client.list_dbs()).await.unwrap();
        assert!(databases.contains(&DB.to_owned()), "{databases:?}");
        let schema: Schema = within(client.get_schema(DB)).await.unwrap();
        assert_eq!((schema.name.as_str(), schema.version.as_str()), (DB, "1.7.0"));
        assert!(schema.has("Logical_Switch", "replication_mode"));
        assert!(schema.has("Global", "other_config"));
        within(client.echo()).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_on_ipv6() {
    let tor = Tor::on_ipv6("tor-1", "10.0.0.1");
    let address = Endpoint::Tcp { host: "::1".to_owned(), port: tor.port() };
    let client = Client::connect(&address, PATIENCE).await.unwrap();
    within(client.echo()).await.unwrap();
}

#[tokio::test]
async fn a_refused_request_is_an_error_and_the_session_goes_on() {
    let tor = tor();
    let client = client(&tor).await;
    match within(client.get_schema("nonsense")).await {
        Err(ClientError::Refused(error)) => assert_eq!(error.error, "unknown database"),
        other => panic!("{other:?}"),
    }
    let call = client.call("nonsense", b"[]".to_vec()).await.unwrap();
    match within(call.reply()).await {
        Err(ClientError::Refused(error)) => assert_eq!(error.error, "unknown method"),
        other => panic!("{other:?}"),
    }
    within(client.echo()).await.unwrap();
}

/// Why `write_request` writes three members, and `write_string` no U+0000.
#[tokio::test]
async fn the_server_drops_what_is_not_quite_its_protocol() {
    let tor = tor();
    let nested = format!("{}{}", "[".repeat(1001), "]".repeat(1001));
    for request in [
        r#"{"jsonrpc":"2.0","id":1,"method":"echo","params":[]}"#,
        r#"{"id":1,"method":"echo","params":[],"extra":0}"#,
        r#"{"id":1,"method":"echo","params":["\u0000"]}"#,
        r#"{"id":1,"method":"echo","params":["\ud800"]}"#,
        &format!(r#"{{"id":1,"method":"echo","params":{nested}}}"#),
    ] {
        let mut stream = stream(&unix(&tor)).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // It may also reset the connection: what we wrote was not read to its end.
        let end = within(stream.read_to_end(&mut answer)).await;
        assert!(end.is_err() || answer.is_empty(), "{request}: {}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test]
async fn any_text_survives_the_way_to_the_server_and_back() {
    let tor = tor();
    let client = client(&tor).await;
    let every_ascii: String = (0..128_u8).map(char::from).collect();
    for name in
        ["{\"", "\"}]\\", "naïve", "日本語", "😀\u{10ffff}", "\u{7f}\u{85}\u{2028}\u{feff}\u{fffe}", &every_ascii]
    {
        let mut row = Vec::new();
        write_string(&mut row, name);
        let operation = [br#"{"op":"insert","table":"Logical_Switch","row":{"name":"#, &row[..], b"}}"].concat();
        let reply = within(client.transact(DB, &[operation])).await.unwrap();
        assert!(reply.committed(), "{name:?}: {reply:?}");
    }
    let select = br#"["hardware_vtep",{"op":"select","table":"Logical_Switch","where":[],"columns":["name"]}]"#;
    let rows = within(client.call("transact", select.to_vec()).await.unwrap().reply()).await.unwrap();
    let mut names = Vec::new();
    rows.cursor()
        .array(|result| {
            result.object(|_, rows| {
                rows.array(|row| row.object(|_, name| name.string().map(|name| names.push(name.into_owned()))))
            })
        })
        .unwrap();
    names.sort();
    let mut expected =
        ["{\"", "\"}]\\", "naïve", "日本語", "😀\u{10ffff}", "\u{7f}\u{85}\u{2028}\u{feff}\u{fffe}", &every_ascii]
            .map(|name| name.replace('\0', "\u{fffd}"));
    expected.sort();
    assert_eq!(names, expected);
}

/// ovsdb-server stops reading while its replies back up: a client that wrote everything before it read would hang.
#[tokio::test]
async fn ten_megabytes_in_flight_do_not_deadlock() {
    let tor = tor();
    let limits = Limits { queue_bytes: 32 << 20, ..Limits::default() };
    let (mut connection, mut inbox) = connection(&tor, limits).await;
    let params = format!("[\"{}\"]", "x".repeat(10_000));
    let sent: Vec<u64> = (0..1000).map(|_| connection.request("echo", params.as_bytes()).unwrap()).collect();
    assert!(connection.queued() > 1 << 20, "the socket took it all at once");
    for id in sent {
        match next(&mut inbox).await {
            Incoming::Reply { id: got, result } => {
                assert_eq!((got, result.unwrap().as_bytes().len()), (id, params.len()));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(connection.queued(), 0);
}

#[tokio::test]
async fn callers_share_one_client() {
    let tor = tor();
    let client = client(&tor).await;
    let tasks: Vec<_> = (0..500)
        .map(|i| {
            let client = client.clone();
            tokio::spawn(async move {
                let call = client.call("echo", format!("[{i}]").into_bytes()).await.unwrap();
                (i, text(&call.reply().await.unwrap()).to_owned())
            })
        })
        .collect();
    for task in tasks {
        let (i, answer) = within(task).await.unwrap();
        assert_eq!(answer, format!("[{i}]"));
    }
}
