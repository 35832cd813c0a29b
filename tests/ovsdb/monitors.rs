//! monitor, monitor_cond, and what ends them.

use serde_json::json;
use vtepd::ovsdb::client::{ClientError, MonitorEnd};

use super::*;

const SWITCH_NAMES: &[u8] = br#"{"Logical_Switch":{"columns":["name","other_config"]}}"#;

#[tokio::test]
async fn a_monitor_tells_what_is_there_and_what_changes() {
    let tor = tor();
    let client = client(&tor).await;
    tor.vtep_ctl(&["add-ls", "before"]);
    let (initial, mut updates) = within(client.monitor(DB, SWITCH_NAMES)).await.unwrap();
    let initial = value(&initial);
    let row = initial["Logical_Switch"].as_object().unwrap().values().next().unwrap();
    assert_eq!(row["new"], json!({"name": "before", "other_config": ["map", []]}), "explicit columns, so no _version");

    tor.vtep_ctl(&["add-ls", "after"]);
    let update = value(&within(updates.next()).await.unwrap());
    let row = update["Logical_Switch"].as_object().unwrap().values().next().unwrap();
    assert_eq!((&row["new"]["name"], row.get("old")), (&json!("after"), None));

    tor.vtep_ctl(&["del-ls", "after"]);
    let update = value(&within(updates.next()).await.unwrap());
    let row = update["Logical_Switch"].as_object().unwrap().values().next().unwrap();
    assert_eq!((&row["old"]["name"], row.get("new")), (&json!("after"), None));

    within(updates.cancel()).await.unwrap();
    tor.vtep_ctl(&["add-ls", "unseen"]);
    within(client.echo()).await.unwrap();
}

