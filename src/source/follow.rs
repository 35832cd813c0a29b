//! The task that follows: looks, judges, writes, waits.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{
    Refused, Runner, STEP, Sink, SourceError, SourceState, Step,
    guard::SourceGuard,
    left_out::{LeftOutRows, Row},
    memory::{Findings, Memory},
    neutron::Neutron,
    now,
    rows::{Draft, LeftOut},
};
use crate::{
    model::{Network, PortId},
    store::{Store, StoreError},
};

/// How often everything is compared: what increments can't show (deletions, bindings) is found then at the latest.
const WHOLE: Duration = Duration::from_mins(1);
/// What changed so long before the last look is checked again: times of changes are whole seconds of neutron-server's
/// clock, and a transaction may be committed well after them.
const OVERLAP: Duration = Duration::from_secs(30);
/// Longest pause between two attempts at a database that is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Ports that are compared at a time.
const PAGE: usize = 1000;
/// A whole comparison that counts called for takes at most this share of the time.
const SHARE: u32 = 4;

/// Why a look came to nothing.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The task's state.
pub(super) struct Follower<S> {
    runner: Runner,
    store: Store,
    sink: S,
    memory: Option<Memory>,
    guard: SourceGuard,
    neutron: Option<Neutron>,
    /// When everything is compared next.
    whole_at: Instant,
    /// When counts may bring that forward.
    forward_at: Instant,
    /// When the last look began that was complete.
    looked_at: Instant,
    left_out: LeftOutRows,
}

impl<S: Sink> Follower<S> {
    pub(super) fn new(runner: Runner, store: Store, sink: S) -> Self {
        let guard = SourceGuard::new(runner.config.guard_percent, runner.config.guard_min_rows);
        let now = Instant::now();
        Self {
            runner,
            store,
            sink,
            memory: None,
            guard,
            neutron: None,
            whole_at: now,
            forward_at: now,
            looked_at: now,
            left_out: LeftOutRows::default(),
        }
    }

