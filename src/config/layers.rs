//! The file below, the environment above: two figment providers, and where each value came from.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use figment::{
    Figment, Metadata, Profile, Provider, Source,
    value::{Dict, Map, Value},
};

use super::{
    environment::Variables,
    error::{ConfigError, ConfigPlace},
    ini::{Parsed, SectionName},
};

/// The key under which a section stands in figment: names may hold dots, so it is no path.
pub(super) fn section_key(section: &SectionName) -> String {
    match &section.name {
        Some(name) => format!("{}:{name}", section.word),
        None => section.word.clone(),
    }
}

/// A value and where it was read.
pub(super) struct Setting {
    pub(super) value: String,
    pub(super) place: ConfigPlace,
}

/// All settings, the environment's laid over the file's.
pub(super) struct Layers {
    /// Knows which provider a value came from.
    figment: Figment,
    /// What the figment holds, by [`section_key`] and key.
    merged: Dict,
    path: Arc<PathBuf>,
    /// Line of each section and, under `Some(key)`, of each key.
    lines: HashMap<(String, Option<String>), u32>,
    /// Name of the variable that set a section's key.
    variables: HashMap<(String, String), String>,
    sections: Vec<SectionName>,
}

impl Layers {
    /// Lays the environment's variables over a file's sections; ours begin with `prefix`.
    pub(super) fn new<K: Into<OsString>, V: Into<OsString>>(
        path: &Path,
        parsed: Parsed,
        prefix: &str,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> (Self, Vec<ConfigError>) {
        let path = Arc::new(path.to_owned());
        let mut errors: Vec<_> = parsed
            .problems
            .into_iter()
            .map(|(line, problem)| ConfigError { place: ConfigPlace::Line(path.clone(), line), problem })
            .collect();

        let mut sections: Vec<SectionName> = Vec::new();
        let mut lines = HashMap::new();
        let mut dict = Dict::new();
        for section in parsed.sections {
            let key = section_key(&section.name);
            lines.insert((key.clone(), None), section.line);
            let mut entries = Dict::new();
            for entry in section.entries {
                lines.insert((key.clone(), Some(entry.key.clone())), entry.line);
                entries.insert(entry.key, Value::from(entry.value));
            }
            dict.insert(key, Value::from(entries));
            sections.push(section.name);
        }

        let variables = Variables::read(prefix, environment, &sections, &mut errors);
        sections.extend(variables.sections);
        let figment =
            Figment::new().merge(File { path: path.clone(), dict }).merge(Environment { dict: variables.dict });
        // Once for all sections: figment copies its whole content each time that it is asked.
        let merged =
            figment.data().ok().and_then(|mut profiles| profiles.remove(&Profile::Default)).unwrap_or_default();
        (Self { figment, merged, path, lines, variables: variables.names, sections }, errors)
    }

    /// Every section of the file, in its order, then those that only the environment names.
    pub(super) fn sections(&self) -> &[SectionName] {
        &self.sections
    }

    /// Where a section begins; the first of its variables where only the environment names it.
    pub(super) fn place(&self, section: &SectionName) -> ConfigPlace {
        let name = section_key(section);
        if let Some(&line) = self.lines.get(&(name.clone(), None)) {
            return ConfigPlace::Line(self.path.clone(), line);
        }
        let variables =
            self.variables.iter().filter(|((section, _), _)| *section == name).map(|(_, variable)| variable);
        variables
            .min()
            .map_or_else(|| ConfigPlace::File(self.path.clone()), |variable| ConfigPlace::Variable(variable.clone()))
    }

    /// The keys of a section; none where there is no such section.
    pub(super) fn settings(&self, section: &SectionName) -> BTreeMap<String, Setting> {
        let name = section_key(section);
        let Some(Value::Dict(_, dict)) = self.merged.get(&name) else { return BTreeMap::new() };
        dict.iter()
            .filter_map(|(key, value)| {
                let setting = Setting { value: value.as_str()?.to_owned(), place: self.place_of(&name, key, value) };
                Some((key.clone(), setting))
            })
            .collect()
    }

    fn place_of(&self, section: &str, key: &str, value: &Value) -> ConfigPlace {
        let source = self.figment.get_metadata(value.tag()).and_then(|metadata| metadata.source.as_ref());
        let at = (section.to_owned(), key.to_owned());
        match (source.and_then(Source::file_path), self.variables.get(&at)) {
            (None, Some(variable)) => ConfigPlace::Variable(variable.clone()),
            _ => match self.lines.get(&(at.0, Some(at.1))) {
                Some(&line) => ConfigPlace::Line(self.path.clone(), line),
                None => ConfigPlace::File(self.path.clone()),
            },
        }
    }
}

struct File {
    path: Arc<PathBuf>,
    dict: Dict,
}

impl Provider for File {
    fn metadata(&self) -> Metadata {
        Metadata::from("plumgrid.ini", Source::File(self.path.to_path_buf()))
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.dict.clone()))
    }
}

/// Unlike figment's own `Env` it leaves every value a string: `0123` is a password, not a number.
struct Environment {
    dict: Dict,
}

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named("environment")
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.dict.clone()))
    }
}
