//! The pure rooms, from a message's bytes to the transaction that answers them, and fixed work for them to do.
//!
//! They are the package's own files, by links: nothing here is a copy. Tests belong to the package.

// What only a connection calls.
#![allow(dead_code)]

pub mod config;
pub mod intent;
pub mod model;
pub mod ovsdb;
pub mod plan;
pub mod relay;
pub mod vtep;

pub mod cases;
mod site;
