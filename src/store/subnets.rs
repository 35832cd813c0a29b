//! Subnets, and which of their addresses ports have.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{
    Annotated, Attribute, Cell, Column, Read, Selection, Write,
    attributes::{ANNOTATIONS, Table},
    bulk,
    sql::{Columns, Result, Row, query},
};
use crate::model::{NetworkId, PortId, Subnet, SubnetId};

/// An address of a subnet that a port has.
pub type Allocation = (SubnetId, IpAddr, PortId);

/// What subnets are narrowed and sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubnetColumn {
    /// Identity.
    Id,
    /// Name.
    Name,
    /// Project.
    Tenant,
    /// Network.
    Network,
    /// Range, as `10.0.0.0/24`.
    Cidr,
    /// The router's address; empty where there is none.
    Gateway,
    /// When it was created, in seconds since 1970; 0: not known.
    Created,
    /// When it was changed, likewise.
    Updated,
    /// An attribute that has no column of its own.
    Attribute(&'static Attribute),
}

impl Column for SubnetColumn {
    type Row = Annotated<Subnet>;

    const ID: Self = Self::Id;

    fn sql(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Tenant => "tenant_id",
            Self::Network => "network_id",
            Self::Cidr => "cidr",
            Self::Gateway => "gateway_ip",
            Self::Created => "created_s",
            Self::Updated => "updated_s",
            Self::Attribute(attribute) => attribute.sql(),
        }
    }

    fn null(self) -> Option<Cell> {
        match self {
            Self::Gateway => Some(Cell::Text(String::new())),
            Self::Created | Self::Updated => Some(Cell::Number(0)),
            Self::Attribute(attribute) => Some(attribute.null()),
            Self::Id | Self::Name | Self::Tenant | Self::Network | Self::Cidr => None,
        }
    }

    fn cell(self, subnet: &Annotated<Subnet>) -> Cell {
        Cell::Text(match self {
            Self::Id => subnet.id.to_string(),
            Self::Name => subnet.name.clone(),
            Self::Tenant => subnet.tenant_id.clone(),
            Self::Network => subnet.network_id.to_string(),
            Self::Cidr => subnet.cidr.to_string(),
            Self::Gateway => subnet.gateway_ip.as_ref().map(ToString::to_string).unwrap_or_default(),
            Self::Created => return Cell::seconds(subnet.stamp.created),
            Self::Updated => return Cell::seconds(subnet.stamp.updated),
            Self::Attribute(attribute) => return attribute.cell_of(&subnet.attributes),
        })
    }
}

const COLUMNS: &str = "id, network_id, name, tenant_id, cidr, gateway_ip, pools";

impl Read {
    /// The subnets of a selection.
    pub async fn subnets(&mut self, selection: &Selection<SubnetColumn>) -> Result<Vec<Annotated<Subnet>>> {
        let columns = format!("{COLUMNS}, {ANNOTATIONS}");
        self.all(selection.query(&columns, "subnets", None)?).await?.iter().map(subnet).collect()
    }

    /// One subnet.
    pub async fn subnet(&mut self, id: SubnetId) -> Result<Option<Annotated<Subnet>>> {
        Ok(self.subnets(&Selection::among(SubnetColumn::Id, [id])).await?.pop())
    }

    /// The subnets of some networks, in the order of their ids.
    pub async fn subnets_of(&mut self, networks: &BTreeSet<NetworkId>) -> Result<Vec<Subnet>> {
        let subnets = self.subnets(&Selection::among(SubnetColumn::Network, networks)).await?;
        Ok(subnets.into_iter().map(|subnet| subnet.row).collect())
    }

    /// How many addresses of a subnet ports have.
    pub async fn allocation_count(&mut self, subnet: SubnetId) -> Result<u64> {
        let count = query("SELECT COUNT(*) FROM ip_allocations WHERE subnet_id = $1").bind(subnet.to_string());
        Columns::of("ip_allocations", &self.one(count).await?).count()
    }

    /// Which of these addresses ports have.
    pub async fn allocated(&mut self, addresses: &BTreeSet<(SubnetId, IpAddr)>) -> Result<Vec<Allocation>> {
        let rows: Vec<_> = addresses.iter().map(|(subnet, ip)| (subnet, digits(*ip))).collect();
        let found = self.all(query(bulk::ALLOCATIONS_AMONG).bind(bulk::json(&rows)?)).await?;
        found.iter().map(allocation).collect()
    }

    /// The highest address of a part of a subnet that a port has.
    pub async fn highest_allocated(&mut self, subnet: SubnetId, first: IpAddr, last: IpAddr) -> Result<Option<IpAddr>> {
        let highest = query(
            "SELECT subnet_id, ip, port_id FROM ip_allocations WHERE subnet_id = $1 AND ip >= $2 AND ip <= $3 \
             ORDER BY ip DESC LIMIT 1",
        );
        let highest = highest.bind(subnet.to_string()).bind(digits(first)).bind(digits(last));
        let row = self.optional(highest).await?;
        Ok(row.as_ref().map(allocation).transpose()?.map(|(_, ip, _)| ip))
    }

