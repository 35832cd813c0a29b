//! Rules about single values, and how gateways and networks are named.

use uuid::Uuid;

use super::{Caller, Dialect, Result, ServiceError};
use crate::{
    model::{Gateway, GatewayId, MacAddr, Network, NetworkId, NotUnicastMac, VlanId},
    store::{Annotated, Read},
};

/// Characters in a name; what the columns hold.
pub(super) const NAME: usize = 255;
/// Most objects of one name that an error lists.
pub(super) const NAMED: u32 = 10;

pub(super) fn invalid(field: impl Into<String>, problem: impl Into<String>) -> ServiceError {
    ServiceError::Invalid { field: field.into(), problem: problem.into() }
}

/// Any Unicode, possibly none, up to `max` characters.
pub(super) fn text(field: &str, text: &str, max: usize) -> Result<()> {
    // Bytes first: counting the characters of megabytes would only delay the refusal.
    if text.len() > max * 4 || text.chars().count() > max {
        return Err(invalid(field, format!("is longer than {max} characters")));
    }
    if text.contains('\0') {
        return Err(invalid(field, "contains a NUL character"));
    }
    Ok(())
}

/// As [`text()`], and not empty.
pub(super) fn name(field: &str, name: &str, max: usize) -> Result<()> {
    if name.is_empty() {
        return Err(invalid(field, format!("is empty: give 1 to {max} characters")));
    }
    text(field, name, max)
}

/// The project of what a caller creates.
pub(super) fn tenant(field: &str, given: Option<String>, caller: &Caller) -> Result<String> {
    let tenant = given.unwrap_or_else(|| caller.project_id.clone());
    text(field, &tenant, NAME)?;
    Ok(tenant)
}

/// The address of a single station.
pub(super) fn unicast(field: &str, mac: MacAddr) -> Result<()> {
    match mac.check_unicast() {
        Ok(()) => Ok(()),
        Err(NotUnicastMac::Group) => Err(ServiceError::MulticastMac { field: field.to_owned(), mac }),
        Err(zero @ NotUnicastMac::Zero) => Err(invalid(field, zero.to_string())),
    }
}

/// A UUID as we write it. Other spellings (without hyphens, in braces) are names like any other.
pub(super) fn uuid(key: &str) -> Option<Uuid> {
    if key.len() == 36 { key.parse().ok() } else { None }
}

/// The VLANs, each once, in the order in which they were given.
pub(super) fn each_once(vlans: &[VlanId]) -> Vec<VlanId> {
    let mut seen = std::collections::BTreeSet::new();
    vlans.iter().copied().filter(|vlan| seen.insert(*vlan)).collect()
}

/// The refusal of a key that is no UUID, where only UUIDs are taken: it says whose name the key is.
pub(super) fn no_uuid<T: ToString>(key: &str, named: &[T], missing: ServiceError) -> ServiceError {
    if named.is_empty() {
        return missing;
    }
    let ids = named.iter().map(ToString::to_string).collect();
    ServiceError::NameForId { missing: Box::new(missing), name: key.to_owned(), ids }
}

/// The gateway that `key` names: a UUID or, in `/v2`, a name that only one bears.
pub(super) async fn gateway(read: &mut Read, dialect: Dialect, key: &str) -> Result<Gateway> {
    let missing = || ServiceError::GatewayNotFound(key.to_owned());
    if let Some(id) = uuid(key)
        && let Some(gateway) = read.gateway(GatewayId(id)).await?
    {
        return Ok(gateway);
    }
    let named = read.gateways_named(key).await?;
    if dialect == Dialect::Neutron {
        return Err(no_uuid(key, &named, missing()));
    }
    match named.as_slice() {
        [] => Err(missing()),
        [id] => read.gateway(*id).await?.ok_or_else(missing),
        ids => Err(ServiceError::AmbiguousGateway { name: key.to_owned(), ids: ids.to_vec() }),
    }
}

/// The network that `key` names, likewise.
pub(super) async fn network(read: &mut Read, dialect: Dialect, key: &str) -> Result<Annotated<Network>> {
    let missing = || ServiceError::NetworkNotFound(key.to_owned());
    if let Some(id) = uuid(key)
        && let Some(network) = read.network(NetworkId(id)).await?
    {
        return Ok(network);
    }
    let named = read.networks_named(key).await?;
    if dialect == Dialect::Neutron {
        return Err(no_uuid(key, &named, missing()));
    }
    match named.as_slice() {
        [] => Err(missing()),
        [id] => read.network(*id).await?.ok_or_else(missing),
        ids => Err(ServiceError::AmbiguousNetwork { name: key.to_owned(), ids: ids.to_vec() }),
    }
}
