//! What the switches have confirmed, into the store: once a second, in one transaction, the last revision of each
//! database. The guard forgets a deletion's explanation only after that.

use std::{collections::HashMap, time::Duration};

use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use crate::{model::Revision, store::Store};

/// How often the store is written.
const PERIOD: Duration = Duration::from_secs(1);

/// Works until the fleet has dropped its end and all is written.
pub(super) async fn record(store: Store, mut confirmed: mpsc::Receiver<(String, Revision)>) {
    let mut latest: HashMap<String, Revision> = HashMap::new();
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = confirmed.recv() => match message {
                Some((database, revision)) => { latest.insert(database, revision); }
                None => break,
            },
            _ = ticks.tick(), if !latest.is_empty() => write(&store, &mut latest).await,
        }
    }
    write(&store, &mut latest).await;
}

/// Writes and forgets what was written; what failed is tried again with the next tick.
async fn write(store: &Store, latest: &mut HashMap<String, Revision>) {
    match store.confirm(latest.clone()).await {
        Ok(()) => latest.clear(),
        Err(error) => tracing::warn!(%error, "what switches confirmed can't be kept; trying again"),
    }
}
