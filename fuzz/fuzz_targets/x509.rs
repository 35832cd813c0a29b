//! A certificate is any bytes that a peer may show: no panic, no endless loop, and words that a log can hold.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ovsdb::transport::Certificate;

fuzz_target!(|der: &[u8]| {
    if let Ok(certificate) = Certificate::parse(der) {
        let text = certificate.to_string();
        assert!(!text.contains(char::is_control) && text.chars().count() < 300);
        assert!(!certificate.is_for("192.0.2.1"));
    }
});
