//! Real packets: the daemon, emulated top-of-rack switches (Open vSwitch in userspace and its VTEP emulator), compute
//! nodes with Linux VXLAN devices, virtual machines and bare metal, all in namespaces of the test's own.

#[path = "../support/support.rs"]
mod support;

mod cycles;
mod double;
mod figures;
mod gateways;
mod hostd;
mod independent;
mod inside;
mod keys;
mod monitor;
mod net;
mod ovs;
mod reach;
mod show;
mod strain;
mod topology;
mod traffic;
mod twins;
mod usecase;
mod world;
