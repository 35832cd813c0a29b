//! End to end: the daemon, real ovsdb-servers with the hardware_vtep schema, and vtep-ctl as the second opinion.

#[path = "../support/support.rs"]
mod support;

mod admin;
mod certificate;
mod changes;
mod clocks;
mod conversion;
mod demo;
mod drift;
mod extras;
mod faults;
mod fdb;
mod fencing;
mod files;
mod foreign;
mod guard;
mod harness;
mod hostile;
mod identity;
mod idle;
mod input;
mod keys;
mod learned;
mod lifecycle;
mod lines;
mod metrics;
mod obstacles;
mod passive;
mod poison;
mod random;
mod rivals;
mod scene;
mod schemas;
mod standby;
mod systemd;
mod transports;
mod twins;
mod usecase;
mod vnis;
