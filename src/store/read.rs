//! Reading: gateways, connections, tunnel endpoints. Networks, subnets and ports are next door.

use std::collections::{BTreeSet, HashMap};

use sqlx::{Any, Transaction};

use super::{
    StoreError, bulk,
    sql::{Columns, Query, Result, Row, query},
    sqlite,
};
use crate::model::{
    Binding, Connection, ConnectionId, Device, EndpointId, Gateway, GatewayId, Interface, NetworkId, Revision,
    TunnelEndpoint, VlanId, bindings,
};

/// One consistent view of the store: either a snapshot of the last commit, or what a write in progress sees.
pub struct Read {
    conn: Conn,
    /// A failure of the disk, remembered for the writer: the caller may have wrapped it into an error of its own.
    pub(super) unavailable: Option<StoreError>,
}

enum Conn {
    Snapshot(Transaction<'static, Any>),
    Writer(sqlite::Connection),
}

/// Connected networks that bind nothing, and whether they were deleted: the others have no VXLAN segment.
pub type UnboundNetworks = HashMap<NetworkId, bool>;

/// A VLAN that another network's connection holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VlanClash {
    /// Switch, port and VLAN.
    pub binding: Binding,
    /// Whose it is.
    pub network: NetworkId,
    /// Which connection bound it.
    pub connection: ConnectionId,
}

// ===== statements =====

impl Read {
    pub(super) fn snapshot(transaction: Transaction<'static, Any>) -> Self {
        Self { conn: Conn::Snapshot(transaction), unavailable: None }
    }

    pub(super) fn writer(connection: sqlite::Connection) -> Self {
        Self { conn: Conn::Writer(connection), unavailable: None }
    }

    pub(super) async fn all(&mut self, query: Query) -> Result<Vec<Row>> {
        let rows = match &mut self.conn {
            Conn::Snapshot(transaction) => match query.into_sqlx().fetch_all(&mut **transaction).await {
                Ok(rows) => Ok(rows.into_iter().map(Row::Read).collect()),
                Err(error) => Err(error.into()),
            },
            Conn::Writer(connection) => {
                connection.rows(&query, usize::MAX).map(|rows| rows.into_iter().map(Row::Writer).collect())
            }
        };
        self.noted(rows)
    }

    pub(super) async fn optional(&mut self, query: Query) -> Result<Option<Row>> {
        let row = match &mut self.conn {
            Conn::Snapshot(transaction) => match query.into_sqlx().fetch_optional(&mut **transaction).await {
                Ok(row) => Ok(row.map(Row::Read)),
                Err(error) => Err(error.into()),
            },
            Conn::Writer(connection) => connection.rows(&query, 1).map(|mut rows| rows.pop().map(Row::Writer)),
        };
        self.noted(row)
    }

    pub(super) async fn one(&mut self, query: Query) -> Result<Row> {
        self.optional(query).await?.ok_or_else(|| sqlx::Error::RowNotFound.into())
    }

    /// Runs a statement; answers how many rows it changed.
    pub(super) async fn run(&mut self, query: Query) -> Result<u64> {
        let done = match &mut self.conn {
            Conn::Snapshot(transaction) => match query.into_sqlx().execute(&mut **transaction).await {
                Ok(done) => Ok(done.rows_affected()),
                Err(error) => Err(error.into()),
            },
            Conn::Writer(connection) => connection.run(&query),
        };
        self.noted(done)
    }

    fn noted<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result
            && error.is_unavailable()
        {
            self.unavailable = Some(error.clone());
        }
        result
    }
}

// ===== gateways =====

const DEVICES: &str = "SELECT l2_gateway_id, id, device_name FROM pg_l2gatewaydevices ORDER BY l2_gateway_id, position";
const DEVICES_OF: &str = "SELECT l2_gateway_id, id, device_name FROM pg_l2gatewaydevices WHERE l2_gateway_id = $1 \
                          ORDER BY l2_gateway_id, position";
const INTERFACES: &str = "SELECT device_id, interface_name, segmentation_id FROM pg_l2gatewayinterfaces \
                          ORDER BY device_id, position";
const INTERFACES_OF: &str = "SELECT device_id, interface_name, segmentation_id FROM pg_l2gatewayinterfaces WHERE device_id \
                             IN (SELECT id FROM pg_l2gatewaydevices WHERE l2_gateway_id = $1) ORDER BY device_id, position";

impl Read {
    /// The revision of the last commit that this view sees.
    pub async fn revision(&mut self) -> Result<Revision> {
        let row = self.one(query("SELECT COALESCE(MAX(revision), 0) FROM changes")).await?;
        Columns::of("changes", &row).count()
    }

