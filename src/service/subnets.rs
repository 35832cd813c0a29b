//! Subnets: ranges of addresses on networks.

use std::{collections::BTreeMap, net::IpAddr};

use ipnetwork::IpNetwork;

use super::{
    Caller, Result, Service, ServiceError, SubnetDraft, SubnetUpdate,
    addresses::{following, preceding, station},
    rules::{self, NAME, invalid},
};
use crate::{
    model::{NetworkId, PortId, Subnet, SubnetId},
    store::{Allocation, Annotated, Attributes, PortColumn, Read, SUBNET_ATTRIBUTES, Selection, SubnetColumn, Write},
};

/// Pools of one subnet.
const POOLS: usize = 100;
/// Ports that are scanned at a time.
const PAGE: u32 = 1000;

impl Service {
    /// Creates a subnet. Addresses of its range that ports of the network have already are theirs.
    pub async fn create_subnet(&self, caller: &Caller, draft: SubnetDraft) -> Result<Annotated<Subnet>> {
        self.may_write()?;
        let subnet = build(caller, draft, "")?;
        self.store.write(move |write| Box::pin(insert(write, subnet))).await
    }

    /// Creates all of these subnets, or none.
    pub async fn create_subnets(&self, caller: &Caller, drafts: Vec<SubnetDraft>) -> Result<Vec<Annotated<Subnet>>> {
        self.may_write()?;
        let build = |(i, draft)| build(caller, draft, &format!("subnets[{i}]."));
        let subnets = drafts.into_iter().enumerate().map(build).collect::<Result<Vec<_>>>()?;
        self.store
            .write(move |write| {
                Box::pin(async move {
                    let mut created = Vec::with_capacity(subnets.len());
                    for subnet in subnets {
                        created.push(insert(write, subnet).await?);
                    }
                    Ok(created)
                })
            })
            .await
    }

    /// The subnets of a selection.
    pub async fn subnets(&self, selection: &Selection<SubnetColumn>) -> Result<Vec<Annotated<Subnet>>> {
        Ok(self.store.snapshot().await?.subnets(selection).await?)
    }

    /// One subnet by UUID.
    pub async fn subnet(&self, id: &str) -> Result<Annotated<Subnet>> {
        find(&mut self.store.snapshot().await?, id).await
    }

    /// Changes a subnet; addresses that ports have stay theirs.
    pub async fn update_subnet(&self, id: &str, update: SubnetUpdate) -> Result<Annotated<Subnet>> {
        self.may_write()?;
        if let Some(name) = &update.name {
            rules::text("name", name, NAME)?;
        }
        let id = id.to_owned();
        self.store
            .write(move |write| {
                Box::pin(async move {
                    let old = find(write, &id).await?;
                    let mut new = old.clone();
                    new.row.name = update.name.unwrap_or(new.row.name);
                    new.row.gateway_ip = update.gateway.unwrap_or(new.row.gateway_ip);
                    new.row.pools = update.pools.unwrap_or(new.row.pools);
                    new.attributes.change(SUBNET_ATTRIBUTES, update.attributes);
                    check(&new, "")?;
                    if new != old {
                        new.stamp = new.stamp.again();
                        write.update_subnet(&new).await?;
                    }
                    Ok(new)
                })
            })
            .await
    }

    /// Deletes a subnet of which no port has an address.
    pub async fn delete_subnet(&self, id: &str) -> Result<()> {
        self.may_write()?;
        let id = id.to_owned();
        self.store
            .write(move |write| {
                Box::pin(async move {
                    let subnet = find(write, &id).await?.id;
                    let addresses = write.allocation_count(subnet).await?;
                    if addresses > 0 {
                        return Err(ServiceError::SubnetInUse { subnet, addresses });
                    }
                    Ok(write.remove_subnet(subnet).await?)
                })
            })
            .await
    }
}

pub(super) async fn find(read: &mut Read, id: &str) -> Result<Annotated<Subnet>> {
    let missing = || ServiceError::SubnetNotFound(id.to_owned());
    let Some(uuid) = rules::uuid(id) else {
        let named = Selection { limit: Some(rules::NAMED), ..Selection::among(SubnetColumn::Name, [id]) };
        let named: Vec<_> = read.subnets(&named).await?.iter().map(|subnet| subnet.id).collect();
        return Err(rules::no_uuid(id, &named, missing()));
    };
    read.subnet(SubnetId(uuid)).await?.ok_or_else(missing)
}

fn build(caller: &Caller, draft: SubnetDraft, at: &str) -> Result<Annotated<Subnet>> {
    rules::text(&format!("{at}name"), &draft.name, NAME)?;
    let tenant_id = rules::tenant(&format!("{at}tenant_id"), draft.tenant_id, caller)?;
    let network = rules::uuid(&draft.network)
        .ok_or_else(|| invalid(format!("{at}network_id"), format!("'{}' is not a UUID", draft.network)))?;
    let range = Range::of(draft.cidr);
    let gateway_ip = draft.gateway.unwrap_or_else(|| range.gateway());
    let subnet = Subnet {
        id: SubnetId::random(),
        name: draft.name,
        tenant_id,
        network_id: NetworkId(network),
        cidr: range.cidr,
        gateway_ip,
        pools: draft.pools.unwrap_or_else(|| range.pools(gateway_ip)),
    };
    check(&subnet, at)?;
    Ok(Annotated::new(subnet, Attributes::of(SUBNET_ATTRIBUTES, draft.attributes)))
}

