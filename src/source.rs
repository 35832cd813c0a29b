//! Neutron's own database as the source of networks, ports and tunnel endpoints: read-only, by increments, and compared
//! as a whole once a minute.
//!
//! ```text
//!   Neutron's database ──▶ neutron: rows as our model has them
//!                             │
//!        what is in force ──▶ memory: what is different ──▶ guard: what is lost, and is it too much?
//!                                                             │
//!                                       follow (one task) ──▶ Sink: the service, in small transactions
//! ```
//!
//! Level-triggered: nothing but the comparison of both sides decides what is written, so whatever was missed is found
//! again. Neutron leaves no trace of what it deleted; therefore losses pass the guard, over all networks, before the
//! switches hear of them, and a database that is away, empty or the wrong one takes nothing away.

mod follow;
mod guard;
mod left_out;
mod memory;
mod neutron;
mod rows;
mod sql;

use std::{net::Ipv4Addr, time::SystemTime};

use serde::Serialize;
use tokio::sync::{mpsc, watch};
use utoipa::ToSchema;

pub use neutron::SourceError;

use crate::{
    config::SourceConfig,
    model::{MacAddr, Network, NetworkId, Port, PortId},
    store::{Store, StoreError},
};

/// Rows of one [`Step`] at most.
pub const STEP: usize = 500;

/// Something to write, in one transaction.
#[derive(Debug, Clone)]
pub enum Step {
    /// These ports are no longer there.
    RemovePorts(Vec<PortId>),
    /// These networks are there, with these names and VNIs.
    PutNetworks(Vec<Network>),
    /// These compute nodes have these VTEP addresses.
    PutEndpoints(Vec<(String, Ipv4Addr)>),
    /// These have none any more.
    RemoveEndpoints(Vec<String>),
    /// These ports are there.
    PutPorts(Vec<Port>),
    /// These networks are no longer there; where they are connected, they are unbound.
    RetireNetworks(Vec<NetworkId>),
}

/// What of a [`Step`] stands against rows that are (still) there; everything else is on disk.
#[derive(Debug, Clone, Default)]
pub struct Refused {
    /// Networks whose VNI another one has: written without.
    pub networks: Vec<NetworkId>,
    /// Ports that were not written, and why.
    pub ports: Vec<(PortId, WhyNot)>,
}

impl Refused {
    fn has_port(&self, id: PortId) -> bool {
        self.ports.iter().any(|(port, _)| *port == id)
    }
}

/// Why a port is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WhyNot {
    /// Its network isn't there (yet).
    #[error("its network is not there")]
    NoNetwork,
    /// Another port of its network has its MAC; Neutron on PostgreSQL takes MACs that differ in the case of letters for two.
    #[error("port {1} of the same network has its MAC {0} already: give one of the two another MAC in Neutron")]
    MacTaken(MacAddr, PortId),
}

/// Who writes what was found: the service, by its rules.
pub trait Sink: Send + Sync + 'static {
    /// Writes a step.
    fn take(&self, step: Step) -> impl Future<Output = Result<Refused, StoreError>> + Send;
}

/// How the source is: `GET /v2/source`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = v2::FollowedSource)]
pub struct SourceStatus {
    /// `neutron-db`.
    pub driver: &'static str,
    /// The database, without its account.
    pub connection: String,
    /// How it is.
    pub state: SourceState,
    /// Since when: RFC 3339, UTC.
    pub since: String,
    /// Why, and what to do; empty while it follows.
    pub reason: String,
    /// The last look that was complete: RFC 3339, UTC; empty before the first.
    pub compared_at: String,
    /// Rows of Neutron's that were seen in the last complete look.
    pub networks: u64,
    /// Likewise.
    pub ports: u64,
    /// Likewise.
    pub tunnel_endpoints: u64,
    /// Rows that could not be taken over: the log names them.
    pub refused: u64,
    /// Losses that wait for a release.
    pub held: Held,
}

/// How the source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = v2::SourceState)]
pub enum SourceState {
    /// It was not read wholly yet.
    Connecting,
    /// What it says is in force.
    Following,
    /// It can't be read: what it said last is in force.
    Away,
}

/// Losses that wait for a release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = v2::HeldLosses)]
pub struct Held {
    /// Networks that are no longer there, or have no VXLAN segment any more.
    pub networks: u64,
    /// Ports that are no longer there, or on no host any more.
    pub ports: u64,
    /// VTEP addresses that are no longer there.
    pub tunnel_endpoints: u64,
}

impl Held {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.networks + self.ports + self.tunnel_endpoints
    }
}

/// The handle of the source: cheap to clone.
#[derive(Debug, Clone)]
pub struct Source {
    status: watch::Receiver<SourceStatus>,
    release: mpsc::Sender<()>,
}

/// The task to be, before it knows its sink.
#[derive(Debug)]
pub struct Runner {
    config: SourceConfig,
    status: watch::Sender<SourceStatus>,
    released: mpsc::Receiver<()>,
}

/// A source, and what runs it.
#[must_use]
pub fn new(config: SourceConfig) -> (Source, Runner) {
    let (status, seen) = watch::channel(SourceStatus {
        driver: "neutron-db",
        connection: config.shown.clone(),
        state: SourceState::Connecting,
        since: now(),
        reason: format!("{} was not read yet", config.shown),
        compared_at: String::new(),
        networks: 0,
        ports: 0,
        tunnel_endpoints: 0,
        refused: 0,
        held: Held::default(),
    });
    let (release, released) = mpsc::channel(1);
    (Source { status: seen, release }, Runner { config, status, released })
}

impl Source {
    /// How it is.
    #[must_use]
    pub fn status(&self) -> SourceStatus {
        self.status.borrow().clone()
    }

    /// Why what is in force may not be what Neutron says; `None`: it is.
    #[must_use]
    pub fn unready(&self) -> Option<String> {
        let status = self.status.borrow();
        (status.state != SourceState::Following).then(|| status.reason.clone())
    }

    /// Lets the losses pass that are held now.
    pub fn release(&self) {
        // Full: one is under way already.
        let _ = self.release.try_send(());
    }
}

/// What is in a database, for `vtepd --check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceCounts {
    /// Its networks.
    pub networks: u64,
    /// Its ports.
    pub ports: u64,
    /// VTEPs of its compute nodes.
    pub tunnel_endpoints: u64,
}

/// Whether a database could be followed: connects, and reads each table that is checked.
///
/// # Errors
/// [`SourceError`], which names the table.
pub async fn try_database(config: &SourceConfig) -> Result<SourceCounts, SourceError> {
    let mut neutron = neutron::Neutron::connect(config).await?;
    neutron.begin().await?;
    let counts = neutron.counts().await?;
    let tunnel_endpoints = neutron.endpoints().await?.len() as u64;
    // Nothing has changed within the last 0 seconds, and no port has no id: all columns are read, and no rows.
    neutron.recent_networks(0).await?;
    neutron.recent_ports(0).await?;
    neutron.networks(Some(&[])).await?;
    neutron.ports(&[]).await?;
    neutron.end().await?;
    let count = |rows: i64| u64::try_from(rows).unwrap_or_default();
    Ok(SourceCounts { networks: count(counts.networks), ports: count(counts.ports), tunnel_endpoints })
}

impl Runner {
    /// Follows Neutron's database for ever.
    pub async fn run(self, store: Store, sink: impl Sink) {
        follow::Follower::new(self, store, sink).run().await;
    }
}

fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
