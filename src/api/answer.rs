//! Answers: JSON written straight from the rows, long lists in parts.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::{Body, HttpBody},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use hyper::body::Frame;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::problem::Problem;

/// Rows that are written in one go: well under 10 ms of a worker thread.
pub(super) const PAGE: usize = 1000;

/// What a handler answers.
pub(super) type Answer = Result<Response, Problem>;

/// Appends a row's JSON to the buffer.
pub(super) trait Write<T>: Fn(&mut Vec<u8>, &T) -> serde_json::Result<()> + Send + 'static {}

impl<T, F: Fn(&mut Vec<u8>, &T) -> serde_json::Result<()> + Send + 'static> Write<T> for F {}

/// An object, bare.
pub(super) fn bare(status: StatusCode, value: &impl Serialize) -> Answer {
    let json = serde_json::to_vec(value).map_err(|error| unwritable(&error))?;
    Ok(respond(status, Body::from(json)))
}

/// An object under its name.
pub(super) fn wrapped(status: StatusCode, name: &str, value: &impl Serialize) -> Answer {
    /// One member whose name is known at run time.
    struct Wrapped<'a, T>(&'a str, &'a T);

    impl<T: Serialize> Serialize for Wrapped<'_, T> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map([(self.0, self.1)])
        }
    }

    bare(status, &Wrapped(name, value))
}

/// An object under its name, which is one of ours and needs no escapes, as `write` appends it.
pub(super) fn text(
    status: StatusCode,
    name: &str,
    write: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
) -> Answer {
    let mut text = format!("{{\"{name}\":").into_bytes();
    write(&mut text).map_err(|error| unwritable(&error))?;
    text.push(b'}');
    Ok(respond(status, Body::from(text)))
}

/// Nothing but a status: 204.
pub(super) fn gone() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// Where the rows of a list come from.
pub(super) trait Source: Send + 'static {
    /// A row.
    type Row: Send;

    /// The next rows, at least one; `None`: there are no more.
    fn next(&mut self) -> impl Future<Output = Result<Option<Vec<Self::Row>>, Problem>> + Send;
}

impl<T: Send + 'static> Source for std::vec::IntoIter<T> {
    type Row = T;

    async fn next(&mut self) -> Result<Option<Vec<T>>, Problem> {
        let page: Vec<T> = self.by_ref().take(PAGE).collect();
        Ok((!page.is_empty()).then_some(page))
    }
}

/// A list that comes page by page. One that fits in a page is sent with its length; a longer one is written as fast as
/// the client takes it, and cut off where its source fails. `tail` holds the members that follow the list, each with the
/// comma before it.
pub(super) async fn pages<S: Source>(
    status: StatusCode,
    name: &'static str,
    mut source: S,
    write: impl Write<S::Row>,
    tail: String,
) -> Answer {
    let end = format!("]{tail}}}");
    let mut text = format!("{{{}:[", json!(name)).into_bytes();
    let Some(first) = source.next().await? else {
        text.extend_from_slice(end.as_bytes());
        return Ok(respond(status, Body::from(text)));
    };
    append(&mut text, &first, &write, true).map_err(|error| unwritable(&error))?;
    drop(first);
    let Some(second) = source.next().await? else {
        text.extend_from_slice(end.as_bytes());
        return Ok(respond(status, Body::from(text)));
    };

    let (parts, body) = mpsc::channel(1);
    // Ends when the list does, or when the connection (and with it the receiver) is gone.
    tokio::spawn(async move {
        let mut page = Ok(Some(second));
        while let Ok(Some(rows)) = page {
            page = match append(&mut text, &rows, &write, false) {
                Ok(()) if parts.send(Ok(std::mem::take(&mut text).into())).await.is_err() => return,
                Ok(()) => source.next().await,
                Err(error) => Err(unwritable(&error)),
            };
        }
        let end = page.map(|_| Bytes::from(end)).map_err(|problem| {
            tracing::warn!(list = name, ?problem, "a list was cut off");
            CutOff
        });
        // A receiver that is gone needs no end.
        let _ = parts.send(end).await;
    });
    Ok(respond(status, Body::new(Parts(body))))
}

fn append<T>(text: &mut Vec<u8>, rows: &[T], write: &impl Write<T>, first: bool) -> serde_json::Result<()> {
    for (i, row) in rows.iter().enumerate() {
        if i > 0 || !first {
            text.push(b',');
        }
        write(text, row)?;
    }
    Ok(())
}

fn respond(status: StatusCode, body: Body) -> Response {
    let mut response = (status, body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn unwritable(error: &serde_json::Error) -> Problem {
    tracing::error!(%error, "an answer can't be written as JSON");
    Problem::bug()
}

/// The client went away.
#[derive(Debug)]
pub(super) struct Gone;

/// A body that is written part by part.
pub(super) struct Out {
    /// What the next part will be.
    pub(super) text: Vec<u8>,
    parts: mpsc::Sender<Result<Bytes, CutOff>>,
}

/// Length from which a part is sent, in bytes.
const PART: usize = 32 << 10;

impl Out {
    /// Sends the part that was written, if there is one; waits until the client has taken the one before.
    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        if self.text.is_empty() {
            return Ok(());
        }
        self.parts.send(Ok(std::mem::take(&mut self.text).into())).await.map_err(|_| Gone)
    }

    /// Sends the part if it is long enough.
    pub(super) async fn flush_full(&mut self) -> Result<(), Gone> {
        if self.text.len() < PART { Ok(()) } else { self.flush().await }
    }

    /// Waits until the client goes away.
    pub(super) async fn gone(&self) {
        self.parts.closed().await;
    }
}

/// 200, with a body that a task of its own writes as fast as the client takes it.
pub(super) fn written<F>(content_type: &'static str, write: impl FnOnce(Out) -> F) -> Response
where
    F: Future<Output = Result<(), Gone>> + Send + 'static,
{
    let (parts, body) = mpsc::channel(1);
    let writing = write(Out { text: Vec::new(), parts });
    tokio::spawn(async move {
        // A client that is gone needs no end.
        let _ = writing.await;
    });
    let mut response = Body::new(Parts(body)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A list ends before its end: the connection breaks, so that the client doesn't take what it has for the whole.
#[derive(Debug, thiserror::Error)]
#[error("the list was cut off")]
struct CutOff;

/// A body whose parts come from a task.
struct Parts(mpsc::Receiver<Result<Bytes, CutOff>>);

impl HttpBody for Parts {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        self.0.poll_recv(cx).map(|part| part.map(|part| part.map(Frame::data)))
    }
}
