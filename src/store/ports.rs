//! Ports: the table that may hold a million rows.

use std::collections::BTreeSet;

use super::{
    Annotated, Attribute, Cell, Column, Read, Selection, Write,
    attributes::{ANNOTATIONS, Table},
    bulk,
    codec::{AnnotatedPortRow, NewPortRow, PortRow, mac_number, read_mac, write_elsewhere, write_ips, write_pairs},
    sql::{Columns, Result, Row, query},
};
use crate::model::{Change, MacAddr, NetworkId, Port, PortId};

/// What ports are narrowed and sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortColumn {
    /// Identity.
    Id,
    /// Name.
    Name,
    /// Project.
    Tenant,
    /// Network.
    Network,
    /// MAC, see [`PortColumn::mac`].
    Mac,
    /// Compute node; the empty name is that of unbound ports.
    Host,
    /// `BOUND` or `UNBOUND`.
    Binding,
    /// When it was created, in seconds since 1970; 0: not known.
    Created,
    /// When it was changed, likewise.
    Updated,
    /// An attribute that has no column of its own.
    Attribute(&'static Attribute),
}

impl PortColumn {
    /// The text of [`PortColumn::Binding`] of ports that have a compute node.
    pub const BOUND: &str = "BOUND";
    /// Its text of those that have none.
    pub const UNBOUND: &str = "UNBOUND";
    /// The column of addresses, for [`super::Condition::Contains`].
    pub const FIXED_IPS: &str = "fixed_ips";

    /// A MAC as the table holds it.
    pub fn mac(mac: MacAddr) -> Cell {
        Cell::Number(mac_number(mac))
    }
}

impl Column for PortColumn {
    type Row = Annotated<Port>;

    const ID: Self = Self::Id;

    fn sql(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Tenant => "tenant_id",
            Self::Network => "network_id",
            Self::Mac => "mac",
            Self::Host => "host",
            Self::Binding => "CASE WHEN host IS NULL THEN 'UNBOUND' ELSE 'BOUND' END",
            Self::Created => "created_s",
            Self::Updated => "updated_s",
            Self::Attribute(attribute) => attribute.sql(),
        }
    }

    fn null(self) -> Option<Cell> {
        match self {
            Self::Host => Some(Cell::Text(String::new())),
            Self::Created | Self::Updated => Some(Cell::Number(0)),
            Self::Attribute(attribute) => Some(attribute.null()),
            Self::Id | Self::Name | Self::Tenant | Self::Network | Self::Mac | Self::Binding => None,
        }
    }

    fn cell(self, port: &Annotated<Port>) -> Cell {
        match self {
            Self::Id => Cell::Text(port.id.to_string()),
            Self::Name => Cell::Text(port.name.clone()),
            Self::Tenant => Cell::Text(port.tenant_id.clone()),
            Self::Network => Cell::Text(port.network_id.to_string()),
            Self::Mac => Self::mac(port.mac),
            Self::Host => Cell::Text(port.host.clone().unwrap_or_default()),
            Self::Binding if port.host.is_some() => Cell::Text(Self::BOUND.to_owned()),
            Self::Binding => Cell::Text(Self::UNBOUND.to_owned()),
            Self::Created => Cell::seconds(port.stamp.created),
            Self::Updated => Cell::seconds(port.stamp.updated),
            Self::Attribute(attribute) => attribute.cell_of(&port.attributes),
        }
    }
}

/// Those of a [`PortRow`].
const COLUMNS: &str = "id, network_id, mac, host, name, tenant_id, fixed_ips, address_pairs, elsewhere";

impl Read {
    /// The ports of a selection.
    pub async fn ports(&mut self, selection: &Selection<PortColumn>) -> Result<Vec<Annotated<Port>>> {
        // All in one text: rows pass from SQLite's thread to ours one by one, which costs more than to read them.
        let (columns, shape) = (format!("{COLUMNS}, {ANNOTATIONS}"), format!("json_array({COLUMNS}), {ANNOTATIONS}"));
        let row = self.one(selection.gathered(&columns, &shape, "ports")?).await?;
        let mut columns = Columns::of("ports", &row);
        let rows: Vec<AnnotatedPortRow<'_>> =
            serde_json::from_str(columns.text()?).map_err(|error| columns.corrupt(error))?;
        rows.into_iter().map(Annotated::try_from).collect()
    }

    /// The ports with these ids that exist, in the order of their ids.
    pub async fn ports_among(&mut self, ids: &BTreeSet<PortId>) -> Result<Vec<Port>> {
        let ports = self.ports(&Selection::among(PortColumn::Id, ids)).await?;
        Ok(ports.into_iter().map(|port| port.row).collect())
    }

    /// One port.
    pub async fn port(&mut self, id: PortId) -> Result<Option<Annotated<Port>>> {
        Ok(self.ports(&Selection::among(PortColumn::Id, [id])).await?.pop())
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
        let read = |row: &Row| {
            let mut columns = Columns::of("ports", row);
            Ok((columns.parsed()?, columns.parsed()?, read_mac(columns.integer()?)?))
        };
        found.iter().map(read).collect()
    }

    /// Ports of these networks that may speak for further MACs.
    pub async fn ports_with_pairs(&mut self, networks: &BTreeSet<NetworkId>) -> Result<Vec<Port>> {
        let row = self.one(query(bulk::PORTS_WITH_PAIRS).bind(bulk::json(networks)?)).await?;
        ports(&mut Columns::of("ports", &row))
    }

    /// A page of ports after the row `place` of the file, and the place of its last one; empty at the end.
    pub async fn ports_page(&mut self, place: i64, length: i64) -> Result<(i64, Vec<Port>)> {
        let row = self.one(query(bulk::PORTS_PAGE).bind(place).bind(length)).await?;
        let mut columns = Columns::of("ports", &row);
        Ok((columns.integer()?, ports(&mut columns)?))
    }
}

/// The ports of a column that holds the rows of many.
fn ports(columns: &mut Columns<'_>) -> Result<Vec<Port>> {
    let rows: Vec<PortRow<'_>> = serde_json::from_str(columns.text()?).map_err(|error| columns.corrupt(error))?;
    rows.into_iter().map(Port::try_from).collect()
}

const UPDATE_PORT: &str = "UPDATE ports SET mac = $1, host = $2, name = $3, tenant_id = $4, fixed_ips = $5, \
                           address_pairs = $6, elsewhere = $7 WHERE id = $8";

impl Write {
    /// Adds all of these ports in one statement.
    pub async fn insert_ports(&mut self, ports: &[Annotated<Port>]) -> Result<()> {
        let rows = ports.iter().map(NewPortRow::annotated).collect::<Result<Vec<_>>>()?;
        self.run(query(bulk::INSERT_PORTS).bind(bulk::json(&rows)?)).await?;
        self.changes.extend(ports.iter().map(|port| Change::PortSet(port.row.clone())));
        Ok(())
    }

    /// Writes what clients keep with a port.
    pub async fn annotate_port(&mut self, port: &Annotated<Port>) -> Result<()> {
        self.annotate(Table::Ports, port.id.to_string(), port).await
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
            .bind(write_elsewhere(&port.elsewhere)?)
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
