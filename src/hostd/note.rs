//! The note of the flood entries that are ours.
//!
//! All destinations of the all-zero MAC share one mark in the kernel, so that ours can't be told from others' there. The
//! note is written before an entry is, and lies where a reboot clears it (`/run`), as it clears the kernel's entries.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use super::kernel::Kernel;
use crate::model::Vni;

/// A note that can't be written: flood entries would be forgotten, and so they aren't made.
#[derive(Debug, thiserror::Error)]
#[error("{path} can't be written: {why}; flood entries wait for it ([host] state_file)", path = .path.display())]
pub(super) struct NoteError {
    path: PathBuf,
    why: io::Error,
}

/// Which flood entries are ours, by network.
#[derive(Debug)]
pub(super) struct Note {
    path: PathBuf,
    flood: BTreeMap<u32, BTreeSet<Ipv4Addr>>,
    none: BTreeSet<Ipv4Addr>,
    /// No earlier run left a note here.
    is_new: bool,
}

impl Note {
    /// Reads the note of an earlier run. Without one, flood entries that are there count as others'.
    pub(super) fn read(path: &Path) -> Self {
        let mut is_new = false;
        let flood = match fs::read(path).map(|bytes| serde_json::from_slice(&bytes)) {
            Ok(Ok(flood)) => flood,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                is_new = true;
                BTreeMap::new()
            }
            Ok(Err(error)) => {
                unusable(path, &error);
                BTreeMap::new()
            }
            Err(error) => {
                unusable(path, &error);
                BTreeMap::new()
            }
        };
        Self { path: path.to_owned(), flood, none: BTreeSet::new(), is_new }
    }

    /// Logs the flood entries of an earlier run that this note doesn't name, because its file is another one. They can't be
    /// told from others' entries, so they stay.
    pub(super) fn compare(&mut self, kernel: &Kernel) -> Result<(), NoteError> {
        if !std::mem::take(&mut self.is_new) {
            return Ok(());
        }
        let entries: usize = kernel.forwarding.values().map(|forwarding| forwarding.flood.len()).sum();
        if entries > 0 {
            tracing::warn!(
                entries,
                path = %self.path.display(),
                "there are flood entries on our interfaces, and no note of an earlier run: they stay, whether vtepd names \
                 them or not; if [host] state_file was changed, move the old file there, or remove the interfaces once"
            );
        }
        // The next start finds it.
        self.write()
    }

    pub(super) fn of(&self, vni: Vni) -> &BTreeSet<Ipv4Addr> {
        self.flood.get(&vni.get()).unwrap_or(&self.none)
    }

    /// Notes entries that are about to be made; on disk when this returns.
    pub(super) fn add(&mut self, vni: Vni, vteps: &[Ipv4Addr]) -> Result<(), NoteError> {
        let noted = self.flood.entry(vni.get()).or_default();
        let before = noted.len();
        noted.extend(vteps);
        if noted.len() == before { Ok(()) } else { self.write() }
    }

    /// Forgets entries that are gone. A note that couldn't be written says too much, which harms nobody.
    pub(super) fn remove(&mut self, vni: Vni, vteps: &[Ipv4Addr]) -> Result<(), NoteError> {
        let Some(noted) = self.flood.get_mut(&vni.get()) else { return Ok(()) };
        noted.retain(|vtep| !vteps.contains(vtep));
        if noted.is_empty() {
            self.flood.remove(&vni.get());
        }
        self.write()
    }

    /// Forgets a network whose device is gone.
    pub(super) fn forget(&mut self, vni: Vni) -> Result<(), NoteError> {
        if self.flood.remove(&vni.get()).is_some() { self.write() } else { Ok(()) }
    }

    fn write(&self) -> Result<(), NoteError> {
        let new = self.path.with_extension("new");
        let write = || {
            if let Some(directory) = self.path.parent() {
                fs::create_dir_all(directory)?;
            }
            fs::write(&new, serde_json::to_vec(&self.flood)?)?;
            fs::rename(&new, &self.path)
        };
        write().map_err(|why| NoteError { path: self.path.clone(), why })
    }
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) {
    tracing::warn!(path = %path.display(), %error, "the note of our flood entries can't be read: those that are there stay");
}
