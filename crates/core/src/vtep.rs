//! `hardware_vtep` as Rust types: which columns we ask for, the replica of the rows that a switch holds, and the
//! operations that change them. It knows nothing of what is desired.

pub mod budget;
pub mod columns;
mod decode;
mod extras;
pub mod identity;
pub mod operations;
pub mod ownership;
pub mod replica;
pub mod rows;
mod updates;

pub use budget::{Budget, Excess};
pub use columns::Columns;
pub use extras::{Strings, Tunnel};
pub use operations::{LocatorRef, LogicalSwitchRef, Operation, encode};
pub use ownership::{Owner, Ownership};
pub use replica::{Replica, Touched};
pub use rows::{LocatorIndex, LogicalSwitchIndex, ReplicationMode};
pub use updates::{Decoding, UpdateError};

/// Name of the database (RFC 7047 `<db-name>`).
pub const DATABASE: &str = "hardware_vtep";

#[cfg(test)]
mod tests;
