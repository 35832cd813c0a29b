//! A wrong command line, in words: what clap finds, with suggestions from what people can see.

use std::{borrow::Cow, ffi::OsString, process::ExitCode};

use clap::{
    Command, Parser as _,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{Arguments, definition, near, terminal};
use crate::model::printable;

/// The arguments of this process; where they are wrong, that has been said.
pub fn arguments() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|error| report(&error))
}

fn report(error: &clap::Error) -> ExitCode {
    let code = ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    if let Some(text) = own_words(error, std::env::args_os()) {
        terminal::remark(&text);
        return code;
    }
    let is_printable = |(_, value): (ContextKind, &ContextValue)| match value {
        ContextValue::String(text) => matches!(printable::one_line(text), Cow::Borrowed(_)),
        _ => true,
    };
    if error.context().all(is_printable) {
        // Nobody is left to tell where it fails.
        let _ = error.print();
    } else {
        // What was typed is quoted, and would steer the terminal.
        terminal::remark(&printable::one_line(error.render().to_string().trim_end()));
    }
    code
}

/// Our own words: for a command or an option that doesn't exist, where clap would suggest hidden ones, too, and for a value.
fn own_words(error: &clap::Error, typed: impl IntoIterator<Item = OsString>) -> Option<String> {
    let value = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (command, path) = command_of(typed);
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = value(ContextKind::InvalidSubcommand)?;
            let visible = command.get_subcommands().filter(|sub| !sub.is_hide_set());
            let names = visible.flat_map(|sub| std::iter::once(sub.get_name()).chain(sub.get_visible_aliases()));
            let near = near::did_you_mean(word, names);
            let word = printable::one_line(word);
            Some(format!("l2gw: there is no command '{word}'{near}\n\n'{path} --help' lists the commands"))
        }
        ErrorKind::UnknownArgument => {
            let word = value(ContextKind::InvalidArg)?;
            let given = word.strip_prefix("--")?;
            let visible = command.get_arguments().filter(|arg| !arg.is_hide_set());
            let names =
                visible.flat_map(|arg| arg.get_long().into_iter().chain(arg.get_visible_aliases().unwrap_or_default()));
            let near =
                near::nearest(given, names).map(|name| format!("; did you mean '--{name}'?")).unwrap_or_default();
            let word = printable::one_line(word);
            Some(format!("l2gw: '{path}' has no option '{word}'{near}\n\n'{path} --help' lists the options"))
        }
        ErrorKind::ValueValidation => {
            let [argument, given] = [value(ContextKind::InvalidArg)?, value(ContextKind::InvalidValue)?];
            let why = std::error::Error::source(error)?.to_string();
            let [given, why] = [printable::one_line(given), printable::one_line(&why)];
            Some(format!("l2gw: '{given}' for {argument}: {why}\n\n'{path} --help' lists the options"))
        }
        _ => None,
    }
}

/// The command that the words name as far as they name one, and how it is called.
fn command_of(typed: impl IntoIterator<Item = OsString>) -> (Command, String) {
    let mut command = definition();
    command.build();
    let mut path = command.get_name().to_owned();
    let mut is_value = false;
    for word in typed.into_iter().skip(1) {
        let word = word.to_string_lossy();
        if std::mem::take(&mut is_value) {
            continue;
        }
        if let Some(option) = word.strip_prefix('-') {
            let long = option.strip_prefix('-');
            let is_meant = |arg: &&clap::Arg| match long {
                Some(long) => arg.get_long() == Some(long),
                None => arg.get_short().is_some_and(|short| option.chars().eq([short])),
            };
            is_value = command.get_arguments().find(is_meant).is_some_and(|arg| arg.get_action().takes_values());
            continue;
        }
        let Some(sub) = command.find_subcommand(word.as_ref()).cloned() else { break };
        path = format!("{path} {}", sub.get_name());
        command = sub;
    }
    (command, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &[&str]) -> String {
        let typed = || std::iter::once("l2gw").chain(words.iter().copied()).map(OsString::from);
        let error = Arguments::try_parse_from(typed()).unwrap_err();
        own_words(&error, typed()).unwrap_or_else(|| error.render().to_string())
    }

    #[test]
    fn commands_and_options_that_are_meant() {
        for (words, expected) in [
            (
                &["gatway", "list"][..],
                "l2gw: there is no command 'gatway'; did you mean 'gateway'?\n\n'l2gw --help' lists",
            ),
            (&["gateway", "lst"], "there is no command 'lst'; did you mean 'list'?\n\n'l2gw gateway --help' lists"),
            (&["-o", "json", "--socket", "/x", "gw", "delte"], "did you mean 'delete'?\n\n'l2gw gateway --help' lists"),
            (&["l2-gateway-lst"], "did you mean 'l2-gateway-list'?"),
            (&["manul"], "there is no command 'manul'\n"),
            (&["xyzzy"], "there is no command 'xyzzy'\n"),
            // A hidden spelling is taken, and not offered.
            (&["port", "create", "n", "--macc", "x"], "'l2gw port create' has no option '--macc'\n"),
            (&["port", "create", "n", "--mac-adress", "x"], "did you mean '--mac-address'?"),
            (&["network", "list", "--outptu", "json"], "did you mean '--output'?"),
            (
                &["audit", "--since", "x\n\u{1b}[2J"],
                "'x\\n\\u{1b}[2J' for --since <TIME>: 'x\\n\\u{1b}[2J' is neither a time (2026-11-24T10:00:00Z)",
            ),
        ] {
            let said = said(words);
            assert!(said.contains(expected), "{words:?}: {said}");
        }
    }
}
