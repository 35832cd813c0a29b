//! Text from outside, made fit for a terminal: names of networks, of hosts and of switches' ports may hold anything that
//! Unicode has. A terminal obeys control characters (a name could clear the screen, or write a line of its own), and shows
//! others not at all, or in another order (a name could look like another).

use std::{borrow::Cow, ops::RangeInclusive};

/// What a terminal doesn't show as it stands: characters that format (general category Cf), line separators, code points for
/// private use and noncharacters, and those that Unicode calls Default_Ignorable. Control characters (Cc) are not listed.
const HIDDEN: [RangeInclusive<char>; 33] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{600}'..='\u{605}',
    '\u{61c}'..='\u{61c}',
    '\u{6dd}'..='\u{6dd}',
    '\u{70f}'..='\u{70f}',
    '\u{890}'..='\u{891}',
    '\u{8e2}'..='\u{8e2}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{3164}'..='\u{3164}',
    '\u{e000}'..='\u{f8ff}',
    '\u{fdd0}'..='\u{fdef}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffb}',
    '\u{fffe}'..='\u{ffff}',
    '\u{110bd}'..='\u{110bd}',
    '\u{110cd}'..='\u{110cd}',
    '\u{13430}'..='\u{1343f}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{1fffe}'..='\u{1ffff}',
    '\u{2fffe}'..='\u{2ffff}',
    '\u{3fffe}'..='\u{3ffff}',
    '\u{e0000}'..='\u{e0fff}',
    '\u{efffe}'..='\u{effff}',
    '\u{f0000}'..='\u{10ffff}',
];

/// Whether a terminal shows the character as what it is, and does nothing else.
#[must_use]
pub fn is_printable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        '\0'..='\u{9f}' => false,
        _ => HIDDEN.iter().all(|range| !range.contains(&c)),
    }
}

/// The text in one line: what isn't printable, line breaks included, is escaped as Rust writes it (`\n`, `\u{1b}`).
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    escape(text, is_printable, as_rust)
}

/// The text with its line breaks: all else that isn't printable is escaped.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    escape(text, |c| c == '\n' || is_printable(c), as_rust)
}

fn as_rust(escaped: &mut String, c: char) {
    escaped.extend(c.escape_default());
}

/// The text with each character that isn't kept written by `write`.
pub fn escape(text: &str, is_kept: impl Fn(char) -> bool, write: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if text.chars().all(&is_kept) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_kept(c) {
            escaped.push(c);
        } else {
            write(&mut escaped, c);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_obeys_or_hides_is_escaped() {
        for (text, expected) in [
            ("tor-1 Ethernet40 'x' \"y\" \\", "tor-1 Ethernet40 'x' \"y\" \\"),
            ("é 網路 e\u{301} 😀", "é 網路 e\u{301} 😀"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{9b}31m\u{85}", "\\u{9b}31m\\u{85}"),
            ("a\nb\tc\r\0", "a\\nb\\tc\\r\\u{0}"),
            ("\u{202e}1-rot\u{202c}\u{2066}", "\\u{202e}1-rot\\u{202c}\\u{2066}"),
            ("a\u{200b}b\u{feff}\u{ad}", "a\\u{200b}b\\u{feff}\\u{ad}"),
            ("\u{2028}\u{7f}\u{e0041}\u{3164}", "\\u{2028}\\u{7f}\\u{e0041}\\u{3164}"),
        ] {
            assert_eq!(one_line(text), expected);
        }
        assert_eq!(lines("a\n\u{1b}b\r\n"), "a\n\\u{1b}b\\r\n");
    }

    proptest! {
        #[test]
        fn nothing_else_is_left_of_any_text(text in any::<String>()) {
            prop_assert!(one_line(&text).chars().all(is_printable));
            prop_assert!(!one_line(&text).chars().any(char::is_control));
            prop_assert_eq!(lines(&text).matches('\n').count(), text.matches('\n').count());
            // The standard library's own tables agree on what is a control character.
            let left = lines(&text).chars().any(|c| c.is_control() && c != '\n');
            prop_assert!(!left);
        }
    }
}
