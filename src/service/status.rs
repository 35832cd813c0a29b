//! How far the switches are: what the fleet reports, joined with what a connection asks for.

use std::collections::HashMap;

use super::{ConnectionStatus, Result, Service, ServiceError, connections};
use crate::{
    fleet::PlanError,
    model::{
        Binding, Connection, Gateway, NetworkId, VlanId, bindings,
        event::Preview,
        reason::Reason,
        status::{BindingStatus, SessionState, Status, Strangers, SwitchStatus},
    },
    relay::Notices,
};

impl Service {
    /// How far the switches are with a connection.
    pub async fn connection_status(&self, id: &str) -> Result<ConnectionStatus> {
        let mut view = self.store.snapshot().await?;
        let connection = connections::find(&mut view, id).await?;
        let gateway = view.gateway(connection.gateway_id).await?;
        let unbound = match view.network(connection.network_id).await? {
            None => Some(Unbound::Deleted),
            Some(network) if network.vni.is_none() => Some(Unbound::NoSegment),
            Some(_) => None,
        };
        drop(view);
        let switches = self.switches().await;
        let notices = self.fleet.fdb().notices();
        Ok(Statuses::new(&switches, &notices).of(&connection, gateway.as_ref(), unbound))
    }

    /// All configured switches, by name.
    pub async fn switches(&self) -> Vec<SwitchStatus> {
        let mut known = self.known().await;
        let mut switches = self.fleet.switches().await;
        for switch in &mut switches {
            known.add_to(switch);
        }
        switches
    }

    /// Who dialled in and was refused.
    #[must_use]
    pub fn strangers(&self) -> Strangers {
        self.fleet.strangers()
    }

    /// One switch by its section's name.
    pub async fn switch(&self, name: &str) -> Result<SwitchStatus> {
        let mut switch = self.fleet.switch(name).await?;
        self.known().await.add_to(&mut switch);
        Ok(switch)
    }

    /// Lets deletions through that the guard, or an operator, holds on this switch.
    pub async fn release(&self, name: &str) -> Result<()> {
        self.set_hold(name, None).await?;
        Ok(self.fleet.release(name).await?)
    }

    /// Holds all deletions on this switch until they are released, over restarts, too. `who` is kept with it.
    pub async fn hold(&self, name: &str, who: &str) -> Result<()> {
        // Only a switch that is there: a typing error must not be kept.
        self.switch(name).await?;
        self.set_hold(name, Some(who.to_owned())).await
    }

    async fn set_hold(&self, name: &str, who: Option<String>) -> Result<()> {
        let (switch, hold) = (name.to_owned(), who.is_some());
        let before = self.store.snapshot().await?.switch_holds().await?.contains(&switch);
        if hold != before {
            self.store
                .write(move |write| {
                    Box::pin(
                        async move { write.hold_switch(&switch, who.as_deref()).await.map_err(ServiceError::from) },
                    )
                })
                .await?;
        }
        if hold || before {
            self.fleet.hold(name, hold).await?;
        }
        Ok(())
    }

    /// Switches whose deletions an operator holds.
    pub async fn holds(&self) -> Result<Vec<String>> {
        Ok(self.store.snapshot().await?.switch_holds().await?)
    }

    /// Has everything on this switch compared and put right; what the guard holds stays.
    pub async fn repair(&self, name: &str) -> Result<()> {
        Ok(self.fleet.repair(name).await?)
    }

    /// What would be done at this switch now, with at most this many rows in words. Nothing is sent.
    pub async fn preview(&self, name: &str, rows: usize) -> Result<Preview> {
        self.fleet.preview(name, rows).await.map_err(|error| match error {
            PlanError::Unknown(unknown) => unknown.into(),
            PlanError::Unready { switch, reason } => ServiceError::SwitchUnready { switch, reason },
        })
    }
}

/// What a source did to a connected network, so that nothing is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unbound {
    /// Neutron deleted it.
    Deleted,
    /// It has no VXLAN segment.
    NoSegment,
}

