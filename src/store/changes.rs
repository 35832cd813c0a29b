//! The table of changes: what each revision changed, for feeds that lag behind the writer.

use super::{
    Read, Write, bulk,
    sql::{Columns, Result, Row, query},
};
use crate::model::{Change, ChangeSet, Revision, Tombstone};
use serde::{Deserialize, Serialize};

/// Changes in one row of the table: keeps a statement's text below the limits of the databases to come.
const PART: usize = 2048;
/// Rows of the table that are kept although every feed has passed them; the last one is the revision.
const KEPT: i64 = 64;

#[derive(Serialize)]
struct Part<'a> {
    changes: &'a [Change],
    tombstones: &'a [Tombstone],
}

#[derive(Deserialize)]
struct StoredPart {
    changes: Vec<Change>,
    tombstones: Vec<Tombstone>,
}

impl Read {
    /// The commits after a revision, at most `limit` of them, in order.
    pub(super) async fn changes_after(&mut self, revision: Revision, limit: i64) -> Result<Vec<ChangeSet>> {
        let first = i64::try_from(revision).unwrap_or(i64::MAX);
        let rows =
            query("SELECT revision, body FROM changes WHERE revision > $1 AND revision <= $2 ORDER BY revision, part")
                .bind(first)
                .bind(first.saturating_add(limit));
        let mut sets: Vec<ChangeSet> = Vec::new();
        for row in &self.all(rows).await? {
            let (revision, part) = read(row)?;
            match sets.last_mut().filter(|last| last.revision == revision) {
                Some(last) => {
                    last.changes.extend(part.changes);
                    last.tombstones.extend(part.tombstones);
                }
                None => sets.push(ChangeSet { revision, changes: part.changes, tombstones: part.tombstones }),
            }
        }
        Ok(sets)
    }
}

fn read(row: &Row) -> Result<(Revision, StoredPart)> {
    let mut columns = Columns::of("changes", row);
    let revision = columns.count()?;
    let body = columns.text()?;
    Ok((revision, serde_json::from_str(body).map_err(|error| columns.corrupt(error))?))
}

impl Write {
    /// Gives what the write has noted its revision, and puts it into the table; `None`: nothing was changed.
    pub(super) async fn log_noted(&mut self) -> Result<Option<ChangeSet>> {
        let mut set = self.take_noted();
        if set.changes.is_empty() && set.tombstones.is_empty() {
            return Ok(None);
        }
        set.revision = self.revision().await? + 1;
        let revision = i64::try_from(set.revision).unwrap_or(i64::MAX);
        let parts = set.changes.chunks(PART).map(|changes| Part { changes, tombstones: &[] });
        let tombs = set.tombstones.chunks(PART).map(|tombstones| Part { changes: &[], tombstones });
        for (number, part) in (0_i64..).zip(parts.chain(tombs)) {
            let insert = query("INSERT INTO changes (revision, part, body) VALUES ($1, $2, $3)")
                .bind(revision)
                .bind(number)
                .bind(bulk::json(&part)?);
            self.run(insert).await?;
        }
        Ok(Some(set))
    }

    /// Removes changes that every feed has passed (`delivered`), but for the newest few.
    pub(super) async fn prune_changes(&mut self, delivered: Revision) -> Result<()> {
        let newest =
            query("SELECT revision FROM changes ORDER BY revision DESC, part DESC LIMIT 1 OFFSET $1").bind(KEPT);
        let Some(row) = self.optional(newest).await? else { return Ok(()) };
        let keep_after = Columns::of("changes", &row).integer()?;
        let delivered = i64::try_from(delivered).unwrap_or(i64::MAX);
        self.run(query("DELETE FROM changes WHERE revision < $1").bind(keep_after.min(delivered.saturating_add(1))))
            .await?;
        Ok(())
    }
}
