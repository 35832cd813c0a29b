//! What switches reported: their VTEPs, learned MACs, elections between twins, idle gateways.

use std::{collections::BTreeSet, str::FromStr};

use super::{
    Read, StoreError, Write, bulk,
    codec::{mac_number, read_mac},
    sql::{Columns, Result, Row, query},
};
use crate::model::{Change, Election, GatewayId, Idle, LearnedMac, MacAddr, NetworkId, SwitchVteps, Tombstone};

/// What a write of learned MACs makes of one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Learned {
    /// The switch has it.
    Set(LearnedMac),
    /// The switch has withdrawn it.
    Removed {
        /// Name of the switch's section.
        switch: String,
        /// The network.
        network: NetworkId,
        /// The MAC.
        mac: MacAddr,
    },
}

impl Read {
    /// VTEPs of all switches.
    pub async fn switch_vteps(&mut self) -> Result<Vec<SwitchVteps>> {
        let rows =
            self.all(query("SELECT switch, network_id, vteps FROM switch_vteps ORDER BY switch, network_id")).await?;
        let read = |row: &Row| {
            let mut columns = Columns::of("switch_vteps", row);
            let switch = columns.string()?;
            let network = columns.text()?;
            let network = match network {
                "" => None,
                id => Some(id.parse().map_err(|_| columns.corrupt(id))?),
            };
            Ok(SwitchVteps { switch, network, vteps: split(columns.text()?, "switch_vteps.vteps")? })
        };
        rows.iter().map(read).collect()
    }

    /// One page of the learned MACs: those after this place, and the place of the last.
    pub async fn learned_page(&mut self, after: i64, limit: i64) -> Result<(i64, Vec<LearnedMac>)> {
        let rows = query(
            "SELECT rowid, switch, network_id, mac, vtep, ips, learned_ms FROM learned_macs WHERE rowid > $1 \
             ORDER BY rowid LIMIT $2",
        );
        let rows = self.all(rows.bind(after).bind(limit)).await?;
        let mut last = after;
        let mut macs = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut columns = Columns::of("learned_macs", row);
            last = columns.integer()?;
            macs.push(LearnedMac {
                switch: columns.string()?,
                network: columns.parsed()?,
                mac: read_mac(columns.integer()?)?,
                vtep: columns.parsed()?,
                ips: split(columns.text()?, "learned_macs.ips")?.into_iter().collect(),
                learned_ms: columns.count()?,
            });
        }
        Ok((last, macs))
    }

    /// Those of these MACs that switches have learned, each with a switch.
    pub async fn learned_among(
        &mut self,
        macs: &BTreeSet<(NetworkId, MacAddr)>,
    ) -> Result<Vec<(NetworkId, MacAddr, String)>> {
        let rows: Vec<_> = macs.iter().map(|(network, mac)| (network, mac_number(*mac))).collect();
        let found = self.all(query(bulk::LEARNED_AMONG).bind(bulk::json(&rows)?)).await?;
        let read = |row: &Row| {
            let mut columns = Columns::of("learned_macs", row);
            Ok((columns.parsed()?, read_mac(columns.integer()?)?, columns.string()?))
        };
        found.iter().map(read).collect()
    }

    /// All elections.
    pub async fn elections(&mut self) -> Result<Vec<Election>> {
        let rows = query("SELECT gateway_id, network_id, forwarder, eligible FROM gateway_elections");
        let read = |row: &Row| {
            let mut columns = Columns::of("gateway_elections", row);
            let (gateway, network) = (columns.parsed()?, columns.parsed()?);
            let forwarder = columns.optional_string()?;
            let eligible = columns.text()?;
            let eligible = serde_json::from_str(eligible).map_err(|_| columns.corrupt(eligible))?;
            Ok(Election { gateway, network, forwarder, eligible })
        };
        self.all(rows).await?.iter().map(read).collect()
    }

    /// Gateways without learned MACs.
    pub async fn idle(&mut self) -> Result<Vec<Idle>> {
        let rows = query("SELECT gateway_id, network_id, since_ms, has_left FROM gateway_idle");
        let read = |row: &Row| {
            let mut columns = Columns::of("gateway_idle", row);
            Ok(Idle {
                gateway: columns.parsed()?,
                network: columns.parsed()?,
                since_ms: columns.count()?,
                left: columns.integer()? != 0,
            })
        };
        self.all(rows).await?.iter().map(read).collect()
    }
}

impl Write {
    /// Writes where switches are reached.
    pub async fn set_vteps(&mut self, vteps: Vec<SwitchVteps>) -> Result<()> {
        for row in vteps {
            let network = row.network.map(|id| id.to_string()).unwrap_or_default();
            let delete = query("DELETE FROM switch_vteps WHERE switch = $1 AND network_id = $2");
            self.run(delete.bind(row.switch.clone()).bind(network.clone())).await?;
            if !row.vteps.is_empty() {
                let insert = query("INSERT INTO switch_vteps (switch, network_id, vteps) VALUES ($1, $2, $3)");
                self.run(insert.bind(row.switch.clone()).bind(network).bind(join(&row.vteps))).await?;
            }
            self.changes.push(Change::VtepsSet(row));
        }
        Ok(())
    }

