//! The house's own rules, checked without a network: arrows between rooms, sizes of files, the example, the unit.

mod arrows;
mod files;
mod packaging;
