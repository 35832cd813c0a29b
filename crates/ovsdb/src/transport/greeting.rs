//! The first question on a stream whose peer we don't know yet, within bounds that hold no memory for it. Afterwards the
//! stream is as if nothing had happened: what the peer said beyond the answer is read again by the connection.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::Stream;
use crate::{
    framing::{Framer, FramingError},
    json::{JsonError, write_string},
    message::{self, Incoming, Message, Raw, RpcError},
};

/// Messages of a peer before its answer: its own probes, and little else.
const MESSAGES: usize = 16;

/// There is no answer.
#[derive(Debug, thiserror::Error)]
pub enum GreetingError {
    /// The stream failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The peer closed.
    #[error("it closed the connection without an answer")]
    Ended,
    /// Not OVSDB.
    #[error("it sent something that is not OVSDB ({0})")]
    Framing(#[from] FramingError),
    /// Not OVSDB.
    #[error("it sent something that is not OVSDB ({0})")]
    Json(#[from] JsonError),
    /// Much, and no answer.
    #[error("it sent {MESSAGES} messages, and no answer among them")]
    NoAnswer,
}

/// Sends one request and waits for its reply; `params` is the text of a JSON array. Messages of more than `longest` bytes
/// are an error. There is no time limit in here.
pub async fn ask(
    mut stream: Stream,
    method: &str,
    params: &str,
    longest: usize,
) -> Result<(Result<Raw, RpcError>, Stream), GreetingError> {
    let mut request = br#"{"id":0,"method":"#.to_vec();
    write_string(&mut request, method);
    request.extend_from_slice(b",\"params\":");
    request.extend_from_slice(params.as_bytes());
    request.push(b'}');
    stream.write_all(&request).await?;
    stream.flush().await?;
    let mut framer = Framer::new(longest);
    let (mut buffer, mut scanned) = (BytesMut::new(), 0);
    let mut messages = 0;
    loop {
        if let Some(end) = framer.scan(buffer.get(scanned..).unwrap_or_default())? {
            let text = buffer.split_to(std::mem::take(&mut scanned) + end).freeze();
            match message::parse(&text)? {
                Message::Incoming(Incoming::Reply { id: 0, result }) => {
                    let rest = buffer.freeze();
                    let stream: Stream = if rest.is_empty() { stream } else { Box::new(Unread { rest, stream }) };
                    return Ok((result, stream));
                }
                Message::Request { id, method, params } if method == "echo" => echo(&mut stream, &id, &params).await?,
                _ => {}
            }
            messages += 1;
            if messages == MESSAGES {
                return Err(GreetingError::NoAnswer);
            }
            continue;
        }
        scanned = buffer.len();
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(GreetingError::Ended);
        }
    }
}

async fn echo(stream: &mut Stream, id: &Raw, params: &Raw) -> io::Result<()> {
    let parts = [br#"{"id":"#, id.as_bytes(), br#","error":null,"result":"#, params.as_bytes(), b"}"];
    stream.write_all(&parts.concat()).await?;
    stream.flush().await
}

/// A stream with bytes that were read too early.
struct Unread {
    rest: Bytes,
    stream: Stream,
}

impl fmt::Debug for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unread").field("rest", &self.rest.len()).finish_non_exhaustive()
    }
}

impl AsyncRead for Unread {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.rest.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let some = self.rest.len().min(buf.remaining());
        buf.put_slice(&self.rest[..some]);
        self.rest.advance(some);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Unread {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_among_probes_and_what_follows_is_kept() {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let peer = tokio::spawn(async move {
            let mut got = vec![0; 4096];
            let n = theirs.read(&mut got).await.unwrap();
            assert_eq!(&got[..n], br#"{"id":0,"method":"list_dbs","params":[]}"#);
            theirs.write_all(br#"{"id":"echo","method":"echo","params":[7]}{"id":0,"result":["a"],"#).await.unwrap();
            let n = theirs.read(&mut got).await.unwrap();
            assert_eq!(&got[..n], br#"{"id":"echo","error":null,"result":[7]}"#);
            theirs.write_all(br#""error":null}{"id":"more","met"#).await.unwrap();
        });
        let (answer, mut stream) = ask(Box::new(ours), "list_dbs", "[]", 1 << 16).await.unwrap();
        assert_eq!(answer.unwrap().as_bytes(), br#"["a"]"#);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, br#"{"id":"more","met"#);
        peer.await.unwrap();
    }

    #[tokio::test]
    async fn garbage_floods_and_silence_end() {
        let ask_after = |text: Vec<u8>| async move {
            let (ours, mut theirs) = tokio::io::duplex(1 << 20);
            theirs.write_all(&text).await.unwrap();
            theirs.shutdown().await.unwrap();
            ask(Box::new(ours), "list_dbs", "[]", 1024).await.map(|_| ()).unwrap_err()
        };
        assert!(matches!(ask_after(b"SSH-2.0-OpenSSH".to_vec()).await, GreetingError::Framing(_)));
        assert!(matches!(ask_after(b"{]".to_vec()).await, GreetingError::Json(_)));
        assert!(matches!(ask_after(b"{\"a\":".to_vec()).await, GreetingError::Ended));
        assert!(matches!(ask_after(vec![b'['; 2000]).await, GreetingError::Framing(_)));
        let update = br#"{"id":null,"method":"update","params":["m",{}]}"#;
        assert!(matches!(ask_after(update.repeat(MESSAGES)).await, GreetingError::NoAnswer));
    }
}
