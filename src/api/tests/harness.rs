//! The router over a real store in a scratch directory, and a fleet without switches.

use std::{
    path::{Path, PathBuf},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, Uri},
};
use serde_json::Value;
use tower::ServiceExt;

use crate::{
    api::{
        App, Readiness,
        auth::{Gate, HostTokens},
        openapi::document,
        router,
        tests::schema,
    },
    fleet::Fleet,
    service::{Service, Settings},
    store::Store,
};

/// A directory of one test; gone with it.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vtepd-api-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The API, called without a socket.
pub(crate) struct Api {
    pub(crate) router: Router,
    pub(crate) store: Store,
    _scratch: Scratch,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// Type and message of an error with this status.
    #[track_caller]
    pub(crate) fn error(&self, status: u16) -> (String, String) {
        let body = self.expect(status);
        assert_eq!(body["NeutronError"]["detail"], "", "{body}");
        let text = |key: &str| body["NeutronError"][key].as_str().unwrap().to_owned();
        (text("type"), text("message"))
    }
}

pub(crate) async fn service(scratch: &Scratch) -> Service {
    over(open(scratch).await)
}

async fn open(scratch: &Scratch) -> Store {
    Store::open(&scratch.path().join("vtepd.db")).await.unwrap()
}

fn over(store: Store) -> Service {
    #[allow(clippy::single_range_in_vec_init)] // one range of VNIs is what is meant
    Service::new(store, Fleet::detached(), Settings { vni_ranges: vec![1000..=65535], max_ports_per_host: 8 })
}

/// Every answer that a test sees is what `/openapi.json` says.
fn hold_against_the_document(method: &str, uri: &Uri, answer: &Answer) {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(document);
    let kind = answer.headers.get("content-type").map_or("", |kind| kind.to_str().unwrap());
    let (target, status) = (uri.path_and_query().unwrap().as_str(), answer.status.as_u16());
    let complaints = schema::complaints(&DOCUMENT, (method, target), (status, kind), &answer.body);
    assert!(complaints.is_empty(), "not what /openapi.json says:\n{}", complaints.join("\n"));
}

impl Api {
    pub(crate) async fn new() -> Self {
        Self::with(Gate::Open, Vec::new()).await
    }

    pub(crate) async fn with(gate: Gate, unready: Vec<String>) -> Self {
        let scratch = Scratch::new();
        let store = open(&scratch).await;
        let app = App::new(over(store.clone()), gate, HostTokens::default());
        let router = router(app, Some(Readiness::new(move || unready.clone())));
        Self { router, store, _scratch: scratch }
    }

    pub(crate) async fn call(&self, request: Request<Body>) -> Answer {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        assert!(head.headers["x-openstack-request-id"].to_str().unwrap().starts_with("req-"));
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        let answer = Answer { status: head.status, headers: head.headers, body };
        hold_against_the_document(method.as_str(), &uri, &answer);
        answer
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        self.call(Request::builder().method(method).uri(path).body(body.into()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, Body::empty()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, body.to_string()).await
    }
}
