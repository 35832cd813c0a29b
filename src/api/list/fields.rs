//! `fields`: only some members of each object.

use std::{fmt, io::Write};

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::api::problem::Problem;

/// The members that are wanted; none are named: all of them. Names that don't exist are passed over.
#[derive(Debug, Default, Clone)]
pub(in crate::api) struct Fields(Vec<String>);

impl Fields {
    pub(super) fn add(&mut self, name: String) {
        if !name.is_empty() {
            self.0.push(name);
        }
    }

    /// Appends an object's JSON.
    pub(in crate::api) fn write(&self, text: &mut Vec<u8>, view: &impl Serialize) -> serde_json::Result<()> {
        if self.0.is_empty() {
            return serde_json::to_writer(text, view);
        }
        // Members are picked from the text, so that no shape needs to know of this.
        let whole = serde_json::to_vec(view)?;
        let Members(members) = serde_json::from_slice(&whole)?;
        text.push(b'{');
        let mut first = true;
        for (name, value) in members.into_iter().filter(|(name, _)| self.0.iter().any(|wanted| wanted == name)) {
            if !std::mem::take(&mut first) {
                text.push(b',');
            }
            serde_json::to_writer(&mut *text, name)?;
            text.push(b':');
            text.write_all(value.get().as_bytes()).map_err(serde_json::Error::io)?;
        }
        text.push(b'}');
        Ok(())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Fields {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|error| Problem::bad_request(format!("the query can't be read: {}", error.body_text())))?;
        let mut fields = Self::default();
        pairs.into_iter().filter(|(name, _)| name == "fields").for_each(|(_, value)| fields.add(value));
        Ok(fields)
    }
}

/// The members of an object: names, which are ours and need no escapes, and the text of their values.
struct Members<'a>(Vec<(&'a str, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(24);
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}
