mod attributes;
mod auth;
mod calls;
pub(crate) mod harness;
mod l2gw;
mod lists;
mod malformed;
mod neutron;
mod openapi;
#[path = "../../tests/support/schema.rs"]
mod schema;
mod socket;
mod specification;
mod subnets;
mod tls;
