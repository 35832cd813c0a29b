//! What Prometheus reads.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use super::scene::{ROWS, Scene};
use crate::support::{daemon::Home, rest::Rest, tor::Tor};

/// The value of a metric with these labels.
fn value(text: &str, name: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

/// Content type and text.
fn asked(rest: &Rest, headers: &[(&str, &str)]) -> (String, String) {
    let answer = rest.raw("GET", "/metrics", headers, b"").expect("an answer");
    assert_eq!(answer.status, 200);
    let kind = answer.header("content-type").expect("its type").to_owned();
    (kind, String::from_utf8(answer.body).expect("UTF-8"))
}

/// Prometheus' own tool finds nothing to complain of. It reads text format 0.0.4.
fn linted(text: &str) {
    let tools = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin/promtool");
    let promtool = if tools.exists() { tools } else { "promtool".into() };
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is there: packaging/deps.sh");
    child.stdin.take().expect("its input").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
}

#[test]
fn metrics_are_served_apart_without_a_token() {
    let tor = Tor::start("t", "192.0.2.1");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its address");
    let home = Home::new().tor(&tor).switch("off", "management_ip = 127.0.0.1\nport = 1\n");
    let scene = Scene::with(home.api(&format!("monitoring_listen = {free}")), "t");
    let apart = Rest { address: free, token: None, described: false };
    let (kind, text) = asked(&apart, &[]);
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    assert!(!text.contains("# EOF"), "{text}");
    linted(&text);
    // What Prometheus sends by itself.
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let (kind, text) = asked(&apart, &[("Accept", accept)]);
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_eq!(value(&text, "vtepd_sessions{state=\"up\"}"), Some(1), "{text}");
    assert_eq!(value(&text, "vtepd_switch_up{switch=\"t\"}"), Some(1));
    assert_eq!(value(&text, "vtepd_switch_up{switch=\"off\"}"), Some(0));
    let rows = i64::try_from(ROWS).expect("few rows");
    assert_eq!(value(&text, "vtepd_switch_rows_desired{switch=\"t\"}"), Some(rows));
    assert_eq!(value(&text, "vtepd_switch_rows_actual{switch=\"t\"}"), Some(rows));
    assert_eq!(value(&text, "vtepd_switch_bindings{switch=\"t\",status=\"active\"}"), Some(1));
    assert!(value(&text, "vtepd_switch_transactions_total{switch=\"t\"}") >= Some(1), "{text}");
    assert_eq!(value(&text, "vtepd_switch_sessions_total{switch=\"t\"}"), Some(1));
    assert_eq!(value(&text, "vtepd_strangers_total"), Some(0));
    assert_eq!(value(&text, "vtepd_connections{status=\"active\"}"), Some(1), "{text}");
    assert_eq!(value(&text, "vtepd_problems{kind=\"session\"}"), Some(1), "the switch that is off");
    assert_eq!(value(&text, "vtepd_problems{kind=\"store\"}"), Some(0));
    assert!(text.ends_with("# EOF\n"));
    // Where they have a listener of their own, the API has none of them.
    assert_eq!(scene.rest.get("/metrics").status, 404);
}
