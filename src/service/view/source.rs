//! Where networks and ports come from.

use serde::Serialize;
use utoipa::ToSchema;

use crate::source::SourceStatus;

/// Where networks and ports come from, and how that is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = v2::Source)]
pub enum SourceView {
    /// From another database.
    Followed(SourceStatus),
    /// Through our own API.
    Native(NativeSource),
}

/// Networks and ports come through our own API.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v2::NativeSource)]
pub struct NativeSource {
    /// `native`.
    driver: &'static str,
}

impl From<Option<SourceStatus>> for SourceView {
    fn from(status: Option<SourceStatus>) -> Self {
        status.map_or(Self::Native(NativeSource { driver: "native" }), Self::Followed)
    }
}
