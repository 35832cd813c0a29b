//! What is wrong in plumgrid.ini, where, and what to write instead.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// How many errors are printed before the rest is only counted.
const PRINTED: usize = 50;

/// Where a setting was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigPlace {
    /// The file as a whole.
    File(Arc<PathBuf>),
    /// A line of the file, counted from 1.
    Line(Arc<PathBuf>, u32),
    /// A variable of the environment, by its name.
    Variable(String),
}

impl fmt::Display for ConfigPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigPlace::File(path) => write!(f, "{}", path.display()),
            ConfigPlace::Line(path, line) => write!(f, "{}:{line}", path.display()),
            ConfigPlace::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// One thing that is wrong, and the fix. Values of secret keys are never repeated here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigProblem {
    /// No file, or no permission.
    #[error("cannot be read: {why}; name another file with --config, or start from {example}")]
    Unreadable {
        /// What the system says.
        why: String,
        /// The example of such a file.
        example: &'static str,
    },
    /// Beyond the bound on the file's size.
    #[error("is larger than {0} bytes: this is no configuration")]
    TooLarge(u64),
    /// A secret that any user of the machine may read.
    #[error("holds a password and can be read or written by every user of this machine: chmod o-rwx {0}")]
    Exposed(PathBuf),
    /// A byte that is not UTF-8.
    #[error("byte 0x{0:02x} is not UTF-8: save the file as UTF-8")]
    NotUtf8(u8),
    /// A control character, NUL for example.
    #[error("the line holds the control character {0:?}: remove it")]
    ControlCharacter(char),
    /// Neither a section, a key, a comment nor blank.
    #[error("expected 'key = value', '[section]' or '# comment'")]
    NoSeparator,
    /// `= value`.
    #[error("there is no key before '{0}'")]
    NoKey(char),
    /// `[section`.
    #[error("the section's closing ']' is missing")]
    UnclosedSection,
    /// `[section] text`.
    #[error("text after the section's ']': begin a new line")]
    TextAfterSection,
    /// `[]`, `[switch:]`.
    #[error("the section's name is empty")]
    EmptySectionName,
    /// A section's name beyond 255 characters: `Physical_Switch.name` could not be shown as one.
    #[error("the section's name is longer than 255 characters")]
    LongSectionName,
    /// An indented line under nothing.
    #[error("an indented line goes on with the value above, and there is none: remove the spaces before it")]
    NothingToContinue,
    /// A key above the first section.
    #[error("the key '{0}' stands before any section: write [DEFAULT] above it")]
    OutsideSection(String),
    /// The same section again.
    #[error("the section {title} is in line {first} already: join them")]
    DuplicateSection {
        /// As written.
        title: String,
        /// The line of the first.
        first: u32,
    },
    /// The same key again.
    #[error("the key '{key}' of {title} is in line {first} already: remove one of them")]
    DuplicateKey {
        /// The key.
        key: String,
        /// Its section.
        title: String,
        /// The line of the first.
        first: u32,
    },
    /// A section that nothing reads.
    #[error("the section {title} is not known{}", did_you_mean(.hint.as_deref()))]
    UnknownSection {
        /// As written.
        title: String,
        /// What was meant, perhaps.
        hint: Option<String>,
    },
    /// `[switch]`.
    #[error("the section [{word}] needs a name: [{word}:NAME]")]
    SectionWithoutName {
        /// `switch` or `gateway`.
        word: &'static str,
    },
    /// `[api:x]`.
    #[error("the section [{word}] takes no name")]
    SectionWithName {
        /// The section.
        word: &'static str,
    },
    /// A key that nothing reads.
    #[error("the key '{key}' is not known in {title}{}", did_you_mean(.hint.as_deref()))]
    UnknownKey {
        /// The key.
        key: String,
        /// Its section.
        title: String,
        /// What was meant, perhaps.
        hint: Option<String>,
    },
    /// A value that can't be.
    #[error("{key}: {why}")]
    BadValue {
        /// The key.
        key: String,
        /// What is wrong and what is expected.
        why: String,
    },
    /// A value of several lines where one is expected.
    #[error(
        "{key}: the value goes on in the indented line below it; if that line is a key of its own, remove the spaces before it"
    )]
    ManyLines {
        /// The key.
        key: String,
    },
    /// A key that must be there.
    #[error("{title} needs '{key}': {why}")]
    Missing {
        /// The section.
        title: String,
        /// The key.
        key: &'static str,
        /// Why, and an example.
        why: &'static str,
    },
    /// A capability whose keys are known, and which this version doesn't have.
    #[error("{what} is not built yet in this version: remove the key")]
    NotBuilt {
        /// The key, with the value where only some values are affected.
        what: String,
    },
    /// Settings that exclude each other.
    #[error("{0}")]
    Conflict(String),
    /// A variable that names no section of the file.
    #[error("no section [{word}:NAME] of the file is spelled {spelled} in the environment")]
    NoSuchName {
        /// `switch` or `gateway`.
        word: String,
        /// The middle part of the variable's name.
        spelled: String,
    },
    /// A variable that names several sections of the file.
    #[error("ambiguous: it could mean {}; rename one of them, or set the key in the file", .0.join(" or "))]
    Ambiguous(Vec<String>),
    /// A variable whose value or name isn't UTF-8.
    #[error("is not UTF-8")]
    VariableNotUtf8,
}

fn did_you_mean(hint: Option<&str>) -> String {
    hint.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default()
}

/// One error of plumgrid.ini or of the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ConfigError {
    /// Where.
    pub place: ConfigPlace,
    /// What, and the fix.
    pub problem: ConfigProblem,
}

/// All errors of one configuration: file first, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    pub(super) fn new(mut errors: Vec<ConfigError>) -> Self {
        errors.sort_by(|a, b| a.place.cmp(&b.place));
        Self(errors)
    }

    pub(super) fn one(path: &Path, problem: ConfigProblem) -> Self {
        Self(vec![ConfigError { place: ConfigPlace::File(Arc::new(path.to_owned())), problem }])
    }

    /// The errors, file first, in the order of its lines.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().take(PRINTED).enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{error}")?;
        }
        match self.0.len().saturating_sub(PRINTED) {
            0 => Ok(()),
            more => write!(f, "\n… and {more} errors more"),
        }
    }
}
