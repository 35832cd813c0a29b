//! The rows of a network: what the claims on each of its MACs, the VTEPs of the hosts that claim it, and what gateways
//! announce come to. Nothing is changed here: [`Networks`] says which rows to look at, and keeps what comes of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use super::{
    super::{
        behind::{AllIps, Announced},
        chunks::{Chunked, Keyed},
        claims::{Claim, HostIndex, NetworkIndex},
    },
    DesiredMac, Dirty, NetworkIntent, Networks, Presence, State, UNREACHED, UnreachedHosts,
};
use crate::model::{MacAddr, PortId, indexed::FastMap};

/// The tables of a network.
#[derive(Default, Clone)]
pub(super) struct Rows {
    pub(super) macs: Chunked<DesiredMac>,
    pub(super) contested: Chunked<MacAddr>,
    pub(super) more_ips: Chunked<AllIps>,
    pub(super) relayed: Chunked<Announced>,
    pub(super) loops: Chunked<Announced>,
}

/// What became different of a network's rows.
pub(super) struct Edited {
    /// MACs whose rows changed.
    pub(super) macs: Arc<[MacAddr]>,
    /// Others are contested, or suspected of a loop, than before.
    others: bool,
}

impl Edited {
    pub(super) fn is_nothing(&self) -> bool {
        self.macs.is_empty() && !self.others
    }
}

/// What is known of one MAC of a network.
struct Entry {
    row: Row,
    /// All addresses, where there are several.
    more_ips: Option<AllIps>,
    relayed: Option<Announced>,
    looped: Option<Announced>,
}

enum Row {
    None,
    Unicast(DesiredMac),
    Contested,
}

impl Row {
    fn unicast(&self) -> Option<DesiredMac> {
        match self {
            Row::Unicast(row) => Some(*row),
            Row::None | Row::Contested => None,
        }
    }

    fn is_contested(&self) -> bool {
        matches!(self, Row::Contested)
    }
}

// ===== impl Networks =====

impl Networks {
    /// The MACs that ports claim on the networks whose rows are made from nothing: one pass for all of them.
    pub(super) fn macs_to_build(&self, dirty: &BTreeMap<NetworkIndex, Dirty>) -> FastMap<NetworkIndex, Vec<MacAddr>> {
        let is_new = |index: NetworkIndex, dirty: &Dirty| {
            let state = &self.states[index as usize];
            (dirty.all || state.intent.is_none()) && self.keeps(state) && !state.hosts.is_empty()
        };
        let new = dirty.iter().filter(|(index, dirty)| is_new(**index, dirty));
        let mut macs: FastMap<NetworkIndex, Vec<MacAddr>> = new.map(|(index, _)| (*index, Vec::new())).collect();
        if !macs.is_empty() {
            for claim in self.claims.iter() {
                if let Some(macs) = macs.get_mut(&claim.network) {
                    macs.push(claim.mac);
                }
            }
        }
        macs
    }

    /// The VTEPs of the hosts that have a port on the network.
    pub(super) fn flood(&self, state: &State) -> Arc<[Ipv4Addr]> {
        let vteps: BTreeSet<Ipv4Addr> = state.hosts.keys().filter_map(|host| self.vteps[*host as usize].vtep).collect();
        vteps.into_iter().collect()
    }

    /// The hosts without a VTEP whose ports no switch reaches. Bare metal needs none: it is a port whose MAC is learned
    /// behind a gateway.
    pub(super) fn unreached(&self, index: NetworkIndex, state: &State) -> Arc<UnreachedHosts> {
        if state.unplaced == 0 {
            return Arc::default();
        }
        let is_unplaced = |host: HostIndex| self.vteps[host as usize].vtep.is_none();
        let learned = state.announced.iter().flat_map(|announced| self.claims.with_key((index, announced.mac)));
        let learned = learned.filter(|claim| is_unplaced(claim.host)).map(|claim| (claim.port, claim.host));
        let mut bare_metal = FastMap::<HostIndex, u32>::default();
        for (_, host) in learned.collect::<BTreeSet<_>>() {
            *bare_metal.entry(host).or_default() += 1;
        }
        let host = |(host, presence): (&HostIndex, &Presence)| {
            let ports = presence.ports.saturating_sub(bare_metal.get(host).copied().unwrap_or(0));
            (ports > 0 && is_unplaced(*host)).then(|| (self.vteps[*host as usize].name.clone(), ports))
        };
        let mut listed: Vec<_> = state.hosts.iter().filter_map(host).collect();
        listed.sort_unstable();
        let count = listed.len();
        listed.truncate(UNREACHED);
        Arc::new(UnreachedHosts { listed, count })
    }

