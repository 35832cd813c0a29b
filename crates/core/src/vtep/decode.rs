//! From the bytes of a monitor reply or an `update` (RFC 7047 section 4.1.6, `<table-updates>`) straight into the rows
//! of the replica: no tree in between.

use std::{borrow::Cow, ops::Range};

use uuid::Uuid;

use super::{
    replica::{Replica, Touched},
    rows::{
        Locator, LogicalSwitch, LogicalSwitchIndex, Multicast, PhysicalPort, PhysicalSwitch, ReplicationMode, RowIp,
        Unicast,
    },
};
use ovsdb::json::{Cursor, JsonError, Kind};

use crate::model::MacAddr;

/// Bytes of a reply whose memory is given back at once.
const PIECE: usize = 4 << 20;

type Result<T = ()> = std::result::Result<T, JsonError>;

impl Replica {
    /// Takes the reply of `monitor`, or the `<table-updates>` of an `update`, and tells what it touched.
    ///
    /// # Errors
    /// [`JsonError`] where the text is not what RFC 7047 says. Rows before the error were taken: the replica is then of
    /// no further use, and the session has to start again.
    pub fn apply(&mut self, updates: &[u8], touched: &mut Touched) -> Result {
        let mut cursor = Cursor::new(updates);
        cursor.object(|table, rows| self.table(table, rows, touched))?;
        cursor.end()
    }

    /// [`Self::apply`] for the reply of `monitor`, of which all is new. The text of a switch with a million MACs is 225 MB,
    /// three times the size of their rows: its memory goes back as the rows are made, from the end.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn load(&mut self, reply: Vec<u8>) -> Result {
        // To look for the ends of pieces costs a quarter of the time.
        if reply.len() <= PIECE { self.apply(&reply, &mut Touched::default()) } else { self.load_by(PIECE, reply) }
    }

    pub(super) fn load_by(&mut self, size: usize, mut reply: Vec<u8>) -> Result {
        let mut pieces: Vec<(String, Range<usize>)> = Vec::new();
        let mut cursor = Cursor::new(&reply);
        cursor.object(|table, rows| {
            // What is no table's rows is passed over as a whole.
            let size = if rows.peek()? == Kind::Object { size } else { usize::MAX };
            rows.pieces(size, |piece| pieces.push((table.to_owned(), piece)))
        })?;
        cursor.end()?;
        while let Some((table, Range { start, end })) = pieces.pop() {
            // Where the rows were cut stands a comma, or what the piece behind it has made of its own.
            if let [first, .., last] = reply.get_mut(start..end).unwrap_or_default() {
                *first = if *first == b',' { b'{' } else { *first };
                *last = if matches!(last, b',' | b'{') { b'}' } else { *last };
            }
            let mut rows = Cursor::new(reply.get(start..end).unwrap_or_default());
            let loaded = self.table(&table, &mut rows, &mut Touched::default()).and_then(|()| rows.end());
            loaded.map_err(|error| JsonError { offset: start + error.offset, ..error })?;
            reply.truncate(start + 1);
            reply.shrink_to_fit();
        }
        Ok(())
    }

    fn table(&mut self, table: &str, rows: &mut Cursor<'_>, touched: &mut Touched) -> Result {
        match table {
            "Ucast_Macs_Remote" => each_row(rows, |uuid, row| self.unicast(uuid, row, touched)),
            "Physical_Switch" => each_row(rows, |uuid, row| {
                let row = row.map(physical_switch).transpose()?;
                self.set_switch(uuid, row, touched);
                Ok(())
            }),
            "Physical_Port" => each_row(rows, |uuid, row| {
                let row = row.map(physical_port).transpose()?;
                self.set_port(uuid, row, touched);
                Ok(())
            }),
            "Logical_Switch" => each_row(rows, |uuid, row| {
                let row = row.map(logical_switch).transpose()?;
                self.set_logical_switch(uuid, row, touched);
                Ok(())
            }),
            "Physical_Locator" => each_row(rows, |uuid, row| {
                let row = row.map(locator).transpose()?;
                self.set_locator(uuid, row);
                Ok(())
            }),
            "Physical_Locator_Set" => each_row(rows, |uuid, row| self.locator_set(uuid, row)),
            "Mcast_Macs_Remote" => each_row(rows, |uuid, row| self.multicast(uuid, row, touched)),
            "Ucast_Macs_Local" => each_row(rows, |uuid, row| self.local(uuid, row, touched)),
            "Mcast_Macs_Local" => each_row(rows, |uuid, row| self.local_multicast(uuid, row, touched)),
            "Tunnel" | "Manager" | "Global" => each_row(rows, |uuid, row| self.extra(table, uuid, row, touched)),
            _ => rows.skip(),
        }
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
                b"logical_switch" => logical_switch = Some(self.intern_logical_switch(value.uuid()?)),
                b"locator" => locator = Some(self.intern_locator(value.uuid()?)),
                _ => value.skip()?,
            }
            Ok(())
        })?;
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
                b"logical_switch" => logical_switch = Some(self.intern_logical_switch(value.uuid()?)),
                b"locator_set" => set = Some(value.uuid()?),
                _ => value.skip()?,
            }
            Ok(())
        })?;
        Ok(logical_switch.zip(set).map(|(logical_switch, set)| Multicast { logical_switch, unknown_dst, set }))
    }

    fn locator_set(&mut self, uuid: Uuid, row: Option<&mut Cursor<'_>>) -> Result {
        let Some(row) = row else {
            self.set_locator_set(uuid, None);
            return Ok(());
        };
        let mut locators = Vec::new();
        row.members(|column, value| match column {
            b"locators" => uuids(value, |uuid| locators.push(self.intern_locator(uuid))),
            _ => value.skip(),
        })?;
        self.set_locator_set(uuid, Some(locators));
        Ok(())
    }
}

/// Calls `f` with each row's UUID and a cursor on its new content; `None` where the row was deleted.
fn each_row<'a>(rows: &mut Cursor<'a>, mut f: impl FnMut(Uuid, Option<&mut Cursor<'a>>) -> Result) -> Result {
    rows.members(|uuid, update| {
        // The key of a row is its UUID; anything else is no row that we could ever name.
        let Ok(uuid) = Uuid::try_parse_ascii(uuid) else { return update.skip() };
        let mut deleted = true;
        update.members(|member, row| match member {
            b"new" => {
                deleted = false;
                f(uuid, Some(row))
            }
            _ => row.skip(),
        })?;
        if deleted { f(uuid, None) } else { Ok(()) }
    })
}

fn physical_switch(row: &mut Cursor<'_>) -> Result<PhysicalSwitch> {
    let mut switch = PhysicalSwitch::default();
    row.members(|column, value| match column {
        b"name" => store(&mut switch.name, value),
        b"tunnel_ips" => value.set(|ip| {
            switch.tunnel_ips.extend(ip.string()?.parse::<std::net::IpAddr>());
            Ok(())
        }),
        b"ports" => uuids(value, |uuid| switch.ports.push(uuid)),
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
fn uuids(value: &mut Cursor<'_>, mut f: impl FnMut(Uuid)) -> Result {
    value.set(|uuid| {
        f(uuid.uuid()?);
        Ok(())
    })
}

fn faults(value: &mut Cursor<'_>, faults: &mut Vec<String>) -> Result {
    value.set(|fault| {
        faults.push(fault.string()?.into_owned());
        Ok(())
    })
}

fn store(field: &mut String, value: &mut Cursor<'_>) -> Result {
    *field = value.string().map(Cow::into_owned)?;
    Ok(())
}
