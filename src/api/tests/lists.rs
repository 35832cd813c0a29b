//! Filters, fields, order and windows: the same for every list, whether the store looks through it or we do.

use serde_json::{Value, json};

use super::harness::Api;

/// Lists with ten objects called n0 to n9, every other one with the project `p`; the names' order is not that of ids.
async fn ten(api: &Api) -> Vec<&'static str> {
    let tenant = |n: usize| if n.is_multiple_of(2) { "p" } else { "" };
    let networks: Vec<_> = (0..10).map(|n| json!({"name": format!("n{n}"), "tenant_id": tenant(n)})).collect();
    let networks = api.post("/v2.0/networks", &json!({"networks": networks})).await.expect(201);
    let network = &networks["networks"][0]["id"];
    let ports: Vec<_> =
        (0..10).map(|n| json!({"name": format!("n{n}"), "tenant_id": tenant(n), "network_id": network})).collect();
    api.post("/v2.0/ports", &json!({"ports": ports})).await.expect(201);
    let gateways: Vec<_> = (0..10)
        .map(|n| {
            json!({"name": format!("n{n}"), "tenant_id": tenant(n),
                   "devices": [{"device_name": "t", "interfaces": [{"name": "e"}]}]})
        })
        .collect();
    api.post("/v2.0/l2-gateways", &json!({"l2_gateways": gateways})).await.expect(201);
    vec!["networks", "ports", "l2-gateways"]
}

fn rows(body: &Value) -> &Vec<Value> {
    body.as_object().unwrap().iter().find(|(name, _)| !name.ends_with("_links")).unwrap().1.as_array().unwrap()
}

fn names(body: &Value) -> Vec<&str> {
    rows(body).iter().map(|row| row["name"].as_str().unwrap()).collect()
}

