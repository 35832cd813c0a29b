//! What the service knows of a switch and of its bindings, beside what the switch's session reports: learned MACs,
//! compute nodes without a tunnel endpoint, refused peers, certificates.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::Service;
use crate::{
    fleet::EXPIRES_SOON,
    intent::NetworkIntent,
    model::{
        NetworkId, TunnelEndpoint,
        reason::{CertificateOwner, Reason, Unreached},
        status::{CertificateStatus, Strangers, SwitchReason, SwitchStatus},
        text::Names,
    },
    relay::{Hub, Notices, RATE},
};

/// Compute nodes without a tunnel endpoint that a reason names.
const HOSTS: usize = 3;

/// What is read once for all switches.
pub(super) struct Known {
    hub: Arc<Hub>,
    notices: Arc<Notices>,
    strangers: Strangers,
    endpoints: Endpoints,
    now: SystemTime,
    /// Networks that were looked up.
    networks: HashMap<NetworkId, Option<Arc<NetworkIntent>>>,
}

/// Tunnel endpoints, for what is nearly one.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    by_vtep: HashMap<Ipv4Addr, String>,
    /// By short name in lower case: `compute-1` for `Compute-1.example.org`.
    by_short_name: HashMap<String, String>,
}

// ===== impl Service =====

impl Service {
    /// What is known now.
    pub(super) async fn known(&self) -> Known {
        // A store that can't be read is a problem of its own; the switches are shown without their compute nodes then.
        let endpoints = match self.store.snapshot().await {
            Ok(mut view) => view.endpoints().await.unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let hub = self.fleet.fdb().clone();
        Known {
            notices: hub.notices(),
            hub,
            strangers: self.fleet.strangers(),
            endpoints: Endpoints::new(endpoints),
            now: SystemTime::now(),
            networks: HashMap::new(),
        }
    }
}

// ===== impl Known =====

impl Known {
    /// Adds to a switch and its bindings what concerns them.
    pub(super) fn add_to(&mut self, switch: &mut SwitchStatus) {
        if let Some(reason) = refused_peer(switch, &self.strangers) {
            let since = switch.session.down_since.clone();
            for row in &mut switch.bindings {
                if row.reason == switch.reason {
                    row.set(reason.clone(), since.clone());
                }
            }
            (switch.status, switch.reason) = (reason.status(), reason.clone());
            switch.own = vec![SwitchReason { reason, since }];
        }
        if let Some(left_out) = self.notices.overflowing.get(switch.name.as_str()) {
            let reason = Reason::LearnedOverflow { left_out: *left_out };
            switch.bindings.iter_mut().for_each(|row| row.worsen(reason.clone()));
            switch.add(reason);
        }
        if self.notices.throttled.contains(switch.name.as_str()) {
            let reason = Reason::LearnedRate { rate: RATE };
            switch.bindings.iter_mut().for_each(|row| row.worsen(reason.clone()));
            switch.add(reason);
        }
        for vtep in switch.vteps.clone() {
            if let Some(host) = self.endpoints.by_vtep.get(&vtep) {
                switch.add(Reason::EndpointIsSwitch { host: host.clone(), vtep });
            }
        }
        let expiring: Vec<_> = expiring(&switch.session.certificates, self.now).collect();
        for reason in expiring {
            switch.add(reason);
        }
        for row in &mut switch.bindings {
            let network = self.network(row.network_id);
            let Some(network) = network else { continue };
            if let Some(reason) = loops(&network, &row.switch) {
                row.worsen(reason);
            }
            if let Some(reason) = self.flapping(row.network_id, &row.switch) {
                row.worsen(reason);
            }
            if let Some(reason) = self.endpoints.unreached(&network) {
                row.worsen(reason);
            }
        }
        switch.follow_bindings();
    }

    /// A connected network.
    pub(super) fn network(&mut self, id: NetworkId) -> Option<Arc<NetworkIntent>> {
        self.networks.entry(id).or_insert_with(|| self.hub.network(id).1).clone()
    }

    pub(super) fn notices(&self) -> &Notices {
        &self.notices
    }

