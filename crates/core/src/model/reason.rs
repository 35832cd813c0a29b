//! Why a binding, or a switch, is as it is. A reason decides the status, the kind of problem and what to do, so that
//! nothing is matched by its text.

mod display;

use std::{net::IpAddr, sync::Arc};

use serde::{Serialize, Serializer};

use super::{
    ConnectionId, MacAddr, NetworkId, NotUnicastIp, NotUnicastMac, NotVtep, VlanId, Vni,
    problem::ProblemKind,
    status::Status,
    text::{self, Names},
};

/// A column that a switch's schema lacks, or a limit of the switch, and what that costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Degradation {
    /// Table of hardware_vtep.
    pub table: &'static str,
    /// Column.
    pub column: &'static str,
    /// What it costs, and what to do.
    pub cost: String,
}

/// Why. Names and texts of a peer are shortened and escaped where they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reason {
    /// All is as desired.
    #[default]
    None,
    /// `single-active`: another switch of the gateway is bound.
    Standby {
        /// That switch.
        bound: String,
    },
    /// `single-active`: the switch that was bound still is.
    AwaitsRelease,
    /// The switch's worker has not taken the desired state yet.
    NotDelivered,
    /// The content of the network has not reached the switch's worker yet.
    NetworkUnknown,
    /// Transactions are under way, or wait.
    Writing,
    /// `mode = observe`.
    Observed,
    /// The OVSDB lock isn't ours, or the server isn't to be written.
    Locked {
        /// Why, and what to do.
        why: Arc<str>,
        /// What to do.
        fix: &'static str,
    },
    /// The switch's database takes no writes, and why.
    Unwritable(Arc<str>),
    /// The switch gives more work than it may: it is read more slowly.
    Throttled {
        /// Rows a second that are read of it.
        rate: u32,
    },
    /// The switch's worker doesn't answer: this is how it was at that time.
    Busy {
        /// RFC 3339, UTC.
        at: String,
    },
    /// Rows of disconnected networks are being removed.
    Draining,
    /// No session, and why.
    NoSession(Arc<str>),
    /// No session with a switch that should dial in, while another switch did and was refused.
    PeerRefused {
        /// Why there is no session.
        why: Arc<str>,
        /// IP address of the one that was refused last.
        address: String,
        /// Names of its Physical_Switches; empty where it didn't get so far.
        names: String,
        /// Why it was refused.
        refusal: Arc<str>,
        /// Further ones.
        more: usize,
    },
    /// The switch can't be spoken to, and why.
    Refused(Arc<str>),
    /// The database lacks the Physical_Switch of the section.
    SwitchMissing {
        /// Where the database is.
        address: String,
        /// Name of the Physical_Switch that is looked for.
        switch: String,
        /// Name of the section.
        section: String,
        /// The Physical_Switches that are there.
        present: Names,
    },
    /// No section has the device.
    NoSection {
        /// Name in the gateway.
        device: String,
        /// The section that has it as its `physical_switch`.
        section: Option<String>,
    },
    /// The switch doesn't have the port.
    PortMissing {
        /// Name in the gateway.
        port: String,
        /// `Physical_Switch.name`.
        switch: String,
        /// Its ports.
        present: Names,
    },
    /// Neutron deleted the network.
    NetworkDeleted {
        /// The network.
        network: NetworkId,
        /// The switch still holds rows of it.
        draining: bool,
    },
    /// The network has no VXLAN segment of its own any more.
    NoSegment {
        /// The network.
        network: NetworkId,
        /// The switch still holds rows of it.
        draining: bool,
    },
    /// Another network has the VLAN of the port.
    VlanTaken {
        /// The VLAN.
        vlan: VlanId,
        /// The port.
        port: String,
        /// Who has it.
        network: NetworkId,
        /// By which connection.
        connection: ConnectionId,
    },
    /// The VLAN of the port is bound to a Logical_Switch that is not ours.
    VlanForeign {
        /// The VLAN.
        vlan: VlanId,
        /// The port.
        port: String,
        /// `Logical_Switch.name`.
        logical_switch: String,
    },
    /// A Logical_Switch that is not ours has the VNI.
    VniForeign {
        /// `Logical_Switch.name`.
        logical_switch: String,
        /// The VNI.
        vni: Vni,
    },
    /// A Logical_Switch of another network of ours still has the VNI.
    VniInUse {
        /// `Logical_Switch.name`.
        logical_switch: String,
        /// The network that has it.
        network: NetworkId,
        /// The VNI.
        vni: Vni,
    },
    /// The switch refuses a row.
    RowRefused {
        /// The row.
        row: RowName,
        /// The switch's words.
        error: Arc<str>,
        /// Further rows of the binding's network.
        more: usize,
    },
    /// Another client keeps changing a row.
    RowContested {
        /// The row.
        row: RowName,
        /// What was done.
        error: Arc<str>,
        /// Further rows of the binding's network.
        more: usize,
    },
    /// An operator holds all deletions of the switch.
    HeldByOperator,
    /// The guard holds deletions.
    HeldByGuard,
    /// The switch reports faults.
    Faults(Names),
    /// BFD says that a tunnel is down.
    TunnelDown {
        /// Compute node and VTEP, or VTEP alone.
        to: String,
        /// `bfd_status:state`.
        state: String,
    },
    /// The schema, or the vendor, costs function.
    Degraded(Degradation),
    /// No usable IPv4 address in `tunnel_ips`.
    NoTunnelIp {
        /// `Physical_Switch.name`.
        switch: String,
    },
    /// MACs that were learned behind the gateway are ports on compute nodes too.
    Loop {
        /// The first.
        mac: MacAddr,
        /// Further ones.
        more: usize,
    },
    /// A MAC moves too often.
    Flapping {
        /// The MAC.
        mac: MacAddr,
        /// The switches that report it.
        switches: Names,
    },
    /// What the switch says can't be: it is relayed nowhere.
    Ignored {
        /// The first.
        first: Ignored,
        /// Further ones, at least.
        more: usize,
    },
    /// The switch has learned more MACs than `max_learned_macs`.
    LearnedOverflow {
        /// MACs that are not relayed, at least.
        left_out: usize,
    },
    /// The switch's learned MACs come and go faster than the relay follows.
    LearnedRate {
        /// Changes a second that the relay follows.
        rate: u64,
    },
    /// Ports of the network are on compute nodes without a tunnel endpoint.
    HostsUnreached(Unreached),
    /// The tunnel endpoint of a compute node has a VTEP address of the switch.
    EndpointIsSwitch {
        /// The compute node.
        host: String,
        /// The address.
        vtep: std::net::Ipv4Addr,
    },
    /// A certificate of the session expires soon.
    Certificate {
        /// Whose it is.
        of: CertificateOwner,
        /// Common name, and the names that it is for.
        subject: String,
        /// RFC 3339, UTC.
        expires: String,
    },
}

