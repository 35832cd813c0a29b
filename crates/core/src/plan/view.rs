//! A network as one database sees it: what the rows of all of its MACs have in common, found once for many of them.

use super::{Planner, Wanted};
use crate::{model::NetworkId, vtep::LogicalSwitchIndex};

/// See the module. It holds while neither the desired state nor the replica changes.
#[derive(Clone)]
pub(super) struct View<'a> {
    pub(super) network: NetworkId,
    pub(super) wanted: Wanted<'a>,
    /// The Logical_Switch that we write to.
    pub(super) chosen: Option<LogicalSwitchIndex>,
    /// Others of ours, that bear an earlier prefix.
    pub(super) surplus: Vec<LogicalSwitchIndex>,
    /// There is no Logical_Switch, and a foreign one has the network's VNI.
    pub(super) blocked: bool,
    /// A binding refers to one of its Logical_Switches.
    pub(super) bound: bool,
}

impl<'a> Planner<'a> {
    pub(super) fn view(&self, network: NetworkId) -> View<'a> {
        let wanted = self.wanted(network);
        let (chosen, surplus) = self.logical_switches(network);
        let conflicts = |intent| self.vni_conflict(intent).is_some();
        let blocked = chosen.is_none() && matches!(wanted, Wanted::Yes(intent) if conflicts(intent));
        let bound = chosen.iter().chain(&surplus).any(|index| self.actual.bindings_to(*index).next().is_some());
        View { network, wanted, chosen, surplus, blocked, bound }
    }
}
