//! Attributes of networks, subnets and ports that Neutron's clients give and expect to read again, and that switches know
//! nothing of. One declaration an attribute: its form, its bounds, its default, and when it may be given. The API reads,
//! shows, filters and sorts by these tables.
//!
//! A row keeps those that differ from their defaults, as one JSON text; most rows keep none (`NULL`).

use std::{borrow::Cow, ops::Deref, time::SystemTime};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};

use super::{
    Cell, Write,
    sql::{Columns, Result, query},
};

/// An attribute.
#[derive(Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name in Neutron's API.
    pub name: &'static str,
    /// What its values are.
    pub form: Form,
    /// When it may be given.
    pub given: Given,
    /// Its value in a row's JSON text; NULL where it has its default.
    sql: &'static str,
}

/// What the values of an attribute are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A text with at most `longest` characters.
    Text {
        /// In characters.
        longest: usize,
        /// The value where none is given.
        default: &'static str,
    },
    /// A text or null, which is the default.
    Nullable {
        /// In characters.
        longest: usize,
    },
    /// True or false.
    Flag {
        /// The value where none is given.
        default: bool,
    },
    /// True, false or null, which is the default.
    NullableFlag,
    /// A whole number.
    Number {
        /// The lowest.
        least: i64,
        /// The highest.
        most: i64,
        /// The value where none is given.
        default: i64,
    },
    /// A list of texts; the default is empty.
    Texts {
        /// Most elements.
        most: usize,
        /// Of an element, in characters.
        longest: usize,
    },
    /// A list of objects; the default is empty.
    Objects {
        /// Most elements.
        most: usize,
    },
    /// An object; the default is empty.
    Object,
}

/// When an attribute may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// With the object's creation only.
    AtCreation,
    /// At any time.
    Always,
    /// By calls of its own: tags.
    Apart,
}

/// Longest JSON text of one value, in bytes. Neutron's column of `binding:profile` has 4095.
const LONGEST_VALUE: usize = 16 << 10;

/// Tags of one object, as in Neutron.
pub const TAGS: usize = 50;
/// Characters in a tag, as in Neutron.
pub const TAG: usize = 255;

macro_rules! attributes {
    ($($(#[$doc:meta])* $list:ident: [$($name:literal $form:expr, $given:ident;)*])*) => {
        $($(#[$doc])* pub const $list: &[Attribute] = &[$(Attribute {
            name: $name,
            form: $form,
            given: Given::$given,
            sql: concat!("attributes ->> '$.\"", $name, "\"'"),
        }),*];)*
    };
}

/// A name or a description.
const TEXT: Form = Form::Text { longest: 255, default: "" };
/// The UUID of something that vtepd doesn't have.
const ID: Form = Form::Nullable { longest: 36 };
const NO: Form = Form::Flag { default: false };
const YES: Form = Form::Flag { default: true };

attributes! {
    /// Of networks.
    NETWORK_ATTRIBUTES: [
        "description" TEXT, Always;
        "admin_state_up" YES, Always;
        "shared" NO, Always;
        "router:external" NO, Always;
        "is_default" NO, Always;
        // What VXLAN over IPv4 leaves of 1500 bytes, as Neutron reckons it.
        "mtu" Form::Number { least: 68, most: 65535, default: 1450 }, Always;
        "port_security_enabled" NO, Always;
        "vlan_transparent" Form::NullableFlag, AtCreation;
        "dns_domain" TEXT, Always;
        "qos_policy_id" ID, Always;
        "availability_zone_hints" Form::Texts { most: 10, longest: 255 }, AtCreation;
        "tags" Form::Texts { most: TAGS, longest: TAG }, Apart;
    ]
    /// Of subnets.
    SUBNET_ATTRIBUTES: [
        "description" TEXT, Always;
        // Nothing here answers DHCP, unless a client says that something does.
        "enable_dhcp" NO, Always;
        "dns_nameservers" Form::Texts { most: 20, longest: 45 }, Always;
        "host_routes" Form::Objects { most: 20 }, Always;
        "ipv6_ra_mode" Form::Nullable { longest: 16 }, AtCreation;
        "ipv6_address_mode" Form::Nullable { longest: 16 }, AtCreation;
        "segment_id" ID, Always;
        "service_types" Form::Texts { most: 20, longest: 255 }, Always;
        "dns_publish_fixed_ip" NO, Always;
        "tags" Form::Texts { most: TAGS, longest: TAG }, Apart;
    ]
    /// Of ports.
    PORT_ATTRIBUTES: [
        "description" TEXT, Always;
        "device_id" TEXT, Always;
        "device_owner" TEXT, Always;
        "admin_state_up" YES, Always;
        "binding:vnic_type" Form::Text { longest: 64, default: "normal" }, Always;
        "binding:profile" Form::Object, Always;
        "port_security_enabled" NO, Always;
        "security_groups" Form::Texts { most: 100, longest: 255 }, Always;
        "extra_dhcp_opts" Form::Objects { most: 100 }, Always;
        "dns_name" TEXT, Always;
        "dns_domain" TEXT, Always;
        "qos_policy_id" ID, Always;
        "propagate_uplink_status" NO, Always;
        "tags" Form::Texts { most: TAGS, longest: TAG }, AtCreation;
    ]
}