    /// Writes what switches have learned and withdrawn. What was withdrawn is explained, because the switches of other
    /// gateways hold it too; of each MAC the last entry counts.
    pub async fn set_learned(&mut self, learned: Vec<Learned>) -> Result<()> {
        let (mut set, mut removed) = (Vec::new(), Vec::new());
        let (mut came, mut gone) = (Vec::new(), Vec::new());
        for entry in &learned {
            match entry {
                Learned::Set(row) => {
                    let mac = mac_number(row.mac);
                    let ips = join(row.ips.as_slice());
                    set.push((row.network, mac, row.switch.as_str(), row.vtep, ips, row.learned_ms));
                    came.push(Tombstone::Mac { network: row.network, mac: row.mac });
                }
                Learned::Removed { switch, network, mac } => {
                    removed.push((*network, mac_number(*mac), switch.as_str()));
                    gone.push(Tombstone::Mac { network: *network, mac: *mac });
                }
            }
        }
        if !removed.is_empty() {
            self.run(query(bulk::DELETE_LEARNED).bind(bulk::json(&removed)?)).await?;
        }
        if !set.is_empty() {
            self.run(query(bulk::SET_LEARNED).bind(bulk::json(&set)?)).await?;
        }
        self.explain(gone).await?;
        self.unexplain(&came).await?;
        self.changes.extend(learned.into_iter().map(|entry| match entry {
            Learned::Set(row) => Change::LearnedSet(row),
            Learned::Removed { switch, network, mac } => Change::LearnedRemoved { switch, network, mac },
        }));
        Ok(())
    }

    /// Explains that the MACs that a switch has learned on a network leave the switches of other gateways.
    pub async fn explain_learned(&mut self, network: NetworkId, switch: &str) -> Result<()> {
        let rows = query("SELECT mac FROM learned_macs WHERE network_id = $1 AND switch = $2");
        let rows = self.all(rows.bind(network.to_string()).bind(switch.to_owned())).await?;
        let tombstone = |row: &Row| {
            let mac = read_mac(Columns::of("learned_macs", row).integer()?)?;
            Ok(Tombstone::Mac { network, mac })
        };
        let tombstones = rows.iter().map(tombstone).collect::<Result<Vec<_>>>()?;
        self.explain(tombstones).await
    }

    /// Writes an election.
    pub async fn set_election(&mut self, election: Election) -> Result<()> {
        let (gateway, network) = (election.gateway.to_string(), election.network.to_string());
        self.delete_of("gateway_elections", &gateway, &network).await?;
        let insert = query(
            "INSERT INTO gateway_elections (gateway_id, network_id, forwarder, eligible) VALUES ($1, $2, $3, $4)",
        );
        let eligible = bulk::json(&election.eligible)?;
        self.run(insert.bind(gateway).bind(network).bind(election.forwarder.clone()).bind(eligible)).await?;
        self.changes.push(Change::ElectionSet(election));
        Ok(())
    }

    /// Forgets an election.
    pub async fn remove_election(&mut self, gateway: GatewayId, network: NetworkId) -> Result<()> {
        self.delete_of("gateway_elections", &gateway.to_string(), &network.to_string()).await?;
        self.changes.push(Change::ElectionRemoved(gateway, network));
        Ok(())
    }

    /// Notes that a gateway has lost all MACs that it had learned on a network.
    pub async fn set_idle(&mut self, idle: Idle) -> Result<()> {
        let (gateway, network) = (idle.gateway.to_string(), idle.network.to_string());
        self.delete_of("gateway_idle", &gateway, &network).await?;
        let insert =
            query("INSERT INTO gateway_idle (gateway_id, network_id, since_ms, has_left) VALUES ($1, $2, $3, $4)");
        let since = i64::try_from(idle.since_ms).unwrap_or(i64::MAX);
        self.run(insert.bind(gateway).bind(network).bind(since).bind(i64::from(idle.left))).await?;
        self.changes.push(Change::IdleSet(idle));
        Ok(())
    }

    /// The gateway has learned a MAC again.
    pub async fn remove_idle(&mut self, gateway: GatewayId, network: NetworkId) -> Result<()> {
        self.delete_of("gateway_idle", &gateway.to_string(), &network.to_string()).await?;
        self.changes.push(Change::IdleRemoved(gateway, network));
        Ok(())
    }

    async fn delete_of(&mut self, table: &'static str, gateway: &str, network: &str) -> Result<()> {
        let delete = match table {
            "gateway_idle" => query("DELETE FROM gateway_idle WHERE gateway_id = $1 AND network_id = $2"),
            _ => query("DELETE FROM gateway_elections WHERE gateway_id = $1 AND network_id = $2"),
        };
        self.run(delete.bind(gateway.to_owned()).bind(network.to_owned())).await?;
        Ok(())
    }
}

fn join<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}

fn split<T: FromStr>(text: &str, column: &'static str) -> Result<Vec<T>> {
    let items = text.split(',').filter(|item| !item.is_empty());
    items.map(|item| item.parse().map_err(|_| StoreError::Corrupt { column, value: text.to_owned() })).collect()
}
