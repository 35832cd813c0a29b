//! JSON text, appended to a buffer that the caller keeps.

use uuid::Uuid;

/// Appends `text` as a JSON string.
///
/// U+0000 becomes U+FFFD: a string of OVSDB can't hold it, and ovsdb-server drops the connection where it is sent.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((&byte, behind)) = special.split_first() else { break };
        match byte {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            _ => {
                let [high, low] = [byte >> 4, byte & 15].map(|nibble| HEX[usize::from(nibble)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
        rest = behind;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Appends `["uuid","…"]` (RFC 7047 section 5.1).
pub fn write_uuid(out: &mut Vec<u8>, uuid: Uuid) {
    let mut digits = Uuid::encode_buffer();
    out.extend_from_slice(b"[\"uuid\",\"");
    out.extend_from_slice(uuid.hyphenated().encode_lower(&mut digits).as_bytes());
    out.extend_from_slice(b"\"]");
}
