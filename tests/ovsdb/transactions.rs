//! transact: outcomes, errors, waits.

use serde_json::json;
use vtepd::ovsdb::{Outcome, client::ClientError};

use super::*;

const DONE: Outcome = Outcome::Done { count: None, uuid: None };

#[tokio::test]
async fn outcomes_carry_counts_and_uuids() {
    let tor = tor();
    let client = client(&tor).await;
    let update = r#"{"op":"update","table":"Logical_Switch","where":[],"row":{"description":"d"}}"#;
    let comment = r#"{"op":"comment","comment":"hello"}"#;
    let operations = [&insert_switch("a"), &insert_switch("b"), update, comment];
    let reply = within(client.transact(DB, &operations)).await.unwrap();
    assert!(reply.committed());
    assert_eq!(reply.outcomes[2..], [Outcome::Done { count: Some(2), uuid: None }, DONE]);
    let uuids = tor.vtep_ctl(&["--columns=_uuid", "--bare", "list", "Logical_Switch"]);
    for outcome in &reply.outcomes[..2] {
        let Outcome::Done { uuid: Some(uuid), count: None } = outcome else { panic!("{outcome:?}") };
        assert!(uuids.contains(&uuid.to_string()), "{uuid} is not among {uuids}");
    }
}

#[tokio::test]
async fn behind_a_failed_operation_nothing_was_run() {
    let tor = tor();
    let client = client(&tor).await;
    let wait = json!({"op": "wait", "timeout": 0, "table": "Logical_Switch", "where": [], "columns": ["name"],
                      "until": "==", "rows": [{"name": "nobody"}]})
    .to_string();
    let reply = within(client.transact(DB, &[insert_switch("a"), wait, insert_switch("b")])).await.unwrap();
    assert!(
        matches!(&reply.outcomes[..], [Outcome::Done { .. }, Outcome::Failed { .. }, Outcome::NotRun]),
        "{reply:?}"
    );
    let failure = reply.failure().unwrap();
    assert_eq!((failure.operation, failure.error), (Some(1), "timed out"));
    assert!(!reply.committed());
    assert_eq!(tor.vtep_ctl(&["list-ls"]), "");
}

#[tokio::test]
async fn an_error_at_commit_comes_behind_the_operations() {
    let tor = tor();
    let client = client(&tor).await;
    let dangling = json!({"op": "insert", "table": "Ucast_Macs_Remote", "row": {"MAC": "02:00:00:00:00:01",
        "logical_switch": ["uuid", "00000000-0000-0000-0000-000000000001"],
        "locator": ["uuid", "00000000-0000-0000-0000-000000000002"]}})
    .to_string();
    let reply = within(client.transact(DB, &[insert_switch("a"), dangling])).await.unwrap();
    assert_eq!(reply.outcomes.len(), 2);
    assert!(reply.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done { .. })), "{reply:?}");
    let failure = reply.failure().unwrap();
    assert_eq!((failure.operation, failure.error), (None, "referential integrity violation"));
    assert!(!reply.committed());
    assert_eq!(tor.vtep_ctl(&["list-ls"]), "");
}

#[tokio::test]
async fn a_constraint_that_spans_rows_is_found_at_commit_only() {
    let tor = tor();
    let client = client(&tor).await;
    let reply = within(client.transact(DB, &[insert_switch("a"), insert_switch("a")])).await.unwrap();
    let failure = reply.failure().unwrap();
    assert_eq!((failure.operation, failure.error), (None, "constraint violation"));
}

#[tokio::test]
async fn null_is_no_value() {
    let tor = tor();
    let client = client(&tor).await;
    let operation = r#"{"op":"insert","table":"Logical_Switch","row":{"name":"a","tunnel_key":null}}"#;
    let reply = within(client.transact(DB, &[operation])).await.unwrap();
    assert_eq!(reply.failure().unwrap().error, "syntax error");
}

#[tokio::test]
async fn a_set_of_one_reads_back_bare_and_an_empty_one_does_not() {
    let tor = tor();
    let client = client(&tor).await;
    let operations = [
        r#"{"op":"insert","table":"Logical_Switch","row":{"name":"a","tunnel_key":["set",[7]]}}"#,
        r#"{"op":"insert","table":"Logical_Switch","row":{"name":"b"}}"#,
    ];
    assert!(within(client.transact(DB, &operations)).await.unwrap().committed());
    for (name, expected, keys) in [("a", "7", vec![7]), ("b", r#"["set",[]]"#, vec![])] {
        let select = json!([DB, {"op": "select", "table": "Logical_Switch", "where": [["name", "==", name]], "columns": ["tunnel_key"]}]);
        let call = client.call("transact", select.to_string().into_bytes()).await.unwrap();
        let rows = within(call.reply()).await.unwrap();
        assert_eq!(text(&rows), format!(r#"[{{"rows":[{{"tunnel_key":{expected}}}]}}]"#));
        let mut found = Vec::new();
        rows.cursor()
            .array(|result| {
                result.object(|_, rows| {
                    rows.array(|row| row.object(|_, keys| keys.set(|key| key.integer().map(|key| found.push(key)))))
                })
            })
            .unwrap();
        assert_eq!(found, keys);
    }
}

#[tokio::test]
async fn a_wait_without_a_timeout_blocks_until_it_is_canceled() {
    let tor = tor();
    let client = client(&tor).await;
    let wait = json!({"op": "wait", "table": "Logical_Switch", "where": [], "columns": ["name"],
                      "until": "==", "rows": [{"name": "later"}]})
    .to_string();

    // The session goes on beside it, and it ends when its condition comes true.
    let call = client.start_transact(DB, &[&wait]).await.unwrap();
    within(client.echo()).await.unwrap();
    assert!(within(client.transact(DB, &[insert_switch("later")])).await.unwrap().committed());
    assert!(within(call.transacted(1)).await.unwrap().committed());

    for aware in [false, true] {
        within(client.set_db_change_aware(aware)).await.unwrap();
        let never = wait.replace("later", "never");
        // Often: whether the request has left when it is canceled is a matter of luck.
        for _ in 0..50 {
            let call = client.start_transact(DB, &[&never]).await.unwrap();
            call.cancel().await;
            assert!(matches!(within(call.reply()).await, Err(ClientError::Canceled)));
        }
        within(client.echo()).await.unwrap();
    }
}

/// Under the client: whether a canceled request is answered depends on `set_db_change_aware`.
#[tokio::test]
async fn a_canceled_request_is_answered_to_aware_clients_only() {
    let tor = tor();
    let wait = json!([DB, {"op": "wait", "table": "Logical_Switch", "where": [], "columns": ["name"],
                           "until": "==", "rows": [{"name": "never"}]}])
    .to_string();
    for aware in [false, true] {
        let (mut connection, mut inbox) = connection(&tor, Limits::default()).await;
        let set = connection.request("set_db_change_aware", format!("[{aware}]").as_bytes()).unwrap();
        reply(&mut inbox, set).await.unwrap();
        let waiting = connection.request("transact", wait.as_bytes()).unwrap();
        connection.cancel(waiting).unwrap();
        let echo = connection.request("echo", b"[]").unwrap();
        let mut answered = None;
        loop {
            match next(&mut inbox).await {
                Incoming::Reply { id, result } if id == waiting => answered = Some(result),
                Incoming::Reply { id, .. } if id == echo => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(answered.is_some(), aware, "{answered:?}");
        if let Some(result) = answered {
            assert_eq!(result.unwrap_err().error, "canceled");
        }
    }
}
