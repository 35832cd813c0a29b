//! A bulk of ports in pieces: staged one after the other, then created, all of them or none.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use jsonrpsee::core::RegisterMethodError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    super::{
        fault::Fault,
        registry::{Answer, Call, Registry, raw},
    },
    NoParams,
    ports::NewPort,
};
use crate::service::{Caller, PortDraft, view::JsonObject};

/// Imports at a time.
const IMPORTS: usize = 4;
/// Ports of one import.
const PORTS: usize = 1_000_000;
/// An import that nobody goes on with is forgotten.
const IDLE: Duration = Duration::from_mins(10);

/// What was staged.
#[derive(Debug, Default)]
pub(in super::super) struct Imports(Mutex<HashMap<Uuid, Import>>);

#[derive(Debug)]
struct Import {
    ports: Vec<PortDraft>,
    touched: Instant,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OneImport {
    /// What `port_import_begin` answered.
    import: Uuid,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Commit {
    /// What `port_import_begin` answered.
    import: Uuid,
    /// For the journal alone, which keeps all parameters.
    /// Where the ports come from, for the journal: a file's name.
    #[serde(rename = "source")]
    _source: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Chunk {
    /// What `port_import_begin` answered.
    import: Uuid,
    /// As for `port_create`, with the UUID of the network.
    ports: Vec<JsonObject<NewPort>>,
}

pub(super) fn offer(r: &mut Registry) -> Result<(), RegisterMethodError> {
    r.read("port_import_begin", "Begins a bulk of ports.", begin)?;
    r.read("port_import_stage", "Adds ports to the bulk; nothing is created.", stage)?;
    r.change(
        "port_import_commit",
        "Creates all ports of the bulk, or none; in parts, so that others' changes don't wait for all of it.",
        commit,
    )?;
    r.read("port_import_abort", "Forgets the bulk.", abort)
}

async fn begin(call: Call, _: NoParams) -> Answer<Begun> {
    raw(&Begun { import: call.context.imports.begin()? })
}

async fn stage(call: Call, params: Chunk) -> Answer<Staged> {
    let ports = params.ports.into_iter().map(|JsonObject(port)| PortDraft::from(port)).collect();
    raw(&Staged { staged: call.context.imports.stage(params.import, ports)? })
}

async fn commit(call: Call, params: Commit) -> Answer<Created> {
    let ports = call.context.imports.take(params.import)?;
    let created = call.service().create_ports(&Caller::default(), ports).await?;
    let created = created.len();
    Ok(raw(&Created { created })?.noting(format!("{created} ports")))
}

async fn abort(call: Call, params: OneImport) -> Answer<Forgotten> {
    raw(&Forgotten { forgotten: call.context.imports.take(params.import)?.len() })
}

// ===== answers =====

#[derive(Serialize, ToSchema)]
struct Begun {
    import: Uuid,
}

#[derive(Serialize, ToSchema)]
struct Staged {
    /// Ports of the bulk so far.
    staged: usize,
}

#[derive(Serialize, ToSchema)]
struct Created {
    created: usize,
}

#[derive(Serialize, ToSchema)]
struct Forgotten {
    forgotten: usize,
}

// ===== impl Imports =====

impl Imports {
    fn begin(&self) -> Result<Uuid, Fault> {
        let mut imports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        imports.retain(|_, import| import.touched.elapsed() < IDLE);
        if imports.len() >= IMPORTS {
            return Err(Fault::unavailable(format!("{IMPORTS} imports are under way: wait until one has ended")));
        }
        let id = Uuid::new_v4();
        imports.insert(id, Import { ports: Vec::new(), touched: Instant::now() });
        Ok(id)
    }

    /// How many ports are staged now.
    fn stage(&self, id: Uuid, ports: Vec<PortDraft>) -> Result<usize, Fault> {
        let mut imports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let import = imports.get_mut(&id).ok_or_else(|| unknown(id))?;
        if import.ports.len() + ports.len() > PORTS {
            return Err(Fault::bad_input(format!("an import holds at most {PORTS} ports: split the file")));
        }
        import.ports.extend(ports);
        import.touched = Instant::now();
        Ok(import.ports.len())
    }

    fn take(&self, id: Uuid) -> Result<Vec<PortDraft>, Fault> {
        let import = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        Ok(import.ok_or_else(|| unknown(id))?.ports)
    }
}

fn unknown(id: Uuid) -> Fault {
    Fault::not_found("ImportNotFound", format!("no import {id} is under way: begin a new one"))
}
