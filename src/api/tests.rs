mod auth;
mod calls;
mod harness;
mod malformed;
mod neutron;
mod socket;
mod specification;
