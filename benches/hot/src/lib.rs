//! Fixed work for the pure crates, from a message's bytes to the transaction that answers them: benchmarks time it, and
//! CI counts its instructions.

// The resolver is a file of the package itself.
use vtepd_core::{intent, model};

pub mod cases;
pub mod relay;
mod site;
