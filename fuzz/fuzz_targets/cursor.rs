//! What the cursor calls JSON is JSON to serde_json, too, and the readings of OVSDB's values don't panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ovsdb::{Cursor, JsonError};

fn check(text: &[u8]) -> Result<(), JsonError> {
    let mut cursor = Cursor::new(text);
    cursor.skip()?;
    cursor.end()
}

fuzz_target!(|text: &[u8]| {
    match (check(text), serde_json::from_slice::<serde_json::Value>(text)) {
        (Ok(()), Ok(_)) | (Err(_), Err(_)) => {}
        // serde_json stops at 128 levels, and at numbers beyond a double.
        (Ok(()), Err(error)) => {
            let error = error.to_string();
            assert!(error.contains("recursion limit") || error.contains("number out of range"), "{error}");
        }
        (Err(error), Ok(_)) => panic!("{error}"),
    }
    let readings: [fn(&mut Cursor<'_>) -> Result<(), JsonError>; 7] = [
        |c| c.integer().map(drop),
        |c| c.real().map(drop),
        |c| c.string().map(drop),
        |c| c.uuid().map(drop),
        |c| c.set(|atom| atom.uuid().map(drop)),
        |c| c.map(|key, value| key.integer().and_then(|_| value.uuid()).map(drop)),
        |c| c.object(|_, value| value.array(Cursor::skip)),
    ];
    for reading in readings {
        if let Err(error) = reading(&mut Cursor::new(text)) {
            assert!(error.offset <= text.len());
        }
    }
});
