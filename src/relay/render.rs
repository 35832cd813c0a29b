//! A network as a compute node sees it, and its JSON.

use std::{borrow::Cow, collections::BTreeSet, net::Ipv4Addr};

use serde::Serialize;
use utoipa::ToSchema;

use super::hub::Scope;
use crate::{
    intent::NetworkIntent,
    model::{Ips, MacAddr, NetworkId, Revision, Vni},
};

/// A network in one scope.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    network: &'a NetworkIntent,
    vni: Vni,
    scope: Scope,
}

/// `entries` of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = fdb::Entry)]
pub struct FdbEntry<'a> {
    /// Who is reached.
    #[schema(value_type = String)]
    mac: MacAddr,
    /// Its addresses, as far as they are known.
    #[serde(serialize_with = "list")]
    #[schema(value_type = Vec<String>)]
    ips: Cow<'a, Ips>,
    /// Where it is reached.
    #[schema(value_type = String)]
    vtep: Ipv4Addr,
    kind: Kind,
}

/// Behind a gateway, or on a compute node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = fdb::Kind)]
enum Kind {
    Learned,
    Port,
}

/// The FDB of a network. Long ones are written piece by piece ([`View::write_head`], [`FdbEntry::write`]) in this form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = fdb::Network)]
pub struct FdbNetwork<'a> {
    /// The network.
    pub network_id: NetworkId,
    /// Its VNI; `None`: it has no VXLAN segment.
    pub vni: Option<Vni>,
    /// Of what this shows; in a snapshot of the stream it stands beside the networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// VTEPs that broadcasts are sent to, sorted.
    #[schema(value_type = Vec<String>)]
    pub flood: Vec<Ipv4Addr>,
    /// Who is reached through which VTEP.
    pub entries: Vec<FdbEntry<'a>>,
}

/// All networks. Written piece by piece, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = fdb::Snapshot)]
pub struct FdbSnapshot<'a> {
    /// Of what this shows.
    pub revision: Revision,
    /// By id.
    pub networks: Vec<FdbNetwork<'a>>,
}

// serde's signature.
#[allow(clippy::ptr_arg)]
fn list<S: serde::Serializer>(ips: &Cow<'_, Ips>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ips.as_slice())
}

// ===== impl View =====

impl<'a> View<'a> {
    /// `None`: the network is nothing in this scope.
    #[must_use]
    pub fn of(network: &'a NetworkIntent, scope: Scope) -> Option<Self> {
        let there = scope == Scope::All || !network.behind.gateways.is_empty();
        network.vni.filter(|_| there).map(|vni| Self { network, vni, scope })
    }

    /// The network.
    #[must_use]
    pub fn id(&self) -> NetworkId {
        self.network.id
    }

    /// VTEPs that broadcasts are sent to, sorted.
    #[must_use]
    pub fn flood(&self) -> Vec<Ipv4Addr> {
        let mut all: BTreeSet<_> = self.network.behind.flood(&[]).collect();
        if self.scope == Scope::All {
            all.extend(self.network.flood.iter());
        }
        all.into_iter().collect()
    }

