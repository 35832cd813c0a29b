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
