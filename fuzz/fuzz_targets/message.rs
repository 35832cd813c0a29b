//! Any bytes are a message or an error.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ovsdb::{Incoming, Raw, Schema, message};

fuzz_target!(|text: &[u8]| {
    let text = Bytes::copy_from_slice(text);
    match message::parse(&text) {
        Ok(message::Message::Incoming(Incoming::Reply { result: Ok(result), .. })) => {
            // Whether it is JSON, its reader finds out: its own errors are its business; panics are ours.
            let _ = result.cursor().skip();
            let _ = Schema::read(&mut result.cursor());
        }
        Ok(message::Message::Request { id, params, .. }) => {
            assert_ne!(id.as_bytes(), b"null");
            Raw::parse(Bytes::copy_from_slice(params.as_bytes())).expect("parameters are JSON");
        }
        Ok(_) => {}
        Err(error) => assert!(error.offset <= text.len()),
    }
});