impl Attribute {
    /// The attribute of this name.
    pub fn named(list: &'static [Self], name: &str) -> Option<&'static Self> {
        list.iter().find(|attribute| attribute.name == name)
    }

    /// Its value where none is given.
    #[must_use]
    pub fn default(&self) -> Value {
        match self.form {
            Form::Text { default, .. } => default.into(),
            Form::Flag { default } => default.into(),
            Form::Number { default, .. } => default.into(),
            Form::Nullable { .. } | Form::NullableFlag => Value::Null,
            Form::Texts { .. } | Form::Objects { .. } => Value::Array(Vec::new()),
            Form::Object => Value::Object(Map::new()),
        }
    }

    /// Reads a value from its JSON text; `null` is the default.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self, json: &str) -> std::result::Result<Value, String> {
        if json.len() > LONGEST_VALUE {
            return Err(format!("is longer than {} KiB", LONGEST_VALUE >> 10));
        }
        let value: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
        if value.is_null() {
            return Ok(self.default());
        }
        match (self.form, value) {
            (Form::Text { longest, .. } | Form::Nullable { longest }, Value::String(text)) => {
                bounded(&text, longest)?;
                Ok(text.into())
            }
            (Form::Flag { .. } | Form::NullableFlag, value) => flag(&value).map(Value::Bool),
            (Form::Number { least, most, .. }, value) => number(&value)
                .filter(|number| (least..=most).contains(number))
                .map(Value::from)
                .ok_or_else(|| format!("expected an integer from {least} to {most}")),
            (Form::Texts { most, longest }, Value::Array(list)) if list.len() <= most => {
                for element in &list {
                    bounded(element.as_str().ok_or("expected a list of strings")?, longest)?;
                }
                Ok(list.into())
            }
            (Form::Objects { most }, Value::Array(list)) if list.len() <= most => {
                if list.iter().all(Value::is_object) {
                    Ok(list.into())
                } else {
                    Err("expected a list of objects".to_owned())
                }
            }
            (Form::Texts { most, .. } | Form::Objects { most }, Value::Array(_)) => {
                Err(format!("has more than {most} elements"))
            }
            (Form::Object, Value::Object(object)) => Ok(object.into()),
            (form, _) => Err(format!("expected {}", form.words())),
        }
    }

    /// What a filter's text is where rows are compared in SQL; `None`: no row has such a value.
    #[must_use]
    pub fn cell(&self, text: &str) -> Option<Cell> {
        match self.form {
            Form::Flag { .. } => flag(&text.into()).ok().map(|flag| Cell::Number(flag.into())),
            Form::Number { .. } => text.parse().ok().map(Cell::Number),
            _ => Some(Cell::Text(text.to_owned())),
        }
    }

    /// Whether rows can be compared in SQL by it.
    #[must_use]
    pub fn is_scalar(&self) -> bool {
        matches!(self.form, Form::Text { .. } | Form::Nullable { .. } | Form::Flag { .. } | Form::Number { .. })
    }

    /// Its value in a row's JSON text.
    pub(super) fn sql(&self) -> &'static str {
        self.sql
    }

    /// What the default is where rows are compared in SQL.
    pub(super) fn null(&self) -> Cell {
        compared(&self.default())
    }

    /// What a row is sorted by.
    pub(super) fn cell_of(&self, attributes: &Attributes) -> Cell {
        attributes.0.get(self.name).map_or_else(|| self.null(), compared)
    }
}

/// A value as rows are compared by it in SQL, where flags are 0 and 1.
fn compared(value: &Value) -> Cell {
    match value {
        Value::Bool(flag) => Cell::Number((*flag).into()),
        Value::Number(number) => Cell::Number(number.as_i64().unwrap_or_default()),
        value => Cell::Text(value.as_str().unwrap_or_default().to_owned()),
    }
}

impl Form {
    /// As an error calls it.
    const fn words(self) -> &'static str {
        match self {
            Self::Text { .. } => "a string",
            Self::Nullable { .. } => "a string or null",
            Self::Flag { .. } => "true or false",
            Self::NullableFlag => "true, false or null",
            Self::Number { .. } => "an integer",
            Self::Texts { .. } => "a list of strings",
            Self::Objects { .. } => "a list of objects",
            Self::Object => "an object",
        }
    }
}

fn bounded(text: &str, longest: usize) -> std::result::Result<(), String> {
    if text.chars().nth(longest).is_some() {
        return Err(format!("is longer than {longest} characters"));
    }
    if text.contains('\0') { Err("contains a NUL character".to_owned()) } else { Ok(()) }
}

/// Neutron takes strings and numbers for flags, too.
fn flag(value: &Value) -> std::result::Result<bool, String> {
    let read = match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => number.as_i64().filter(|number| (0..=1).contains(number)).map(|number| number == 1),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    };
    read.ok_or_else(|| "expected true or false".to_owned())
}

/// Clients send numbers as strings, too.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

// ===== of a row =====

/// The attributes of a row that are not at their defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(Map<String, Value>);

