use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use axum::{body::Body, http::Request};
use secrecy::ExposeSecret;

use tower::ServiceExt;

use super::harness::{Api, Scratch, service};
use crate::api::{
    App, TokenError,
    auth::{Gate, HostTokens},
    listener::Peer,
    load_or_create_token, router,
};

#[test]
fn a_token_is_generated_once_and_readable_by_nobody_else() {
    let scratch = Scratch::new();
    let path = scratch.path().join("token");
    let first = load_or_create_token(&path).unwrap();
    assert_eq!(first.expose_secret().len(), 64);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(load_or_create_token(&path).unwrap().expose_secret(), first.expose_secret());
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1, "nothing stays beside the token");
    let other = load_or_create_token(&scratch.path().join("other")).unwrap();
    assert_ne!(other.expose_secret(), first.expose_secret());
}

#[test]
fn a_token_file_that_is_no_good_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.path().join("token");
    for text in ["", "\n", "two words\n", "näh", &"x".repeat(5000)] {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(load_or_create_token(&path), Err(TokenError::NoToken { .. })), "{text:?}");
    }
    fs::write(&path, "fifteen-letters\n").unwrap();
    let error = load_or_create_token(&path).unwrap_err().to_string();
    assert!(error.contains("15 characters") && !error.contains("fifteen-letters"), "{error}");
    assert!(matches!(load_or_create_token(scratch.path()), Err(TokenError::NotAFile { .. })));
    let pipe = scratch.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(matches!(load_or_create_token(&pipe), Err(TokenError::NotAFile { .. })), "it doesn't wait for a writer");
    fs::write(&path, "a-secret-of-some-length").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = load_or_create_token(&path).unwrap_err().to_string();
    assert!(error.contains("0644") && !error.contains("a-secret"), "{error}");
    assert!(matches!(load_or_create_token(&scratch.path().join("no/such")), Err(TokenError::Create { .. })));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(load_or_create_token(&path).unwrap().expose_secret(), "a-secret-of-some-length");
}

async fn status(api: &Api, path: &str, header: (&str, &str)) -> u16 {
    let request = Request::builder().uri(path).header(header.0, header.1).body(Body::empty()).unwrap();
    api.call(request).await.status.as_u16()
}

#[tokio::test]
async fn all_but_health_and_versions_needs_the_token() {
    let api = Api::with(Gate::Token("right".into()), Vec::new()).await;
    for path in ["/", "/healthz", "/readyz"] {
        api.get(path).await.expect(200);
    }
    for path in ["/v2/l2-gateways", "/v2.0/networks", "/v2/switches/x", "/nothing", "/v2.0/"] {
        let answer = api.get(path).await;
        let body = answer.expect(401);
        assert_eq!((&body["error"]["code"], &body["error"]["title"]), (&401.into(), &"Unauthorized".into()), "{path}");
        assert!(answer.headers.contains_key("www-authenticate"));
        for wrong in ["", "wrong", "righ", "right2", "RIGHT"] {
            assert_eq!(status(&api, path, ("x-auth-token", wrong)).await, 401, "{path} {wrong}");
        }
    }
    assert_eq!(status(&api, "/v2/l2-gateways", ("x-auth-token", "right")).await, 200);
    assert_eq!(status(&api, "/nothing", ("x-auth-token", "right")).await, 404);
}

#[tokio::test]
async fn without_a_token_web_pages_are_refused() {
    let api = Api::new().await;
    assert_eq!(status(&api, "/v2/l2-gateways", ("origin", "http://evil.example")).await, 403);
    assert_eq!(status(&api, "/v2/l2-gateways", ("accept", "*/*")).await, 200);
}

#[tokio::test]
async fn guesses_cost_their_address_time_and_the_right_token_none() {
    let api = Api::with(Gate::Token("the-right-token".into()), Vec::new()).await;
    let call = |last: u8, token: &str| {
        let request = Request::builder().uri("/v2.0/networks").header("x-auth-token", token);
        let peer = Peer(SocketAddr::from(([192, 0, 2, last], 1)));
        api.call(request.extension(peer).body(Body::empty()).unwrap())
    };
    for _ in 0..10 {
        call(1, "wrong").await.expect(401);
    }
    let started = Instant::now();
    call(1, "wrong").await.expect(401);
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    // Eight wait, further ones are refused at once.
    let many = (0..20).map(|_| call(1, "wrong"));
    let answers = futures_util::future::join_all(many).await;
    let refused = answers.iter().filter(|answer| answer.status == 429).count();
    assert_eq!((refused, answers.iter().filter(|answer| answer.status == 401).count()), (12, 8));
    assert!(
        answers.iter().filter(|answer| answer.status == 429).all(|answer| answer.headers.contains_key("retry-after"))
    );
    let started = Instant::now();
    call(1, "the-right-token").await.expect(200);
    call(2, "wrong").await.expect(401);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_compute_nodes_bodies_are_short() {
    let scratch = Scratch::new();
    let path = scratch.path().join("host-tokens");
    fs::write(&path, "compute-1:0123456789abcdef\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let app =
        App::new(service(&scratch).await, Gate::Token("the-right-token".into()), HostTokens::load(&path).unwrap());
    let router = router(app, None);
    for (token, status) in [("0123456789abcdef", 413), ("the-right-token", 400)] {
        let request = Request::builder().method("POST").uri("/v2.0/ports").header("x-auth-token", token);
        let body = Body::from(vec![b' '; (4 << 20) + 1]);
        let answer = router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        assert_eq!(answer.status(), status);
    }
}
