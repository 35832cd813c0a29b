//! The content of a store that nobody serves from here: a file, or a copy of one. It is only read.

use std::{
    path::Path,
    sync::{Arc, atomic::AtomicU64},
};

use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    FEED, StoreError,
    feed::{Contents, Feed, Gone},
    open,
};
use crate::model::FeedEvent;

/// Hands over the content as a feed does, up to [`FeedEvent::Loaded`].
///
/// # Errors
/// [`StoreError`] where there is no such file, or it can't be read.
pub async fn read_all(path: &Path, mut take: impl FnMut(FeedEvent)) -> Result<(), StoreError> {
    let readers = open::only_read(path)?;
    let (consumer, mut events) = mpsc::channel(FEED);
    let feed = Feed {
        readers,
        commits: broadcast::channel(1).1,
        consumer,
        contents: Contents::All,
        position: Arc::new(AtomicU64::new(0)),
        stop: CancellationToken::new(),
    };
    let load = async move {
        let loaded = feed.load(&mut None).await;
        feed.readers.close().await;
        loaded
    };
    let deliver = async {
        while let Some(event) = events.recv().await {
            take(event);
        }
    };
    let (loaded, ()) = tokio::join!(load, deliver);
    match loaded {
        Ok(revision) => take(FeedEvent::Loaded(revision?)),
        Err(Gone) => return Err(StoreError::Closed),
    }
    Ok(())
}
