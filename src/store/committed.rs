//! Which revision a call made: reported to the caller that asks for it around the call, without a word in between.

use std::{cell::Cell, future::Future};

use crate::model::Revision;

tokio::task_local! {
    static LAST: Cell<Option<Revision>>;
}

/// Does the work, and answers the revision of the last commit that it waited for within this task; `None`: it changed
/// nothing.
pub async fn revision_of<T>(work: impl Future<Output = T>) -> (T, Option<Revision>) {
    LAST.scope(Cell::new(None), async {
        let done = work.await;
        (done, LAST.with(Cell::get))
    })
    .await
}

/// A commit was answered.
pub(super) fn note(revision: Option<Revision>) {
    if revision.is_some() {
        // Nobody asks: fine.
        let _ = LAST.try_with(|last| last.set(revision));
    }
}
