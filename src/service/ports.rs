//! Ports: which MAC is on which network, at which compute node.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use uuid::Uuid;

use super::{
    AddressPairDraft, Caller, FixedIpDraft, PortDraft, PortUpdate, Result, Service, ServiceError,
    addresses::{self, Wish},
    claims::{check_claims, check_quota},
    rules::{self, NAME, invalid},
};
use crate::{
    model::{AddressPair, Elsewhere, FixedIp, MacAddr, NetworkId, Port, PortId, Tombstone, check_pair_ip},
    store::{Annotated, Attributes, PORT_ATTRIBUTES, PortColumn, Read, Selection, StoreError, Write},
};

/// Rounds of drawing random MACs until none is taken; with a million ports on one network each round leaves a sixteenth.
const DRAWS: usize = 32;

impl Service {
    /// Creates a port.
    pub async fn create_port(&self, caller: &Caller, draft: PortDraft) -> Result<Annotated<Port>> {
        self.may_write()?;
        let draft = Draft::check(caller, draft, "")?;
        let id = draft.port.row.id;
        let (caller, quota) = (caller.clone(), self.max_ports_per_host);
        let mut ports =
            self.store.write(move |write| Box::pin(insert(write, caller, quota, vec![draft], Arc::default()))).await?;
        ports.pop().ok_or_else(|| ServiceError::PortNotFound(id.to_string()))
    }

    /// The ports of a selection.
    pub async fn ports(&self, selection: &Selection<PortColumn>) -> Result<Vec<Annotated<Port>>> {
        Ok(self.store.snapshot().await?.ports(selection).await?)
    }

    /// One port by UUID.
    pub async fn port(&self, caller: &Caller, id: &str) -> Result<Annotated<Port>> {
        find_of(&mut self.store.snapshot().await?, caller, id).await
    }

    /// Changes a port.
    pub async fn update_port(&self, caller: &Caller, id: &str, mut update: PortUpdate) -> Result<Annotated<Port>> {
        self.may_write()?;
        check_update(&update)?;
        if let Some(host) = &update.host {
            check_own(caller, host.as_deref().unwrap_or_default())?;
        }
        let (caller, id) = (caller.clone(), id.to_owned());
        self.store
            .write(move |write| {
                Box::pin(async move {
                    let old = find_of(write, &caller, &id).await?;
                    let fixed_ips = match update.fixed_ips.take() {
                        None => old.fixed_ips.clone(),
                        Some(ips) => readdress(write, &old, ips).await?,
                    };
                    let mut new = apply(old.clone(), update, fixed_ips);
                    if new == old {
                        return Ok(new);
                    }
                    new.stamp = new.stamp.again();
                    write.annotate_port(&new).await?;
                    // What clients alone keep changes nothing on a switch.
                    if new.row == old.row {
                        return Ok(new);
                    }
                    if new.mac != old.mac {
                        let wanted = BTreeSet::from([(new.network_id, new.mac)]);
                        refuse_taken(write, &wanted).await?;
                    }
                    if (new.mac, &new.allowed_address_pairs) != (old.mac, &old.allowed_address_pairs) {
                        check_claims(write, &caller, &[&new]).await?;
                    }
                    let before = live_macs(write, &[&old]).await?;
                    let after = live_macs(write, &[&new]).await?;
                    write.update_port(&new).await?;
                    let gone = before.difference(&after).copied().collect();
                    explain(write, gone).await?;
                    unexplain(write, after).await?;
                    Ok(new)
                })
            })
            .await
    }

    /// Deletes a port.
    pub async fn delete_port(&self, caller: &Caller, id: &str) -> Result<()> {
        self.may_write()?;
        let (caller, id) = (caller.clone(), id.to_owned());
        self.store
            .write(move |write| {
                Box::pin(async move {
                    let port = find_of(write, &caller, &id).await?;
                    let live = live_macs(write, &[&port]).await?;
                    write.remove_port(port.id).await?;
                    Ok(explain(write, live).await?)
                })
            })
            .await
    }
}

