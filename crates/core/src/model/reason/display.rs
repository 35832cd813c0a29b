//! The words of reasons. Names and texts of a peer are shortened and escaped.

use std::fmt;

use super::{CertificateOwner, Degradation, Ignored, Reason, RowName, Unreached};
use crate::model::text;

impl fmt::Display for Reason {
    // One arm a reason.
    #[allow(clippy::too_many_lines)]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Standby { bound } => write!(f, "stands by: {} is bound (single-active)", text::name(bound)),
            Self::AwaitsRelease => f.write_str("waits until the switch that was bound has let go (single-active)"),
            Self::NotDelivered => f.write_str("it is not on its way to the switch yet"),
            Self::NetworkUnknown => f.write_str("the network isn't known yet"),
            Self::Writing => f.write_str("being written"),
            Self::Observed => f.write_str("mode = observe: see 'l2gw switch diff', apply with 'l2gw switch repair'"),
            Self::Busy { at } => {
                write!(f, "the switch's worker is busy and does not answer: this is how it was at {at}")
            }
            Self::Draining => f.write_str("rows of disconnected networks are being removed"),
            Self::Locked { why, .. } | Self::Unwritable(why) | Self::NoSession(why) | Self::Refused(why) => {
                f.write_str(&text::sentence(why))
            }
            Self::PeerRefused { why, address, names, refusal, more } => {
                write!(f, "{}; {address}", text::sentence(why))?;
                if !names.is_empty() {
                    write!(f, " dialled in as '{}'", text::name(names))?;
                }
                write!(f, " and was refused: {}", text::sentence(refusal))?;
                if *more > 0 { write!(f, " (and {more} more)") } else { Ok(()) }
            }
            Self::SwitchMissing { address, switch, section, present } => write!(
                f,
                "the database at {} has no Physical_Switch '{}' (there: {present}): set physical_switch in [switch:{}]",
                text::name(address),
                text::name(switch),
                text::name(section)
            ),
            Self::NoSection { device, section: Some(section) } => write!(
                f,
                "no switch is configured for device '{}': [switch:{}] has it as physical_switch, but a gateway names the \
                 section",
                text::name(device),
                text::name(section)
            ),
            Self::NoSection { device, section: None } => {
                let device = text::name(device);
                write!(
                    f,
                    "no switch is configured for device '{device}': add a section [switch:{device}] with its \
                     management_ip to plumgrid.ini and reload it"
                )
            }
            Self::PortMissing { port, switch, present } => {
                write!(f, "port {} is not on {}; its ports are: {present}", text::name(port), text::name(switch))
            }
            Self::NetworkDeleted { network, draining } => {
                write!(f, "Neutron deleted network {network}: it {}; delete this connection", unbinding(*draining))
            }
            Self::NoSegment { network, draining } => write!(
                f,
                "network {network} has no VXLAN segment of its own any more: it {}; give it one in Neutron, with a VNI \
                 that no other network has, or delete this connection",
                unbinding(*draining)
            ),
            Self::VlanTaken { vlan, port, network, connection } => write!(
                f,
                "VLAN {vlan} of port {} belongs to network {network} by connection {connection}: delete that connection, \
                 or this one",
                text::name(port)
            ),
            Self::VlanForeign { vlan, port, logical_switch } => write!(
                f,
                "VLAN {vlan} of port {} is bound to Logical_Switch '{}', which is not ours",
                text::name(port),
                text::name(logical_switch)
            ),
            Self::VniForeign { logical_switch, vni } => write!(
                f,
                "Logical_Switch '{}', which is not ours, has the network's VNI {vni} on this switch",
                text::name(logical_switch)
            ),
            Self::VniInUse { logical_switch, network, vni } => write!(
                f,
                "Logical_Switch '{}' of network {network} still has VNI {vni} on this switch: it waits until that is gone",
                text::name(logical_switch)
            ),
            Self::RowRefused { row, error, more } | Self::RowContested { row, error, more } => {
                write!(f, "{row}: {}", text::sentence(error))?;
                if *more > 0 { write!(f, " (and {more} more rows)") } else { Ok(()) }
            }
            Self::HeldByOperator => f.write_str("an operator holds all deletions: l2gw switch release lets them go"),
            Self::HeldByGuard => f.write_str(
                "deletions that nothing explains are held: check that the desired state is complete, then release them",
            ),
            Self::Faults(faults) => write!(f, "the switch reports: {faults}"),
            Self::TunnelDown { to, state } => write!(f, "the tunnel to {to} is {} (BFD)", text::name(state)),
            Self::Degraded(degradation) => write!(f, "{degradation}"),
            Self::NoTunnelIp { switch } => write!(
                f,
                "{} has no usable IPv4 address in tunnel_ips: nothing can be sent to it through a tunnel",
                text::name(switch)
            ),
            Self::Loop { mac, more } => {
                write!(f, "loop suspected: MAC {mac}")?;
                if *more > 0 {
                    write!(f, " (and {more} more)")?;
                }
                f.write_str(
                    " was learned behind the gateway and is a port on a compute node as well; it is not relayed: look for \
                     a bridge between the network's two sides, or delete the port",
                )
            }
            Self::Flapping { mac, switches } => write!(
                f,
                "MAC {mac} comes and goes too often (at {switches}): it is flooded, not announced, until it is quiet; look \
                 for two stations with one MAC, or for a loop"
            ),
            Self::Ignored { first, more } => {
                write!(f, "ignored: {first}")?;
                if *more > 0 {
                    write!(f, " (and at least {more} more)")?;
                }
                Ok(())
            }
            Self::LearnedRate { rate } => {
                write!(f, "learned MACs come and go faster than {rate} a second: the relay follows at that rate")
            }
            Self::Throttled { rate } => write!(
                f,
                "its rows change faster than {rate} a second: it is read at that rate, so that others have their turn, and what is \
                 shown of it may be late"
            ),
            Self::LearnedOverflow { left_out } => write!(
                f,
                "at least {left_out} learned MACs are not relayed, because the switch has more than max_learned_macs: they \
                 are reached by flooding; raise max_learned_macs, or look for what floods"
            ),
            Self::HostsUnreached(unreached) => write!(f, "{unreached}"),
            Self::EndpointIsSwitch { host, vtep } => write!(
                f,
                "the tunnel endpoint of compute node {} is {vtep}, which is the switch's own VTEP: its ports are not reached",
                text::name(host)
            ),
            Self::Certificate { of, subject, expires } => {
                let whose = match of {
                    CertificateOwner::Ours => "our certificate",
                    CertificateOwner::Switch => "the switch's certificate",
                };
                write!(f, "{whose} {} expires {expires}: renew it", text::name(subject))
            }
        }
    }
}

