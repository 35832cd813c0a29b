//! How a port's lists and MAC are written: a million rows are kept, loaded and inserted in bulk, so they are short
//! texts and numbers instead of tables of their own.
//!
//! `fixed_ips`: `10.0.0.5,10.0.0.6@<subnet UUID>`; `address_pairs`: `fa:16:3e:00:00:01@10.0.0.0/24,…`; `elsewhere`, which
//! few ports have: `{"migrating":["compute-2"]}`.

use std::{borrow::Cow, fmt::Write as _};

use serde::{Deserialize, Serialize};

use super::{Annotated, Attributes, Stamp, StoreError, bulk, sql::Result};
use crate::model::{AddressPair, Elsewhere, FixedIp, MacAddr, NetworkId, Port, PortId};

/// A port as the JSON array that bulk statements give.
#[derive(Debug, Deserialize)]
pub(super) struct PortRow<'a>(
    PortId,
    NetworkId,
    i64,
    #[serde(borrow)] Option<Cow<'a, str>>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Option<Cow<'a, str>>,
);

/// A port that is written, with what clients keep with it, in the order of [`bulk::INSERT_PORTS`].
#[derive(Debug, Serialize)]
pub(super) struct NewPortRow<'a>(
    PortId,
    NetworkId,
    i64,
    Option<&'a str>,
    &'a str,
    &'a str,
    String,
    String,
    Option<String>,
    Option<Cow<'a, str>>,
    Option<u64>,
    Option<u64>,
    u64,
);

impl<'a> NewPortRow<'a> {
    /// Of a port that a source dictates.
    pub(super) fn sourced(port: &'a Port) -> Result<Self> {
        Self::of(port, None, Stamp::default())
    }

    /// Of a port that a client makes.
    pub(super) fn annotated(port: &'a Annotated<Port>) -> Result<Self> {
        Self::of(port, port.attributes.text(), port.stamp)
    }

    fn of(port: &'a Port, attributes: Option<Cow<'a, str>>, stamp: Stamp) -> Result<Self> {
        Ok(Self(
            port.id,
            port.network_id,
            mac_number(port.mac),
            port.host.as_deref(),
            &port.name,
            &port.tenant_id,
            write_ips(&port.fixed_ips),
            write_pairs(&port.allowed_address_pairs),
            write_elsewhere(&port.elsewhere)?,
            attributes,
            stamp.created,
            stamp.updated,
            stamp.changed,
        ))
    }
}

/// A port with what clients keep with it: `[[port], attributes, created, updated, changed]`.
#[derive(Debug, Deserialize)]
pub(super) struct AnnotatedPortRow<'a>(
    #[serde(borrow)] PortRow<'a>,
    #[serde(borrow)] Option<Cow<'a, str>>,
    Option<u64>,
    Option<u64>,
    u64,
);

impl TryFrom<AnnotatedPortRow<'_>> for Annotated<Port> {
    type Error = StoreError;

    fn try_from(AnnotatedPortRow(port, text, created, updated, changed): AnnotatedPortRow<'_>) -> Result<Self> {
        let attributes = Attributes::parse(text.as_deref());
        let attributes = attributes.map_err(|_| corrupt("ports.attributes", text.as_deref().unwrap_or_default()))?;
        Ok(Self { row: port.try_into()?, attributes, stamp: Stamp { created, updated, changed } })
    }
}

impl TryFrom<PortRow<'_>> for Port {
    type Error = StoreError;

    fn try_from(row: PortRow<'_>) -> Result<Self> {
        let PortRow(id, network_id, mac, host, name, tenant_id, ips, pairs, elsewhere) = row;
        Ok(Self {
            id,
            name: name.into_owned(),
            tenant_id: tenant_id.into_owned(),
            network_id,
            mac: read_mac(mac)?,
            fixed_ips: read_ips(&ips)?,
            host: host.map(Cow::into_owned),
            allowed_address_pairs: read_pairs(&pairs)?,
            elsewhere: read_elsewhere(elsewhere.as_deref())?,
        })
    }
}

/// The 48 bits as a number: eight bytes in a row and in each index, where the text would take seventeen.
pub(super) fn mac_number(mac: MacAddr) -> i64 {
    mac.octets().into_iter().fold(0, |number, octet| number << 8 | i64::from(octet))
}

pub(super) fn read_mac(number: i64) -> Result<MacAddr> {
    let [0, 0, octets @ ..] = number.to_be_bytes() else {
        return Err(StoreError::Corrupt { column: "mac", value: number.to_string() });
    };
    Ok(MacAddr::new(octets))
}

pub(super) fn write_ips(ips: &[FixedIp]) -> String {
    let mut text = String::new();
    for ip in ips {
        separate(&mut text);
        // Writing into a String can't fail.
        let _ = write!(text, "{}", ip.ip);
        if let Some(subnet) = &ip.subnet_id {
            text.push('@');
            text.push_str(subnet);
        }
    }
    text
}

pub(super) fn read_ips(text: &str) -> Result<Vec<FixedIp>> {
    entries(text)
        .map(|entry| {
            let (ip, subnet) = entry.split_once('@').map_or((entry, None), |(ip, subnet)| (ip, Some(subnet)));
            let ip = ip.parse().map_err(|_| corrupt("ports.fixed_ips", text))?;
            Ok(FixedIp { ip, subnet_id: subnet.map(str::to_owned) })
        })
        .collect()
}

pub(super) fn write_pairs(pairs: &[AddressPair]) -> String {
    let mut text = String::new();
    for pair in pairs {
        separate(&mut text);
        let _ = write!(text, "{}@{}", pair.mac, pair.ip);
    }
    text
}

pub(super) fn read_pairs(text: &str) -> Result<Vec<AddressPair>> {
    entries(text)
        .map(|entry| {
            let pair = entry.split_once('@').and_then(|(mac, ip)| {
                Some(AddressPair { mac: MacAddr::from_ascii(mac.as_bytes())?, ip: ip.parse().ok()? })
            });
            pair.ok_or_else(|| corrupt("ports.address_pairs", text))
        })
        .collect()
}

pub(super) fn write_elsewhere(elsewhere: &Elsewhere) -> Result<Option<String>> {
    if elsewhere.is_nowhere() { Ok(None) } else { bulk::json(elsewhere).map(Some) }
}

pub(super) fn read_elsewhere(text: Option<&str>) -> Result<Elsewhere> {
    text.map_or(Ok(Elsewhere::Nowhere), |text| serde_json::from_str(text).map_err(|_| corrupt("ports.elsewhere", text)))
}

fn separate(text: &mut String) {
    if !text.is_empty() {
        text.push(',');
    }
}

fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(|entry| !entry.is_empty())
}

fn corrupt(column: &'static str, value: &str) -> StoreError {
    StoreError::Corrupt { column, value: value.to_owned() }
}
