//! The pure core of vtepd: no I/O, no clock.
//!
//! ```text
//!   model ──▶ vtep ──▶ topology ──▶ intent ──▶ plan
//! ```
//!
//! [`model`] has the types that all share, [`vtep`] the tables of the `hardware_vtep` schema and a replica of their rows,
//! [`topology`] how gateways, networks and switches hang together, [`intent`] the desired state of each switch, and [`plan`] compares the two and yields the transactions that remove
//! every difference.

pub mod intent;
pub mod model;
pub mod plan;
pub mod topology;
pub mod vtep;