    /// All gateways, in the order of their ids.
    pub async fn gateways(&mut self) -> Result<Vec<Gateway>> {
        let gateways = self.all(query("SELECT id, name, tenant_id FROM pg_l2gateways ORDER BY id")).await?;
        let devices = self.all(query(DEVICES)).await?;
        let interfaces = self.all(query(INTERFACES)).await?;
        assemble(&gateways, &devices, &interfaces)
    }

    /// One gateway.
    pub async fn gateway(&mut self, id: GatewayId) -> Result<Option<Gateway>> {
        let id = id.to_string();
        let gateway = query("SELECT id, name, tenant_id FROM pg_l2gateways WHERE id = $1").bind(id.clone());
        let Some(gateway) = self.optional(gateway).await? else { return Ok(None) };
        let devices = self.all(query(DEVICES_OF).bind(id.clone())).await?;
        let interfaces = self.all(query(INTERFACES_OF).bind(id)).await?;
        Ok(assemble(&[gateway], &devices, &interfaces)?.pop())
    }

    /// Who bears this name.
    pub async fn gateways_named(&mut self, name: &str) -> Result<Vec<GatewayId>> {
        let rows =
            self.all(query("SELECT id FROM pg_l2gateways WHERE name = $1 ORDER BY id").bind(name.to_owned())).await?;
        rows.iter().map(|row| Columns::of("pg_l2gateways.id", row).parsed()).collect()
    }
}

/// Joins the three tables of gateways. Rows of devices and interfaces come sorted by what they belong to.
fn assemble(gateways: &[Row], devices: &[Row], interfaces: &[Row]) -> Result<Vec<Gateway>> {
    let mut of_device = hashbrown::HashMap::<&str, Vec<Interface>, foldhash::fast::RandomState>::default();
    for row in interfaces {
        let mut columns = Columns::of("pg_l2gatewayinterfaces", row);
        let list = of_device.entry(columns.text()?).or_default();
        let name = columns.text()?;
        let vlan: Option<VlanId> = columns.optional()?;
        match list.last_mut().filter(|before| before.name == name) {
            Some(before) => before.vlans.extend(vlan),
            None => list.push(Interface { name: name.to_owned(), vlans: vlan.into_iter().collect() }),
        }
    }
    let mut of_gateway = hashbrown::HashMap::<&str, Vec<Device>, foldhash::fast::RandomState>::default();
    for row in devices {
        let mut columns = Columns::of("pg_l2gatewaydevices", row);
        let list = of_gateway.entry(columns.text()?).or_default();
        let id = columns.text()?;
        list.push(Device {
            id: id.parse().map_err(|_| columns.corrupt(id))?,
            name: columns.string()?,
            interfaces: of_device.remove(id).unwrap_or_default(),
        });
    }
    gateways
        .iter()
        .map(|row| {
            let mut columns = Columns::of("pg_l2gateways", row);
            let id = columns.text()?;
            Ok(Gateway {
                id: id.parse().map_err(|_| columns.corrupt(id))?,
                name: columns.string()?,
                tenant_id: columns.string()?,
                devices: of_gateway.remove(id).unwrap_or_default(),
            })
        })
        .collect()
}

// ===== connections =====

macro_rules! connections {
    ($rest:literal) => {
        concat!(
            "SELECT id, tenant_id, l2_gateway_id, network_id, port_id, default_segmentation_id FROM \
             pg_networkconnections ",
            $rest
        )
    };
}

impl Read {
    /// All connections, in the order of their ids.
    pub async fn connections(&mut self) -> Result<Vec<Connection>> {
        self.connections_by(query(connections!("ORDER BY id"))).await
    }

    /// The connections whose networks have a VXLAN segment: those that bind.
    pub(super) async fn live_connections(&mut self) -> Result<Vec<Connection>> {
        const LIVE: &str =
            connections!("WHERE network_id IN (SELECT id FROM networks WHERE vni IS NOT NULL) ORDER BY id");
        self.connections_by(query(LIVE)).await
    }

    /// One connection.
    pub async fn connection(&mut self, id: ConnectionId) -> Result<Option<Connection>> {
        Ok(self.connections_by(query(connections!("WHERE id = $1")).bind(id.to_string())).await?.pop())
    }

    /// The connections of a gateway.
    pub async fn connections_of_gateway(&mut self, id: GatewayId) -> Result<Vec<Connection>> {
        self.connections_by(query(connections!("WHERE l2_gateway_id = $1 ORDER BY id")).bind(id.to_string())).await
    }

