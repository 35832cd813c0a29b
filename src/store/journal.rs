//! The journal: what happened, bounded by age and size. Nothing that works depends on it.

use std::{
    fmt,
    str::FromStr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    Read, Store, StoreError, Write,
    sql::{Columns, Result, Row, assembled, query},
};
use crate::model::Revision;

/// Most entries of one answer.
const MAX_PAGE: u32 = 10_000;

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(as = JournalKind, rename_all = "lowercase")]
pub enum JournalKind {
    /// A call; `subject` is the method.
    Call,
    /// A plan was carried out; `subject` names the switches, here and below.
    Plan,
    /// Another client changed a row of ours.
    Drift,
    /// A session came or went.
    Session,
    /// A network moved from one switch of a gateway to the other (`single-active`).
    Handover,
    /// Entries were lost: more happened than could be written.
    Loss,
}

/// An entry.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = JournalEntry)]
pub struct JournalEntry {
    /// Counts up; 0 while it isn't written yet.
    pub id: u64,
    /// When: RFC 3339, UTC.
    #[serde(serialize_with = "rfc3339")]
    #[schema(value_type = String)]
    pub at: SystemTime,
    /// What kind of thing.
    pub kind: JournalKind,
    /// Who called; empty where nobody did.
    pub who: String,
    /// The call's method, or the switches.
    pub subject: String,
    /// Revision of the desired state that a call made, or that a plan reached.
    pub revision: Option<Revision>,
    /// What came of it.
    pub result: String,
    /// More, by kind.
    #[schema(value_type = serde_json::Value)]
    pub details: Box<RawValue>,
}

/// Which entries are asked for: the last ones that match, oldest first.
#[derive(Debug, Clone, Default)]
pub struct JournalFilter {
    /// Of these kinds; empty: of all.
    pub kinds: Vec<JournalKind>,
    /// About this switch or method.
    pub subject: Option<String>,
    /// Whose details hold this text: a MAC, a network's id.
    pub contains: Option<String>,
    /// Not before.
    pub since: Option<SystemTime>,
    /// With a lower id: the page before.
    pub before: Option<u64>,
    /// At most this many.
    pub limit: u32,
}

/// What the journal may grow to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalLimits {
    /// Older entries go.
    pub age: Duration,
    /// Bytes of all entries; the oldest go first.
    pub bytes: u64,
}

// ===== impl JournalKind =====

impl JournalKind {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Call, "call"),
        (Self::Plan, "plan"),
        (Self::Drift, "drift"),
        (Self::Session, "session"),
        (Self::Handover, "handover"),
        (Self::Loss, "loss"),
    ];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

impl FromStr for JournalKind {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found
            .map(|(kind, _)| *kind)
            .ok_or_else(|| format!("'{text}' is none of call, plan, drift, session, handover, loss"))
    }
}

impl fmt::Display for JournalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for JournalKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

// ===== impl Store =====

impl Store {
    /// Adds entries. Makes no revision.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn append_journal(&self, entries: Vec<Arc<JournalEntry>>) -> Result<()> {
        self.write(move |write| Box::pin(async move { write.append_journal(&entries).await })).await
    }

    /// Removes what is too old, or too much. Looks for it beside the writer.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn prune_journal(&self, limits: JournalLimits) -> Result<()> {
        let cut = self.snapshot().await?.journal_cut(limits).await?;
        let Some(cut) = cut else { return Ok(()) };
        self.write(move |write| {
            Box::pin(async move {
                write.run(query("DELETE FROM journal WHERE id <= $1").bind(cut)).await?;
                Ok::<_, StoreError>(())
            })
        })
        .await
    }
}

const INSERT: &str = "INSERT INTO journal (id, at_ms, kind, who, subject, revision, result, details) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

impl Write {
    async fn append_journal(&mut self, entries: &[Arc<JournalEntry>]) -> Result<()> {
        let last = self.one(query("SELECT COALESCE(MAX(id), 0) FROM journal")).await?;
        let last = Columns::of("journal", &last).integer()?;
        for (id, entry) in (last + 1..).zip(entries) {
            let insert = query(INSERT)
                .bind(id)
                .bind(millis(entry.at))
                .bind(entry.kind.as_str())
                .bind(entry.who.as_str())
                .bind(entry.subject.as_str())
                .bind(entry.revision.map(|revision| i64::try_from(revision).unwrap_or(i64::MAX)))
                .bind(entry.result.as_str())
                .bind(entry.details.get());
            self.run(insert).await?;
        }
        Ok(())
    }
}

