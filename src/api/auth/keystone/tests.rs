//! Faults that a real Keystone doesn't produce on demand, against a server that plays one. What Keystone itself does is
//! tested with a real one, in `tests/openstack`.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU32, Ordering},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, Request, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use super::*;
use crate::api::{auth::Gate, tests::harness::Api};

const DAY: Duration = Duration::from_hours(24);

/// What the played Keystone knows.
#[derive(Default)]
struct Played {
    log_ins: AtomicU32,
    validations: AtomicU32,
    /// Validations under way, and the most that there were at a time.
    asked: AtomicU32,
    most_asked: AtomicU32,
    /// The service account's token that it takes is `own-N` with this N or a later one.
    oldest: AtomicU32,
    /// Life of the service account's tokens.
    own_life: Mutex<Option<Duration>>,
    tokens: Mutex<HashMap<&'static str, Value>>,
    /// What it answers to everything instead.
    broken: Mutex<Option<(StatusCode, &'static str)>>,
}

impl Played {
    fn answer(&self, status: StatusCode, body: &Value) -> Response {
        match *self.broken.lock().unwrap() {
            Some(instead) => instead.into_response(),
            None => (status, body.to_string()).into_response(),
        }
    }

    fn counts(&self) -> (u32, u32) {
        (self.log_ins.load(Ordering::SeqCst), self.validations.load(Ordering::SeqCst))
    }
}

fn body(life: Duration, roles: &[&str]) -> Value {
    let roles: Vec<Value> = roles.iter().map(|name| json!({"id": "x", "name": name})).collect();
    let expires = humantime::format_rfc3339_micros(SystemTime::now() + life).to_string();
    json!({"token": {"expires_at": expires, "roles": roles, "project": {"id": "p1", "name": "demo"}}})
}

async fn log_in(State(played): State<Arc<Played>>, request: String) -> Response {
    let request: Value = serde_json::from_str(&request).unwrap();
    let number = played.log_ins.fetch_add(1, Ordering::SeqCst) + 1;
    let user = &request["auth"]["identity"]["password"]["user"];
    if user["password"] != "geheim" || request["auth"]["scope"]["project"]["name"] != "service" {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let life = played.own_life.lock().unwrap().unwrap_or(DAY);
    let mut response = played.answer(StatusCode::CREATED, &body(life, &["service"]));
    response.headers_mut().insert("x-subject-token", format!("own-{number}").try_into().unwrap());
    response
}

async fn validate(State(played): State<Arc<Played>>, headers: HeaderMap) -> Response {
    played.validations.fetch_add(1, Ordering::SeqCst);
    let asked = played.asked.fetch_add(1, Ordering::SeqCst) + 1;
    played.most_asked.fetch_max(asked, Ordering::SeqCst);
    // Long enough for others to come and wait.
    tokio::time::sleep(Duration::from_millis(50)).await;
    played.asked.fetch_sub(1, Ordering::SeqCst);
    let own = headers["x-auth-token"].to_str().unwrap().strip_prefix("own-").and_then(|n| n.parse().ok());
    if own < Some(played.oldest.load(Ordering::SeqCst)) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let found = played.tokens.lock().unwrap().get(headers["x-subject-token"].to_str().unwrap()).cloned();
    match found {
        Some(token) => played.answer(StatusCode::OK, &token),
        None => played.answer(StatusCode::NOT_FOUND, &json!({})),
    }
}

fn config(auth_url: String, password: &str) -> KeystoneConfig {
    KeystoneConfig {
        auth_url,
        username: "vtepd".to_owned(),
        password: password.into(),
        project_name: "service".to_owned(),
        user_domain_name: "Default".to_owned(),
        project_domain_name: "Default".to_owned(),
        cafile: None,
    }
}

async fn play() -> (Arc<Played>, KeystoneConfig) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let played = Arc::new(Played::default());
    let known = [("boss", body(DAY, &["reader", "Admin"])), ("member", body(DAY, &["member"]))];
    played.tokens.lock().unwrap().extend(known);
    let router = Router::new().route("/v3/auth/tokens", get(validate).post(log_in)).with_state(played.clone());
    tokio::spawn(axum::serve(listener, router).into_future());
    (played, config(url, "geheim"))
}

fn keystone(config: &KeystoneConfig, remembered: Duration) -> Arc<Keystone> {
    Arc::new(Keystone::remembering(config, &["admin".to_owned()], remembered).unwrap())
}

/// The project, or the refusal's status.
async fn check(keystone: &Keystone, token: &'static str) -> Result<String, u16> {
    let checked = keystone.check(&HeaderValue::from_static(token)).await;
    checked.map(|caller| caller.project_id).map_err(|problem| problem.into_response().status().as_u16())
}

#[tokio::test]
async fn many_waiters_make_one_call() {
    let (played, config) = play().await;
    let keystone = keystone(&config, DAY);
    let mut waiters = JoinSet::new();
    for number in 0..60 {
        let keystone = keystone.clone();
        waiters.spawn(async move { check(&keystone, ["boss", "member", "nobody"][number % 3]).await });
    }
    let answers = waiters.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Ok("p1".to_owned())).count(), 20);
    assert_eq!(answers.iter().filter(|answer| **answer == Err(403)).count(), 20);
    assert_eq!(answers.iter().filter(|answer| **answer == Err(401)).count(), 20);
    assert_eq!(played.counts(), (1, 3));
    assert_eq!(check(&keystone, "boss").await, Ok("p1".to_owned()));
    assert_eq!(played.counts(), (1, 3), "it is remembered");
}

