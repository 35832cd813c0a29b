//! Whoever dials in may say anything, in pieces of any size: it has an answer with names in it, or an error, and what it
//! said behind its answer is still there. The first byte says how long the pieces are.
#![no_main]

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use libfuzzer_sys::fuzz_target;
use ovsdb::transport::greeting::ask;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use vtepd_core::vtep::identity;

/// Says what it has to say, and takes what it is told.
struct Stranger {
    says: Vec<u8>,
    at: usize,
    piece: usize,
}

impl AsyncRead for Stranger {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let some = self.piece.min(self.says.len() - self.at).min(buf.remaining());
        buf.put_slice(&self.says[self.at..self.at + some]);
        self.at += some;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stranger {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((piece, says)) = input.split_first() else { return };
    let stranger = Stranger { says: says.to_vec(), at: 0, piece: usize::from(*piece).max(1) };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let Ok((answer, mut stream)) = ask(Box::new(stranger), "transact", &identity::question(), 4096).await else {
            return;
        };
        if let Ok(answer) = answer {
            // Its own errors are its business; panics are ours.
            let _ = identity::names(&mut answer.cursor());
        }
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.expect("it says all");
        assert!(says.ends_with(&rest));
    });
});
