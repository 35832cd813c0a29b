//! The store by itself, on a real SQLite file. Rules are tested in the service, kill -9 in `tests/switch`.

use std::{path::PathBuf, time::Duration};

use tokio::time::timeout;

use super::{select::Selection, *};
use crate::model::{Change, Network, NetworkId, Tombstone, Vni};

/// A directory that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("vtepd-store-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    async fn open(&self) -> Store {
        Store::open(&self.file()).await.unwrap()
    }

    fn file(&self) -> PathBuf {
        self.0.join("vtepd.db")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn network(n: u32) -> Network {
    Network {
        id: NetworkId::random(),
        name: format!("n{n}"),
        tenant_id: String::new(),
        vni: Vni::try_from(i64::from(n)).ok(),
    }
}

async fn insert(store: &Store, network: Network) -> Result<(), StoreError> {
    store.write(move |write| Box::pin(async move { write.insert_network(&network).await })).await
}

async fn next(feed: &mut mpsc::Receiver<FeedEvent>) -> FeedEvent {
    timeout(Duration::from_mins(1), feed.recv()).await.expect("an event").expect("the feed goes on")
}

/// VNIs of the networks that an event sets.
fn vnis(event: &FeedEvent) -> Vec<u32> {
    let FeedEvent::Changes(set) = event else { return Vec::new() };
    let vni = |change: &Change| match change {
        Change::NetworkSet(network) => network.vni.map(Vni::get),
        _ => None,
    };
    set.changes.iter().filter_map(vni).collect()
}

#[tokio::test]
async fn a_feed_tells_what_is_there_and_then_each_commit_once() {
    let scratch = Scratch::new();
    let store = scratch.open().await;
    insert(&store, network(1)).await.unwrap();
    let mut feed = store.feed();
    assert_eq!(vnis(&next(&mut feed).await), [1]);
    assert!(matches!(next(&mut feed).await, FeedEvent::Loaded(1)));
    for n in 2..5 {
        insert(&store, network(n)).await.unwrap();
        let event = next(&mut feed).await;
        assert_eq!(vnis(&event), [n]);
        assert!(matches!(event, FeedEvent::Changes(set) if set.revision == u64::from(n)));
    }
    store.close().await;
    assert_eq!(timeout(Duration::from_mins(1), feed.recv()).await.unwrap(), None);
}

#[tokio::test]
async fn a_feed_that_nobody_reads_delays_no_write_and_misses_nothing() {
    let scratch = Scratch::new();
    let store = scratch.open().await;
    let mut feed = store.feed();
    assert!(matches!(next(&mut feed).await, FeedEvent::Loaded(0)));
    // More than the channels hold between them, and enough commits to prune the table of changes.
    let count = 300;
    for n in 1..=count {
        insert(&store, network(n)).await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < count as usize {
        seen.extend(vnis(&next(&mut feed).await));
    }
    assert_eq!(seen, (1..=count).collect::<Vec<_>>());
    store.close().await;
}

#[tokio::test]
async fn a_write_that_is_refused_leaves_nothing_and_disturbs_no_other() {
    let scratch = Scratch::new();
    let store = scratch.open().await;
    let refused = |n: u32| {
        store.write(move |write| {
            Box::pin(async move {
                write.insert_network(&network(n)).await?;
                Err::<(), StoreError>(StoreError::Overloaded)
            })
        })
    };
    // They wait together, so they share commits.
    let (a, b, c, d) = tokio::join!(insert(&store, network(1)), refused(2), insert(&store, network(3)), refused(4));
    assert!(a.is_ok() && c.is_ok());
    assert!(matches!((b, d), (Err(StoreError::Overloaded), Err(StoreError::Overloaded))));
    let mut read = store.snapshot().await.unwrap();
    let mut there: Vec<_> =
        read.networks(&Selection::default()).await.unwrap().into_iter().filter_map(|n| n.vni).map(Vni::get).collect();
    there.sort_unstable();
    assert_eq!(there, [1, 3]);
    assert_eq!(read.revision().await.unwrap(), 2);
    drop(read);
    store.close().await;
}

/// The revision stood in a table of its own until version 6.
#[tokio::test]
async fn a_store_of_an_earlier_version_keeps_its_changes_and_its_revision() {
    let scratch = Scratch::new();
    {
        let database = Database::lock(&scratch.file()).unwrap();
        database.migrate_to(&open::MIGRATIONS[..5]).await.unwrap();
        let rows = "UPDATE revisions SET revision = 7;
            INSERT INTO changes VALUES (6, 0, '{\"changes\":[],\"tombstones\":[]}'), (7, 0, '{\"changes\":[],\"tombstones\":[]}')";
        rusqlite::Connection::open(scratch.file()).unwrap().execute_batch(rows).unwrap();
    }
    let store = scratch.open().await;
    let mut read = store.snapshot().await.unwrap();
    assert_eq!(read.revision().await.unwrap(), 7);
    assert_eq!(read.changes_after(5, 4).await.unwrap().len(), 2);
    drop(read);
    insert(&store, network(1)).await.unwrap();
    assert_eq!(store.snapshot().await.unwrap().revision().await.unwrap(), 8);
    store.close().await;
}

#[tokio::test]
async fn of_explanations_that_no_database_confirms_the_newest_are_kept() {
    let scratch = Scratch::new();
    let store = scratch.open().await;
    store.set_databases(&["tcp:a:6640".into()]).await.unwrap();
    let id = NetworkId::random();
    let switches = move |numbers: [u32; 2]| numbers.map(|n| Tombstone::Network { network: id, switch: n.to_string() });
    for numbers in [[1, 2], [3, 4], [5, 6]] {
        store.write(move |write| Box::pin(write.explain(switches(numbers).into()))).await.unwrap();
    }
    for (most, kept) in [(6, vec![[1, 2], [3, 4], [5, 6]]), (3, vec![[3, 4], [5, 6]]), (0, vec![[5, 6]])] {
        store.write(move |write| Box::pin(write.bound_tombstones(most))).await.unwrap();
        let mut left = store.snapshot().await.unwrap().tombstones().await.unwrap();
        left.sort_unstable();
        assert_eq!(left, kept.into_iter().flat_map(switches).collect::<Vec<_>>(), "at most {most}");
    }
    store.close().await;
}

#[tokio::test]
async fn a_write_that_panics_ends_the_store_and_everybody_hears_of_it() {
    let scratch = Scratch::new();
    let store = scratch.open().await;
    insert(&store, network(1)).await.unwrap();
    assert!(store.health().is_ok());
    let panics = store.write(|_| Box::pin(async { if true { panic!("a bug") } else { Ok::<(), StoreError>(()) } }));
    assert!(matches!(panics.await, Err(StoreError::Closed)));
    timeout(Duration::from_mins(1), store.ended()).await.expect("it ended");
    assert!(matches!(store.health(), Err(StoreError::Closed)));
    assert!(matches!(insert(&store, network(2)).await, Err(StoreError::Closed)));
    // What was answered before is there.
    store.close().await;
    let again = scratch.open().await;
    assert_eq!(again.snapshot().await.unwrap().networks(&Selection::default()).await.unwrap().len(), 1);
    again.close().await;
}

mod files;
