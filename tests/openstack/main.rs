//! With OpenStack's own programs, databases and clients. What they need comes with `tests/run.sh openstack`
//! (`make test-openstack`); the other steps leave this binary out.

#[path = "../support/support.rs"]
mod support;

mod ansible;
mod clients;
mod database;
mod identity;
mod keystone;
mod life;
mod neutron;
mod odd;
mod schemathesis;
mod source;
mod tempest;
