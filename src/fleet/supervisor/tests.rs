use super::*;
use crate::{
    config::Config,
    fleet::events::events,
    model::{ChangeSet, MacAddr, NetworkId, Tombstone},
};

/// Two databases that nobody answers for.
fn supervisor() -> (Supervisor, mpsc::Receiver<(String, Revision)>) {
    let text = b"[switch:a]\ntransport = unix\novsdb_socket = /nonexistent/a\n\
                 [switch:b]\ntransport = unix\novsdb_socket = /nonexistent/b\n";
    let none: [(String, String); 0] = [];
    let config = Config::parse(std::path::Path::new("plumgrid.ini"), text, 0o600, none).expect("a right configuration");
    let (confirm, confirmed) = mpsc::channel(8);
    let settings = FleetSettings {
        deployment: config.deployment,
        previous_prefixes: config.previous_prefixes,
        switches: config.switches.into_values().collect(),
        holds: std::collections::BTreeSet::new(),
        events: events(8).0,
        relay: Arc::new(config.relay),
    };
    let channels = Channels { confirm, reports: mpsc::channel(8).0, commands: mpsc::channel(1).0.downgrade() };
    (Supervisor::new(settings, channels, Arc::default(), Arc::default()), confirmed)
}

async fn started() -> (Supervisor, mpsc::Receiver<(String, Revision)>) {
    let (mut supervisor, confirmed) = supervisor();
    let switches = supervisor.settings.switches.clone();
    supervisor.reconfigure(switches).await;
    (supervisor, confirmed)
}

#[tokio::test]
async fn a_worker_that_fails_is_replaced_and_hears_what_the_others_heard() {
    let (mut supervisor, _confirmed) = started().await;
    supervisor.feed(FeedEvent::Loaded(7));
    let (database, failed) = supervisor.workers.iter().map(|(a, r)| (a.clone(), r.task.clone())).next().unwrap();
    failed.abort();
    let ended = supervisor.tasks.join_next_with_id().await.unwrap();
    supervisor.ended(ended);
    assert_eq!(supervisor.workers.len(), 2);
    let replaced = &supervisor.workers[&database];
    assert_ne!(replaced.task.id(), failed.id());
    assert!(!replaced.task.is_finished() && replaced.delivered == 7);
    supervisor.stop(|_, _| true).await;
    assert!(supervisor.workers.is_empty());
}

#[tokio::test]
async fn an_explanation_is_kept_until_every_database_that_it_may_concern_has_confirmed_it() {
    let (mut supervisor, mut confirmed) = started().await;
    supervisor.feed(FeedEvent::Loaded(7));
    let tombstone = Tombstone::Mac { network: NetworkId::random(), mac: MacAddr::new([2, 0, 0, 0, 0, 1]) };
    supervisor.feed(FeedEvent::Changes(ChangeSet { revision: 8, changes: Vec::new(), tombstones: vec![tombstone] }));
    let databases: Vec<Database> = supervisor.workers.keys().cloned().collect();
    assert!(confirmed.try_recv().is_err(), "neither has compared anything yet");
    // The first load concerned both; the tombstone's network is carried by neither.
    supervisor.confirm(&databases[0], 7);
    assert_eq!(confirmed.try_recv().unwrap(), (databases[0].to_string(), 8));
    assert_eq!(supervisor.intent.last_tombstone(), Some(8));
    supervisor.confirm(&databases[1], 7);
    assert_eq!(confirmed.try_recv().unwrap(), (databases[1].to_string(), 8));
    assert_eq!(supervisor.intent.last_tombstone(), None);
    // With nothing to explain, nothing is confirmed.
    supervisor.feed(FeedEvent::Changes(ChangeSet { revision: 9, changes: Vec::new(), tombstones: Vec::new() }));
    supervisor.confirm(&databases[0], 7);
    assert!(confirmed.try_recv().is_err());
}

