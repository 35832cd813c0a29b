//! Networks: who has which VNI.

use std::collections::BTreeSet;

use super::{
    Annotated, Attribute, Cell, Column, Read, Selection,
    attributes::ANNOTATIONS,
    bulk,
    sql::{Columns, Result, query},
};
use crate::model::{Network, NetworkId, Vni};

/// What networks are narrowed and sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkColumn {
    /// Identity.
    Id,
    /// Name.
    Name,
    /// Project.
    Tenant,
    /// VNI; 0 where the network has none.
    Vni,
    /// `vxlan` or `local`.
    Type,
    /// When it was created, in seconds since 1970; 0: not known.
    Created,
    /// When it was changed, likewise.
    Updated,
    /// An attribute that has no column of its own.
    Attribute(&'static Attribute),
}

impl NetworkColumn {
    /// The text of [`NetworkColumn::Type`].
    #[must_use]
    pub fn type_of(network: &Network) -> &'static str {
        if network.vni.is_some() { "vxlan" } else { "local" }
    }
}

impl Column for NetworkColumn {
    type Row = Annotated<Network>;

    const ID: Self = Self::Id;

    fn sql(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Tenant => "tenant_id",
            Self::Vni => "vni",
            Self::Type => "CASE WHEN vni IS NULL THEN 'local' ELSE 'vxlan' END",
            Self::Created => "created_s",
            Self::Updated => "updated_s",
            Self::Attribute(attribute) => attribute.sql(),
        }
    }

    fn null(self) -> Option<Cell> {
        match self {
            Self::Vni | Self::Created | Self::Updated => Some(Cell::Number(0)),
            Self::Attribute(attribute) => Some(attribute.null()),
            Self::Id | Self::Name | Self::Tenant | Self::Type => None,
        }
    }

    fn cell(self, network: &Annotated<Network>) -> Cell {
        match self {
            Self::Id => Cell::Text(network.id.to_string()),
            Self::Name => Cell::Text(network.name.clone()),
            Self::Tenant => Cell::Text(network.tenant_id.clone()),
            Self::Vni => Cell::Number(network.vni.map_or(0, |vni| vni.get().into())),
            Self::Type => Cell::Text(Self::type_of(network).to_owned()),
            Self::Created => Cell::seconds(network.stamp.created),
            Self::Updated => Cell::seconds(network.stamp.updated),
            Self::Attribute(attribute) => attribute.cell_of(&network.attributes),
        }
    }
}

const COLUMNS: &str = "id, name, tenant_id, vni";

const FREE_VNI: &str = "
    SELECT MIN(vni) FROM (
        SELECT $1 AS vni WHERE NOT EXISTS (SELECT 1 FROM networks WHERE vni = $2)
        UNION ALL
        SELECT vni FROM (
            SELECT n.vni + 1 AS vni FROM networks AS n
            WHERE n.vni >= $3 AND n.vni < $4 AND NOT EXISTS (SELECT 1 FROM networks AS m WHERE m.vni = n.vni + 1)
            ORDER BY n.vni LIMIT 1
        ) AS after
    ) AS free";

impl Read {
    /// The networks of a selection.
    pub async fn networks(&mut self, selection: &Selection<NetworkColumn>) -> Result<Vec<Annotated<Network>>> {
        let columns = format!("{COLUMNS}, {ANNOTATIONS}");
        let rows = self.all(selection.query(&columns, "networks", Some("gone = 0"))?).await?;
        let read = |row| {
            let mut columns = Columns::of("networks", row);
            Annotated::read(network(&mut columns)?, &mut columns)
        };
        rows.iter().map(read).collect()
    }

    /// One network.
    pub async fn network(&mut self, id: NetworkId) -> Result<Option<Annotated<Network>>> {
        Ok(self.networks(&Selection::among(NetworkColumn::Id, [id])).await?.pop())
    }

    /// The network that has this VNI.
    pub async fn network_of_vni(&mut self, vni: Vni) -> Result<Option<Network>> {
        // One that is gone has none.
        let owner = query("SELECT id, name, tenant_id, vni FROM networks WHERE vni = $1").bind(i64::from(vni.get()));
        self.optional(owner).await?.as_ref().map(|row| network(&mut Columns::of("networks", row))).transpose()
    }

    /// Who bears this name.
    pub async fn networks_named(&mut self, name: &str) -> Result<Vec<NetworkId>> {
        let named = Selection::among(NetworkColumn::Name, [name]);
        Ok(self.networks(&named).await?.into_iter().map(|network| network.id).collect())
    }

    /// Which of these networks exist.
    pub async fn networks_among(&mut self, ids: &BTreeSet<NetworkId>) -> Result<BTreeSet<NetworkId>> {
        let rows = self.all(query(bulk::NETWORKS_AMONG).bind(bulk::json(ids)?)).await?;
        rows.iter().map(|row| Columns::of("networks.id", row).parsed()).collect()
    }

    /// The lowest VNI of `first..=last` that no network has. Reads the taken ones from `first` up to the gap.
    pub async fn free_vni(&mut self, first: u32, last: u32) -> Result<Option<Vni>> {
        let (first, last) = (i64::from(first), i64::from(last));
        let row = self.one(query(FREE_VNI).bind(first).bind(first).bind(first).bind(last)).await?;
        Columns::of("networks.vni", &row).optional()
    }
}

fn network(columns: &mut Columns<'_>) -> Result<Network> {
    Ok(Network {
        id: columns.parsed()?,
        name: columns.string()?,
        tenant_id: columns.string()?,
        vni: columns.optional()?,
    })
}
