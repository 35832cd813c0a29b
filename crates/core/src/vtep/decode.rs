//! From the bytes of a row (RFC 7047 section 4.1.6, `<row-update>`) straight into the rows of the replica: no tree in
//! between.

use uuid::Uuid;

use super::{
    budget::{MAX_ELEMENTS, MAX_TEXT, MAX_VALUES},
    replica::{Replica, Touched},
    rows::{
        Locator, LogicalSwitch, LogicalSwitchIndex, Multicast, PhysicalPort, PhysicalSwitch, ReplicationMode, RowIp,
        Unicast,
    },
};
use ovsdb::json::{Cursor, JsonError};

use crate::model::MacAddr;

type Result<T = ()> = std::result::Result<T, JsonError>;

/// The tables that are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    UcastMacsRemote,
    PhysicalSwitch,
    PhysicalPort,
    LogicalSwitch,
    PhysicalLocator,
    PhysicalLocatorSet,
    McastMacsRemote,
    UcastMacsLocal,
    McastMacsLocal,
    Tunnel,
    Manager,
    Global,
    /// One that nobody asked for.
    Unknown,
}

impl Table {
    pub(super) fn of(name: &[u8]) -> Self {
        match name {
            b"Ucast_Macs_Remote" => Self::UcastMacsRemote,
            b"Physical_Switch" => Self::PhysicalSwitch,
            b"Physical_Port" => Self::PhysicalPort,
            b"Logical_Switch" => Self::LogicalSwitch,
            b"Physical_Locator" => Self::PhysicalLocator,
            b"Physical_Locator_Set" => Self::PhysicalLocatorSet,
            b"Mcast_Macs_Remote" => Self::McastMacsRemote,
            b"Ucast_Macs_Local" => Self::UcastMacsLocal,
            b"Mcast_Macs_Local" => Self::McastMacsLocal,
            b"Tunnel" => Self::Tunnel,
            b"Manager" => Self::Manager,
            b"Global" => Self::Global,
            _ => Self::Unknown,
        }
    }
}

impl Replica {
    /// Takes one row of a `<table-update>`: the key is its UUID, the member `new` its content; without that it was deleted.
    pub(super) fn row(&mut self, table: Table, key: &[u8], update: &mut Cursor<'_>, touched: &mut Touched) -> Result {
        // Anything but a UUID is no row that we could ever name.
        let uuid = match Uuid::try_parse_ascii(key) {
            Ok(uuid) if table != Table::Unknown => uuid,
            _ => return update.skip(),
        };
        touched.count += 1;
        let mut deleted = true;
        update.members(|member, row| match member {
            b"new" => {
                deleted = false;
                self.set_row(table, uuid, Some(row), touched)
            }
            _ => row.skip(),
        })?;
        if deleted { self.set_row(table, uuid, None, touched) } else { Ok(()) }
    }

    fn set_row(&mut self, table: Table, uuid: Uuid, row: Option<&mut Cursor<'_>>, touched: &mut Touched) -> Result {
        match table {
            Table::UcastMacsRemote => return self.unicast(uuid, row, touched),
            Table::PhysicalSwitch => self.set_switch(uuid, row.map(physical_switch).transpose()?, touched),
            Table::PhysicalPort => self.set_port(uuid, row.map(physical_port).transpose()?, touched),
            Table::LogicalSwitch => self.set_logical_switch(uuid, row.map(logical_switch).transpose()?, touched),
            Table::PhysicalLocator => self.set_locator(uuid, row.map(locator).transpose()?),
            Table::PhysicalLocatorSet => return self.locator_set(uuid, row),
            Table::McastMacsRemote => return self.multicast(uuid, row, touched),
            Table::UcastMacsLocal => return self.local(uuid, row, touched),
            Table::McastMacsLocal => return self.local_multicast(uuid, row, touched),
            Table::Tunnel => return self.tunnel_row(uuid, row, touched),
            Table::Manager => return self.manager(uuid, row, touched),
            Table::Global => return self.global_row(uuid, row, touched),
            Table::Unknown => {}
        }
        Ok(())
    }

