//! What the relay has to say of a connection and of a switch, beside what the switches say themselves.

use super::Service;
use crate::{
    intent::NetworkIntent,
    model::{
        Connection,
        status::{BindingStatus, SessionState, Status, SwitchStatus},
    },
    relay::Notices,
};

impl Service {
    /// Adds to the bindings of a connection what concerns them.
    pub(super) fn notice_bindings(&self, connection: &Connection, rows: &mut [BindingStatus]) {
        let notices = self.fleet.fdb().notices();
        let (_, network) = self.fleet.fdb().network(connection.network_id);
        for row in rows.iter_mut() {
            elected(&notices, connection, row);
            if let Some(reason) = network.as_ref().and_then(|network| loops(network, connection)) {
                worsen(row, Status::Conflict, reason);
            }
            if let Some(reason) = flapping(&notices, connection, &row.switch) {
                worsen(row, Status::Degraded, reason);
            }
            if let Some(reason) = overflow(&notices, &row.switch) {
                worsen(row, Status::Degraded, reason);
            }
        }
    }

    /// Adds to a switch what concerns it.
    pub(super) fn notice_switch(&self, switch: &mut SwitchStatus) {
        let notices = self.fleet.fdb().notices();
        if let Some(reason) = overflow(&notices, &switch.physical_switch)
            && switch.status < Status::Degraded
            && switch.session.state == SessionState::Up
        {
            (switch.status, switch.reason) = (Status::Degraded, reason);
        }
    }
}

fn worsen(row: &mut BindingStatus, status: Status, reason: String) {
    if row.status < status {
        (row.status, row.reason) = (status, reason);
    }
}

/// In `single-active`, only one switch of a gateway is bound.
fn elected(notices: &Notices, connection: &Connection, row: &mut BindingStatus) {
    let Some(bound) = notices.bound.get(&(connection.gateway_id, connection.network_id)) else { return };
    if row.status != Status::Pending {
        return;
    }
    match bound {
        Some(bound) if *bound != row.switch => {
            (row.status, row.reason) = (Status::Active, format!("stands by: {bound} is bound (single-active)"));
        }
        Some(_) => {}
        None => "waits until the switch that was bound has let go (single-active)".clone_into(&mut row.reason),
    }
}

/// MACs that were learned behind the gateway and are ports on compute nodes, too.
fn loops(network: &NetworkIntent, connection: &Connection) -> Option<String> {
    let gateway = network.behind.gateways.iter().find(|gateway| gateway.id == connection.gateway_id)?;
    let mut own = network.behind.loops.iter().filter(|row| row.gateway == gateway.number);
    let (first, more) = (own.next()?, own.count());
    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    Some(format!(
        "loop suspected: MAC {}{more} was learned behind the gateway and is a port on a compute node as well; it is not \
         relayed: look for a bridge between the network's two sides, or delete the port",
        first.mac
    ))
}

fn flapping(notices: &Notices, connection: &Connection, switch: &str) -> Option<String> {
    let macs = notices.flapping.get(&connection.network_id)?;
    let (mac, switches) = macs.iter().find(|(_, switches)| switches.iter().any(|name| **name == *switch))?;
    let switches = switches.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    Some(format!(
        "MAC {mac} comes and goes too often (at {switches}): its changes are held until it is quiet; look for two stations \
         with one MAC, or for a loop"
    ))
}

fn overflow(notices: &Notices, switch: &str) -> Option<String> {
    let count = notices.overflowing.get(switch)?;
    Some(format!(
        "at least {count} learned MACs are not relayed, because the switch has more than max_learned_macs: they are reached \
         by flooding; raise max_learned_macs, or look for what floods"
    ))
}
