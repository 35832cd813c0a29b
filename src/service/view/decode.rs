//! JSON into types, strictly, with errors that name the member at fault.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::error::Category;
use utoipa::{
    __dev::ComposeSchema,
    ToSchema,
    openapi::{RefOr, Schema},
};

/// Longest text of an error, in bytes: a message must not carry a body of many megabytes back.
const MAX_MESSAGE: usize = 600;

/// A body that can't be used, and where it is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBody {
    /// There is nothing.
    #[error("the body is empty: send a JSON object")]
    Empty,
    /// The text breaks JSON's rules.
    #[error("the body is not JSON: {reason} (line {line}, column {column})")]
    NotJson {
        /// What is wrong.
        reason: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A member is missing, unknown, given twice, or has the wrong type or value.
    #[error("{field}: {reason}")]
    Field {
        /// Path of the member, as `l2_gateway.devices[0].interfaces[1].segmentation-id[0]`.
        field: String,
        /// What is wrong, and what is expected.
        reason: String,
    },
}

impl BadBody {
    /// An error of the member at `field`.
    pub fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Field { field: clipped(field.into()), reason: clipped(reason.into()) }
    }
}

/// A JSON object, and nothing else: serde's own structs can be read from an array of their members' values too, which no
/// client means. It isn't called `Object`, which utoipa takes for an object of any members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonObject<T>(pub T);

impl<T> JsonObject<T> {
    /// What is made of each object of a list.
    pub fn each<U: From<T>>(list: Vec<Self>) -> Vec<U> {
        list.into_iter().map(|Self(one)| one.into()).collect()
    }
}

// What utoipa's derive asks of a type with a parameter.
impl<T: ToSchema> ComposeSchema for JsonObject<T> {
    fn compose(_: Vec<RefOr<Schema>>) -> RefOr<Schema> {
        T::schema()
    }
}

impl<T: ToSchema> ToSchema for JsonObject<T> {
    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        T::schemas(schemas);
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for JsonObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(JsonObject)
    }
}

/// Reads a JSON object.
///
/// # Errors
/// [`BadBody`], which names the member at fault.
pub fn decode<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, BadBody> {
    if json.iter().all(u8::is_ascii_whitespace) {
        return Err(BadBody::Empty);
    }
    // Keeping the path of each member costs an allocation per member: it is paid only by bodies that are wrong.
    match serde_json::from_slice::<JsonObject<T>>(json) {
        Ok(JsonObject(value)) => Ok(value),
        Err(error) => Err(located::<T>(json).unwrap_or_else(|| syntax(&error))),
    }
}

/// Reads a body that failed once more, for the path of the member at fault. `None`: it is no JSON at all.
fn located<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<BadBody> {
    let mut text = serde_json::Deserializer::from_slice(json);
    let error = serde_path_to_error::deserialize::<_, JsonObject<T>>(&mut text).err()?;
    if error.inner().classify() != Category::Data {
        return None;
    }
    let path = error.path().to_string();
    let field = if path == "." { "body".to_owned() } else { path };
    Some(BadBody::field(field, plain(error.inner())))
}

fn syntax(error: &serde_json::Error) -> BadBody {
    let (line, column) = (error.line(), error.column());
    BadBody::NotJson { reason: clipped(without_position(error)), line, column }
}

fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&position).unwrap_or(&text).to_owned()
}

/// Serde's message with the words of JSON for those of Rust.
fn plain(error: &serde_json::Error) -> String {
    const WORDS: [(&str, &str); 8] = [
        ("a sequence", "a list"),
        ("a borrowed string", "a string"),
        ("a map", "an object"),
        ("a boolean", "true or false"),
        ("i64", "an integer"),
        ("u32", "a whole number"),
        ("u16", "a whole number"),
        ("unit", "null"),
    ];
    let text = without_position(error);
    // Only what follows the last ", expected " is serde's; what stands before may be the client's.
    let Some((given, expected)) = text.rsplit_once(", expected ") else { return text };
    let given = match given {
        "invalid type: sequence" => "invalid type: list",
        "invalid type: map" => "invalid type: object",
        other => other,
    };
    let expected = WORDS.iter().find(|(rust, _)| *rust == expected).map_or(expected, |(_, json)| json);
    format!("{given}, expected {expected}")
}

/// The text, cut to a bounded length.
fn clipped(mut text: String) -> String {
    if text.len() > MAX_MESSAGE {
        text.truncate(text.floor_char_boundary(MAX_MESSAGE));
        text.push('…');
    }
    text
}
