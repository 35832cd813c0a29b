//! Addresses of ports: from which subnet each is, that no two ports have the same one, and which are given away.
//!
//! A fixed IP needs no subnet: on a network without any, addresses are taken as they are given.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{
    FixedIpDraft, Result, ServiceError,
    rules::{self, invalid},
};
use crate::{
    model::{FixedIp, NetworkId, PortId, Subnet, SubnetId, check_host_ip},
    store::{Allocation, Read},
};

/// Allocated addresses that are read at a time while a gap is looked for.
const PAGE: u32 = 1000;

/// What can be said of a port's addresses without the store.
pub(super) fn check(at: &str, ips: &[FixedIpDraft]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (i, FixedIpDraft { ip, subnet_id }) in ips.iter().enumerate() {
        let at = format!("{at}fixed_ips[{i}]");
        match ip {
            Some(ip) => {
                station(&format!("{at}.ip_address"), *ip)?;
                if !seen.insert(ip) {
                    return Err(invalid(format!("{at}.ip_address"), format!("{ip} is named twice")));
                }
            }
            None if subnet_id.is_none() => return Err(invalid(at, "names neither an address nor a subnet")),
            None => {}
        }
        if let Some(subnet) = subnet_id.as_deref().filter(|subnet| rules::uuid(subnet).is_none()) {
            let problem = format!("'{subnet}' is not a UUID: leave it out, a fixed IP needs no subnet");
            return Err(invalid(format!("{at}.subnet_id"), problem));
        }
    }
    Ok(())
}

/// The address of a single station.
pub(super) fn station(field: &str, ip: IpAddr) -> Result<()> {
    check_host_ip(ip).map_err(|problem| invalid(field, format!("{ip} {problem}: give the address of one station")))
}

/// What a port asks for; `ips` being `None`: an address of each family that its network has subnets of.
pub(super) struct Wish {
    pub(super) port: PortId,
    pub(super) network: NetworkId,
    pub(super) ips: Option<Vec<FixedIpDraft>>,
}

/// The addresses of each port, in the order of the wishes, and what has to be noted of them once the ports are there.
pub(super) async fn assign(read: &mut Read, wishes: Vec<Wish>) -> Result<(Vec<Vec<FixedIp>>, Vec<Allocation>)> {
    let mut desk = Desk::default();
    // What is asked for by name comes first, so that it isn't given away to somebody else.
    desk.claim_all(read, &wishes).await?;
    let mut assigned = Vec::with_capacity(wishes.len());
    for wish in wishes {
        assigned.push(desk.serve(read, wish).await?);
    }
    let allocations = desk.claimed.into_iter().map(|((subnet, ip), port)| (subnet, ip, port)).collect();
    Ok((assigned, allocations))
}

async fn refuse_taken(read: &mut Read, claimed: &BTreeSet<(SubnetId, IpAddr)>) -> Result<()> {
    if claimed.is_empty() {
        return Ok(());
    }
    match read.allocated(claimed).await?.first() {
        None => Ok(()),
        Some(&(subnet, ip, port)) => Err(ServiceError::IpInUse { ip, subnet, port: Some(port) }),
    }
}

/// Where one request's addresses are dealt out.
#[derive(Default)]
pub(super) struct Desk {
    /// Of the networks that were asked for.
    subnets: BTreeMap<NetworkId, Vec<Subnet>>,
    claimed: BTreeMap<(SubnetId, IpAddr), PortId>,
    /// By subnet and first address of a pool.
    cursors: BTreeMap<(SubnetId, IpAddr), Cursor>,
}

/// Where to look for a free address of a pool: above all that are allocated, then in the gaps between them. `None`: there
/// are no more.
#[derive(Clone, Copy)]
struct Cursor {
    above: Option<IpAddr>,
    gaps: Option<IpAddr>,
}

impl Desk {
    /// Notes all addresses that are asked for by name, and refuses those that somebody has.
    pub(super) async fn claim_all(&mut self, read: &mut Read, wishes: &[Wish]) -> Result<()> {
        let mut networks: BTreeSet<_> = wishes.iter().map(|wish| wish.network).collect();
        networks.retain(|network| !self.subnets.contains_key(network));
        for network in &networks {
            self.subnets.insert(*network, Vec::new());
        }
        for subnet in read.subnets_of(&networks).await? {
            self.subnets.entry(subnet.network_id).or_default().push(subnet);
        }
        let mut claimed = BTreeSet::new();
        for wish in wishes {
            for FixedIpDraft { ip, subnet_id } in wish.ips.iter().flatten() {
                if let Some(ip) = *ip
                    && let Some(subnet) = self.subnet_of(wish.network, ip, subnet_id.as_deref())?
                {
                    self.claim(subnet, ip, wish.port)?;
                    claimed.insert((subnet, ip));
                }
            }
        }
        refuse_taken(read, &claimed).await
    }