/// What is ignored of what a switch says, because no station and no VTEP has such an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// `Ucast_Macs_Local.MAC`.
    Mac(MacAddr, NotUnicastMac),
    /// `Ucast_Macs_Local.ipaddr`.
    Ip {
        /// The MAC.
        mac: MacAddr,
        /// The address.
        ip: IpAddr,
        /// What it is.
        why: NotUnicastIp,
    },
    /// `Physical_Switch.tunnel_ips`, or the locator of a learned MAC.
    Vtep {
        /// The MAC.
        mac: Option<MacAddr>,
        /// The address.
        vtep: IpAddr,
        /// What it is.
        why: NotVtep,
    },
}

/// Rows in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowName {
    /// Logical_Switch and its Mcast_Macs_Remote.
    Network,
    /// `Physical_Port.vlan_bindings`.
    Binding {
        /// The port.
        port: String,
        /// The VLAN.
        vlan: VlanId,
    },
    /// Ucast_Macs_Remote.
    Mac(MacAddr),
    /// BFD of a row of Tunnel.
    Tunnel,
    /// Rows that this key of plumgrid.ini asks for.
    Setting(&'static str),
}

/// Whose certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateOwner {
    /// vtepd's, as the switches' client.
    Ours,
    /// The switch's.
    Switch,
}

/// Compute nodes of a network that have no tunnel endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unreached {
    /// The first of them: name, number of ports, and a tunnel endpoint whose name is nearly the same.
    pub hosts: Vec<(String, u32, Option<String>)>,
    /// Further compute nodes.
    pub more: usize,
}

// ===== impl Reason =====

