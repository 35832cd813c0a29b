//! How far the switches are: what the fleet says, joined with what a connection asks for.

use super::{ConnectionStatus, Result, Service, ServiceError, connections};
use crate::{
    fleet::{PlanError, UnknownSwitch},
    model::{
        Binding, Connection, bindings,
        event::Preview,
        status::{BindingStatus, SessionState, Status, Strangers, SwitchStatus},
    },
    store::Read,
};

impl Service {
    /// How far the switches are with a connection.
    pub async fn connection_status(&self, id: &str) -> Result<ConnectionStatus> {
        let mut view = self.store.snapshot().await?;
        let connection = connections::find(&mut view, id).await?;
        let gateway = view.gateway(connection.gateway_id).await?;
        let why_unbound = why_unbound(&mut view, &connection).await?;
        drop(view);
        let fleet = self.fleet.switches().await;
        let wanted = gateway.map(|gateway| bindings(&gateway, &connection)).unwrap_or_default();
        let mut switches: Vec<_> = match why_unbound {
            Some(why) => wanted.iter().map(|binding| unbound(&fleet, &connection, binding, &why)).collect(),
            None => wanted.iter().map(|binding| status(&fleet, &connection, binding)).collect(),
        };
        self.notice_bindings(&connection, &mut switches);
        let worst = switches.iter().map(|binding| binding.status).max().unwrap_or(Status::Pending);
        Ok(ConnectionStatus { connection_id: connection.id, status: worst, switches })
    }

    /// All configured switches, by name.
    pub async fn switches(&self) -> Vec<SwitchStatus> {
        let mut switches = self.fleet.switches().await;
        for switch in &mut switches {
            self.notice_switch(switch);
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
        let switch = self.fleet.switch(name).await;
        let mut switch = switch.ok_or_else(|| ServiceError::from(UnknownSwitch(name.to_owned())))?;
        self.notice_switch(&mut switch);
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

    /// What would be done at this switch now, with at most so many rows in words. Nothing is sent.
    pub async fn preview(&self, name: &str, rows: usize) -> Result<Preview> {
        self.fleet.preview(name, rows).await.map_err(|error| match error {
            PlanError::Unknown(unknown) => unknown.into(),
            PlanError::Unready { switch, reason } => ServiceError::SwitchUnready { switch, reason },
        })
    }
}

/// The switch's own word on the binding, or why it has none.
fn status(fleet: &[SwitchStatus], connection: &Connection, binding: &Binding) -> BindingStatus {
    let Some(switch) = fleet.iter().find(|switch| switch.physical_switch == binding.switch) else {
        let reason = format!(
            "no switch is configured for device '{0}': add a section [switch:{0}] with its management_ip to plumgrid.ini \
             and reload it",
            binding.switch
        );
        return absent(connection, binding, Status::Error, reason, String::new());
    };
    let row = switch
        .bindings
        .iter()
        .find(|row| row.port == binding.port && row.vlan == binding.vlan && row.network_id == connection.network_id);
    if let Some(row) = row {
        return row.clone();
    }
    let session = &switch.session;
    let (status, reason) = match session.state {
        SessionState::Up | SessionState::Syncing => (Status::Pending, "the switch has not been told yet".to_owned()),
        SessionState::Refused => (Status::Error, switch.reason.clone()),
        SessionState::Connecting | SessionState::Identifying | SessionState::Backoff => {
            let why = if switch.reason.is_empty() { "not connected yet" } else { &switch.reason };
            (Status::Down, format!("no session with {}: {why}", session.address))
        }
    };
    absent(connection, binding, status, reason, session.since.clone())
}

/// What a source did to the network of a connection, so that it binds nothing, and the mend; `None`: it binds.
async fn why_unbound(read: &mut Read, connection: &Connection) -> Result<Option<(String, &'static str)>> {
    let id = connection.network_id;
    Ok(match read.network(id).await? {
        None => Some((format!("Neutron deleted network {id}"), "delete this connection")),
        Some(network) if network.vni.is_none() => Some((
            format!("network {id} has no VXLAN segment of its own any more"),
            "give it one in Neutron, with a VNI that no other network has, or delete this connection",
        )),
        Some(_) => None,
    })
}

/// The status of a binding that is unbound for this reason.
fn unbound(
    fleet: &[SwitchStatus],
    connection: &Connection,
    binding: &Binding,
    (why, mend): &(String, &str),
) -> BindingStatus {
    let switch = fleet.iter().find(|switch| switch.physical_switch == binding.switch);
    let goes = switch.is_some_and(|switch| switch.draining.contains(&connection.network_id));
    let (status, state) = if goes { (Status::Draining, "is being unbound") } else { (Status::Error, "was unbound") };
    let reason = format!("{why}: it {state}; {mend}");
    absent(connection, binding, status, reason, String::new())
}

/// A binding that no switch speaks of.
fn absent(connection: &Connection, binding: &Binding, status: Status, reason: String, since: String) -> BindingStatus {
    BindingStatus {
        switch: binding.switch.clone(),
        port: binding.port.clone(),
        vlan: binding.vlan,
        status,
        reason,
        rows_desired: 0,
        rows_actual: 0,
        since,
        network_id: connection.network_id,
        connections: vec![connection.id],
    }
}
