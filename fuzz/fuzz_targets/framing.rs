//! A stream is cut into the same messages however it arrives. The first byte says how long the pieces are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ovsdb::framing::{Framer, FramingError};

const MAX: usize = 4096;

/// The ends of the messages, and what ended the stream.
fn ends(stream: &[u8], piece: usize) -> (Vec<usize>, Option<FramingError>) {
    let mut framer = Framer::new(MAX);
    let mut ends = Vec::new();
    let mut at = 0;
    for piece in stream.chunks(piece) {
        let mut fresh = piece;
        while !fresh.is_empty() {
            match framer.scan(fresh) {
                Ok(end) => {
                    let taken = end.unwrap_or(fresh.len());
                    fresh = &fresh[taken..];
                    at += taken;
                    ends.extend(end.map(|_| at));
                }
                Err(error) => return (ends, Some(error)),
            }
        }
    }
    (ends, None)
}

fuzz_target!(|input: &[u8]| {
    let Some((piece, stream)) = input.split_first() else { return };
    let (whole, failed) = ends(stream, usize::MAX);
    let (pieced, failed_in_pieces) = ends(stream, usize::from(*piece).max(1));
    assert_eq!((whole, failed.is_some()), (pieced, failed_in_pieces.is_some()));
});
