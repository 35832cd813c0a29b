//! The task that owns all: what vtepd says, what the kernel holds, and the one way from the first to the second.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::Ipv4Addr,
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::{
    fdb::{Dirty, Event, Fdb},
    kernel::{Kernel, News, Operation, Origin, Touched, bridge_name, vxlan_name},
    netlink::{KernelEvent, Netlink, NetlinkError},
    note::Note,
    plan::{self, Policy, Scope},
    ports::Locals,
    watch::WatchEvent,
};
use crate::{
    config::{HostConfig, NetworkName},
    model::{MacAddr, NetworkId, Vni},
    telemetry::notify::{ServiceState, notify, watchdog_period},
};

/// Events and news that are taken before the kernel is looked after, at most.
const AT_ONCE: usize = 4096;
/// Passes over the interfaces until they must be right: bridge and device are made, set up, and then there is nothing.
const PASSES: usize = 4;
/// How long repairs wait for further drift: a program that alters our entries all the time doesn't keep us busy all the time.
const DRIFT: Duration = Duration::from_millis(100);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// How often everything is read again although nothing was heard.
const AUDIT: Duration = Duration::from_mins(5);
const BEAT: Duration = Duration::from_secs(15);
/// Failures of one pass that are named in the log.
const NAMED: usize = 5;

/// What is to be looked at.
#[derive(Debug, Default)]
struct Work {
    /// The kernel is to be read again, and all compared.
    everything: bool,
    links: bool,
    /// Networks of which all is to be compared.
    networks: HashSet<Vni>,
    macs: HashMap<Vni, HashSet<MacAddr>>,
}

impl Work {
    fn is_empty(&self) -> bool {
        !self.everything && !self.links && self.networks.is_empty() && self.macs.is_empty()
    }
}

/// The agent.
pub(super) struct Agent {
    host: HostConfig,
    policy: Policy,
    netlink: Netlink,
    told: mpsc::Receiver<WatchEvent>,
    heard: mpsc::Receiver<KernelEvent>,
    locals: watch::Sender<Option<Locals>>,
    fdb: Fdb,
    /// Whether vtepd has said what there is: until then nothing is touched.
    informed: bool,
    connected: bool,
    /// Whether the kernel was read.
    read: bool,
    kernel: Kernel,
    note: Note,
    /// The networks that have their interfaces here.
    wanted: BTreeMap<Vni, NetworkId>,
    conflicts: BTreeMap<Vni, String>,
    /// What stands in the way of all networks.
    obstacle: Option<String>,
    work: Work,
    /// When drift is repaired.
    repair: Option<Instant>,
    retry: Option<Instant>,
    pause: Duration,
}

impl Agent {
    pub(super) fn new(
        host: HostConfig,
        (netlink, heard): (Netlink, mpsc::Receiver<KernelEvent>),
        told: mpsc::Receiver<WatchEvent>,
        locals: watch::Sender<Option<Locals>>,
    ) -> Self {
        Self {
            policy: Policy::of(&host),
            netlink,
            told,
            heard,
            locals,
            fdb: Fdb::new(host.local_ip),
            informed: false,
            connected: false,
            read: false,
            kernel: Kernel::default(),
            note: Note::read(&host.state_file),
            wanted: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            obstacle: None,
            work: Work { everything: true, ..Work::default() },
            repair: None,
            retry: None,
            pause: FIRST_RETRY,
            host,
        }
    }

