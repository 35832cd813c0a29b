//! A transact reply is never taken for committed unless every operation was done. The first byte counts the operations.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ovsdb::{Cursor, Outcome, transact::Reply};

fuzz_target!(|input: &[u8]| {
    let Some((operations, text)) = input.split_first() else { return };
    let operations = usize::from(*operations);
    if let Ok(reply) = Reply::read(&mut Cursor::new(text), operations) {
        assert_eq!(reply.outcomes.len(), operations);
        let done = reply.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done { .. }));
        assert_eq!(reply.committed(), done && reply.commit.is_none());
        assert!(!reply.committed() || reply.failure().is_none());
    }
});