/// Unknown tokens are all alike until Keystone was asked: a flood of them costs it so many calls at a time, and one whose
/// verdict is remembered none.
#[tokio::test]
async fn a_flood_of_unknown_tokens_asks_a_few_at_a_time() {
    let (played, config) = play().await;
    let keystone = keystone(&config, DAY);
    assert_eq!(check(&keystone, "boss").await, Ok("p1".to_owned()));
    let mut flood = JoinSet::new();
    for number in 0..100 {
        let keystone = keystone.clone();
        let token = HeaderValue::try_from(format!("guess-{number}")).unwrap();
        flood.spawn(async move { keystone.check(&token).await.unwrap_err().into_response().status().as_u16() });
    }
    while played.asked.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let (_, before) = played.counts();
    assert_eq!(check(&keystone, "boss").await, Ok("p1".to_owned()), "it doesn't wait for them");
    assert!(before < 101, "the flood is still under way");
    let answers = flood.join_all().await;
    // Who waited for too long was not asked for.
    assert!(answers.iter().all(|status| matches!(status, 401 | 503)), "{answers:?}");
    let most = played.most_asked.load(Ordering::SeqCst);
    assert!(usize::try_from(most).unwrap() <= ASKED && most > 1, "{most} at a time");
}

#[tokio::test]
async fn what_can_be_no_token_is_not_asked_for() {
    let (played, config) = play().await;
    let keystone = keystone(&config, DAY);
    for text in ["", "two words", "n\u{e4}h"] {
        let refused = keystone.check(&HeaderValue::from_bytes(text.as_bytes()).unwrap()).await.unwrap_err();
        assert_eq!(refused.into_response().status(), 401);
    }
    assert!(keystone.check(&HeaderValue::try_from("x".repeat(5000)).unwrap()).await.is_err());
    assert_eq!(played.counts(), (0, 0));
}

#[tokio::test]
async fn no_verdict_outlives_its_token() {
    let (played, config) = play().await;
    let keystone = keystone(&config, DAY);
    played.tokens.lock().unwrap().insert("short", body(Duration::from_millis(400), &["admin"]));
    assert!(check(&keystone, "short").await.is_ok());
    // Should this Keystone still call it valid: its end is past.
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert_eq!(check(&keystone, "short").await, Err(401));
    assert_eq!(played.counts().1, 2, "Keystone was asked again");
    *played.broken.lock().unwrap() = Some((StatusCode::INTERNAL_SERVER_ERROR, ""));
    assert_eq!(check(&keystone, "short").await, Err(503), "and when it can't be asked, the door stays shut");
}

#[tokio::test]
async fn verdicts_are_forgotten() {
    let (played, config) = play().await;
    let keystone = keystone(&config, Duration::from_millis(200));
    assert!(check(&keystone, "boss").await.is_ok());
    played.tokens.lock().unwrap().remove("boss");
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(check(&keystone, "boss").await, Err(401), "a revoked token counts for that long only");
}

