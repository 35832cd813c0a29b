//! From the bytes of a row (RFC 7047 section 4.1.6, `<row-update>`) straight into the rows of the replica: no tree in
//! between. [`super::tables`] reads the columns; here references become numbers, and rows that are none are sorted out.

use ovsdb::json::{Cursor, JsonError};
use uuid::Uuid;

use super::{
    replica::{Replica, Touched},
    rows::{Locator, LogicalSwitchIndex, Multicast, Tunnel, Unicast},
    tables::{LocatorRow, LocatorSetRow, MulticastRow, Table, TunnelRow, UnicastRow},
};

impl Replica {
    /// Takes one row of a `<table-update>`: the key is its UUID, the member `new` its content; without that it was deleted.
    pub(super) fn row(
        &mut self,
        table: Option<Table>,
        key: &[u8],
        update: &mut Cursor<'_>,
        touched: &mut Touched,
    ) -> Result<(), JsonError> {
        // Anything but a UUID is no row that we could ever name.
        let (Some(table), Ok(uuid)) = (table, Uuid::try_parse_ascii(key)) else { return update.skip() };
        touched.count += 1;
        let mut deleted = true;
        update.members(|member, row| match member {
            b"new" => {
                deleted = false;
                table.take(self, uuid, Some(row), touched)
            }
            _ => row.skip(),
        })?;
        if deleted { table.take(self, uuid, None, touched) } else { Ok(()) }
    }

    pub(super) fn set_remote_unicast(&mut self, uuid: Uuid, row: Option<&mut UnicastRow>, touched: &mut Touched) {
        let (logical_switch, mac) = row.map_or((None, None), |row| self.unicast(uuid, row));
        self.set_odd_mac(uuid, logical_switch.filter(|_| mac.is_none()), touched);
        self.set_mac(uuid, mac, touched);
    }

    pub(super) fn set_local_unicast(&mut self, uuid: Uuid, row: Option<&mut UnicastRow>, touched: &mut Touched) {
        let (logical_switch, mac) = row.map_or((None, None), |row| self.unicast(uuid, row));
        self.set_local_mac(uuid, mac, touched);
        self.set_other_local(uuid, logical_switch.filter(|_| mac.is_none()), touched);
    }

    /// The compact row, if its MAC is one; and its Logical_Switch in any case. The schema makes both references obligatory.
    #[inline]
    fn unicast(&mut self, uuid: Uuid, row: &UnicastRow) -> (Option<LogicalSwitchIndex>, Option<Unicast>) {
        // Only what a row will refer to gets a number.
        let locator = row.mac.and(row.logical_switch).and(row.locator).map(|locator| self.intern_locator(locator));
        let logical_switch = row.logical_switch.map(|logical_switch| self.intern_logical_switch(logical_switch));
        let mac = row.mac.zip(logical_switch.zip(locator));
        let unicast =
            mac.map(|(mac, (logical_switch, locator))| Unicast { uuid, mac, ip: row.ip, logical_switch, locator });
        (logical_switch, unicast)
    }

    pub(super) fn set_remote_multicast(&mut self, uuid: Uuid, row: Option<&mut MulticastRow>, touched: &mut Touched) {
        let row = row.and_then(|row| self.multicast(row));
        self.set_multicast(uuid, row, touched);
    }

    pub(super) fn set_local_multicast_row(
        &mut self,
        uuid: Uuid,
        row: Option<&mut MulticastRow>,
        touched: &mut Touched,
    ) {
        let row = row.and_then(|row| self.multicast(row));
        self.set_local_multicast(uuid, row, touched);
        self.set_other_local(uuid, row.map(|row| row.logical_switch), touched);
    }

    fn multicast(&mut self, row: &MulticastRow) -> Option<Multicast> {
        let (logical_switch, set) = row.logical_switch.zip(row.set)?;
        let logical_switch = self.intern_logical_switch(logical_switch);
        Some(Multicast { logical_switch, unknown_dst: row.unknown_dst, set })
    }

    pub(super) fn set_locator_row(&mut self, uuid: Uuid, row: Option<&mut LocatorRow>, _: &mut Touched) {
        let row = row.map(|row| Locator { ip: row.ip.filter(|_| !row.other_encapsulation), keyed: row.keyed });
        self.set_locator(uuid, row);
    }

    pub(super) fn set_locator_set_row(&mut self, uuid: Uuid, row: Option<&mut LocatorSetRow>, _: &mut Touched) {
        let locators = row.map(|row| row.locators.iter().map(|uuid| self.intern_locator(*uuid)).collect());
        self.set_locator_set(uuid, locators);
    }

    /// A tunnel without one of its ends, which the schema makes obligatory, is none.
    pub(super) fn set_tunnel(&mut self, uuid: Uuid, row: Option<&mut TunnelRow>, touched: &mut Touched) {
        let tunnel = row.map(std::mem::take).and_then(|row| {
            let (local, remote) = row.local.zip(row.remote)?;
            Some(Tunnel {
                local: self.hold_locator(local),
                remote: self.hold_locator(remote),
                bfd_params: row.bfd_params,
                bfd_config_remote: row.bfd_config_remote,
                bfd_status: row.bfd_status,
            })
        });
        self.store_tunnel(uuid, tunnel, touched);
    }
}