impl Reason {
    /// The status that follows.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::None | Self::Standby { .. } => Status::Active,
            Self::NetworkDeleted { draining: true, .. } | Self::NoSegment { draining: true, .. } | Self::Draining => {
                Status::Draining
            }
            Self::AwaitsRelease
            | Self::NotDelivered
            | Self::NetworkUnknown
            | Self::Writing
            | Self::VniInUse { .. }
            | Self::Observed
            | Self::Locked { .. }
            | Self::Busy { .. } => Status::Pending,
            Self::Faults(_)
            | Self::TunnelDown { .. }
            | Self::Degraded(_)
            | Self::NoTunnelIp { .. }
            | Self::Flapping { .. }
            | Self::LearnedOverflow { .. }
            | Self::LearnedRate { .. }
            | Self::Throttled { .. }
            | Self::Ignored { .. }
            | Self::HostsUnreached(_)
            | Self::EndpointIsSwitch { .. }
            | Self::Certificate { .. }
            | Self::RowRefused { row: RowName::Tunnel | RowName::Setting(_), .. }
            | Self::RowContested { row: RowName::Tunnel | RowName::Setting(_), .. } => Status::Degraded,
            Self::HeldByOperator | Self::HeldByGuard => Status::Held,
            Self::NoSession(_) | Self::PeerRefused { .. } => Status::Down,
            Self::VlanTaken { .. }
            | Self::VlanForeign { .. }
            | Self::VniForeign { .. }
            | Self::RowContested { .. }
            | Self::Loop { .. } => Status::Conflict,
            Self::Refused(_)
            | Self::SwitchMissing { .. }
            | Self::NoSection { .. }
            | Self::PortMissing { .. }
            | Self::NetworkDeleted { .. }
            | Self::NoSegment { .. }
            | Self::Unwritable(_)
            | Self::RowRefused { .. } => Status::Error,
        }
    }

    /// The kind of problem that it is; `None`: it is none.
    #[must_use]
    pub fn kind(&self) -> Option<ProblemKind> {
        Some(match self {
            Self::None | Self::Standby { .. } => return None,
            Self::AwaitsRelease
            | Self::NotDelivered
            | Self::NetworkUnknown
            | Self::Writing
            | Self::VniInUse { .. }
            | Self::Busy { .. } => ProblemKind::Pending,
            Self::Observed => ProblemKind::Observed,
            Self::Locked { .. } => ProblemKind::Lock,
            Self::Draining => ProblemKind::Draining,
            Self::NoSession(_) | Self::PeerRefused { .. } => ProblemKind::Session,
            Self::Refused(_) | Self::SwitchMissing { .. } => ProblemKind::Refused,
            Self::NoSection { .. } => ProblemKind::Device,
            Self::PortMissing { .. } => ProblemKind::Port,
            Self::NetworkDeleted { .. } | Self::NoSegment { .. } => ProblemKind::Network,
            Self::VlanTaken { .. } | Self::VlanForeign { .. } | Self::VniForeign { .. } | Self::RowContested { .. } => {
                ProblemKind::Conflict
            }
            Self::RowRefused { .. } | Self::Unwritable(_) => ProblemKind::Row,
            Self::HeldByOperator | Self::HeldByGuard => ProblemKind::Held,
            Self::Faults(_) => ProblemKind::Fault,
            Self::TunnelDown { .. } => ProblemKind::Tunnel,
            Self::Degraded(_) => ProblemKind::Schema,
            Self::NoTunnelIp { .. } => ProblemKind::TunnelIp,
            Self::Loop { .. } => ProblemKind::Loop,
            Self::Flapping { .. } => ProblemKind::Flapping,
            Self::LearnedOverflow { .. } | Self::LearnedRate { .. } | Self::Ignored { .. } => ProblemKind::LearnedMacs,
            Self::Throttled { .. } => ProblemKind::Budget,
            Self::HostsUnreached(_) => ProblemKind::Host,
            Self::EndpointIsSwitch { .. } => ProblemKind::Endpoint,
            Self::Certificate { .. } => ProblemKind::Certificate,
        })
    }

    /// Whether it stands in the way of rows, so that who waits for them waits in vain. What is degraded carries traffic,
    /// and what drains is on its way.
    #[must_use]
    pub fn blocks(&self) -> bool {
        !matches!(self.status(), Status::Degraded | Status::Draining) && self.kind().is_some_and(ProblemKind::blocks)
    }

    /// What to do, where `section` is the switch's section of plumgrid.ini.
    #[must_use]
    pub fn fix(&self, section: &str) -> String {
        match self {
            Self::None | Self::Standby { .. } => String::new(),
            Self::AwaitsRelease | Self::NotDelivered | Self::NetworkUnknown | Self::Writing | Self::Draining => {
                "work is under way: look again".to_owned()
            }
            Self::Observed => format!("l2gw switch repair {section}"),
            Self::Locked { fix, .. } => (*fix).to_owned(),
            Self::Unwritable(_) => "look at the load and the log of the switch; it is tried again by itself".to_owned(),
            Self::Busy { .. } => "look again in a few seconds; where it stays so, look at the switch's size".to_owned(),
            Self::NoSession(_) => "check that it is reachable; it is dialled again by itself".to_owned(),
            Self::PeerRefused { names, .. } if !names.is_empty() => format!(
                "if that is the switch, set physical_switch = {} in [switch:{section}] and run 'l2gw reload'; else let the \
                 switch dial in",
                text::name(names)
            ),
            Self::PeerRefused { .. } => "correct what it was refused for; it may dial in again".to_owned(),
            Self::Refused(_) | Self::SwitchMissing { .. } => {
                format!("correct [switch:{section}] in plumgrid.ini, then 'l2gw reload'")
            }
            Self::NoSection { device, section: Some(section) } => {
                let (device, section) = (text::name(device), text::name(section));
                format!("call the section [switch:{device}], or make the gateway anew with the device '{section}'")
            }
            Self::NoSection { device, section: None } => {
                let device = text::name(device);
                format!(
                    "add [switch:{device}] to plumgrid.ini and reload it, or correct the gateway: l2gw gateway update"
                )
            }
            Self::PortMissing { .. } => "correct the gateway: l2gw gateway update".to_owned(),
            Self::NetworkDeleted { .. } => "delete the connection: l2gw connection delete".to_owned(),
            Self::NoSegment { .. } => "give the network a VXLAN segment, or delete the connection".to_owned(),
            Self::VlanTaken { .. } => "delete one of the two connections".to_owned(),
            Self::VlanForeign { .. } | Self::VniForeign { .. } => {
                "remove it with the tool that made it, or take another VLAN or VNI".to_owned()
            }
            Self::VniInUse { .. } => {
                format!(
                    "look again; where it stays so, 'l2gw switch diff {section}' shows what keeps the other network"
                )
            }
            Self::RowRefused { .. } => format!("see 'l2gw switch show {section}'; it is tried again by itself"),
            Self::RowContested { .. } => format!(
                "find out who else writes to the switch (l2gw audit --kind drift --switch {section}), then 'l2gw switch \
                 repair {section}'"
            ),
            Self::HeldByOperator => format!("l2gw switch release {section}"),
            Self::HeldByGuard => {
                format!(
                    "look at 'l2gw switch diff {section}', then restore the store or 'l2gw switch release {section}'"
                )
            }
            Self::Faults(_) => "fix what the switch reports, on the switch".to_owned(),
            Self::TunnelDown { .. } => "check the underlay between the two VTEPs".to_owned(),
            Self::Degraded(_) => "update the switch's software, or do as the reason says".to_owned(),
            Self::NoTunnelIp { .. } => {
                "give the switch a VTEP address: hardware_vtep, Physical_Switch.tunnel_ips".to_owned()
            }
            Self::Loop { .. } => "look for a bridge between the network's two sides, or delete the port".to_owned(),
            Self::Flapping { .. } => "look for two stations with one MAC, or for a loop".to_owned(),
            Self::LearnedOverflow { .. } => "raise max_learned_macs, or look for what floods".to_owned(),
            Self::Ignored { .. } => "correct it on the switch; nothing of it is passed on".to_owned(),
            Self::LearnedRate { .. } => "look for a loop, or for a station that invents MACs".to_owned(),
            Self::Throttled { .. } => {
                "look for what makes its rows change: a loop, a flapping port, broken software".to_owned()
            }
            Self::HostsUnreached(unreached) => match unreached.hosts.first() {
                Some((host, _, Some(near))) => format!(
                    "if {} is {}, give both one name; else l2gw endpoint create {} ADDRESS",
                    text::name(host),
                    text::name(near),
                    text::name(host)
                ),
                Some((host, ..)) => format!("l2gw endpoint create {} ADDRESS", text::name(host)),
                None => String::new(),
            },
            Self::EndpointIsSwitch { .. } => {
                "give the compute node its own VTEP address: l2gw endpoint create".to_owned()
            }
            Self::Certificate { of: CertificateOwner::Ours, .. } => {
                "renew the certificate's file; it is read again".to_owned()
            }
            Self::Certificate { of: CertificateOwner::Switch, .. } => "renew the certificate on the switch".to_owned(),
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

// ===== impl Degradation =====

impl Degradation {
    /// Whether the switch sends broadcasts to one member of the flood list only.
    #[must_use]
    pub fn is_of_replication(&self) -> bool {
        (self.table, self.column) == ("Logical_Switch", "replication_mode")
    }
}

impl Serialize for Degradation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