#[tokio::test]
async fn the_service_token_is_renewed_after_a_refusal() {
    let (played, config) = play().await;
    let keystone = keystone(&config, Duration::ZERO);
    assert!(check(&keystone, "boss").await.is_ok());
    played.oldest.store(2, Ordering::SeqCst);
    let mut calls = JoinSet::new();
    for token in ["boss", "member", "nobody"] {
        let keystone = keystone.clone();
        calls.spawn(async move { check(&keystone, token).await });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    assert!(!answers.contains(&Err(503)), "{answers:?}");
    assert_eq!(played.counts().0, 2, "once, for all of them");

    played.oldest.store(1000, Ordering::SeqCst);
    assert_eq!(check(&keystone, "boss").await, Err(503));
    assert_eq!(played.counts().0, 3, "it doesn't try for ever");
}

#[tokio::test]
async fn the_service_token_is_renewed_before_its_end() {
    let (played, config) = play().await;
    *played.own_life.lock().unwrap() = Some(Duration::from_secs(2));
    let keystone = keystone(&config, Duration::ZERO);
    assert!(check(&keystone, "boss").await.is_ok());
    assert!(check(&keystone, "boss").await.is_ok());
    assert_eq!(played.counts().0, 1);
    tokio::time::sleep(Duration::from_millis(1550)).await;
    assert!(check(&keystone, "boss").await.is_ok());
    assert_eq!(played.counts().0, 2, "a quarter of its life was left");
}

#[tokio::test]
async fn no_failure_opens_the_door() {
    let (played, right) = play().await;
    for (broken, message) in [
        ((StatusCode::INTERNAL_SERVER_ERROR, "oops"), "answers 500"),
        ((StatusCode::CREATED, "<html>"), "can't be used"),
        ((StatusCode::FOUND, ""), "answers 302"),
        ((StatusCode::UNAUTHORIZED, ""), "refuses the service account 'vtepd'"),
    ] {
        let keystone = keystone(&right, DAY);
        *played.broken.lock().unwrap() = Some(broken);
        assert_eq!(check(&keystone, "boss").await, Err(503), "{broken:?}");
        let complaint = keystone.complaint.lock().unwrap().clone().unwrap();
        assert!(complaint.contains(message) && !complaint.contains("geheim"), "{complaint}");
        *played.broken.lock().unwrap() = None;
        assert!(check(&keystone, "boss").await.is_ok(), "a failure is not remembered");
        assert_eq!(*keystone.complaint.lock().unwrap(), None);
    }

    let keystone = keystone(&right, DAY);
    assert!(check(&keystone, "boss").await.is_ok());
    *played.broken.lock().unwrap() = Some((StatusCode::FORBIDDEN, ""));
    assert_eq!(check(&keystone, "member").await, Err(503));
    assert!(keystone.complaint.lock().unwrap().clone().unwrap().contains("give it the role"));

    let stranger = self::keystone(&config(right.auth_url.clone(), "falsch"), DAY);
    assert_eq!(check(&stranger, "boss").await, Err(503));

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = config(format!("http://{}", nobody.local_addr().unwrap()), "geheim");
    drop(nobody);
    let away = self::keystone(&away, DAY);
    assert_eq!(check(&away, "boss").await, Err(503));
    assert!(away.complaint.lock().unwrap().clone().unwrap().contains("can't be reached"));
}

#[tokio::test]
async fn what_is_wrong_shows_before_anybody_calls() {
    let (played, right) = play().await;
    keystone(&right, DAY).client.prove().await.unwrap();
    assert_eq!(played.counts(), (1, 1), "it logs in, and asks of its own token");
    try_keystone(&right).await.unwrap();

    let wrong = config(right.auth_url.clone(), "falsch");
    assert!(try_keystone(&wrong).await.unwrap_err().to_string().contains("refuses the service account"));
    let wrong = keystone(&wrong, DAY);
    let told = async {
        while wrong.complaint().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = wrong.watch() => {}
        told = tokio::time::timeout(Duration::from_secs(20), told) => told.unwrap(),
    }
    assert!(wrong.complaint().unwrap().contains("refuses the service account"));
}

/// The clock jumps to the next deadline whenever nothing happens.
#[tokio::test(start_paused = true)]
async fn a_keystone_that_says_nothing_is_not_waited_for() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let keystone = keystone(&config(format!("http://{}", mute.local_addr().unwrap()), "geheim"), DAY);
    let before = tokio::time::Instant::now();
    assert_eq!(check(&keystone, "boss").await, Err(503));
    assert!(before.elapsed() < Duration::from_secs(12), "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_cafile_must_hold_certificates() {
    let mut config = config("https://127.0.0.1:1".to_owned(), "geheim");
    config.cafile = Some("/no/such.pem".into());
    assert!(matches!(Keystone::new(&config, &[]), Err(KeystoneError::Read { .. })));
    config.cafile = Some("/etc/passwd".into());
    assert!(matches!(Keystone::new(&config, &[]), Err(KeystoneError::NoCertificates { .. })));
}

#[tokio::test]
async fn the_api_is_for_admins_and_says_where_tokens_are_to_be_had() {
    let (_played, config) = play().await;
    let gate = Gate::Keystone(Keystone::new(&config, &["admin".to_owned()]).unwrap().into());
    let api = Api::with(gate, Vec::new()).await;
    let call = async |method: &str, path: &str, token: Option<&str>, body: &Value| {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("x-auth-token", token);
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        api.call(request.body(body.into()).unwrap()).await
    };
    for token in [None, Some("nobody")] {
        let answer = call("GET", "/v2.0/networks", token, &Value::Null).await;
        assert_eq!(answer.expect(401)["error"]["title"], "Unauthorized");
        assert_eq!(answer.headers["www-authenticate"], format!("Keystone uri=\"{}/v3\"", config.auth_url));
    }
    for path in ["/v2.0/networks", "/v2/l2-gateways/none", "/nothing"] {
        assert_eq!(call("GET", path, Some("member"), &Value::Null).await.error(403).0, "PolicyNotAuthorized");
    }
    let malformed = call("POST", "/v2.0/networks", Some("member"), &json!({"nonsense": 1})).await;
    malformed.error(403);
    let network = json!({"network": {"name": "n"}});
    let created = call("POST", "/v2.0/networks", Some("boss"), &network).await.expect(201);
    assert_eq!(created["network"]["project_id"], "p1", "the token's project");
    assert_eq!(call("GET", "/v2/l2-gateways/none", Some("boss"), &Value::Null).await.status, 404);
    for path in ["/", "/healthz"] {
        call("GET", path, None, &Value::Null).await.expect(200);
    }
}