    pub(super) fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    fn flapping(&self, network: NetworkId, switch: &str) -> Option<Reason> {
        let macs = self.notices.flapping.get(&network)?;
        let (mac, switches) = macs.iter().find(|(_, switches)| switches.iter().any(|name| **name == *switch))?;
        Some(Reason::Flapping { mac: *mac, switches: Names::new(switches.iter().map(AsRef::as_ref)) })
    }
}

/// MACs that were learned behind a gateway of the switch and are ports on compute nodes, too.
fn loops(network: &NetworkIntent, switch: &str) -> Option<Reason> {
    if network.behind.loops.is_empty() {
        return None;
    }
    let gateways = network.behind.own_gateways(|name| name == switch);
    let mut own = network.behind.loops.iter().filter(|row| gateways.contains(&row.gateway));
    let mac = own.next()?.mac;
    Some(Reason::Loop { mac, more: own.count() })
}

/// A switch that should dial in and has not, while another switch did and was refused.
fn refused_peer(switch: &SwitchStatus, strangers: &Strangers) -> Option<Reason> {
    let Reason::NoSession(why) = &switch.reason else { return None };
    if switch.session.transport != "passive" {
        return None;
    }
    // The latest is the first.
    let peer = strangers.listed.first()?;
    Some(Reason::PeerRefused {
        why: why.clone(),
        address: peer.address.clone(),
        names: peer.names.clone(),
        refusal: peer.reason.as_str().into(),
        more: strangers.listed.len() - 1,
    })
}

/// Certificates of a session that expire soon.
fn expiring(certificates: &[CertificateStatus], now: SystemTime) -> impl Iterator<Item = Reason> {
    let soon = now + EXPIRES_SOON;
    certificates
        .iter()
        .filter(move |shown| SystemTime::UNIX_EPOCH + Duration::from_secs(shown.expires_unix) < soon)
        .map(|shown| Reason::Certificate {
            of: if shown.of == "ours" { CertificateOwner::Ours } else { CertificateOwner::Switch },
            subject: shown.subject.clone(),
            expires: shown.expires.clone(),
        })
}

// ===== impl Endpoints =====

impl Endpoints {
    fn new(endpoints: Vec<TunnelEndpoint>) -> Self {
        let mut all = Self::default();
        for TunnelEndpoint { host, ip, .. } in endpoints {
            all.by_vtep.insert(ip, host.clone());
            all.by_short_name.insert(short_name(&host), host);
        }
        all
    }

    /// A compute node with an endpoint whose name differs in case or domain alone.
    pub(super) fn near(&self, host: &str) -> Option<&str> {
        self.by_short_name.get(&short_name(host)).map(String::as_str).filter(|near| *near != host)
    }

    /// Ports of a network that no switch reaches, because their compute nodes have no tunnel endpoint.
    fn unreached(&self, network: &NetworkIntent) -> Option<Reason> {
        let hosts = &network.unreached;
        if hosts.listed.is_empty() {
            return None;
        }
        let host = |(name, ports): &(Arc<str>, u32)| (name.to_string(), *ports, self.near(name).map(str::to_owned));
        let listed: Vec<_> = hosts.listed.iter().take(HOSTS).map(host).collect();
        let more = hosts.count - listed.len();
        Some(Reason::HostsUnreached(Unreached { hosts: listed, more }))
    }
}

/// A host's name without its domain, in lower case.
fn short_name(host: &str) -> String {
    host.split('.').next().unwrap_or(host).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EndpointId;

    #[test]
    fn a_name_that_differs_in_case_or_domain_is_near() {
        let endpoint = TunnelEndpoint {
            id: EndpointId(uuid::Uuid::nil()),
            host: "compute-1".to_owned(),
            ip: Ipv4Addr::new(198, 51, 100, 11),
        };
        let endpoints = Endpoints::new(vec![endpoint]);
        for host in ["Compute-1", "compute-1.example.org", "COMPUTE-1.Example.Org"] {
            assert_eq!(endpoints.near(host), Some("compute-1"), "{host}");
        }
        assert_eq!(endpoints.near("compute-1"), None, "that is itself");
        assert_eq!(endpoints.near("compute-10"), None);
    }

    #[test]
    fn a_certificate_counts_while_there_is_time_to_renew_it() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
        let certificate = |of, days: u64| CertificateStatus {
            of,
            subject: "vtepd".to_owned(),
            expires: String::new(),
            expires_unix: 1_800_000_000 + days * 86_400,
            fingerprint: String::new(),
        };
        let found: Vec<_> = expiring(&[certificate("ours", 2), certificate("switch", 300)], now).collect();
        assert!(matches!(found.as_slice(), [Reason::Certificate { of: CertificateOwner::Ours, .. }]), "{found:?}");
    }
}
