//! Any text is a known_hosts: no panic, no endless pattern, and no key for a host that no line names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ovsdb::transport::KnownKeys;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    for (host, port) in [("192.0.2.1", 22), ("tor-1.example", 2222)] {
        let found = KnownKeys::parse(&text, host, port);
        assert!(found.keys() + found.revoked() <= text.lines().count());
        // Without a star, a question mark or a hash, the name itself has to be there.
        if found.keys() > 0 && !text.contains(['*', '?', '|']) {
            assert!(text.to_lowercase().contains(host));
        }
    }
});
