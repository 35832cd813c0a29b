//! The operator's hands: `l2gw` against the running daemon and real ovsdb-servers, every command and the mistakes that one
//! can make with it.

#[path = "../support/support.rs"]
mod support;

mod commands;
mod described;
mod files;
mod journal;
mod l2gw;
mod mistakes;
mod offline;
mod plans;
mod terminal;
mod typed;
mod view;
mod waits;
mod workday;
