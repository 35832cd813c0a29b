//! One section while it is read: every key is asked for once, and what was not asked for is unknown.

use std::collections::BTreeMap;

use super::{
    error::{ConfigError, ConfigPlace, ConfigProblem},
    ini::SectionName,
    layers::{Layers, Setting},
};

/// A section, its keys, and the list that its errors go to.
pub(super) struct Section<'a> {
    name: SectionName,
    place: ConfigPlace,
    /// What was not asked for yet.
    settings: BTreeMap<String, Setting>,
    /// What was asked for: the known keys, and where those are that are set.
    asked: BTreeMap<&'static str, Option<ConfigPlace>>,
    errors: &'a mut Vec<ConfigError>,
}

impl<'a> Section<'a> {
    pub(super) fn open(layers: &Layers, name: SectionName, errors: &'a mut Vec<ConfigError>) -> Self {
        let (place, settings) = (layers.place(&name), layers.settings(&name));
        Self { name, place, settings, asked: BTreeMap::new(), errors }
    }

    /// The value of a key; `None` where it isn't set, or is wrong, which is then in the list.
    pub(super) fn get<T>(&mut self, key: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.read(key, |text| {
            if text.contains('\n') {
                Err(ConfigProblem::ManyLines { key: key.to_owned() })
            } else {
                bad(key, parse(unquoted(text)))
            }
        })
    }

    /// The items of a key, separated by commas or lines; as [`Section::get`].
    pub(super) fn list<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
        self.read(key, |text| {
            if text.is_empty() {
                return Ok(Vec::new());
            }
            let items = text.split([',', '\n']).map(|item| parse(unquoted(item.trim())));
            bad(key, items.collect())
        })
    }

    /// Whether a key is set, be it right or wrong. Only what was asked for before.
    pub(super) fn has(&self, key: &str) -> bool {
        self.asked.get(key).is_some_and(Option::is_some)
    }

    /// Notes an error at a key that was asked for, or at the section where the key isn't set.
    pub(super) fn refuse(&mut self, key: &str, problem: ConfigProblem) {
        let place = self.asked.get(key).cloned().flatten().unwrap_or_else(|| self.place.clone());
        self.errors.push(ConfigError { place, problem });
    }

    /// Notes that a value can't be.
    pub(super) fn refuse_value(&mut self, key: &'static str, why: String) {
        self.refuse(key, ConfigProblem::BadValue { key: key.to_owned(), why });
    }

    /// Notes that a key is missing.
    pub(super) fn missing(&mut self, key: &'static str, why: &'static str) {
        self.refuse(key, ConfigProblem::Missing { title: self.name.to_string(), key, why });
    }

    /// Where the section begins.
    pub(super) fn place(&self) -> &ConfigPlace {
        &self.place
    }

    /// Where a key is that was asked for.
    pub(super) fn place_of(&self, key: &str) -> Option<&ConfigPlace> {
        self.asked.get(key).and_then(Option::as_ref)
    }

    /// Ends the reading: what nobody asked for is unknown.
    pub(super) fn close(self) {
        for (key, setting) in self.settings {
            let hint = nearest(&key, self.asked.keys().copied()).map(|near| format!("'{near}'"));
            let problem = ConfigProblem::UnknownKey { key, title: self.name.to_string(), hint };
            self.errors.push(ConfigError { place: setting.place, problem });
        }
    }

    fn read<T>(&mut self, key: &'static str, parse: impl FnOnce(&str) -> Result<T, ConfigProblem>) -> Option<T> {
        let setting = self.settings.remove(key);
        self.asked.insert(key, setting.as_ref().map(|setting| setting.place.clone()));
        let setting = setting?;
        parse(&setting.value).map_err(|problem| self.errors.push(ConfigError { place: setting.place, problem })).ok()
    }
}

fn bad<T>(key: &str, parsed: Result<T, String>) -> Result<T, ConfigProblem> {
    parsed.map_err(|why| ConfigProblem::BadValue { key: key.to_owned(), why })
}

/// Without the pair of quotes around it, if there is one, as oslo.config reads values.
fn unquoted(value: &str) -> &str {
    ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(value)
}

/// The known word that was meant, if one is near: a slip of a letter or two, or a part left out (`socket`).
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let close = |candidate: &str| {
        let distance = strsim::damerau_levenshtein(word, candidate);
        let contained = word.len() >= 4 && (candidate.contains(word) || word.contains(candidate));
        match distance {
            0..=2 if distance < word.chars().count() => Some(distance),
            _ => contained.then_some(distance),
        }
    };
    // A word of kilobytes is no slip, and the distance takes the square of its length.
    if word.len() > 64 {
        return None;
    }
    known.filter_map(|candidate| Some((close(candidate)?, candidate))).min().map(|(_, candidate)| candidate)
}
