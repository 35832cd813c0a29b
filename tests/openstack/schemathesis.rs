//! schemathesis: calls that it makes up from `/openapi.json`. None is answered with a 5xx, or with what the document
//! doesn't say.

use std::{
    fs,
    process::{Command, Stdio},
};

use serde_json::json;

use crate::{clients::venv, support::daemon::Home};

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";

#[test]
fn made_up_calls_are_answered_as_described() {
    let daemon = Home::new().without_token().start();
    let rest = daemon.rest();
    // Something to find.
    let network = rest.network("n");
    rest.port(&network, "fa:16:3e:00:00:01", "10.0.0.1", "compute-1");
    rest.post("/v2.0/subnets", &json!({"subnet": {"network_id": network, "cidr": "10.0.0.0/24"}})).expect(201);
    let gateway = rest.gateway("g", &[("t", &["e"])]);
    rest.connect(&gateway, &network, 100);

    let document = rest.get("/openapi.json").expect(200);
    let file = daemon.home.ini().with_file_name("openapi.json");
    fs::write(&file, document.to_string()).expect("the document is written");
    let output = Command::new("timeout")
        .arg("240")
        .arg(venv("schemathesis"))
        .args(["run", "--url", &format!("http://{}", rest.address), "--checks", CHECKS])
        // The same calls each time; no shrinking, and nothing left behind.
        .args(["--seed", "1", "--max-examples", "15", "--phases", "examples,coverage,fuzzing", "--no-shrink"])
        .args(["--generation-database", "none", "--no-color"])
        // A stream without an end; its events are held against the document by tests/support/watch.rs.
        .args(["--exclude-path", "/v2/fdb/watch"])
        .arg(&file)
        .current_dir(file.parent().expect("a directory"))
        .stdin(Stdio::null())
        .output()
        .expect("timeout(1) is there");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    rest.get("/healthz").expect(200);
}