    /// Addresses of a part of a subnet that ports have, in order, at most this many.
    pub async fn allocated_between(
        &mut self,
        subnet: SubnetId,
        first: IpAddr,
        last: IpAddr,
        limit: u32,
    ) -> Result<Vec<IpAddr>> {
        let between = query(
            "SELECT subnet_id, ip, port_id FROM ip_allocations WHERE subnet_id = $1 AND ip >= $2 AND ip <= $3 \
             ORDER BY ip LIMIT $4",
        );
        let between = between.bind(subnet.to_string()).bind(digits(first)).bind(digits(last)).bind(i64::from(limit));
        self.all(between).await?.iter().map(|row| allocation(row).map(|(_, ip, _)| ip)).collect()
    }
}

fn subnet(row: &Row) -> Result<Annotated<Subnet>> {
    let mut columns = Columns::of("subnets", row);
    let subnet = Subnet {
        id: columns.parsed()?,
        network_id: columns.parsed()?,
        name: columns.string()?,
        tenant_id: columns.string()?,
        cidr: columns.parsed()?,
        gateway_ip: columns.optional_parsed()?,
        pools: {
            let text = columns.text()?;
            read_pools(text).ok_or_else(|| columns.corrupt(text))?
        },
    };
    Annotated::read(subnet, &mut columns)
}

fn allocation(row: &Row) -> Result<Allocation> {
    let mut columns = Columns::of("ip_allocations", row);
    let subnet = columns.parsed()?;
    let text = columns.text()?;
    let ip = read_digits(text).ok_or_else(|| columns.corrupt(text))?;
    Ok((subnet, ip, columns.parsed()?))
}

impl Write {
    /// Adds a subnet with what clients keep with it.
    pub async fn insert_subnet(&mut self, subnet: &Annotated<Subnet>) -> Result<()> {
        let insert = query(
            "INSERT INTO subnets (id, network_id, name, tenant_id, cidr, gateway_ip, pools) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        );
        let insert = insert
            .bind(subnet.id.to_string())
            .bind(subnet.network_id.to_string())
            .bind(subnet.name.clone())
            .bind(subnet.tenant_id.clone())
            .bind(subnet.cidr.to_string())
            .bind(subnet.gateway_ip.map(|ip| ip.to_string()))
            .bind(write_pools(&subnet.pools));
        self.run(insert).await?;
        self.annotate_subnet(subnet).await
    }

    /// Writes what clients keep with a subnet.
    pub async fn annotate_subnet(&mut self, subnet: &Annotated<Subnet>) -> Result<()> {
        self.annotate(Table::Subnets, subnet.id.to_string(), subnet).await
    }

    /// Writes name, gateway and pools of a subnet that exists, and what clients keep with it.
    pub async fn update_subnet(&mut self, subnet: &Annotated<Subnet>) -> Result<()> {
        let update = query("UPDATE subnets SET name = $1, gateway_ip = $2, pools = $3 WHERE id = $4")
            .bind(subnet.name.clone())
            .bind(subnet.gateway_ip.map(|ip| ip.to_string()))
            .bind(write_pools(&subnet.pools))
            .bind(subnet.id.to_string());
        self.run(update).await?;
        self.annotate_subnet(subnet).await
    }

    /// Removes a subnet.
    pub async fn remove_subnet(&mut self, id: SubnetId) -> Result<()> {
        self.run(query("DELETE FROM subnets WHERE id = $1").bind(id.to_string())).await?;
        Ok(())
    }

    /// Notes that ports have these addresses, which no other port has. They go with their port or their subnet.
    pub async fn allocate(&mut self, allocations: &[Allocation]) -> Result<()> {
        if allocations.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = allocations.iter().map(|(subnet, ip, port)| (subnet, digits(*ip), port)).collect();
        self.run(query(bulk::INSERT_ALLOCATIONS).bind(bulk::json(&rows)?)).await?;
        Ok(())
    }

    /// Gives all addresses of a port free.
    pub async fn release_addresses(&mut self, port: PortId) -> Result<()> {
        self.run(query("DELETE FROM ip_allocations WHERE port_id = $1").bind(port.to_string())).await?;
        Ok(())
    }
}

// ===== texts =====

fn digits(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => format!("{:08x}", ip.to_bits()),
        IpAddr::V6(ip) => format!("{:032x}", ip.to_bits()),
    }
}

fn read_digits(text: &str) -> Option<IpAddr> {
    match text.len() {
        8 => u32::from_str_radix(text, 16).ok().map(|bits| Ipv4Addr::from_bits(bits).into()),
        32 => u128::from_str_radix(text, 16).ok().map(|bits| Ipv6Addr::from_bits(bits).into()),
        _ => None,
    }
}

fn write_pools(pools: &[(IpAddr, IpAddr)]) -> String {
    pools.iter().map(|(first, last)| format!("{first}-{last}")).collect::<Vec<_>>().join(",")
}

fn read_pools(text: &str) -> Option<Vec<(IpAddr, IpAddr)>> {
    let pool = |text: &str| {
        let (first, last) = text.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?))
    };
    text.split(',').filter(|text| !text.is_empty()).map(pool).collect()
}