#[tokio::test]
async fn monitor_cond_tells_differences_and_leaves_defaults_out() {
    let tor = tor();
    let client = client(&tor).await;
    tor.transact(&[json!({"op": "insert", "table": "Logical_Switch",
        "row": {"name": "a", "other_config": ["map", [["removed", "x"], ["kept", "y"], ["changed", "z"]]]}})]);
    let requests = br#"{"Logical_Switch":[{"columns":["name","other_config","tunnel_key"]}]}"#;
    let (initial, mut updates) = within(client.monitor_cond(DB, requests)).await.unwrap();
    let initial = value(&initial);
    let row = initial["Logical_Switch"].as_object().unwrap().values().next().unwrap();
    assert!(row["initial"].get("tunnel_key").is_none(), "{row}");

    tor.transact(&[json!({"op": "update", "table": "Logical_Switch", "where": [],
        "row": {"other_config": ["map", [["kept", "y"], ["changed", "Z"], ["added", "w"]]]}})]);
    let update = within(updates.next()).await.unwrap();
    let mut differences = Vec::new();
    update
        .cursor()
        .object(|_, rows| {
            rows.object(|_, row| {
                row.object(|kind, columns| {
                    assert_eq!(kind, "modify");
                    columns.object(|_, map| {
                        map.map(|key, value| {
                            differences.push((key.string()?.into_owned(), value.string()?.into_owned()));
                            Ok(())
                        })
                    })
                })
            })
        })
        .unwrap();
    differences.sort();
    let expected = [("added", "w"), ("changed", "Z"), ("removed", "x")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(differences, expected, "same key and value: removed; other value: replaced; unknown key: added");
}

#[tokio::test]
async fn one_unknown_column_fails_the_whole_monitor() {
    let tor = tor();
    let client = client(&tor).await;
    let requests = br#"{"Logical_Switch":{"columns":["name","nonsense"]}}"#;
    match within(client.monitor(DB, requests)).await {
        Err(ClientError::Refused(error)) => {
            assert!(error.to_string().contains("nonsense is not a valid column name"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_update_comes_before_the_reply_of_the_transaction_that_caused_it() {
    let tor = tor();
    let (mut connection, mut inbox) = connection(&tor, Limits::default()).await;
    let requests = format!(r#"["{DB}","m",{}]"#, std::str::from_utf8(SWITCH_NAMES).unwrap());
    let monitor = connection.request("monitor", requests.as_bytes()).unwrap();
    reply(&mut inbox, monitor).await.unwrap();
    let transact = connection.request("transact", format!(r#"["{DB}",{}]"#, insert_switch("a")).as_bytes()).unwrap();
    let first = next(&mut inbox).await;
    assert!(matches!(&first, Incoming::Update { monitor, .. } if monitor == "m"), "{first:?}");
    let second = next(&mut inbox).await;
    assert!(matches!(&second, Incoming::Reply { id, .. } if *id == transact), "{second:?}");
}

#[tokio::test]
async fn a_conversion_cancels_the_monitors_of_aware_clients_and_cuts_off_the_others() {
    let tor = tor();
    let aware = client(&tor).await;
    within(aware.set_db_change_aware(true)).await.unwrap();
    let (_, mut seen_by_aware) = within(aware.monitor(DB, SWITCH_NAMES)).await.unwrap();
    let unaware = client(&tor).await;
    let (_, mut seen_by_unaware) = within(unaware.monitor(DB, SWITCH_NAMES)).await.unwrap();
    let conditional = br#"{"Logical_Switch":[{"columns":["name"]}]}"#;
    let (_, mut aware_with_conditions) = within(aware.monitor_cond(DB, conditional)).await.unwrap();
    let (_, mut unaware_with_conditions) = within(unaware.monitor_cond(DB, conditional)).await.unwrap();

    let text = std::fs::read_to_string(support::tor::SCHEMA).unwrap();
    let converted = tor.path().join("converted.ovsschema");
    std::fs::write(&converted, text.replace("\"1.7.0\"", "\"1.7.99\"")).unwrap();
    tor.ovsdb_client("convert", &[converted.to_str().unwrap()]);

    assert_eq!(within(seen_by_aware.next()).await, Err(MonitorEnd::Canceled));
    assert_eq!(within(aware_with_conditions.next()).await, Err(MonitorEnd::Canceled));
    assert_eq!(within(aware.get_schema(DB)).await.unwrap().version, "1.7.99");
    let (_, mut again) = within(aware.monitor(DB, SWITCH_NAMES)).await.unwrap();
    tor.vtep_ctl(&["add-ls", "a"]);
    within(again.next()).await.unwrap();

    assert!(matches!(within(seen_by_unaware.next()).await, Err(MonitorEnd::Closed(_))));
    assert!(matches!(within(unaware_with_conditions.next()).await, Err(MonitorEnd::Closed(_))));
    assert!(matches!(within(unaware.echo()).await, Err(ClientError::Closed(_))));
}

#[tokio::test]
async fn a_reader_that_falls_behind_is_told_so_and_holds_up_nobody() {
    let tor = tor();
    let client = client(&tor).await;
    let (_, mut updates) = within(client.monitor(DB, SWITCH_NAMES)).await.unwrap();
    let count = vtepd::ovsdb::client::UPDATES + 10;
    for i in 0..count {
        assert!(within(client.transact(DB, &[insert_switch(&format!("s{i}"))])).await.unwrap().committed());
    }
    let mut seen = 0;
    let end = loop {
        match within(updates.next()).await {
            Ok(_) => seen += 1,
            Err(end) => break end,
        }
    };
    assert_eq!((seen, end), (vtepd::ovsdb::client::UPDATES, MonitorEnd::Lagged));
}

#[tokio::test]
async fn a_dump_of_many_megabytes_arrives_in_one_piece() {
    const ROWS: usize = 20_000;
    let tor = tor();
    let client = client(&tor).await;
    for batch in 0..ROWS / 1000 {
        let operations: Vec<String> =
            (0..1000).map(|i| insert_switch(&format!("switch {batch} {i} {}", "x".repeat(300)))).collect();
        assert!(within(client.transact(DB, &operations)).await.unwrap().committed());
    }
    let (initial, _updates) = within(client.monitor(DB, SWITCH_NAMES)).await.unwrap();
    assert!(initial.as_bytes().len() > ROWS * 350);
    let mut rows = 0;
    initial
        .cursor()
        .object(|_, table| {
            table.object(|_, row| {
                rows += 1;
                row.skip()
            })
        })
        .unwrap();
    assert_eq!(rows, ROWS);
}
