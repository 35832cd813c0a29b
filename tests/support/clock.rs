//! A clock of the calendar that programs go by and that a test sets: libfaketime stands between them and the kernel. The
//! monotonic clock stays as it is, as it does on a machine whose administrator, or NTP, sets the time.

use std::{fs, path::PathBuf};

use super::process::Scratch;

#[derive(Debug)]
pub(crate) struct Clock(Scratch);

impl Clock {
    /// Goes right.
    pub(crate) fn new() -> Self {
        let clock = Self(Scratch::new());
        clock.jump("+0");
        clock
    }

    /// From now on it is so far from right: `+400d`, `-3h`.
    pub(crate) fn jump(&self, offset: &str) {
        let new = self.0.join("new");
        fs::write(&new, format!("{offset}\n")).expect("the clock is set");
        // At once: it is read at any moment.
        fs::rename(new, self.file()).expect("the clock is set");
    }

    fn file(&self) -> PathBuf {
        self.0.join("offset")
    }

    /// The environment of a program that goes by it.
    pub(crate) fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", library()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
        ]
    }
}

/// Where Debian has it.
fn library() -> String {
    let directories = fs::read_dir("/usr/lib").expect("/usr/lib is there");
    let candidates = directories.filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketimeMT.so.1")));
    let found = candidates.into_iter().find(|path| path.exists()).expect("libfaketime is installed");
    found.display().to_string()
}
