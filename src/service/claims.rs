//! What a compute node may claim with its own token: MACs that no other port has, and a limited number of ports.
//!
//! An admin may let two hosts speak for one MAC (VRRP). A compute node may not: with the MAC of another host's machine, or of
//! bare metal, it would take that one's row from the switches. Who was first keeps it.

use std::collections::BTreeSet;

use super::{Caller, Result, ServiceError};
use crate::{
    model::{MacAddr, NetworkId, Port, PortId},
    store::Read,
};

/// Refuses MACs of these ports, new or changed, that another host's port has or may speak for, or that a switch has
/// learned. Of an admin everything is taken.
pub(super) async fn check_claims(read: &mut Read, caller: &Caller, ports: &[&Port]) -> Result<()> {
    let Some(own) = caller.host.as_deref() else { return Ok(()) };
    let claimed = |port: &Port| {
        let network = port.network_id;
        let pairs: Vec<_> = port.allowed_address_pairs.iter().map(|pair| pair.mac).collect();
        std::iter::once(port.mac).chain(pairs).map(move |mac| (network, mac))
    };
    let macs: BTreeSet<(NetworkId, MacAddr)> = ports.iter().flat_map(|port| claimed(port)).collect();
    let theirs = |port: &Port| port.host.as_deref() != Some(own);
    let refuse = |(network, mac): (NetworkId, MacAddr), by: String| Err(ServiceError::MacClaimed { network, mac, by });

    let taken = read.macs_taken(&macs).await?;
    let holders: BTreeSet<PortId> = taken.iter().map(|(port, ..)| *port).collect();
    if let Some(port) = read.ports_among(&holders).await?.iter().find(|port| theirs(port)) {
        return refuse((port.network_id, port.mac), format!("of port {}", port.id));
    }
    let networks = macs.iter().map(|(network, _)| *network).collect();
    for port in read.ports_with_pairs(&networks).await?.iter().filter(|port| theirs(port)) {
        let pair = port.allowed_address_pairs.iter().map(|pair| (port.network_id, pair.mac));
        if let Some(claim) = pair.into_iter().find(|claim| macs.contains(claim)) {
            return refuse(claim, format!("an allowed address pair of port {}", port.id));
        }
    }
    match read.learned_among(&macs).await?.into_iter().next() {
        None => Ok(()),
        Some((network, mac, switch)) => refuse((network, mac), format!("learned by switch '{switch}'")),
    }
}

/// Refuses ports of a compute node beyond its quota.
pub(super) async fn check_quota(read: &mut Read, caller: &Caller, more: usize, quota: u32) -> Result<()> {
    let Some(host) = &caller.host else { return Ok(()) };
    let there = read.ports_of_hosts(&BTreeSet::from([host.clone()])).await?;
    if there + more as u64 > u64::from(quota) {
        return Err(ServiceError::OverQuota { host: host.clone(), there, more, quota });
    }
    Ok(())
}
