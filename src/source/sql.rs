//! The statements, in the dialects of both servers. Every column is text or a whole number, which is what `Any` knows.

use std::fmt::Write as _;

use uuid::Uuid;

/// Which server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// MySQL or MariaDB.
    MySql,
    /// PostgreSQL.
    Postgres,
}

impl Dialect {
    /// Once a connection: nothing is written, and a transaction sees one moment.
    pub(super) fn prepare(self) -> &'static str {
        match self {
            Self::MySql => "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            Self::Postgres => "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        }
    }

    pub(super) fn begin(self) -> &'static str {
        match self {
            Self::MySql => "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// Changed within the last N seconds, by the database's clock. Neutron writes UTC; so does our session.
    fn recent(self, seconds: u64) -> String {
        let since = match self {
            Self::MySql => format!("UTC_TIMESTAMP() - INTERVAL {seconds} SECOND"),
            Self::Postgres => format!("(NOW() AT TIME ZONE 'UTC') - INTERVAL '{seconds} seconds'"),
        };
        // A row that was only created may have no time of a change.
        format!("(s.updated_at >= {since} OR s.created_at >= {since})")
    }

    pub(super) fn recent_ports(self, seconds: u64) -> String {
        let recent = self.recent(seconds);
        format!("SELECT p.id FROM ports p JOIN standardattributes s ON s.id = p.standard_attr_id WHERE {recent}")
    }

    /// Networks that changed, or one of whose segments did.
    pub(super) fn recent_networks(self, seconds: u64) -> String {
        let recent = self.recent(seconds);
        format!(
            "SELECT n.id FROM networks n JOIN standardattributes s ON s.id = n.standard_attr_id WHERE {recent} \
             UNION SELECT g.network_id FROM networksegments g JOIN standardattributes s ON s.id = g.standard_attr_id \
             WHERE {recent}"
        )
    }
}

/// What shows deletions and of bindings, which carry no revision.
pub(super) const COUNTS: &str = "SELECT (SELECT COUNT(*) FROM networks), (SELECT COUNT(*) FROM ports), \
     (SELECT COUNT(*) FROM ml2_port_bindings) + (SELECT COUNT(*) FROM ml2_distributed_port_bindings)";

/// The VTEPs that agents registered for the VXLAN type driver.
pub(super) const ENDPOINTS: &str = "SELECT COALESCE(host, ''), ip_address FROM ml2_vxlan_endpoints";

/// What agents say of themselves.
pub(super) const AGENTS: &str =
    "SELECT host, configurations FROM agents WHERE configurations LIKE '%tunneling_ip%' ORDER BY host, agent_type DESC";

/// Networks with their VXLAN segments, the first of each first.
pub(super) fn networks(only: Option<&[Uuid]>) -> String {
    let only = only.map(|ids| format!("WHERE n.id IN ({})", list(ids))).unwrap_or_default();
    format!(
        "SELECT n.id, COALESCE(n.name, ''), COALESCE(n.project_id, ''), g.segmentation_id FROM networks n \
         LEFT JOIN networksegments g ON g.network_id = n.id AND g.network_type = 'vxlan' AND g.is_dynamic = FALSE \
         {only} ORDER BY n.id, g.segment_index"
    )
}

/// The next ids of ports.
pub(super) fn port_page(after: &str, length: usize) -> String {
    // Ids are what the database gave us itself; a quote in one would be odd, and is left out.
    format!("SELECT id FROM ports WHERE id > '{}' ORDER BY id LIMIT {length}", after.replace(['\'', '\\'], ""))
}

pub(super) fn ports(ids: &[Uuid]) -> String {
    format!(
        "SELECT id, COALESCE(name, ''), COALESCE(project_id, ''), network_id, mac_address FROM ports WHERE id IN ({})",
        list(ids)
    )
}

pub(super) fn fixed_ips(ids: &[Uuid]) -> String {
    format!("SELECT port_id, ip_address, subnet_id FROM ipallocations WHERE port_id IN ({})", list(ids))
}

pub(super) fn address_pairs(ids: &[Uuid]) -> String {
    format!("SELECT port_id, mac_address, ip_address FROM allowedaddresspairs WHERE port_id IN ({})", list(ids))
}

pub(super) fn bindings(ids: &[Uuid]) -> String {
    format!("SELECT port_id, host, status, vif_type FROM ml2_port_bindings WHERE port_id IN ({})", list(ids))
}

pub(super) fn distributed_bindings(ids: &[Uuid]) -> String {
    format!("SELECT port_id, host, vif_type FROM ml2_distributed_port_bindings WHERE port_id IN ({})", list(ids))
}

/// Literals: hexadecimal digits and hyphens need no quoting.
fn list(ids: &[Uuid]) -> String {
    let mut text = String::with_capacity(ids.len() * 39);
    for id in ids {
        if !text.is_empty() {
            text.push(',');
        }
        // Writing into a String can't fail.
        let _ = write!(text, "'{id}'");
    }
    // An empty list is no SQL; nothing has this id.
    if text.is_empty() { "''".to_owned() } else { text }
}
