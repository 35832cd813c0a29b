//! What a MAC, an address of a host and a VTEP may be: one rule for the API, for Neutron's rows and for what switches
//! report. A MAC or an address that fails it belongs to no single station, so it is neither kept nor passed on.

use std::net::{IpAddr, Ipv4Addr};

use super::MacAddr;

/// Why a MAC belongs to no single station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum NotUnicastMac {
    /// The group bit is set: multicast or broadcast.
    #[error("is a group address (multicast or broadcast), not the address of one station")]
    Group,
    /// 00:00:00:00:00:00.
    #[error("is all zeros, which is no station's address")]
    Zero,
}

/// Why an IP address belongs to no single host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum NotUnicastIp {
    /// 0.0.0.0 and ::, which switches report for 'no address'.
    #[error("is the unspecified address")]
    Unspecified,
    /// The rest of 0.0.0.0/8: never a destination (RFC 1122, 3.2.1.3).
    #[error("is of 0.0.0.0/8, which is no host's address")]
    ThisNetwork,
    /// 127.0.0.0/8 and ::1.
    #[error("is a loopback address")]
    Loopback,
    /// 224.0.0.0/4 and ff00::/8.
    #[error("is a multicast address")]
    Multicast,
    /// 255.255.255.255.
    #[error("is the broadcast address")]
    Broadcast,
    /// ::ffff:0:0/96: an IPv4 address in the form of IPv6, which no packet carries (RFC 4291, 2.5.5.2).
    #[error("is an IPv4 address written as IPv6: write it as IPv4")]
    Mapped,
}

/// Why an address is not the address of a VTEP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum NotVtep {
    /// `Physical_Locator.encapsulation_type` has `vxlan_over_ipv4` alone.
    #[error("is an IPv6 address: hardware_vtep encapsulates over IPv4 only")]
    Ipv6,
    /// No single host's.
    #[error(transparent)]
    NotUnicast(#[from] NotUnicastIp),
}

impl MacAddr {
    /// Whether one station can own the MAC. Group addresses and all zeros have no row, no entry and no announcement.
    pub const fn check_unicast(self) -> Result<(), NotUnicastMac> {
        if self.is_multicast() {
            return Err(NotUnicastMac::Group);
        }
        if matches!(self.octets(), [0, 0, 0, 0, 0, 0]) {
            return Err(NotUnicastMac::Zero);
        }
        Ok(())
    }

    /// As [`Self::check_unicast`], where the reason doesn't matter.
    #[must_use]
    pub const fn is_unicast(self) -> bool {
        self.check_unicast().is_ok()
    }
}

/// Whether one host on a network can have the address.
pub fn check_host_ip(ip: IpAddr) -> Result<(), NotUnicastIp> {
    match ip {
        IpAddr::V4(ip) => check_ipv4(ip),
        IpAddr::V6(ip) if ip.is_unspecified() => Err(NotUnicastIp::Unspecified),
        IpAddr::V6(ip) if ip.is_loopback() => Err(NotUnicastIp::Loopback),
        IpAddr::V6(ip) if ip.is_multicast() => Err(NotUnicastIp::Multicast),
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => Err(NotUnicastIp::Mapped),
        IpAddr::V6(_) => Ok(()),
    }
}

/// Whether an allowed address pair may have it: the address of one host, or a prefix of such. 0.0.0.0/0 is 'any'.
///
/// # Errors
/// What it is instead.
pub fn check_pair_ip(network: ipnetwork::IpNetwork) -> Result<(), NotUnicastIp> {
    let ip = network.ip();
    let is_one = network.prefix() == if ip.is_ipv4() { 32 } else { 128 };
    if is_one || ip.is_multicast() { check_host_ip(ip) } else { Ok(()) }
}

/// As [`check_host_ip`], where the reason doesn't matter.
#[must_use]
pub fn is_host_ip(ip: IpAddr) -> bool {
    check_host_ip(ip).is_ok()
}

/// The VTEP that an address names: IPv4 of one host, which VXLAN packets can be sent to.
pub fn check_vtep(ip: IpAddr) -> Result<Ipv4Addr, NotVtep> {
    match ip {
        IpAddr::V4(ip) => Ok(check_ipv4(ip).map(|()| ip)?),
        IpAddr::V6(_) => Err(NotVtep::Ipv6),
    }
}

