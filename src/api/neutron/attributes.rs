//! Attributes that vtepd only keeps ([`crate::service::Attribute`]): read beside an object's own members, and shown with
//! them.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeSeed, IntoDeserializer, MapAccess, Visitor},
};
use serde_json::{Value, json, value::RawValue};
use utoipa::{
    __dev::ComposeSchema,
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::service::{Attribute, Attributes, Form, Given, GivenAttributes, Stamp};

/// What a request's object may hold beside its own members.
pub(super) trait Takes {
    /// The attributes of its kind of object.
    const ATTRIBUTES: &'static [Attribute];
    /// It creates an object, so that it takes more of them.
    const CREATES: bool;
}

/// An object of a request: its own members, and attributes.
#[derive(Debug)]
pub(super) struct With<T> {
    /// Its own members.
    pub(super) own: T,
    /// The attributes that it gives, checked.
    pub(super) attributes: GivenAttributes,
}

// What utoipa's derive asks of a type with a parameter.
impl<T: ToSchema + Takes> ComposeSchema for With<T> {
    fn compose(_: Vec<RefOr<Schema>>) -> RefOr<Schema> {
        let mut schema = T::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            for attribute in T::ATTRIBUTES.iter().filter(|attribute| is_taken::<T>(attribute)) {
                // These literals are schemas.
                if let Ok(schema) = serde_json::from_value(form(attribute.form)) {
                    object.properties.insert(attribute.name.to_owned(), schema);
                }
            }
        }
        schema
    }
}

impl<T: ToSchema + Takes> ToSchema for With<T> {
    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        T::schemas(schemas);
    }
}

// ===== reading =====

impl<'de, T: Takes + Deserialize<'de>> Deserialize<'de> for With<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Takes + Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = With<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<With<T>, A::Error> {
                let mut attributes = GivenAttributes::new();
                let split = Split::<T, A> { map, attributes: &mut attributes, own: PhantomData };
                Ok(With { own: T::deserialize(split)?, attributes })
            }
        }

        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// The members of an object on their way to its own type; attributes are taken out.
struct Split<'a, T, A> {
    map: A,
    attributes: &'a mut GivenAttributes,
    own: PhantomData<T>,
}

impl<'de, T: Takes, A: MapAccess<'de>> Deserializer<'de> for Split<'_, T, A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        self.deserialize_struct("", &[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        visitor.visit_map(Rest { split: self, fields })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Rest<'a, T, A> {
    split: Split<'a, T, A>,
    /// The object's own members.
    fields: &'static [&'static str],
}

impl<'de, T: Takes, A: MapAccess<'de>> MapAccess<'de> for Rest<'_, T, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(name) = self.split.map.next_key::<Cow<'de, str>>()? {
            if self.fields.contains(&&*name) {
                return seed.deserialize(name.into_deserializer()).map(Some);
            }
            let Some(attribute) = Attribute::named(T::ATTRIBUTES, &name).filter(|attribute| is_taken::<T>(attribute))
            else {
                return Err(self.unknown(&name));
            };
            // Its text is checked first: a tree of values would take many times its length.
            let text: Box<RawValue> = self.split.map.next_value()?;
            let value = attribute.read(text.get()).map_err(|problem| {
                // The path of the error ends at the object.
                de::Error::custom(format!("{name}: {problem}"))
            })?;
            if self.split.attributes.insert(attribute.name.to_owned(), value).is_some() {
                return Err(de::Error::duplicate_field(attribute.name));
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.split.map.next_value_seed(seed)
    }
}

impl<T: Takes, A> Rest<'_, T, A> {
    /// As serde's own refusal, with the attributes among what is expected.
    fn unknown<E: de::Error>(&self, name: &str) -> E {
        let attributes = T::ATTRIBUTES.iter().filter(|attribute| is_taken::<T>(attribute));
        let known: Vec<_> = self.fields.iter().copied().chain(attributes.map(|attribute| attribute.name)).collect();
        let known = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let name = name.chars().take(64).collect::<String>();
        E::custom(format!("unknown field `{name}`, expected one of {known}"))
    }
}

fn is_taken<T: Takes>(attribute: &Attribute) -> bool {
    match attribute.given {
        Given::Always => true,
        Given::AtCreation => T::CREATES,
        Given::Apart => false,
    }
}

// ===== showing =====

/// What an answer shows beside an object's own members.
pub(super) trait Shows {
    /// The attributes of its kind of object.
    const ATTRIBUTES: &'static [Attribute];
}

/// An object in an answer: its own members, its attributes, and when it came and changed.
#[derive(Debug)]
pub(super) struct Whole<'a, V> {
    own: V,
    attributes: &'a Attributes,
    stamp: Stamp,
}

impl<'a, V> Whole<'a, V> {
    pub(super) fn new(own: V, attributes: &'a Attributes, stamp: Stamp) -> Self {
        Self { own, attributes, stamp }
    }
}

impl<V: Serialize + Shows> Serialize for Whole<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Members<'a, V, A> {
            #[serde(flatten)]
            own: &'a V,
            #[serde(flatten)]
            attributes: A,
            created_at: Option<String>,
            updated_at: Option<String>,
            revision_number: u64,
        }

        Members {
            own: &self.own,
            attributes: self.attributes.shown(V::ATTRIBUTES),
            created_at: self.stamp.created.map(written),
            updated_at: self.stamp.updated.map(written),
            revision_number: self.stamp.changed,
        }
        .serialize(serializer)
    }
}

impl<V: PartialSchema + Shows> PartialSchema for Whole<'_, V> {
    fn schema() -> RefOr<Schema> {
        let mut schema = V::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            let time = || json!({"type": ["string", "null"], "format": "date-time"});
            let times = [("created_at", time()), ("updated_at", time())];
            let revision = [("revision_number", json!({"type": "integer", "minimum": 0}))];
            let attributes = V::ATTRIBUTES.iter().map(|attribute| (attribute.name, form(attribute.form)));
            for (name, value) in attributes.chain(times).chain(revision) {
                // These literals are schemas.
                if let Ok(schema) = serde_json::from_value(value) {
                    object.properties.insert(name.to_owned(), schema);
                    object.required.push(name.to_owned());
                }
            }
        }
        schema
    }
}

impl<V: ToSchema + Shows> ToSchema for Whole<'_, V> {
    fn name() -> Cow<'static, str> {
        V::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        V::schemas(schemas);
    }
}

/// The schema of an attribute's values.
fn form(form: Form) -> Value {
    match form {
        Form::Text { longest, .. } => json!({"type": "string", "maxLength": longest}),
        Form::Nullable { longest } => json!({"type": ["string", "null"], "maxLength": longest}),
        Form::Flag { .. } => json!({"type": "boolean"}),
        Form::NullableFlag => json!({"type": ["boolean", "null"]}),
        Form::Number { least, most, .. } => json!({"type": "integer", "minimum": least, "maximum": most}),
        Form::Texts { most, .. } => json!({"type": "array", "items": {"type": "string"}, "maxItems": most}),
        Form::Objects { most } => json!({"type": "array", "items": {"type": "object"}, "maxItems": most}),
        Form::Object => json!({"type": "object"}),
    }
}

/// A time as Neutron writes it.
fn written(seconds: u64) -> String {
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(time).to_string()
}

/// The seconds since 1970 of a time in a filter.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let time = humantime::parse_rfc3339_weak(text).ok()?;
    i64::try_from(time.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?.as_secs()).ok()
}
