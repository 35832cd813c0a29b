//! How values of columns are written into operations (RFC 7047 sections 5.1 and 5.2), a function for each form that
//! [`super::tables`] names; and the parts that operations have in common.

use std::{
    collections::BTreeMap,
    io::Write as _,
    marker::PhantomData,
    net::{IpAddr, Ipv4Addr},
};

use ovsdb::json;
use uuid::Uuid;

use super::{LocatorRef, LogicalSwitchRef, Strings, rows::ReplicationMode, table::Declared};
use crate::model::{MacAddr, VlanId, Vni};

/// Writes `{"column":value,…}`. The declaration of the row adds a method for each column that we write.
pub(super) struct RowWriter<'a, Row> {
    out: &'a mut Vec<u8>,
    first: bool,
    row: PhantomData<Row>,
}

// ===== impl RowWriter =====

impl<'a, Row> RowWriter<'a, Row> {
    /// Goes on behind `{`.
    #[inline]
    fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, first: true, row: PhantomData }
    }

    /// `name` is `,"column":`.
    #[inline]
    pub(super) fn column<T>(mut self, name: &str, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) -> Self {
        if let Some(value) = value {
            let name = if self.first { &name[1..] } else { name };
            self.out.extend_from_slice(name.as_bytes());
            self.first = false;
            write(self.out, value);
        }
        self
    }

    /// Ends the row.
    #[inline]
    fn close(self) {
        self.out.push(b'}');
    }

    /// Ends the row and its operation.
    #[inline]
    pub(super) fn end(self) {
        self.out.extend_from_slice(b"}}");
    }
}

// ===== operations =====

/// Opens an `insert`; [`RowWriter::end`] ends it.
#[inline]
pub(super) fn insert<Table: Declared>(out: &mut Vec<u8>) -> RowWriter<'_, Table::Row> {
    out.extend_from_slice(Table::INSERT_ROW.as_bytes());
    RowWriter::new(out)
}