/// As [`check_vtep`], where the reason doesn't matter.
#[must_use]
pub fn is_vtep(ip: Ipv4Addr) -> bool {
    check_ipv4(ip).is_ok()
}

fn check_ipv4(ip: Ipv4Addr) -> Result<(), NotUnicastIp> {
    if ip.is_unspecified() {
        Err(NotUnicastIp::Unspecified)
    } else if ip.octets()[0] == 0 {
        Err(NotUnicastIp::ThisNetwork)
    } else if ip.is_loopback() {
        Err(NotUnicastIp::Loopback)
    } else if ip.is_multicast() {
        Err(NotUnicastIp::Multicast)
    } else if ip.is_broadcast() {
        Err(NotUnicastIp::Broadcast)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_of_one_station() {
        let check = |mac: &str| mac.parse::<MacAddr>().expect("a MAC").check_unicast();
        for mac in
            ["52:54:00:aa:bb:01", "02:00:00:00:00:00", "00:00:00:00:00:01", "fe:ff:ff:ff:ff:ff", "00:1b:21:3c:9d:f8"]
        {
            assert_eq!(check(mac), Ok(()), "{mac}");
        }
        for mac in
            ["01:00:5e:7f:00:64", "03:bf:0a:00:00:64", "33:33:00:00:00:01", "01:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"]
        {
            assert_eq!(check(mac), Err(NotUnicastMac::Group), "{mac}");
        }
        assert_eq!(check("00:00:00:00:00:00"), Err(NotUnicastMac::Zero));
        assert!(!MacAddr::new([0; 6]).is_unicast());
    }

    #[test]
    fn an_address_of_one_host_and_of_a_vtep() {
        use NotUnicastIp::{Broadcast, Loopback, Mapped, Multicast, ThisNetwork, Unspecified};
        let cases = [
            ("10.0.0.51", Ok(())),
            ("1.0.0.0", Ok(())),
            ("169.254.3.4", Ok(())),
            ("223.255.255.255", Ok(())),
            // Reserved (RFC 1112), but some sites route it.
            ("240.0.0.1", Ok(())),
            ("255.255.255.254", Ok(())),
            ("0.0.0.0", Err(Unspecified)),
            ("0.0.0.1", Err(ThisNetwork)),
            ("0.255.255.255", Err(ThisNetwork)),
            ("127.0.0.1", Err(Loopback)),
            ("127.255.255.254", Err(Loopback)),
            ("224.0.0.1", Err(Multicast)),
            ("224.0.0.18", Err(Multicast)),
            ("239.1.1.1", Err(Multicast)),
            ("255.255.255.255", Err(Broadcast)),
            ("2001:db8::51", Ok(())),
            ("fe80::1", Ok(())),
            ("::", Err(Unspecified)),
            ("::1", Err(Loopback)),
            ("ff02::1", Err(Multicast)),
            ("ff02::12", Err(Multicast)),
            ("::ffff:10.0.0.51", Err(Mapped)),
            ("::ffff:224.0.0.1", Err(Mapped)),
        ];
        for (text, expected) in cases {
            let ip: IpAddr = text.parse().expect("an address");
            assert_eq!(check_host_ip(ip), expected, "{text}");
            assert_eq!(is_host_ip(ip), expected.is_ok(), "{text}");
            match ip {
                IpAddr::V4(v4) => {
                    assert_eq!(check_vtep(ip), expected.map(|()| v4).map_err(NotVtep::NotUnicast), "{text}");
                    assert_eq!(is_vtep(v4), expected.is_ok(), "{text}");
                }
                IpAddr::V6(_) => assert_eq!(check_vtep(ip), Err(NotVtep::Ipv6), "{text}"),
            }
        }
    }

    #[test]
    fn the_reason_follows_the_address_in_a_message() {
        let ip: IpAddr = "239.1.1.1".parse().expect("an address");
        let reason = check_vtep(ip).expect_err("a group is no VTEP");
        assert_eq!(format!("{ip} {reason}"), "239.1.1.1 is a multicast address");
    }
}