    /// The subnet that an address belongs to; `None`: to none that is known.
    fn subnet_of(&self, network: NetworkId, ip: IpAddr, named: Option<&str>) -> Result<Option<SubnetId>> {
        let known = self.subnets.get(&network).map(Vec::as_slice).unwrap_or_default();
        let Some(named) = named else {
            return Ok(known.iter().find(|subnet| subnet.cidr.contains(ip)).map(|subnet| subnet.id));
        };
        // Ports may come from elsewhere, with subnets that we don't know.
        if known.is_empty() {
            return Ok(None);
        }
        let subnet = find(known, named)?;
        if !subnet.cidr.contains(ip) {
            return Err(ServiceError::IpOutsideSubnet { ip, subnet: subnet.id, cidr: subnet.cidr });
        }
        Ok(Some(subnet.id))
    }

    fn claim(&mut self, subnet: SubnetId, ip: IpAddr, port: PortId) -> Result<()> {
        match self.claimed.insert((subnet, ip), port) {
            None => Ok(()),
            Some(_) => Err(ServiceError::IpInUse { ip, subnet, port: None }),
        }
    }

    async fn serve(&mut self, read: &mut Read, Wish { port, network, ips }: Wish) -> Result<Vec<FixedIp>> {
        let known = self.subnets.get(&network).cloned().unwrap_or_default();
        let Some(wanted) = ips else {
            let (v4, v6): (Vec<_>, Vec<_>) = known.iter().partition(|subnet| subnet.cidr.is_ipv4());
            let mut given = Vec::new();
            for family in [v4, v6].into_iter().filter(|family| !family.is_empty()) {
                given.push(self.give(read, port, network, &family).await?);
            }
            return Ok(given);
        };
        let mut given = Vec::with_capacity(wanted.len());
        for FixedIpDraft { ip, subnet_id } in wanted {
            given.push(if let Some(ip) = ip {
                let subnet = self.subnet_of(network, ip, subnet_id.as_deref())?;
                FixedIp { ip, subnet_id: subnet.map(|subnet| subnet.to_string()).or(subnet_id) }
            } else {
                let subnet = find(&known, subnet_id.as_deref().unwrap_or_default())?;
                self.give(read, port, network, &[subnet]).await?
            });
        }
        Ok(given)
    }

    /// Gives away an address of the first of these subnets that has a free one.
    async fn give(
        &mut self,
        read: &mut Read,
        port: PortId,
        network: NetworkId,
        subnets: &[&Subnet],
    ) -> Result<FixedIp> {
        for subnet in subnets {
            for &(first, last) in &subnet.pools {
                if let Some(ip) = self.free(read, subnet.id, first, last).await? {
                    self.claim(subnet.id, ip, port)?;
                    return Ok(FixedIp { ip, subnet_id: Some(subnet.id.to_string()) });
                }
            }
        }
        Err(ServiceError::NoFreeIp { network, subnets: subnets.iter().map(|subnet| subnet.id).collect() })
    }

    /// A free address of a pool. The next one above the highest costs one look, and leaves what was just given free,
    /// and may still be in some cache, alone for as long as it can; then the gaps.
    async fn free(&mut self, read: &mut Read, subnet: SubnetId, first: IpAddr, last: IpAddr) -> Result<Option<IpAddr>> {
        let mut cursor = if let Some(cursor) = self.cursors.get(&(subnet, first)) {
            *cursor
        } else {
            let highest = read.highest_allocated(subnet, first, last).await?;
            Cursor { above: highest.map_or(Some(first), following), gaps: highest.map(|_| first) }
        };
        let found = loop {
            let Some(ip) = cursor.above.filter(|ip| *ip <= last) else {
                cursor.above = None;
                break self.gap(read, subnet, &mut cursor, last).await?;
            };
            cursor.above = following(ip);
            if !self.claimed.contains_key(&(subnet, ip)) {
                break Some(ip);
            }
        };
        self.cursors.insert((subnet, first), cursor);
        Ok(found)
    }

    async fn gap(
        &self,
        read: &mut Read,
        subnet: SubnetId,
        cursor: &mut Cursor,
        last: IpAddr,
    ) -> Result<Option<IpAddr>> {
        while let Some(from) = cursor.gaps {
            let taken = read.allocated_between(subnet, from, last, PAGE).await?;
            let mut candidate = Some(from);
            for ip in &taken {
                while let Some(free) = candidate.filter(|free| free < ip) {
                    candidate = following(free);
                    if !self.claimed.contains_key(&(subnet, free)) {
                        cursor.gaps = candidate;
                        return Ok(Some(free));
                    }
                }
                candidate = following(*ip);
            }
            // What lies above the last one is not a gap, and was given away before.
            cursor.gaps = if taken.is_empty() { None } else { candidate };
        }
        Ok(None)
    }
}

fn find<'s>(known: &'s [Subnet], id: &str) -> Result<&'s Subnet> {
    let uuid = rules::uuid(id);
    known.iter().find(|subnet| Some(subnet.id.0) == uuid).ok_or_else(|| ServiceError::SubnetNotFound(id.to_owned()))
}

/// The next address; `None` after the last one of all.
pub(super) fn following(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().checked_add(1).map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(ip) => ip.to_bits().checked_add(1).map(|bits| Ipv6Addr::from_bits(bits).into()),
    }
}

/// The address before; `None` before the first one of all.
pub(super) fn preceding(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().checked_sub(1).map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(ip) => ip.to_bits().checked_sub(1).map(|bits| Ipv6Addr::from_bits(bits).into()),
    }
}
