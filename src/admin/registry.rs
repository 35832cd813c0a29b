//! The frame of every call: parameters by name, a line in the log, an entry in the journal for what changes something,
//! and the description that the daemon serves of itself.

use std::{future::Future, marker::PhantomData, sync::Arc, time::Instant};

use jsonrpsee::{
    Extensions, RpcModule,
    core::{RegisterMethodError, to_json_raw_value},
    server::Methods,
    types::{ErrorObjectOwned, Params},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type as SchemaType},
};

use super::{Peer, controls::Controls, fault::Fault, methods::imports::Imports};
use crate::service::{
    Service, journal, revision_of,
    view::{Schemas, decode, schema_of, shape_of},
};

/// What a method answers: a `T`, written already.
pub(super) type Answer<T> = Result<MethodAnswer<T>, Fault>;

/// JSON that was written from a `T`, whose schema describes it. A view that borrows from what was read passes for the
/// `'static` one that a method names: of the type nothing is left but its schema.
#[derive(Debug)]
pub(super) struct MethodAnswer<T> {
    json: Box<RawValue>,
    /// What the journal says of it beside `ok`.
    note: Option<String>,
    shape: PhantomData<fn(T)>,
}

/// The answer of a method that has nothing to say but that it is done: `null`.
#[derive(Debug, Serialize)]
pub(super) struct Nothing;

/// What methods work with.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) service: Service,
    pub(super) controls: Controls,
    pub(super) imports: Imports,
}

/// One call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) context: Arc<Context>,
    /// Who, for the journal.
    pub(super) who: String,
}

impl Call {
    pub(super) fn service(&self) -> &Service {
        &self.context.service
    }
}

/// The methods while they are gathered.
pub(super) struct Registry {
    pub(super) module: RpcModule<Context>,
    methods: Vec<Value>,
    schemas: Schemas,
}

/// What a method does, for its description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Change,
    Subscription,
}

// ===== impl Registry =====

impl Registry {
    pub(super) fn new(context: Context) -> Self {
        Self { module: RpcModule::new(context), methods: Vec::new(), schemas: Schemas::new() }
    }

    /// A method that only reads.
    pub(super) fn read<P, T, F>(
        &mut self,
        name: &'static str,
        about: &'static str,
        method: fn(Call, P) -> F,
    ) -> Result<(), RegisterMethodError>
    where
        P: DeserializeOwned + ToSchema + Send + 'static,
        T: ToSchema + 'static,
        F: Future<Output = Answer<T>> + Send + 'static,
    {
        self.offer(name, about, Kind::Read, method)
    }

    /// A method that changes something, or has it changed: it goes into the journal, whatever comes of it.
    pub(super) fn change<P, T, F>(
        &mut self,
        name: &'static str,
        about: &'static str,
        method: fn(Call, P) -> F,
    ) -> Result<(), RegisterMethodError>
    where
        P: DeserializeOwned + ToSchema + Send + 'static,
        T: ToSchema + 'static,
        F: Future<Output = Answer<T>> + Send + 'static,
    {
        self.offer(name, about, Kind::Change, method)
    }

    fn offer<P, T, F>(
        &mut self,
        name: &'static str,
        about: &'static str,
        kind: Kind,
        method: fn(Call, P) -> F,
    ) -> Result<(), RegisterMethodError>
    where
        P: DeserializeOwned + ToSchema + Send + 'static,
        T: ToSchema + 'static,
        F: Future<Output = Answer<T>> + Send + 'static,
    {
        self.describe::<P, T>(name, about, kind);
        self.module.register_async_method(name, move |params, context, extensions| async move {
            let started = Instant::now();
            let call = Call { context, who: who(&extensions) };
            let work = async {
                let given = read(&params)?;
                method(call.clone(), given).await
            };
            let (answer, revision) = revision_of(work).await;
            if kind == Kind::Change {
                let result = match &answer {
                    Ok(MethodAnswer { note: None, .. }) => "ok".to_owned(),
                    Ok(MethodAnswer { note: Some(note), .. }) => format!("ok: {note}"),
                    Err(fault) => fault.message().to_owned(),
                };
                let params = text(&params);
                let who = call.who.clone();
                call.service().journal().note(journal::Call { who, method: name, revision, result, params });
            }
            log(name, kind, &extensions, started, answer.as_ref().err());
            answer.map(|told| told.json).map_err(ErrorObjectOwned::from)
        })?;
        Ok(())
    }

