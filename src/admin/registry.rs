//! The frame of every call: parameters by name, a line in the log, an entry in the journal for what changes something,
//! and the description that the daemon serves of itself.

use std::{future::Future, sync::Arc, time::Instant};

use jsonrpsee::{
    Extensions, RpcModule,
    core::{RegisterMethodError, to_json_raw_value},
    server::Methods,
    types::{ErrorObjectOwned, Params},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};

use super::{Peer, controls::Controls, fault::Fault, methods::imports::Imports};
use crate::service::{Service, journal, revision_of, view::decode};

/// An answer, as JSON.
pub(super) type Answer = Result<Box<RawValue>, Fault>;

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

/// A method as it is described.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doc {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) params: &'static [Param],
}

/// A parameter: its name, its JSON type, whether it must be given, and what it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Param(pub(super) &'static str, pub(super) Type, pub(super) Need, pub(super) &'static str);

/// JSON types of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Integer,
    Boolean,
    Object,
    List,
}

/// Whether a parameter must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
}

/// The methods while they are gathered.
pub(super) struct Registry {
    pub(super) module: RpcModule<Context>,
    pub(super) docs: Vec<(Doc, Kind)>,
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
        Self { module: RpcModule::new(context), docs: Vec::new() }
    }

    /// A method that only reads.
    pub(super) fn read<P, F>(&mut self, doc: Doc, method: fn(Call, P) -> F) -> Result<(), RegisterMethodError>
    where
        P: DeserializeOwned + Send + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        self.offer(doc, Kind::Read, method)
    }

    /// A method that changes something, or has it changed: it goes into the journal, whatever comes of it.
    pub(super) fn change<P, F>(&mut self, doc: Doc, method: fn(Call, P) -> F) -> Result<(), RegisterMethodError>
    where
        P: DeserializeOwned + Send + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        self.offer(doc, Kind::Change, method)
    }

    fn offer<P, F>(&mut self, doc: Doc, kind: Kind, method: fn(Call, P) -> F) -> Result<(), RegisterMethodError>
    where
        P: DeserializeOwned + Send + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        self.docs.push((doc, kind));
        self.module.register_async_method(doc.name, move |params, context, extensions| async move {
            let started = Instant::now();
            let call = Call { context, who: who(&extensions) };
            let work = async {
                let given = read(&params)?;
                method(call.clone(), given).await
            };
            let (answer, revision) = revision_of(work).await;
            if kind == Kind::Change {
                let result = answer.as_ref().map_or_else(|fault| fault.message().to_owned(), |_| "ok".to_owned());
                let params = text(&params);
                let who = call.who.clone();
                call.service().journal().note(journal::Call { who, method: doc.name, revision, result, params });
            }
            log(doc.name, &extensions, started, answer.as_ref().err());
            answer.map_err(ErrorObjectOwned::from)
        })?;
        Ok(())
    }

    /// All methods, and `schema`, which describes them (and itself).
    pub(super) fn finish(mut self) -> Result<Methods, RegisterMethodError> {
        let doc = Doc { name: "schema", about: "All methods, as an OpenRPC document.", params: &[] };
        self.docs.push((doc, Kind::Read));
        let schema = to_json_raw_value(&describe(&self.docs));
        self.module.register_method("schema", move |_, _, _| match &schema {
            Ok(schema) => Ok(schema.clone()),
            Err(error) => Err(ErrorObjectOwned::from(Fault::bug(error.to_string()))),
        })?;
        // The name that OpenRPC's own tools ask for.
        self.module.register_alias("rpc.discover", "schema")?;
        Ok(self.module.into())
    }
}

/// The answer as JSON.
pub(super) fn raw(value: &impl Serialize) -> Answer {
    serde_json::value::to_raw_value(value).map_err(|error| Fault::bug(format!("the answer can't be written: {error}")))
}

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

fn log(method: &str, extensions: &Extensions, started: Instant, fault: Option<&Fault>) {
    let peer = extensions.get::<Peer>();
    let (uid, pid) = (peer.map(|peer| peer.uid), peer.and_then(|peer| peer.pid));
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(method, uid, pid, ms, error = fault.map(Fault::kind), "admin call");
}

// ===== the description =====

fn describe(docs: &[(Doc, Kind)]) -> Value {
    let param = |Param(name, kind, need, about): &Param| json!({"name": name, "required": *need == Need::Required, "description": about, "schema": {"type": word(*kind)}});
    let method = |(doc, kind): &(Doc, Kind)| {
        let word = match kind {
            Kind::Read => "read",
            Kind::Change => "change",
            Kind::Subscription => "subscription",
        };
        json!({
            "name": doc.name,
            "summary": doc.about,
            "tags": [{"name": word}],
            "paramStructure": "by-name",
            "params": doc.params.iter().map(param).collect::<Vec<_>>(),
            "result": {"name": "result", "schema": {}},
        })
    };
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "vtepd admin socket",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "JSON-RPC 2.0 on a Unix socket, over HTTP or WebSocket; who may open it is an admin.",
        },
        "methods": docs.iter().map(method).collect::<Vec<_>>(),
    })
}

fn word(kind: Type) -> &'static str {
    match kind {
        Type::Text => "string",
        Type::Integer => "integer",
        Type::Boolean => "boolean",
        Type::Object => "object",
        Type::List => "array",
    }
}
