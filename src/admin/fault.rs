//! Errors as JSON-RPC carries them: a code a class, the message, and the type in `data`.

use jsonrpsee::types::ErrorObjectOwned;
use serde_json::json;

use crate::{
    fleet::UnknownSwitch,
    service::{
        ServiceError,
        view::{BadBody, Class, refusal},
    },
};

/// Longest message, in bytes: what a client sent may be quoted in it.
const MAX_MESSAGE: usize = 4096;

/// Why a call failed.
#[derive(Debug)]
pub(super) struct Fault {
    class: Class,
    kind: &'static str,
    /// What was named and isn't there.
    name: Option<String>,
    message: String,
}

impl Fault {
    pub(super) fn bug(message: impl Into<String>) -> Self {
        Self { class: Class::Internal, kind: "InternalError", name: None, message: message.into() }
    }

    pub(super) fn bad_input(message: impl Into<String>) -> Self {
        Self { class: Class::BadInput, kind: "InvalidInput", name: None, message: message.into() }
    }

    pub(super) fn bad_config(message: impl Into<String>) -> Self {
        Self { class: Class::BadInput, kind: "InvalidConfiguration", name: None, message: message.into() }
    }

    pub(super) fn not_found(kind: &'static str, message: impl Into<String>) -> Self {
        Self { class: Class::NotFound, kind, name: None, message: message.into() }
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self { class: Class::Unavailable, kind: "ServiceUnavailable", name: None, message: message.into() }
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn kind(&self) -> &'static str {
        self.kind
    }
}

impl From<ServiceError> for Fault {
    fn from(error: ServiceError) -> Self {
        let (class, kind) = refusal(&error);
        let message = error.to_string();
        let name = match error {
            ServiceError::GatewayNotFound(name)
            | ServiceError::ConnectionNotFound(name)
            | ServiceError::NetworkNotFound(name)
            | ServiceError::PortNotFound(name)
            | ServiceError::EndpointNotFound(name)
            | ServiceError::SwitchNotFound(UnknownSwitch(name)) => Some(name),
            _ => None,
        };
        Self { class, kind, name, message }
    }
}

impl From<BadBody> for Fault {
    fn from(error: BadBody) -> Self {
        Self::bad_input(error.to_string())
    }
}

impl From<Fault> for ErrorObjectOwned {
    fn from(mut fault: Fault) -> Self {
        // -32602 and -32603 are JSON-RPC's own; the others are ours, from the range that is left to servers, and end as
        // the HTTP status does.
        let code = match fault.class {
            Class::BadInput => -32602,
            Class::Forbidden => -32043,
            Class::NotFound => -32044,
            Class::Conflict => -32049,
            Class::Unavailable => -32053,
            Class::Internal => -32603,
        };
        if fault.message.len() > MAX_MESSAGE {
            fault.message.truncate(fault.message.floor_char_boundary(MAX_MESSAGE));
            fault.message.push('…');
        }
        let data = match fault.name.filter(|name| name.len() <= MAX_MESSAGE) {
            Some(name) => json!({"type": fault.kind, "name": name}),
            None => json!({"type": fault.kind}),
        };
        ErrorObjectOwned::owned(code, fault.message, Some(data))
    }
}
