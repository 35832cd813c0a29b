//! A bulk of ports in pieces: staged one after the other, then created all at once, or not at all.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use jsonrpsee::core::RegisterMethodError;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    super::{
        fault::Fault,
        registry::{
            Answer, Call, Doc,
            Need::Required,
            Param, Registry,
            Type::{List, Text},
            raw,
        },
    },
    NoParams,
    ports::NewPort,
};
use crate::service::{Caller, PortDraft, view::Object};

const IMPORT: Param = Param("import", Text, Required, "what port_import_begin answered");
const CHUNK: Param = Param("ports", List, Required, "as for port_create, with the UUID of the network");

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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneImport {
    import: Uuid,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chunk {
    import: Uuid,
    ports: Vec<Object<NewPort>>,
}

pub(super) fn offer(r: &mut Registry) -> Result<(), RegisterMethodError> {
    let doc = |name, about, params| Doc { name, about, params };
    r.read(doc("port_import_begin", "Begins a bulk of ports.", &[]), begin)?;
    r.read(doc("port_import_stage", "Adds ports to the bulk; nothing is created.", &[IMPORT, CHUNK]), stage)?;
    r.change(doc("port_import_commit", "Creates all ports of the bulk, or none.", &[IMPORT]), commit)?;
    r.read(doc("port_import_abort", "Forgets the bulk.", &[IMPORT]), abort)
}

async fn begin(call: Call, _: NoParams) -> Answer {
    raw(&json!({"import": call.context.imports.begin()?}))
}

async fn stage(call: Call, params: Chunk) -> Answer {
    let ports = params.ports.into_iter().map(|Object(port)| PortDraft::from(port)).collect();
    raw(&json!({"staged": call.context.imports.stage(params.import, ports)?}))
}

async fn commit(call: Call, params: OneImport) -> Answer {
    let ports = call.context.imports.take(params.import)?;
    let created = call.service().create_ports(&Caller::default(), ports).await?;
    raw(&json!({"created": created.len()}))
}

async fn abort(call: Call, params: OneImport) -> Answer {
    raw(&json!({"forgotten": call.context.imports.take(params.import)?.len()}))
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
