//! Text from outside, as it is put into sentences: short, and without anything that a terminal or a log obeys.

use std::{cmp::Ordering, collections::BTreeSet, fmt};

use super::printable::is_printable;

/// Longest name that is shown, in characters. The columns of the store hold 255.
const NAME: usize = 64;
/// Longest sentence of a peer that is shown, in characters: an error of a switch, for example.
const SENTENCE: usize = 400;
/// Names that a [`Names`] lists.
const LISTED: usize = 5;

/// A name as prose shows it: at most 64 characters, control and format characters escaped.
#[must_use]
pub fn name(name: &str) -> String {
    shortened(name, NAME)
}

/// What a peer said, as prose shows it: at most 400 characters, control and format characters escaped.
#[must_use]
pub fn sentence(text: &str) -> String {
    shortened(text, SENTENCE)
}

fn shortened(text: &str, longest: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(longest));
    for (count, c) in text.chars().enumerate() {
        if count == longest {
            shown.push('…');
            break;
        }
        if is_printable(c) {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
    }
    shown
}

/// Numbers in names count as numbers: Ethernet2 stands before Ethernet10.
#[must_use]
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        match (left.chars().next(), right.chars().next()) {
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (number, rest) = number(left);
                let (other, other_rest) = self::number(right);
                // Without leading zeros the longer number is the greater one.
                match number.len().cmp(&other.len()).then_with(|| number.cmp(other)) {
                    Ordering::Equal => (left, right) = (rest, other_rest),
                    unequal => return unequal,
                }
            }
            (Some(x), Some(y)) if x == y => (left, right) = (&left[x.len_utf8()..], &right[y.len_utf8()..]),
            (None, None) => return a.cmp(b),
            (x, y) => return x.cmp(&y),
        }
    }
}

fn number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].trim_start_matches('0'), &text[end..])
}

/// A name that is sorted in the natural order.
#[derive(PartialEq, Eq)]
struct Natural<'a>(&'a str);

impl Ord for Natural<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        natural_order(self.0, other.0)
    }
}

impl PartialOrd for Natural<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The first names of many, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    listed: Vec<String>,
    count: usize,
}

impl Names {
    /// The first few of these names in their natural order. Memory is bounded by what is listed.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut lowest, mut count) = (BTreeSet::new(), 0);
        for name in names.into_iter().map(Natural) {
            count += 1;
            if lowest.len() < LISTED || lowest.last().is_some_and(|last| name < *last) {
                lowest.insert(name);
                if lowest.len() > LISTED {
                    lowest.pop_last();
                }
            }
        }
        Self { listed: lowest.into_iter().map(|Natural(shown)| name(shown)).collect(), count }
    }

    /// Number of names.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.listed.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&self.listed.join(", "))?;
        match self.count - self.listed.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_count_as_numbers() {
        let mut names = ["e10", "e2", "e1/10", "e1/9", "e02", "e", "e2a", "f1", "E2"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["E2", "e", "e1/9", "e1/10", "e02", "e2", "e2a", "e10", "f1"]);
    }

    proptest! {
        #[test]
        fn the_natural_order_is_an_order(mut names in prop::collection::vec("[a-b0-2é/]{0,6}", 3)) {
            prop_assert_eq!(natural_order(&names[0], &names[1]), natural_order(&names[1], &names[0]).reverse());
            prop_assert_eq!(natural_order(&names[0], &names[1]).is_eq(), names[0] == names[1]);
            names.sort_by(|a, b| natural_order(a, b));
            prop_assert!(natural_order(&names[0], &names[2]).is_le());
        }
    }

    #[test]
    fn the_lowest_names_are_listed_and_all_are_counted() {
        let many: Vec<String> = (0..400).rev().map(|i| format!("Ethernet{i:03}")).collect();
        let names = Names::new(many.iter().map(String::as_str));
        let listed = "Ethernet000, Ethernet001, Ethernet002, Ethernet003, Ethernet004 and 395 more";
        assert_eq!((names.to_string().as_str(), names.count()), (listed, 400));
        assert_eq!(Names::new(["b", "a10", "a9"]).to_string(), "a9, a10, b");
        assert_eq!(Names::default().to_string(), "none");
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        assert_eq!(name("a\u{1b}[31m\u{202e}b\u{9b}1m\n"), "a\\u{1b}[31m\\u{202e}b\\u{9b}1m\\n");
        assert_eq!(name("größer-☃"), "größer-☃");
    }

    proptest! {
        #[test]
        fn any_name_becomes_short_and_harmless(text in any::<String>()) {
            let shown = name(&text);
            prop_assert!(shown.chars().all(is_printable));
            prop_assert!(shown.chars().count() <= NAME * 10 + 1);
            if text.chars().count() <= NAME && text.chars().all(is_printable) {
                prop_assert_eq!(shown, text);
            }
        }
    }
}