    /// The entry of a MAC.
    #[must_use]
    pub fn entry(&self, mac: MacAddr) -> Option<FdbEntry<'a>> {
        let learned = || self.network.behind.macs.get(mac).map(learned);
        let port = || self.network.macs.get(mac).map(|row| self.port(row));
        if self.scope == Scope::All { learned().or_else(port) } else { learned() }
    }

    /// All entries: those behind gateways, then ports.
    pub fn entries(&self) -> impl Iterator<Item = FdbEntry<'a>> + use<'a> {
        let view = *self;
        let ports = (self.scope == Scope::All).then(|| self.network.macs.iter().map(move |row| view.port(row)));
        self.network.behind.macs.iter().map(learned).chain(ports.into_iter().flatten())
    }

    fn port(&self, row: &crate::intent::DesiredMac) -> FdbEntry<'a> {
        let ips = match self.network.more_ips.get(row.mac) {
            Some(all) => Cow::Borrowed(&all.ips),
            None => Cow::Owned(row.ip.map_or(Ips::None, Ips::One)),
        };
        FdbEntry { mac: row.mac, ips, vtep: row.vtep, kind: Kind::Port }
    }

    /// The beginning of the network's object, up to its entries: `{"network_id":…,"vni":…,"flood":[…],"entries":[`.
    pub fn write_head(&self, text: &mut Vec<u8>, revision: Option<u64>) {
        text.extend_from_slice(br#"{"network_id":""#);
        text.extend_from_slice(self.network.id.to_string().as_bytes());
        text.extend_from_slice(br#"","vni":"#);
        number(text, self.vni.get().into());
        if let Some(revision) = revision {
            text.extend_from_slice(br#","revision":"#);
            number(text, revision);
        }
        text.extend_from_slice(br#","flood":"#);
        write(text, &self.flood());
        text.extend_from_slice(br#","entries":["#);
    }
}

fn learned(row: &crate::intent::Announced) -> FdbEntry<'_> {
    let ips = Cow::Borrowed(&row.ips);
    FdbEntry { mac: row.mac, ips, vtep: row.vtep, kind: Kind::Learned }
}

impl FdbEntry<'_> {
    /// Appends the entry's object.
    pub fn write(&self, text: &mut Vec<u8>) {
        write(text, self);
    }
}

fn write(text: &mut Vec<u8>, value: &impl Serialize) {
    // Numbers, addresses and ids always have a JSON form, and a Vec takes all.
    let _ = serde_json::to_writer(text, value);
}

fn number(text: &mut Vec<u8>, number: u64) {
    text.extend_from_slice(number.to_string().as_bytes());
}

/// `change` of the watch stream: what became different of one network; `None`: nothing that shows in this scope.
pub(super) fn change(
    scope: Scope,
    revision: u64,
    old: Option<&NetworkIntent>,
    new: Option<&NetworkIntent>,
    macs: Option<&[MacAddr]>,
) -> Option<Vec<u8>> {
    let old = old.and_then(|network| View::of(network, scope));
    let new = new.and_then(|network| View::of(network, scope));
    let shown = new.or(old)?;
    let (mut set, mut del) = (Vec::new(), Vec::new());
    match (new, macs, old) {
        (Some(new), Some(macs), Some(old)) => {
            for mac in macs {
                match (old.entry(*mac), new.entry(*mac)) {
                    (before, Some(now)) if before.as_ref() != Some(&now) => set.push(now),
                    (Some(_), None) => del.push(*mac),
                    _ => {}
                }
            }
        }
        (Some(new), _, old) => {
            let changed = |entry: &FdbEntry<'_>| old.is_none_or(|old| old.entry(entry.mac).as_ref() != Some(entry));
            set.extend(new.entries().filter(changed));
            let gone = old.into_iter().flat_map(|old| old.entries()).filter(|entry| new.entry(entry.mac).is_none());
            del.extend(gone.map(|entry| entry.mac));
        }
        (None, ..) => {}
    }
    let flood = new.map(|new| new.flood()).unwrap_or_default();
    let same = old.is_some_and(|old| new.is_some_and(|new| old.vni == new.vni && old.flood() == flood));
    if same && set.is_empty() && del.is_empty() {
        return None;
    }
    let mut text = Vec::new();
    let change =
        FdbChange { revision, network_id: shown.id(), vni: shown.vni, flood, set, del, removed: new.is_none() };
    write(&mut text, &change);
    Some(text)
}

/// What became different of a network.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = fdb::Change)]
pub struct FdbChange<'a> {
    /// The revision that it leads to.
    revision: Revision,
    /// The network.
    network_id: NetworkId,
    /// Its VNI.
    vni: Vni,
    /// The whole list of VTEPs that broadcasts are sent to.
    #[schema(value_type = Vec<String>)]
    flood: Vec<Ipv4Addr>,
    /// Entries that are new or different.
    set: Vec<FdbEntry<'a>>,
    /// MACs that have no entry any more.
    #[schema(value_type = Vec<String>)]
    del: Vec<MacAddr>,
    /// The network is not there any more.
    removed: bool,
}
