//! Rules on a real SQLite file. What clients see of them is tested through the API.

mod fleets;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    time::Duration,
};

use super::*;
use crate::{
    fleet::Fleet,
    model::{Binding, Change, FeedEvent, Network, Revision, Tombstone, VlanId, problem::ProblemKind, reason::Reason},
    source::{Sink, Step},
    store::{self, Store},
};

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("vtepd-service-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    async fn open(&self) -> (Store, Service) {
        let store = Store::open(&self.0.join("vtepd.db")).await.unwrap();
        let service = Service::new(
            store.clone(),
            Fleet::detached(),
            Settings { vni_ranges: vec![1000..=65_535], max_ports_per_host: 8 },
        );
        (store, service)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn network(name: &str) -> NetworkDraft {
    NetworkDraft {
        name: name.into(),
        tenant_id: None,
        segment: SegmentRequest::Allocate,
        attributes: GivenAttributes::new(),
    }
}

fn port(network: &crate::model::Network, last: u8) -> PortDraft {
    PortDraft {
        name: String::new(),
        tenant_id: None,
        network: network.id.to_string(),
        mac: Some(crate::model::MacAddr::new([2, 0, 0, 0, 0, last])),
        fixed_ips: None,
        host: Some("compute-1".into()),
        allowed_address_pairs: vec![],
        attributes: GivenAttributes::new(),
    }
}

/// Reads the feed to its end of the first load.
async fn load(store: &Store) -> (Vec<Change>, Vec<Tombstone>, Revision) {
    let (mut feed, mut changes, mut tombstones) = (store.feed(), vec![], vec![]);
    loop {
        match tokio::time::timeout(Duration::from_secs(10), feed.recv()).await.unwrap().unwrap() {
            FeedEvent::Changes(set) => {
                changes.extend(set.changes);
                tombstones.extend(set.tombstones);
            }
            FeedEvent::Loaded(revision) => return (changes, tombstones, revision),
        }
    }
}

#[tokio::test]
async fn the_feed_follows_without_gaps_and_a_restart_loads_the_same() {
    let scratch = Scratch::new();
    let (store, service) = scratch.open().await;
    let mut feed = store.feed();
    let caller = Caller::default();
    let made = service.create_network(&caller, network("n{\"")).await.unwrap();
    let writes = (0..20).map(|n| {
        let (service, draft) = (service.clone(), port(&made, n));
        tokio::spawn(async move { service.create_port(&Caller::default(), draft).await.unwrap() })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.unwrap();
    }
    let mut ports = BTreeMap::new();
    let mut last = None;
    while ports.len() < 20 {
        match tokio::time::timeout(Duration::from_secs(10), feed.recv()).await.unwrap().unwrap() {
            FeedEvent::Loaded(revision) => last = Some(revision),
            FeedEvent::Changes(set) => {
                if let Some(last) = &mut last {
                    assert_eq!(set.revision, *last + 1, "a revision is missing");
                    *last = set.revision;
                }
                for change in set.changes {
                    if let Change::PortSet(port) = change {
                        ports.insert(port.id, port);
                    }
                }
            }
        }
    }
    store.close().await;
    drop((store, service));
    let (store, _service) = scratch.open().await;
    let (changes, _, _) = load(&store).await;
    let loaded: BTreeMap<_, _> = changes
        .into_iter()
        .filter_map(|change| match change {
            Change::PortSet(port) => Some((port.id, port)),
            _ => None,
        })
        .collect();
    assert_eq!(loaded, ports);
}

#[tokio::test]
async fn a_deleted_port_is_explained_until_every_database_has_confirmed() {
    let scratch = Scratch::new();
    let (store, service) = scratch.open().await;
    store.set_databases(&["tcp:a:6640".into()]).await.unwrap();
    // Without a tunnel endpoint the port has no row on any switch, and nothing to explain.
    let endpoint = EndpointDraft { host: "compute-1".into(), ip: "192.0.2.1".parse().unwrap() };
    service.create_endpoint(endpoint).await.unwrap();
    let made = service.create_network(&Caller::default(), network("n")).await.unwrap();
    let port = service.create_port(&Caller::default(), port(&made, 7)).await.unwrap();
    service.delete_port(&Caller::default(), &port.id.to_string()).await.unwrap();
    let (_, tombstones, revision) = load(&store).await;
    assert_eq!(tombstones, [Tombstone::Mac { network: made.id, mac: port.mac }]);
    store.confirm(HashMap::from([("tcp:a:6640".to_owned(), revision - 1)])).await.unwrap();
    assert_eq!(load(&store).await.1.len(), 1, "the deletion itself isn't confirmed");
}

#[tokio::test]
async fn a_full_disk_is_said_and_ends_by_itself() {
    let scratch = Scratch::new();
    let (store, service) = scratch.open().await;
    let caller = Caller::default();
    store.limit_pages(1);
    let filled = async {
        for n in 0..10_000 {
            if service.create_network(&caller, network(&format!("{n}{}", "x".repeat(200)))).await.is_err() {
                return true;
            }
        }
        false
    };
    assert!(filled.await, "the file never got full");
    assert!(store.health().is_err());
    assert!(
        !service.networks(&Selection::default()).await.unwrap_or_default().iter().any(|n| n.network.name.is_empty())
    );
    store.limit_pages(u32::MAX >> 1);
    let recovered = tokio::time::timeout(Duration::from_secs(30), async {
        while service.create_network(&caller, network("after")).await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    recovered.await.expect("writes are taken again once there is room");
    assert!(store.health().is_ok());
}

/// What a source takes a segment from is to switches as if it were gone; with a segment it is back.
#[tokio::test]
async fn a_network_that_loses_its_segment_is_unbound_and_explained() {
    let scratch = Scratch::new();
    let (store, service) = scratch.open().await;
    store.set_databases(&["tcp:a:6640".into()]).await.unwrap();
    let caller = Caller::default();
    let made = service.create_network(&caller, network("n")).await.unwrap();
    let interfaces = vec![InterfaceDraft { name: "e".into(), vlans: vec![] }];
    let devices = vec![DeviceDraft { name: "t".into(), interfaces }];
    let gateway = GatewayDraft { name: "g".into(), tenant_id: None, devices };
    service.create_gateway(&caller, Dialect::Specification, gateway).await.unwrap();
    let connection = |network: &str| ConnectionDraft {
        gateway: "g".into(),
        network: network.into(),
        default_vlan: VlanId::try_from(50).ok(),
        port_id: None,
        tenant_id: None,
    };
    let joined = service.create_connection(&caller, Dialect::Specification, connection("n")).await.unwrap();
    let connected = |changes: &[Change]| changes.contains(&Change::ConnectionSet(joined.clone()));

    let mut feed = store.feed();
    let mut next = async || tokio::time::timeout(Duration::from_secs(10), feed.recv()).await.unwrap().unwrap();
    while !matches!(next().await, FeedEvent::Loaded(_)) {}
    service.take(Step::PutNetworks(vec![Network { vni: None, ..made.row.clone() }])).await.unwrap();
    let FeedEvent::Changes(set) = next().await else { panic!("the change comes next") };
    assert!(set.changes.contains(&Change::ConnectionRemoved(joined.id)), "{set:?}");
    let (changes, tombstones, _) = load(&store).await;
    assert!(!connected(&changes), "a daemon that starts now binds nothing either");
    let binding = Binding { switch: "t".into(), port: "e".into(), vlan: VlanId::try_from(50).unwrap() };
    for wanted in
        [Tombstone::Binding { network: made.id, binding }, Tombstone::Network { network: made.id, switch: "t".into() }]
    {
        assert!(tombstones.contains(&wanted), "{tombstones:?}");
    }
    let status = service.connection_status(&joined.id.to_string()).await.unwrap();
    assert_eq!(status.status, Status::Error);
    assert!(matches!(status.switches[0].reason, Reason::NoSegment { .. }), "{status:?}");
    assert_eq!(wrong(&service).await, [(ProblemKind::Network, Status::Error, "t e VLAN 50".to_owned())]);
    assert!(service.warnings(1).await[0].contains("has no VXLAN segment"));
    // Its VLAN is free for another network, and the network itself can be shown.
    assert_eq!(service.network(Dialect::Neutron, &made.id.to_string()).await.unwrap().network.vni, None);
    service.create_network(&caller, network("other")).await.unwrap();
    let other = service.create_connection(&caller, Dialect::Specification, connection("other")).await.unwrap();
    service.delete_connection(&other.id.to_string()).await.unwrap();

    service.take(Step::PutNetworks(vec![made.row.clone()])).await.unwrap();
    let (changes, tombstones, _) = load(&store).await;
    assert!(connected(&changes));
    assert!(!tombstones.iter().any(|t| matches!(t, Tombstone::Network { network, .. } if *network == made.id)));
    assert_ne!(service.connection_status(&joined.id.to_string()).await.unwrap().status, Status::Draining);
    assert_eq!(wrong(&service).await, [(ProblemKind::Device, Status::Error, "t e VLAN 50".to_owned())]);

    service.take(Step::RetireNetworks(vec![made.id])).await.unwrap();
    let status = service.connection_status(&joined.id.to_string()).await.unwrap();
    assert!(matches!(status.switches[0].reason, Reason::NetworkDeleted { .. }), "{status:?}");
    assert_eq!(wrong(&service).await, [(ProblemKind::Network, Status::Error, "t e VLAN 50".to_owned())]);
}

/// Kind, status and place of all that is wrong.
async fn wrong(service: &Service) -> Vec<(ProblemKind, Status, String)> {
    let problems = service.overview().await.problems.into_iter();
    problems.map(|problem| (problem.kind, problem.status, problem.name)).collect()
}

/// What a compute node may do with its own token; an admin may do all of it.
#[tokio::test]
async fn a_compute_node_claims_its_own_macs_alone_and_so_many_ports() {
    let scratch = Scratch::new();
    let (store, service) = scratch.open().await;
    let admin = Caller::default();
    let host = |name: &str| Caller { host: Some(name.to_owned()), ..Caller::default() };
    let (one, two) = (host("compute-1"), host("compute-2"));
    let net = service.create_network(&admin, network("n")).await.unwrap();
    let pair = |last| AddressPairDraft {
        mac: Some(crate::model::MacAddr::new([2, 0, 0, 0, 0, last])),
        ip: "10.0.0.9/32".parse().unwrap(),
    };
    let with_pair =
        |last, other| PortDraft { host: None, allowed_address_pairs: vec![pair(other)], ..port(&net, last) };
    let bare = |last| PortDraft { host: None, ..port(&net, last) };

    let first = service.create_port(&one, with_pair(1, 0x64)).await.unwrap();
    assert_eq!(first.host.as_deref(), Some("compute-1"), "its own host is the default");
    let learned = store::Learned::Set(crate::model::LearnedMac {
        switch: "tor-1".into(),
        network: net.id,
        mac: crate::model::MacAddr::new([2, 0, 0, 0, 0, 0x70]),
        vtep: "192.0.2.9".parse().unwrap(),
        ips: vec![].into_iter().collect(),
        learned_ms: 1,
    });
    store.write(move |write| Box::pin(write.set_learned(vec![learned]))).await.unwrap();

    for (draft, word) in [
        (bare(0x64), "address pair of port"),
        (with_pair(2, 1), "of port"),
        (with_pair(2, 0x64), "address pair of port"),
        (bare(0x70), "learned by switch 'tor-1'"),
        (with_pair(2, 0x70), "learned by switch 'tor-1'"),
    ] {
        let refused = service.create_port(&two, draft).await.unwrap_err();
        assert!(matches!(refused, ServiceError::MacClaimed { .. }), "{refused}");
        assert!(refused.to_string().contains(word), "{refused}");
    }
    // The same by a change.
    let second = service.create_port(&two, bare(2)).await.unwrap().id.to_string();
    for update in [
        PortUpdate { allowed_address_pairs: Some(vec![pair(1)]), ..PortUpdate::default() },
        PortUpdate { mac: pair(0x64).mac, ..PortUpdate::default() },
        PortUpdate { mac: pair(0x70).mac, ..PortUpdate::default() },
    ] {
        let refused = service.update_port(&two, &second, update).await.unwrap_err();
        assert!(matches!(refused, ServiceError::MacClaimed { .. }), "{refused}");
    }
    // On its own host, and for an admin, MACs may be shared; on another network they are others.
    service.create_port(&one, with_pair(3, 0x64)).await.unwrap();
    service.create_port(&admin, PortDraft { host: Some("compute-2".into()), ..with_pair(4, 0x64) }).await.unwrap();
    let other = service.create_network(&admin, network("other")).await.unwrap();
    service.create_port(&two, PortDraft { host: None, ..port(&other, 0x70) }).await.unwrap();

    // compute-2 has three ports of eight by now.
    let more = |count: u8| (0..count).map(|last| bare(0x20 + last)).collect::<Vec<_>>();
    let refused = service.create_ports(&two, more(6)).await.unwrap_err();
    assert!(matches!(refused, ServiceError::OverQuota { there: 3, more: 6, quota: 8, .. }), "{refused}");
    service.create_ports(&two, more(5)).await.unwrap();
    let refused = service.create_port(&two, bare(0x40)).await.unwrap_err();
    assert!(matches!(refused, ServiceError::OverQuota { .. }), "{refused}");
    service.create_port(&admin, PortDraft { host: Some("compute-2".into()), ..bare(0x40) }).await.unwrap();
    store.close().await;
}

/// A bulk is created in parts: others write in between. Where a part is refused, none of it stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_keeps_nobody_waiting_and_leaves_nothing_behind() {
    let scratch = Scratch::new();
    let (store, service) = scratch.open().await;
    let admin = Caller::default();
    let mac = |i: u32| {
        let [a, b, c, d] = i.to_be_bytes();
        crate::model::MacAddr::new([2, 1, a, b, c, d])
    };
    let of = |net: &crate::model::Network, limit| Selection {
        limit: Some(limit),
        ..Selection::among(PortColumn::Network, [net.id.to_string()])
    };
    for clash in [false, true] {
        let net = service.create_network(&admin, network("n")).await.unwrap();
        let draft = |i: u32| PortDraft { mac: Some(mac(i)), ..port(&net, 1) };
        let drafts = |count: u32| (0..count).map(draft).collect::<Vec<_>>();
        // What can be seen at once is refused before anything is created.
        let mut twice = drafts(2000);
        twice[1999].mac = twice[0].mac;
        let refused = service.create_ports(&admin, twice).await.unwrap_err();
        assert!(matches!(refused, ServiceError::MacInUse { port: None, .. }), "{refused}");
        let mut wrong = drafts(2000);
        wrong[1321].name = "x".repeat(300);
        let refused = service.create_ports(&admin, wrong).await.unwrap_err();
        assert!(refused.to_string().contains("ports[1321]"), "{refused}");
        assert!(service.ports(&of(&net, 1)).await.unwrap().is_empty());

        let (of_bulk, caller, all) = (service.clone(), admin.clone(), drafts(4000));
        let bulk = tokio::spawn(async move { of_bulk.create_ports(&caller, all).await });
        while service.ports(&of(&net, 1)).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let other = if clash { draft(3999) } else { port(&net, 9) };
        service.create_port(&admin, other).await.unwrap();
        assert!(!bulk.is_finished(), "the one that came later waited for all of them");
        let (created, there) = (bulk.await.unwrap(), service.ports(&of(&net, 9000)).await.unwrap().len());
        if clash {
            let refused = created.unwrap_err();
            assert!(matches!(refused, ServiceError::MacInUse { port: Some(_), .. }), "{refused}");
            assert_eq!(there, 1, "the one that was quicker is there, and nothing else");
        } else {
            let created = created.unwrap();
            let right = |(i, port): (usize, &Annotated<crate::model::Port>)| port.mac == mac(u32::try_from(i).unwrap());
            assert!(created.len() == 4000 && created.iter().enumerate().all(right), "in the order of the call");
            assert_eq!(there, 4001);
        }
    }
    store.close().await;
}
