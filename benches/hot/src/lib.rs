//! Fixed work for the pure crates, from a message's bytes to the transaction that answers them: benchmarks time it, and
//! CI counts its instructions.

pub mod cases;
mod site;
