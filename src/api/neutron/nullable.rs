//! Attributes for which `null` means something else than absence.

use serde::{Deserialize, Deserializer};

/// Absent, `null`, or a value. Absence needs `#[serde(default)]`.
#[derive(Debug)]
#[allow(clippy::option_option)] // absent, null and a value are three different things
pub(super) struct Nullable<T>(pub(super) Option<Option<T>>);

// Not derived: a value needs no default.
impl<T> Default for Nullable<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Nullable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| Self(Some(value)))
    }
}