    fn unicast(&mut self, uuid: Uuid, row: Option<&mut Cursor<'_>>, touched: &mut Touched) -> Result {
        let row = row.map(|row| self.decode_mac(uuid, row)).transpose()?;
        let (odd, row) = match row {
            Some((logical_switch, row)) => (row.is_none().then_some(logical_switch).flatten(), row),
            None => (None, None),
        };
        self.set_odd_mac(uuid, odd, touched);
        self.set_mac(uuid, row, touched);
        Ok(())
    }

    fn local(&mut self, uuid: Uuid, row: Option<&mut Cursor<'_>>, touched: &mut Touched) -> Result {
        let row = row.map(|row| self.decode_mac(uuid, row)).transpose()?;
        let (logical_switch, row) = row.unwrap_or_default();
        self.set_local_mac(uuid, row, touched);
        self.set_other_local(uuid, logical_switch.filter(|_| row.is_none()), touched);
        Ok(())
    }

    /// A row of Ucast_Macs_Remote or Ucast_Macs_Local, if its MAC is one; and its Logical_Switch in any case. The schema
    /// makes both references obligatory.
    fn decode_mac(
        &mut self,
        uuid: Uuid,
        row: &mut Cursor<'_>,
    ) -> Result<(Option<LogicalSwitchIndex>, Option<Unicast>)> {
        let (mut mac, mut ip, mut logical_switch, mut locator) = (None, RowIp::None, None, None);
        row.members(|column, value| {
            match column {
                b"MAC" => mac = MacAddr::from_ascii(&value.string_bytes()?),
                b"ipaddr" => ip = RowIp::parse(&value.string_bytes()?),
                b"logical_switch" => logical_switch = Some(value.uuid()?),
                b"locator" => locator = Some(value.uuid()?),
                _ => value.skip()?,
            }
            Ok(())
        })?;
        // Only what a row will refer to gets a number.
        let locator = mac.and(logical_switch).and(locator).map(|locator| self.intern_locator(locator));
        let logical_switch = logical_switch.map(|logical_switch| self.intern_logical_switch(logical_switch));
        let row = mac.zip(logical_switch.zip(locator));
        let row = row.map(|(mac, (logical_switch, locator))| Unicast { uuid, mac, ip, logical_switch, locator });
        Ok((logical_switch, row))
    }

    fn multicast(&mut self, uuid: Uuid, row: Option<&mut Cursor<'_>>, touched: &mut Touched) -> Result {
        let row = row.map(|row| self.decode_multicast(row)).transpose()?.flatten();
        self.set_multicast(uuid, row, touched);
        Ok(())
    }

    fn local_multicast(&mut self, uuid: Uuid, row: Option<&mut Cursor<'_>>, touched: &mut Touched) -> Result {
        let row = row.map(|row| self.decode_multicast(row)).transpose()?.flatten();
        self.set_local_multicast(uuid, row, touched);
        self.set_other_local(uuid, row.map(|row| row.logical_switch), touched);
        Ok(())
    }

    fn decode_multicast(&mut self, row: &mut Cursor<'_>) -> Result<Option<Multicast>> {
        let (mut unknown_dst, mut logical_switch, mut set) = (false, None, None);
        row.members(|column, value| {
            match column {
                b"MAC" => unknown_dst = *value.string_bytes()? == *b"unknown-dst",
                b"logical_switch" => logical_switch = Some(value.uuid()?),
                b"locator_set" => set = Some(value.uuid()?),
                _ => value.skip()?,
            }
            Ok(())
        })?;
        Ok(logical_switch.zip(set).map(|(logical_switch, set)| {
            let logical_switch = self.intern_logical_switch(logical_switch);
            Multicast { logical_switch, unknown_dst, set }
        }))
    }

    fn locator_set(&mut self, uuid: Uuid, row: Option<&mut Cursor<'_>>) -> Result {
        let Some(row) = row else {
            self.set_locator_set(uuid, None);
            return Ok(());
        };
        let mut locators = Vec::new();
        row.members(|column, value| match column {
            b"locators" => uuids(value, &mut locators),
            _ => value.skip(),
        })?;
        let locators = locators.into_iter().map(|uuid| self.intern_locator(uuid)).collect();
        self.set_locator_set(uuid, Some(locators));
        Ok(())
    }
}