async fn find(read: &mut Read, id: &str) -> Result<Annotated<Port>> {
    let missing = || ServiceError::PortNotFound(id.to_owned());
    let Some(uuid) = rules::uuid(id) else {
        let named = Selection { limit: Some(rules::NAMED), ..Selection::among(PortColumn::Name, [id]) };
        let named: Vec<_> = read.ports(&named).await?.iter().map(|port| port.id).collect();
        return Err(rules::no_uuid(id, &named, missing()));
    };
    read.port(PortId(uuid)).await?.ok_or_else(missing)
}

/// A port that is the caller's: to a compute node there are no others than its own.
pub(super) async fn find_of(read: &mut Read, caller: &Caller, id: &str) -> Result<Annotated<Port>> {
    let port = find(read, id).await?;
    let own = caller.host.is_none() || caller.host == port.host;
    if own { Ok(port) } else { Err(ServiceError::PortNotFound(id.to_owned())) }
}

/// A compute node names no other host than itself.
fn check_own(caller: &Caller, host: &str) -> Result<()> {
    match &caller.host {
        Some(own) if own != host => Err(ServiceError::NotOwnHost { own: own.clone(), host: host.to_owned() }),
        _ => Ok(()),
    }
}

/// MACs on networks.
pub(super) type Macs = BTreeSet<(NetworkId, MacAddr)>;

/// A port to insert; its MAC, and those of its address pairs that follow it, may be still to draw.
pub(super) struct Draft {
    pub(super) port: Annotated<Port>,
    pub(super) draw: bool,
    ips: Option<Vec<FixedIpDraft>>,
    pairs: Vec<AddressPairDraft>,
}

impl Draft {
    pub(super) fn check(caller: &Caller, mut draft: PortDraft, at: &str) -> Result<Self> {
        if let Some(own) = &caller.host {
            check_own(caller, draft.host.get_or_insert_with(|| own.clone()))?;
        }
        rules::text(&format!("{at}name"), &draft.name, NAME)?;
        let tenant_id = rules::tenant(&format!("{at}tenant_id"), draft.tenant_id, caller)?;
        let network = rules::uuid(&draft.network)
            .ok_or_else(|| invalid(format!("{at}network_id"), format!("'{}' is not a UUID", draft.network)))?;
        if let Some(mac) = draft.mac {
            rules::unicast(&format!("{at}mac_address"), mac)?;
        }
        addresses::check(at, draft.fixed_ips.as_deref().unwrap_or_default())?;
        check_pairs(at, &draft.allowed_address_pairs)?;
        check_host(at, draft.host.as_deref())?;
        let port = Port {
            id: PortId::random(),
            name: draft.name,
            tenant_id,
            network_id: NetworkId(network),
            mac: draft.mac.unwrap_or(MacAddr::new([0; 6])),
            fixed_ips: Vec::new(),
            host: draft.host.filter(|host| !host.is_empty()),
            elsewhere: Elsewhere::Nowhere,
            allowed_address_pairs: Vec::new(),
        };
        let port = Annotated::new(port, Attributes::of(PORT_ATTRIBUTES, draft.attributes));
        Ok(Self { port, draw: draft.mac.is_none(), ips: draft.fixed_ips, pairs: draft.allowed_address_pairs })
    }

    /// Whether it asks for certain addresses.
    pub(super) fn names_addresses(&self) -> bool {
        self.ips.iter().flatten().any(|ip| ip.ip.is_some())
    }

    /// The addresses that it asks for.
    pub(super) fn wish(&self) -> Wish {
        Wish { port: self.port.id, network: self.port.network_id, ips: self.ips.clone() }
    }

    fn finish(self, fixed_ips: Vec<FixedIp>) -> Annotated<Port> {
        let mut port = self.port;
        port.row.allowed_address_pairs = with_macs(self.pairs, port.mac);
        port.row.fixed_ips = fixed_ips;
        port
    }
}

fn check_update(update: &PortUpdate) -> Result<()> {
    if let Some(name) = &update.name {
        rules::text("name", name, NAME)?;
    }
    if let Some(tenant) = &update.tenant_id {
        rules::text("tenant_id", tenant, NAME)?;
    }
    if let Some(mac) = update.mac {
        rules::unicast("mac_address", mac)?;
    }
    addresses::check("", update.fixed_ips.as_deref().unwrap_or_default())?;
    check_pairs("", update.allowed_address_pairs.as_deref().unwrap_or_default())?;
    check_host("", update.host.as_ref().and_then(Option::as_deref))
}

