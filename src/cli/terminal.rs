//! The only file of the command line that writes: what people read, what programs read, and remarks on standard error. Names
//! come from clients, from Neutron's tenants and from switches; nothing of them steers the terminal.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use comfy_table::Color;

use super::Failure;
use crate::model::printable;

/// Where a colour begins in text for people, and where it ends. No text from outside holds them: they are noncharacters, and
/// escaped like all that isn't printable.
const GREEN: char = '\u{fdd0}';
const YELLOW: char = '\u{fdd1}';
const RED: char = '\u{fdd2}';
const PLAIN: char = '\u{fdd3}';

/// Whether standard output takes colours: a terminal, and nobody who doesn't want them (no-color.org).
pub(super) fn colours() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !unwanted && !dumb
}

/// Whether standard error is a terminal, and shows progress.
pub(super) fn interactive() -> bool {
    io::stderr().is_terminal()
}

/// The colour of a status, or of what is done with a row.
pub(super) fn colour(word: &str) -> Option<Color> {
    match word {
        "active" | "up" | "insert" | "ok" | "done" => Some(Color::Green),
        "pending" | "draining" | "degraded" | "held" | "update" | "connecting" | "identifying" | "syncing" => {
            Some(Color::Yellow)
        }
        "down" | "conflict" | "error" | "delete" | "refused" | "backoff" => Some(Color::Red),
        _ => None,
    }
}

/// The text in the colour of a word, for [`people`].
pub(super) fn painted(word: &str, text: &str) -> String {
    let mark = match colour(word) {
        Some(Color::Green) => GREEN,
        Some(Color::Yellow) => YELLOW,
        Some(Color::Red) => RED,
        _ => return text.to_owned(),
    };
    format!("{mark}{text}{PLAIN}")
}

/// Text for people, to standard output. Its lines stay; all else that isn't printable is escaped.
pub(super) fn people(text: &str) -> Result<(), Failure> {
    write(for_people(text, colours()).as_bytes())
}

fn for_people(text: &str, colours: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for piece in text.split_inclusive([GREEN, YELLOW, RED, PLAIN]) {
        let (piece, code) = match piece.chars().next_back() {
            Some(GREEN) => (piece.trim_end_matches(GREEN), "\u{1b}[32m"),
            Some(YELLOW) => (piece.trim_end_matches(YELLOW), "\u{1b}[33m"),
            Some(RED) => (piece.trim_end_matches(RED), "\u{1b}[31m"),
            Some(PLAIN) => (piece.trim_end_matches(PLAIN), "\u{1b}[0m"),
            _ => (piece, ""),
        };
        shown.push_str(&printable::lines(piece));
        if colours {
            shown.push_str(code);
        }
    }
    shown
}

/// A table, whose cells were escaped before they were coloured and arranged.
pub(super) fn table(text: &str) -> Result<(), Failure> {
    write(text.as_bytes())
}

/// Text for programs, to standard output: exactly as it is into a file or a pipe, escaped on a terminal.
pub(super) fn programs(text: &str) -> Result<(), Failure> {
    if io::stdout().is_terminal() { write(printable::lines(text).as_bytes()) } else { write(text.as_bytes()) }
}

/// An error, on standard error.
pub(super) fn complain(error: &dyn Display) {
    remark(&format_args!("l2gw: {error}"));
}

/// A remark, on standard error: programs read standard output.
pub(super) fn remark(text: &dyn Display) {
    // There is nobody left to tell where it fails.
    let _ = writeln!(io::stderr(), "{}", printable::lines(&text.to_string()));
}

fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_ours_alone() {
        let text = format!("{} \u{1b}[31mname\u{1b}[0m\n", painted("error", "error"));
        assert_eq!(for_people(&text, true), "\u{1b}[31merror\u{1b}[0m \\u{1b}[31mname\\u{1b}[0m\n");
        assert_eq!(for_people(&text, false), "error \\u{1b}[31mname\\u{1b}[0m\n");
        assert_eq!(painted("unknown", "text"), "text");
    }
}
