//! `GET /openapi.json`: both dialects, described from the types that are read and written.
//!
//! Each dialect declares its calls with their descriptions ([`mod@super::calls`]); schemas are derived from the types themselves. Where `fields` may take
//! any member away, none is `required`; which ones stand in the answers of all other calls is described as [`WHOLE`].

use std::{collections::BTreeMap, sync::LazyLock};

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{calls, list::Resource};
use crate::service::view::{Schemas, schema_of};

/// Keyword of schemas: members that are there unless `fields` leaves them out.
const WHOLE: &str = "x-required-without-fields";

/// The document as it is served.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document().to_string().into());

/// `GET /openapi.json`.
pub(super) async fn serve() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.clone()).into_response()
}

/// The document.
pub(super) fn document() -> Value {
    let mut description = calls().into_description();
    description.root();
    description.finish()
}

/// What is described so far.
#[derive(Debug, Default)]
pub(super) struct Description {
    paths: BTreeMap<String, Map<String, Value>>,
    schemas: Schemas,
    /// Schemas of objects that `fields` reduces.
    reducible: Vec<String>,
}

impl Description {
    /// A reference to the type's schema.
    pub(super) fn schema<T: ToSchema>(&mut self) -> Value {
        schema_of::<T>(&mut self.schemas)
    }

    /// One call; `answer` is its status and the schema of its body.
    // Calls are described with literals.
    #[allow(clippy::needless_pass_by_value)]
    pub(super) fn call(&mut self, method: &str, path: &str, parameters: Value, body: Option<Value>, answers: Value) {
        let mut all = path_parameters(path);
        all.extend(parameters.as_array().cloned().unwrap_or_default());
        let mut operation = json!({
            "operationId": format!("{method} {path}"),
            "tags": [path.split('/').nth(1).unwrap_or_default()],
            "parameters": all,
            "responses": {"4XX": content(&json!({"$ref": "#/components/schemas/Error"})),
                          "5XX": content(&json!({"$ref": "#/components/schemas/Error"}))},
        });
        for (status, schema) in answers.as_object().into_iter().flatten() {
            let nothing = json!({"description": "done"});
            operation["responses"][status] = if schema.is_null() { nothing } else { content(schema) };
        }
        if let Some(body) = body {
            operation["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": body}}});
        }
        self.paths.entry(path.to_owned()).or_default().insert(method.to_owned(), operation);
    }

    /// A GET whose answer is no JSON: its type, and what else is to be said of it.
    fn text(&mut self, path: &str, parameters: Value, content_type: &str, more: Value) {
        self.call("get", path, parameters, None, json!({}));
        let mut told = json!({"schema": {"type": "string"}});
        if let (Some(told), Value::Object(more)) = (told.as_object_mut(), more) {
            told.extend(more);
        }
        if let Some(operation) = self.paths.get_mut(path).and_then(|path| path.get_mut("get")) {
            operation["responses"]["200"] = json!({"description": "the answer", "content": {content_type: told}});
        }
    }

    /// A stream of server-sent events; `events` holds the schema of each kind's data.
    pub(super) fn stream(&mut self, path: &str, parameters: Value, events: &Value) {
        self.text(path, parameters, "text/event-stream", json!({"x-events": events}));
    }

    /// What a version's own address answers.
    pub(super) fn collections(&mut self, path: &str) {
        let resource = object(&json!({"name": text(), "collection": text(), "links": links()}));
        let answer = object(&json!({"resources": {"type": "array", "items": resource}}));
        self.call("get", path, json!([]), None, json!({"200": answer}));
    }

    /// The list of a resource.
    pub(super) fn list<R: Resource>(&mut self, path: &str) {
        let row = self.view::<R>();
        let list = list_of(R::MANY, &row);
        self.call("get", path, list_parameters(R::SORTABLE), None, json!({"200": list}));
    }

    /// One object of a resource.
    pub(super) fn show<R: Resource>(&mut self, path: &str) {
        let one = wrapped(R::ONE, &self.view::<R>());
        self.call("get", path, json!([fields()]), None, json!({"200": one}));
    }

    /// A creation of one, or of many at once.
    pub(super) fn create<R: Resource, B: ToSchema>(&mut self, path: &str) {
        let (body, row) = (self.schema::<B>(), self.view::<R>());
        let answer = json!({"oneOf": [wrapped(R::ONE, &row), list_of(R::MANY, &row)]});
        self.call("post", path, json!([]), Some(body), json!({"201": answer}));
    }

    /// A change of one.
    pub(super) fn update<R: Resource, B: ToSchema>(&mut self, path: &str) {
        let (body, one) = (self.schema::<B>(), wrapped(R::ONE, &self.view::<R>()));
        self.call("put", path, json!([]), Some(body), json!({"200": one}));
    }

    /// A deletion.
    pub(super) fn delete(&mut self, path: &str) {
        self.call("delete", path, json!([]), None, json!({"204": null}));
    }

    fn view<R: Resource>(&mut self) -> Value {
        let name = <R::View<'static> as ToSchema>::name().into_owned();
        if !self.reducible.contains(&name) {
            self.reducible.push(name);
        }
        self.schema::<R::View<'static>>()
    }

    /// What needs no token.
    fn root(&mut self) {
        let version = object(&json!({"id": text(), "status": text(), "links": links()}));
        let versions = object(&json!({"versions": {"type": "array", "items": version}}));
        self.call("get", "/", json!([]), None, json!({"200": versions}));
        self.call("get", "/openapi.json", json!([]), None, json!({"200": {"type": "object"}}));
        // The client's Accept decides.
        self.text("/metrics", json!([]), "application/openmetrics-text", json!({}));
        if let Some(content) =
            self.paths.get_mut("/metrics").map(|path| &mut path["get"]["responses"]["200"]["content"])
        {
            content["text/plain"] = content["application/openmetrics-text"].clone();
        }
        let lines = json!({"type": "array", "items": text()});
        let ready = object(&json!({"status": text(), "reasons": lines, "warnings": lines}));
        self.call("get", "/healthz", json!([]), None, json!({"200": object(&json!({"status": text()}))}));
        self.call("get", "/readyz", json!([]), None, json!({"200": ready, "503": ready}));
    }

    fn finish(mut self) -> Value {
        for (name, schema) in &mut self.schemas {
            if self.reducible.contains(name)
                && let Some(schema) = schema.as_object_mut()
                && let Some(required) = schema.remove("required")
            {
                schema.insert(WHOLE.to_owned(), required);
            }
        }
        self.schemas.insert("Error".to_owned(), error());
        json!({
            "openapi": "3.1.0",
            "info": {"title": "vtepd", "version": env!("CARGO_PKG_VERSION"), "license": {"name": "Apache-2.0"}},
            "paths": self.paths,
            "components": {
                "schemas": self.schemas,
                "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
            },
            "security": [{"token": []}],
        })
    }
}

