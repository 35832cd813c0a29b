//! What Prometheus reads.

use super::scene::Scene;
use crate::support::{daemon::Home, tor::Tor};

/// The value of a metric with these labels.
fn value(text: &str, name: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

#[test]
fn metrics_are_served_apart_without_a_token() {
    let tor = Tor::start("t", "192.0.2.1");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its address");
    let home = Home::new().tor(&tor).switch("off", "management_ip = 127.0.0.1\nport = 1\n");
    let scene = Scene::with(home.api(&format!("monitoring_listen = {free}")), "t");
    let apart = crate::support::rest::Rest { address: free, token: None, described: false };
    let answer = apart.get("/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("application/openmetrics-text")));
    let text = String::from_utf8(answer.body).expect("UTF-8");
    assert_eq!(value(&text, "vtepd_sessions{state=\"up\"}"), Some(1), "{text}");
    assert_eq!(value(&text, "vtepd_switch_up{switch=\"t\"}"), Some(1));
    assert_eq!(value(&text, "vtepd_switch_up{switch=\"off\"}"), Some(0));
    assert_eq!(value(&text, "vtepd_switch_rows_desired{switch=\"t\"}"), Some(6));
    assert_eq!(value(&text, "vtepd_switch_rows_actual{switch=\"t\"}"), Some(6));
    assert_eq!(value(&text, "vtepd_switch_bindings{switch=\"t\",status=\"active\"}"), Some(1));
    assert!(value(&text, "vtepd_switch_transactions_total{switch=\"t\"}") >= Some(1), "{text}");
    assert_eq!(value(&text, "vtepd_switch_sessions_total{switch=\"t\"}"), Some(1));
    assert_eq!(value(&text, "vtepd_strangers_total"), Some(0));
    assert!(text.ends_with("# EOF\n"));
    // Where they have a listener of their own, the API has none of them.
    assert_eq!(scene.rest.get("/metrics").status, 404);
}
