//! Bodies of requests: bounded in length, time and memory, and read into types.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

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
use crate::service::{Caller, view::decode};

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
    /// Longest body of a call with a compute node's token, in bytes.
    pub(crate) of_host: usize,
    /// Longest wait for memory.
    pub(crate) patience: Duration,
    /// KiB that bodies may have together, from their first byte until their calls are answered.
    pub(crate) memory: Arc<Semaphore>,
}

/// KiB of all bodies together: the longest one, and others beside it.
const MEMORY: usize = 96 << 10;

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            max: 64 << 20,
            idle: Duration::from_secs(20),
            total: Duration::from_mins(2),
            of_host: 4 << 20,
            patience: Duration::from_secs(5),
            memory: Arc::new(Semaphore::new(MEMORY)),
        }
    }
}

/// What of the memory a call's body holds: an extension of the request. It is given back with the last clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Share(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Share {
    fn add(&self, more: OwnedSemaphorePermit) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match held.as_mut() {
            Some(held) => held.merge(more),
            None => *held = Some(more),
        }
    }
}

impl BodyLimits {
    async fn read(&self, max: usize, share: &Share, headers: &HeaderMap, mut body: Body) -> Result<Bytes, Problem> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > max {
            discard(headers, body).await;
            return Err(too_large(max));
        }
        let deadline = Instant::now() + self.total;
        let mut held = self.hold(share, 0, announced).await?;
        let mut joined = BytesMut::new();
        loop {
            let until = deadline.min(Instant::now() + self.idle);
            let frame = timeout_at(until, next_frame(&mut body)).await.map_err(|_| self.too_slow())?;
            let Some(frame) = frame else { break };
            let data = frame.map_err(|error| {
                Problem::bad_request(format!("the body can't be read to its end: {error}")).closing()
            })?;
            let length = joined.len() + data.len();
            if length > max {
                drop(joined);
                discard(headers, body).await;
                return Err(too_large(max));
            }
            held = self.hold(share, held, length).await?;
            joined.extend_from_slice(&data);
        }
        Ok(joined.freeze())
    }

    /// Takes memory for a body of `length` bytes, of which `held` KiB are there already; what it has then.
    async fn hold(&self, share: &Share, held: usize, length: usize) -> Result<usize, Problem> {
        let wanted = length.div_ceil(1024);
        let Some(more) = wanted.checked_sub(held).and_then(|more| u32::try_from(more).ok()).filter(|more| *more > 0)
        else {
            return Ok(held);
        };
        let free = timeout(self.patience, self.memory.clone().acquire_many_owned(more)).await;
        let Ok(Ok(permit)) = free else {
            let message = "the bodies of other calls take the memory that there is: try again in a few seconds";
            return Err(Problem::unavailable(message).closing());
        };
        share.add(permit);
        Ok(wanted)
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

fn too_large(max: usize) -> Problem {
    let message = format!("the body is longer than {} MiB: send it in parts", max >> 20);
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "HTTPRequestEntityTooLarge", message).closing()
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
        let limits = &app.bodies;
        let of_host = head.extensions.get::<Caller>().is_some_and(|caller| caller.host.is_some());
        let max = if of_host { limits.max.min(limits.of_host) } else { limits.max };
        let share = head.extensions.get::<Share>().cloned().unwrap_or_default();
        let bytes = limits.read(max, &share, &head.headers, body).await?;
        if let Some(noted) = head.extensions.get::<Noted>() {
            noted.keep(&bytes);
        }
        if bytes.len() <= DECODED_INLINE {
            return decode(&bytes).map(Json).map_err(Problem::from);
        }
        // A large body keeps its share until it is decoded, even if the client is gone by then.
        let work = tokio::task::spawn_blocking(move || {
            let _share = share;
            decode(&bytes)
        });
        let decoded = work.await.map_err(|error| {
            tracing::error!(%error, "decoding a body panicked");
            Problem::bug()
        })?;
        decoded.map(Json).map_err(Problem::from)
    }
}
