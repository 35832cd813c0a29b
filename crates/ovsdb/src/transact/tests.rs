use super::*;

fn read(text: &str, operations: usize) -> Result<Reply, JsonError> {
    Reply::read(&mut Cursor::new(text.as_bytes()), operations)
}

const DONE: Outcome = Outcome::Done { count: None, uuid: None };

#[test]
fn a_committed_transaction() {
    let text = r#"[{},{"count":2},{"uuid":["uuid","00000000-0000-0000-0000-000000000007"]},{"rows":[{"a":1}]}]"#;
    let reply = read(text, 4).unwrap();
    let inserted = Outcome::Done { count: None, uuid: Some(Uuid::from_u128(7)) };
    assert_eq!(reply.outcomes, [DONE, Outcome::Done { count: Some(2), uuid: None }, inserted, DONE]);
    assert!(reply.committed());
    assert_eq!(reply.failure(), None);
}

#[test]
fn a_failed_operation_leaves_those_behind_it_undone() {
    let text = r#"[{},{"error":"timed out","details":"\"wait\" timed out"},null]"#;
    let reply = read(text, 3).unwrap();
    let failed = Outcome::Failed { error: "timed out".into(), details: Some("\"wait\" timed out".into()) };
    assert_eq!(reply.outcomes, [DONE, failed, Outcome::NotRun]);
    assert!(!reply.committed());
    let failure = reply.failure().unwrap();
    assert_eq!((failure.operation, failure.error, failure.details), (Some(1), "timed out", Some("\"wait\" timed out")));
}

#[test]
fn an_error_at_commit_is_one_element_more() {
    let reply = read(r#"[{},{"error":"referential integrity violation"}]"#, 1).unwrap();
    assert_eq!(reply.outcomes, [DONE]);
    assert!(!reply.committed());
    let failure = reply.failure().unwrap();
    assert_eq!((failure.operation, failure.error), (None, "referential integrity violation"));
}

#[test]
fn a_reply_that_stops_early_is_no_success() {
    let reply = read(r#"[{"error":"aborted","details":null}]"#, 3).unwrap();
    let failed = Outcome::Failed { error: "aborted".into(), details: None };
    assert_eq!(reply.outcomes, [failed, Outcome::NotRun, Outcome::NotRun]);
    assert!(!read("[]", 1).unwrap().committed());
}

#[test]
fn another_form_is_an_error() {
    for text in ["{}", "[1]", r#"[{},{"error":"x"},{}]"#, r#"[{"count":"x"}]"#, r#"[{},{"error":"x"},null]"#] {
        assert!(read(text, 1).is_err(), "{text}");
    }
}
