//! End to end: the daemon, real ovsdb-servers with the hardware_vtep schema, and vtep-ctl as the second opinion.

#[path = "../support/support.rs"]
mod support;

mod harness;
