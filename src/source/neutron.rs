//! Neutron's database: one connection, which only reads.

use std::{collections::BTreeMap, net::Ipv4Addr, str::FromStr, time::Duration};

use secrecy::ExposeSecret;
use sqlx::{
    AnyConnection, AssertSqlSafe, ConnectOptions as _, Connection as _, Row,
    any::{AnyConnectOptions, AnyRow},
};
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    rows::{self, Draft, LeftOut},
    sql::{self, Dialect},
};
use crate::{
    config::SourceConfig,
    model::{Network, NetworkId, PortId},
};

/// How long a dial, log-in included, may take.
const DIAL: Duration = Duration::from_secs(10);
/// How long one statement may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why Neutron's database can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No connection.
    #[error("Neutron's database {shown} can't be connected to: {source}")]
    Connect {
        /// The database, without its account.
        shown: String,
        /// Why.
        source: sqlx::Error,
    },
    /// A statement failed, or the connection broke.
    #[error("Neutron's database {shown}: its {what} can't be read: {source}")]
    Read {
        /// The database, without its account.
        shown: String,
        /// What was asked for.
        what: &'static str,
        /// Why.
        source: sqlx::Error,
    },
    /// No answer.
    #[error("Neutron's database {shown} does not answer ({what})")]
    TimedOut {
        /// The database, without its account.
        shown: String,
        /// What was asked for.
        what: &'static str,
    },
}

type Result<T> = std::result::Result<T, SourceError>;

/// How many rows there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) networks: i64,
    pub(super) ports: i64,
    pub(super) bindings: i64,
}

/// A connection to Neutron's database.
#[derive(Debug)]
pub(super) struct Neutron {
    connection: AnyConnection,
    dialect: Dialect,
    shown: String,
}

