//! VLAN identifiers and VXLAN network identifiers: numbers that were checked.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

/// A VLAN on a physical port: 1 to 4094, or 0 for untagged frames (`Physical_Port.vlan_bindings`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "u16")]
pub struct VlanId(u16);

/// The number is no VLAN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a VLAN: use 1 to 4094, or 0 for untagged frames")]
pub struct InvalidVlan(pub i64);

impl VlanId {
    /// Frames without a VLAN tag.
    pub const UNTAGGED: Self = Self(0);

    /// The number, 0 to 4094.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<i64> for VlanId {
    type Error = InvalidVlan;

    fn try_from(number: i64) -> Result<Self, InvalidVlan> {
        match u16::try_from(number) {
            Ok(vlan @ 0..=4094) => Ok(Self(vlan)),
            _ => Err(InvalidVlan(number)),
        }
    }
}

/// As it is written in JSON.
fn number(least: u32, most: u32) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least)).maximum(Some(most)).into()
}

impl PartialSchema for VlanId {
    fn schema() -> RefOr<Schema> {
        number(0, 4094)
    }
}

impl ToSchema for VlanId {}

impl PartialSchema for Vni {
    fn schema() -> RefOr<Schema> {
        number(1, 0xff_ffff)
    }
}

impl ToSchema for Vni {}

impl From<VlanId> for u16 {
    fn from(vlan: VlanId) -> u16 {
        vlan.0
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A VXLAN network identifier: 1 to 16,777,215 (24 bits, RFC 7348 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "u32")]
pub struct Vni(u32);

/// The number is no VNI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a VXLAN network identifier: use 1 to 16777215")]
pub struct InvalidVni(pub i64);

impl Vni {
    /// The number, 1 to 16,777,215.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<i64> for Vni {
    type Error = InvalidVni;

    fn try_from(number: i64) -> Result<Self, InvalidVni> {
        match u32::try_from(number) {
            Ok(vni @ 1..=0xff_ffff) => Ok(Self(vni)),
            _ => Err(InvalidVni(number)),
        }
    }
}

impl From<Vni> for u32 {
    fn from(vni: Vni) -> u32 {
        vni.0
    }
}

impl fmt::Display for Vni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
