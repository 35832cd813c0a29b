//! The client of RFC 7047 without its connections: bytes and messages.

pub mod framing;
pub mod json;
pub mod message;
pub mod transact;

/// What the documentation of the messages speaks of.
pub type Connection = ();
