//! Ports: the table that may hold a million rows.

use std::fmt::Write as _;

use std::collections::BTreeSet;

use sqlx::any::AnyRow;

use super::{
    Read, Write, bulk,
    codec::{PortRow, mac_number, read_ips, read_mac, read_pairs, write_ips, write_pairs},
    sql::{Columns, Result, assembled, query},
};
use crate::model::{Change, MacAddr, NetworkId, Port, PortId};

/// Which ports to list: those that match every member that isn't `None`, in the order of their ids. A list matches
/// where any of its entries does; an empty list matches nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PortFilter {
    /// By identity.
    pub ids: Option<Vec<PortId>>,
    /// By network.
    pub networks: Option<Vec<NetworkId>>,
    /// By MAC.
    pub macs: Option<Vec<MacAddr>>,
    /// By compute node; the empty name matches unbound ports.
    pub hosts: Option<Vec<String>>,
    /// Only ports whose id comes after this one.
    pub after: Option<PortId>,
    /// At most so many.
    pub limit: Option<u32>,
}

const COLUMNS: &str = "id, network_id, mac, host, name, tenant_id, fixed_ips, address_pairs";

impl Read {
    /// The ports that match.
    pub async fn ports(&mut self, filter: &PortFilter) -> Result<Vec<Port>> {
        let mut conditions = Vec::new();
        let mut values = Vec::new();
        let mut among = |column: &str, json: String| {
            values.push(json);
            let place = values.len();
            conditions.push(format!("{column} IN (SELECT value FROM json_each(${place}))"));
        };
        if let Some(ids) = &filter.ids {
            among("id", bulk::json(ids)?);
        }
        if let Some(networks) = &filter.networks {
            among("network_id", bulk::json(networks)?);
        }
        if let Some(macs) = &filter.macs {
            among("mac", bulk::json(&macs.iter().map(|mac| mac_number(*mac)).collect::<Vec<_>>())?);
        }
        if let Some(hosts) = &filter.hosts {
            let unbound = hosts.iter().any(String::is_empty);
            among("host", bulk::json(hosts)?);
            if unbound && let Some(bound) = conditions.pop() {
                conditions.push(format!("(host IS NULL OR {bound})"));
            }
        }
        if let Some(after) = filter.after {
            values.push(after.to_string());
            conditions.push(format!("id > ${}", values.len()));
        }
        let mut sql = format!("SELECT {COLUMNS} FROM ports");
        if !conditions.is_empty() {
            sql.push_str(" WHERE ");
            sql.push_str(&conditions.join(" AND "));
        }
        sql.push_str(" ORDER BY id");
        if filter.limit.is_some() {
            let _ = write!(sql, " LIMIT ${}", values.len() + 1);
        }
        let mut query = assembled(sql);
        for value in values {
            query = query.bind(value);
        }
        if let Some(limit) = filter.limit {
            query = query.bind(i64::from(limit));
        }
        self.all(query).await?.iter().map(port).collect()
    }

    /// One port.
    pub async fn port(&mut self, id: PortId) -> Result<Option<Port>> {
        Ok(self.ports(&PortFilter { ids: Some(vec![id]), ..PortFilter::default() }).await?.pop())
    }

    /// How many ports a network has.
    pub async fn port_count(&mut self, network: NetworkId) -> Result<u64> {
        let row = self.one(query("SELECT COUNT(*) FROM ports WHERE network_id = $1").bind(network.to_string())).await?;
        Columns::of("ports", &row).count()
    }

    /// Which of these MACs are taken on their networks, and by whom.
    pub async fn macs_taken(
        &mut self,
        macs: &BTreeSet<(NetworkId, MacAddr)>,
    ) -> Result<Vec<(PortId, NetworkId, MacAddr)>> {
        let rows: Vec<_> = macs.iter().map(|(network, mac)| (network, mac_number(*mac))).collect();
        let found = self.all(query(bulk::PORTS_WITH_MACS).bind(bulk::json(&rows)?)).await?;
        let read = |row: &AnyRow| {
            let mut columns = Columns::of("ports", row);
            Ok((columns.parsed()?, columns.parsed()?, read_mac(columns.integer()?)?))
        };
        found.iter().map(read).collect()
    }

    /// A page of ports after the row `place` of the file, and the place of its last one; empty at the end.
    pub(super) async fn ports_page(&mut self, place: i64, length: i64) -> Result<(i64, Vec<Port>)> {
        let row = self.one(query(bulk::PORTS_PAGE).bind(place).bind(length)).await?;
        let mut columns = Columns::of("ports", &row);
        let place = columns.integer()?;
        let text = columns.text()?;
        let rows: Vec<PortRow<'_>> = serde_json::from_str(text).map_err(|error| columns.corrupt(error))?;
        Ok((place, rows.into_iter().map(Port::try_from).collect::<Result<_>>()?))
    }
}

fn port(row: &AnyRow) -> Result<Port> {
    let mut columns = Columns::of("ports", row);
    Ok(Port {
        id: columns.parsed()?,
        network_id: columns.parsed()?,
        mac: read_mac(columns.integer()?)?,
        host: columns.optional_string()?,
        name: columns.string()?,
        tenant_id: columns.string()?,
        fixed_ips: read_ips(columns.text()?)?,
        allowed_address_pairs: read_pairs(columns.text()?)?,
    })
}

const UPDATE_PORT: &str = "UPDATE ports SET mac = $1, host = $2, name = $3, tenant_id = $4, fixed_ips = $5, \
                           address_pairs = $6 WHERE id = $7";

impl Write {
    /// Adds all of these ports in one statement.
    pub async fn insert_ports(&mut self, ports: &[Port]) -> Result<()> {
        let rows: Vec<_> = ports.iter().map(PortRow::from).collect();
        self.run(query(bulk::INSERT_PORTS).bind(bulk::json(&rows)?)).await?;
        self.changes.extend(ports.iter().cloned().map(Change::PortSet));
        Ok(())
    }

    /// Writes a port that exists; its network stays.
    pub async fn update_port(&mut self, port: &Port) -> Result<()> {
        let update = query(UPDATE_PORT)
            .bind(mac_number(port.mac))
            .bind(port.host.clone())
            .bind(port.name.clone())
            .bind(port.tenant_id.clone())
            .bind(write_ips(&port.fixed_ips))
            .bind(write_pairs(&port.allowed_address_pairs))
            .bind(port.id.to_string());
        self.run(update).await?;
        self.changes.push(Change::PortSet(port.clone()));
        Ok(())
    }

    /// Removes a port.
    pub async fn remove_port(&mut self, id: PortId) -> Result<()> {
        self.run(query("DELETE FROM ports WHERE id = $1").bind(id.to_string())).await?;
        self.changes.push(Change::PortRemoved(id));
        Ok(())
    }
}
