//! The desired state on disk: SQLite behind sqlx's `Any` driver.

mod error;

pub use error::StoreError;

/// The handle of the store: cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {}
