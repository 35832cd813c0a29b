//! serde_json is the second opinion: both must agree on what is JSON, and on what it says.

use proptest::{collection::vec, prelude::*};
use serde_json::Value;
use uuid::Uuid;

use std::borrow::Cow;

use super::*;

/// The value under the cursor, as serde_json would have read it.
fn tree(cursor: &mut Cursor<'_>) -> Result<Value, JsonError> {
    Ok(match cursor.peek()? {
        ValueKind::Null => {
            assert!(cursor.null() || cursor.skip().is_err());
            Value::Null
        }
        ValueKind::Bool => Value::Bool(cursor.boolean()?),
        ValueKind::String => Value::String(cursor.string()?.into_owned()),
        ValueKind::Number => {
            let text = cursor.raw()?;
            serde_json::from_slice(text).map_err(|_| cursor.expected("a number in range"))?
        }
        ValueKind::Array => {
            let mut values = Vec::new();
            cursor.array(|element| {
                values.push(tree(element)?);
                Ok(())
            })?;
            Value::Array(values)
        }
        ValueKind::Object => {
            let mut members = serde_json::Map::new();
            cursor.object(|key, value| {
                members.insert(key.to_owned(), tree(value)?);
                Ok(())
            })?;
            Value::Object(members)
        }
    })
}

fn read_tree(text: &[u8]) -> Result<Value, JsonError> {
    let mut cursor = Cursor::new(text);
    let value = tree(&mut cursor)?;
    cursor.end()?;
    Ok(value)
}

fn check(text: &[u8]) -> Result<(), JsonError> {
    let mut cursor = Cursor::new(text);
    cursor.skip()?;
    cursor.end()
}

/// Any JSON value, several levels deep.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::String),
        vec(any::<char>(), 0..12).prop_map(|chars| Value::String(chars.into_iter().collect())),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            vec(("[\\PC\"\\\\{}]{0,12}", inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Texts that are nearly JSON.
fn near_json() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        " ",
        "\n",
        "\"",
        "\"a\"",
        "\"k\":",
        "\\",
        "\\u00e9",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\ude00\\ud83d\"",
        "\\\"",
        "0",
        "-",
        "-0",
        "01",
        "1.5",
        "1.",
        "1e5",
        "1e+",
        "E",
        "true",
        "false",
        "null",
        "nul",
        "é",
        "\u{7f}",
        "\t",
        "\"\\x\"",
        "\u{0}",
        "\"12345678\"",
        "\"1234567é\"",
    ]);
    prop_oneof![
        vec(token, 0..12).prop_map(|tokens| tokens.concat().into_bytes()),
        (any_json(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(value, at, byte)| {
            let mut text = serde_json::to_vec(&value).unwrap();
            let at = at.index(text.len());
            text[at] = byte;
            text
        }),
        vec(any::<u8>(), 0..40),
    ]
}