fn text() -> Value {
    json!({"type": "string"})
}

/// The schema of an object with all of these members, and no others.
fn object(members: &Value) -> Value {
    let required: Vec<&String> = members.as_object().into_iter().flat_map(Map::keys).collect();
    json!({"type": "object", "required": required, "additionalProperties": false, "properties": members})
}

fn links() -> Value {
    json!({"type": "array", "items": object(&json!({"rel": text(), "href": text()}))})
}

fn content(schema: &Value) -> Value {
    json!({"description": "the answer", "content": {"application/json": {"schema": schema}}})
}

/// The schema of an object under its name.
pub(super) fn wrapped(name: &str, schema: &Value) -> Value {
    object(&json!({name: schema}))
}

/// The schema of a list under its name, with the links of a page.
pub(super) fn list_of(name: &str, row: &Value) -> Value {
    let link = object(&json!({"rel": {"enum": ["next", "previous"]}, "href": text()}));
    json!({"type": "object", "required": [name], "additionalProperties": false, "properties": {
        name: {"type": "array", "items": row}, format!("{name}_links"): {"type": "array", "items": link}}})
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}}))
        .collect()
}

fn fields() -> Value {
    json!({"name": "fields", "in": "query", "description": "only these members",
           "schema": {"type": "array", "items": {"type": "string"}}})
}

fn list_parameters(sortable: &[&str]) -> Value {
    let parameter = |name: &str, description: &str, schema: Value| json!({"name": name, "in": "query", "description": description, "schema": schema});
    json!([
        fields(),
        parameter("limit", "rows of a page; 0: all", json!({"type": "integer", "minimum": 0})),
        parameter("marker", "the id of the row beside the page", json!({"type": "string"})),
        parameter("page_reverse", "the page before the marker", json!({"type": "boolean"})),
        parameter("sort_key", "sort by these", json!({"type": "array", "items": {"enum": sortable}})),
        parameter("sort_dir", "one for each sort_key", json!({"type": "array", "items": {"enum": ["asc", "desc"]}})),
    ])
}

fn error() -> Value {
    let neutron = object(&json!({"type": text(), "message": text(), "detail": text()}));
    let keystone = object(&json!({"code": {"enum": [401]}, "title": text(), "message": text()}));
    json!({"oneOf": [object(&json!({"NeutronError": neutron})), object(&json!({"error": keystone}))]})
}
