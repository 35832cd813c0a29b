use super::*;

fn read(text: &str) -> Message {
    parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn raw(text: &str) -> Raw {
    Raw::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn reply(id: u64, result: Result<Raw, RpcError>) -> Message {
    Message::Incoming(Incoming::Reply { id, result })
}

fn rpc_error(error: &str, details: Option<&str>) -> RpcError {
    RpcError { error: error.to_owned(), details: details.map(str::to_owned) }
}

#[test]
fn replies() {
    assert_eq!(read(r#"{"id":7,"result":{"a":[1]},"error":null}"#), reply(7, Ok(raw(r#"{"a":[1]}"#))));
    assert_eq!(read(r#" { "result" : [ ] , "id" : 7 } "#), reply(7, Ok(raw("[ ]"))));
    assert_eq!(read(r#"{"id":7,"error":null}"#), reply(7, Ok(raw("null"))), "a reply may lack 'result'");
}

#[test]
fn errors_are_strings_or_objects() {
    let refused = |error| reply(7, Err(error));
    assert_eq!(read(r#"{"id":7,"error":"canceled","result":null}"#), refused(rpc_error("canceled", None)));
    assert_eq!(
        read(r#"{"id":7,"error":{"syntax":"\"x\"","error":"unknown database","details":"no \"x\""},"result":null}"#),
        refused(rpc_error("unknown database", Some("no \"x\"")))
    );
    assert_eq!(read(r#"{"id":7,"error":{"error":"aborted"}}"#), refused(rpc_error("aborted", None)));
    assert_eq!(read(r#"{"id":7,"error":[1, 2]}"#), refused(rpc_error("[1, 2]", None)));
    let shown = rpc_error("unknown database", Some("no hardware_vtep")).to_string();
    assert_eq!(shown, "the OVSDB server refused the request: unknown database: no hardware_vtep");
}

#[test]
fn a_reply_with_an_id_that_is_not_ours_is_stray() {
    for id in ["\"echo\"", "-1", "1.5", "null", "[7]", "18446744073709551616"] {
        assert_eq!(read(&format!(r#"{{"id":{id},"result":[],"error":null}}"#)), Message::StrayReply, "{id}");
    }
}

#[test]
fn requests_want_an_answer() {
    let request = read(r#"{"method":"echo","params":[1,"x"],"id":"echo"}"#);
    assert_eq!(request, Message::Request { id: raw("\"echo\""), method: "echo".into(), params: raw("[1,\"x\"]") });
    let request = read(r#"{"method":"list_dbs","id":0}"#);
    assert_eq!(request, Message::Request { id: raw("0"), method: "list_dbs".into(), params: raw("[]") });
}

#[test]
fn notifications() {
    let notified = |text| match read(text) {
        Message::Incoming(incoming) => incoming,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        notified(r#"{"id":null,"method":"update","params":["m1",{"T":{}}]}"#),
        Incoming::Update { monitor: "m1".into(), updates: raw(r#"{"T":{}}"#) }
    );
    assert_eq!(
        notified(r#"{"method":"update2","params":[null,{}],"id":null}"#),
        Incoming::Update2 { monitor: "null".into(), updates: raw("{}") }
    );
    assert_eq!(notified(r#"{"id":null,"method":"locked","params":["vtepd"]}"#), Incoming::Locked("vtepd".into()));
    assert_eq!(notified(r#"{"id":null,"method":"stolen","params":["vtepd"]}"#), Incoming::Stolen("vtepd".into()));
    assert_eq!(
        notified(r#"{"id":null,"method":"monitor_canceled","params":["m1"]}"#),
        Incoming::MonitorCanceled("m1".into())
    );
    assert_eq!(notified(r#"{"id":null,"method":"hello"}"#), Incoming::Other { method: "hello".into() });
}

#[test]
fn results_share_the_memory_of_the_message() {
    let text = Bytes::from_static(br#"{"id":7,"result":{"a":[1]},"error":null}"#);
    let Message::Incoming(Incoming::Reply { result: Ok(result), .. }) = parse(&text).unwrap() else { panic!() };
    assert_eq!(result.as_bytes().as_ptr(), text[17..].as_ptr());
}

#[test]
fn what_is_no_message_is_an_error_with_its_place() {
    for (text, offset) in [
        ("[]", 0),
        ("{}", 0),
        (r#"{"id":7,"result":nul}"#, 17),
        (r#"{"id":7,"result":[}"#, 19),
        (r#"{"id":7,"method":"echo","params":[}]}"#, 35),
        (r#"{"method":"update","params":["m"],"id":null}"#, 33),
        (r#"{"method":"locked","params":[],"id":null}"#, 30),
        (r#"{"method":"locked","params":{},"id":null}"#, 28),
        (r#"{"id":7,"result":[]}x"#, 20),
    ] {
        let error = parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap_err();
        assert_eq!(error.offset, offset, "{text}: {error}");
    }
}

#[test]
fn a_request_has_three_members_and_no_more() {
    let mut out = Vec::new();
    write_request(&mut out, Some(3), "list_dbs", b"[]");
    write_request(&mut out, None, "cancel", b"[3]");
    let expected = r#"{"id":3,"method":"list_dbs","params":[]}{"id":null,"method":"cancel","params":[3]}"#;
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn we_answer_an_echo_and_refuse_the_rest() {
    let mut out = Vec::new();
    write_answer(&mut out, &raw("\"echo\""), "echo", &raw("[1]"));
    write_answer(&mut out, &raw("0"), "transact", &raw("[]"));
    let expected = r#"{"id":"echo","result":[1],"error":null}{"id":0,"result":null,"error":"unknown method"}"#;
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn an_excerpt_is_short_and_printable() {
    assert_eq!(excerpt(b"SSH-2.0\r\n\xff\0"), "SSH-2.0····");
    assert_eq!(excerpt(&[b'a'; 81]), format!("{}…", "a".repeat(80)));
}

/// Nothing that a server says makes a second line in a log, or a page of it.
#[test]
fn what_a_server_says_in_an_error_is_bounded() {
    let text = format!(r#"{{"id":1,"result":null,"error":{{"error":"a\nb","details":"{}"}}}}"#, "x".repeat(5000));
    let Message::Incoming(Incoming::Reply { result: Err(error), .. }) = parse(&Bytes::from(text)).unwrap() else {
        panic!("a refusal")
    };
    assert_eq!((error.error.as_str(), error.details.map(|text| text.len())), ("a·b", Some(1000)));
}
