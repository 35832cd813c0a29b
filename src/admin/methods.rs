//! The methods. Each takes its parameters by name, and answers objects in the shapes of `/v2`, or likewise.

mod daemon;
mod endpoints;
mod fdb;
mod gateways;
pub(super) mod imports;
mod networks;
mod ports;
mod source;
mod switches;
mod watch;

use jsonrpsee::{core::RegisterMethodError, server::Methods};
use serde::Deserialize;
use utoipa::ToSchema;

use super::registry::{Context, Registry};
use crate::service::Dialect;

/// Operators name gateways and networks as they like: by UUID or by name.
const DIALECT: Dialect = Dialect::Specification;

/// No parameters.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NoParams {}

/// All methods.
pub(super) fn all(context: Context) -> Result<Methods, RegisterMethodError> {
    let mut registry = Registry::new(context);
    daemon::offer(&mut registry)?;
    gateways::offer(&mut registry)?;
    networks::offer(&mut registry)?;
    ports::offer(&mut registry)?;
    imports::offer(&mut registry)?;
    endpoints::offer(&mut registry)?;
    switches::offer(&mut registry)?;
    source::offer(&mut registry)?;
    fdb::offer(&mut registry)?;
    watch::offer(&mut registry)?;
    registry.finish()
}