// ===== impl Read =====

impl Read {
    /// The last entries that match, oldest first.
    pub async fn journal(&mut self, filter: &JournalFilter) -> Result<Vec<JournalEntry>> {
        let kinds: Vec<String> = filter.kinds.iter().map(|kind| format!("'{kind}'")).collect();
        let of_kinds = if kinds.is_empty() { String::new() } else { format!(" AND kind IN ({})", kinds.join(", ")) };
        let (before, since) = (filter.before.unwrap_or(u64::MAX), filter.since.map_or(0, millis));
        // An empty text is in every other. The switches of a plan are joined by commas.
        let subject = filter.subject.as_ref().map_or_else(|| "%".to_owned(), |text| format!("%,{},%", escaped(text)));
        let contains = filter.contains.as_ref().map_or_else(|| "%".to_owned(), |text| format!("%{}%", escaped(text)));
        let statement = assembled(format!(
            "SELECT id, at_ms, kind, who, subject, revision, result, details FROM journal \
             WHERE id < $1 AND at_ms >= $2 AND ',' || subject || ',' LIKE $3 ESCAPE '!' AND details LIKE $4 ESCAPE '!'\
             {of_kinds} ORDER BY id DESC LIMIT {}",
            filter.limit.clamp(1, MAX_PAGE)
        ))
        .bind(i64::try_from(before).unwrap_or(i64::MAX))
        .bind(since)
        .bind(subject)
        .bind(contains);
        let mut entries = self.all(statement).await?.iter().map(entry).collect::<Result<Vec<_>>>()?;
        entries.reverse();
        Ok(entries)
    }

    /// The last entry that is too old, or too much; `None`: all may stay.
    async fn journal_cut(&mut self, limits: JournalLimits) -> Result<Option<i64>> {
        let oldest = millis(SystemTime::now() - limits.age);
        let old = self.one(query("SELECT MAX(id) FROM journal WHERE at_ms < $1").bind(oldest)).await?;
        let mut cut: Option<i64> = Columns::of("journal", &old).optional()?;
        let sizes = query(
            "SELECT id, LENGTH(who) + LENGTH(subject) + LENGTH(result) + LENGTH(details) + 64 FROM journal ORDER BY id DESC",
        );
        let mut bytes = 0;
        for row in &self.all(sizes).await? {
            let mut columns = Columns::of("journal", row);
            let (id, size) = (columns.integer()?, columns.count()?);
            bytes += size;
            if bytes > limits.bytes {
                cut = cut.max(Some(id));
                break;
            }
        }
        Ok(cut)
    }
}

fn entry(row: &Row) -> Result<JournalEntry> {
    let mut columns = Columns::of("journal", row);
    let (id, at) = (columns.count()?, columns.count()?);
    let kind = columns.parsed()?;
    let (who, subject) = (columns.string()?, columns.string()?);
    let revision = columns.optional::<i64>()?.and_then(|revision| u64::try_from(revision).ok());
    let result = columns.string()?;
    let details = columns.text()?;
    let details = RawValue::from_string(details.to_owned()).map_err(|error| columns.corrupt(error))?;
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(at);
    Ok(JournalEntry { id, at, kind, who, subject, revision, result, details })
}

/// A text for LIKE, with `!` as the escape.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '!') {
            escaped.push('!');
        }
        escaped.push(c);
    }
    escaped
}

fn millis(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn rfc3339<S: Serializer>(at: &SystemTime, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_millis(*at))
}

// ===== switches whose deletions an operator holds =====

impl Read {
    /// Switches whose deletions an operator holds.
    pub async fn switch_holds(&mut self) -> Result<Vec<String>> {
        let rows = self.all(query("SELECT name FROM switch_holds ORDER BY name")).await?;
        rows.iter().map(|row| Columns::of("switch_holds", row).string()).collect()
    }

    /// The same, and since when: RFC 3339, UTC.
    pub async fn switch_holds_since(&mut self) -> Result<Vec<(String, String)>> {
        let rows = self.all(query("SELECT name, at_ms FROM switch_holds ORDER BY name")).await?;
        let read = |row: &Row| {
            let mut columns = Columns::of("switch_holds", row);
            let name = columns.string()?;
            let at = SystemTime::UNIX_EPOCH + Duration::from_millis(columns.count()?);
            Ok((name, humantime::format_rfc3339_seconds(at).to_string()))
        };
        rows.iter().map(read).collect()
    }
}

