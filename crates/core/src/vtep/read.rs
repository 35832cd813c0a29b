//! How values of columns are read (RFC 7047 section 5.1), a function for each form that [`super::tables`] names.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use ovsdb::json::{Cursor, JsonError};
use uuid::Uuid;

use super::{
    Strings,
    budget::{MAX_ELEMENTS, MAX_TEXT, MAX_VALUES},
    rows::{ReplicationMode, RowIp},
};
use crate::model::MacAddr;

type Result<T = ()> = std::result::Result<T, JsonError>;

// ===== single values =====

/// A text, cut where it is longer than anything of ours.
pub(super) fn text(field: &mut String, value: &mut Cursor<'_>) -> Result {
    *field = cut(value)?;
    Ok(())
}

pub(super) fn mac(field: &mut Option<MacAddr>, value: &mut Cursor<'_>) -> Result {
    *field = MacAddr::from_ascii(&value.string_bytes()?);
    Ok(())
}

pub(super) fn row_ip(field: &mut RowIp, value: &mut Cursor<'_>) -> Result {
    *field = RowIp::parse(&value.string_bytes()?);
    Ok(())
}

/// A text that should be an IPv4 address.
pub(super) fn ipv4(field: &mut Option<Ipv4Addr>, value: &mut Cursor<'_>) -> Result {
    *field = value.string()?.parse().ok();
    Ok(())
}

/// A reference that the schema makes obligatory.
pub(super) fn reference(field: &mut Option<Uuid>, value: &mut Cursor<'_>) -> Result {
    *field = Some(value.uuid()?);
    Ok(())
}

pub(super) fn unknown_dst(field: &mut bool, value: &mut Cursor<'_>) -> Result {
    *field = *value.string_bytes()? == *b"unknown-dst";
    Ok(())
}

pub(super) fn other_encapsulation(field: &mut bool, value: &mut Cursor<'_>) -> Result {
    *field = value.string()? != "vxlan_over_ipv4";
    Ok(())
}

/// A column whose content we don't need.
pub(super) fn nothing((): &mut (), value: &mut Cursor<'_>) -> Result {
    value.skip()
}

// ===== values that may be absent: sets of at most one =====

pub(super) fn integer(field: &mut Option<i64>, value: &mut Cursor<'_>) -> Result {
    value.set(|element| {
        *field = Some(element.integer()?);
        Ok(())
    })
}

pub(super) fn replication_mode(field: &mut Option<ReplicationMode>, value: &mut Cursor<'_>) -> Result {
    value.set(|element| {
        *field = match element.string()?.as_ref() {
            "source_node" => Some(ReplicationMode::SourceNode),
            "service_node" => Some(ReplicationMode::ServiceNode),
            _ => None,
        };
        Ok(())
    })
}

/// Whether there is a value.
pub(super) fn presence(field: &mut bool, value: &mut Cursor<'_>) -> Result {
    value.set(|element| {
        *field = true;
        element.skip()
    })
}

// ===== sets and maps =====

pub(super) fn references(field: &mut Vec<Uuid>, value: &mut Cursor<'_>) -> Result {
    value.set(|element| {
        bounded(field.len(), element)?;
        field.push(element.uuid()?);
        Ok(())
    })
}

/// Texts that should be addresses.
pub(super) fn addresses(field: &mut Vec<IpAddr>, value: &mut Cursor<'_>) -> Result {
    value.set(|element| {
        bounded(field.len(), element)?;
        field.extend(element.string()?.parse::<IpAddr>());
        Ok(())
    })
}

/// The first texts of a set.
pub(super) fn texts(field: &mut Vec<String>, value: &mut Cursor<'_>) -> Result {
    value.set(|element| {
        if field.len() >= MAX_VALUES {
            return element.skip();
        }
        field.push(cut(element)?);
        Ok(())
    })
}

/// `UP` among the faults of a port says that it has none.
pub(super) fn port_faults(field: &mut Vec<String>, value: &mut Cursor<'_>) -> Result {
    texts(field, value)?;
    field.retain(|fault| fault != "UP");
    Ok(())
}

pub(super) fn bindings(field: &mut BTreeMap<u16, Uuid>, value: &mut Cursor<'_>) -> Result {
    value.map(|vlan, logical_switch| {
        bounded(field.len(), vlan)?;
        let (vlan, logical_switch) = (vlan.integer()?, logical_switch.uuid()?);
        field.extend(u16::try_from(vlan).ok().map(|vlan| (vlan, logical_switch)));
        Ok(())
    })
}

/// The first pairs of a map.
pub(super) fn strings(field: &mut Strings, value: &mut Cursor<'_>) -> Result {
    value.map(|key, value| {
        if field.len() >= MAX_VALUES {
            return value.skip();
        }
        field.insert(cut(key)?, cut(value)?);
        Ok(())
    })
}

// ===== bounds =====

/// One row is decoded at once: a set without end would delay every other switch.
fn bounded(count: usize, element: &Cursor<'_>) -> Result {
    if count < MAX_ELEMENTS { Ok(()) } else { Err(element.expected("at most 65536 elements of a set or map")) }
}

/// A string, cut where it is longer than anything of ours: what is kept of it equals nothing that we would look for.
fn cut(value: &mut Cursor<'_>) -> Result<String> {
    let text = value.string()?;
    if text.len() <= MAX_TEXT {
        return Ok(text.into_owned());
    }
    let mut end = MAX_TEXT - '…'.len_utf8();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Ok(format!("{}…", text.get(..end).unwrap_or_default()))
}
