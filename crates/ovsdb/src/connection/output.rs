//! The sending half of the stream. The task that queued something sends it at once, as far as the socket takes it without
//! waiting; what it doesn't take is left to a task, which waits.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use tokio::io::{AsyncWrite, WriteHalf};

use super::{CloseReason, Shared, Stream, queue::Queue};

pub(super) struct Output {
    /// `None`: the connection is gone.
    stream: Option<WriteHalf<Stream>>,
    /// What is being sent, and how much of it has been.
    batch: Vec<u8>,
    sent: usize,
    /// All was written, but not yet flushed.
    unflushed: bool,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("sent", &self.sent).finish_non_exhaustive()
    }
}

// ===== impl Output =====

impl Output {
    pub(super) fn new(stream: WriteHalf<Stream>) -> Self {
        Self { stream: Some(stream), batch: Vec::new(), sent: 0, unflushed: false }
    }

    /// Sends until nothing is queued any more: everything that waits in one write.
    fn poll_send(&mut self, queue: &Queue, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(())) };
        loop {
            if let Some(rest) = self.batch.get(self.sent..).filter(|rest| !rest.is_empty()) {
                match ready!(Pin::new(&mut *stream).poll_write(context, rest))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    count => self.sent += count,
                }
            } else if queue.next_batch(&mut self.batch) {
                self.sent = 0;
                self.unflushed = true;
            } else if self.unflushed {
                ready!(Pin::new(&mut *stream).poll_flush(context))?;
                self.unflushed = false;
                queue.all_sent();
            } else {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

// ===== impl Shared =====

impl Shared {
    /// Sends what is queued, as far as that goes without waiting.
    pub(super) fn send(&self) {
        // The task that has it locked may have looked at the queue just before: the task looks once more.
        let Ok(mut output) = self.output.try_lock() else { return self.queue.wake_sender() };
        match output.poll_send(&self.queue, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => self.fail_writing(&error),
            Poll::Pending => self.queue.wake_sender(),
        }
    }
}

/// The task that waits for the socket, and closes it in the end.
pub(super) async fn run(shared: Arc<Shared>) {
    tokio::select! {
        () = shared.stop.cancelled() => {}
        error = send_rest(&shared) => shared.fail_writing(&error),
    }
    if shared.unwritable.get().is_none() {
        shared.close(CloseReason::Dropped);
    }
    shared.output.lock().await.stream = None;
}

async fn send_rest(shared: &Shared) -> io::Error {
    loop {
        shared.queue.left().await;
        let mut output = shared.output.lock().await;
        if let Err(error) = std::future::poll_fn(|context| output.poll_send(&shared.queue, context)).await {
            return error;
        }
    }
}
