//! Explanations of deletions from switches, and how far each switch database is (architecture rule 7).

use std::collections::HashMap;

use super::{
    Read, StoreError, Write, bulk,
    codec::{mac_number, read_mac},
    sql::{Columns, Result, Row, query},
};
use crate::model::{Binding, NetworkId, Revision, TOMBSTONES, Tombstone, VlanId};

/// A row of the table: kind, network, switch, port, VLAN, MAC.
type Dead<'a> = (&'static str, NetworkId, &'a str, &'a str, i32, i64);

fn row(tombstone: &Tombstone) -> Dead<'_> {
    match tombstone {
        Tombstone::Network { network, switch } => ("network", *network, switch, "", -1, -1),
        Tombstone::Binding { network, binding } => {
            ("binding", *network, &binding.switch, &binding.port, i32::from(binding.vlan.get()), -1)
        }
        Tombstone::Mac { network, mac } => ("mac", *network, "", "", -1, mac_number(*mac)),
    }
}

fn read(row: &Row) -> Result<Tombstone> {
    let mut columns = Columns::of("tombstones", row);
    let kind = columns.text()?;
    let network = columns.parsed()?;
    let switch = columns.string()?;
    let port = columns.string()?;
    let vlan = columns.integer()?;
    let mac = columns.integer()?;
    match kind {
        "network" => Ok(Tombstone::Network { network, switch }),
        "binding" => {
            let vlan = VlanId::try_from(vlan).map_err(|_| columns.corrupt(vlan))?;
            Ok(Tombstone::Binding { network, binding: Binding { switch, port, vlan } })
        }
        "mac" => Ok(Tombstone::Mac { network, mac: read_mac(mac)? }),
        other => Err(StoreError::Corrupt { column: "tombstones.kind", value: other.to_owned() }),
    }
}

const MACS_OF_HOST: &str = "SELECT DISTINCT network_id, mac FROM ports WHERE host = $1";
const INSERT_MACS_OF_HOST: &str = "
    INSERT INTO tombstones (kind, network_id, switch, port, vlan, mac, revision)
    SELECT DISTINCT 'mac', network_id, '', '', -1, mac, $1 FROM ports WHERE host = $2
    ON CONFLICT (kind, network_id, switch, port, vlan, mac) DO UPDATE SET revision = excluded.revision";
const DELETE_MACS_OF_HOST: &str = "
    DELETE FROM tombstones WHERE kind = 'mac' AND EXISTS
        (SELECT 1 FROM ports AS p WHERE p.mac = tombstones.mac AND p.network_id = tombstones.network_id AND p.host = $1)";

impl Read {
    /// All tombstones.
    pub async fn tombstones(&mut self) -> Result<Vec<Tombstone>> {
        let all = query("SELECT kind, network_id, switch, port, vlan, mac FROM tombstones");
        self.all(all).await?.iter().map(read).collect()
    }

    /// How far each known database is, by name.
    pub async fn progress(&mut self) -> Result<Vec<(String, Revision)>> {
        let rows = self.all(query("SELECT name, revision FROM switch_progress ORDER BY name")).await?;
        let read = |row: &Row| {
            let mut columns = Columns::of("switch_progress", row);
            Ok((columns.string()?, columns.count()?))
        };
        rows.iter().map(read).collect()
    }
}

impl Write {
    /// Explains that these rows vanish from switches. Explained twice, the later revision counts.
    pub async fn explain(&mut self, tombstones: Vec<Tombstone>) -> Result<()> {
        if tombstones.is_empty() {
            return Ok(());
        }
        let revision = self.next_revision().await?;
        let rows: Vec<_> = tombstones.iter().map(row).collect();
        self.run(query(bulk::INSERT_TOMBSTONES).bind(revision).bind(bulk::json(&rows)?)).await?;
        self.tombstones.extend(tombstones);
        Ok(())
    }

