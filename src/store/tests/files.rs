//! The files on disk: other programs' are left alone, and one that is gone takes no writes.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    time::Instant,
};

use super::{Scratch, insert, network};
use crate::{
    model::Vni,
    store::{Selection, Store, StoreError, files::APPLICATION_ID},
};

fn beside(path: &Path, suffix: &str) -> std::path::PathBuf {
    path.with_file_name(format!("vtepd.db{suffix}"))
}

async fn refused(store: &Store, what: &str) {
    let begun = Instant::now();
    let error = insert(store, network(9)).await.unwrap_err();
    assert!(begun.elapsed().as_secs() < 1, "{error}");
    let text = error.to_string();
    assert!(matches!(error, StoreError::Gone { .. }) && error.is_unavailable() && text.contains(what), "{text}");
    assert!(store.health().is_err());
}

#[tokio::test]
async fn a_file_that_is_deleted_or_replaced_takes_no_writes_until_it_is_back() {
    let scratch = Scratch::new();
    let (file, aside) = (scratch.file(), scratch.0.join("aside"));
    let mut store = scratch.open().await;
    insert(&store, network(1)).await.unwrap();
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let name = beside(&file, suffix);
        fs::rename(&name, &aside).unwrap();
        refused(&store, "was deleted or moved").await;
        fs::copy(&aside, &name).unwrap();
        refused(&store, "was replaced by another file").await;
        fs::rename(&aside, &name).unwrap();
        insert(&store, network(2)).await.expect(suffix);
        assert!(store.health().is_ok());
        store.close().await;
        store = scratch.open().await;
        let removed = store.write(|write| {
            Box::pin(async move {
                let vni = Vni::try_from(2).unwrap();
                let network = write.network_of_vni(vni).await?.expect("what was answered is there");
                write.remove_network(network.id).await
            })
        });
        removed.await.unwrap();
    }
}

/// Nobody writes: it is noticed all the same.
#[tokio::test]
async fn a_file_that_is_gone_is_noticed_within_a_second() {
    let scratch = Scratch::new();
    let store = scratch.open().await;
    insert(&store, network(1)).await.unwrap();
    drop(store.snapshot().await.unwrap());
    fs::remove_file(scratch.file()).unwrap();
    let begun = Instant::now();
    while store.health().is_ok() {
        assert!(begun.elapsed().as_secs() < 5, "nobody notices");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(begun.elapsed().as_millis() < 1500, "{:?}", begun.elapsed());
    // Connections for reads that are there still answer.
    assert_eq!(store.snapshot().await.unwrap().networks(&Selection::default()).await.unwrap().len(), 1);
}

/// What a log that was deleted holds is brought into the database when the daemon stops.
#[tokio::test]
async fn a_deleted_log_loses_nothing_that_was_answered() {
    let scratch = Scratch::new();
    let store = scratch.open().await;
    insert(&store, network(1)).await.unwrap();
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(beside(&scratch.file(), suffix)).unwrap();
    }
    refused(&store, "was deleted or moved").await;
    store.close().await;
    let store = scratch.open().await;
    assert_eq!(store.snapshot().await.unwrap().networks(&Selection::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn another_programs_file_is_left_as_it_is() {
    let scratch = Scratch::new();
    let file = scratch.file();
    let make = |sql: &str| {
        let sqlite = rusqlite::Connection::open(&file).unwrap();
        sqlite.execute_batch(sql).unwrap();
        sqlite
    };
    let names = || -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(&scratch.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let check = async |what: &str| {
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        let (bytes, before) = (fs::read(&file).unwrap(), names());
        let error = Store::open(&file).await.unwrap_err();
        assert!(matches!(error, StoreError::Foreign { .. }) && error.to_string().contains(what), "{error}");
        assert_eq!((fs::read(&file).unwrap(), names()), (bytes, before), "{error}");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644, "{error}");
    };
    drop(make("CREATE TABLE a (x); CREATE TABLE b (x); CREATE TABLE c (x); CREATE TABLE d (x)"));
    check("with the tables a, b, c and others").await;
    fs::remove_file(&file).unwrap();
    // Another program's migrations by the same library; and one that marks its files.
    drop(make("CREATE TABLE _sqlx_migrations (version); CREATE TABLE users (x)"));
    check("with the tables _sqlx_migrations, users").await;
    drop(make("PRAGMA application_id = 252006674"));
    check("application_id 252006674").await;
    fs::remove_file(&file).unwrap();
    fs::write(&file, "Dear diary,\n".repeat(1000)).unwrap();
    check("not an SQLite database").await;
    fs::remove_file(&file).unwrap();
    // In use, and all of it in its log yet.
    let used = make("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE accounts (x)");
    check("with the tables accounts").await;
    drop(used);
}

#[tokio::test]
async fn our_file_is_marked_and_one_of_before_is_taken() {
    let scratch = Scratch::new();
    let id = || -> i64 {
        let sqlite = rusqlite::Connection::open(scratch.file()).unwrap();
        sqlite.query_row("PRAGMA application_id", [], |row| row.get(0)).unwrap()
    };
    let store = scratch.open().await;
    store.close().await;
    assert_eq!(id(), APPLICATION_ID);
    // As an earlier version left it.
    rusqlite::Connection::open(scratch.file()).unwrap().execute_batch("PRAGMA application_id = 0").unwrap();
    scratch.open().await.close().await;
    assert_eq!(id(), APPLICATION_ID);
    // An empty one is new.
    fs::remove_file(scratch.file()).unwrap();
    fs::write(scratch.file(), "").unwrap();
    scratch.open().await.close().await;
    assert_eq!(id(), APPLICATION_ID);
}

#[tokio::test]
async fn a_link_in_the_locks_place_leads_nowhere() {
    let scratch = Scratch::new();
    let (lock, precious) = (beside(&scratch.file(), ".lock"), scratch.0.join("precious"));
    fs::write(&precious, "precious").unwrap();
    let refused = async || {
        let error = Store::open(&scratch.file()).await.unwrap_err();
        assert!(matches!(error, StoreError::Open { .. }) && error.to_string().contains(".lock"), "{error}");
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    };
    symlink(&precious, &lock).unwrap();
    refused().await;
    fs::remove_file(&lock).unwrap();
    fs::hard_link(&precious, &lock).unwrap();
    refused().await;
    fs::remove_file(&lock).unwrap();
    symlink(scratch.0.join("nowhere"), &lock).unwrap();
    refused().await;
    assert_eq!(fs::metadata(scratch.0.join("nowhere")).unwrap_err().kind(), io::ErrorKind::NotFound);
    fs::remove_file(&lock).unwrap();
    // A longer number of an earlier process doesn't stay behind ours.
    fs::write(&lock, "4294967295\n").unwrap();
    let _store = scratch.open().await;
    let holder = Store::open(&scratch.file()).await.unwrap_err().to_string();
    assert!(holder.contains(&format!("process {} uses it", std::process::id())), "{holder}");
}