impl Unbound {
    pub(super) fn new(deleted: bool) -> Self {
        if deleted { Self::Deleted } else { Self::NoSegment }
    }
}

/// The statuses of all bindings, by what connections ask for.
pub(super) struct Statuses<'a> {
    switches: HashMap<&'a str, &'a SwitchStatus>,
    bindings: HashMap<(&'a str, &'a str, VlanId, NetworkId), &'a BindingStatus>,
    notices: &'a Notices,
}

impl<'a> Statuses<'a> {
    pub(super) fn new(switches: &'a [SwitchStatus], notices: &'a Notices) -> Self {
        let rows = switches.iter().flat_map(|switch| &switch.bindings);
        Self {
            switches: switches.iter().map(|switch| (switch.name.as_str(), switch)).collect(),
            bindings: rows
                .map(|row| ((row.switch.as_str(), row.port.as_str(), row.vlan, row.network_id), row))
                .collect(),
            notices,
        }
    }

    /// The status of a connection and of each of its bindings.
    pub(super) fn of(
        &self,
        connection: &Connection,
        gateway: Option<&Gateway>,
        unbound: Option<Unbound>,
    ) -> ConnectionStatus {
        let wanted = gateway.map(|gateway| bindings(gateway, connection)).unwrap_or_default();
        let status = |binding: &Binding| match unbound {
            Some(unbound) => self.unbound(connection, binding, unbound),
            None => self.binding(connection, binding),
        };
        let switches: Vec<_> = wanted.iter().map(status).collect();
        let worst = switches.iter().map(|row| row.status).max().unwrap_or(Status::Pending);
        ConnectionStatus { connection_id: connection.id, status: worst, switches }
    }

    /// What the switch reports of a binding, or why it reports nothing.
    fn binding(&self, connection: &Connection, binding: &Binding) -> BindingStatus {
        let key = (binding.switch.as_str(), binding.port.as_str(), binding.vlan, connection.network_id);
        if let Some(row) = self.bindings.get(&key) {
            return (*row).clone();
        }
        let Some(switch) = self.switches.get(binding.switch.as_str()) else {
            let section = self.switches.values().find(|switch| switch.physical_switch == binding.switch);
            let section = section.map(|switch| switch.name.clone());
            let reason = Reason::NoSection { device: binding.switch.clone(), section };
            return absent(connection, binding, reason, String::new());
        };
        let bound = self.notices.bound.get(&(connection.gateway_id, connection.network_id));
        let (reason, since) = match switch.session.state {
            SessionState::Up | SessionState::Syncing => match bound {
                // In `single-active`, one switch of a gateway is bound.
                Some(Some(bound)) if *bound != binding.switch => {
                    (Reason::Standby { bound: bound.clone() }, String::new())
                }
                Some(None) => (Reason::AwaitsRelease, String::new()),
                Some(Some(_)) | None => (Reason::NotDelivered, String::new()),
            },
            SessionState::Refused | SessionState::Connecting | SessionState::Identifying | SessionState::Backoff => {
                (switch.reason.clone(), switch.session.down_since.clone())
            }
        };
        absent(connection, binding, reason, since)
    }

    /// A binding of a network that binds nothing.
    fn unbound(&self, connection: &Connection, binding: &Binding, unbound: Unbound) -> BindingStatus {
        let network = connection.network_id;
        let switch = self.switches.get(binding.switch.as_str());
        let draining = switch.is_some_and(|switch| switch.draining.contains(&network));
        let reason = match unbound {
            Unbound::Deleted => Reason::NetworkDeleted { network, draining },
            Unbound::NoSegment => Reason::NoSegment { network, draining },
        };
        absent(connection, binding, reason, String::new())
    }
}

/// A binding that no switch reports.
fn absent(connection: &Connection, binding: &Binding, reason: Reason, since: String) -> BindingStatus {
    BindingStatus {
        switch: binding.switch.clone(),
        port: binding.port.clone(),
        vlan: binding.vlan,
        status: reason.status(),
        reason,
        rows_desired: 0,
        rows_actual: 0,
        since,
        network_id: connection.network_id,
        connections: vec![connection.id],
    }
}
