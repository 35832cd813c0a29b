//! Types as JSON Schema: what `/openapi.json` and the admin socket's `schema` say of bodies and answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

/// Schemas by name: `components.schemas` of a document.
pub type Schemas = BTreeMap<String, Value>;

/// Adds a type's schema, and those that it refers to; a reference to it.
pub fn schema_of<T: ToSchema>(schemas: &mut Schemas) -> Value {
    let shape = shape_of::<T>(schemas);
    let name = T::name().into_owned();
    schemas.insert(name.clone(), shape);
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// A type's own schema; those that it refers to are added.
pub fn shape_of<T: ToSchema>(schemas: &mut Schemas) -> Value {
    let mut found: Vec<(String, RefOr<Schema>)> = Vec::new();
    T::schemas(&mut found);
    schemas.extend(found.into_iter().map(|(name, schema)| (name, closed(schema))));
    closed(T::schema())
}

/// Nothing is read or written that isn't described.
fn closed(schema: RefOr<Schema>) -> Value {
    // A schema is made of strings and numbers, which always have a JSON form.
    let mut schema = serde_json::to_value(schema).unwrap_or_default();
    if let Some(schema) = schema.as_object_mut()
        && schema.contains_key("properties")
    {
        schema.entry("additionalProperties").or_insert(json!(false));
    }
    schema
}