fn physical_switch(row: &mut Cursor<'_>) -> Result<PhysicalSwitch> {
    let mut switch = PhysicalSwitch::default();
    row.members(|column, value| match column {
        b"name" => store(&mut switch.name, value),
        b"tunnel_ips" => value.set(|ip| {
            few(switch.tunnel_ips.len(), ip)?;
            switch.tunnel_ips.extend(ip.string()?.parse::<std::net::IpAddr>());
            Ok(())
        }),
        b"ports" => uuids(value, &mut switch.ports),
        b"switch_fault_status" => faults(value, &mut switch.faults),
        _ => value.skip(),
    })?;
    Ok(switch)
}

fn physical_port(row: &mut Cursor<'_>) -> Result<PhysicalPort> {
    let mut port = PhysicalPort::default();
    row.members(|column, value| match column {
        b"name" => store(&mut port.name, value),
        b"vlan_bindings" => value.map(|vlan, logical_switch| {
            few(port.bindings.len(), vlan)?;
            let (vlan, logical_switch) = (vlan.integer()?, logical_switch.uuid()?);
            port.bindings.extend(u16::try_from(vlan).ok().map(|vlan| (vlan, logical_switch)));
            Ok(())
        }),
        b"port_fault_status" => faults(value, &mut port.faults),
        _ => value.skip(),
    })?;
    port.faults.retain(|fault| fault != "UP");
    Ok(port)
}

fn logical_switch(row: &mut Cursor<'_>) -> Result<LogicalSwitch> {
    let mut logical_switch = LogicalSwitch::default();
    row.members(|column, value| match column {
        b"name" => store(&mut logical_switch.name, value),
        b"description" => store(&mut logical_switch.description, value),
        b"tunnel_key" => value.set(|key| {
            logical_switch.tunnel_key = Some(key.integer()?);
            Ok(())
        }),
        b"replication_mode" => value.set(|mode| {
            logical_switch.replication_mode = match mode.string()?.as_ref() {
                "source_node" => Some(ReplicationMode::SourceNode),
                "service_node" => Some(ReplicationMode::ServiceNode),
                _ => None,
            };
            Ok(())
        }),
        _ => value.skip(),
    })?;
    Ok(logical_switch)
}

fn locator(row: &mut Cursor<'_>) -> Result<Locator> {
    let mut locator = Locator { ip: None, keyed: false };
    let mut vxlan = true;
    row.members(|column, value| match column {
        b"dst_ip" => {
            locator.ip = value.string()?.parse().ok();
            Ok(())
        }
        b"encapsulation_type" => {
            vxlan = value.string()? == "vxlan_over_ipv4";
            Ok(())
        }
        b"tunnel_key" => value.set(|key| {
            locator.keyed = true;
            key.skip()
        }),
        _ => value.skip(),
    })?;
    locator.ip = locator.ip.filter(|_| vxlan);
    Ok(locator)
}

/// A set of references: `["set",[["uuid",…],…]]` or a bare `["uuid",…]`.
fn uuids(value: &mut Cursor<'_>, uuids: &mut Vec<Uuid>) -> Result {
    value.set(|uuid| {
        few(uuids.len(), uuid)?;
        uuids.push(uuid.uuid()?);
        Ok(())
    })
}

/// One row is decoded at once: a set without end would hold up everybody.
fn few(count: usize, element: &Cursor<'_>) -> Result {
    if count < MAX_ELEMENTS { Ok(()) } else { Err(element.expected("at most 65536 elements of a set or map")) }
}

fn faults(value: &mut Cursor<'_>, faults: &mut Vec<String>) -> Result {
    value.set(|fault| {
        if faults.len() >= MAX_VALUES {
            return fault.skip();
        }
        faults.push(text(fault)?);
        Ok(())
    })
}

fn store(field: &mut String, value: &mut Cursor<'_>) -> Result {
    *field = text(value)?;
    Ok(())
}

/// A string, cut where it is longer than anything of ours: what is kept of it equals nothing that we would look for.
pub(super) fn text(value: &mut Cursor<'_>) -> Result<String> {
    let text = value.string()?;
    if text.len() <= MAX_TEXT {
        return Ok(text.into_owned());
    }
    let mut end = MAX_TEXT - '…'.len_utf8();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Ok(format!("{}…", text.get(..end).unwrap_or_default()))
}