/// A worker that doesn't answer is shown as it was, with its bindings, and takes no orders; the others answer.
#[tokio::test(start_paused = true)]
async fn a_busy_worker_is_shown_and_takes_no_orders() {
    let (mut supervisor, _confirmed) = started().await;
    let (queries, unread) = mpsc::channel(1);
    let database = supervisor.of_switch["b"].clone();
    supervisor.workers.get_mut(&database).expect("a worker").queries = queries;
    let (answer, answered) = oneshot::channel();
    supervisor.command(Command::Switches(answer)).await;
    let switches = answered.await.expect("an answer");
    let busy: Vec<_> = switches.iter().map(|switch| (switch.name.as_str(), switch.is_of_busy_worker())).collect();
    assert_eq!(busy, [("a", false), ("b", true)]);
    let (answer, answered) = oneshot::channel();
    supervisor.command(Command::Switch("b".to_owned(), answer)).await;
    let switch = answered.await.expect("an answer").expect("it is there");
    assert!(switch.own.iter().any(|own| own.reason.to_string().contains("the switch's worker is busy")), "{switch:?}");
    let busy = SwitchError::Busy("b".to_owned());
    let (answer, answered) = oneshot::channel();
    supervisor.command(Command::Repair("b".to_owned(), answer)).await;
    assert_eq!(answered.await.expect("an answer"), Err(busy.clone()));
    let (answer, answered) = oneshot::channel();
    supervisor.command(Command::Release("b".to_owned(), answer)).await;
    assert_eq!(answered.await.expect("an answer"), Err(busy.clone()));
    let (answer, answered) = oneshot::channel();
    supervisor.command(Command::Hold("b".to_owned(), true, answer)).await;
    assert_eq!(answered.await.expect("an answer"), Err(busy));
    drop(unread);
    supervisor.stop(|_, _| true).await;
}

/// What one change costs the task that all changes go through, when a gateway's switches have learned 100,000 MACs:
/// measured, and bounded for the change of one MAC. `make soak` runs it.
#[tokio::test]
#[ignore = "it measures"]
async fn one_change_among_100_000_learned_macs() {
    use crate::model::{
        Change, Connection, ConnectionId, Device, DeviceId, Election, Gateway, GatewayId, Ips, LearnedMac, Network,
        SwitchVteps, Vni,
    };
    const MACS: u32 = 100_000;
    let (mut supervisor, _confirmed) = started().await;
    let (gateway, network) = (GatewayId::random(), NetworkId::random());
    let mut revision = 0;
    let mut commit = |supervisor: &mut Supervisor, changes: Vec<Change>| {
        revision += 1;
        let begun = std::time::Instant::now();
        supervisor.feed(FeedEvent::Changes(ChangeSet { revision, changes, tombstones: Vec::new() }));
        begun.elapsed()
    };
    let device = |name: &str| Device { id: DeviceId::random(), name: name.to_owned(), interfaces: Vec::new() };
    let vteps = |name: &str, ip: [u8; 4]| {
        Change::VtepsSet(SwitchVteps { switch: name.to_owned(), network: None, vteps: vec![ip.into()] })
    };
    let learned = |i: u32, switch: &str, ip: [u8; 4]| {
        let [_, a, b, c] = i.to_be_bytes();
        Change::LearnedSet(LearnedMac {
            switch: switch.to_owned(),
            network,
            mac: MacAddr::new([2, 0, 0, a, b, c]),
            vtep: ip.into(),
            ips: Ips::None,
            learned_ms: u64::from(i),
        })
    };
    let election = |eligible: &[&str]| {
        let eligible: Vec<String> = eligible.iter().map(|name| (*name).to_owned()).collect();
        Change::ElectionSet(Election { gateway, network, forwarder: eligible.first().cloned(), eligible })
    };
    let connection = Connection {
        id: ConnectionId::random(),
        tenant_id: String::new(),
        gateway_id: gateway,
        network_id: network,
        port_id: String::new(),
        default_vlan: None,
    };
    let devices = vec![device("a"), device("b")];
    let of_network = Network { id: network, name: "n".into(), tenant_id: String::new(), vni: Vni::try_from(5000).ok() };
    let first = vec![
        Change::NetworkSet(of_network),
        Change::GatewaySet(Gateway { id: gateway, name: "g".into(), tenant_id: String::new(), devices }),
        Change::ConnectionSet(connection),
        vteps("a", [192, 0, 2, 1]),
        vteps("b", [192, 0, 2, 2]),
        election(&["a", "b"]),
    ];
    commit(&mut supervisor, first);
    for chunk in 0..MACS / 1000 {
        commit(&mut supervisor, (chunk * 1000..(chunk + 1) * 1000).map(|i| learned(i, "a", [192, 0, 2, 1])).collect());
    }
    supervisor.feed(FeedEvent::Loaded(u64::from(MACS)));
    let mut one = Duration::MAX;
    for i in 0..10 {
        one = one.min(commit(&mut supervisor, vec![learned(MACS + i, "a", [192, 0, 2, 1])]));
    }
    let away = commit(&mut supervisor, vec![election(&["b"])]);
    let back = commit(&mut supervisor, vec![election(&["b", "a"])]);
    println!("among {MACS} learned MACs: one more {one:?}, all of them to the twin {away:?}, and back {back:?}");
    assert!(one < Duration::from_millis(50), "{one:?}");
    supervisor.stop(|_, _| true).await;
}