proptest! {
    #[test]
    fn agrees_with_serde_json_on_values(value in any_json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        prop_assert_eq!(check(&text), Ok(()));
        prop_assert_eq!(read_tree(&text), Ok(serde_json::from_slice::<Value>(&text).unwrap()));
        prop_assert_eq!(Cursor::new(&text).raw(), Ok(text.as_slice()));
    }

    #[test]
    fn agrees_with_serde_json_on_validity(text in near_json()) {
        let theirs = serde_json::from_slice::<Value>(&text);
        prop_assert_eq!(read_tree(&text).ok(), theirs.as_ref().ok().cloned());
        // Syntax alone has no bound on numbers: 1E309 is JSON, and no f64.
        let too_large = |error: &serde_json::Error| error.to_string().contains("number out of range");
        match theirs {
            Err(error) if too_large(&error) => {}
            theirs => prop_assert_eq!(check(&text).is_ok(), theirs.is_ok()),
        }
    }

    #[test]
    fn never_panics_and_points_into_the_text(text in near_json()) {
        type Reading = fn(&mut Cursor<'_>) -> Result<(), JsonError>;
        let readings: [Reading; 8] = [
            |c| c.integer().map(drop),
            |c| c.real().map(drop),
            |c| c.boolean().map(drop),
            |c| c.uuid().map(drop),
            |c| c.string().map(drop),
            |c| c.set(Cursor::skip),
            |c| c.map(|key, value| { key.skip()?; value.skip() }),
            |c| { c.null(); Ok(()) },
        ];
        for reading in readings {
            let mut cursor = Cursor::new(&text);
            if let Err(error) = reading(&mut cursor) {
                prop_assert!(error.offset <= text.len());
                prop_assert_eq!(error.found, text.get(error.offset).copied());
            }
            prop_assert!(cursor.offset() <= text.len());
        }
    }

    #[test]
    fn pieces_hold_all_members_in_their_order(members in vec(any_json(), 0..8), size in 1..30_usize, pretty: bool) {
        let value = Value::Array(members);
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let mut cursor = Cursor::new(text.as_bytes());
        let mut pieces = Vec::new();
        let mut ends = cursor.pieces(size).unwrap();
        while let Some(piece) = ends.next(text.as_bytes()).unwrap() {
            pieces.push(piece);
        }
        prop_assert_eq!(Cursor::resume(text.as_bytes(), ends.end()).end(), Ok(()));
        let mut found = Vec::new();
        let count = pieces.len();
        for (i, piece) in pieces.into_iter().enumerate() {
            prop_assert!(piece.len() > size || i + 1 == count);
            let mut own = text.as_bytes()[piece].to_vec();
            let last = own.len() - 1;
            prop_assert_eq!(own[0], if i == 0 { b'[' } else { b',' });
            prop_assert_eq!(own[last], if i + 1 == count { b']' } else { b',' });
            (own[0], own[last]) = (b'[', b']');
            found.extend(serde_json::from_slice::<Vec<Value>>(&own).unwrap());
        }
        prop_assert_eq!(found, serde_json::from_str::<Vec<Value>>(&text).unwrap());
    }

    /// A reader that stops after each member and goes on later reads the same as one that reads all at once.
    #[test]
    fn members_are_read_one_by_one(members in vec((any::<String>(), any_json()), 0..8), pretty: bool) {
        let value = Value::Object(members.into_iter().collect());
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let mut expected = Vec::new();
        Cursor::new(text.as_bytes()).object(|key, value| {
            expected.push((key.as_bytes().to_vec(), value.raw()?));
            Ok(())
        }).unwrap();
        let mut cursor = Cursor::new(text.as_bytes());
        cursor.enter_object().unwrap();
        let mut found = Vec::new();
        loop {
            cursor = Cursor::resume(text.as_bytes(), cursor.place());
            let Some(key) = cursor.next_member(found.is_empty()).unwrap() else { break };
            found.push((key.into_owned(), cursor.raw().unwrap()));
        }
        prop_assert_eq!(cursor.end(), Ok(()));
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_written_string_reads_back(text in vec(any::<char>(), 0..40)) {
        let text: String = text.into_iter().collect();
        let mut out = Vec::new();
        write_string(&mut out, &text);
        let expected = text.replace('\0', "\u{fffd}");
        prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), expected.clone());
        prop_assert_eq!(Cursor::new(&out).string().unwrap(), expected);
    }

    #[test]
    fn plain_runs_end_where_a_closer_look_is_due(bytes in vec(prop_oneof![4 => Just(b'a'), 1 => any::<u8>()], 0..40)) {
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20 | 0x80..);
        prop_assert_eq!(string::plain_run(&bytes), bytes.iter().position(special).unwrap_or(bytes.len()));
    }

    #[test]
    fn a_written_uuid_reads_back(bits in any::<u128>()) {
        let uuid = Uuid::from_u128(bits);
        let mut out = Vec::new();
        write_uuid(&mut out, uuid);
        prop_assert_eq!(Cursor::new(&out).uuid(), Ok(uuid));
        let spaced = format!(" [ \"uuid\" , \"{uuid}\" ] ");
        prop_assert_eq!(Cursor::new(spaced.as_bytes()).uuid(), Ok(uuid));
    }
}

#[test]
fn a_number_that_no_f64_holds_is_json_all_the_same() {
    assert_eq!(check(b"-1E309"), Ok(()));
    assert!(Cursor::new(b"-1E309").real().is_err());
}

#[test]
fn a_text_that_ends_in_a_backslash_leaves_the_cursor_inside() {
    let mut cursor = Cursor::new(b"\"\\");
    assert!(cursor.string().is_err());
    assert_eq!(cursor.offset(), 2);
}

#[test]
fn integers() {
    let read = |text: &str| Cursor::new(text.as_bytes()).integer().ok();
    assert_eq!(read("5"), Some(5));
    assert_eq!(read("-0"), Some(0));
    assert_eq!(read(" 5.0"), Some(5));
    assert_eq!(read("5e2"), Some(500));
    assert_eq!(read("5.5"), None);
    assert_eq!(read("1e300"), None);
    assert_eq!(read("9223372036854775807"), Some(i64::MAX));
    assert_eq!(read("-9223372036854775808"), Some(i64::MIN));
    assert_eq!(read("9223372036854775808"), None);
    assert_eq!(read("\"5\""), None);
}

fn ints(text: &str) -> Result<Vec<i64>, JsonError> {
    let mut found = Vec::new();
    let mut cursor = Cursor::new(text.as_bytes());
    cursor.set(|atom| {
        found.push(atom.integer()?);
        Ok(())
    })?;
    cursor.end()?;
    Ok(found)
}

