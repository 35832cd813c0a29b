use std::{fs, os::unix::fs::PermissionsExt};

use axum::{body::Body, http::Request};
use secrecy::ExposeSecret;

use super::harness::{Api, Scratch};
use crate::api::{TokenError, auth::Gate, load_or_create_token};

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
    fs::write(&path, "secret").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = load_or_create_token(&path).unwrap_err().to_string();
    assert!(error.contains("0644") && !error.contains("secret"), "{error}");
    assert!(matches!(load_or_create_token(&scratch.path().join("no/such")), Err(TokenError::Create { .. })));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(load_or_create_token(&path).unwrap().expose_secret(), "secret");
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
