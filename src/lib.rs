//! vtepd: a controller for hardware VTEP gateways.
//!
//! It joins Neutron networks (VXLAN) with VLANs behind top-of-rack switches by keeping each switch's
//! `hardware_vtep` database (OVSDB, RFC 7047) as a desired-state database says. `ARCHITECTURE.md` draws
//! the rooms below and the one direction in which they may import each other; `tests/house` holds them to it.

pub mod admin;
pub mod api;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod fleet;
pub mod hostd;
pub mod relay;
pub mod service;
pub mod source;
pub mod store;
pub mod telemetry;

pub use ovsdb;
pub use vtepd_core::{intent, model, plan, topology, vtep};
