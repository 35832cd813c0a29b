//! The OVSDB client against a real ovsdb-server: each fact of hardware-vtep.md's 'Protocol' that concerns a client.

#[path = "../support/support.rs"]
mod support;

mod locks;
mod monitors;
mod requests;
mod sessions;
mod ssh;
mod tls;
mod transactions;

use std::time::Duration;

use vtepd::ovsdb::{Client, Connection, Endpoint, Inbox, Incoming, Limits, Raw, RpcError, Stream, dial};

use support::{PATIENCE, rpc::DB, tor::Tor};

fn tor() -> Tor {
    Tor::start("tor-1", "10.0.0.1")
}

fn unix(tor: &Tor) -> Endpoint {
    Endpoint::Unix(tor.socket())
}

fn tcp(tor: &Tor) -> Endpoint {
    Endpoint::Tcp { host: tor.host().to_owned(), port: tor.port() }
}

async fn client(tor: &Tor) -> Client {
    Client::connect(&unix(tor), PATIENCE).await.expect("the server listens")
}

async fn stream(endpoint: &Endpoint) -> Stream {
    dial(endpoint, PATIENCE).await.expect("the server listens").stream
}

async fn connection(tor: &Tor, limits: Limits) -> (Connection, Inbox) {
    Connection::open(stream(&unix(tor)).await, limits)
}

/// The next message, which must come.
async fn next(inbox: &mut Inbox) -> Incoming {
    match within(inbox.recv()).await {
        Some(message) => message,
        None => panic!("the connection ended: {:?}", inbox.close_reason()),
    }
}

/// The reply to this request, whatever comes before it.
async fn reply(inbox: &mut Inbox, wanted: u64) -> Result<Raw, RpcError> {
    loop {
        if let Incoming::Reply { id, result } = next(inbox).await
            && id == wanted
        {
            return result;
        }
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    within_time(PATIENCE, future).await
}

async fn within_time<T>(time: Duration, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(time, future).await.expect("it should have happened by now")
}

fn text(raw: &Raw) -> &str {
    std::str::from_utf8(raw.as_bytes()).expect("JSON is UTF-8")
}

fn value(raw: &Raw) -> serde_json::Value {
    serde_json::from_slice(raw.as_bytes()).expect("it is JSON")
}

/// An operation that creates a Logical_Switch.
fn insert_switch(name: &str) -> String {
    serde_json::json!({"op": "insert", "table": "Logical_Switch", "row": {"name": name}}).to_string()
}
