//! Rules on a real SQLite file. What clients see of them is tested through the API.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    time::Duration,
};

use super::*;
use crate::{
    fleet::Fleet,
    model::{Binding, Change, FeedEvent, Network, Revision, Tombstone, VlanId},
    source::{Sink, Step},
    store::Store,
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
        let service = Service::new(store.clone(), Fleet::detached(), Settings { vni_ranges: vec![1000..=65_535] });
        (store, service)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn network(name: &str) -> NetworkDraft {
    NetworkDraft { name: name.into(), tenant_id: None, segment: Segment::Allocate, attributes: GivenAttributes::new() }
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
    assert!(matches!(status.switches[0].reason, crate::model::reason::Reason::NoSegment { .. }), "{status:?}");
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
}
