mod auth;
mod calls;
pub(crate) mod harness;
mod malformed;
mod neutron;
mod socket;
mod specification;
mod tls;
