//! The pure core of vtepd: no I/O, no clock.
//!
//! ```text
//!   model ──▶ vtep ──▶ intent ──▶ plan
//! ```
//!
//! [`model`] has the types that all share, [`vtep`] the tables of the `hardware_vtep` schema and a replica of their rows,
//! [`intent`] the desired state of each switch, and [`plan`] compares the two and yields the transactions that remove
//! every difference.

pub mod intent;
pub mod model;
pub mod plan;
pub mod vtep;
