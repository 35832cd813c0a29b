//! What happens, as it happens: a subscription, over WebSocket.

use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionMessage,
    core::{RegisterMethodError, SubscriptionResult, to_json_raw_value},
};
use serde::Deserialize;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use utoipa::ToSchema;

use super::super::registry::{Kind as MethodKind, Registry, read};
use crate::{
    admin::fault::Fault,
    service::{
        journal::{self, JournalEntry, JournalKind},
        view::BadBody,
    },
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// call, plan, drift, session, handover, loss; all where it is not given.
    kinds: Option<Vec<String>>,
}

pub(super) fn offer(r: &mut Registry) -> Result<(), RegisterMethodError> {
    let about = "Entries of the journal as they happen, in notifications 'event'; 'unwatch' ends it. WebSocket only.";
    r.describe::<Which, JournalEntry>("watch", about, MethodKind::Subscription);
    r.module.register_subscription("watch", "event", "unwatch", |params, pending, context, _| async move {
        let kinds = match read::<Which>(&params).and_then(kinds) {
            Ok(kinds) => kinds,
            Err(fault) => {
                pending.reject(fault).await;
                return Ok(());
            }
        };
        let events = context.service.journal().watch();
        deliver(pending, events, &kinds).await
    })?;
    Ok(())
}

fn kinds(which: Which) -> Result<Vec<JournalKind>, Fault> {
    let kinds = which.kinds.unwrap_or_default();
    let kinds = kinds.iter().map(|kind| kind.parse().map_err(|why: String| BadBody::field("kinds", why)));
    Ok(kinds.collect::<Result<_, _>>()?)
}

/// Until the watcher goes, or the journal ends. A watcher that is too slow gets the number of what it missed.
async fn deliver(
    pending: PendingSubscriptionSink,
    mut events: Receiver<std::sync::Arc<JournalEntry>>,
    kinds: &[JournalKind],
) -> SubscriptionResult {
    let sink = pending.accept().await?;
    loop {
        let message = tokio::select! {
            () = sink.closed() => return Ok(()),
            event = events.recv() => match event {
                Ok(entry) if kinds.is_empty() || kinds.contains(&entry.kind) => to_json_raw_value(&*entry)?,
                Ok(_) => continue,
                Err(RecvError::Lagged(missed)) => to_json_raw_value(&journal::missed(missed))?,
                Err(RecvError::Closed) => return Ok(()),
            },
        };
        if sink.send(SubscriptionMessage::from(message)).await.is_err() {
            return Ok(());
        }
    }
}
