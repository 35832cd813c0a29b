//! What compute nodes and the switches of other gateways need: the MACs and VTEPs behind each gateway.
//!
//! ```text
//!   workers ── Report ──▶ Keeper ──▶ store: VTEPs, learned MACs, elections
//!                                      │ feed
//!                supervisor: Intent ── Update ──▶ Hub ──▶ GET /v2/fdb, watch
//!                                          └──▶ workers of other gateways' switches
//! ```
//!
//! What is announced follows from the store alone, so neither a restart nor a lost session withdraws anything, and every
//! revision of the store is one state of the FDB.

mod budget;
mod damper;
mod election;
mod flaps;
mod gateways;
mod handover;
mod hub;
mod keeper;
mod ledger;
mod moves;
mod notices;
mod render;

pub use budget::RATE;
pub use gateways::PortState;
pub use hub::{Hub, HubChange, Next, Scope, Snapshot};
pub use keeper::{Keeper, LearnedPlaces, Report, ReportContent};
pub use ledger::Place;
pub use moves::Moved;
pub use notices::Notices;
pub use render::{FdbChange, FdbNetwork, FdbSnapshot, View};
