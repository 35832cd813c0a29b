//! Where networks and ports come from.

use serde::Serialize;
use utoipa::ToSchema;

use crate::source::Status;

/// Where networks and ports come from, and how that is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = v2::Source)]
pub enum SourceView {
    /// From another database.
    Followed(Status),
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

impl From<Option<Status>> for SourceView {
    fn from(status: Option<Status>) -> Self {
        status.map_or(Self::Native(NativeSource { driver: "native" }), Self::Followed)
    }
}