    /// Works until it is dropped, or the task that follows vtepd has ended.
    pub(super) async fn run(mut self) {
        let watched = watchdog_period();
        let mut beat = interval(watched.unwrap_or(BEAT));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut audit = interval(AUDIT);
        audit.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                told = self.told.recv() => {
                    let Some(told) = told else { return };
                    let mut dirty = Vec::from_iter(self.take(told));
                    for _ in 0..AT_ONCE {
                        let Ok(told) = self.told.try_recv() else { break };
                        dirty.extend(self.take(told));
                    }
                    self.absorb(dirty);
                }
                heard = self.heard.recv() => {
                    // Without news of the kernel, the audit is what is left.
                    let Some(heard) = heard else { return };
                    self.hear(heard);
                    for _ in 0..AT_ONCE {
                        let Ok(heard) = self.heard.try_recv() else { break };
                        self.hear(heard);
                    }
                    self.report();
                    if self.work.is_empty() {
                        continue;
                    }
                    let due = *self.repair.get_or_insert_with(|| Instant::now() + DRIFT);
                    if due > Instant::now() {
                        continue;
                    }
                }
                () = until(self.repair) => {}
                () = until(self.retry) => self.work.everything = true,
                _ = audit.tick() => self.work.everything = true,
                _ = beat.tick() => {
                    if watched.is_some() {
                        notify(ServiceState::Watchdog);
                    }
                    continue;
                }
            }
            self.repair = None;
            self.reconcile().await;
            self.report();
        }
    }

    // ===== what comes in =====

    fn take(&mut self, told: WatchEvent) -> Option<Dirty> {
        match told {
            WatchEvent::Connected(connected) => {
                self.connected = connected;
                self.tell();
                None
            }
            WatchEvent::Event(Event::Snapshot(snapshot)) if snapshot.networks.is_empty() && !self.wanted.is_empty() => {
                // Rather a store that was lost, or is the wrong one, than all networks deleted at once.
                tracing::error!(
                    kept = self.wanted.len(),
                    "vtepd says that there are no networks at all: what is here stays; if that is right, restart vtep-hostd"
                );
                None
            }
            WatchEvent::Event(event) => {
                self.informed = true;
                Some(self.fdb.apply(event))
            }
        }
    }

    /// Turns what became different into work.
    fn absorb(&mut self, dirty: Vec<Dirty>) {
        if dirty.is_empty() {
            return;
        }
        let now = self.wanted();
        let before = std::mem::replace(&mut self.wanted, now);
        if before != self.wanted {
            self.work.links = true;
            let other = self.wanted.iter().filter(|(vni, id)| before.get(vni) != Some(id));
            self.work.networks.extend(other.map(|(vni, _)| *vni));
        }
        for dirty in dirty {
            match dirty {
                Dirty::Everything => {
                    self.work.links = true;
                    self.work.networks.extend(self.wanted.keys());
                }
                Dirty::Network(id, macs) => {
                    let vni = self.fdb.network(id).map(|network| network.vni);
                    if let Some(vni) = vni.filter(|vni| self.wanted.contains_key(vni)) {
                        self.work.macs.entry(vni).or_default().extend(macs);
                    }
                }
            }
        }
    }

    fn hear(&mut self, heard: KernelEvent) {
        let KernelEvent::News(news) = heard else {
            self.work.everything = true;
            return;
        };
        let is_link = matches!(news, News::Link(..) | News::LinkGone(_));
        let before = is_link.then(|| plan::underlay(&self.kernel, &self.policy));
        let touched = self.kernel.apply(news);
        if before.is_some_and(|before| before != plan::underlay(&self.kernel, &self.policy)) {
            self.work.links = true;
        }
        match touched {
            Touched::Nothing => {}
            Touched::Links => self.work.links = true,
            Touched::Mac(vni, mac) => drop(self.work.macs.entry(vni).or_default().insert(mac)),
            Touched::Flood(vni) => drop(self.work.macs.entry(vni).or_default()),
        }
    }

    /// The networks that are needed here.
    fn wanted(&self) -> BTreeMap<Vni, NetworkId> {
        let named = |id: NetworkId, vni: Vni| {
            self.host.networks.iter().any(|name| match *name {
                NetworkName::Vni(number) => number == vni.get(),
                NetworkName::Id(uuid) => uuid == id.0,
            })
        };
        let networks = self.fdb.networks();
        networks
            .filter(|(id, network)| network.has_local_port() || named(*id, network.vni))
            .map(|(id, network)| (network.vni, id))
            .collect()
    }

    // ===== what goes out =====

    async fn reconcile(&mut self) {
        if !self.informed || self.work.is_empty() {
            return;
        }
        let work = std::mem::take(&mut self.work);
        let whole = work.everything;
        let mut failures = Vec::new();
        self.try_reconcile(work, &mut failures).await;
        if failures.is_empty() {
            // A part that went well repairs nothing that failed before.
            if whole {
                (self.retry, self.pause) = (None, FIRST_RETRY);
            }
            self.tell();
            return;
        }
        let (overtaken, wrong): (Vec<_>, Vec<_>) = failures.iter().partition(|error| error.is_overtaken());
        if let Some(first) = overtaken.first() {
            tracing::info!(entries = overtaken.len(), %first, "another program was faster: everything is read again");
        }
        for error in wrong.iter().take(NAMED) {
            tracing::error!(%error, "the kernel is not as it should be");
        }
        if !wrong.is_empty() {
            tracing::warn!(failures = wrong.len(), seconds = self.pause.as_secs(), "it will be tried again");
        }
        self.retry = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_RETRY);
    }

    async fn try_reconcile(&mut self, mut work: Work, failures: &mut Vec<NetlinkError>) {
        if work.everything {
            match self.netlink.read().await {
                Ok(kernel) => (self.kernel, self.read) = (kernel, true),
                Err(error) => return failures.push(error),
            }
            if let Err(error) = self.note.compare(&self.kernel) {
                tracing::error!(%error, "a note can't be kept");
            }
            work.links = true;
            work.networks.extend(self.wanted.keys());
        }
        if work.links {
            self.links(&mut work.networks, failures).await;
        }
        for vni in &work.networks {
            self.entries(*vni, Scope::All, failures).await;
        }
        for (vni, macs) in work.macs.iter().filter(|(vni, _)| !work.networks.contains(vni)) {
            self.entries(*vni, Scope::Some(macs), failures).await;
        }
    }

    /// Interfaces; networks whose device is new are to be compared as a whole.
    async fn links(&mut self, fresh: &mut HashSet<Vni>, failures: &mut Vec<NetlinkError>) {
        for _ in 0..PASSES {
            let links = plan::links(&self.wanted, &self.kernel, &self.policy);
            self.complain(links.conflicts, links.obstacle);
            if links.operations.is_empty() {
                return;
            }
            let (done, failed) = self.netlink.carry_out(links.operations).await;
            let stuck = !failed.is_empty();
            failures.extend(failed);
            for operation in &done {
                match operation {
                    Operation::AddVxlan { vni, .. } => {
                        fresh.insert(*vni);
                        self.noted(|note| note.forget(*vni));
                        tracing::info!(vni = vni.get(), network = ?self.wanted.get(vni).map(|id| id.0), "the network is here");
                    }
                    Operation::Delete { name, .. } => tracing::info!(name, "the interface is not needed any more"),
                    _ => {}
                }
            }
            if let Err(error) = self.netlink.read_links(&mut self.kernel).await {
                return failures.push(error);
            }
            if stuck {
                return;
            }
        }
    }

    /// Logs what stands in the way, once.
    fn complain(&mut self, conflicts: BTreeMap<Vni, String>, obstacle: Option<String>) {
        for (vni, why) in &conflicts {
            if self.conflicts.get(vni) != Some(why) {
                tracing::error!(vni = vni.get(), "conflict: {why}");
            }
        }
        if let Some(why) = obstacle.as_ref().filter(|_| obstacle != self.obstacle) {
            tracing::error!("no interface can be made or changed: {why}");
        }
        (self.conflicts, self.obstacle) = (conflicts, obstacle);
    }

    /// Entries of one network.
    async fn entries(&mut self, vni: Vni, scope: Scope<'_>, failures: &mut Vec<NetlinkError>) {
        if self.conflicts.contains_key(&vni) {
            return;
        }
        let Some(network) = self.wanted.get(&vni).and_then(|id| self.fdb.network(*id)) else { return };
        let mut operations = plan::entries(network, scope, &self.kernel, &self.policy, self.note.of(vni));
        if operations.is_empty() {
            return;
        }
        let added: Vec<Ipv4Addr> = floods(&operations, true);
        if !added.is_empty() && !self.noted(|note| note.add(vni, &added)) {
            operations.retain(|operation| !matches!(operation, Operation::Flood { .. }));
        }
        let (done, failed) = self.netlink.carry_out(operations).await;
        failures.extend(failed);
        for news in done.iter().filter_map(Operation::effect) {
            self.kernel.apply(news);
        }
        let removed = floods(&done, false);
        if !removed.is_empty() {
            self.noted(|note| note.remove(vni, &removed));
        }
        tracing::debug!(vni = vni.get(), operations = done.len(), "entries are as vtepd says");
    }

    fn noted(&mut self, change: impl FnOnce(&mut Note) -> Result<(), super::note::NoteError>) -> bool {
        change(&mut self.note).map_err(|error| tracing::error!(%error, "a note can't be kept")).is_ok()
    }

    // ===== what is told =====

    /// What the bridges know of local machines, for the part that reports it.
    fn report(&self) {
        if !(self.host.report_ports && self.informed && self.read) {
            return;
        }
        let locals = Some(self.locals());
        self.locals.send_if_modified(|before| {
            let differs = *before != locals;
            *before = locals;
            differs
        });
    }

    fn locals(&self) -> Locals {
        let mut locals = Locals::default();
        for (&vni, &network) in &self.wanted {
            let Some((bridge, _)) = self.kernel.find(&bridge_name(vni)) else { continue };
            let device = self.kernel.find(&vxlan_name(vni)).map(|(device, _)| device);
            let members = self.kernel.links.iter().filter(|(_, link)| link.master == Some(bridge));
            let members = members.filter(|(index, _)| Some(**index) != device);
            locals.interfaces.extend(members.map(|(_, link)| (network, link.name.clone())));
            for (&mac, station) in self.kernel.stations.get(&bridge).into_iter().flatten() {
                if Some(station.port) == device {
                    locals.away.insert((network, mac));
                } else if let (Origin::Learned, Some(link)) = (station.origin, self.kernel.links.get(&station.port)) {
                    locals.heard.insert((network, mac), link.name.clone());
                }
            }
        }
        locals
    }

    /// One line for `systemctl status`.
    fn tell(&self) {
        let entries: usize = self.kernel.forwarding.values().map(|forwarding| forwarding.unicast.len()).sum();
        let vtepd = if self.connected { "vtepd is heard" } else { "vtepd is away" };
        let wrong = match (&self.obstacle, self.conflicts.len()) {
            (Some(obstacle), _) => format!(", {obstacle}"),
            (None, 0) => String::new(),
            (None, count) => format!(", {count} networks in conflict: see the log"),
        };
        notify(ServiceState::Status(&format!("{} networks, {entries} MACs, {vtepd}{wrong}", self.wanted.len())));
    }
}

fn floods(operations: &[Operation], added: bool) -> Vec<Ipv4Addr> {
    let vtep = |operation: &Operation| match operation {
        Operation::Flood { vtep, .. } if added => Some(*vtep),
        Operation::Unflood { vtep, .. } if !added => Some(*vtep),
        _ => None,
    };
    operations.iter().filter_map(vtep).collect()
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
