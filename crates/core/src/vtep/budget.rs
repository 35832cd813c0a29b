//! What one database may have us keep. A switch is untrusted: without a bound, one that is broken takes the memory and the
//! time of all.

/// Rows and references that a replica keeps at most. The defaults are several times what switches hold; with all of them
/// used at once a replica takes some 500 MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Rows of Physical_Switch: one server may stand for a whole fabric.
    pub switches: usize,
    /// Rows of Physical_Port.
    pub ports: usize,
    /// VLANs that are bound, on all ports together.
    pub bindings: usize,
    /// Addresses in `tunnel_ips`, of all switches together.
    pub tunnel_ips: usize,
    /// Rows of Logical_Switch, and others that rows refer to.
    pub logical_switches: usize,
    /// Rows of Physical_Locator, and others that rows refer to.
    pub locators: usize,
    /// Rows of Physical_Locator_Set.
    pub sets: usize,
    /// Members of all sets together.
    pub members: usize,
    /// Rows of Ucast_Macs_Remote.
    pub remote_macs: usize,
    /// Rows of Ucast_Macs_Local: what the switch has learned.
    pub local_macs: usize,
    /// Rows of Mcast_Macs_Remote, and as many of Mcast_Macs_Local.
    pub multicasts: usize,
    /// Rows of Tunnel.
    pub tunnels: usize,
    /// Rows of Manager.
    pub managers: usize,
}

/// Longer texts of a switch are cut: names, descriptions, faults. Our own are shorter: 255 characters of Neutron's names
/// take up to 1,020 bytes.
pub const MAX_TEXT: usize = 1024;
/// Rows that may have one name where names should be unique: more than a row that is being replaced needs, and few enough to
/// look at each.
pub(super) const MAX_NAMESAKES: usize = 4096;
/// Logical_Switches that may have the name of one network: one for each prefix, and those that are being replaced.
pub(super) const MAX_OF_NETWORK: usize = 64;
/// Faults of a switch or a port, and pairs of a map, that are kept.
pub(super) const MAX_VALUES: usize = 64;
/// Elements of one set or map of a row, where the budget leaves more.
pub(super) const MAX_ELEMENTS: usize = 65_536;

/// The database wants more kept than its budget allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BudgetExcess {
    /// Too many rows of a table, or too many that rows refer to.
    #[error("the switch's database has more than {limit} rows in {table}")]
    Rows {
        /// The table.
        table: &'static str,
        /// The bound.
        limit: usize,
    },
    /// Too many values in a column of all rows together.
    #[error("the switch's database has more than {limit} values in {column}")]
    Values {
        /// `table.column`.
        column: &'static str,
        /// The bound.
        limit: usize,
    },
    /// Too many rows with one name.
    #[error("the switch's database has more than {limit} rows of one name in {table}")]
    Namesakes {
        /// The table.
        table: &'static str,
        /// The bound.
        limit: usize,
    },
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            switches: 1024,
            ports: 65_536,
            bindings: 1 << 20,
            tunnel_ips: 4096,
            logical_switches: 65_536,
            locators: 262_144,
            sets: 262_144,
            members: 8 << 20,
            remote_macs: 2_000_000,
            local_macs: 1_000_000,
            multicasts: 262_144,
            tunnels: 65_536,
            managers: 256,
        }
    }
}
