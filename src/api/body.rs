//! Bodies of requests: bounded in length, time and memory, and read into types.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, HttpBody},
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use serde::de::DeserializeOwned;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};

use super::{App, audit::Noted, problem::Problem};
use crate::service::view::decode;

/// What is read off a connection before an answer that doesn't need the body, so that a client which sends it whole
/// before it reads finds the answer and not a reset.
const DISCARDED: usize = 128 << 20;

/// Longest time that such a body is read for.
const DISCARD_TIME: Duration = Duration::from_secs(10);

/// Bodies up to this many bytes are decoded where they were read; longer ones would keep a worker thread busy for
/// more than a few milliseconds.
const DECODED_INLINE: usize = 128 << 10;

/// Bounds of bodies.
#[derive(Debug, Clone)]
pub(crate) struct BodyLimits {
    /// Longest body, in bytes.
    pub(crate) max: usize,
    /// Longest silence within a body.
    pub(crate) idle: Duration,
    /// Longest time for a whole body.
    pub(crate) total: Duration,
    /// Longer bodies than this many bytes are large…
    pub(crate) large: usize,
    /// …and only so many of them are held at a time.
    pub(crate) large_permits: Arc<Semaphore>,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            max: 64 << 20,
            idle: Duration::from_secs(20),
            total: Duration::from_mins(2),
            large: 1 << 20,
            large_permits: Arc::new(Semaphore::new(4)),
        }
    }
}

/// A body, and its place among the large ones.
struct Payload {
    bytes: Bytes,
    permit: Option<OwnedSemaphorePermit>,
}

impl BodyLimits {
    async fn read(&self, headers: &HeaderMap, mut body: Body) -> Result<Payload, Problem> {
        if body.size_hint().lower() > self.max as u64 {
            discard(headers, body).await;
            return Err(self.too_large());
        }
        let deadline = Instant::now() + self.total;
        let mut payload = Payload { bytes: Bytes::new(), permit: None };
        let mut joined = BytesMut::new();
        loop {
            let until = deadline.min(Instant::now() + self.idle);
            let frame = timeout_at(until, next_frame(&mut body)).await.map_err(|_| self.too_slow())?;
            let Some(frame) = frame else { break };
            let data = frame.map_err(|error| {
                Problem::bad_request(format!("the body can't be read to its end: {error}")).closing()
            })?;
            let length = joined.len() + data.len();
            if length > self.max {
                drop(joined);
                discard(headers, body).await;
                return Err(self.too_large());
            }
            if length > self.large && payload.permit.is_none() {
                let free = timeout(self.idle, self.large_permits.clone().acquire_owned()).await;
                let Ok(Ok(permit)) = free else {
                    let message = "too many large bodies are being worked on: try again in a few seconds";
                    return Err(Problem::unavailable(message).closing());
                };
                payload.permit = Some(permit);
            }
            joined.extend_from_slice(&data);
        }
        payload.bytes = joined.freeze();
        Ok(payload)
    }

    fn too_large(&self) -> Problem {
        let message = format!("the body is longer than {} MiB: send it in parts", self.max >> 20);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "HTTPRequestEntityTooLarge", message).closing()
    }

    fn too_slow(&self) -> Problem {
        let message = format!(
            "the body came too slowly: at most {} s of silence and {} s in all",
            self.idle.as_secs(),
            self.total.as_secs()
        );
        Problem::new(StatusCode::REQUEST_TIMEOUT, "HTTPRequestTimeout", message).closing()
    }
}

/// The next data of a body; `None` at its end. Trailers are passed over.
async fn next_frame(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
    loop {
        let frame = std::future::poll_fn(|cx| std::pin::Pin::new(&mut *body).poll_frame(cx)).await?;
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => return Some(Ok(data)),
            Ok(Err(_trailers)) => {}
            Err(error) => return Some(Err(error)),
        }
    }
}

/// Reads a body that nobody wants, for a bounded length and time.
pub(super) async fn discard(headers: &HeaderMap, mut body: Body) {
    // A client that asked for permission (curl does) gets the answer instead, and sends nothing.
    if headers.contains_key(header::EXPECT) && !body.is_end_stream() {
        return;
    }
    let read = async {
        let mut left = DISCARDED;
        while let Some(Ok(data)) = next_frame(&mut body).await {
            left = left.saturating_sub(data.len());
            if left == 0 {
                break;
            }
        }
    };
    // Whether it came to its end makes no difference to the answer.
    let _ = timeout(DISCARD_TIME, read).await;
}

/// A body of JSON. The content type is not asked for: clients of this API send all sorts.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned + Send + 'static> FromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        let payload = app.bodies.read(&head.headers, body).await?;
        if let Some(noted) = head.extensions.get::<Noted>() {
            noted.keep(&payload.bytes);
        }
        if payload.bytes.len() <= DECODED_INLINE {
            return decode(&payload.bytes).map(Json).map_err(Problem::from);
        }
        // A large body keeps its place until it is decoded, even if the client is gone by then.
        let work = tokio::task::spawn_blocking(move || {
            let Payload { bytes, permit: _permit } = payload;
            decode(&bytes)
        });
        let decoded = work.await.map_err(|error| {
            tracing::error!(%error, "decoding a body panicked");
            Problem::bug()
        })?;
        decoded.map(Json).map_err(Problem::from)
    }
}
