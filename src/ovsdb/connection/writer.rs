//! The writer task: everything that waits goes out in one write.

use std::sync::Arc;

use tokio::io::{AsyncWriteExt, WriteHalf};

use super::{CloseReason, Shared, Stream};

pub(super) async fn run(shared: Arc<Shared>, mut output: WriteHalf<Stream>) {
    let stopped = shared.stop.clone();
    tokio::select! {
        () = stopped.cancelled() => shared.close(CloseReason::Dropped),
        reason = write(&shared, &mut output) => shared.close(reason),
    }
}

async fn write(shared: &Shared, output: &mut WriteHalf<Stream>) -> CloseReason {
    let mut batch = Vec::new();
    while shared.queue.next_batch(&mut batch).await {
        let sent = async {
            output.write_all(&batch).await?;
            output.flush().await
        };
        if let Err(error) = sent.await {
            return CloseReason::Io(error.to_string());
        }
    }
    CloseReason::Dropped
}
