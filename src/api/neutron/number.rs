//! Whole numbers as clients write them: many send what was typed, which is a text.

use std::{fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema, Type},
};

/// An integer, or a text that holds one, with or without blanks around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number(pub(super) i64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;

        impl Visitor<'_> for Whole {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer, or a string that holds one")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Number, E> {
                Ok(Number(number))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Number, E> {
                // What i64 can't hold is out of every range here; the message shows the nearest number that it holds.
                self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                i64::from_str(text.trim()).map(Number).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Whole)
    }
}

impl PartialSchema for Number {
    fn schema() -> RefOr<Schema> {
        let integer = ObjectBuilder::new().schema_type(Type::Integer);
        OneOfBuilder::new().item(integer).item(ObjectBuilder::new().schema_type(Type::String)).into()
    }
}

impl ToSchema for Number {}