    pub(super) async fn run(mut self) {
        let interval = self.runner.config.poll_interval;
        let mut failures = 0;
        loop {
            let began = Instant::now();
            let pause = match self.look().await {
                Ok(()) => {
                    failures = 0;
                    self.looked_at = began;
                    self.follows();
                    interval
                }
                Err(error) => {
                    failures += 1;
                    self.failed(&error);
                    (interval * 2_u32.saturating_pow(failures)).min(LONGEST_PAUSE).max(interval)
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                Some(()) = self.runner.released.recv() => {
                    tracing::warn!(held = self.guard.held().total(), "losses of Neutron's database were released");
                    self.guard.release();
                    self.whole_at = Instant::now();
                }
            }
        }
    }

    /// One look, and what follows from it.
    async fn look(&mut self) -> Result<(), LookError> {
        // First what may fail often: what is in force isn't read anew with each attempt at a database that is away.
        let mut neutron = match self.neutron.take() {
            Some(neutron) => neutron,
            None => Neutron::connect(&self.runner.config).await?,
        };
        let mut memory = match self.memory.take() {
            Some(memory) => memory,
            None => Memory::load(&self.store).await?,
        };
        let looked = self.look_with(&mut memory, &mut neutron).await;
        if let Err(LookError::Source(_)) = looked {
            // The connection is in doubt. What is in force is not.
            self.memory = Some(memory);
            self.whole_at = Instant::now();
            return looked;
        }
        self.neutron = Some(neutron);
        if looked.is_ok() {
            self.memory = Some(memory);
        } else {
            // What is in force isn't known any more: it is read anew.
            self.whole_at = Instant::now();
        }
        looked
    }

    async fn look_with(&mut self, memory: &mut Memory, neutron: &mut Neutron) -> Result<(), LookError> {
        let began = Instant::now();
        neutron.begin().await?;
        let mut findings = self.compare(memory, neutron, began >= self.whole_at).await?;
        neutron.end().await?;
        let whole = findings.whole;
        if whole {
            let took = began.elapsed();
            self.whole_at = began + took + WHOLE;
            self.forward_at = began + took + took * SHARE;
        }
        self.left_out.begin();
        for (port, why) in std::mem::take(&mut findings.left_out) {
            self.left_out.see(Row::Port(port), why);
        }
        for port in std::mem::take(&mut findings.settled) {
            self.left_out.settle(Row::Port(port));
        }
        self.judge(memory, &mut findings).await?;
        self.write(memory, neutron, findings).await?;
        self.left_out.end(whole);
        Ok(())
    }

    // ===== compare =====

    async fn compare(
        &mut self,
        memory: &mut Memory,
        neutron: &mut Neutron,
        whole: bool,
    ) -> Result<Findings, SourceError> {
        if whole {
            return compare_all(memory, neutron).await;
        }
        let mut findings = memory.begin(false);
        memory.see_endpoints(&neutron.endpoints().await?, &mut findings);
        let window = (self.looked_at.elapsed() + OVERLAP).as_secs() + 1;
        let networks = neutron.recent_networks(window).await?;
        for ids in networks.chunks(PAGE) {
            for network in neutron.networks(Some(ids)).await? {
                memory.see_network(network, &mut findings);
            }
        }
        let ports = neutron.recent_ports(window).await?;
        for ids in ports.chunks(PAGE) {
            see_ports(memory, neutron.ports(ids).await?, &mut findings);
        }
        // What increments don't show betrays itself by the counts.
        if neutron.counts().await? != memory.expected && Instant::now() >= self.forward_at {
            return compare_all(memory, neutron).await;
        }
        Ok(findings)
    }

    // ===== judge =====

    /// Takes out of the findings what must wait.
    async fn judge(&mut self, memory: &Memory, findings: &mut Findings) -> Result<(), StoreError> {
        if !findings.gone_endpoints.is_empty() {
            let hosts: BTreeSet<String> = findings.gone_endpoints.iter().cloned().collect();
            findings.losses.stranded = self.store.snapshot().await?.ports_of_hosts(&hosts).await?;
        }
        let before = self.guard.held();
        let held = self.guard.judge(&findings.losses, findings.whole, memory.totals());
        if held.is_empty() {
            return Ok(());
        }
        findings.networks.retain(|network| !held.networks.contains(&network.id));
        findings.gone_networks.retain(|id| !held.networks.contains(id));
        findings.ports.retain(|id| !held.ports.contains_key(id));
        findings.gone_ports.retain(|id| !held.ports.contains_key(id));
        findings.gone_endpoints.retain(|host| !held.endpoints.contains(host));
        let now = self.guard.held();
        if now != before {
            tracing::error!(
                networks = now.networks,
                ports = now.ports,
                tunnel_endpoints = now.tunnel_endpoints,
                "much is no longer in Neutron's database: held until it is back, or released"
            );
        }
        Ok(())
    }

    // ===== write =====

    /// Writes what was found, ports as they are now. What is gone goes first: its VNIs and MACs may be in use again.
    async fn write(&mut self, memory: &mut Memory, neutron: &mut Neutron, findings: Findings) -> Result<(), LookError> {
        for ids in findings.gone_ports.chunks(STEP) {
            self.take(Step::RemovePorts(ids.to_vec())).await?;
            for id in ids {
                memory.port_is_gone(*id);
            }
        }
        for ids in findings.gone_networks.chunks(STEP) {
            self.take(Step::RetireNetworks(ids.to_vec())).await?;
            for id in ids {
                memory.network_is_gone(*id);
            }
        }
        for networks in findings.networks.chunks(STEP) {
            let refused = self.take(Step::PutNetworks(networks.to_vec())).await?;
            for network in networks {
                let without = refused.networks.contains(&network.id);
                if !without {
                    self.left_out.settle(Row::Network(network.id));
                }
                let vni = network.vni.filter(|_| !without);
                memory.network_is_in_force(Network { vni, ..network.clone() });
            }
        }
        for endpoints in findings.endpoints.chunks(STEP) {
            self.take(Step::PutEndpoints(endpoints.to_vec())).await?;
            for (host, ip) in endpoints {
                memory.endpoint_is_in_force(host.clone(), *ip);
            }
        }
        for hosts in findings.gone_endpoints.chunks(STEP) {
            self.take(Step::RemoveEndpoints(hosts.to_vec())).await?;
            for host in hosts {
                memory.endpoint_is_gone(host);
            }
        }
        for ids in findings.ports.chunks(STEP) {
            self.write_ports(memory, neutron, ids).await?;
        }
        Ok(())
    }

    async fn write_ports(
        &mut self,
        memory: &mut Memory,
        neutron: &mut Neutron,
        ids: &[PortId],
    ) -> Result<(), LookError> {
        let (drafts, _) = neutron.ports(ids).await?;
        let ports: Vec<_> = drafts.into_iter().map(|draft| draft.port).collect();
        let refused = self.take(Step::PutPorts(ports.clone())).await?;
        for port in ports.iter().filter(|port| !refused.has_port(port.id)) {
            memory.port_is_in_force(port);
        }
        Ok(())
    }

    async fn take(&mut self, step: Step) -> Result<Refused, StoreError> {
        let refused = self.sink.take(step).await?;
        for id in &refused.networks {
            let why =
                "another network has its VNI: it is taken without a segment until that one has another".to_owned();
            self.left_out.see(Row::Network(*id), why);
        }
        for (id, why) in &refused.ports {
            self.left_out.see(Row::Port(*id), why.to_string());
        }
        Ok(refused)
    }

    // ===== status =====

    fn follows(&self) {
        let held = self.guard.held();
        let Some(memory) = &self.memory else { return };
        let totals = memory.totals();
        self.runner.status.send_modify(|status| {
            if status.state != SourceState::Following {
                tracing::info!(
                    source = status.connection,
                    networks = totals.networks,
                    ports = totals.ports,
                    tunnel_endpoints = totals.endpoints,
                    "following Neutron's database"
                );
                (status.state, status.since) = (SourceState::Following, now());
            }
            status.reason = if held.total() == 0 {
                String::new()
            } else {
                "much is no longer in Neutron's database, and is held: look whether that database is complete, then \
                 release it"
                    .to_owned()
            };
            status.compared_at = now();
            (status.networks, status.ports, status.tunnel_endpoints) =
                (totals.networks, totals.ports, totals.endpoints);
            (status.held, status.refused) = (held, self.left_out.count());
        });
    }

    fn failed(&self, error: &LookError) {
        let text = format!("{error}; what was read last stays in force");
        self.runner.status.send_if_modified(|status| {
            if status.state == SourceState::Away && status.reason == text {
                return false;
            }
            tracing::error!(error = text, "Neutron's database can't be followed");
            if status.state != SourceState::Away {
                (status.state, status.since) = (SourceState::Away, now());
            }
            status.reason = text;
            true
        });
    }
}

fn see_ports(memory: &mut Memory, (drafts, left_out): (Vec<Draft>, Vec<LeftOut>), findings: &mut Findings) {
    for draft in &drafts {
        memory.see_port(draft, findings);
    }
    findings.left_out.extend(left_out.into_iter().map(|port| (port.port, port.why)));
}

async fn compare_all(memory: &mut Memory, neutron: &mut Neutron) -> Result<Findings, SourceError> {
    let mut findings = memory.begin(true);
    let counts = neutron.counts().await?;
    memory.see_endpoints(&neutron.endpoints().await?, &mut findings);
    let mut there = HashSet::new();
    for network in neutron.networks(None).await? {
        there.insert(network.id);
        memory.see_network(network, &mut findings);
    }
    let mut after = String::new();
    while let Some((ids, last)) = neutron.port_page(&after, PAGE).await? {
        after = last;
        see_ports(memory, neutron.ports(&ids).await?, &mut findings);
    }
    memory.end(&there, counts, &mut findings);
    Ok(findings)
}