    /// Describes a method that takes the members of a `P`, and answers, or notifies of, a `T`.
    pub(super) fn describe<P: ToSchema, T: ToSchema>(&mut self, name: &str, about: &str, kind: Kind) {
        let params = params(&shape_of::<P>(&mut self.schemas));
        let result = schema_of::<T>(&mut self.schemas);
        self.methods.push(method(name, about, kind, &params, &result));
    }

    /// All methods, and `schema`, which describes them (and itself).
    pub(super) fn finish(mut self) -> Result<Methods, RegisterMethodError> {
        let about = "All methods, as an OpenRPC document.";
        self.methods.push(method("schema", about, Kind::Read, &[], &json!({"type": "object"})));
        let schema = to_json_raw_value(&document(&self.methods, &self.schemas));
        self.module.register_method("schema", move |_, _, _| match &schema {
            Ok(schema) => Ok(schema.clone()),
            Err(error) => Err(ErrorObjectOwned::from(Fault::bug(error.to_string()))),
        })?;
        // The name that OpenRPC's own tools ask for.
        self.module.register_alias("rpc.discover", "schema")?;
        Ok(self.module.into())
    }
}

// ===== answers =====

/// The answer as JSON.
pub(super) fn raw<T: Serialize>(value: &T) -> Answer<T> {
    let json = serde_json::value::to_raw_value(value);
    Ok(MethodAnswer::written(json.map_err(|error| Fault::bug(format!("the answer can't be written: {error}")))?))
}

/// The answer of a change that has no result.
pub(super) fn done((): ()) -> Answer<Nothing> {
    raw(&Nothing)
}

impl<T> MethodAnswer<T> {
    /// What was written without a `T`, in its form.
    pub(super) fn written(json: Box<RawValue>) -> Self {
        Self { json, note: None, shape: PhantomData }
    }

    /// With words for the journal.
    pub(super) fn noting(self, note: String) -> Self {
        Self { note: Some(note), ..self }
    }
}

impl PartialSchema for Nothing {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::Null).into()
    }
}

impl ToSchema for Nothing {}

// ===== parameters =====

/// Parameters by name; none at all are an empty object.
pub(super) fn read<P: DeserializeOwned>(params: &Params<'_>) -> Result<P, Fault> {
    Ok(decode(text(params).as_bytes())?)
}

fn text<'a>(params: &'a Params<'_>) -> &'a str {
    params.as_str().filter(|text| !matches!(text.trim(), "" | "null" | "[]")).unwrap_or("{}")
}

fn who(extensions: &Extensions) -> String {
    extensions.get::<Peer>().map(ToString::to_string).unwrap_or_default()
}

/// A read changes nothing, and `l2gw --wait` makes seven a second: they are logged for those who look closely.
fn log(method: &str, kind: Kind, extensions: &Extensions, started: Instant, fault: Option<&Fault>) {
    let peer = extensions.get::<Peer>();
    let (uid, pid) = (peer.map(|peer| peer.uid), peer.and_then(|peer| peer.pid));
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let error = fault.map(Fault::kind);
    match kind {
        Kind::Change => tracing::info!(method, uid, pid, ms, error, "admin call"),
        Kind::Read | Kind::Subscription => tracing::debug!(method, uid, pid, ms, error, "admin call"),
    }
}

// ===== the description =====

/// The members of a shape as parameters, those first that must be given.
fn params(shape: &Value) -> Vec<Value> {
    let required = |name: &str| shape["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let param = |(name, schema): (&String, &Value)| {
        // Of a type of its own that may be left out, it stands beside the reference.
        let choices = schema["oneOf"].as_array().into_iter().flatten();
        let about = std::iter::once(schema).chain(choices).find_map(|schema| schema.get("description"));
        json!({"name": name, "required": required(name), "description": about, "schema": schema})
    };
    let mut params: Vec<_> = shape["properties"].as_object().into_iter().flatten().map(param).collect();
    params.sort_by_key(|param| param["required"] == false);
    params
}

fn method(name: &str, about: &str, kind: Kind, params: &[Value], result: &Value) -> Value {
    let tag = match kind {
        Kind::Read => "read",
        Kind::Change => "change",
        Kind::Subscription => "subscription",
    };
    let told = if kind == Kind::Subscription { "event" } else { "result" };
    json!({
        "name": name,
        "summary": about,
        "tags": [{"name": tag}],
        "paramStructure": "by-name",
        "params": params,
        "result": {"name": told, "schema": result},
    })
}

fn document(methods: &[Value], schemas: &Schemas) -> Value {
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "vtepd admin socket",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "JSON-RPC 2.0 on a Unix socket, over HTTP or WebSocket; who may open it is an admin. The \
                            result of a subscription is what each of its notifications holds.",
        },
        "methods": methods,
        "components": {"schemas": schemas},
    })
}
