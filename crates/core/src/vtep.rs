//! `hardware_vtep` as Rust types: its tables, the replica of the rows that a switch holds, and the operations that change
//! them. It knows nothing of what is desired.
//!
//! `tables` declares each table once. From that come what a monitor asks for (`columns`), what is decoded (`decode`, `read`) and
//! what is written (`operations`, `write`).

pub mod budget;
pub mod columns;
mod decode;
pub mod identity;
pub mod operations;
pub mod ownership;
mod read;
pub mod replica;
pub mod rows;
mod table;
pub mod tables;
mod updates;
mod write;

pub use budget::{Budget, BudgetExcess};
pub use columns::{Columns, MissingColumn};
pub use operations::{LocatorRef, LogicalSwitchRef, Operation, encode};
pub use ownership::{Owner, Ownership};
pub use replica::{Replica, Touched};
pub use rows::{LocatorIndex, LogicalSwitchIndex, ReplicationMode, Strings, Tunnel};
pub use table::ColumnName;
pub use tables::Table;
pub use updates::{Decoding, UpdateError};

/// Name of the database (RFC 7047 `<db-name>`).
pub const DATABASE: &str = "hardware_vtep";

#[cfg(test)]
mod tests;