/// What holds of a subnet, new or changed.
fn check(subnet: &Subnet, at: &str) -> Result<()> {
    if let Some(gateway) = subnet.gateway_ip {
        let field = format!("{at}gateway_ip");
        station(&field, gateway)?;
        if gateway.is_ipv4() != subnet.cidr.is_ipv4() {
            return Err(invalid(field, format!("{gateway} is of another family than {}", subnet.cidr)));
        }
    }
    if subnet.pools.len() > POOLS {
        return Err(invalid(format!("{at}allocation_pools"), format!("are more than {POOLS}")));
    }
    for (i, &(first, last)) in subnet.pools.iter().enumerate() {
        let field = format!("{at}allocation_pools[{i}]");
        if !subnet.cidr.contains(first) || !subnet.cidr.contains(last) {
            return Err(invalid(field, format!("{first} to {last} is not within {}", subnet.cidr)));
        }
        if first > last {
            return Err(invalid(field, format!("{first} comes after {last}")));
        }
        if let Some(gateway) = subnet.gateway_ip.filter(|gateway| (first..=last).contains(gateway)) {
            return Err(invalid(field, format!("{first} to {last} contains the gateway's address {gateway}")));
        }
    }
    Ok(())
}

/// The addresses of a range.
struct Range {
    /// With the range's first address.
    cidr: IpNetwork,
    /// First and last address that a station may have.
    stations: (IpAddr, IpAddr),
    /// There are more than one or two of them.
    wide: bool,
}

impl Range {
    fn of(given: IpNetwork) -> Self {
        let (first, last) = (given.network(), given.broadcast());
        // What was parsed has a prefix that fits.
        let cidr = IpNetwork::new(first, given.prefix()).unwrap_or(given);
        let wide = following(first).is_some_and(|second| second < last);
        let stations = match (wide, given.is_ipv4()) {
            (false, _) => (first, last),
            (true, true) => (following(first).unwrap_or(first), preceding(last).unwrap_or(last)),
            // IPv6 knows no broadcast; the first address is that of its routers (RFC 4291, section 2.6.1).
            (true, false) => (following(first).unwrap_or(first), last),
        };
        Self { cidr, stations, wide }
    }

    /// The first station's address, where there is room for others beside it.
    fn gateway(&self) -> Option<IpAddr> {
        self.wide.then_some(self.stations.0)
    }

    /// All stations but the gateway.
    fn pools(&self, gateway: Option<IpAddr>) -> Vec<(IpAddr, IpAddr)> {
        let (first, last) = self.stations;
        let Some(gateway) = gateway.filter(|gateway| (first..=last).contains(gateway)) else {
            return vec![(first, last)];
        };
        let below = preceding(gateway).map(|end| (first, end));
        let above = following(gateway).map(|start| (start, last));
        below.into_iter().chain(above).filter(|(first, last)| first <= last).collect()
    }
}

async fn insert(write: &mut Write, subnet: Annotated<Subnet>) -> Result<Annotated<Subnet>> {
    let network = subnet.network_id;
    if write.network(network).await?.is_none() {
        return Err(ServiceError::NetworkNotFound(network.to_string()));
    }
    let others = write.subnets_of(&[network].into()).await?;
    let overlaps = |other: &&Subnet| other.cidr.contains(subnet.cidr.ip()) || subnet.cidr.contains(other.cidr.ip());
    if let Some(other) = others.iter().find(overlaps) {
        return Err(invalid("cidr", format!("{} overlaps with {} of subnet {}", subnet.cidr, other.cidr, other.id)));
    }
    write.insert_subnet(&subnet).await?;
    let held = held(write, &subnet).await?;
    write.allocate(&held).await?;
    Ok(subnet)
}

/// The addresses of a subnet's range that ports of its network have already; one that several have counts once.
async fn held(read: &mut Read, subnet: &Subnet) -> Result<Vec<Allocation>> {
    let mut holders: BTreeMap<IpAddr, PortId> = BTreeMap::new();
    let mut selection = Selection { limit: Some(PAGE), ..Selection::among(PortColumn::Network, [subnet.network_id]) };
    loop {
        let ports = read.ports(&selection).await?;
        for port in &ports {
            for fixed in port.fixed_ips.iter().filter(|fixed| subnet.cidr.contains(fixed.ip)) {
                holders.entry(fixed.ip).or_insert(port.id);
            }
        }
        match ports.last() {
            Some(last) if ports.len() >= PAGE as usize => selection.go_on_after(last),
            _ => break,
        }
    }
    Ok(holders.into_iter().map(|(ip, port)| (subnet.id, ip, port)).collect())
}