    /// These rows came back: what is alive must not be explained as deleted.
    pub async fn unexplain(&mut self, tombstones: &[Tombstone]) -> Result<()> {
        if tombstones.is_empty() || self.optional(query("SELECT revision FROM tombstones LIMIT 1")).await?.is_none() {
            return Ok(());
        }
        let rows: Vec<_> = tombstones.iter().map(row).collect();
        self.run(query(bulk::DELETE_TOMBSTONES).bind(bulk::json(&rows)?)).await?;
        self.tombstones.retain(|noted| !tombstones.contains(noted));
        Ok(())
    }

    /// Explains that the MACs of all ports on this compute node vanish.
    pub(super) async fn explain_host(&mut self, host: &str) -> Result<()> {
        let revision = self.next_revision().await?;
        self.run(query(INSERT_MACS_OF_HOST).bind(revision).bind(host.to_owned())).await?;
        let rows = self.all(query(MACS_OF_HOST).bind(host.to_owned())).await?;
        for row in &rows {
            let mut columns = Columns::of("ports", row);
            let mac = Tombstone::Mac { network: columns.parsed()?, mac: read_mac(columns.integer()?)? };
            self.tombstones.push(mac);
        }
        Ok(())
    }

    /// The MACs of all ports on this compute node came back.
    pub(super) async fn unexplain_host(&mut self, host: &str) -> Result<()> {
        self.run(query(DELETE_MACS_OF_HOST).bind(host.to_owned())).await?;
        Ok(())
    }

    /// Notes that databases hold everything up to their revisions, and forgets what all have confirmed.
    pub(super) async fn confirm(&mut self, confirmed: &HashMap<String, Revision>) -> Result<()> {
        for (database, revision) in confirmed {
            let revision = i64::try_from(*revision).unwrap_or(i64::MAX);
            let update = query("UPDATE switch_progress SET revision = $1 WHERE name = $2 AND revision < $3")
                .bind(revision)
                .bind(database.clone())
                .bind(revision);
            self.run(update).await?;
        }
        self.prune_tombstones().await
    }

    /// Makes these the databases that tombstones are kept for.
    pub(super) async fn set_databases(&mut self, names: &[String]) -> Result<()> {
        let names = bulk::json(names)?;
        self.run(query(bulk::FORGET_DATABASES).bind(names.clone())).await?;
        self.run(query(bulk::ADD_DATABASES).bind(names)).await?;
        self.prune_tombstones().await
    }

    /// Forgets tombstones that every database has confirmed; where none is known, all of them. Of those that a database
    /// waits for which is only looked at, or away for long, the newest stay.
    pub(super) async fn prune_tombstones(&mut self) -> Result<()> {
        let slowest = self.one(query("SELECT MIN(revision) FROM switch_progress")).await?;
        let confirmed = Columns::of("switch_progress", &slowest).optional::<i64>()?.unwrap_or(i64::MAX);
        self.run(query("DELETE FROM tombstones WHERE revision <= $1").bind(confirmed)).await?;
        self.bound_tombstones(TOMBSTONES).await
    }

    /// Forgets the oldest tombstones beyond this number; those of one write go together, and those of the last one stay.
    pub(super) async fn bound_tombstones(&mut self, most: usize) -> Result<()> {
        let last = query("SELECT revision FROM tombstones ORDER BY revision DESC LIMIT 1 OFFSET $1")
            .bind(i64::try_from(most).unwrap_or(i64::MAX));
        let Some(row) = self.optional(last).await? else { return Ok(()) };
        let kept = Columns::of("tombstones", &row).integer()?;
        self.run(query("DELETE FROM tombstones WHERE revision < $1").bind(kept)).await?;
        Ok(())
    }

    /// The revision that the write in progress will have.
    async fn next_revision(&mut self) -> Result<i64> {
        let last = self.revision().await?;
        Ok(i64::try_from(last + 1).unwrap_or(i64::MAX))
    }
}
