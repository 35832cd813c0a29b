//! What the supervisor asks a worker.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{passive::Arrival, target::PlanQuery};
use crate::{
    intent::HostNames,
    model::{event::Preview, status::SwitchStatus},
};

/// See the module.
#[derive(Debug)]
pub(super) enum Query {
    /// How are you? With the compute nodes behind VTEPs, where tunnels are reported.
    Status(Arc<HostNames>, oneshot::Sender<Vec<SwitchStatus>>),
    /// Let held deletions through.
    Release,
    /// Hold all deletions, or don't any more.
    Hold(bool),
    /// Compare everything, and put it right.
    Repair,
    /// What would be done? If it can't be said, why.
    Plan(PlanQuery, oneshot::Sender<Result<Preview, String>>),
    /// Which sections' switches still answer on this session? Without a session: none.
    Alive(oneshot::Sender<Vec<String>>),
    /// The switch dialled in.
    Adopt(Box<Arrival>),
}

/// The supervisor is gone: the worker ends.
#[derive(Debug)]
pub(super) struct Stopped;
