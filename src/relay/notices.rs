//! What operators should know of learned MACs and elections: shown with the status of connections and switches.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{gateways::bound_alone, ledger::Ledger, moves::Moved};
use crate::{
    model::{GatewayId, MacAddr, NetworkId},
    topology::Topology,
};

/// Flapping MACs that are listed of one network.
const SHOWN: usize = 10;

/// See the module.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Notices {
    /// MACs that move too often, and the switches that have them; the first few of each network.
    pub flapping: HashMap<NetworkId, BTreeMap<MacAddr, Vec<Arc<str>>>>,
    /// Switches whose MACs come and go faster than they are taken.
    pub throttled: BTreeSet<Arc<str>>,
    /// Switches with more learned MACs than `max_learned_macs`, and how many are left out at least.
    pub overflowing: HashMap<Arc<str>, usize>,
    /// In `single-active`: the switch that is bound; `None`: none, because the last one hasn't let go.
    pub bound: HashMap<(GatewayId, NetworkId), Option<String>>,
    /// In `single-active`: networks that moved a short while ago.
    pub moved: Vec<Moved>,
}

pub(super) fn of(ledger: &mut Ledger, moved: Vec<Moved>, topology: &Topology, now_ms: u64) -> Notices {
    let mut notices = Notices {
        throttled: ledger.throttled(now_ms),
        overflowing: ledger.overflowing().map(|(switch, count)| (switch.clone(), count)).collect(),
        bound: bound_alone(topology).map(|(pair, switch)| (pair, switch.map(str::to_owned))).collect(),
        moved,
        ..Notices::default()
    };
    for ((network, mac), switches) in ledger.flapping() {
        let shown = notices.flapping.entry(network).or_default();
        if shown.len() < SHOWN {
            shown.insert(mac, switches);
        }
    }
    notices
}