fn unbinding(draining: bool) -> &'static str {
    if draining { "is being unbound" } else { "was unbound" }
}

impl fmt::Display for Degradation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}: {}", self.table, self.column, self.cost)
    }
}

impl fmt::Display for RowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network => f.write_str("the Logical_Switch or its flood row"),
            Self::Binding { port, vlan } => write!(f, "VLAN {vlan} of port {}", text::name(port)),
            Self::Mac(mac) => write!(f, "MAC {mac}"),
            Self::Tunnel => f.write_str("BFD of a tunnel"),
            Self::Setting(key) => f.write_str(key),
        }
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no tunnel endpoint for compute node ")?;
        for (at, (host, ports, near)) in self.hosts.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            let plural = if *ports == 1 { "" } else { "s" };
            write!(f, "{comma}{} ({ports} port{plural}", text::name(host))?;
            match near {
                Some(near) => write!(f, "; there is one for {})", text::name(near))?,
                None => f.write_str(")")?,
            }
        }
        if self.more > 0 {
            write!(f, " and {} more", self.more)?;
        }
        f.write_str(": the switches can't reach these ports")
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mac(mac, why) => write!(f, "learned MAC {mac} {why}"),
            Self::Ip { mac, ip, why } => write!(f, "address {ip} of learned MAC {mac} {why}"),
            Self::Vtep { mac: Some(mac), vtep, why } => write!(f, "VTEP {vtep} of learned MAC {mac} {why}"),
            Self::Vtep { mac: None, vtep, why } => write!(f, "{vtep} in tunnel_ips {why}"),
        }
    }
}
