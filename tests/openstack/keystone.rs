//! `auth = keystone` with a real Keystone.

use serde_json::{Value, json};

use crate::{
    identity::{Keystone, PASSWORD},
    support::{
        PATIENCE,
        daemon::{Daemon, Home},
        eventually,
        rest::Rest,
    },
};

fn daemon(keystone: &Keystone, password: &str) -> Daemon {
    let section = format!(
        "[keystone_authtoken]\nauth_url = {}/v3\nusername = vtepd\npassword = {password}\nproject_name = service\n",
        keystone.url()
    );
    Home::new().with_keystone().more(&section).start()
}

fn with(daemon: &Daemon, token: &str) -> Rest {
    Rest { token: Some(token.to_owned()), ..daemon.rest() }
}

#[test]
fn admins_may_call_and_nobody_else() {
    let mut keystone = Keystone::start(3600);
    let daemon = daemon(&keystone, PASSWORD);
    let (code, words) = check(&daemon);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("ok: 'vtepd' may validate tokens"), "{words}");
    let (admin, member) =
        (with(&daemon, &keystone.token("admin", "demo")), with(&daemon, &keystone.token("member", "demo")));

    let network = admin.post("/v2.0/networks", &json!({"network": {"name": "n"}})).expect(201)["network"].clone();
    assert_eq!(network["project_id"], json!(keystone.demo), "the token's project");
    let gateway =
        json!({"l2_gateway": {"name": "g", "devices": [{"device_name": "t", "interfaces": [{"name": "e"}]}]}});
    assert_eq!(admin.post("/v2/l2-gateways", &gateway).expect(201)["l2_gateway"]["tenant_id"], json!(keystone.demo));

    who_did_it_is_kept(&daemon, &keystone);

    for path in ["/v2.0/networks", "/v2/l2-gateways/g", "/v2/l2-gateways/none", "/nothing"] {
        let refused = member.get(path);
        assert_eq!((refused.status, refused.error_type().as_str()), (403, "PolicyNotAuthorized"), "{path}");
    }
    assert_eq!(with(&daemon, &keystone.token("stranger", "")).get("/v2.0/networks").status, 403, "without a project");
    for anonymous in [daemon.rest(), with(&daemon, "nonsense"), with(&daemon, "gAAAAABnonsense")] {
        let refused = anonymous.get("/v2.0/networks");
        let challenge = refused.header("www-authenticate").expect("a challenge").to_owned();
        assert_eq!(challenge, format!("Keystone uri=\"{}/v3\"", keystone.url()));
        let body = refused.expect(401);
        assert_eq!((&body["error"]["code"], &body["error"]["title"]), (&json!(401), &json!("Unauthorized")));
    }

    // Revoked: known to be valid for ten seconds at most.
    let token = keystone.token("admin", "demo");
    let revoked = with(&daemon, &token);
    revoked.get("/v2.0/networks").expect(200);
    keystone.revoke(&token);
    eventually("a revoked token is refused", PATIENCE, || match revoked.get("/v2.0/networks").status {
        401 => Ok(()),
        status => Err(status.to_string()),
    });
    admin.get("/v2.0/networks").expect(200);

    // Keystone goes away: what can't be validated is refused, and soon that is everything.
    keystone.stop();
    let down = with(&daemon, "a-token-not-seen-before").get("/v2.0/networks");
    assert_eq!((down.status, down.error_type().as_str()), (503, "ServiceUnavailable"));
    assert!(down.header("retry-after").is_some());
    eventually("no verdict lasts", PATIENCE, || match admin.get("/v2.0/networks").status {
        503 => Ok(()),
        status => Err(status.to_string()),
    });
    for path in ["/healthz", "/readyz", "/"] {
        daemon.rest().get(path).expect(200);
    }
    // The switches are kept all the same: an operator is told, nobody is taken out of service.
    let ready = daemon.rest().get("/readyz").expect(200);
    assert!(ready["warnings"][0].as_str().is_some_and(|warning| warning.contains("can't be reached")), "{ready}");
    keystone.resume();
    admin.get("/v2.0/networks").expect(200);
    assert_eq!(daemon.rest().get("/readyz").expect(200)["warnings"], json!([]));
    assert!(!daemon.home.log().contains(PASSWORD));
}

/// The journal names Keystone's user with its domain, and the project, for each call that changed something, and never a token.
fn who_did_it_is_kept(daemon: &Daemon, keystone: &Keystone) {
    let entries = eventually("both calls are in the journal", PATIENCE, || {
        let told = daemon.admin("audit", &json!({"kinds": ["call"]}));
        let entries = told["entries"].as_array().cloned().unwrap_or_default();
        if entries.len() == 2 { Ok(entries) } else { Err(told.to_string()) }
    });
    let by = format!("admin@Default (project {}) from 127.0.0.1", keystone.demo);
    for (entry, path) in entries.iter().zip(["/v2.0/networks", "/v2/l2-gateways"]) {
        assert_eq!((&entry["who"], &entry["subject"]), (&json!(by), &json!(format!("POST {path}"))), "{entry}");
        assert_eq!(entry["result"], "201", "{entry}");
        assert!(!entry.to_string().contains("gAAAA"), "a token: {entry}");
    }
}

/// Tokens that end in a few seconds, the service account's among them.
#[test]
fn no_token_is_taken_beyond_its_end() {
    let keystone = Keystone::start(8);
    let daemon = daemon(&keystone, PASSWORD);
    // To ask of a token, the service account has to log in.
    assert_eq!(with(&daemon, "nonsense").get("/v2.0/networks").status, 401);
    let token = keystone.token("admin", "demo");
    with(&daemon, &token).get("/v2.0/networks").expect(200);
    eventually("an expired token is refused", PATIENCE, || match with(&daemon, &token).get("/v2.0/networks").status {
        401 => Ok(()),
        status => Err(status.to_string()),
    });
    // By now the service account's first token, which was older, has ended, too.
    with(&daemon, &keystone.token("admin", "demo")).get("/v2.0/networks").expect(200);
}

#[test]
fn an_account_that_keystone_refuses_opens_no_door() {
    let keystone = Keystone::start(3600);
    let daemon = daemon(&keystone, "falsch");
    // Before anybody calls.
    eventually("the warning", PATIENCE, || {
        let ready = daemon.rest().get("/readyz").expect(200);
        let warning = ready["warnings"][0].as_str().unwrap_or_default();
        if warning.contains("refuses the service account 'vtepd'") { Ok(()) } else { Err(ready.to_string()) }
    });
    let refused = with(&daemon, &keystone.token("admin", "demo")).get("/v2.0/networks");
    assert_eq!(refused.status, 503);
    let text = refused.json().to_string();
    assert!(!text.contains("falsch") && text.contains("log says why"), "{text}");
    let log = daemon.home.log();
    assert!(log.contains("refuses the service account 'vtepd'") && !log.contains("falsch"), "{log}");
    assert_eq!(daemon.rest().post("/v2.0/networks", &Value::Null).status, 401);
    let (code, words) = check(&daemon);
    assert_eq!(code, Some(1), "{words}");
    assert!(
        words.contains("[keystone_authtoken] ") && words.contains("FAILED: ") && !words.contains("falsch"),
        "{words}"
    );
}

/// `vtepd --check` with the daemon's configuration: its exit code and its words.
fn check(daemon: &Daemon) -> (Option<i32>, String) {
    let before = daemon.home.log().len();
    let status = daemon.home.spawn(&["--check"]).wait(PATIENCE);
    (status.code(), daemon.home.log().get(before..).unwrap_or_default().to_owned())
}