    /// All rows of a network: those of the MACs that ports claim, and of those that are announced.
    pub(super) fn build_rows(&self, index: NetworkIndex, mut macs: Vec<MacAddr>) -> Rows {
        macs.extend(self.states[index as usize].announced.iter().map(Keyed::key));
        macs.sort_unstable();
        macs.dedup();
        let (mut rows, mut contested, mut more_ips) = (Vec::with_capacity(macs.len()), Vec::new(), Vec::new());
        let (mut relayed, mut loops) = (Vec::new(), Vec::new());
        for mac in macs {
            let entry = self.entry(index, mac);
            match entry.row {
                Row::Unicast(row) => rows.push(row),
                Row::Contested => contested.push(mac),
                Row::None => {}
            }
            more_ips.extend(entry.more_ips);
            relayed.extend(entry.relayed);
            loops.extend(entry.looped);
        }
        Rows {
            macs: Chunked::build(rows),
            contested: Chunked::build(contested),
            more_ips: Chunked::build(more_ips),
            relayed: Chunked::build(relayed),
            loops: Chunked::build(loops),
        }
    }

    pub(super) fn edit_rows(
        &self,
        index: NetworkIndex,
        old: &NetworkIntent,
        dirty: BTreeSet<MacAddr>,
    ) -> (Rows, Option<Edited>) {
        let (mut rows, mut contested, mut more_ips) = (Vec::new(), Vec::new(), Vec::new());
        let (mut relayed, mut loops, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        for mac in dirty {
            let entry = self.entry(index, mac);
            if entry.row.is_contested() != old.contested.get(mac).is_some() {
                contested.push((mac, entry.row.is_contested().then_some(mac)));
            }
            if entry.looped.as_ref() != old.behind.loops.get(mac) {
                loops.push((mac, entry.looped));
            }
            let row = entry.row.unicast();
            let same_row = row.as_ref() == old.macs.get(mac);
            let same_relayed = entry.relayed.as_ref() == old.behind.macs.get(mac);
            let same_ips = entry.more_ips.as_ref() == old.more_ips.get(mac);
            if !same_row {
                rows.push((mac, row));
            }
            if !same_relayed {
                relayed.push((mac, entry.relayed));
            }
            if !same_ips {
                more_ips.push((mac, entry.more_ips));
            }
            if !(same_row && same_relayed && same_ips) {
                changed.push(mac);
            }
        }
        let edited = Edited { macs: changed.into(), others: !(contested.is_empty() && loops.is_empty()) };
        let behind = &old.behind;
        let mut new = Rows {
            macs: old.macs.clone(),
            contested: old.contested.clone(),
            more_ips: old.more_ips.clone(),
            relayed: behind.macs.clone(),
            loops: behind.loops.clone(),
        };
        new.macs.edit(rows);
        new.contested.edit(contested);
        new.more_ips.edit(more_ips);
        new.relayed.edit(relayed);
        new.loops.edit(loops);
        (new, Some(edited))
    }

    /// What is known of a MAC. One that a port on a compute node has is never relayed.
    fn entry(&self, network: NetworkIndex, mac: MacAddr) -> Entry {
        let (row, port) = self.row(network, mac);
        let more_ips = port.and_then(|port| self.more_ips.get(&port)).map(|ips| AllIps { mac, ips: ips.clone() });
        let announced = self.states[network as usize].announced.get(mac);
        let (relayed, looped) = if matches!(row, Row::None) { (announced, None) } else { (None, announced) };
        Entry { more_ips, relayed: relayed.cloned(), looped: looped.cloned(), row }
    }

    /// The row of a MAC, and the port that it is from: none while its host has no VTEP, and none where several hosts claim it.
    fn row(&self, network: NetworkIndex, mac: MacAddr) -> (Row, Option<PortId>) {
        let mut first: Option<&Claim> = None;
        for claim in self.claims.with_key((network, mac)) {
            match first {
                Some(other) if other.host != claim.host => return (Row::Contested, None),
                // The same answer whatever the order in which ports came.
                Some(other) if other.port < claim.port => {}
                _ => first = Some(claim),
            }
        }
        let Some(claim) = first else { return (Row::None, None) };
        match self.vteps[claim.host as usize].vtep {
            Some(vtep) => (Row::Unicast(DesiredMac { mac, vtep, ip: claim.ip }), Some(claim.port)),
            None => (Row::None, None),
        }
    }
}
