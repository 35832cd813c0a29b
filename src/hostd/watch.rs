//! Follows `GET /v2/fdb/watch`: connects, hears, and connects again from where it was.

use std::time::Duration;

use reqwest::{Method, header};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{
    client::{Api, VtepdClientError, send, words},
    fdb::Event,
    sse::{Message, Parser},
};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// From this size on an event is decoded where it holds up nobody, in bytes.
const LARGE: usize = 256 << 10;

/// What the stream says.
#[derive(Debug)]
pub(super) enum WatchEvent {
    Event(Event),
    /// The stream is there, or not.
    Connected(bool),
}

/// Follows until the receiver is gone.
pub(super) async fn follow(api: Api, tell: mpsc::Sender<WatchEvent>) {
    let (mut last_id, mut pause, mut lost) = (None, FIRST_PAUSE, false);
    loop {
        let before: Option<String> = last_id.clone();
        let Err(ended) = stream(&api, &mut last_id, &tell).await else { return };
        if tell.send(WatchEvent::Connected(false)).await.is_err() {
            return;
        }
        if last_id != before {
            (pause, lost) = (FIRST_PAUSE, false);
        }
        // Said once; the tries that follow would say the same.
        if std::mem::replace(&mut lost, true) {
            tracing::debug!(error = %ended, "vtepd is still away");
        } else {
            tracing::warn!(error = %ended, "vtepd is away: what it said last stays in force");
        }
        if matches!(ended, Ended::Event { .. }) {
            // What couldn't be taken would come again: only a snapshot leads past it.
            last_id = None;
        }
        sleep(pause + jitter(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Client(#[from] VtepdClientError),
    #[error("the stream broke: {0}")]
    Broken(String),
    #[error("the answer is '{0}' and no stream of events: is [vtepd] url the address of vtepd's API?")]
    NoStream(String),
    #[error("vtepd closed the stream")]
    Closed,
    #[error("nothing was heard for {0:?}, not even a sign of life")]
    Silent(Duration),
    #[error(transparent)]
    Sse(#[from] super::sse::SseError),
    #[error("the event '{event}' can't be read: {why}; vtepd and vtep-hostd should be of one version")]
    Event { event: String, why: String },
}

/// One connection. `Ok`: nobody listens any more.
async fn stream(api: &Api, last_id: &mut Option<String>, tell: &mpsc::Sender<WatchEvent>) -> Result<(), Ended> {
    let mut request = api
        .with_parameters(Method::GET, "/v2/fdb/watch", &[("scope", "all")])?
        .header(header::ACCEPT, "text/event-stream");
    if let Some(id) = last_id.as_deref() {
        request = request.header("Last-Event-ID", id);
    }
    let silent = || Ended::Silent(api.silence());
    let mut response = timeout(api.silence(), send(request)).await.map_err(|_| silent())??;
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("text/event-stream") {
        return Err(Ended::NoStream(kind.to_owned()));
    }
    if tell.send(WatchEvent::Connected(true)).await.is_err() {
        return Ok(());
    }
    tracing::info!(since = last_id.as_deref(), "vtepd is heard");
    let (mut parser, mut messages) = (Parser::default(), Vec::new());
    loop {
        let chunk = timeout(api.silence(), response.chunk()).await.map_err(|_| silent())?;
        let chunk = chunk.map_err(|error| Ended::Broken(words(&error)))?.ok_or(Ended::Closed)?;
        parser.push(&chunk, &mut messages)?;
        for message in messages.drain(..) {
            if let Some(event) = decode(message).await?
                && tell.send(WatchEvent::Event(event)).await.is_err()
            {
                return Ok(());
            }
        }
        if let Some(id) = parser.last_id() {
            *last_id = Some(id.to_owned());
        }
    }
}

/// `None`: an event that a later daemon may send, and that we don't know.
async fn decode(message: Message) -> Result<Option<Event>, Ended> {
    if message.data.len() < LARGE {
        return event(&message);
    }
    let decoded = tokio::task::spawn_blocking(move || event(&message)).await;
    decoded.unwrap_or_else(|error| Err(Ended::Event { event: "snapshot".to_owned(), why: error.to_string() }))
}

fn event(message: &Message) -> Result<Option<Event>, Ended> {
    let wrong = |error: serde_json::Error| Ended::Event { event: message.event.clone(), why: error.to_string() };
    match message.event.as_str() {
        "snapshot" => serde_json::from_str(&message.data).map(Event::Snapshot).map(Some).map_err(wrong),
        "change" => serde_json::from_str(&message.data).map(Event::Change).map(Some).map_err(wrong),
        _ => Ok(None),
    }
}

/// Up to a half more: a thousand hosts must not come back at the same moment.
fn jitter(pause: Duration) -> Duration {
    let mut random = [0; 2];
    // Without random numbers they come back together, which the daemon survives.
    let _ = getrandom::fill(&mut random);
    pause.mul_f64(f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX) / 2.0)
}
