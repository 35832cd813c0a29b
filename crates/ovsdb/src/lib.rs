#![cfg_attr(feature = "client", doc = include_str!("../README.md"))]
#![cfg_attr(not(feature = "client"), doc = "The codec of the Open vSwitch Database protocol (RFC 7047).")]
//! # Design
//!
//! ```text
//!                  owner (one task)                      Client (for single callers)
//!        request │                ▲ Incoming
//!                ▼                │
//!          Connection           Inbox ── session::Liveness (pure: when to probe, when to give up)
//!      queue, bounded │           ▲    └─ framing → message → json
//!                     ▼           │
//!                    Stream                  transport: tcp, unix, ssl, ssh
//! ```
//!
//! Recovery is apart from the connection that it recovers: [`session::Backoff`] says when to dial again, its
//! owner dials. Values stay bytes until someone needs them: a [`json::Cursor`] reads them in one pass.

#[cfg(feature = "client")]
pub mod alarm;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "client")]
pub mod connection;
pub mod framing;
pub mod json;
pub mod message;
pub mod schema;
pub mod session;
pub mod transact;
#[cfg(feature = "client")]
pub mod transport;
#[cfg(feature = "client")]
pub mod turn;

#[cfg(feature = "client")]
pub use client::Client;
#[cfg(feature = "client")]
pub use connection::{CloseReason, Connection, Excess, Inbox, Limits, Memory, RequestError};
pub use json::{Cursor, JsonError};
pub use message::{Incoming, Raw, RpcError};
pub use schema::Schema;
pub use transact::Outcome;
#[cfg(feature = "client")]
pub use transport::{Address, Endpoint, Stream, dial, dial_behind};
