//! Real packets: the daemon, emulated top-of-rack switches (Open vSwitch in userspace and its VTEP emulator), compute
//! nodes with Linux VXLAN devices, virtual machines and bare metal, all in namespaces of the test's own.

// What the tests to come use is here already.
#![allow(dead_code)]

#[path = "../support/support.rs"]
mod support;

mod double;
mod hostd;
mod inside;
mod net;
mod ovs;
mod reach;
mod topology;
mod traffic;
