//! Use cases and their rules: gateways, connections, networks, ports, tunnel endpoints. Every front end (both REST
//! dialects, the admin socket) calls these and nothing below.

mod addresses;
mod bindings;
mod bulk;
mod claims;
mod connections;
mod drafts;
mod endpoints;
mod error;
mod fdb;
mod follow;
mod gateways;
mod handovers;
pub mod journal;
mod networks;
mod notices;
mod overview;
mod ports;
mod problems;
mod rules;
mod status;
mod subnets;
mod tags;
pub mod view;

use std::{ops::RangeInclusive, sync::Arc};

use serde::Serialize;

pub use crate::store::{
    Annotated, Attribute, Attributes, Cell, Column, Condition, Form, Given, NETWORK_ATTRIBUTES, NetworkColumn,
    PORT_ATTRIBUTES, PortColumn, SUBNET_ATTRIBUTES, Selection, Stamp, SubnetColumn, revision_of,
};
pub use drafts::{
    AddressPairDraft, Caller, ConnectionDraft, DeviceDraft, Dialect, EndpointDraft, FixedIpDraft, GatewayDraft,
    GatewayUpdate, GivenAttributes, InterfaceDraft, NetworkDraft, NetworkUpdate, PortDraft, PortUpdate, SegmentRequest,
    SubnetDraft, SubnetUpdate,
};
pub use error::ServiceError;
pub use networks::NetworkWithSubnets;
pub use overview::Overview;
pub use tags::Tagged;

use crate::{
    fleet::Fleet,
    model::{
        ConnectionId, Revision,
        status::{BindingStatus, Status},
    },
    source::Source,
    store::{Store, StoreError},
};
use journal::{Journal, JournalEntry, JournalFilter};
use networks::Vnis;
use overview::Watched;

/// Every call's answer.
pub type Result<T> = std::result::Result<T, ServiceError>;

/// What the service needs of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `vni_ranges`: where VNIs are allocated from, in this order.
    pub vni_ranges: Vec<RangeInclusive<u32>>,
    /// `max_ports_per_host`: ports that a compute node may have made with its own token.
    pub max_ports_per_host: u32,
}

/// The use cases: cheap to clone. Each call checks and writes in one transaction; what it answered is on disk.
#[derive(Debug, Clone)]
pub struct Service {
    store: Store,
    fleet: Fleet,
    vnis: Arc<Vnis>,
    max_ports_per_host: u32,
    journal: Journal,
    /// What dictates networks and ports, if anything does.
    source: Option<Source>,
    watched: Watched,
}

/// `GET /v2/l2-gateway-connections/{id}/status`.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ConnectionStatus {
    /// The connection.
    pub connection_id: ConnectionId,
    /// The worst of its bindings.
    pub status: Status,
    /// Each binding.
    pub switches: Vec<BindingStatus>,
}

impl Service {
    /// The use cases over this store and this fleet.
    #[must_use]
    pub fn new(store: Store, fleet: Fleet, settings: Settings) -> Self {
        // Nobody reads it: what is noted goes nowhere.
        let (journal, _) = Journal::new();
        let Settings { vni_ranges, max_ports_per_host } = settings;
        Self {
            store,
            fleet,
            vnis: Arc::new(Vnis::new(vni_ranges)),
            max_ports_per_host,
            journal,
            source: None,
            watched: Watched::default(),
        }
    }

    /// With a journal that is written ([`journal::record`]).
    #[must_use]
    pub fn with_journal(self, journal: Journal) -> Self {
        Self { journal, ..self }
    }

    /// Where front ends note what was called.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// What happened, up to this call.
    pub async fn audit(&self, filter: &JournalFilter) -> Result<Vec<JournalEntry>> {
        self.journal.flush().await;
        Ok(self.store.snapshot().await?.journal(filter).await?)
    }

    /// The revision of the last change.
    pub async fn revision(&self) -> Result<Revision> {
        Ok(self.store.snapshot().await?.revision().await?)
    }

    /// Whether the store takes writes: what `/readyz` says.
    ///
    /// # Errors
    /// The failure that the store has not recovered from yet.
    pub fn health(&self) -> std::result::Result<(), StoreError> {
        self.store.health()
    }
}

#[cfg(test)]
mod tests;