fn check_host(at: &str, host: Option<&str>) -> Result<()> {
    host.map_or(Ok(()), |host| rules::text(&format!("{at}binding:host_id"), host, NAME))
}

fn check_pairs(at: &str, pairs: &[AddressPairDraft]) -> Result<()> {
    for (i, pair) in pairs.iter().enumerate() {
        if let Some(mac) = pair.mac {
            rules::unicast(&format!("{at}allowed_address_pairs[{i}].mac_address"), mac)?;
        }
        check_pair_ip(pair.ip).map_err(|problem| {
            let field = format!("{at}allowed_address_pairs[{i}].ip_address");
            invalid(field, format!("{} {problem}: give the address of one station, or a prefix", pair.ip))
        })?;
    }
    Ok(())
}

fn with_macs(pairs: Vec<AddressPairDraft>, own: MacAddr) -> Vec<AddressPair> {
    pairs.into_iter().map(|pair| AddressPair { mac: pair.mac.unwrap_or(own), ip: pair.ip }).collect()
}

/// Gives the port these addresses instead of those that it has.
async fn readdress(write: &mut Write, port: &Port, ips: Vec<FixedIpDraft>) -> Result<Vec<FixedIp>> {
    write.release_addresses(port.id).await?;
    let wish = Wish { port: port.id, network: port.network_id, ips: Some(ips) };
    let (mut ips, allocations) = addresses::assign(write, vec![wish]).await?;
    write.allocate(&allocations).await?;
    Ok(ips.pop().unwrap_or_default())
}

fn apply(annotated: Annotated<Port>, update: PortUpdate, fixed_ips: Vec<FixedIp>) -> Annotated<Port> {
    let Annotated { row: old, mut attributes, stamp } = annotated;
    attributes.change(PORT_ATTRIBUTES, update.attributes);
    let mac = update.mac.unwrap_or(old.mac);
    let kept = old.allowed_address_pairs;
    let row = Port {
        id: old.id,
        name: update.name.unwrap_or(old.name),
        tenant_id: update.tenant_id.unwrap_or(old.tenant_id),
        network_id: old.network_id,
        mac,
        fixed_ips,
        host: update.host.map_or(old.host, |host| host.filter(|host| !host.is_empty())),
        elsewhere: old.elsewhere,
        allowed_address_pairs: update.allowed_address_pairs.map_or(kept, |pairs| with_macs(pairs, mac)),
    };
    Annotated { row, attributes, stamp }
}

/// Inserts ports. `reserved` are MACs that none of them gets unless it asks for it.
pub(super) async fn insert(
    write: &mut Write,
    caller: Caller,
    quota: u32,
    mut drafts: Vec<Draft>,
    reserved: Arc<Macs>,
) -> Result<Vec<Annotated<Port>>> {
    check_quota(write, &caller, drafts.len(), quota).await?;
    let networks: BTreeSet<_> = drafts.iter().map(|draft| draft.port.network_id).collect();
    let known = write.networks_among(&networks).await?;
    if let Some(missing) = networks.difference(&known).next() {
        return Err(ServiceError::NetworkNotFound(missing.to_string()));
    }
    let mut macs = Macs::new();
    for port in drafts.iter().filter(|draft| !draft.draw).map(|draft| &draft.port) {
        if !macs.insert((port.network_id, port.mac)) {
            return Err(ServiceError::MacInUse { network: port.network_id, mac: port.mac, port: None });
        }
    }
    refuse_taken(write, &macs).await?;
    draw_macs(write, &mut drafts, macs, &reserved).await?;
    let wish = |draft: &mut Draft| Wish { port: draft.port.id, network: draft.port.network_id, ips: draft.ips.take() };
    let (ips, allocations) = addresses::assign(write, drafts.iter_mut().map(wish).collect()).await?;
    let ports: Vec<_> = drafts.into_iter().zip(ips).map(|(draft, ips)| draft.finish(ips)).collect();
    check_claims(write, &caller, &ports.iter().map(|port| &port.row).collect::<Vec<_>>()).await?;
    write.insert_ports(&ports).await?;
    write.allocate(&allocations).await?;
    let live = live_macs(write, &ports.iter().map(|port| &port.row).collect::<Vec<_>>()).await?;
    unexplain(write, live).await?;
    Ok(ports)
}