impl Neutron {
    pub(super) async fn connect(config: &SourceConfig) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let shown = config.shown.clone();
        let failed = |source| SourceError::Connect { shown: shown.clone(), source };
        let url = config.connection.expose_secret();
        let dialect = if url.starts_with("mysql:") { Dialect::MySql } else { Dialect::Postgres };
        let options = AnyConnectOptions::from_str(url).map_err(failed)?.disable_statement_logging();
        let dialled = timeout(DIAL, AnyConnection::connect_with(&options)).await;
        let connection =
            dialled.map_err(|_| SourceError::TimedOut { shown: shown.clone(), what: "connecting" })?.map_err(failed)?;
        let mut neutron = Self { connection, dialect, shown: config.shown.clone() };
        neutron.run("session", dialect.prepare()).await?;
        Ok(neutron)
    }

    /// From here to [`Neutron::end`] all is of one moment.
    pub(super) async fn begin(&mut self) -> Result<()> {
        self.run("snapshot", self.dialect.begin()).await
    }

    pub(super) async fn end(&mut self) -> Result<()> {
        self.run("snapshot", "COMMIT").await
    }

    pub(super) async fn counts(&mut self) -> Result<Counts> {
        let rows = self.all("counts", sql::COUNTS.to_owned()).await?;
        let Some(row) = rows.first() else { return Ok(Counts::default()) };
        let count = |index| row.try_get(index).map_err(|source| self.unreadable("counts", source));
        Ok(Counts { networks: count(0)?, ports: count(1)?, bindings: count(2)? })
    }

    /// All networks, or these.
    pub(super) async fn networks(&mut self, only: Option<&[NetworkId]>) -> Result<Vec<Network>> {
        let only = only.map(|ids| ids.iter().map(|id| id.0).collect::<Vec<_>>());
        let rows = self.all("networks", sql::networks(only.as_deref())).await?;
        let mut networks: Vec<Network> = Vec::new();
        for row in &rows {
            let id: String = self.column("networks", row, 0)?;
            let vni: Option<i64> = row.try_get(3).map_err(|source| self.unreadable("networksegments", source))?;
            let network = rows::network(&id, self.column("networks", row, 1)?, self.column("networks", row, 2)?, vni);
            // Of several VXLAN segments the first counts.
            networks.extend(network.filter(|network| networks.last().is_none_or(|last| last.id != network.id)));
        }
        Ok(networks)
    }

    pub(super) async fn endpoints(&mut self) -> Result<BTreeMap<String, Ipv4Addr>> {
        let pair = |[host, value]: [String; 2]| (host, value);
        let registered = self.texts("ml2_vxlan_endpoints", sql::ENDPOINTS.to_owned()).await?;
        let agents = self.texts("agents", sql::AGENTS.to_owned()).await?;
        let (registered, agents) = (registered.into_iter().map(pair).collect(), agents.into_iter().map(pair).collect());
        Ok(rows::endpoints(registered, agents))
    }

    /// Ports that changed within the last N seconds.
    pub(super) async fn recent_ports(&mut self, seconds: u64) -> Result<Vec<PortId>> {
        Ok(self.ids("ports", self.dialect.recent_ports(seconds)).await?.0.into_iter().map(PortId).collect())
    }

    /// Networks that did, or whose segments did.
    pub(super) async fn recent_networks(&mut self, seconds: u64) -> Result<Vec<NetworkId>> {
        Ok(self.ids("networks", self.dialect.recent_networks(seconds)).await?.0.into_iter().map(NetworkId).collect())
    }

    /// The next ids of ports after this text, and the text to go on after; `None`: there are no more.
    pub(super) async fn port_page(&mut self, after: &str, length: usize) -> Result<Option<(Vec<PortId>, String)>> {
        let (ids, last) = self.ids("ports", sql::port_page(after, length)).await?;
        Ok(last.map(|last| (ids.into_iter().map(PortId).collect(), last)))
    }

    /// Those of these ports that are there, and those that are left out. Rows that are none of Neutron's are neither.
    pub(super) async fn ports(&mut self, ids: &[PortId]) -> Result<(Vec<Draft>, Vec<LeftOut>)> {
        let uuids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = self.all("ports", sql::ports(&uuids)).await?;
        let mut left_out = Vec::new();
        let mut drafts: hashbrown::HashMap<String, Draft, foldhash::fast::RandomState> =
            hashbrown::HashMap::with_capacity_and_hasher(rows.len(), foldhash::fast::RandomState::default());
        for row in &rows {
            let text = |index| self.column::<String>("ports", row, index);
            let id = text(0)?;
            match Draft::new(&id, text(1)?, text(2)?, &text(3)?, &text(4)?) {
                Some(Ok(draft)) => drop(drafts.insert(id, draft)),
                Some(Err(port)) => left_out.push(port),
                None => {}
            }
        }
        for [port, ip, subnet] in self.texts("ipallocations", sql::fixed_ips(&uuids)).await? {
            if let Some(draft) = drafts.get_mut(&port) {
                draft.fixed_ip(&ip, &subnet);
            }
        }
        for [port, mac, ip] in self.texts("allowedaddresspairs", sql::address_pairs(&uuids)).await? {
            if let Some(draft) = drafts.get_mut(&port) {
                draft.address_pair(&mac, &ip);
            }
        }
        for [port, host, status, vif_type] in self.texts("ml2_port_bindings", sql::bindings(&uuids)).await? {
            if let Some(draft) = drafts.get_mut(&port) {
                draft.binding(host, &status, &vif_type);
            }
        }
        let distributed = self.texts("ml2_distributed_port_bindings", sql::distributed_bindings(&uuids)).await?;
        for [port, host, vif_type] in distributed {
            if let Some(draft) = drafts.get_mut(&port) {
                draft.distributed_binding(host, &vif_type);
            }
        }
        Ok((drafts.into_values().map(Draft::finish).collect(), left_out))
    }

    // ===== statements =====

    async fn run(&mut self, what: &'static str, statement: &'static str) -> Result<()> {
        let shown = self.shown.clone();
        match timeout(PATIENCE, sqlx::raw_sql(statement).execute(&mut self.connection)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(source)) => Err(SourceError::Read { shown, what, source }),
            Err(_) => Err(SourceError::TimedOut { shown, what }),
        }
    }

    async fn all(&mut self, what: &'static str, statement: String) -> Result<Vec<AnyRow>> {
        let shown = self.shown.clone();
        // With its ids, hardly any statement comes twice: none is kept prepared.
        let query = sqlx::query(AssertSqlSafe(statement)).persistent(false);
        match timeout(PATIENCE, query.fetch_all(&mut self.connection)).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(source)) => Err(SourceError::Read { shown, what, source }),
            Err(_) => Err(SourceError::TimedOut { shown, what }),
        }
    }

    /// Ids that are UUIDs, and the last text, UUID or not.
    async fn ids(&mut self, what: &'static str, statement: String) -> Result<(Vec<Uuid>, Option<String>)> {
        let rows = self.all(what, statement).await?;
        let texts = rows.iter().map(|row| self.column::<String>(what, row, 0)).collect::<Result<Vec<_>>>()?;
        Ok((texts.iter().filter_map(|text| text.parse().ok()).collect(), texts.into_iter().next_back()))
    }

    /// Rows of this many texts.
    async fn texts<const N: usize>(&mut self, what: &'static str, statement: String) -> Result<Vec<[String; N]>> {
        let rows = self.all(what, statement).await?;
        let read = |row| {
            let mut texts = [const { String::new() }; N];
            for (index, text) in texts.iter_mut().enumerate() {
                *text = self.column(what, row, index)?;
            }
            Ok(texts)
        };
        rows.iter().map(read).collect()
    }

    fn column<T>(&self, what: &'static str, row: &AnyRow, index: usize) -> Result<T>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Any> + sqlx::Type<sqlx::Any>,
    {
        row.try_get(index).map_err(|source| self.unreadable(what, source))
    }

    fn unreadable(&self, what: &'static str, source: sqlx::Error) -> SourceError {
        SourceError::Read { shown: self.shown.clone(), what, source }
    }
}
