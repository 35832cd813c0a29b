//! lock, steal, unlock, assert.

use vtepd::ovsdb::client::ClientError;

use super::*;

const ASSERT: &str = r#"{"op":"assert","lock":"vtepd"}"#;

fn refusal<T: std::fmt::Debug>(result: Result<T, ClientError>) -> RpcError {
    match result {
        Err(ClientError::Refused(error)) => error,
        other => panic!("{other:?}"),
    }
}

async fn asserted(client: &Client) -> bool {
    let reply = within(client.transact(DB, &[ASSERT])).await.expect("assert is answered");
    if let Some(failure) = reply.failure() {
        assert_eq!(failure.error, "not owner");
    }
    reply.committed()
}

#[tokio::test]
async fn a_second_session_waits_until_the_first_is_gone() {
    let tor = tor();
    let (first, second) = (client(&tor).await, client(&tor).await);
    let held = within(first.lock("vtepd")).await.unwrap();
    assert!(held.held());
    assert!(asserted(&first).await);

    let mut waiting = within(second.lock("vtepd")).await.unwrap();
    assert!(!waiting.held());
    assert!(!asserted(&second).await);

    // With the last handle the session closes, and the lock is free.
    drop((first, held));
    within(waiting.acquired()).await.unwrap();
    assert!(asserted(&second).await);
}

#[tokio::test]
async fn stealing_needs_an_unlock_first_where_we_wait() {
    let tor = tor();
    let (first, second) = (client(&tor).await, client(&tor).await);
    let mut held = within(first.lock("vtepd")).await.unwrap();
    let waiting = within(second.lock("vtepd")).await.unwrap();
    let error = refusal(within(second.steal("vtepd")).await);
    assert!(error.to_string().contains("lock"), "{error}");
    within(second.unlock("vtepd")).await.unwrap();
    assert!(!waiting.held());

    let stolen = within(second.steal("vtepd")).await.unwrap();
    assert!(stolen.held());
    within(held.lost()).await.unwrap();
    assert!(!asserted(&first).await);
    assert!(asserted(&second).await);

    // The loser stands in the queue: it gets the lock back with the thief's unlock.
    within(second.unlock("vtepd")).await.unwrap();
    assert!(!stolen.held());
    within(held.acquired()).await.unwrap();
    assert!(asserted(&first).await);
}

#[tokio::test]
async fn a_lock_is_asked_for_once_and_has_an_identifier_for_a_name() {
    let tor = tor();
    let client = client(&tor).await;
    let _held = within(client.lock("vtepd")).await.unwrap();
    refusal(within(client.lock("vtepd")).await);
    within(client.unlock("vtepd")).await.unwrap();
    assert!(within(client.lock("vtepd")).await.unwrap().held());
    for name in ["with-hyphen", "with space", ""] {
        refusal(within(client.lock(name)).await);
    }
    within(client.lock("other_1")).await.unwrap();
}