impl Attributes {
    /// Of a new row, as they were given.
    #[must_use]
    pub fn of(list: &'static [Attribute], given: Map<String, Value>) -> Self {
        let mut attributes = Self::default();
        attributes.change(list, given);
        attributes
    }

    /// Takes what was given; the others stay.
    pub fn change(&mut self, list: &'static [Attribute], given: Map<String, Value>) {
        for (name, value) in given {
            if Attribute::named(list, &name).is_some_and(|attribute| attribute.default() == value) {
                self.0.remove(&name);
            } else {
                self.0.insert(name, value);
            }
        }
    }

    /// The tags.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        let tags = self.0.get("tags").and_then(Value::as_array).into_iter().flatten();
        tags.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Sets the tags.
    pub fn set_tags(&mut self, tags: Vec<String>) {
        if tags.is_empty() {
            self.0.remove("tags");
        } else {
            self.0.insert("tags".to_owned(), tags.into());
        }
    }

    /// All of them for a client, those at their defaults too.
    #[must_use]
    pub fn shown<'a>(&'a self, list: &'static [Attribute]) -> impl Serialize + 'a {
        Shown { attributes: self, list }
    }

    pub(super) fn read(columns: &mut Columns<'_>) -> Result<Self> {
        let text = columns.optional_string()?;
        Self::parse(text.as_deref()).map_err(|error| columns.corrupt(error))
    }

    pub(super) fn parse(text: Option<&str>) -> serde_json::Result<Self> {
        text.map_or(Ok(Self::default()), |text| serde_json::from_str(text).map(Self))
    }

    /// As the column holds them.
    pub(super) fn text(&self) -> Option<Cow<'static, str>> {
        // A map of strings to JSON values always has a JSON form.
        (!self.0.is_empty()).then(|| Value::Object(self.0.clone()).to_string().into())
    }
}

struct Shown<'a> {
    attributes: &'a Attributes,
    list: &'static [Attribute],
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.list.len()))?;
        for attribute in self.list {
            match self.attributes.0.get(attribute.name) {
                Some(value) => map.serialize_entry(attribute.name, value)?,
                None => map.serialize_entry(attribute.name, &attribute.default())?,
            }
        }
        map.end()
    }
}

/// When a row came and changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Seconds since 1970; `None`: not known.
    pub created: Option<u64>,
    /// Seconds since 1970; `None`: not known.
    pub updated: Option<u64>,
    /// How often it was written through the API.
    pub changed: u64,
}

impl Stamp {
    /// Of a row that is made now.
    #[must_use]
    pub fn new() -> Self {
        let now = Some(now());
        Self { created: now, updated: now, changed: 1 }
    }

    /// Of the row after a change now.
    #[must_use]
    pub fn again(self) -> Self {
        Self { updated: Some(now()), changed: self.changed + 1, ..self }
    }
}

fn now() -> u64 {
    // Before 1970 it is 1970.
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs()
}

/// A row, and what clients keep with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotated<T> {
    /// The row.
    pub row: T,
    /// Its attributes.
    pub attributes: Attributes,
    /// When it came and changed.
    pub stamp: Stamp,
}

impl<T> Annotated<T> {
    /// A row that is made now.
    pub fn new(row: T, attributes: Attributes) -> Self {
        Self { row, attributes, stamp: Stamp::new() }
    }
}

impl<T> Deref for Annotated<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.row
    }
}

/// The columns of [`Annotated`], after those of the row.
pub(super) const ANNOTATIONS: &str = "attributes, created_s, updated_s, changed";

impl<T> Annotated<T> {
    /// Reads what follows the columns of the row.
    pub(super) fn read(row: T, columns: &mut Columns<'_>) -> Result<Self> {
        let attributes = Attributes::read(columns)?;
        let stamp =
            Stamp { created: columns.optional_count()?, updated: columns.optional_count()?, changed: columns.count()? };
        Ok(Self { row, attributes, stamp })
    }
}

/// Tables whose rows are annotated.
#[derive(Debug, Clone, Copy)]
pub(super) enum Table {
    Networks,
    Subnets,
    Ports,
}

impl Write {
    /// Writes what clients keep with a row.
    pub(super) async fn annotate<T>(&mut self, table: Table, id: String, annotated: &Annotated<T>) -> Result<()> {
        macro_rules! update {
            ($table:literal) => {
                concat!(
                    "UPDATE ",
                    $table,
                    " SET attributes = $1, created_s = $2, updated_s = $3, changed = $4 WHERE id = $5"
                )
            };
        }
        let update = match table {
            Table::Networks => update!("networks"),
            Table::Subnets => update!("subnets"),
            Table::Ports => update!("ports"),
        };
        let Stamp { created, updated, changed } = annotated.stamp;
        let seconds = |seconds: Option<u64>| seconds.and_then(|seconds| i64::try_from(seconds).ok());
        let update = query(update)
            .bind(annotated.attributes.text().map(Cow::into_owned))
            .bind(seconds(created))
            .bind(seconds(updated))
            .bind(i64::try_from(changed).unwrap_or(i64::MAX))
            .bind(id);
        self.run(update).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