impl Write {
    /// Holds a switch's deletions, or doesn't any more.
    pub async fn hold_switch(&mut self, name: &str, who: Option<&str>) -> Result<()> {
        self.run(query("DELETE FROM switch_holds WHERE name = $1").bind(name.to_owned())).await?;
        if let Some(who) = who {
            let insert = query("INSERT INTO switch_holds (name, at_ms, who) VALUES ($1, $2, $3)")
                .bind(name.to_owned())
                .bind(millis(SystemTime::now()))
                .bind(who.to_owned());
            self.run(insert).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: JournalKind, subject: &str, details: &str, at: SystemTime) -> JournalEntry {
        let details = RawValue::from_string(details.to_owned()).unwrap();
        let (who, result) = ("somebody".to_owned(), "ok".to_owned());
        JournalEntry { id: 0, at, kind, who, subject: subject.to_owned(), revision: Some(7), result, details }
    }

    async fn subjects(store: &Store, filter: JournalFilter) -> Vec<String> {
        let filter = JournalFilter { limit: filter.limit.max(10), ..filter };
        let found = store.snapshot().await.unwrap().journal(&filter).await.unwrap();
        found.into_iter().map(|entry| entry.subject).collect()
    }

    #[tokio::test]
    async fn entries_are_found_and_the_oldest_go() {
        let path = std::env::temp_dir().join(format!("vtepd-journal-{}.db", std::process::id()));
        let store = Store::open(&path).await.unwrap();
        let now = SystemTime::now();
        let old = now - Duration::from_hours(48);
        let entries = vec![
            entry(JournalKind::Call, "old", "{}", old),
            entry(JournalKind::Plan, "tor-1,tor-2", r#"{"row": "100%"}"#, now),
            entry(JournalKind::Plan, "tor-11", "{}", now),
            entry(JournalKind::Drift, "tor-2", &format!("\"{}\"", "x".repeat(500)), now),
        ];
        store.append_journal(entries.into_iter().map(Arc::new).collect()).await.unwrap();
        let all = JournalFilter::default;
        assert_eq!(subjects(&store, all()).await, ["old", "tor-1,tor-2", "tor-11", "tor-2"]);
        let of = |name: &str| JournalFilter { subject: Some(name.to_owned()), ..all() };
        assert_eq!(subjects(&store, of("tor-1")).await, ["tor-1,tor-2"]);
        assert_eq!(subjects(&store, of("tor-2")).await, ["tor-1,tor-2", "tor-2"]);
        let contains = |text: &str| JournalFilter { contains: Some(text.to_owned()), ..all() };
        assert_eq!(subjects(&store, contains("100%")).await, ["tor-1,tor-2"]);
        assert_eq!(subjects(&store, contains("10_%")).await, [""; 0], "no wildcards");
        let kinds = JournalFilter { kinds: vec![JournalKind::Drift, JournalKind::Call], ..all() };
        assert_eq!(subjects(&store, kinds).await, ["old", "tor-2"]);
        let since = JournalFilter { since: Some(now - Duration::from_hours(1)), before: Some(4), ..all() };
        assert_eq!(subjects(&store, since).await, ["tor-1,tor-2", "tor-11"]);
        assert_eq!(store.snapshot().await.unwrap().revision().await.unwrap(), 0, "the journal makes no revision");

        let limits = |hours, bytes| JournalLimits { age: Duration::from_hours(hours), bytes };
        store.prune_journal(limits(72, 10_000)).await.unwrap();
        assert_eq!(subjects(&store, all()).await.len(), 4);
        store.prune_journal(limits(24, 10_000)).await.unwrap();
        assert_eq!(subjects(&store, all()).await, ["tor-1,tor-2", "tor-11", "tor-2"]);
        store.prune_journal(limits(24, 700)).await.unwrap();
        assert_eq!(subjects(&store, all()).await, ["tor-11", "tor-2"]);
        store.append_journal(vec![entry(JournalKind::Loss, "next", "{}", now).into()]).await.unwrap();
        assert_eq!(subjects(&store, all()).await, ["tor-11", "tor-2", "next"]);
        store.close().await;
        for suffix in ["", "-wal", "-shm", ".lock"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
        }
    }
}