#[test]
fn sets() {
    assert_eq!(ints(r#"["set",[1,2]]"#), Ok(vec![1, 2]));
    assert_eq!(ints(r#" [ "set" , [ ] ] "#), Ok(vec![]));
    assert_eq!(ints("7"), Ok(vec![7]));
    assert!(ints(r#"["set",[1],2]"#).is_err());
    assert!(ints(r#"["map",[]]"#).is_err());
}

#[test]
fn a_set_of_one_uuid_is_bare() {
    let uuid = Uuid::from_u128(7);
    for text in [format!(r#"["uuid","{uuid}"]"#), format!(r#"["set",[["uuid","{uuid}"]]]"#)] {
        let mut found = Vec::new();
        let mut cursor = Cursor::new(text.as_bytes());
        cursor.set(|atom| atom.uuid().map(|uuid| found.push(uuid))).unwrap();
        cursor.end().unwrap();
        assert_eq!(found, [uuid]);
    }
}

#[test]
fn maps() {
    let uuid = Uuid::from_u128(7);
    let text = format!(r#"["map",[[0,["uuid","{uuid}"]],[4095, ["uuid","{uuid}"] ]]]"#);
    let mut found = Vec::new();
    let mut cursor = Cursor::new(text.as_bytes());
    let pair = |key: &mut Cursor<'_>, value: &mut Cursor<'_>| {
        found.push((key.integer()?, value.uuid()?));
        Ok(())
    };
    cursor.map(pair).unwrap();
    cursor.end().unwrap();
    assert_eq!(found, [(0, uuid), (4095, uuid)]);
    for wrong in [r#"["map",[[1]]]"#, r#"["map",[[1,2,3]]]"#, r#"["map",[1]]"#, "[]", "1", r#"["set",[]]"#] {
        assert!(Cursor::new(wrong.as_bytes()).map(|_, value| value.skip()).is_err(), "{wrong}");
    }
}

#[test]
fn only_the_usual_form_is_a_uuid() {
    let uuid = Uuid::from_u128(7);
    for wrong in [
        format!(r#"["uuid","{}"]"#, uuid.simple()),
        format!(r#"["uuid","{}"]"#, uuid.braced()),
        format!(r#"["named-uuid","{uuid}"]"#),
        format!(r#"["uuid","{uuid}",1]"#),
        format!(r#""{uuid}""#),
        r#"["uuid","0000000z-0000-0000-0000-000000000007"]"#.to_owned(),
    ] {
        assert!(Cursor::new(wrong.as_bytes()).uuid().is_err(), "{wrong}");
    }
}

#[test]
fn nesting_is_bounded() {
    for (open, close) in [("[", "]"), ("{\"k\":", "}")] {
        let nested = |levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
        assert_eq!(check(nested(MAX_DEPTH).as_bytes()), Ok(()));
        let error = check(nested(MAX_DEPTH + 1).as_bytes()).unwrap_err();
        assert!(error.to_string().contains("at most 1000 levels of nesting"), "{error}");
        assert!(check(open.repeat(2_000_000).as_bytes()).is_err());
        // Levels that the caller has opened count, too.
        let mut cursor_error = None;
        let text = nested(MAX_DEPTH + 1);
        let mut cursor = Cursor::new(text.as_bytes());
        if open == "[" {
            cursor_error = cursor.array(Cursor::skip).err();
        }
        assert_eq!(cursor_error.is_some(), open == "[");
    }
}

#[test]
fn errors_say_where_and_what() {
    let message = |text: &str| check(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(message("[1,}"), "at byte 3: expected a value, found '}'");
    assert_eq!(message("{\"a\" 1}"), "at byte 5: expected ':', found '1'");
    assert_eq!(message("[1"), "at byte 2: expected ',' or ']', found the end");
    assert_eq!(message("\"a\nb\""), "at byte 2: expected a closing '\"', found '\\n'");
    assert_eq!(Cursor::new(b"\"a\xffb\"").string().unwrap_err().offset, 2);
    assert_eq!(Cursor::new(b" 12").string().unwrap_err().to_string(), "at byte 1: expected a string, found '1'");
}

#[test]
fn keys_are_unescaped() {
    let mut keys = Vec::new();
    let visit = |key: &str, value: &mut Cursor<'_>| {
        keys.push(key.to_owned());
        value.skip()
    };
    Cursor::new(br#"{"a\u0041\n":1,"{\"":2}"#).object(visit).unwrap();
    assert_eq!(keys, ["aA\n", "{\""]);
}

#[test]
fn a_string_without_escapes_is_borrowed() {
    assert!(matches!(Cursor::new("\"naïve, but plain\"".as_bytes()).string(), Ok(Cow::Borrowed(_))));
    assert!(matches!(Cursor::new(b"\"a\\/b\"").string(), Ok(Cow::Owned(_))));
}
