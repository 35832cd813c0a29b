//! VLANs as networking-l2gw's clients write them: an integer, or a text that holds one.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, OneOfBuilder, RefOr, Schema, Type},
};

use super::number::Number;
use crate::model::VlanId;

/// A VLAN, 0 to 4094.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentationId(pub(super) VlanId);

impl<'de> Deserialize<'de> for SegmentationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Number(number) = Number::deserialize(deserializer)?;
        VlanId::try_from(number).map(Self).map_err(de::Error::custom)
    }
}

/// A VLAN as it is shown, or nothing.
pub(super) enum ShownSegmentationId {}

/// One of two shapes.
fn either(a: impl Into<RefOr<Schema>>, b: impl Into<RefOr<Schema>>) -> RefOr<Schema> {
    OneOfBuilder::new().item(a).item(b).into()
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

impl PartialSchema for ShownSegmentationId {
    fn schema() -> RefOr<Schema> {
        either(VlanId::schema(), text().max_length(Some(0)))
    }
}

impl ToSchema for ShownSegmentationId {}

impl PartialSchema for SegmentationId {
    fn schema() -> RefOr<Schema> {
        either(VlanId::schema(), text())
    }
}

impl ToSchema for SegmentationId {}

impl PartialSchema for SegmentationIds {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new().items(SegmentationId::schema()).min_items(Some(1)).into()
    }
}

impl ToSchema for SegmentationIds {}

impl PartialSchema for DefaultSegmentationId {
    fn schema() -> RefOr<Schema> {
        let none = ObjectBuilder::new().schema_type(Type::Null);
        OneOfBuilder::new().item(VlanId::schema()).item(text()).item(none).into()
    }
}

impl ToSchema for DefaultSegmentationId {}

/// The VLANs of an interface: at least one, or the member is left out.
#[derive(Debug, Clone, Default)]
pub(super) struct SegmentationIds(pub(super) Vec<VlanId>);

impl<'de> Deserialize<'de> for SegmentationIds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = SegmentationIds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of VLANs")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<SegmentationIds, A::Error> {
                let mut vlans = Vec::new();
                while let Some(SegmentationId(vlan)) = list.next_element()? {
                    vlans.push(vlan);
                }
                if vlans.is_empty() {
                    return Err(de::Error::custom("is empty: name at least one VLAN, or leave it out"));
                }
                Ok(SegmentationIds(vlans))
            }
        }

        deserializer.deserialize_seq(List)
    }
}

/// The default of a connection: `null` and `""`, which is what an answer shows for none, are none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DefaultSegmentationId(pub(super) Option<VlanId>);

impl<'de> Deserialize<'de> for DefaultSegmentationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Given {
            Text(String),
            Other(serde_json::Value),
        }

        let given = match Given::deserialize(deserializer)? {
            Given::Text(text) if text.is_empty() => return Ok(Self(None)),
            Given::Other(serde_json::Value::Null) => return Ok(Self(None)),
            Given::Text(text) => serde_json::Value::String(text),
            Given::Other(value) => value,
        };
        SegmentationId::deserialize(given).map(|id| Self(Some(id.0))).map_err(de::Error::custom)
    }
}
