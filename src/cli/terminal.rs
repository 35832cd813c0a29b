//! What depends on the terminal: colours, and words on standard error.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use comfy_table::Color;

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

/// The word in its colour, where standard output takes it.
pub(super) fn painted(word: &str, text: &str) -> String {
    let code = match colour(word) {
        Some(Color::Green) => 32,
        Some(Color::Yellow) => 33,
        Some(Color::Red) => 31,
        _ => return text.to_owned(),
    };
    if colours() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// An error, on standard error.
pub(super) fn complain(error: &dyn Display) {
    // There is nobody left to tell.
    let _ = writeln!(io::stderr(), "l2gw: {error}");
}

/// A remark, on standard error: programs read standard output.
pub(super) fn remark(text: &dyn Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
