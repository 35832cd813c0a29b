//! The house's own rules, checked without a network: arrows between rooms, sizes of files, the example, what is installed,
//! the unit and what it is told.

mod arrows;
mod clocks;
mod files;
mod install;
mod names;
mod packaging;
#[cfg(feature = "systemd")]
mod systemd;
