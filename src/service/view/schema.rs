//! Types as JSON Schema: what `/openapi.json` and the admin socket's `schema` tell of bodies and answers.

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
    let mut found: Vec<(String, RefOr<Schema>)> = Vec::new();
    T::schemas(&mut found);
    let name = T::name().into_owned();
    found.push((name.clone(), T::schema()));
    for (name, schema) in found {
        // A schema is made of strings and numbers, which always have a JSON form.
        let mut schema = serde_json::to_value(schema).unwrap_or_default();
        if let Some(schema) = schema.as_object_mut()
            && schema.contains_key("properties")
        {
            // Nothing is read or written that isn't told.
            schema.entry("additionalProperties").or_insert(json!(false));
        }
        schemas.insert(name, schema);
    }
    json!({"$ref": format!("#/components/schemas/{name}")})
}