    /// The connections of a network.
    pub async fn connections_of_network(&mut self, id: NetworkId) -> Result<Vec<Connection>> {
        self.connections_by(query(connections!("WHERE network_id = $1 ORDER BY id")).bind(id.to_string())).await
    }

    async fn connections_by(&mut self, query: Query) -> Result<Vec<Connection>> {
        let read = |row: &Row| {
            let mut columns = Columns::of("pg_networkconnections", row);
            Ok(Connection {
                id: columns.parsed()?,
                tenant_id: columns.string()?,
                gateway_id: columns.parsed()?,
                network_id: columns.parsed()?,
                port_id: columns.string()?,
                default_vlan: columns.optional()?,
            })
        };
        self.all(query).await?.iter().map(read).collect()
    }

    /// Connected networks that a source deleted, or that have no VXLAN segment.
    pub async fn unbound_networks(&mut self) -> Result<UnboundNetworks> {
        const UNBOUND: &str = "SELECT DISTINCT c.network_id, CASE WHEN n.id IS NULL THEN 1 ELSE 0 END FROM \
                               pg_networkconnections c LEFT JOIN networks n ON n.id = c.network_id WHERE n.vni IS NULL";
        let read = |row: &Row| {
            let mut columns = Columns::of("pg_networkconnections", row);
            Ok((columns.parsed()?, columns.count()? == 1))
        };
        self.all(query(UNBOUND)).await?.iter().map(read).collect()
    }

    /// What all connections of a network bind: nothing, if it has no VXLAN segment (any more).
    pub async fn network_bindings(&mut self, id: NetworkId) -> Result<BTreeSet<Binding>> {
        let mut all = BTreeSet::new();
        if !self.network_binds(id).await? {
            return Ok(all);
        }
        for connection in self.connections_of_network(id).await? {
            if let Some(gateway) = self.gateway(connection.gateway_id).await? {
                all.append(&mut bindings(&gateway, &connection));
            }
        }
        Ok(all)
    }

    /// One of `wanted` that a connection with a network other than `network` binds.
    pub async fn vlan_clash(&mut self, network: NetworkId, wanted: &BTreeSet<Binding>) -> Result<Option<VlanClash>> {
        let rows: Vec<_> = wanted.iter().map(|b| (&b.switch, &b.port, b.vlan)).collect();
        let rows = bulk::json(&rows)?;
        let network = network.to_string();
        let clash = query(bulk::VLAN_CLASH).bind(rows.clone()).bind(network.clone()).bind(rows).bind(network);
        let Some(row) = self.optional(clash).await? else { return Ok(None) };
        let mut columns = Columns::of("pg_networkconnections", &row);
        Ok(Some(VlanClash {
            binding: Binding { switch: columns.string()?, port: columns.string()?, vlan: columns.number()? },
            network: columns.parsed()?,
            connection: columns.parsed()?,
        }))
    }
}

// ===== tunnel endpoints =====

impl Read {
    /// All tunnel endpoints, in the order of their ids.
    pub async fn endpoints(&mut self) -> Result<Vec<TunnelEndpoint>> {
        self.endpoints_by(query("SELECT id, host, ip FROM tunnel_endpoints ORDER BY id")).await
    }

    /// One tunnel endpoint.
    pub async fn endpoint(&mut self, id: EndpointId) -> Result<Option<TunnelEndpoint>> {
        let query = query("SELECT id, host, ip FROM tunnel_endpoints WHERE id = $1").bind(id.to_string());
        Ok(self.endpoints_by(query).await?.pop())
    }

    /// The tunnel endpoint of a compute node.
    pub async fn endpoint_of(&mut self, host: &str) -> Result<Option<TunnelEndpoint>> {
        let query = query("SELECT id, host, ip FROM tunnel_endpoints WHERE host = $1").bind(host.to_owned());
        Ok(self.endpoints_by(query).await?.pop())
    }

    /// Which of these compute nodes have one.
    pub async fn hosts_among(&mut self, hosts: &BTreeSet<&str>) -> Result<BTreeSet<String>> {
        let rows = self.all(query(bulk::HOSTS_AMONG).bind(bulk::json(hosts)?)).await?;
        rows.iter().map(|row| Columns::of("tunnel_endpoints.host", row).string()).collect()
    }

    async fn endpoints_by(&mut self, query: Query) -> Result<Vec<TunnelEndpoint>> {
        let read = |row: &Row| {
            let mut columns = Columns::of("tunnel_endpoints", row);
            Ok(TunnelEndpoint { id: columns.parsed()?, host: columns.string()?, ip: columns.parsed()? })
        };
        self.all(query).await?.iter().map(read).collect()
    }
}
