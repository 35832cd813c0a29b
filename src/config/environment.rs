//! `VTEPD_SECTION__KEY` and `VTEPD_SECTION__NAME__KEY`: settings of the environment, which override the file's.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
};

use figment::value::{Dict, Value};

use super::{
    error::{ConfigError, ConfigPlace, ConfigProblem},
    ini::SectionName,
    layers::section_key,
};

/// The variables that set something.
#[derive(Default)]
pub(super) struct Variables {
    /// Settings by [`section_key`] and key.
    pub(super) dict: Dict,
    /// Name of the variable that set a section's key.
    pub(super) names: HashMap<(String, String), String>,
    /// The sections that the file lacks.
    pub(super) sections: Vec<SectionName>,
}

impl Variables {
    /// Sorts the variables under the file's sections. Those without `prefix`, or without `__`, are none of ours.
    pub(super) fn read<K: Into<OsString>, V: Into<OsString>>(
        prefix: &str,
        environment: impl IntoIterator<Item = (K, V)>,
        file: &[SectionName],
        errors: &mut Vec<ConfigError>,
    ) -> Self {
        let mut spelled: HashMap<(&str, String), Vec<&SectionName>> = HashMap::new();
        for section in file {
            let name = section.name.as_deref().map(in_environment).unwrap_or_default();
            spelled.entry((section.word.as_str(), name)).or_default().push(section);
        }
        let mut variables = Self::default();
        let mut settings: BTreeMap<String, Dict> = BTreeMap::new();
        for (variable, value) in environment {
            let (variable, value) = (variable.into(), value.into());
            // A variable of ours has an ASCII name; a foreign one may hold anything.
            let Some(variable) = variable.to_str() else { continue };
            let Some((section, key)) = variable.strip_prefix(prefix).and_then(|rest| rest.rsplit_once("__")) else {
                continue;
            };
            let mut wrong =
                |problem| errors.push(ConfigError { place: ConfigPlace::Variable(variable.to_owned()), problem });
            let Ok(value) = value.into_string() else {
                wrong(ConfigProblem::VariableNotUtf8);
                continue;
            };
            let section = match section_of(section, &spelled) {
                Ok(section) => section,
                Err(problem) => {
                    wrong(problem);
                    continue;
                }
            };
            let (section_name, key) = (section_key(&section), key.to_ascii_lowercase());
            if section.name.is_none() && !file.contains(&section) && !variables.sections.contains(&section) {
                variables.sections.push(section);
            }
            settings.entry(section_name.clone()).or_default().insert(key.clone(), Value::from(value));
            variables.names.insert((section_name, key), variable.to_owned());
        }
        variables.dict = settings.into_iter().map(|(section, keys)| (section, Value::from(keys))).collect();
        variables
    }
}

/// `SWITCH__TOR_SWITCH_1` -> the section of the file that it means; `API` -> `[api]`, in the file or not.
fn section_of(
    variable: &str,
    spelled: &HashMap<(&str, String), Vec<&SectionName>>,
) -> Result<SectionName, ConfigProblem> {
    let (word, name) = match variable.split_once("__") {
        Some((word, name)) => (word.to_ascii_lowercase(), Some(name)),
        None => (variable.to_ascii_lowercase(), None),
    };
    let Some(name) = name else { return Ok(SectionName { word, name: None }) };
    match spelled.get(&(word.as_str(), name.to_owned())).map(Vec::as_slice) {
        None | Some([]) => Err(ConfigProblem::NoSuchName { word, spelled: name.to_owned() }),
        Some([section]) => Ok((*section).clone()),
        Some(several) => Err(ConfigProblem::Ambiguous(several.iter().map(ToString::to_string).collect())),
    }
}

/// `tor-switch-1` -> `TOR_SWITCH_1`.
fn in_environment(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}
