//! What a name may mean.

use std::cmp::Reverse;

use serde_json::Value;

use super::{output::text, terminal};
use crate::model::{printable::one_line, text::natural_order};

/// Names that are listed one by one; of more, the number and the command that lists them.
const LISTED: usize = 8;

/// The known name that is most like what was typed, if any is like it.
pub(super) fn nearest<S: AsRef<str>>(typed: &str, known: impl IntoIterator<Item = S>) -> Option<String> {
    // A third of the letters may differ.
    let limit = (typed.chars().count() / 3).clamp(1, 3);
    let shape = shape(typed);
    // A name that is much longer can't be near, and would take long to compare.
    let longest = typed.len() * 2 + 16;
    let candidates = known.into_iter().filter(|name| name.as_ref() != typed && name.as_ref().len() <= longest);
    let measured = candidates.map(|name| {
        let other = self::shape(name.as_ref());
        let slips = strsim::damerau_levenshtein(&shape, &other);
        let same = shape.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
        // Of names that are equally far, the one that has as many letters comes first, then the one that begins alike.
        let distance = (slips, shape.chars().count().abs_diff(other.chars().count()), Reverse(same));
        (distance, name)
    });
    let near = measured.filter(|((slips, ..), _)| *slips <= limit);
    let best = near.min_by(|(a, one), (b, other)| a.cmp(b).then_with(|| natural_order(one.as_ref(), other.as_ref())));
    best.map(|(_, name)| name.as_ref().to_owned())
}

/// Letters without case; those that look like digits are the digits.
fn shape(text: &str) -> String {
    text.chars()
        .flat_map(char::to_lowercase)
        .map(|c| match c {
            'o' => '0',
            'l' | 'i' => '1',
            other => other,
        })
        .collect()
}

/// `; did you mean 'x'?`, or nothing.
pub(super) fn did_you_mean<S: AsRef<str>>(typed: &str, known: impl IntoIterator<Item = S>) -> String {
    nearest(typed, known).map(|name| format!("; did you mean '{name}'?")).unwrap_or_default()
}

/// Names in their natural order; of many, how many there are. `command` lists them all.
pub(super) fn choices(names: &[String], what: &str, command: &str) -> String {
    match names.len() {
        0 => format!("there is no {what}"),
        count if count > LISTED => format!("{}: {command}", counted(count, what)),
        _ => {
            let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
            names.sort_by(|a, b| natural_order(a, b));
            let noun = if what.ends_with("ch") { format!("{what}es") } else { format!("{what}s") };
            format!("the {noun} are: {}", names.join(", "))
        }
    }
}

/// `1 port`, `2 ports`.
pub(super) fn counted(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ if what.ends_with("ch") => format!("{number} {what}es"),
        _ => format!("{number} {what}s"),
    }
}

/// Notes that the name of what was just made or renamed is another's, too.
pub(super) fn remark_same(list: &Value, made: &Value, what: &str) {
    let name = text(&made["name"]);
    let same = list.as_array().into_iter().flatten().filter(|one| one["name"] == made["name"]).count();
    if same > 1 && !name.is_empty() {
        terminal::remark(&format_args!(
            "l2gw: note: {} are called '{}': commands need their UUIDs",
            counted(same, what),
            one_line(&name)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name() {
        let ports: Vec<String> = (1..=48).map(|n| format!("Ethernet{n}")).collect();
        for (typed, meant) in [
            ("Ethernet4l", Some("Ethernet41")),
            ("Ethernet4O", Some("Ethernet40")),
            ("ethernet41", Some("Ethernet41")),
            ("Etherent41", Some("Ethernet41")),
            ("Ethernet411", Some("Ethernet41")),
            ("Ethernt7", Some("Ethernet7")),
            ("ge-0/0/1", None),
            ("x", None),
        ] {
            assert_eq!(nearest(typed, &ports).as_deref(), meant, "{typed}");
        }
        assert_eq!(nearest("gatway", ["gateway", "status", "gw"]).as_deref(), Some("gateway"));
        assert_eq!(did_you_mean("compute1", ["compute-1"]), "; did you mean 'compute-1'?");
        assert_eq!(did_you_mean("nope", ["compute-1"]), "");
    }

    #[test]
    fn few_names_are_listed_in_their_natural_order() {
        let names = |count: usize| (1..=count).rev().map(|n| format!("Ethernet{n}")).collect::<Vec<_>>();
        let expected = "the ports are: Ethernet1, Ethernet2, Ethernet3";
        assert_eq!(choices(&names(3), "port", "l2gw switch show t"), expected);
        assert_eq!(choices(&names(48), "port", "l2gw switch show t"), "48 ports: l2gw switch show t");
        assert_eq!((counted(1, "switch"), counted(2, "switch")), ("1 switch".to_owned(), "2 switches".to_owned()));
    }
}
