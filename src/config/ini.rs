//! The INI dialect that oslo.config writes, with the line of everything.
//!
//! - `#` and `;` begin a comment at the beginning of a line (spaces before them are allowed), never within one: a
//!   password may hold them.
//! - `key = value` or `key: value`; the first `=` or `:` separates. Nothing is escaped or substituted.
//! - An indented line goes on with the value above it.
//! - Words of section names and keys are read without regard to case; a section's name after the `:` keeps its case.
//!
//! Own code, since the INI crates either interpret `\` and `#` inside passwords or lose the line numbers.

use std::collections::HashMap;

use super::error::ConfigProblem;

/// Longest name of a section, in characters: as long as the widest device name of the API.
const LONGEST_NAME: usize = 255;

/// `[word]` or `[word:name]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SectionName {
    /// In lower case.
    pub word: String,
    /// As written.
    pub name: Option<String>,
}

impl std::fmt::Display for SectionName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // oslo.config's own spelling of the one section that isn't in lower case.
        let word = if self.word == "default" { "DEFAULT" } else { &self.word };
        match &self.name {
            Some(name) => write!(f, "[{word}:{name}]"),
            None => write!(f, "[{word}]"),
        }
    }
}

/// A section and its keys, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IniSection {
    /// Its name.
    pub name: SectionName,
    /// Line of its header, counted from 1.
    pub line: u32,
    /// Its keys; none twice.
    pub entries: Vec<IniEntry>,
}

/// `key = value`.
#[derive(Clone, PartialEq, Eq)]
pub struct IniEntry {
    /// In lower case.
    pub key: String,
    /// As written, without spaces around it; continued lines are joined with a line feed.
    pub value: String,
    /// Line of the key, counted from 1.
    pub line: u32,
}

// By hand: a value may be a secret.
impl std::fmt::Debug for IniEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IniEntry").field("key", &self.key).field("line", &self.line).finish_non_exhaustive()
    }
}

/// What a text says, and what is wrong with it: parsing goes on after an error, so that all are found at once.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The sections that could be read; none twice.
    pub sections: Vec<IniSection>,
    /// Line, counted from 1, and problem.
    pub problems: Vec<(u32, ConfigProblem)>,
}

/// Reads an INI text. Takes time and memory in proportion to the text, and never fails as a whole.
#[must_use]
pub fn parse(text: &str) -> Parsed {
    let mut parser = Parser::default();
    // A byte order mark, as Windows editors write it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (line, number) in text.lines().zip(1..) {
        parser.line(number, line.trim_end());
    }
    parser.parsed
}

#[derive(Default)]
struct Parser {
    parsed: Parsed,
    /// Where each section was first, as (line, index).
    sections: HashMap<SectionName, u32>,
    /// Where each key of the current section was first.
    keys: HashMap<String, u32>,
    inside: Inside,
}

/// What the next line belongs to.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Inside {
    #[default]
    Nothing,
    /// A section; the line before was no key.
    Section,
    /// A key of the last section, which an indented line continues.
    Key,
    /// A section or key with an error of its own: what belongs to it is skipped without another.
    Broken { section: bool },
}

impl Parser {
    fn line(&mut self, number: u32, line: &str) {
        if let Some(control) = line.chars().find(|c| c.is_control() && *c != '\t') {
            return self.problem(number, ConfigProblem::ControlCharacter(control));
        }
        let content = line.trim_start();
        if content.is_empty() {
            return self.blank();
        }
        if content.starts_with(['#', ';']) {
            return;
        }
        if content.len() < line.len() {
            return self.continuation(number, content);
        }
        match content.strip_prefix('[') {
            Some(rest) => self.header(number, rest),
            None => self.key(number, content),
        }
    }

    fn problem(&mut self, line: u32, problem: ConfigProblem) {
        self.parsed.problems.push((line, problem));
    }

    fn blank(&mut self) {
        self.inside = match self.inside {
            Inside::Key | Inside::Broken { section: false } => Inside::Section,
            other => other,
        };
    }

    fn continuation(&mut self, number: u32, content: &str) {
        match self.inside {
            Inside::Broken { .. } => {}
            Inside::Key => {
                let entry = self.parsed.sections.last_mut().and_then(|section| section.entries.last_mut());
                if let Some(entry) = entry {
                    entry.value.push('\n');
                    entry.value.push_str(content);
                }
            }
            Inside::Nothing | Inside::Section => self.problem(number, ConfigProblem::NothingToContinue),
        }
    }

    fn header(&mut self, number: u32, rest: &str) {
        self.keys.clear();
        self.inside = Inside::Broken { section: true };
        let name = match section_name(rest) {
            Ok(name) => name,
            Err(problem) => return self.problem(number, problem),
        };
        if let Some(&first) = self.sections.get(&name) {
            return self.problem(number, ConfigProblem::DuplicateSection { title: name.to_string(), first });
        }
        self.sections.insert(name.clone(), number);
        self.parsed.sections.push(IniSection { name, line: number, entries: Vec::new() });
        self.inside = Inside::Section;
    }

    fn key(&mut self, number: u32, content: &str) {
        if self.inside == (Inside::Broken { section: true }) {
            return;
        }
        let Some(at) = content.find(['=', ':']) else {
            self.inside_broken_key();
            return self.problem(number, ConfigProblem::NoSeparator);
        };
        // Both separators are one byte long.
        let (key, value) = (content[..at].trim().to_ascii_lowercase(), content[at + 1..].trim());
        if key.is_empty() {
            self.inside_broken_key();
            return self.problem(number, ConfigProblem::NoKey(if content.starts_with(':') { ':' } else { '=' }));
        }
        let Some(section) = self.parsed.sections.last_mut() else {
            return self.problem(number, ConfigProblem::OutsideSection(key));
        };
        if let Some(&first) = self.keys.get(&key) {
            let title = section.name.to_string();
            self.inside_broken_key();
            return self.problem(number, ConfigProblem::DuplicateKey { key, title, first });
        }
        section.entries.push(IniEntry { key: key.clone(), value: value.to_owned(), line: number });
        self.keys.insert(key, number);
        self.inside = Inside::Key;
    }

    fn inside_broken_key(&mut self) {
        if self.inside != Inside::Nothing {
            self.inside = Inside::Broken { section: false };
        }
    }
}

/// `rest` is a header without its `[`.
fn section_name(rest: &str) -> Result<SectionName, ConfigProblem> {
    // A name may hold a ']': the last one closes.
    let (inside, after) = rest.rsplit_once(']').ok_or(ConfigProblem::UnclosedSection)?;
    let after = after.trim_start();
    if !after.is_empty() && !after.starts_with(['#', ';']) {
        return Err(ConfigProblem::TextAfterSection);
    }
    let (word, name) = match inside.split_once(':') {
        Some((word, name)) => (word.trim(), Some(name.trim().to_owned())),
        None => (inside.trim(), None),
    };
    if word.is_empty() || name.as_ref().is_some_and(String::is_empty) {
        return Err(ConfigProblem::EmptySectionName);
    }
    if inside.chars().count() > LONGEST_NAME {
        return Err(ConfigProblem::LongSectionName);
    }
    Ok(SectionName { word: word.to_ascii_lowercase(), name })
}