pub(super) async fn refuse_taken(read: &mut Read, wanted: &Macs) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    match read.macs_taken(wanted).await?.first() {
        None => Ok(()),
        Some(&(port, network, mac)) => Err(ServiceError::MacInUse { network, mac, port: Some(port) }),
    }
}

/// Gives each port that came without a MAC a random one of Neutron's prefix that is free on its network.
async fn draw_macs(read: &mut Read, drafts: &mut [Draft], mut used: Macs, reserved: &Macs) -> Result<()> {
    let mut waiting: Vec<_> = drafts.iter_mut().filter(|draft| draft.draw).map(|draft| &mut draft.port.row).collect();
    for _ in 0..DRAWS {
        if waiting.is_empty() {
            return Ok(());
        }
        for port in &mut waiting {
            port.mac = random_mac();
        }
        // Against this request first, then against the table.
        let (fresh, twice): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|port| {
            !reserved.contains(&(port.network_id, port.mac)) && used.insert((port.network_id, port.mac))
        });
        let wanted = fresh.iter().map(|port| (port.network_id, port.mac)).collect();
        let taken = read.macs_taken(&wanted).await?.into_iter().map(|(_, network, mac)| (network, mac));
        let taken: BTreeSet<_> = taken.collect();
        waiting = fresh.into_iter().filter(|port| taken.contains(&(port.network_id, port.mac))).chain(twice).collect();
    }
    match waiting.first() {
        None => Ok(()),
        Some(port) => Err(ServiceError::MacInUse { network: port.network_id, mac: port.mac, port: None }),
    }
}

/// `fa:16:3e` and 24 random bits: Neutron's `base_mac`.
fn random_mac() -> MacAddr {
    let [a, b, c, ..] = Uuid::new_v4().into_bytes();
    MacAddr::new([0xfa, 0x16, 0x3e, a, b, c])
}

/// MACs that switches hold for these ports: the ports' own and those that they may speak for, where their host has a
/// tunnel endpoint.
pub(super) async fn live_macs(
    read: &mut Read,
    ports: &[&Port],
) -> std::result::Result<BTreeSet<(NetworkId, MacAddr)>, StoreError> {
    let hosts: BTreeSet<_> = ports.iter().flat_map(|port| port.claiming_hosts()).collect();
    if hosts.is_empty() {
        return Ok(BTreeSet::new());
    }
    let reachable = read.hosts_among(&hosts).await?;
    let live = ports.iter().filter(|port| port.claiming_hosts().any(|host| reachable.contains(host)));
    let macs = live.flat_map(|port| {
        let pairs = port.allowed_address_pairs.iter().map(|pair| pair.mac);
        std::iter::once(port.mac).chain(pairs).map(|mac| (port.network_id, mac))
    });
    Ok(macs.collect())
}

/// Explains that these MACs go, except for those that a port that stays has as its own.
pub(super) async fn explain(
    write: &mut Write,
    mut gone: BTreeSet<(NetworkId, MacAddr)>,
) -> std::result::Result<(), StoreError> {
    if gone.is_empty() {
        return Ok(());
    }
    let kept: BTreeMap<_, _> =
        write.macs_taken(&gone).await?.into_iter().map(|(port, network, mac)| ((network, mac), port)).collect();
    if !kept.is_empty() {
        let ports = write.ports_among(&kept.values().copied().collect()).await?;
        for alive in live_macs(write, &ports.iter().collect::<Vec<_>>()).await? {
            gone.remove(&alive);
        }
    }
    write.explain(tombstones(gone)).await
}

pub(super) async fn unexplain(
    write: &mut Write,
    live: BTreeSet<(NetworkId, MacAddr)>,
) -> std::result::Result<(), StoreError> {
    write.unexplain(&tombstones(live)).await
}

fn tombstones(macs: BTreeSet<(NetworkId, MacAddr)>) -> Vec<Tombstone> {
    macs.into_iter().map(|(network, mac)| Tombstone::Mac { network, mac }).collect()
}