fn link(body: &Value, rel: &str) -> Option<String> {
    let (_, links) = body.as_object().unwrap().iter().find(|(name, _)| name.ends_with("_links"))?;
    let link = links.as_array().unwrap().iter().find(|link| link["rel"] == rel)?;
    Some(link["href"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn pages_follow_their_links_in_both_directions() {
    let api = Api::new().await;
    for list in ten(&api).await {
        for (query, all) in [
            ("sort_key=name&sort_dir=asc", vec!["n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"]),
            ("sort_key=name&sort_dir=desc", vec!["n9", "n8", "n7", "n6", "n5", "n4", "n3", "n2", "n1", "n0"]),
            (
                "sort_key=tenant_id&sort_key=name&sort_dir=desc&sort_dir=asc&fields=name&fields=id",
                vec!["n0", "n2", "n4", "n6", "n8", "n1", "n3", "n5", "n7", "n9"],
            ),
            ("tenant_id=p&sort_key=name", vec!["n0", "n2", "n4", "n6", "n8"]),
        ] {
            let whole = api.get(&format!("/v2.0/{list}?{query}")).await.expect(200);
            assert_eq!(names(&whole), all, "{list}?{query}");
            assert_eq!(link(&whole, "next"), None);

            let mut seen = Vec::new();
            let mut next = Some(format!("/v2.0/{list}?limit=4&{query}"));
            let mut last = None;
            while let Some(path) = next {
                let page = api.get(&path).await.expect(200);
                assert!(rows(&page).len() <= 4);
                seen.extend(names(&page).into_iter().map(str::to_owned));
                next = link(&page, "next");
                last = Some(page);
            }
            assert_eq!(seen, all, "{list}?{query}");

            let mut back: Vec<Vec<String>> = Vec::new();
            let mut previous = last.and_then(|page| link(&page, "previous"));
            while let Some(path) = previous {
                let page = api.get(&path).await.expect(200);
                back.push(names(&page).into_iter().map(str::to_owned).collect());
                previous = link(&page, "previous");
            }
            let back: Vec<String> = back.into_iter().rev().flatten().collect();
            assert_eq!(back, all[..back.len()], "{list}?{query}: the pages before the last");
            assert!(all.len() <= 4 || !back.is_empty());
        }
    }
}

#[tokio::test]
async fn a_page_is_cut_at_its_marker() {
    let api = Api::new().await;
    for list in ten(&api).await {
        let by_name = api.get(&format!("/v2.0/{list}?sort_key=name")).await.expect(200);
        let id = rows(&by_name)[4]["id"].as_str().unwrap().to_owned();
        for (query, expected) in [
            (format!("sort_key=name&marker={id}&limit=2"), vec!["n5", "n6"]),
            (format!("sort_key=name&marker={id}"), vec!["n5", "n6", "n7", "n8", "n9"]),
            (format!("sort_key=name&marker={id}&limit=0"), vec!["n5", "n6", "n7", "n8", "n9"]),
            (format!("sort_key=name&marker={id}&limit=2&page_reverse=True"), vec!["n2", "n3"]),
            (format!("sort_key=name&marker={id}&page_reverse=true"), vec!["n0", "n1", "n2", "n3"]),
            ("sort_key=name&limit=2&page_reverse=True".into(), vec!["n8", "n9"]),
            ("sort_key=name&limit=99999999999999999999&tenant_id=p".into(), vec!["n0", "n2", "n4", "n6", "n8"]),
        ] {
            assert_eq!(names(&api.get(&format!("/v2.0/{list}?{query}")).await.expect(200)), expected, "{list}?{query}");
        }
        // Without an order, ids decide.
        let page = api.get(&format!("/v2.0/{list}?limit=3")).await.expect(200);
        let ids: Vec<_> = rows(&page).iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        assert!(ids.is_sorted() && ids.len() == 3, "{ids:?}");
        let next = link(&page, "next").unwrap();
        assert!(next.contains("limit=3") && next.contains(&format!("marker={}", ids[2])), "{next}");
        for query in ["limit=-1", "limit=x", "limit=", "sort_key=colour", "sort_key=name&sort_dir=up", "sort_dir=asc"] {
            api.get(&format!("/v2.0/{list}?{query}")).await.error(400);
        }
        for marker in ["x", "00000000-0000-0000-0000-000000000000"] {
            api.get(&format!("/v2.0/{list}?limit=1&marker={marker}")).await.error(404);
        }
    }
}

#[tokio::test]
async fn fields_reduce_lists_and_single_objects() {
    let api = Api::new().await;
    for list in ten(&api).await {
        let few =
            api.get(&format!("/v2.0/{list}?name=n3&fields=name&fields=tenant_id&fields=colour")).await.expect(200);
        assert_eq!(rows(&few), &vec![json!({"name": "n3", "tenant_id": ""})], "{list}");
        let none = api.get(&format!("/v2.0/{list}?name=n3&fields=colour")).await.expect(200);
        assert_eq!(rows(&none), &vec![json!({})], "{list}");
        let whole = api.get(&format!("/v2.0/{list}?name=n3&fields=")).await.expect(200);
        let id = rows(&whole)[0]["id"].as_str().unwrap();
        let one = api.get(&format!("/v2.0/{list}/{id}?fields=name")).await.expect(200);
        assert_eq!(one.as_object().unwrap().values().next().unwrap(), &json!({"name": "n3"}), "{list}");
    }
}

#[tokio::test]
async fn any_attribute_can_be_asked_for_and_one_that_is_not_there_matches_nothing() {
    let api = Api::new().await;
    for list in ten(&api).await {
        let all = api.get(&format!("/v2.0/{list}")).await.expect(200);
        let one = rows(&all)[0].as_object().unwrap();
        for (attribute, value) in one {
            let asked = match value {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                Value::Array(_) | Value::Object(_) => continue,
            };
            let found = api.get(&format!("/v2.0/{list}?{attribute}={asked}")).await.expect(200);
            let ids: Vec<_> = rows(&found).iter().map(|row| row["id"].clone()).collect();
            let expected: Vec<_> =
                rows(&all).iter().filter(|row| row[attribute] == *value).map(|row| row["id"].clone()).collect();
            assert_eq!(ids, expected, "{list}?{attribute}={asked}");
            let none = api.get(&format!("/v2.0/{list}?{attribute}=surely-not-this")).await.expect(200);
            assert!(rows(&none).is_empty(), "{list}?{attribute}=surely-not-this");
        }
        for query in ["colour=red", "name=n1&colour=red", "colour=", "tags=x"] {
            assert!(rows(&api.get(&format!("/v2.0/{list}?{query}")).await.expect(200)).is_empty(), "{list}?{query}");
        }
    }
}
