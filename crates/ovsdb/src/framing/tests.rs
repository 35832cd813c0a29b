use proptest::{collection::vec, prelude::*};
use serde_json::Value;

use super::*;
use crate::json::{MAX_DEPTH, tests::any_json};

/// Cuts a stream that arrives in pieces of these lengths (over and over).
fn cut(stream: &[u8], pieces: &[usize], max: usize) -> Result<(Vec<Vec<u8>>, Framer), FramingError> {
    let mut framer = Framer::new(max);
    let mut messages = Vec::new();
    let mut message = Vec::new();
    let mut rest = stream;
    for piece in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (mut fresh, behind) = rest.split_at((*piece).clamp(1, rest.len()));
        rest = behind;
        while !fresh.is_empty() {
            let end = framer.scan(fresh)?;
            let (ours, behind) = fresh.split_at(end.unwrap_or(fresh.len()));
            message.extend_from_slice(ours);
            fresh = behind;
            if end.is_some() {
                messages.push(std::mem::take(&mut message));
            }
        }
    }
    Ok((messages, framer))
}

fn container() -> impl Strategy<Value = Value> {
    any_json().prop_map(|value| if value.is_object() { value } else { Value::Array(vec![value]) })
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_messages(
        values in vec((container(), any::<bool>()), 0..6),
        pieces in vec(1..40_usize, 1..20),
    ) {
        let texts: Vec<Vec<u8>> = values.iter().map(|(value, pretty)| {
            if *pretty { serde_json::to_vec_pretty(value) } else { serde_json::to_vec(value) }.unwrap()
        }).collect();
        // ovsdb-server writes no delimiter; others may write a line feed.
        for delimiter in [&b""[..], b"\r\n"] {
            let stream = texts.join(delimiter);
            let (messages, framer) = cut(&stream, &pieces, usize::MAX).unwrap();
            prop_assert!(!framer.within_message());
            prop_assert_eq!(messages.len(), texts.len());
            for (message, text) in messages.iter().zip(&texts) {
                prop_assert_eq!(message.trim_ascii_start(), text.as_slice());
            }
        }
    }

    /// Blocks of 64 bytes are passed over as a whole: with brackets, quotes and escapes at any place of theirs.
    #[test]
    fn whole_blocks_give_the_same_as_single_bytes(
        texts in vec("[ -~]{0,90}", 1..12),
        nested in 0..80_usize,
        pieces in vec(1..400_usize, 1..8),
    ) {
        let mut value = Value::from(texts);
        for _ in 0..nested {
            value = Value::Array(vec![value]);
        }
        let text = serde_json::to_vec(&value).unwrap();
        let stream = [text.as_slice(), text.as_slice()].concat();
        let (whole, _) = cut(&stream, &[usize::MAX], usize::MAX).unwrap();
        prop_assert_eq!(&whole, &[text.clone(), text]);
        for pieces in [vec![1], pieces] {
            prop_assert_eq!(&cut(&stream, &pieces, usize::MAX).unwrap().0, &whole);
        }
    }

    #[test]
    fn an_unfinished_value_is_no_message(value in container(), end in any::<prop::sample::Index>()) {
        let text = serde_json::to_vec(&value).unwrap();
        let end = end.index(text.len());
        let (messages, framer) = cut(&text[..end], &[7], usize::MAX).unwrap();
        prop_assert!(messages.is_empty());
        prop_assert_eq!(framer.within_message(), end > 0);
        prop_assert_eq!(framer.pending(), end);
    }

    #[test]
    fn garbage_gives_the_same_result_however_it_is_cut(
        bytes in vec(prop_oneof![Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b'"'), Just(b'\\'), any::<u8>()], 0..60),
        pieces in vec(1..10_usize, 1..20),
        max in 0..60_usize,
    ) {
        let whole = cut(&bytes, &[usize::MAX], max).map(|(messages, framer)| (messages, framer.pending()));
        let pieced = cut(&bytes, &pieces, max).map(|(messages, framer)| (messages, framer.pending()));
        // Which of two faults is seen first may depend on the cut; whether there is one may not.
        if whole.is_ok() || pieced.is_ok() {
            prop_assert_eq!(whole, pieced);
        }
    }
}

#[test]
fn brackets_in_strings_are_text() {
    let stream = br#"{"a":"}]\"{","b":"\\"}["\\\""]"#;
    for size in 1..stream.len() {
        let (messages, _) = cut(stream, &[size], usize::MAX).unwrap();
        assert_eq!(messages, [br#"{"a":"}]\"{","b":"\\"}"#.to_vec(), br#"["\\\""]"#.to_vec()]);
    }
}

#[test]
fn what_is_no_json_is_found_at_once() {
    for (stream, offset) in [(&b"SSH-2.0-OpenSSH"[..], 0), (b"\r\n \x15\x03\x01", 3), (b"}", 0), (b"12", 0)] {
        assert_eq!(cut(stream, &[1], 100).unwrap_err(), FramingError::NotJson { offset });
    }
    let second = cut(b"{}x", &[100], 100).unwrap_err();
    assert_eq!(second, FramingError::NotJson { offset: 0 }, "counted from the start of each message");
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| [b"[".repeat(depth), b"]".repeat(depth)].concat();
    assert_eq!(cut(&nested(MAX_DEPTH), &[999], usize::MAX).unwrap().0.len(), 1);
    let error = cut(&nested(MAX_DEPTH + 1), &[999], usize::MAX).unwrap_err();
    assert_eq!(error, FramingError::TooDeep { offset: MAX_DEPTH });
}

#[test]
fn length_is_bounded() {
    let text = br#"{"k":"0123456789"}"#;
    for size in [1, 5, 100] {
        assert_eq!(cut(text, &[size], text.len()).unwrap().0.len(), 1);
        let two = [&text[..], text].concat();
        assert_eq!(cut(&two, &[size], text.len()).unwrap().0.len(), 2, "the bound is each message's own");
        assert_eq!(cut(text, &[size], text.len() - 1).unwrap_err(), FramingError::TooLong { limit: text.len() - 1 });
    }
}