/// The same with a `uuid-name`, by which the transaction refers to the row.
#[inline]
pub(super) fn insert_named<Table: Declared>(
    out: &mut Vec<u8>,
    name: impl FnOnce(&mut Vec<u8>),
) -> RowWriter<'_, Table::Row> {
    out.extend_from_slice(Table::INSERT.as_bytes());
    out.extend_from_slice(br#""uuid-name":""#);
    name(out);
    out.extend_from_slice(br#"","row":{"#);
    RowWriter::new(out)
}

/// Opens an `update` of a row.
#[inline]
pub(super) fn update<Table: Declared>(out: &mut Vec<u8>, uuid: Uuid) -> RowWriter<'_, Table::Row> {
    on_row::<Table>(out, "update", uuid);
    out.extend_from_slice(br#","row":{"#);
    RowWriter::new(out)
}

pub(super) fn delete<Table: Declared>(out: &mut Vec<u8>, uuid: Uuid) {
    on_row::<Table>(out, "delete", uuid);
    out.push(b'}');
}

/// A `wait` that fails at once unless the row's column is `row`.
pub(super) fn wait<Table: Declared>(
    out: &mut Vec<u8>,
    uuid: Uuid,
    column: &str,
    row: impl FnOnce(RowWriter<'_, Table::Row>) -> RowWriter<'_, Table::Row>,
) {
    on_row::<Table>(out, "wait", uuid);
    display(out, &format_args!(r#","columns":["{column}"],"until":"==","rows":[{{"#));
    row(RowWriter::new(out)).close();
    // Without a timeout it would wait for ever.
    out.extend_from_slice(br#"],"timeout":0}"#);
}

/// A `mutate` of these columns: `(column, mutator, value)`.
pub(super) fn mutate<'a, Table: Declared>(
    out: &mut Vec<u8>,
    uuid: Uuid,
    mutations: impl IntoIterator<Item = Mutation<'a>>,
) {
    on_row::<Table>(out, "mutate", uuid);
    out.extend_from_slice(br#","mutations":["#);
    let mutations = mutations.into_iter().filter(|(_, _, elements)| !elements.is_empty());
    for (i, (column, mutator, elements)) in mutations.enumerate() {
        comma(out, i);
        for part in ["[\"", column, "\",\"", mutator, "\","] {
            out.extend_from_slice(part.as_bytes());
        }
        elements.write(out);
        out.push(b']');
    }
    out.extend_from_slice(b"]}");
}

/// `where` by `_uuid` alone: any other condition scans the table.
fn on_row<Table: Declared>(out: &mut Vec<u8>, op: &str, uuid: Uuid) {
    for part in [r#"{"op":""#, op, r#"","table":""#, Table::NAME, r#"","where":[["_uuid","==","#] {
        out.extend_from_slice(part.as_bytes());
    }
    json::write_uuid(out, uuid);
    out.extend_from_slice(b"]]");
}

// ===== what a mutation adds or removes =====

/// Column, mutator, and what is added or removed.
pub(super) type Mutation<'a> = (&'a str, &'a str, Elements<'a>);

/// A set or a map of a mutation.
pub(super) enum Elements<'a> {
    /// VLANs: keys of bindings.
    Vlans(&'a [u16]),
    /// VLANs and what they are bound to.
    Bindings(&'a [(VlanId, LogicalSwitchRef)]),
    /// Keys of a map of texts.
    Keys(&'a Strings),
    /// A map of texts.
    Pairs(&'a Strings),
    /// Rows that the transaction inserts, by their `uuid-name`s: this word and a number.
    New(&'static str, &'a [u32]),
}

impl Elements<'_> {
    fn is_empty(&self) -> bool {
        match self {
            Elements::Vlans(vlans) => vlans.is_empty(),
            Elements::Bindings(bindings) => bindings.is_empty(),
            Elements::Keys(strings) | Elements::Pairs(strings) => strings.is_empty(),
            Elements::New(_, numbers) => numbers.is_empty(),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Elements::Vlans(vlans) => list(out, "set", vlans.iter(), |out, vlan| number(out, u32::from(*vlan))),
            Elements::Bindings(bindings) => list(out, "map", bindings.iter(), |out, (vlan, reference)| {
                out.push(b'[');
                number(out, u32::from(vlan.get()));
                out.push(b',');
                logical_switch(out, *reference);
                out.push(b']');
            }),
            Elements::Keys(strings) => list(out, "set", strings.keys(), |out, key| text(out, key)),
            Elements::Pairs(strings) => list(out, "map", strings.iter(), |out, (key, value)| {
                out.push(b'[');
                text(out, key);
                out.push(b',');
                text(out, value);
                out.push(b']');
            }),
            Elements::New(word, numbers) => list(out, "set", numbers.iter(), |out, number| named(out, word, *number)),
        }
    }
}

/// `["set",[…]]` or `["map",[…]]`.
fn list<T>(out: &mut Vec<u8>, kind: &str, elements: impl Iterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) {
    for part in ["[\"", kind, "\",["] {
        out.extend_from_slice(part.as_bytes());
    }
    for (i, element) in elements.enumerate() {
        comma(out, i);
        write(out, element);
    }
    out.extend_from_slice(b"]]");
}

// ===== values of columns =====

pub(super) fn text(out: &mut Vec<u8>, value: &str) {
    json::write_string(out, value);
}

/// A text of ours that needs no escapes.
pub(super) fn word(out: &mut Vec<u8>, value: &'static str) {
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

pub(super) fn vni(out: &mut Vec<u8>, value: Vni) {
    number(out, value.get());
}

pub(super) fn replication_mode(out: &mut Vec<u8>, value: ReplicationMode) {
    word(out, value.as_str());
}

#[inline]
pub(super) fn mac(out: &mut Vec<u8>, value: MacAddr) {
    let mut quoted = [b'"'; 19];
    quoted[1..18].copy_from_slice(&value.to_ascii());
    out.extend_from_slice(&quoted);
}

/// An address, or the empty text.
#[inline]
pub(super) fn ip(out: &mut Vec<u8>, value: Option<IpAddr>) {
    out.push(b'"');
    match value {
        Some(IpAddr::V4(ip)) => {
            let (text, end) = octets(ip, b'.');
            out.extend_from_slice(&text[..end]);
        }
        Some(IpAddr::V6(ip)) => display(out, &ip),
        None => {}
    }
    out.push(b'"');
}

pub(super) fn ipv4(out: &mut Vec<u8>, value: Ipv4Addr) {
    ip(out, Some(value.into()));
}

pub(super) fn logical_switch(out: &mut Vec<u8>, value: LogicalSwitchRef) {
    match value {
        LogicalSwitchRef::Row(row) => json::write_uuid(out, row),
        LogicalSwitchRef::New(new) => named(out, "ls", new),
    }
}

pub(super) fn locator(out: &mut Vec<u8>, value: LocatorRef) {
    match value {
        LocatorRef::Row(row) => json::write_uuid(out, row),
        LocatorRef::New(ip) => {
            out.extend_from_slice(br#"["named-uuid",""#);
            locator_name(out, ip);
            out.extend_from_slice(br#""]"#);
        }
    }
}

pub(super) fn locators(out: &mut Vec<u8>, value: &[LocatorRef]) {
    list(out, "set", value.iter(), |out, reference| locator(out, *reference));
}

/// A set that the transaction inserts: sets are immutable.
pub(super) fn locator_set(out: &mut Vec<u8>, value: u32) {
    named(out, "set", value);
}

pub(super) fn bindings(out: &mut Vec<u8>, value: &BTreeMap<u16, Uuid>) {
    list(out, "map", value.iter(), |out, (vlan, logical_switch)| {
        out.push(b'[');
        number(out, u32::from(*vlan));
        out.push(b',');
        json::write_uuid(out, *logical_switch);
        out.push(b']');
    });
}

// ===== names of new rows =====

/// A `uuid-name` is an `<id>`: letters, digits and underscores.
pub(super) fn locator_name(out: &mut Vec<u8>, ip: Ipv4Addr) {
    out.extend_from_slice(b"vtep_");
    let (text, end) = octets(ip, b'_');
    out.extend_from_slice(&text[..end]);
}

/// The `uuid-name` of a row by its number in the transaction.
pub(super) fn numbered(word: &'static str, new: u32) -> impl FnOnce(&mut Vec<u8>) {
    move |out| {
        out.extend_from_slice(word.as_bytes());
        number(out, new);
    }
}

/// `["named-uuid","word7"]`
fn named(out: &mut Vec<u8>, word: &'static str, new: u32) {
    out.extend_from_slice(br#"["named-uuid",""#);
    numbered(word, new)(out);
    out.extend_from_slice(br#""]"#);
}

fn number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The octets with a separator between them, and their length. Into a buffer: most operations hold two addresses.
fn octets(ip: Ipv4Addr, separator: u8) -> ([u8; 15], usize) {
    let (mut text, mut end) = ([separator; 15], 0);
    for (i, octet) in ip.octets().into_iter().enumerate() {
        // The separator is there already.
        end += usize::from(i > 0);
        if octet >= 100 {
            text[end] = b'0' + octet / 100;
            end += 1;
        }
        if octet >= 10 {
            text[end] = b'0' + octet / 10 % 10;
            end += 1;
        }
        text[end] = b'0' + octet % 10;
        end += 1;
    }
    (text, end)
}

fn display(out: &mut Vec<u8>, value: &dyn std::fmt::Display) {
    // Writing into a Vec can't fail.
    let _ = write!(out, "{value}");
}

fn comma(out: &mut Vec<u8>, before: usize) {
    if before > 0 {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_standard_library_does() {
        for octet in 0..=u8::MAX {
            let ip = Ipv4Addr::new(octet, 255 - octet, 0, octet / 3);
            let (text, end) = octets(ip, b'.');
            assert_eq!(std::str::from_utf8(&text[..end]), Ok(ip.to_string().as_str()));
        }
    }
}
